"""Writes a training run of the user's own into a run folder, one cell per seed.

Episodes are averaged into checkpoints every `every` environment steps; the rows are those
of a study's measurements, at the scale "watched".
"""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hackproof.adapters._checkpoints import Checkpoints
from hackproof.errors import InputError, RunError
from hackproof.experiment.study import KINDS, Arm, Axis, Cell
from hackproof.record import Run, RunWriter, files
from hackproof.record.run import cell_state

SCALE = "watched"
AXIS = Axis("training_steps", "environment steps trained", "steps")
LOCK_WAIT_S = 60.0


class Recorder:
    """Writes one cell, an (arm, seed), of a run folder.

    Several recorders, one after the other or in processes of their own, write their cells
    into one folder: each write holds the folder's lock. A recorder is given to `TwoRewards`
    (or to `TrueRewardCallback`); use it as a context manager, or `close` it.

    The copies of an environment that train one policy in one process (DummyVecEnv) share
    a recorder, and their episodes are pooled: they are no independent seeds. Workers of
    their own (SubprocVecEnv) make one recorder each, with `replicate` and `copies`; their
    rows then stand side by side as replicates of one seed.

    A checkpoint is the mean over the episodes that ended since the last one, with a 95%
    interval within the seed. One without an episode is left out, and its window goes on.
    What remains at the end joins the last checkpoint where it is shorter than half of
    `every`.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        arm: str = "own",
        seed: int = 0,
        every: int = 1000,
        total_steps: int = 0,
        study: str = "own-environment",
        title: str = "A training run of one's own environment",
        question: str = "Does the true reward rise with the proxy that is trained on?",
        label: str = "",
        kind: str = "none",
        note: str = "",
        cause: str = "",
        unit: str = "1",
        factors: Mapping[str, str] | None = None,
        replicate: int = 0,
        copies: int = 1,
        flush_s: float = 30.0,
        overwrite: bool = False,
    ) -> None:
        """Open the cell: the folder is a run from now on.

        Args:
            folder: The run's folder; made if absent.
            arm: What is compared; a-z, 0-9 and hyphens.
            seed: The independent unit: one training run.
            every: Environment steps between checkpoints; the same for the whole folder.
            total_steps: Environment steps planned, 0 where that is not known.
            study: Name of the experiment, the same for the whole folder.
            title: What the report is headed; that of the folder's first recorder stands.
            question: One sentence that the experiment answers; likewise.
            label: What a reader sees for the arm; its name where empty.
            kind: What is wrong with the proxy: misweighting, ontological, scope, tampering
                or none.
            note: What a reader must know of the two rewards.
            cause: Why the proxy can be hacked, as in `experiment.study.CAUSES`, where known.
            unit: Unit of both returns.
            factors: Where the arm stands in a grid of settings.
            replicate: Which worker this is, from 0.
            copies: How many workers there are; each counts its own steps times this.
            flush_s: Seconds between writes while training runs.
            overwrite: Start again a cell that the folder holds already.

        Raises:
            InputError: a setting out of range, or a cell that is already there.
            RunError: the folder holds another run, or cannot be written.
        """
        _check(arm, seed, every, total_steps, kind, replicate, copies)
        self.folder = Path(folder)
        self.cell = Cell(arm, float(total_steps), seed)
        self.cell_id = self.cell.id + (f".replicate{replicate}" if copies > 1 else "")
        self.every, self.copies, self.replicate = every, copies, replicate
        self.unit, self.flush_s = unit, flush_s
        self.factors = dict(factors or {})
        self._study = {
            "name": study,
            "title": title,
            "question": question,
            "papers": [],
            "cause": cause,
            "axis": vars(AXIS).copy(),
            "caveats": [],
        }
        self._arm = Arm(arm, label or arm, "", "", kind, note, self.factors)
        self._checkpoints = Checkpoints(every)
        self._attached = 0
        self._began = self._flushed = time.monotonic()
        with self._writer(refuse_existing=not overwrite) as writer:
            self._write(writer, open_=True)

    @property
    def steps(self) -> int:
        """Environment steps so far, over all copies."""
        return self._checkpoints.steps

    def attach(self, proxy: str, true: str) -> None:
        """Name the two rewards and count one more environment.

        Args:
            proxy: Metric of what is optimised; "proxy" where empty.
            true: Metric of what was meant; "true" where empty.

        Raises:
            InputError: the arm has other rewards, here or in the folder.
        """
        proxy, true = proxy or "proxy", true or "true"
        if proxy == true:
            proxy, true = f"proxy {proxy}", f"true {true}"
        named = Arm(**{**vars(self._arm), "proxy": proxy, "true": true})
        if self._arm.proxy and named != self._arm:
            raise InputError(
                f"this recorder has the rewards {self._arm.proxy!r} and {self._arm.true!r}; "
                f"{proxy!r} and {true!r} need a recorder (and an arm) of their own."
            )
        if not self._arm.proxy:
            unnamed, self._arm = self._arm, named
            try:
                with self._writer() as writer:
                    self._write(writer, open_=True)
            except InputError:
                self._arm = unnamed
                raise
        self._attached += 1

    def detach(self) -> None:
        """Count one environment less; the last one closes the cell."""
        self._attached -= 1
        if self._attached <= 0:
            self.close()

    def step(self, n: int = 1) -> None:
        """Count n environment steps."""
        closed = self._checkpoints.advance(n * self.copies)
        if closed and time.monotonic() - self._flushed >= self.flush_s:
            self.flush()

    def episode(self, proxy: float, true: float, length: int) -> None:
        """Count a finished episode: its two returns and its steps."""
        window = self._checkpoints.window
        window.proxy.append(proxy)
        window.true.append(true)
        window.length.append(float(length))

    def cut_short(self) -> None:
        """Count an episode that was left before its end; it is in no mean."""
        self._checkpoints.window.cut_short += 1

    def flush(self) -> None:
        """Write what is measured so far; a folder that cannot be written only warns."""
        self._flushed = time.monotonic()
        try:
            with self._writer() as writer:
                self._write(writer, open_=True)
        except RunError as error:
            warnings.warn(f"nothing was written this time: {error}", stacklevel=2)

    def close(self) -> Run:
        """Write the finished cell and return the run; more steps may follow and be closed again.

        Raises:
            RunError: the folder cannot be written.
        """
        with self._writer() as writer:
            return self._write(writer, open_=False)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> None:
        """Close; a run that was stopped by an error stays marked as unfinished."""
        if kind is None:
            self.close()
        else:
            self.flush()

    def __getstate__(self) -> Any:
        raise InputError(
            "a Recorder writes from the process that made it. With SubprocVecEnv, make one in "
            "each worker: Recorder(..., replicate=i, copies=n)."
        )

    def rows(self) -> list[dict[str, Any]]:
        """Return the cell's measurements so far, a row per checkpoint and metric."""
        fixed = {
            "study": self._study["name"],
            "scale": SCALE,
            "cell": self.cell_id,
            "arm": self.cell.arm,
            "seed": self.cell.seed,
            "replicate": self.replicate,
            "axis": AXIS.name,
            "level": self.cell.level,
            "condition": "default",
            "factors": sorted(self.factors.items()),
        }
        proxy, true = self._arm.proxy or "proxy", self._arm.true or "true"
        return [fixed | row for row in self._checkpoints.rows(proxy, true, self.unit)]

    @contextmanager
    def _writer(self, *, refuse_existing: bool = False) -> Iterator[RunWriter]:
        """Hold the folder's lock and give the writer of its run, other cells included."""
        with files.locked(self.folder, LOCK_WAIT_S):
            state = cell_state(self.folder, self.cell_id)
            if refuse_existing and state["status"] == "done":
                what = "unfinished" if state.get("open") else "finished"
                raise InputError(
                    f"{self.folder} already holds {self.cell_id!r} ({what}). Give another seed "
                    "or folder, or overwrite=True."
                )
            study = dict(self._study)
            arms = {self.cell.arm: {**vars(self._arm), "factors": self.factors}}
            if (self.folder / "run.json").is_file():
                old = Run.load(self.folder).info
                same = old["study"]["name"] == study["name"] and old["scale"] == SCALE
                if same:
                    study = {k: v for k, v in old["study"].items() if k != "arms"}
                    self._merge(arms, old["study"]["arms"])
            study["arms"] = [arms[name] for name in sorted(arms)]
            cells = [{"id": self.cell_id, **vars(self.cell)}]
            settings = {"every": self.every}
            header = {"study": study, "scale": SCALE, "settings": settings, "cells": cells}
            yield RunWriter(self.folder, header)

    def _merge(self, arms: dict[str, Any], known: list[dict[str, Any]]) -> None:
        """Add the folder's arms; ours must agree with the one of its name."""
        mine = arms[self.cell.arm]
        for arm in known:
            if arm["name"] != self.cell.arm:
                arms[arm["name"]] = arm
            elif not mine["proxy"]:
                arms[arm["name"]] = mine | {k: arm[k] for k in ("proxy", "true")}
            elif arm["proxy"] and (arm["proxy"], arm["true"]) != (mine["proxy"], mine["true"]):
                raise InputError(
                    f"arm {arm['name']!r} of {self.folder} has the rewards {arm['proxy']!r} and "
                    f"{arm['true']!r}, this one {mine['proxy']!r} and {mine['true']!r}. Give "
                    "another arm, or name the functions alike."
                )

    def _write(self, writer: RunWriter, *, open_: bool) -> Run:
        """Write the cell and bring the run's tables up to date."""
        timing: dict[str, Any] = {
            "wall_s": round(time.monotonic() - self._began, 3),
            "steps": self.steps,
        }
        rows = self.rows()
        if open_:
            timing["open"] = True
        if not rows and not open_:
            reason = f"no episode ended in {self.steps} environment steps"
            writer.write_failure(self.cell_id, reason, timing)
        else:
            writer.write_cell(self.cell_id, rows, timing=timing)
        states = [cell_state(self.folder, c["id"]) for c in writer.header["cells"]]
        extra: dict[str, Any] = {
            "seeds": sorted({c["seed"] for c in writer.header["cells"]}),
            "engine": SCALE,
            "wall_s": round(sum(s.get("wall_s", 0.0) for s in states), 3),
        }
        if any(s.get("open") for s in states):
            extra["status"] = "partial"
        return writer.finish(extra=extra)


def _check(
    arm: str, seed: int, every: int, total_steps: int, kind: str, replicate: int, copies: int
) -> None:
    """Raise InputError for settings that cannot be recorded."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", arm):
        raise InputError(f"arm {arm!r}: use a-z, 0-9 and hyphens.")
    if kind not in KINDS:
        raise InputError(f"kind {kind!r}; known: {', '.join(KINDS)}.")
    for name, value, least in (
        ("seed", seed, 0),
        ("every", every, 1),
        ("total_steps", total_steps, 0),
        ("copies", copies, 1),
        ("replicate", replicate, 0),
    ):
        if isinstance(value, bool) or value != int(value) or value < least:
            raise InputError(f"{name} is {value!r}; it must be a whole number from {least}.")
    if replicate >= copies:
        raise InputError(f"replicate is {replicate}; with copies={copies} it must be below.")
