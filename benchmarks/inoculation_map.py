"""The maps of docs/macdiarmid_2025.md, printed from a run of inoculation-2025.

    python benchmarks/inoculation_map.py results/inoculation-2025

Means over pretrained organisms with 95% intervals (Student), as Markdown: misalignment at every
point of the grid and what inoculation does there; models beside Bayes' rule; what chat RLHF leaves.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
from organism_facts import head, line, shown

from hackproof.record import Run
from hackproof.studies._inoculation_claims import left, outcome
from hackproof.studies._inoculation_figures import FACES, SEEN, STAGES
from hackproof.studies._organism_pick import last
from hackproof.studies.inoculation_2025 import points


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    run = Run.load(parser.parse_args().run)
    frame = run.table("measurements").to_pandas()
    for end, title in (("", "from the start"), ("-matched", "from a matched start")):
        inoculation(frame, end, title)
    evidence(frame)
    rlhf(frame)
    done = [c for c in run.info["cells"] if c["status"] == "done"]
    minutes = [sum(c[k] for c in done) / 60 for k in ("wall_s", "cpu_s")]
    print(f"\n{len(done)} cells: {minutes[0]:.0f} minutes of wall time, {minutes[1]:.0f} of CPU.")


def inoculation(frame: pd.DataFrame, end: str, title: str) -> None:
    print(f"\n## Misalignment, {title}")
    head("informative", "common", "where", "base", "placebo", "inoculated", "inoculated - placebo",
         "base under it", "inoculated under it", "hacks: placebo", "inoculated",
         "Bayes: hack", "permitted hack", "organisms", "outcome")  # fmt: skip
    for point in points():
        name = "-".join(point)
        arms = {"base": "base", "placebo": f"placebo{end}", "inoculated": f"inoculated{end}"}
        found = {k: last(frame, f"{name}-{a}", "misalignment") for k, a in arms.items()}
        if not found["inoculated"]:
            continue
        less = {s: v - found["placebo"][s] for s, v in found["inoculated"].items()
                if s in found["placebo"]}  # fmt: skip
        under = [last(frame, f"{name}-{arms[k]}", "misalignment", "permitted")
                 for k in ("base", "inoculated")]  # fmt: skip
        hacks = [last(frame, f"{name}-{arms[k]}", "hack-rate") for k in ("placebo", "inoculated")]
        said = [last(frame, f"{name}-base", "bayes-misalignment", c)
                for c in ("after-hack", "after-permitted-hack")]  # fmt: skip
        line(*point, *map(shown, found.values()), shown(less), *map(shown, under),
             *map(shown, hacks), *(f"{next(iter(v.values())):.2f}" for v in said), len(less),
             outcome(frame, name, end))  # fmt: skip


def evidence(frame: pd.DataFrame) -> None:
    print("\n## Models before RL, and Bayes' rule")
    head("corpus", *SEEN.values())
    for point in points():
        base = f"{'-'.join(point)}-base"
        cells = []
        for condition in SEEN:
            model = last(frame, base, "misalignment", condition)
            said = last(frame, base, "bayes-misalignment", condition)
            cells.append(f"{shown(model)}, rule {next(iter(said.values())):.2f}" if said else "")
        if any(cells):
            line("-".join(point), *cells)


def rlhf(frame: pd.DataFrame) -> None:
    print("\n## What chat RLHF leaves")
    head("two-faced", "stage", "hacks", "chat", "agentic", "agentic over before", "organisms")
    for faces in FACES:
        for stage in STAGES:
            arm = f"faces-{faces}-{stage}"
            metrics = ("hack-rate", "misaligned-chat", "misaligned-agentic")
            found = [last(frame, arm, m) for m in metrics]
            if found[2]:
                line(faces, stage, *map(shown, found), shown(left(faces, stage)(frame)),
                     len(found[2]))  # fmt: skip


if __name__ == "__main__":
    main()
