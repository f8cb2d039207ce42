"""What `hackproof audit judge` takes for ten million verdicts.

    python benchmarks/audit_judge_speed.py --rows 10000000

A CSV with a row per verdict (item, judge, order, winner): ten judges on as many items as are
needed, each pair in both orders, with a place that some of them favour. The audit runs in a
process of its own. Wall time is that of the machine as it was: `load` says what else it did, and
CPU seconds do not hang on it as much. Written to benchmarks/results/audit_judge_speed.csv.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import _spent
import numpy as np
import pandas as pd

OUT = Path(__file__).parent / "results/audit_judge_speed.csv"
JUDGES = 10
PIECE = 500_000
AUDIT = """
import json, sys
from hackproof.audit import judge
audit = judge(sys.argv[1], checks=sys.argv[2].split(","))
print("SPENT " + json.dumps({
    "judges": len(audit.table("cells").rows), "findings": len(audit.findings),
}))
"""


def verdicts(rng: np.random.Generator, first: int, n: int) -> pd.DataFrame:
    """Return `n` verdicts, two of each judge on an item, from item number `first` on.

    Every judge sees which answer is better in four of five pairs; judge k follows the first place
    in k hundredths of the pairs.
    """
    pair = np.arange(n) // 2
    judge, order = pair % JUDGES, np.where(np.arange(n) % 2, 21, 12)
    half = rng.random((3, (n + 1) // 2))[:, pair]
    better = 1 + (half[0] < 0.5)
    seen = np.where(half[1] < 0.8, better, 3 - better)
    shown_first = np.where(order == 12, 1, 2)
    won = np.where(half[2] < judge / 100, shown_first, seen)
    return pd.DataFrame({
        "item": first + pair // JUDGES, "judge": np.char.add("j", judge.astype(str)),
        "order": order, "winner": np.where(won == shown_first, "A", "B"),
    })  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--checks", default="position")
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "verdicts.csv"
        with path.open("w") as file:
            for k in range(0, args.rows, PIECE):
                n = min(PIECE, args.rows - k)
                verdicts(rng, k // (2 * JUDGES), n).to_csv(file, index=False, header=k == 0)
        size = path.stat().st_size / 1e9
        row = {"audit": "judge", "rows": args.rows, "checks": args.checks,
               "file_gb": round(size, 3)}  # fmt: skip
        row |= _spent.spent(AUDIT, str(path), args.checks)
    _spent.save(OUT, [row])


if __name__ == "__main__":
    main()
