"""What the benchmarks of audits' speed share: a command's wall and CPU seconds and its memory."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from hackproof.record.provenance import machine

WORD = "SPENT "


def resident(pid: int) -> int:
    """Return the bytes resident of a process and of all that it started, now; pages that several
    of them share count once (proportional set size).
    """
    total, waiting = 0, [pid]
    while waiting:
        one = waiting.pop()
        try:
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
            total += 1024 * next(int(v.split()[1]) for v in lines if v.startswith("Pss:"))
            for task in Path(f"/proc/{one}/task").iterdir():
                waiting += [int(p) for p in (task / "children").read_text().split()]
        except (OSError, ValueError, StopIteration):
            continue  # it ended while it was looked at
    return total


def spent(code: str, *words: str) -> dict[str, Any]:
    """Run Python code in a process of its own; return what it took and what it said.

    The code prints one line that begins with `WORD` and goes on in JSON: what it says besides.
    CPU seconds are user and system time of it and of the processes it waited for, its imports
    included.
    """
    peak, over = 0, threading.Event()
    wall = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", code, *words], stdout=subprocess.PIPE, text=True
    )

    def watch() -> None:
        nonlocal peak
        while not over.wait(0.1):
            peak = max(peak, resident(process.pid))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    before = os.times()
    text = process.communicate()[0]
    after = os.times()
    over.set()
    watcher.join()
    if process.returncode:
        raise SystemExit(f"the audit ended with {process.returncode}")
    said = next(line for line in text.splitlines() if line.startswith(WORD))
    return {
        "wall_s": round(time.perf_counter() - wall, 1),
        "cpu_s": round(after.children_user + after.children_system
                       - before.children_user - before.children_system, 1),
        "peak_gb": round(peak / 1e9, 2),
        **json.loads(said.removeprefix(WORD)),
    }  # fmt: skip


def save(path: Path, rows: list[dict[str, Any]]) -> None:
    """Add the machine and its load, print, and write the table."""
    for row in rows:
        row["load"] = round(os.getloadavg()[0], 1)
        row["cores"] = len(os.sched_getaffinity(0))
        row["machine"] = machine()["processor"]
        print(row, flush=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
