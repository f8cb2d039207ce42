"""The page's transcripts, table of arms and reading; whatever the texts hold is text."""

import html
import json
import math
import re
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import hackproof
from hackproof import report
from hackproof.experiment import registry
from hackproof.record import Run
from hackproof.record.run import pretty
from hackproof.report import _format as fmt
from hackproof.report import _transcripts
from hackproof.report._arms import last_rows
from hackproof.report._facts import Facts
from hackproof.report._transcripts import Sample, messages, numbers, plain, ranked

TOLD = str(Path(__file__).parents[1] / "experiment/transcript_study.py")
HOSTILE = (
    "</pre></details><script>alert(1)</script><img src=x onerror=alert(2)>\x1b[31m\x00\u202e&lt;"
)


def made(folder, **options):
    kind = type(registry.load(TOLD).scales["cpu"].settings)
    return hackproof.run(TOLD, settings=kind(**options), out=folder, workers=0)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    return made(tmp_path_factory.mktemp("told") / "run")


@pytest.fixture(scope="module")
def page(run) -> str:
    return report.render(run)


def section(page: str, name: str) -> str:
    return re.search(rf'<section id="{name}".*?</section>', page, re.S)[0]


def text(part: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", part)))


def test_the_sections_stand_where_a_reader_looks_for_them(page):
    order = re.findall(r'<section id="(\w+)"', page)
    assert order[:2] == ["verdicts", "arms"]
    assert order[order.index("claims") + 1 :][:2] == ["transcripts", "reading"]


def test_a_run_without_them_has_no_such_sections(full_page):
    for name in ("transcripts", "arms", "reading"):
        assert f'<section id="{name}"' not in full_page


def test_samples_are_shown_arm_by_arm(page, run):
    part = section(page, "transcripts")
    assert part.count('<details class="sample"') == _transcripts.SHOWN
    assert part.count('<details class="sample" open>') == 1
    said = text(part)
    assert "the 12 of 20 samples on which the arms differ most" in said
    assert "keeps 180 transcripts of 3 seeds" in said
    assert 'hackproof query run "select * from transcripts where seed = 0"' in said
    first = part.split("<details")[1]
    assert re.findall(r"<h3>([^<]+?) ?(?:<|</h3>)", first) == [
        "Before training", "Trained on visible tests", "Told not to special-case",
    ]  # fmt: skip
    assert first.count('class="before"') == 1
    assert first.index('class="before"') < first.index("Trained on visible tests")
    assert first.count('<div class="private"><h4>Private reasoning</h4>') == 2
    assert "special cases pay" not in first
    assert "Hack</span>" in first
    assert "No hack</span>" in first
    assert "held_out 0 visible 1" in re.sub(r"\s+", " ", text(first))


def test_the_samples_shown_differ_most(run, page):
    found = _transcripts.samples(
        Facts(run), [r for r in run.transcripts().to_pylist() if r["seed"] == 0]
    )
    assert len(found) == 20

    def differ(sample):
        return len({r["hack"] for r in sample.rows}) + len({r["outcome"] for r in sample.rows})

    shown = re.findall(r"<summary><code>([^<]+)</code>", section(page, "transcripts"))
    by_name = {s.name: differ(s) for s in found}
    least = min(by_name[n] for n in shown)
    assert all(by_name[n] <= least for n in by_name if n not in shown)


def test_messages_have_their_roles(page):
    said = text(section(page, "transcripts"))
    assert "Prompt: system You write Python. Prompt: user Write f" in said


@pytest.mark.parametrize(
    "prompt",
    ["", "[", "[]", "[1]", '[{"role": "user"}]', '["a"]', "[" * 5000, '{"role": "user"}', "[null]"],
)
def test_a_prompt_that_is_no_list_of_messages_is_text(prompt):
    assert messages(prompt) == [("", prompt)]


def test_a_message_of_parts_is_shown_as_it_is():
    prompt = json.dumps([{"role": 3, "content": [{"type": "text", "text": "hi"}]}])
    assert messages(prompt) == [("3", '[{"type": "text", "text": "hi"}]')]
    half = messages('[{"role": "user", "content": "\\ud800"}]')[0][1]
    assert plain(half) == '<i class="unseen">U+D800</i>'


def test_hostile_texts_are_text(tmp_path):
    page = report.render(made(tmp_path / "run", hostile=HOSTILE))
    part = section(page, "transcripts")
    assert "<script" not in page
    assert "<img" not in page
    assert part.count("<details") == part.count("</details>") == _transcripts.SHOWN
    assert part.count("<pre") == part.count("</pre>")
    assert "alert(1)" in text(part)
    for unseen in "\x1b\x00\u202e":
        assert unseen not in part
        assert f'<i class="unseen">U+{ord(unseen):04X}</i>' in part
    assert "&amp;lt;" in part


def test_long_texts_are_cut_and_say_so(tmp_path):
    page = report.render(made(tmp_path / "run", hostile="z" * 100_000))
    part = section(page, "transcripts")
    assert len(part) < 12 * 6 * 5000  # a prompt, two reasonings, three answers
    assert re.search(r'<i class="cut">… 96,\d\d\d more characters</i>', part)


@given(st.text(max_size=60))
def test_plain_shows_the_text_and_nothing_else(value):
    shown = plain(value)
    kept = re.sub(r'<i class="unseen">[^<]*</i>', "", shown)
    assert "<" not in kept
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e]", shown)
    if not _transcripts._UNSEEN.search(value.replace("\r\n", "\n")):
        assert html.unescape(shown) == value.replace("\r\n", "\n")


