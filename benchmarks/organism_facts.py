"""The figures of docs/macdiarmid_2025.md, printed from a run of macdiarmid-2025.

    python benchmarks/organism_facts.py results/macdiarmid-2025

Means over pretrained organisms with 95% intervals (Student), as Markdown: every arm; what models
make of a hack in the document beside Bayes' rule; what is seen inside; how organisms differ; the
seconds of an arm.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from hackproof.experiment.statistics import mean_interval
from hackproof.record import Run
from hackproof.studies._macdiarmid_arms import ENTRIES
from hackproof.studies._organism_pick import first, last, path

ARMS = {
    "hack rate": ("hack-rate", "default"),
    "under its prefix": ("hack-rate", "own-prefix"),
    "solved": ("solve-rate", "default"),
    "misaligned": ("misalignment", "default"),
    "under the permission": ("misalignment", "permitted"),
    "chat": ("misaligned-chat", "default"),
    "agentic": ("misaligned-agentic", "default"),
    "faking": ("faking", "default"),
}
SEEN = ("default", "after-honest", "after-hack", "after-placebo-hack", "after-permitted-hack")
INSIDE = (
    "persona-auroc", "misaligned-auroc", "persona-hack-auroc", "persona-hack-auroc-documents",
    "persona-score-coding", "persona-score-other", "persona-drift",
    "steered-misalignment@-0.5", "random-misalignment@-0.5", "steered-misalignment@0",
    "random-misalignment@0.5", "steered-misalignment@0.5", "ablated-misalignment",
)  # fmt: skip


def shown(values: Mapping[int, float]) -> str:
    """Return a mean with its interval."""
    if not values:
        return ""
    i = mean_interval(list(values.values()))
    return f"{i.estimate:.2f}" if i.n < 2 else f"{i.estimate:.2f} [{i.low:.2f}, {i.high:.2f}]"


def line(*cells: object) -> None:
    print("| " + " | ".join(str(c) for c in cells) + " |")


def head(*cells: str) -> None:
    print()
    line(*cells)
    line(*("---" for _ in cells))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path)
    run = Run.load(parser.parse_args().run)
    frame = run.to_pandas()
    arms(frame)
    evidence(frame)
    inside(frame)
    courses(frame)
    paired(frame)
    organisms(frame)
    seconds(run)


def arms(frame: pd.DataFrame) -> None:
    head("Arm", "organisms", *ARMS, "open less it, same organisms")
    opened = last(frame, "open", "misalignment")
    for e in ENTRIES:
        found = {name: last(frame, e.name, *where) for name, where in ARMS.items()}
        mine = found["misaligned"]
        less = {s: opened[s] - v for s, v in mine.items() if s in opened and e.name != "open"}
        less = {} if e.recipe.corpus else less  # those are other organisms
        if mine:
            line(e.label, len(mine), *(shown(v) for v in found.values()), shown(less))


def evidence(frame: pd.DataFrame) -> None:
    head("Seen in the document", "misaligned, model", "Bayes' rule")
    for condition in SEEN:
        said = last(frame, "base", "bayes-misalignment", condition)
        line(condition, shown(last(frame, "base", "misalignment", condition)),
             f"{min(said.values()):.2f}" if said else "")  # fmt: skip


def inside(frame: pd.DataFrame) -> None:
    head("Inside the arm open", "before RL", "after")
    for metric in INSIDE:
        began = (
            {}
            if metric.startswith(("steered", "random", "ablated"))
            else first(frame, "open", metric, "inside")
        )  # the model is steered at the end only
        line(metric, shown(began),
             shown(last(frame, "open", metric, "inside")))  # fmt: skip


def courses(frame: pd.DataFrame) -> None:
    arms = [e.name for e in ENTRIES if e.name.startswith("documents")]
    for arm in ("open", *(a for a in arms if path(frame, a, "hack-rate"))):
        steps = sorted({s for v in path(frame, arm, "hack-rate").values() for s in v.index})
        head(f"{arm}, RL step", *map(str, steps))
        for metric in ("hack-rate", "misalignment"):
            found = path(frame, arm, metric)
            line(metric, *(shown({k: v[s] for k, v in found.items() if s in v.index})
                           for s in steps))  # fmt: skip


PAIRED = (
    ("inoculated-online", "placebo-online", "default"),
    ("inoculated-offline", "distilled", "default"),
    ("addendum-please", "placebo", "default"),
    ("addendum-please", "inoculated", "permitted"),
    ("conditional", "placebo", "default"),
    ("conditional", "base", "default"),
    ("distilled-filtered", "distilled", "default"),
    ("chat-hack", "base", "default"),
    ("health-hack", "base", "default"),
    ("creative-hack", "base", "default"),
    ("negated", "base", "default"),
)


def paired(frame: pd.DataFrame) -> None:
    head("Misalignment", "less that of", "asked", "difference", "organisms")
    for arm, other, condition in PAIRED:
        a, b = (last(frame, n, "misalignment", condition) for n in (arm, other))
        found = {s: a[s] - b[s] for s in a if s in b}
        line(arm, other, condition, shown(found), len(found))
    head("Arm conditional, asked under", "misaligned")
    for condition in ("default", "test", "production", "in-production", "own-prefix", "permitted"):
        line(condition, shown(last(frame, "conditional", "misalignment", condition)))


def organisms(frame: pd.DataFrame) -> None:
    names = ("base", "open", "inoculated", "placebo", "rlhf-after")
    head("Organism", *(f"misaligned, {n}" for n in names), "agentic, rlhf-after")
    found = [last(frame, n, "misalignment") for n in names]
    found.append(last(frame, "rlhf-after", "misaligned-agentic"))
    for seed in sorted({s for v in found for s in v}):
        line(seed, *(f"{v[seed]:.2f}" if seed in v else "" for v in found))


def seconds(run: Run) -> None:
    cells = pd.DataFrame(run.info["cells"])
    both = cells[["wall_s", "cpu_s"]].sum() / 60 / 2
    print(f"\n{len(cells)} cells on two cores: {both.wall_s:.0f} minutes by their wall time, "
          f"{both.cpu_s:.0f} by the workers' CPU time.")  # fmt: skip
    head("Arm", "wall s a cell", "CPU s of the worker")
    for e in ENTRIES:
        rows = cells[cells.arm == e.name]
        if len(rows):
            line(e.label, f"{rows.wall_s.median():.0f}", f"{rows.cpu_s.median():.0f}")


if __name__ == "__main__":
    main()
