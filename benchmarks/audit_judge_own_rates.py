"""How often `hackproof audit judge` accuses clean judges of self-preference without gold labels.

    python benchmarks/audit_judge_own_rates.py --repetitions 400

Judges choose by the writers' quality alone, each with a sharpness of its own; nobody knows who is
right. Told: audits in which any judge was given a number. False alarms: audits with a finding, with
the exact one-sided test of 5%. Written to benchmarks/results/audit_judge_own_rates.csv, a row when
each case is done; about a second an audit.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import rates

from hackproof.audit import judge

OUT = Path(__file__).parent / "results/audit_judge_own_rates.csv"
SHARP = (1.0, 0.6, 1.5)
"""By judge; how fast the better answer's chance rises with the difference of qualities."""
CASES = (
    # judges, items, qualities of the writers, of whom the first are the judges
    (3, 250, (0.0, 1.0, 2.0, 3.0)),
    (3, 600, (0.0, 1.0, 2.0, 3.0)),
    (3, 600, (2.5, 0.0, 0.0, -0.5)),
    (2, 600, (5.0, 0.0, 1.0, -1.0)),
    (2, 600, (-2.0, 0.0, 0.0)),
)


def clean(
    rng: np.random.Generator, judges: int, items: int, quality: tuple[float, ...]
) -> pd.DataFrame:
    """Return verdicts, a row per judge and item."""
    rows = []
    for i in range(items):
        one, two = (int(k) for k in rng.permutation(len(quality))[:2])
        for j in range(judges):
            chance = 1 / (1 + np.exp(-SHARP[j] * (quality[one] - quality[two])))
            rows.append({"item": i, "judge": f"m{j}", "model_1": f"m{one}", "model_2": f"m{two}",
                         "winner_12": "1" if rng.random() < chance else "2",
                         "winner_21": "1" if rng.random() < chance else "2"})  # fmt: skip
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=400)
    n = parser.parse_args().repetitions
    made = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.parquet"
        for judges, items, quality in CASES:
            start, count, told = time.process_time(), 0, 0
            for k in range(n):
                rng = np.random.default_rng([7, k, len(made)])
                clean(rng, judges, items, quality).to_parquet(path)
                audit = judge(path, checks=["self-preference"])
                count += bool(audit.findings)
                told += audit.checks[0].ran and any(
                    r["log_odds"] is not None for r in audit.table("own").rows
                )
            name = f"{judges} judges, {items} items, writers {quality}; told in {told}"
            made.append(rates.row(name, rates.ALARMS, count, n, time.process_time() - start))
            rates.save(OUT, made)


if __name__ == "__main__":
    main()
