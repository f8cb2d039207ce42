import os
import random
import signal
import subprocess
import sys
import time

import pytest

import hackproof
from hackproof.errors import RunError
from hackproof.experiment import engines, registry, runner

ARGUMENTS = ("--scale", "cpu", "--workers", "2")


def settings(toy, **changes):
    return type(registry.load(toy).scales["cpu"].settings)(**changes)


def table_bytes(folder):
    return (folder / "measurements.parquet").read_bytes()


@pytest.fixture
def whole(toy, tmp_path):
    """A run that was not disturbed."""
    return hackproof.run(toy, out=tmp_path / "whole", workers=0)


def test_a_run_is_whole(whole):
    frame = whole.to_pandas()
    assert len(frame) == 24 * 6
    assert frame["factors"].tolist()[0] == {"margin": "1"}
    assert whole.info["status"] == "finished"
    outcomes = {c["id"]: c["outcome"] for c in whole.rows("claims")}
    assert outcomes == {
        "falls": "reproduced",
        "wrong": "not reproduced",
        "vague": "underpowered",
        "hearsay": "not asserted",
    }
    assert sorted(p.name for p in (whole.path / "policies").iterdir()) == sorted(
        f"{c['id']}.npz" for c in whole.info["cells"]
    )


@pytest.mark.parametrize(("engine", "workers"), [("local", 1), ("local", 2), ("local", 3)])
def test_any_number_of_workers_gives_the_same_bytes(toy, tmp_path, whole, engine, workers):
    run = hackproof.run(toy, out=tmp_path / "other", engine=engine, workers=workers)
    assert table_bytes(run.path) == table_bytes(whole.path)


def test_workers_stay_from_stage_to_stage(toy, monkeypatch):
    """A stage of one cell, then of three, on two workers: the first worker is used again."""
    plan = runner.plan(toy)
    fixed = plan.header["settings"]
    tasks = [engines.Task(toy, fixed, c.arm, c.level, c.seed, c.id) for c in plan.cells[:4]]
    started = []
    start = engines._local._start
    monkeypatch.setattr(engines._local, "_start", lambda core: started.append(core) or start(core))
    run = engines.Local(2).run([tasks[:1], tasks[1:]])
    outcomes = [next(run).id]
    assert len(started) == 1
    outcomes += [o.id for o in run]
    assert outcomes[0] == tasks[0].id
    assert sorted(outcomes) == sorted(t.id for t in tasks)
    assert len(started) == 2
    assert len(set(started)) == min(2, len(engines.cores()))


def test_ray_gives_the_same_bytes(toy, tmp_path, whole):
    pytest.importorskip("ray")
    run = hackproof.run(toy, out=tmp_path / "ray", engine="ray", workers=2)
    assert run.info["engine"] == "ray"
    assert table_bytes(run.path) == table_bytes(whole.path)


def test_any_order_gives_the_same_bytes(toy, tmp_path, whole):
    """Arms and seeds run in three calls, in another order, into one folder."""
    out = tmp_path / "pieces"
    hackproof.run(toy, out=out, workers=0, only=["serves"], seeds=1)
    hackproof.run(toy, out=out, workers=0, only=["serves"])
    hackproof.run(toy, out=out, workers=0)
    assert table_bytes(out) == table_bytes(whole.path)


def test_more_seeds_keep_the_first_ones(toy, tmp_path, whole):
    more = hackproof.run(toy, out=tmp_path / "more", workers=0, seeds=6).to_pandas()
    few = whole.to_pandas()
    assert more[more["seed"] < 4].reset_index(drop=True).equals(few)


def test_cells_that_are_done_are_not_run_again(toy, tmp_path, whole):
    events = []
    plan = runner.plan(toy, out=whole.path)
    runner.execute(plan, engines.Local(0), lambda kind, value: events.append((kind, value)))
    assert events == [("start", [])]


@pytest.mark.parametrize(
    ("fail", "reason"),
    [
        ("raise", "ValueError: the toy broke on purpose"),
        ("kill", "killed by SIGKILL .*memory"),
        ("exit", "left with exit status 7"),
        ("nan", "measurements.value is nan in row 0 .*hacks.2.seed0"),
    ],
)
def test_a_failed_cell_is_recorded_and_tried_again(toy, tmp_path, whole, fail, reason):
    marker = tmp_path / "mended"
    out = tmp_path / "run"
    made = settings(toy, fail=fail, marker=str(marker))
    run = hackproof.run(toy, settings=made, out=out, workers=2)
    failed = [c for c in run.info["cells"] if c["status"] == "failed"]
    assert [c["id"] for c in failed] == ["hacks.2.seed0"]
    import re

    assert re.search(reason, failed[0]["reason"])
    assert run.info["status"] == "partial"
    assert len(run.to_pandas()) == 23 * 6
    marker.write_text("")
    run = hackproof.run(toy, settings=made, out=out, workers=2)
    assert run.info["status"] == "finished"
    assert any("hacks.2.seed0 is run again" in w for w in run.info["warnings"])
    assert table_bytes(out) == table_bytes(whole.path)


