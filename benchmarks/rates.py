"""What the benchmarks of audits' rates share: exact tests of coverage and of alarms, the table."""

from __future__ import annotations

import csv
from pathlib import Path

from scipy.stats import binomtest

from hackproof.experiment.statistics import share_interval

ALARMS = "false alarms"


def row(case: str, measure: str, count: int, n: int, seconds: float) -> dict[str, object]:
    """Return a line of the table: coverage against .95, two-sided; alarms against .05 or less."""
    i = share_interval(int(count), n)
    alarms = measure == ALARMS
    test = binomtest(int(count), n, 0.05 if alarms else 0.95, "greater" if alarms else "two-sided")
    return {
        "case": case, "measure": measure, "repetitions": n, "count": int(count),
        "rate": round(i.estimate, 4), "low": round(i.low, 4), "high": round(i.high, 4),
        "p_value": round(float(test.pvalue), 4), "cpu_s_per_audit": round(seconds / n, 3),
    }  # fmt: skip


def save(path: Path, rows: list[dict[str, object]]) -> None:
    """Print the last line and write the table, so that a run that is stopped leaves its lines."""
    print(rows[-1], flush=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
