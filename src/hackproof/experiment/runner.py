"""Running a study: list its cells, run those that are not done, judge its claims."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hackproof.errors import SchemaError
from hackproof.experiment import engines, registry
from hackproof.experiment.claims import judge
from hackproof.experiment.study import Cell, Study, cells_of, settings_dict
from hackproof.record import Run, RunWriter, files
from hackproof.record.provenance import code_digest
from hackproof.record.run import settings_digest


@dataclass(frozen=True)
class Plan:
    """Everything that is decided before the first cell runs."""

    reference: str
    """How workers find the study."""
    study: Study
    scale: str
    settings: Any
    seeds: int
    cells: Sequence[Cell]
    header: Mapping[str, Any]
    """What run.json and the run's digest are made from."""
    folder: Path

    def seconds(self, workers: int) -> float | None:
        """Return the estimated wall time on `workers` cores, or None where unknown."""
        if self.study.cost is None:
            return None
        costs = [self.study.cost(self.settings, c) for c in self.cells]
        return max(sum(costs) / max(workers, 1), max(costs, default=0.0))


def plan(
    reference: str,
    *,
    scale: str = "cpu",
    settings: Any = None,
    seeds: int | None = None,
    only: Sequence[str] = (),
    out: str | Path | None = None,
) -> Plan:
    """Decide what a run consists of, without running or writing anything.

    Args:
        reference: A study's name, or FILE.py[:ATTRIBUTE].
        scale: smoke, cpu or paper.
        settings: The study's settings; those of the scale where None.
        seeds: How many seeds, from 0; the scale's number where None.
        only: Arms to run; all where empty.
        out: The run's folder; runs/NAME-SCALE-DIGEST where None.

    Raises:
        InputError: an unknown study, scale or arm, or settings that cannot be run.
    """
    study = registry.load(reference)
    preset = study.at(scale)
    settings = preset.settings if settings is None else settings
    seeds = preset.seeds if seeds is None else seeds
    cells = cells_of(study, settings, seeds, only)
    description = study.describe(settings)
    if digest := file_digest(reference):
        description["digest"] = digest
    header = {
        "study": description,
        "scale": scale,
        "settings": settings_dict(settings),
        "cells": [{"id": c.id, "arm": c.arm, "level": c.level, "seed": c.seed} for c in cells],
    }
    if out is None:
        out = Path("runs") / f"{study.name}-{scale}-{settings_digest(header)[:10]}"
    return Plan(
        registry.reference(reference), study, scale, settings, seeds, cells, header, Path(out)
    )


def file_digest(reference: str) -> str | None:
    """Return the digest of a study that is a file; None for one that is installed."""
    path = Path(reference.partition(":")[0])
    return code_digest(path) if path.suffix == ".py" else None


def execute(
    plan: Plan,
    engine: engines.Engine,
    on_event: Callable[[str, Any], None] = lambda kind, value: None,
) -> Run:
    """Run the cells of a plan that are not done, judge the claims and seal the run.

    Args:
        plan: What to run.
        engine: Where to run it.
        on_event: Called with ("warning", text), ("start", cells to run) and
            ("cell", (Cell, Outcome)).

    Raises:
        RunError: the folder cannot be used.
    """
    with files.locked(plan.folder):
        writer = RunWriter(plan.folder, plan.header)
        done = writer.done()
        for text in writer.warnings:
            on_event("warning", text)
        cells = {c.id: c for c in plan.cells if c.id not in done}
        on_event("start", list(cells.values()))
        fixed = settings_dict(plan.settings)
        tasks = [
            engines.Task(plan.reference, fixed, c.arm, c.level, c.seed, c.id)
            for c in cells.values()
        ]
        wall = time.perf_counter()
        code: dict[str, str] = {}
        for outcome in engine.run(stages(plan, tasks)):
            cell = cells[outcome.id]
            outcome = _write(writer, plan, cell, outcome)
            code |= outcome.code
            on_event("cell", (cell, outcome))
        return seal(plan, writer, engine.name, time.perf_counter() - wall, code)


def stages(plan: Plan, tasks: Sequence[engines.Task]) -> list[list[engines.Task]]:
    """Return the tasks of arms that others build on, then the others; none of them empty.

    The others start when all of the first have ended: a worker that is free earlier would
    otherwise begin with a cell that finds an empty cache.
    """
    first = {a.name for a in plan.study.arms(plan.settings) if a.first}
    parts = [[t for t in tasks if (t.arm in first) is early] for early in (True, False)]
    return [part for part in parts if part]