def test_ray_records_a_killed_worker(toy, tmp_path):
    pytest.importorskip("ray")
    run = hackproof.run(
        toy, settings=settings(toy, fail="kill"), out=tmp_path / "r", engine="ray", workers=2
    )
    failed = [c for c in run.info["cells"] if c["status"] == "failed"]
    assert [c["id"] for c in failed] == ["hacks.2.seed0"]
    assert "Ray worker failed" in failed[0]["reason"]


def test_a_cell_file_cut_short_is_run_again_and_said(toy, whole):
    before = table_bytes(whole.path)
    victim = whole.path / "cells/serves.2.seed1.parquet"
    victim.write_bytes(victim.read_bytes()[:100])
    run = hackproof.run(toy, out=whole.path, workers=0)
    assert table_bytes(run.path) == before
    assert "cut short" in run.info["warnings"][0]
    assert "serves.2.seed1" in run.info["warnings"][0]


def test_a_folder_of_other_settings_is_refused(toy, whole):
    with pytest.raises(RunError, match=r"noise is 0\.01 there and 0\.5 here"):
        hackproof.run(toy, settings=settings(toy, noise=0.5), out=whole.path, workers=0)


@pytest.mark.parametrize(("key", "value"), [("hackproof", "9.9.9"), ("schema", 99)])
def test_a_run_of_another_version_is_read_and_not_continued(toy, whole, key, value):
    import json

    path = whole.path / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    assert len(hackproof.Run.load(whole.path).to_pandas()) == 24 * 6
    with pytest.raises(RunError, match=f"{value}.*can be read .*not continued"):
        hackproof.run(toy, out=whole.path, workers=0)


def test_another_git_state_is_warned_of(toy, whole):
    import json

    path = whole.path / "run.json"
    info = json.loads(path.read_text())
    path.write_text(json.dumps(info | {"git": {"commit": "0" * 40, "dirty": False}}))
    run = hackproof.run(toy, out=whole.path, workers=0)
    assert "the code changed" in run.info["warnings"][0]


def test_a_folder_that_is_no_run_is_refused(toy, tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(RunError, match="not empty and holds no run"):
        hackproof.run(toy, out=tmp_path, workers=0)


def command(toy, out, *flags):
    """Return the words that run the toy in a process of its own."""
    return [sys.executable, "-m", "hackproof", "run", toy, "--out", str(out), *flags]


def test_two_runs_do_not_write_one_folder(toy, tmp_path):
    words = command(toy, tmp_path / "r", "--seconds", "1")
    first = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "r/run.json").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        with pytest.raises(RunError, match=f"in use by process {first.pid}"):
            hackproof.run(toy, settings=settings(toy, seconds=1.0), out=tmp_path / "r", workers=0)
    finally:
        first.kill()
        first.wait()


@pytest.mark.parametrize("group", [False, True], ids=["parent", "group"])
def test_a_killed_run_is_continued_to_the_same_bytes(toy, tmp_path, whole, group):
    """Two kills at random moments; benchmarks/kill_and_resume.py makes twenty on PPO."""
    out = tmp_path / "killed"
    words = command(toy, out, "--workers", "2")
    for _ in range(2):
        process = subprocess.Popen(
            words, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(random.uniform(0.3, 1.5))
        if group:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        process.wait()
    finished = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert finished.returncode == 0, finished.stderr
    assert table_bytes(out) == table_bytes(whole.path)


def test_workers_die_with_their_parent(toy, tmp_path):
    words = command(toy, tmp_path / "r", "--seconds", "60", "--workers", "2")
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        workers: list[int] = []
        while len(workers) < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
            workers = children(process.pid)
        time.sleep(1.0)
        assert len(workers) >= 2
    finally:
        process.kill()
        process.wait()
    deadline = time.monotonic() + 10
    while any(map(alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, workers))


def test_a_script_without_a_main_guard_works(toy, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import hackproof\n"
        f"run = hackproof.run({toy!r}, scale='smoke', out={str(tmp_path / 'r')!r}, workers=2)\n"
        "print(run.info['status'])\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert done.stdout == "finished\n", done.stderr


def children(pid: int) -> list[int]:
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return [int(x) for x in file.read().split()]
    except OSError:
        return []


def alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
