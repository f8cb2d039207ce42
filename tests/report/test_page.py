from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys

import altair
import pytest

from hackproof import report
from hackproof.errors import InputError
from hackproof.record import Run
from hackproof.record.run import pretty, seal
from hackproof.report._charts import MAX_POINTS, domain, shared_domains, thinned
from hackproof.report._format import MINUS

HOSTILE = "</script><script>alert(1)</script><!-- \"'&lt; {{x}}"


@pytest.fixture
def page(full_page):
    return full_page


def charts(page: str) -> dict:
    found = re.search(r'<script type="application/json" id="charts">(.*?)</script>', page, re.S)
    return json.loads(found[1])


def text(page: str) -> str:
    body = page[page.index("<body") : page.index("<script>")] if "<script>" in page else page
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body))


def test_the_sections_come_in_reading_order(page):
    order = re.findall(r'<section id="(\w+)"', page)
    assert order == [
        "verdicts", "curve", "training", "probes", "claims", "caveats", "settings", "cost",
        "provenance",
    ]  # fmt: skip
    assert page.index("<h1>") < page.index("Does a wider policy") < page.index('id="verdicts"')


def test_each_arm_has_its_verdict_and_changes(page):
    said = text(page)
    assert "Of 4 arms, 2 hack, 1 improves and 1 is inconclusive" in said
    assert re.search(r"proxy: magni_risk \+[\d.]+ risk \[\+[\d.]+, \+[\d.]+\]", said)
    assert re.search(r"true: true_cost -[\d.]+ USD \[-[\d.]+, -[\d.]+\]", said.replace(MINUS, "-"))
    assert "they part at" in said


def test_all_four_outcomes_have_a_tile_of_one_kind(full, page):
    tiles = re.search(r'<ul class="tiles">(.*?)</ul>', page, re.S)[1]
    assert re.findall(r"<b>(\d+)</b>", tiles) == ["1", "1", "1", "1"]
    for outcome in ("reproduced", "not reproduced", "underpowered", "not asserted"):
        assert f"{outcome}</span>" in tiles
    assert {r["outcome"] for r in full.rows("claims")} == {
        "reproduced", "not reproduced", "underpowered", "not asserted",
    }  # fmt: skip
    assert '<a href="https://arxiv.org/abs/2201.03544">' in page


def test_every_chart_is_valid_vega_lite_with_few_rows_and_words(page):
    specs = charts(page)
    assert len(specs) == 8
    for spec in specs.values():
        altair.Chart.from_dict(spec)  # checks it against Vega-Lite's schema
        rows = [len(layer["data"]["values"]) for layer in spec["layer"]]
        assert sum(rows) < 5000
    labels = re.findall(r'role="img" aria-label="([^"]+)"', page)
    assert len(labels) == 8
    assert any("They part at 4." in label for label in labels)


def test_pages_of_one_run_are_equal(full, page):
    assert report.render(Run.load(full.path)) == page


def test_nothing_is_fetched(page):
    assert "default-src 'none'" in page
    ours = page[: page.index("<script>")]
    assert not re.search(r"<(script|img|iframe)[^>]*\bsrc=|<link[^>]*stylesheet|@import", ours)
    assert "url(" not in ours
    assert page.count("vegaEmbed=") == 1


