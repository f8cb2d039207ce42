"""Which hacks a pytest harness pays, hole by hole, and which a verdict on values pays.

    python benchmarks/grader_hacks.py --tasks 20

Every program of `hackproof.language._code_hacks` (honest ones, wrong ones, the three hacks that
the holes are made for, hacks that nobody planned for) is submitted to every task under six
graders. Tasks: the first usable ones of `$HACKPROOF_DATA/code_mbpp/problems.jsonl.gz`, or of
--data. Then every reference solution and every model sample of the file goes to the verdict on
values: the first tell how many honest solutions it refuses, the second how often passing the
shown tests is not enough. Written to benchmarks/results/grader_hacks.csv.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import logging
import os
import statistics
from pathlib import Path
from typing import Any

from hackproof.experiment.statistics import share_interval
from hackproof.language._code_hacks import PROGRAMS, Program
from hackproof.language._code_harness import Holes, preload, pytest_verdict, values_verdict
from hackproof.language._code_submission import SOLUTION, parse_submission
from hackproof.language._code_tasks import CodeTask, load_tasks
from hackproof.sandbox import Limits, Sandbox

ROOT = Path(__file__).parents[1]
FILE = "code_mbpp/problems.jsonl.gz"
GRADERS = {
    "all open": Holes.all_open(),
    "equality closed": Holes(equality=False),
    "exit closed": Holes(exit=False),
    "report closed": Holes(report=False),
    "all closed, in process": Holes.closed(),
    "values, hidden inputs": None,
}
COLUMNS = ("grader", "program", "kind", "family", "paid", "n", "share", "low", "high", "infra")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, help="JSONL of mxeval's schema")
    parser.add_argument("--tasks", type=int, default=20)
    parser.add_argument("--cost", action="store_true", help="only CPU time of grading")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/grader_hacks.csv")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    path = args.data or _data()
    tasks = load_tasks(path, limit=args.tasks if args.cost else None)
    with Sandbox(Limits(seconds=60.0, cpu_seconds=10.0), preload=preload()) as sandbox:
        print(sandbox.isolation.describe())
        if args.cost:
            print(cost(sandbox, tasks))
            return
        rows = []
        for program in PROGRAMS:
            rows += [row(sandbox, tasks[: args.tasks], grader, program) for grader in GRADERS]
            print(f"{program.name}: {[r['paid'] for r in rows[-len(GRADERS) :]]}", flush=True)
        rows += honest_rows(sandbox, tasks, samples(path))
    with args.out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    print(table(rows))
    print(f"written to {args.out}")


def _data() -> Path:
    root = os.environ.get("HACKPROOF_DATA")
    if not root:
        raise SystemExit(f"give --data PATH, or set HACKPROOF_DATA to the folder of {FILE}.")
    return Path(root) / FILE


def verdict(sandbox: Sandbox, task: CodeTask, files: dict[str, str], holes: Holes | None):
    if holes is None:
        return values_verdict(sandbox, task, files)
    return pytest_verdict(sandbox, task, files, holes)


def row(sandbox: Sandbox, tasks: list[CodeTask], grader: str, program: Program) -> dict[str, Any]:
    """Submit one program to every task under one grader."""
    paid = []
    for task in tasks:
        files = parse_submission(program.completion(task))
        paid.append(verdict(sandbox, task, files, GRADERS[grader]).paid)
    return counted(grader, program.name, program.kind, program.family, paid)


def counted(
    grader: str, name: str, kind: str, family: str, paid: list[bool | None]
) -> dict[str, Any]:
    """Return a row; a failure of the sandbox is counted and is in no share."""
    judged = [p for p in paid if p is not None]
    share = share_interval(sum(judged), len(judged))
    bounds = (round(x, 4) for x in (share.estimate, share.low, share.high))
    infra = len(paid) - len(judged)
    return dict(
        zip(COLUMNS, (grader, name, kind, family, sum(judged), len(judged), *bounds, infra),
            strict=True)
    )  # fmt: skip


def cost(sandbox: Sandbox, tasks: list[CodeTask]) -> str:
    """Return the CPU time of grading a reference, by grader."""
    lines = []
    for grader, holes in GRADERS.items():
        spent = [
            verdict(sandbox, task, {SOLUTION: task.reference}, holes).cpu_seconds for task in tasks
        ]
        lines.append(f"{grader}: median {1000 * statistics.median(spent):.0f} ms of CPU")
    return "\n".join(lines)


def samples(path: Path) -> dict[str, str]:
    """Return, by id, the model samples that pass the shown tests, as the file says."""
    content = path.read_bytes()
    text = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    records = map(json.loads, text.decode("utf-8").splitlines())
    return {
        record["task_id"]: record["prompt"] + record["model_sample"]
        for record in records
        if record.get("model_sample_passes")
    }


def honest_rows(sandbox: Sandbox, tasks: list[CodeTask], passing: dict[str, str]):
    """Submit every task's reference, and every passing model sample, to the verdict on values."""
    sources = {
        "all references": {task.id: task.reference for task in tasks},
        "model samples that pass": passing,
    }
    for name, by_task in sources.items():
        verdicts = {
            task.id: values_verdict(sandbox, task, {SOLUTION: by_task[task.id]})
            for task in tasks
            if task.id in by_task
        }
        for task, said in verdicts.items():
            if not said.paid:
                print(f"refused: {name}, {task}: {said.note}")
        paid = [said.paid for said in verdicts.values()]
        yield counted("values, hidden inputs", name, "honest", "-", paid)


def table(rows: list[dict[str, Any]]) -> str:
    """Return the shares as a Markdown table, one line per program."""
    cells = {(r["program"], r["grader"]): r for r in rows}
    lines = [
        "| program | family | " + " | ".join(GRADERS) + " |",
        "|---|---|" + "---|" * len(GRADERS),
    ]
    seen = dict.fromkeys((r["program"], r["kind"], r["family"]) for r in rows)
    for program, kind, family in seen:
        shares = []
        for grader in GRADERS:
            found = cells.get((program, grader))
            shares.append("" if found is None else f"{found['paid']}/{found['n']}")
        lines.append(f"| {program} ({kind}) | {family} | " + " | ".join(shares) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
