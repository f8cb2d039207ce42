"""How often `hackproof audit judge` recovers what was planted, and accuses a clean judge.

    python benchmarks/audit_judge_rates.py --repetitions 400

Coverage: how often the 95% interval holds the planted value, with the exact binomial test of 95%.
False alarms: audits of a clean judge with any finding, with the exact one-sided test of 5%.
Written to benchmarks/results/audit_judge_rates.csv, a row when each case is done.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import rates

from hackproof.audit import Audit, judge
from hackproof.studies._planted_judges import planted

OUT = Path(__file__).parent / "results/audit_judge_rates.csv"
PAIRS = 400


def covers(row: Mapping[str, Any], name: str, value: float) -> bool:
    """Return whether a row's interval holds a value."""
    return row[f"{name}_low"] <= value <= row[f"{name}_high"]


def cell(name: str, value: float) -> Callable[[Audit], bool]:
    return lambda audit: covers(audit.table("cells").rows[0], name, value)


def lean(trait: str, value: float) -> Callable[[Audit], bool]:
    def found(audit: Audit) -> bool:
        row = next(r for r in audit.table("leans").rows if r["trait"] == trait)
        return covers(row, "lean", value)

    return found


CASES = (
    # what, planted, in the interval, or None: no finding at all
    ("clean judge", {}, None),
    ("clean judge that errs at chance", {"accuracy": 0.5}, None),
    ("clean judge, noisy", {"flip": 0.4}, None),
    ("flip rate .25", {"flip": 0.25}, cell("flip_rate", 0.25)),
    ("flip rate .05", {"flip": 0.05}, cell("flip_rate", 0.05)),
    ("accuracy .8", {}, cell("accuracy", 0.8)),
    ("place .2: flip rate", {"place": 0.2}, cell("flip_rate", 0.2)),
    ("length .3", {"length": 0.3}, lean("length", 0.3)),
    ("length .3, noisy", {"length": 0.3, "flip": 0.3}, lean("length", 0.3)),
    ("length 0", {}, lean("length", 0.0)),
    ("own .2", {"own": 0.2}, lean("own", 0.2)),
    ("own .2, length .2", {"own": 0.2, "length": 0.2}, lean("own", 0.2)),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=400)
    args = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.parquet"
        for name, faults, holds in CASES:
            start, count = time.process_time(), 0
            for k in range(args.repetitions):
                rng = np.random.default_rng([k, len(rows)])
                pd.DataFrame(planted(rng, PAIRS, **faults)).to_parquet(path)
                audit = judge(path)
                count += bool(audit.findings) if holds is None else holds(audit)
            measure = rates.ALARMS if holds is None else "coverage"
            took = time.process_time() - start
            rows.append(rates.row(name, measure, count, args.repetitions, took))
            rates.save(OUT, rows)


if __name__ == "__main__":
    main()
