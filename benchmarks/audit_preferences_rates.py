"""How often `hackproof audit preferences` recovers planted coefficients, and accuses clean pairs.

    python benchmarks/audit_preferences_rates.py --repetitions 400

Coverage: how often the 95% posterior interval holds the planted coefficient (the first of three,
on correlated features), with the exact binomial test of 95%. False alarms: audits of pairs whose
choice is a coin's, with any finding, with the exact one-sided test of 5%. Written to
benchmarks/results/audit_preferences_rates.csv, a row when each case is done.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import rates

from hackproof.audit import preferences

OUT = Path(__file__).parent / "results/audit_preferences_rates.csv"
COEFFICIENTS = ((0.0, 0.0, 0.0), (0.5, -0.3, 0.0), (1.5, 0.5, -1.0))
PAIRS = (100, 400, 8000)
TEXT = """the a of river stone may good sorry bad window table cloud no yes perhaps lovely i can't
help great question you're right actually maybe - harm"""
WORDS = TEXT.split()


def planted(rng: np.random.Generator, n: int, truth: tuple[float, ...]) -> pd.DataFrame:
    """Return pairs whose choice follows correlated features, and nothing else."""
    mix = np.array([[1.0, 0.5, 0.0], [0.0, 1.0, 0.3], [0.0, 0.0, 1.0]])
    a, b = (rng.standard_normal((n, 3)) @ mix for _ in range(2))
    first = rng.random(n) < 1 / (1 + np.exp(-(a - b) @ np.array(truth)))
    one, two = np.where(first[:, None], a, b), np.where(first[:, None], b, a)
    return pd.DataFrame(
        {f"f{j}_{s}": x[:, j] for j in range(3) for s, x in (("chosen", one), ("rejected", two))}
    )


def clean(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Return pairs of texts of any words and lengths."""
    texts = [[" ".join(rng.choice(WORDS, int(rng.integers(5, 80)))) for _ in range(n)]
             for _ in range(2)]  # fmt: skip
    return pd.DataFrame({"chosen": texts[0], "rejected": texts[1]})


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=400)
    args = parser.parse_args()
    cases = [(n, truth) for n in PAIRS for truth in COEFFICIENTS] + [(300, None)]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.parquet"
        for n, truth in cases:
            start, count = time.process_time(), 0
            for k in range(args.repetitions):
                rng = np.random.default_rng([k, len(rows)])
                (clean(rng, n) if truth is None else planted(rng, n, truth)).to_parquet(path)
                audit = preferences(path, workers=1)
                if truth is None:
                    count += bool(audit.findings)
                else:
                    row = audit.table("features").rows[0]
                    count += row["low"] <= truth[0] <= row["high"]
            name = "clean texts" if truth is None else f"coefficients {truth}"
            measure = rates.ALARMS if truth is None else "coverage"
            took = time.process_time() - start
            rows.append(rates.row(f"{name}, {n} pairs", measure, count, args.repetitions, took))
            rates.save(OUT, rows)


if __name__ == "__main__":
    main()
