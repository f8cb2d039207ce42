"""How often `hackproof audit loop` recovers what was planted, and how often it is wrong.

    python benchmarks/audit_loop_rates.py --repetitions 400

Coverage of the slopes and of the difference between histories; findings where the judge's score
rises alone; false alarms where nothing moves, where both scores rise, where gold alone falls, with
coarse scores, with skewed items, and at the border, where gold rises by exactly the share of the
judge's rise that counts as keeping up. Exact binomial tests as in audit_judge_rates.py. Written to
benchmarks/results/audit_loop_rates.csv.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import rates

from hackproof.audit import loop
from hackproof.audit._loop._slopes import KEEPS_UP

OUT = Path(__file__).parent / "results/audit_loop_rates.csv"
ROUNDS = np.arange(5)


def rounds(
    rng: np.random.Generator, n: int, judge: float, gold: float, *, names: tuple[str, str] = (
        "judge", "gold"), skew: bool = False, coarse: bool = False,
) -> pd.DataFrame:  # fmt: skip
    """Return rounds of n items: each has a level and a pace of its own, about a mean pace.

    Args:
        rng: Source of everything.
        n: Items.
        judge: Mean slope of the judge's score.
        gold: Mean slope of the gold score.
        names: Of the two scores.
        skew: Whether paces are exponential, so that few items move much.
        coarse: Whether scores are whole numbers from 0 to 10.
    """
    out = {"item": np.repeat(np.arange(n), len(ROUNDS)), "round": np.tile(ROUNDS, n)}
    for name, slope in zip(names, (judge, gold), strict=True):
        own = rng.exponential(0.04, n) - 0.04 if skew else rng.normal(0, 0.04, n)
        level = 0.5 + rng.normal(0, 0.15, n)
        value = level[:, None] + (slope + own)[:, None] * ROUNDS
        value = value + rng.normal(0, 0.08, value.shape)
        out[name] = (np.clip(np.rint(10 * value), 0, 10) if coarse else value).ravel()
    return pd.DataFrame(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=400)
    n = parser.parse_args().repetitions
    rows: list[dict[str, object]] = []

    def say(case: str, measure: str, count: int, seconds: float) -> None:
        rows.append(rates.row(case, measure, count, n, seconds))
        rates.save(OUT, rows)

    def held(entry: dict, name: str, truth: float) -> bool:
        return entry[f"{name}_low"] <= truth <= entry[f"{name}_high"]

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.parquet"

        def alarms(case: str, make: Callable[[np.random.Generator], pd.DataFrame]) -> None:
            start, count = time.process_time(), 0
            for k in range(n):
                make(np.random.default_rng([k, len(rows)])).to_parquet(path)
                count += bool(loop(path).findings)
            say(case, rates.ALARMS, count, time.process_time() - start)

        for items in (12, 40):
            start, inside, found = time.process_time(), dict.fromkeys(("judge", "gold"), 0), 0
            for k in range(n):
                rounds(np.random.default_rng([k, items]), items, 0.08, 0.0).to_parquet(path)
                audit = loop(path)
                for entry in audit.table("slopes").rows:
                    truth = 0.08 if entry["measure"] == "judge" else 0.0
                    inside[entry["measure"]] += held(dict(entry), "slope", truth)
                found += any(f.rule == "loop-hacking" for f in audit.findings)
            took = time.process_time() - start
            for name, count in inside.items():
                say(f"judge rises alone, {items} items: slope of {name}", "coverage", count, took)
            row = rates.row(f"judge rises alone, {items} items", "found", found, n, took)
            rows.append({**row, "p_value": ""})
            rates.save(OUT, rows)

        start, inside, found = time.process_time(), 0, 0
        for k in range(n):
            rng = np.random.default_rng([k, 7])
            parts = [rounds(rng, 40, pace, 0.0).assign(history=h)
                     for h, pace in (("shared", 0.08), ("separate", 0.02))]  # fmt: skip
            frame = pd.concat(parts)
            frame.to_parquet(path)
            audit = loop(path)
            (entry,) = audit.table("sharing").rows
            truth = 4 * 0.06 / float(frame["judge"].std(ddof=0))
            inside += held(dict(entry), "difference", truth)
            found += any(f.rule == "loop-sharing" for f in audit.findings)
        took = time.process_time() - start
        say("shared rises by .06 more, 40 items: difference", "coverage", inside, took)
        row = rates.row("shared rises by .06 more, 40 items", "found", found, n, took)
        rows.append({**row, "p_value": ""})
        rates.save(OUT, rows)

        def two(rng: np.random.Generator, **more: float) -> pd.DataFrame:
            return pd.concat([rounds(rng, 20, 0.0, 0.0).assign(history=h)
                              for h in ("shared", "separate")])  # fmt: skip

        alarms("nothing moves, two histories", two)
        alarms("nothing moves, 8 items", lambda g: rounds(g, 8, 0.0, 0.0))
        alarms("nothing moves, four loops", lambda g: pd.concat(
            [rounds(g, 20, 0.0, 0.0).assign(condition=str(c)) for c in range(4)]))  # fmt: skip
        alarms("both rise", lambda g: rounds(g, 40, 0.08, 0.08))
        alarms("gold alone falls", lambda g: rounds(g, 40, 0.0, -0.08))
        alarms("gold rises by the share that keeps up",
               lambda g: rounds(g, 40, 0.08, KEEPS_UP * 0.08))  # fmt: skip
        alarms("nothing moves, coarse scores", lambda g: rounds(g, 20, 0.0, 0.0, coarse=True))
        alarms("nothing moves, skewed items", lambda g: rounds(g, 20, 0.0, 0.0, skew=True))
        alarms("engagement alone rises", lambda g: rounds(
            g, 40, 0.08, 0.0, names=("engagement", "harm")))  # fmt: skip


if __name__ == "__main__":
    main()
