"""What `hackproof audit preferences` takes for 160,000 pairs with 20 features.

    HACKPROOF_DATA=FOLDER python benchmarks/audit_preferences_speed.py
    python benchmarks/audit_preferences_speed.py --data pairs.jsonl --pairs 160000

The pairs of a file, repeated until there are enough, each made distinct by a number at its end, so
that copies are looked for and none is found; 13 drawn features stand beside the 7 built-in ones.
The audit runs in a process of its own with as many workers as there are cores. Wall time is that
of the machine as it was: `load` says what else it did. CPU seconds do not hang on it as much, and
divided by the cores they say what idle ones would take at best. Target: 60 s and 2 GB on two cores.
Written to benchmarks/results/audit_preferences_speed.csv.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import tempfile
from pathlib import Path

import _spent
import numpy as np

OUT = Path(__file__).parent / "results/audit_preferences_speed.csv"
GIVEN = 13
"""Features that the file gives; the audit measures 7 of its own."""
AUDIT = """
import json, sys
from hackproof.audit import preferences
audit = preferences(sys.argv[1])
print("SPENT " + json.dumps({
    "pairs": audit.facts["pairs"], "features": len(audit.table("features").rows),
    "findings": len(audit.findings),
}))
"""


def rows_of(path: Path) -> list[dict[str, str]]:
    """Return the pairs of a file of JSON lines, which may be gzipped."""
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
        return [json.loads(line) for line in file]


def repeated(rows: list[dict[str, str]], n: int, target: Path) -> None:
    """Write `n` pairs, each unlike all others, with drawn features of both sides."""
    rng = np.random.default_rng(0)
    with target.open("w") as file:
        for k in range(n):
            row = rows[k % len(rows)]
            made: dict[str, object] = {s: f"{row[s]} {k}" for s in ("chosen", "rejected")}
            drawn = rng.standard_normal((GIVEN, 2)).round(4)
            for j, (one, two) in enumerate(drawn.tolist()):
                made |= {f"f{j}_chosen": one, f"f{j}_rejected": two}
            file.write(json.dumps(made) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    folder = os.environ.get("HACKPROOF_DATA", "")
    usual = Path(folder) / "hh_rlhf/harmless_base_test_even.jsonl.gz" if folder else None
    parser.add_argument("--data", type=Path, default=usual, required=usual is None)
    parser.add_argument("--pairs", type=int, default=160_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "pairs.jsonl"
        repeated(rows_of(args.data), args.pairs, path)
        size = path.stat().st_size / 1e9
        row = {"audit": "preferences", "file_gb": round(size, 2)} | _spent.spent(AUDIT, str(path))
    _spent.save(OUT, [row])


if __name__ == "__main__":
    main()
