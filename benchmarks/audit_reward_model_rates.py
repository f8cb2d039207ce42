"""How often `hackproof audit reward-model` and `audit gap` recover what was planted.

    python benchmarks/audit_reward_model_rates.py --repetitions 400

Coverage of coefficients and of the peak, on whole curves and on their first half (where the peak
lies beyond what was seen), for curves with independent noise and with runs that differ; and false
alarms of `audit gap` on answers that training did not change. Exact binomial tests as in
audit_judge_rates.py. Written to benchmarks/results/audit_reward_model_rates.csv.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import rates

from hackproof.audit import gap, reward_model

OUT = Path(__file__).parent / "results/audit_reward_model_rates.csv"
CURVES = (("best-of-n", 1.2, 0.25, 2.4), ("rl", 1.0, 0.5, np.e))


def curve(rng: np.random.Generator, form: str, alpha: float, beta: float, runs: int,
          differ: float) -> pd.DataFrame:  # fmt: skip
    """Return points of runs whose coefficients differ by `differ` (standard deviation)."""
    d = np.linspace(0, 4, 15)
    bend = d if form == "best-of-n" else np.log(np.where(d > 0, d, 1.0))
    rows = []
    for s in range(runs):
        a, b = alpha + differ * rng.standard_normal(), beta + differ / 3 * rng.standard_normal()
        y = d * (a - b * bend) + rng.normal(0, 0.05, len(d))
        rows += [{"seed": s, "d": x, "form": form, "gold": v} for x, v in zip(d, y, strict=True)]
    return pd.DataFrame(rows)


def same(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Return answers to n questions before and after a training that changed nothing."""
    ease = rng.normal(0, 0.15, n)
    parts = []
    for step in ("before", "after"):
        right = rng.random(n) < 0.5 + ease
        said = rng.random(n) < np.where(right, 0.7, 0.3) + ease
        parts.append(pd.DataFrame({"step": step, "oracle": right, "human": said,
                                   "item": range(n)}))  # fmt: skip
    return pd.concat(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=400)
    n = parser.parse_args().repetitions
    rows: list[dict[str, object]] = []

    def say(case: str, measure: str, count: int, seconds: float) -> None:
        rows.append(rates.row(case, measure, count, n, seconds))
        rates.save(OUT, rows)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.parquet"
        for form, alpha, beta, peak in CURVES:
            for runs, differ in ((1, 0.0), (8, 0.0), (8, 0.1)):
                for first in (1.0, 0.5):
                    start, held = time.process_time(), dict.fromkeys(("alpha", "beta", "peak_d"), 0)
                    for k in range(n):
                        rng = np.random.default_rng([k, len(rows)])
                        curve(rng, form, alpha, beta, runs, differ).to_parquet(path)
                        row = reward_model(path, first=first, checks=["curve"], seed=k)
                        row = row.table("curves").rows[0]
                        for name, truth in (("alpha", alpha), ("beta", beta), ("peak_d", peak)):
                            high = row[f"{name}_high"]
                            held[name] += row[f"{name}_low"] <= truth and (
                                high is None or truth <= high
                            )
                    took = time.process_time() - start
                    for name, count in held.items():
                        say(f"{form}, {runs} runs, differ by {differ:g}, first {first:g}: {name}",
                            "coverage", count, took)  # fmt: skip
        start, count = time.process_time(), 0
        for k in range(n):
            same(np.random.default_rng(k), 200).to_parquet(path)
            count += bool(gap(path).findings)
        say("gap, nothing changed", rates.ALARMS, count, time.process_time() - start)


if __name__ == "__main__":
    main()
