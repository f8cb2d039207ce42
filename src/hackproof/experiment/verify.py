"""Checking a run after the fact: are its files what it recorded, and do its claims hold?

Digests find any file that was changed, cut short, added or removed. The tables and the
claims are made again from the cells and compared, so that a table cannot say what its
cells do not. Whoever rewrites the cells and every digest is found by the seal, if it was
noted elsewhere (`--seal`), or by running cells again (`--rerun`): on one machine and one
set of pins the same cell gives the same bits.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hackproof.errors import HackproofError, InputError, SchemaError
from hackproof.experiment import engines, registry, runner
from hackproof.experiment.claims import judge
from hackproof.experiment.study import Cell, Study, settings_from
from hackproof.record import Run, files, to_table
from hackproof.record.run import file_digests, seal, settings_digest, transcripts_name, union


@dataclass(frozen=True)
class Problem:
    """One thing that does not hold."""

    what: str
    """The file, cell or claim, by name."""
    why: str
    decided: bool = True
    """False where it could not be checked, rather than failed."""


def verify(
    path: str | Path,
    *,
    expected_seal: str | None = None,
    rerun: int = 0,
    study: str | None = None,
) -> list[Problem]:
    """Return everything about a run that does not hold; empty where all does.

    Args:
        path: The run's folder.
        expected_seal: The seal as it was noted when the run was made.
        rerun: How many cells, drawn at random, to measure again and compare.
        study: FILE.py[:ATTRIBUTE] of a study that is not installed under its name.

    Raises:
        InputError: `study` is not the run's study, or a negative `rerun`.
        RunError: there is no run, or its run.json cannot be read.
    """
    run = Run.load(path)
    problems = [*_seal(run, expected_seal), *_files(run), *_transcripts(run)]
    if summary_only(run):
        return problems + list(_claims(run, run.table("measurements"), study))
    table = None
    try:
        cells = [
            c["id"] for c in run.info["cells"] if (run.path / f"cells/{c['id']}.parquet").is_file()
        ]
        table = union(run.path, cells)
        problems += _measurements(run, table)
    except HackproofError as error:
        problems.append(Problem("cells", f"the table cannot be made again from them: {error}"))
    if table is not None and run.info["scale"] != "watched":
        problems += _claims(run, table, study)
    if rerun:
        problems += _rerun(run, rerun, study)
    return problems


def summary_only(run: Run) -> bool:
    """Return whether this copy of a run kept its tables and left its cells out."""
    return not (run.path / "cells").exists() and (run.path / "measurements.parquet").is_file()


def _seal(run: Run, expected: str | None) -> Iterator[Problem]:
    info = run.info
    if info.get("status") == "running":
        yield Problem(
            "run.json", "the run was not finished; the same command goes on with it", False
        )
        return
    if info.get("seal") != seal(info):
        yield Problem("run.json", "it was changed after it was sealed")
    if expected is not None and info.get("seal") != expected.strip():
        yield Problem("run.json", f"its seal is {info.get('seal')}, not {expected.strip()}")
    if info.get("settings_digest") != settings_digest(info):
        yield Problem("run.json", "the settings are not those that its digest names")


def _files(run: Run) -> Iterator[Problem]:
    recorded, found = run.info.get("files", {}), file_digests(run.path)
    if summary_only(run):  # of the cells' own files it has those that were kept
        recorded = {n: digest for n, digest in recorded.items() if "/" not in n or n in found}
    for name in sorted(recorded.keys() | found.keys()):
        if name not in found:
            yield Problem(name, "it is missing")
        elif name not in recorded:
            yield Problem(name, "it was added after the run was sealed")
        elif recorded[name] != found[name]:
            yield Problem(name, "it was changed after the run was sealed")
    report, page = run.info.get("report"), run.path / "report.html"
    if summary_only(run):
        return
    if report and not page.is_file():
        yield Problem("report.html", "it is missing; `hackproof report` writes it anew")
    elif report and files.file_digest(page) != report:
        yield Problem("report.html", "it was changed; `hackproof report` writes it anew")


def _transcripts(run: Run) -> Iterator[Problem]:
    try:
        run.transcripts()
    except HackproofError as error:
        yield Problem("transcripts", f"they cannot be read: {error}")


def _measurements(run: Run, table) -> Iterator[Problem]:
    if not (run.path / "measurements.parquet").is_file():
        return
    try:
        stored = run.table("measurements")
    except HackproofError as error:
        yield Problem("measurements.parquet", str(error))
        return
    if not stored.combine_chunks().equals(table.combine_chunks()):
        yield Problem("measurements.parquet", "it is not the union of the cells")


def _claims(run: Run, table, reference: str | None) -> Iterator[Problem]:
    """Judge the claims again and compare them with what is written."""
    study = _study(run, reference)
    if isinstance(study, Problem):
        yield study
        return
    frame = runner.measurements_frame(table)
    seeds = sorted({c["seed"] for c in run.info["cells"]})
    claims = study.claims
    if study.claims_if is not None:
        kind = type(next(iter(study.scales.values())).settings)
        claims = study.claims_for(settings_from(kind, run.info["settings"], f"{run.path}"))
    rows = [judge(c, frame, seeds, run.info["scale"]) for c in claims]
    try:
        written = {c["id"]: c for c in run.rows("claims")}
    except HackproofError as error:
        yield Problem("claims.parquet", str(error))
        return
    for row in to_table("claims", rows).to_pylist():
        old = written.pop(row["id"], None)
        if old is None:
            yield Problem(f"claim {row['id']}", "the study makes it and the run does not show it")
        elif old != row:
            yield Problem(
                f"claim {row['id']}",
                f"the run says {_say(old)}; from its cells it is {_say(row)}",
            )
    for name in written:
        yield Problem(f"claim {name}", "the run shows it and the study does not make it")


def _say(claim) -> str:
    if claim["estimate"] is None:
        return claim["outcome"]
    ends = "" if claim["low"] is None else f" [{claim['low']:.4g}, {claim['high']:.4g}]"
    return f"{claim['outcome']} ({claim['estimate']:.4g}{ends})"


def _study(run: Run, reference: str | None) -> Study | Problem:
    name = run.info["study"]["name"]
    if reference is None and name not in registry.names():
        return Problem(
            "claims",
            f"study {name!r} is not installed, so they were not judged again; where it is a "
            "file, name it with --study FILE.py",
            False,
        )
    study = registry.load(reference or name)
    if study.name != name:
        raise InputError(f"{reference} is study {study.name!r}; the run is of {name!r}.")
    recorded = run.info["study"].get("digest")
    if recorded and reference and runner.file_digest(reference) != recorded:
        return Problem(reference, "it is not the file that measured this run: its code is another")
    return study


def _rerun(run: Run, count: int, reference: str | None) -> Iterator[Problem]:
    """Measure cells again, in fresh workers, and compare them bit for bit."""
    if count < 0:
        raise InputError(f"--rerun is {count}; it must not be negative.")
    study = _study(run, reference)
    if isinstance(study, Problem):
        return  # the claims' check has said so
    kind = type(next(iter(study.scales.values())).settings)
    plan = runner.plan(
        reference or study.name,
        scale=run.info["scale"],
        settings=settings_from(kind, run.info["settings"], "run.json"),
        seeds=max(c["seed"] for c in run.info["cells"]) + 1,
        out=run.path,
    )
    done: Sequence = [c for c in plan.cells if (run.path / f"cells/{c.id}.parquet").is_file()]
    drawn = random.SystemRandom().sample(done, min(count, len(done)))
    chosen = {c.id: c for c in done if c in drawn}
    tasks = [
        engines.Task(plan.reference, run.info["settings"], c.arm, c.level, c.seed, c.id)
        for c in chosen.values()
    ]
    for outcome in engines.Local().run(runner.stages(plan, tasks)):
        if why := _differs(run, plan, chosen[outcome.id], outcome):
            yield Problem(f"cell {outcome.id}", f"run again it {why}")


def _differs(run: Run, plan: runner.Plan, cell: Cell, outcome: engines.Outcome) -> str:
    """Say how a cell that was run again differs from what the run holds; '' if in no bit."""
    if outcome.rows is None:
        return f"failed: {outcome.reason}"
    try:
        rows = [runner.complete(plan, cell, row) for row in outcome.rows]
        data = files.parquet_bytes(to_table("measurements", rows))
        told = runner.complete_transcripts(plan, cell, outcome.transcripts)
        said = files.parquet_bytes(to_table("transcripts", told)) if told else None
    except SchemaError as error:
        return f"failed: SchemaError: {error}"
    path = run.path / transcripts_name(cell.id)
    kept = path.read_bytes() if path.is_file() else None
    numbers = data != (run.path / f"cells/{cell.id}.parquet").read_bytes()
    others = [w for w, odd in (("numbers", numbers), ("transcripts", said != kept)) if odd]
    hint = "(on another machine or other pins it may)"
    return f"gives other {' and '.join(others)} {hint}" if others else ""
