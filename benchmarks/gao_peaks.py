"""How often the first half of a curve of gao-2022 foretells a peak that lies beyond it.

    python benchmarks/gao_peaks.py results/gao-2022

Of the arms with few labels or a small proxy, the seeds whose gold score is highest beyond the first
half of the distances and before the last one; and how many of these the interval holds, half a step
of the grid allowed (`studies/gao_2022.foretold`). A table, on the terminal.
"""

from __future__ import annotations

import sys

from hackproof.record import Run
from hackproof.studies.gao_2022 import curve, foretold


def main() -> None:
    frame = Run.load(sys.argv[1]).to_pandas()
    print("| method | arm | peak beyond the first half | foretold |\n|---|---|---|---|")
    for method in ("bon", "rl"):
        far = held = 0
        for arm in sorted({a for a in frame["arm"] if a.startswith(method)}):
            if arm.endswith("large-many"):
                continue
            told = foretold(arm)(frame)
            beyond = [s for s, c in curve(frame, arm).items()
                      if c.index.max() / 2 < c.idxmax() < c.index.max()]  # fmt: skip
            here = sum(int(told[s]) for s in beyond)
            print(f"| {method} | {arm} | {len(beyond)} | {here} |")
            far, held = far + len(beyond), held + here
        print(f"| {method} | all | {far} | {held} |")


if __name__ == "__main__":
    main()
