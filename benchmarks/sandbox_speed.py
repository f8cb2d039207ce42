"""Runs a second of a trivial program on one core: the sandbox beside bubblewrap and a subprocess.

    python benchmarks/sandbox_speed.py

All ways take turns on the same pinned core, so that what else the machine does falls on each
alike. bubblewrap is started afresh per run, with the same namespaces, the same kind of root
and the same interpreter: once as `python main.py` in an empty virtual environment, once without
`site`, as the sandbox's is. Where it is not installed, its rows say so. CPU time
is that of all processes: this one becomes the reaper of what bubblewrap leaves behind.
Writes benchmarks/results/sandbox_speed.csv.
"""

from __future__ import annotations

import csv
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv as environments
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from hackproof.record.provenance import machine
from hackproof.sandbox import Limits, Sandbox, _linux

ROUNDS, RUNS = 12, 20
PROGRAM = "print(6 * 7)\n"
BARE = ["-S", "-s", "-P"]
PLAIN, QUICK = "bubblewrap, python main.py", "bubblewrap, python -S -s -P main.py"
SUBPROCESS = "subprocess, no isolation, python main.py"
_PR_SET_CHILD_SUBREAPER = 36
_TICKS = os.sysconf("SC_CLK_TCK")


def reap(keep: int) -> None:
    """Wait for orphans, all but the worker, so that their CPU time counts as ours."""
    me = os.getpid()
    children = Path(f"/proc/{me}/task/{me}/children").read_text().split()
    for pid in map(int, children):
        if pid != keep:
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)


def own_seconds() -> float:
    """Return CPU seconds of this process and the children it waited for."""
    return sum(os.times()[:4])


def worker_seconds(sandbox: Sandbox) -> float:
    """Return CPU seconds of the sandbox's worker and the runs it waited for."""
    outer = sandbox._worker.pid
    (inner,) = Path(f"/proc/{outer}/task/{outer}/children").read_text().split()
    fields = Path(f"/proc/{inner}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS


def bubblewrap(program: str, python: list[str], venv: str) -> list[str]:
    """Return the command: all namespaces, a read-only root, a private disk, no capabilities."""
    base = os.path.realpath(sys.base_prefix)
    command = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    command += ["--clearenv", "--uid", "1000", "--gid", "1000", "--ro-bind", "/usr", "/usr"]
    for name in ("bin", "sbin", "lib", "lib64"):
        place = Path("/", name)
        if place.is_symlink():
            command += ["--symlink", os.readlink(place), str(place)]
        elif place.is_dir():
            command += ["--ro-bind", str(place), str(place)]
    if base not in ("/", "/usr"):
        command += ["--ro-bind", base, base]
    command += ["--ro-bind", venv, venv]
    command += ["--dev", "/dev", "--tmpfs", "/box", "--ro-bind", program, "/box/main.py"]
    return [*command, "--chdir", "/box", *python, "/box/main.py"]


def started(command: list[str]) -> Callable[[], str]:
    return lambda: subprocess.run(command, capture_output=True, text=True, check=True).stdout


def measure(run: Callable[[], str], seconds: Callable[[], float], keep: int) -> tuple[float, float]:
    """Return wall and CPU seconds a run."""
    cpu, wall = seconds(), time.perf_counter()
    for _ in range(RUNS):
        if run() != "42\n":
            raise SystemExit("a run gave something else")
    wall = time.perf_counter() - wall
    reap(keep)
    return wall / RUNS, (seconds() - cpu) / RUNS


def main() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    _linux.prctl(_PR_SET_CHILD_SUBREAPER, 1, call="PR_SET_CHILD_SUBREAPER")
    folder = tempfile.mkdtemp()
    program = os.path.join(folder, "main.py")
    Path(program).write_text(PROGRAM)
    environments.create(os.path.join(folder, "venv"), symlinks=True)
    plain = measure_ways(program, os.path.join(folder, "venv"))
    shutil.rmtree(folder)
    sandbox = statistics.median(wall for wall, _ in plain["hackproof sandbox"])
    sandbox_cpu = statistics.median(cpu for _, cpu in plain["hackproof sandbox"])
    rows = []
    for name, taken in plain.items():
        wall = statistics.median(each for each, _ in taken) if taken else None
        cpu = statistics.median(each for _, each in taken) if taken else None
        rows.append(
            {
                "way": name,
                "runs": len(taken) * RUNS,
                "runs_per_second": round(1 / wall, 1) if wall else "not installed",
                "wall_ms": round(wall * 1e3, 2) if wall else "",
                "cpu_ms": round(cpu * 1e3, 2) if cpu else "",
                "runs_per_cpu_second": round(1 / cpu, 1) if cpu else "",
                "sandbox_is_faster_by": round(wall / sandbox, 1) if wall else "",
                "sandbox_takes_less_cpu_by": round(cpu / sandbox_cpu, 1) if cpu else "",
                "load": round(os.getloadavg()[0], 1),
                "machine": machine()["processor"],
            }
        )
        print(rows[-1])
    with (Path(__file__).parent / "results/sandbox_speed.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def measure_ways(program: str, venv: str) -> dict[str, list[tuple[float, float]]]:
    """Return wall and CPU seconds of each round, by way."""
    names = ["hackproof sandbox", PLAIN, QUICK, SUBPROCESS]
    python = [f"{venv}/bin/python"]
    base = [getattr(sys, "_base_executable", sys.executable), *BARE]
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    with Sandbox(Limits(seconds=60, cpu_seconds=60)) as sandbox:
        ways = {
            "hackproof sandbox": (
                lambda: sandbox.run({"main.py": PROGRAM}).stdout,
                lambda: own_seconds() + worker_seconds(sandbox),
            ),
            SUBPROCESS: (started([*python, program]), own_seconds),
        }
        if shutil.which("bwrap"):
            ways[PLAIN] = (started(bubblewrap(program, python, venv)), own_seconds)
            ways[QUICK] = (started(bubblewrap(program, base, venv)), own_seconds)
        for number in range(ROUNDS + 1):
            for name, (run, seconds) in ways.items():
                taken = measure(run, seconds, sandbox._worker.pid)
                if number:  # the first round warms up
                    found[name].append(taken)
    return found


if __name__ == "__main__":
    main()