def seal(plan: Plan, writer: RunWriter, engine: str, wall: float, code: Mapping[str, str]) -> Run:
    """Judge the claims from the cells and write the tables and run.json."""
    frame = measurements_frame(writer.measurements())
    seeds = sorted({c["seed"] for c in writer.header["cells"]})
    claims = [judge(c, frame, seeds, plan.scale) for c in plan.study.claims_for(plan.settings)]
    extra = {
        "seeds": seeds,
        "engine": engine,
        "wall_s": round(wall, 3),
        "code": dict(sorted((dict(writer.previous.get("code", {})) | dict(code)).items())),
    }
    return writer.finish(claims, extra=extra)


def measurements_frame(table):
    """Return a measurement table as a DataFrame, without the map column claims never use."""
    return table.drop_columns(["factors"]).to_pandas()


def _write(writer: RunWriter, plan: Plan, cell: Cell, outcome: engines.Outcome):
    """Write an outcome; rows that break the schema make the cell a failed one."""
    if outcome.rows is not None:
        try:
            rows = [complete(plan, cell, row) for row in outcome.rows]
            said = complete_transcripts(plan, cell, outcome.transcripts)
            writer.write_cell(cell.id, rows, outcome.artifacts, outcome.timing, said)
            return outcome
        except SchemaError as error:
            outcome = engines.Outcome(
                outcome.id, None, reason=f"SchemaError: {error}", timing=outcome.timing
            )
    writer.write_failure(cell.id, outcome.reason, outcome.timing)
    return outcome


def complete(plan: Plan, cell: Cell, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a measurement with the columns that its cell fixes."""
    arm = next(a for a in plan.study.arms(plan.settings) if a.name == cell.arm)
    return {
        "study": plan.study.name,
        "scale": plan.scale,
        "cell": cell.id,
        "arm": cell.arm,
        "seed": cell.seed,
        "replicate": 0,
        "axis": (arm.axis or plan.study.axis).name,
        "level": cell.level,
        "step": 0,
        "condition": "default",
        "factors": sorted(arm.factors.items()),
        "unit": "1",
        "n_missing": 0,
        **row,
    }


def complete_transcripts(
    plan: Plan, cell: Cell, rows: Iterable[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return transcripts with the columns that their cell fixes, and scores as text.

    Raises:
        SchemaError: one has a column that is the cell's to fill, a score that is not a finite
            number, or the sample and condition of another.
    """
    fixed = {"study": plan.study.name, "cell": cell.id, "arm": cell.arm, "seed": cell.seed}
    complete, seen = [], set()
    for i, row in enumerate(rows):
        if taken := fixed.keys() & row.keys():
            raise SchemaError(f"transcripts row {i} has {min(taken)!r}, which the cell fixes.")
        made = {**fixed, "condition": "default", **row, "scores": _scores(i, row.get("scores"))}
        key = (str(made.get("sample")), str(made["condition"]))
        if key in seen:
            raise SchemaError(
                f"transcripts row {i} has sample {key[0]!r}, which is taken; answers to one prompt "
                "need samples or conditions of their own."
            )
        seen.add(key)
        complete.append(made)
    return complete


def _scores(row: int, scores: Any) -> list[tuple[str, str]]:
    """Return a transcript's scores as decimal text, sorted by reward."""
    try:
        pairs = sorted((str(name), float(value)) for name, value in dict(scores or {}).items())
    except (TypeError, ValueError, OverflowError) as error:
        raise SchemaError(
            f"transcripts row {row} has scores {scores!r}; they must map rewards to numbers: "
            f"{error}"
        ) from None
    for name, value in pairs:
        if not math.isfinite(value):
            raise SchemaError(f"transcripts row {row} has score {name!r} = {value}; leave it out.")
    return [(name, repr(value)) for name, value in pairs]


def run(
    study: str,
    *,
    scale: str = "cpu",
    settings: Any = None,
    seeds: int | None = None,
    only: Sequence[str] = (),
    out: str | Path | None = None,
    engine: str = "local",
    workers: int | None = None,
    address: str | None = None,
) -> Run:
    """Run a study from Python; the same cells, folder and table as `hackproof run`.

    Args:
        study: A registered name, or FILE.py[:ATTRIBUTE].
        scale: smoke, cpu or paper.
        settings: The study's settings; those of the scale where None.
        seeds: How many seeds, from 0.
        only: Arms to run; all where empty.
        out: The run's folder; named by the settings' digest where None.
        engine: local or ray.
        workers: Processes; 0 runs the cells in this one.
        address: Of a Ray cluster.

    Raises:
        InputError: bad names or settings.
        RunError: the folder cannot be used.
    """
    planned = plan(study, scale=scale, settings=settings, seeds=seeds, only=only, out=out)
    return execute(planned, engines.make(engine, workers, address))
