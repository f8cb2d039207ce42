"""The maps of docs/macdiarmid_2025.md, printed from a run of inoculation-2025.

    python benchmarks/inoculation_map.py results/inoculation-2025

Means over pretrained organisms with 95% intervals (Student), as Markdown: misalignment at every
point of the grid and what inoculation does there; each statistic of the corpus averaged over the
others, over the organisms that every arm has; models beside Bayes' rule; what chat RLHF leaves.
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
    factors(frame)
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


def factors(frame: pd.DataFrame) -> None:
    """Print what inoculation does by one statistic at a time, both starts together."""
    kinds = {
        "inoculated - placebo": [("inoculated", 1, "default"), ("placebo", -1, "default")],
        "inoculated, under it - base, under it": [("inoculated", 1, "permitted"),
                                                  ("base", -1, "permitted")],
        "inoculated, under it - placebo, bare": [("inoculated", 1, "permitted"),
                                                 ("placebo", -1, "default")],
    }  # fmt: skip
    made = {kind: {p: _contrast(frame, p, parts) for p in points()}
            for kind, parts in kinds.items()}  # fmt: skip
    print("\n## By one statistic of the corpus, averaged over the others and over both starts")
    head("statistic", "is", *kinds, "organisms")
    for i, factor in enumerate(("informative", "common", "where")):
        for level in dict.fromkeys(p[i] for p in points()):
            found = [_mean([v for p, v in made[k].items() if p[i] == level]) for k in kinds]
            if found[0]:
                line(factor, level, *map(shown, found), len(found[0]))
        one, *others = dict.fromkeys(p[i] for p in points())
        for other in others:
            found = []
            for k in kinds:
                a, b = (_mean([v for p, v in made[k].items() if p[i] == x]) for x in (other, one))
                found.append({s: a[s] - b[s] for s in a if s in b})
            if found[0]:
                line(factor, f"{other} - {one}", *map(shown, found), len(found[0]))
    found = [_mean(list(made[k].values())) for k in kinds]
    line("all", "", *map(shown, found), len(found[0]))


def _contrast(
    frame: pd.DataFrame, point: tuple[str, str, str], parts: list[tuple[str, int, str]]
) -> dict[int, float]:
    """Return a sum of signed arms, seed by seed, averaged over both starts."""
    starts = []
    for end in ("", "-matched"):
        found = [
            {s: sign * v for s, v in last(
                frame, f"{'-'.join(point)}-{arm}{end if arm != 'base' else ''}", "misalignment", c
            ).items()}
            for arm, sign, c in parts
        ]  # fmt: skip
        starts.append({s: sum(f[s] for f in found) for s in found[0] if all(s in f for f in found)})
    return _mean(starts)


def _mean(found: list[dict[int, float]]) -> dict[int, float]:
    """Return the mean by seed, of the seeds that all have."""
    seeds = set.intersection(*map(set, found)) if found else set()
    return {s: sum(f[s] for f in found) / len(found) for s in sorted(seeds)}


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