def test_writing_keeps_run_json_and_its_seal(full, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(full.path, folder)
    before = json.loads((folder / "run.json").read_text())
    path = report.write(Run.load(folder))
    after = json.loads((folder / "run.json").read_text())
    assert path == folder / "report.html"
    assert after.pop("report") == hashlib.sha256(path.read_bytes()).hexdigest()
    assert after == before
    assert list(after) == list(before)
    assert seal(after) == after["seal"]
    once = (folder / "run.json").read_text()
    report.write(Run.load(folder))
    assert (folder / "run.json").read_text() == once
    assert once == pretty(json.loads(once))


def test_strings_of_the_run_are_text(watched, tmp_path):
    page = report.render(watched(tmp_path / "run", hostile=HOSTILE))
    assert page.count("<script") == 3
    assert page.count("</script") == 3
    assert "<script>alert(1)" not in page
    assert 'href="javascript:' not in page
    assert charts(page)["step-mine"]["layer"]


def test_a_watched_run_is_read_along_training(watched, tmp_path):
    said = text(report.render(watched(tmp_path / "run")))
    assert "The one arm hacks, between training steps 0 and 450" in said
    assert "This run makes no claims." in said
    assert "The hacking curve" not in said
    assert "hackproof verify run" in said
    assert "hackproof run" not in said
    assert "sandbox_escapes" in said


def test_a_single_seed_has_no_interval_and_no_verdict(watched, tmp_path):
    page = report.render(watched(tmp_path / "run", seeds=1))
    said = text(page)
    assert "The one arm is inconclusive" in said
    assert not re.search(r"\bnan\b", said.lower())


def test_an_unfinished_run_says_so(watched, tmp_path):
    said = text(report.render(watched(tmp_path / "run", finish=False)))
    assert "This run is not finished." in said
    assert "Claims are judged when the run ends." in said
    assert "The one arm hacks" in said


def test_failed_cells_stand_first_with_their_reasons(failing):
    page = report.render(failing)
    said = text(page)
    assert "2 of 24 cells failed." in said
    assert "ValueError: the simulator &lt;diverged&gt; at step 12" in said
    assert page.index("cells failed") < page.index('id="verdicts"')
    assert "1 of 3 seeds are missing" in said


def test_warnings_are_shown(watched, tmp_path):
    run = watched(tmp_path / "run")
    info = dict(run.info) | {"warnings": ["cell x is run again: cut short"]}
    assert "cell x is run again: cut short" in text(report.render(Run(run.path, info)))


def test_a_run_without_measurements_is_a_page(watched, tmp_path):
    run = watched(tmp_path / "run")
    shutil.rmtree(run.path / "cells")
    (run.path / "measurements.parquet").unlink()
    page = report.render(run)
    assert "is not measured" in text(page)
    assert "vegaEmbed" not in page


def test_figures_are_written_as_svg_or_png(full, tmp_path):
    report.figure(full, tmp_path / "curve.svg", ["aligned"])
    report.figure(full, tmp_path / "curve.png")
    assert "True reward as proxy" in (tmp_path / "curve.svg").read_text()
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(InputError, match="svg or"):
        report.figure(full, tmp_path / "curve.pdf")
    with pytest.raises(InputError, match="aligned"):
        report.figure(full, tmp_path / "curve.svg", ["alinged"])


def test_importing_the_report_is_light():
    code = (
        "import sys, hackproof.report; print([m for m in "
        "('altair', 'vl_convert', 'pandas', 'pyarrow', 'rich', 'jax') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_panels_share_a_scale_unless_one_would_be_flat():
    ranges = {("a", "true"): (0.0, 10.0), ("b", "true"): (5.0, 12.0)}
    metrics = dict.fromkeys(ranges, "m")
    assert set(shared_domains(ranges, metrics)[0].values()) == {(0.0, 12.0)}
    ranges["b", "true"] = (5.0, 500.0)
    found, own = shared_domains(ranges, metrics)
    assert found == ranges
    assert own == ["m"]


def test_wide_intervals_do_not_hide_the_seeds():
    low, high = domain([{"value": 0.0}, {"value": 1.0}, {"mean": 0.5, "low": -90, "high": 90}])
    assert (low, high) == (-0.75, 1.75)
    assert domain([{"value": 0.0}])[0] < domain([{"value": 0.0}])[1]


def test_long_courses_are_thinned_with_both_ends():
    found = thinned(range(10_000))
    assert len(found) == MAX_POINTS
    assert (found[0], found[-1]) == (0, 9999)
