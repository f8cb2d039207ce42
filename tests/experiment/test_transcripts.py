"""Transcripts in runs: written with their cells, checked, resumed, verified and queried."""

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import hackproof
from hackproof.experiment import engines, registry, runner
from hackproof.experiment.study import cells_of
from hackproof.experiment.verify import verify
from hackproof.record import files, to_table
from hackproof.record.query import query
from hackproof.record.run import file_digests, pretty, seal

TOLD = str(Path(__file__).with_name("transcript_study.py"))


def settings(**changes):
    return type(registry.load(TOLD).scales["cpu"].settings)(**changes)


def transcripts(folder):
    """Return the bytes of every transcript file of a run."""
    return {p.name: p.read_bytes() for p in (folder / "transcripts").glob("[!.]*")}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run that was not disturbed; read only."""
    return hackproof.run(TOLD, out=tmp_path_factory.mktemp("told") / "run", workers=0)


@pytest.fixture
def run(made, tmp_path):
    """A copy of it to break."""
    return hackproof.Run.load(shutil.copytree(made.path, tmp_path / "run"))


def test_every_cell_has_its_transcripts(made):
    table = made.transcripts()
    assert table.num_rows == 3 * 3 * 20
    assert table.equals(made.table("transcripts"))
    rows = table.to_pylist()
    assert [r["cell"] for r in rows[::20]] == [c["id"] for c in made.info["cells"]]
    row = next(r for r in rows if r["arm"] == "trained" and r["seed"] == 1 and r["hack"])
    assert row["study"] == "told"
    assert row["cell"] == "trained.1.seed1"
    assert row["condition"] == "default"
    assert dict(row["scores"]) == {"held_out": "0.0", "visible": "1.0"}
    assert all(r["reasoning"] is None for r in rows if r["arm"] == "base")
    assert set(made.info["files"]) >= {f"transcripts/{c['id']}.parquet" for c in made.info["cells"]}


def test_they_are_a_table_of_sql(made):
    found = query(
        made, "select arm, count(*) n, max(cast(scores['visible'] as double)) v from transcripts "
        "group by arm order by arm",
    )  # fmt: skip
    assert found.to_pydict() == {
        "arm": ["base", "told", "trained"], "n": [60, 60, 60], "v": [1.0, 1.0, 1.0],
    }  # fmt: skip


def test_workers_give_the_same_bytes(made, tmp_path):
    other = hackproof.run(TOLD, out=tmp_path / "other", workers=2)
    assert transcripts(other.path) == transcripts(made.path)


def test_a_killed_run_is_continued_to_the_same_transcripts(tmp_path):
    whole = hackproof.run(TOLD, settings=settings(seconds=0.2), out=tmp_path / "whole", workers=0)
    out = tmp_path / "killed"
    words = [sys.executable, "-m", "hackproof", "run", TOLD, "--out", str(out)]
    words += ["--seconds", "0.2", "--workers", "2"]
    for _ in range(2):
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 60
        before = len(list((out / "cells").glob("*.parquet")))
        while len(list((out / "cells").glob("*.parquet"))) == before and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(random.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        process.wait()
    finished = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert finished.returncode == 0, finished.stderr
    assert transcripts(out) == transcripts(whole.path)
    assert hackproof.Run.load(out).transcripts().equals(whole.transcripts())


def test_transcripts_of_a_cell_that_is_not_finished_do_not_count(run):
    """A kill between the transcripts and the cell's own table leaves both to be made again."""
    (run.path / "cells/told.1.seed0.parquet").unlink()
    info = dict(run.info) | {"status": "running"}
    cells = hackproof.Run(run.path, info).transcripts()["cell"].unique().to_pylist()
    assert len(cells) == 8
    assert "told.1.seed0" not in cells


def test_transcripts_that_were_lost_are_made_again(run):
    before = transcripts(run.path)
    (run.path / "transcripts/told.1.seed0.parquet").unlink()
    again = hackproof.run(TOLD, out=run.path, workers=0)
    assert transcripts(again.path) == before
    assert "told.1.seed0" in again.info["warnings"][0]


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ("score", "transcripts row 1 has score 'visible' = nan"),
        ("scores", "must map rewards to numbers"),
        ("outcome", "'splendid'; known: ok, wrong"),
        ("column", "unknown column 'thoughts'"),
        ("fixed", "has 'seed', which the cell fixes"),
        ("twice", "sample 'task-0', which is taken"),
        ("prompt", "row 1 has no 'prompt'"),
        ("half", "wrong type.*surrogates"),
        ("type", "wrong type"),
    ],
)
def test_a_broken_transcript_fails_its_cell_and_is_tried_again(made, tmp_path, broken, words):
    marker, out = tmp_path / "mended", tmp_path / "run"
    chosen = settings(broken=broken, mended=str(marker))
    run = hackproof.run(TOLD, settings=chosen, out=out, workers=0)
    failed = {c["id"]: c["reason"] for c in run.info["cells"] if c["status"] == "failed"}
    assert list(failed) == ["trained.1.seed0"]
    import re

    assert re.search(words, failed["trained.1.seed0"], re.S)
    assert not (out / "transcripts/trained.1.seed0.parquet").exists()
    assert run.transcripts().num_rows == 8 * 20
    marker.write_text("")
    run = hackproof.run(TOLD, settings=chosen, out=out, workers=0)
    assert run.info["status"] == "finished"
    assert transcripts(out) == transcripts(made.path)