@given(st.text(max_size=300), st.integers(1, 100))
def test_plain_is_short(value, limit):
    value = value.replace("\r\n", "\n")
    cut = re.search(r"… ([\d,]+) more characters", plain(value, limit))
    assert bool(cut) == (len(value) > limit)


def test_runs_of_unseen_characters_are_counted():
    assert plain("a" + "\x00" * 3000 + "b") == 'a<i class="unseen">U+0000 \xd73,000</i>b'


def row(arm="a", hack=None, outcome="ok", scores=()):
    return {"arm": arm, "hack": hack, "outcome": outcome, "scores": list(scores)}


def test_samples_are_ranked_by_how_their_arms_differ():
    same = Sample("same", "default", [row(), row("b")])
    hacked = Sample("hacked", "default", [row(hack=True), row("b", hack=True)])
    spread = Sample("spread", "default", [row(scores=[("s", "0")]), row("b", scores=[("s", "1")])])
    less = Sample("less", "default", [row(scores=[("s", "0")]), row("b", scores=[("s", "0.4")])])
    differs = Sample("differs", "default", [row(hack=True, outcome="wrong"), row("b", hack=False)])
    names = [s.name for s in ranked([same, hacked, less, spread, differs])]
    assert names == ["differs", "spread", "less", "hacked", "same"]


@given(st.lists(st.lists(st.floats(allow_nan=True), min_size=1, max_size=3), max_size=5))
def test_any_scores_can_be_ranked(values):
    found = [
        Sample(str(i), "default", [row(scores=[("s", repr(v)), ("t", "high")]) for v in vs])
        for i, vs in enumerate(values)
    ]
    assert sorted(s.name for s in ranked(found)) == sorted(s.name for s in found)


def test_scores_that_are_no_numbers_are_left_out():
    found = numbers(row(scores=[("a", "1.5"), ("b", "nan"), ("c", "high"), ("d", None)]))
    assert found == {"a": 1.5}


def test_prompts_that_differ_between_arms_stand_with_the_arms(run, tmp_path, monkeypatch):
    rows = run.transcripts().to_pylist()
    for r in rows:
        r["prompt"] = f"asked of {r['arm']}"
    from hackproof.record import to_table

    table = to_table("transcripts", rows)
    monkeypatch.setattr(Run, "transcripts", lambda self: table)
    first = section(report.render(run), "transcripts").split("<details")[1]
    assert [w in first for w in ("asked of base", "asked of trained", "asked of told")] == [
        True
    ] * 3
    assert first.index("Before training") < first.index("asked of base")


def test_the_table_of_arms(page, run):
    part = section(page, "arms")
    head = [text(h).strip() for h in re.findall(r"<th scope=\"col\".*?</th>", part)]
    assert head == ["Arm", "Seeds", "held_out", "hacks", "hacks · watched", "found", "nowhere"]
    lines = re.findall(r"<tr><th scope=\"row\">.*?</tr>", part)
    said = [text(x) for x in lines]
    assert [re.sub(r"  .*", "", s.strip()).split("  ")[0][:6] for s in said] == [
        "Before", "Traine", "Told n",
    ]  # fmt: skip
    assert "special cases pay as much" in said[1]
    assert "2 seeds" in said[2]
    assert said[0].rstrip().endswith(fmt.NONE)
    frame = run.to_pandas()
    mean = frame.query("arm == 'trained' and metric == 'held_out'")["value"].mean()
    shown = float(re.search(r"<b>([\d.]+)</b>", lines[1])[1])
    assert math.isclose(shown, mean, abs_tol=1e-3)


def test_an_arms_metric_is_that_of_the_last_step_and_the_highest_level(full):
    frame = Facts(full).frame
    rows = last_rows(frame, "true_cost")
    assert set(rows["level"]) == {128.0}
    assert set(rows["step"]) == {1_200_000}
    assert len(rows) == 4 * 5
    late = frame[(frame["metric"] == "true_cost") & (frame["step"] < 1_200_000)]
    assert set(last_rows(late, "true_cost")["step"]) == {960_000}
    assert last_rows(frame, "true_cost@nowhere").empty


def test_what_it_shows_is_read_from_the_run_alone(run, page, tmp_path):
    part = section(page, "reading")
    assert part.count("<h3>") == 2
    assert part.count("<p>") == 3
    assert '<a href="https://example.org">' in part
    assert "does not show &lt;that&gt;" in part
    copy = shutil.copytree(run.path, tmp_path / "copy")
    info = json.loads((copy / "run.json").read_text())
    for key in ("reading", "arm_metrics"):
        del info["study"][key]
    (copy / "run.json").write_text(pretty(info))
    assert '<section id="reading"' not in report.render(Run.load(copy))


def test_reading_and_arm_metrics_do_not_make_results_stale(tmp_path):
    from hackproof.record.provenance import code_digest

    source = Path(TOLD).read_text()
    one, two = tmp_path / "one.py", tmp_path / "two.py"
    one.write_text(source)
    two.write_text(source.replace("Seven of ten", "Six of ten").replace('"nowhere"', '"here"'))
    assert one.read_text() != two.read_text()
    assert code_digest(one) == code_digest(two)
