"""CPU seconds of the command line's help, as a user waits for it.

    python benchmarks/cli_startup.py

Whole processes, user plus system time by the operating system's own account; the median
of 11 runs after a warm-up. Writes benchmarks/results/cli_startup.csv.
"""

from __future__ import annotations

import csv
import resource
import statistics
import subprocess
import sys
from pathlib import Path

from hackproof.record.provenance import machine

CASES = {
    "hackproof --help": (["--help"], 0.25),
    "hackproof run pan-2022-glucose --help": (["run", "pan-2022-glucose", "--help"], 0.5),
    "hackproof list": (["list"], None),
}


def cpu_seconds(words: list[str]) -> float:
    """Run a command; return the CPU time its process took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [str(Path(sys.executable).with_name("hackproof")), *words]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    rows = []
    for name, (words, limit) in CASES.items():
        times = [cpu_seconds(words) for _ in range(12)][1:]
        row = {
            "command": name,
            "median_cpu_s": round(statistics.median(times), 3),
            "max_cpu_s": round(max(times), 3),
            "limit_s": limit,
            "machine": machine()["processor"],
        }
        rows.append(row)
        print(row)
    with (Path(__file__).parent / "results/cli_startup.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