def forge(path, **changes):
    """Change every transcript of a file."""
    rows = [{**row, **changes} for row in pq.read_table(path).to_pylist()]
    path.write_bytes(files.parquet_bytes(to_table("transcripts", rows)))


def reseal(run):
    """Rewrite every digest, as a thorough forger would."""
    info = dict(run.info)
    for cell in (run.path / "cells").glob("*.json"):
        state = files.read_json(cell)
        state["artifacts"] = {n: files.file_digest(run.path / n) for n in state["artifacts"]}
        cell.write_text(files.canonical_json(state))
    info["files"] = file_digests(run.path)
    info["seal"] = seal(info)
    files.write_file(run.path / "run.json", pretty(info))


def found(run, **options):
    return {p.what for p in verify(run.path, study=TOLD, **options)}


def test_an_untouched_run_holds(run, monkeypatch):
    here = engines.Local(0)
    monkeypatch.setattr(engines, "Local", lambda: here)
    assert verify(run.path, study=TOLD, rerun=3) == []


def test_a_changed_transcript_is_named(run):
    forge(run.path / "transcripts/told.1.seed1.parquet", answer="I would never.")
    assert found(run) == {"transcripts/told.1.seed1.parquet"}


def test_missing_added_and_cut_short_transcripts_are_named(run):
    said = run.path / "transcripts"
    (said / "base.1.seed0.parquet").unlink()
    (said / "extra.parquet").write_bytes(b"")
    path = said / "told.1.seed1.parquet"
    path.write_bytes(path.read_bytes()[:100])
    assert found(run) == {
        "transcripts/base.1.seed0.parquet", "transcripts/extra.parquet",
        "transcripts/told.1.seed1.parquet", "transcripts",
    }  # fmt: skip


@pytest.mark.parametrize("how", ["changed", "removed"])
def test_a_thorough_forger_of_transcripts_is_found_by_running_again(run, monkeypatch, how):
    here = engines.Local(0)
    monkeypatch.setattr(engines, "Local", lambda: here)
    if how == "removed":
        shutil.rmtree(run.path / "transcripts")
        for cell in (run.path / "cells").glob("*.json"):
            side = files.read_json(cell) | {"artifacts": {}}
            cell.write_text(files.canonical_json(side))
    else:
        for path in (run.path / "transcripts").iterdir():
            forge(path, answer="forged")  # some cells have no hack to deny
    reseal(run)
    assert found(run) == set()
    (problem,) = verify(run.path, study=TOLD, rerun=1)
    assert "gives other transcripts (" in problem.why


def test_a_copy_may_keep_the_transcripts_of_some_cells(made, tmp_path):
    """What results/ keeps: the tables, and transcripts of the lowest seed."""
    copy = tmp_path / "copy"
    (copy / "transcripts").mkdir(parents=True)
    kept = [f"transcripts/{c['id']}.parquet" for c in made.info["cells"] if c["seed"] == 0]
    for name in ("run.json", "measurements.parquet", "claims.parquet", *kept):
        shutil.copyfile(made.path / name, copy / name)
    run = hackproof.Run.load(copy)
    assert verify(copy, study=TOLD) == []
    assert run.transcripts()["seed"].unique().to_pylist() == [0]
    assert run.transcripts().num_rows == 3 * 20
    forge(copy / kept[0], hack=True)
    assert found(run) == {kept[0]}


def test_a_run_without_transcripts_has_an_empty_table(toy, tmp_path):
    run = hackproof.run(toy, scale="smoke", out=tmp_path / "run", workers=0)
    assert run.transcripts().num_rows == 0
    assert not (run.path / "transcripts").exists()


def test_a_failure_leaves_no_transcripts_of_an_earlier_attempt(tmp_path):
    plan = runner.plan(TOLD, scale="smoke", out=tmp_path / "run")
    hackproof.run(TOLD, scale="smoke", out=tmp_path / "run", workers=0)
    writer = runner.RunWriter(plan.folder, plan.header)
    writer.write_failure("told.1.seed0", "it broke", {})
    assert "told.1.seed0.parquet" not in transcripts(tmp_path / "run")
    writer.write_cell("base.1.seed0", [])
    assert "base.1.seed0.parquet" not in transcripts(tmp_path / "run")


def test_arms_that_others_build_on_come_first():
    study = registry.load(TOLD)
    cells = cells_of(study, settings(), 2)
    assert [c.id for c in cells] == [
        "base.1.seed0", "base.1.seed1",
        "trained.1.seed0", "told.1.seed0", "trained.1.seed1", "told.1.seed1",
    ]  # fmt: skip
    assert [c.arm for c in cells_of(study, settings(), 2, ["told"])] == ["told", "told"]
    assert all("first" not in arm for arm in study.describe(settings())["arms"])


def test_others_start_when_the_first_have_ended(tmp_path):
    """With more workers than first cells, the idle ones wait for what those leave."""
    (tmp_path / "cache").mkdir()
    chosen = settings(cache=str(tmp_path / "cache"), seconds=0.5)
    run = hackproof.run(TOLD, settings=chosen, seeds=1, out=tmp_path / "run", workers=3)
    frame = run.to_pandas().query("metric == 'found'")
    assert dict(zip(frame["arm"], frame["value"], strict=True)) == {
        "base": 0.0, "trained": 1.0, "told": 1.0,
    }  # fmt: skip
