"""The live bar of a run: cells done, and the time left."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from hackproof.cli._common import duration

if TYPE_CHECKING:
    from rich.console import Console

    from hackproof.experiment.engines import Engine
    from hackproof.experiment.runner import Plan

TRUST = 100.0
"""Core-seconds for which a study's own estimate is believed."""


class Progress:
    """Shows events of `runner.execute`; a bar on a terminal, a line now and then in a log.

    Cells differ in cost, so the time left is reckoned in the study's estimated cost. The
    first cells compile as well: until more than TRUST was spent the estimate itself counts
    for more than the pace so far.
    """

    def __init__(self, console: Console, plan: Plan, engine: Engine) -> None:
        """Prepare; `with` starts and stops the bar."""
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bar

        self.console = console
        self.plan = plan
        self.bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[cells]}"),
            TextColumn("{task.fields[left]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self.workers = getattr(engine, "workers", None) or 1
        self.total = self.done = 0.0
        self.count = self.finished = self.failed = 0
        self.started = self.logged = time.monotonic()
        self.task: Any = None

    def __enter__(self) -> Progress:
        """Start the bar."""
        self.bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Stop it."""
        self.bar.stop()

    def event(self, kind: str, value: Any) -> None:
        """Take one event of the runner."""
        getattr(self, f"on_{kind}")(value)

    def on_warning(self, text: str) -> None:
        """Print a warning above the bar."""
        self.console.print(f"warning: {text}", style="yellow", soft_wrap=True, markup=False)

    def on_start(self, cells: list[Any]) -> None:
        """Show what is to be done."""
        self.total = sum(map(self._cost, cells))
        self.count = len(cells)
        kept = len(self.plan.cells) - self.count
        text = f"{self.plan.study.name} ({self.plan.scale}) in {self.plan.folder}"
        if kept:
            text += f"; {kept} of {len(self.plan.cells)} cells are already done"
        self.console.print(text, soft_wrap=True, highlight=False, markup=False)
        self.task = self.bar.add_task(
            "running", total=max(self.total, 1e-9), cells=f"0/{self.count} cells", left=self._left()
        )

    def on_cell(self, value: tuple[Any, Any]) -> None:
        """Count a finished cell, and say so where it failed."""
        cell, outcome = value
        self.done += self._cost(cell)
        self.finished += 1
        if outcome.rows is None:
            self.failed += 1
            reason = outcome.reason.splitlines()[-1]
            self.console.print(
                f"cell {cell.id} failed: {reason}", style="red", soft_wrap=True, markup=False
            )
        cells = f"{self.finished}/{self.count} cells" + (
            f", {self.failed} failed" if self.failed else ""
        )
        self.bar.update(self.task, completed=self.done, cells=cells, left=self._left())
        if not self.console.is_terminal:
            now = time.monotonic()
            if now - self.logged > 15 or self.finished == self.count:
                self.logged = now
                self.console.print(f"{cells}, {self._left()}", highlight=False)

    def _cost(self, cell: Any) -> float:
        cost = self.plan.study.cost
        return cost(self.plan.settings, cell) if cost else 1.0

    def _left(self) -> str:
        """Say how long it will still take."""
        if self.finished == self.count:
            return f"done in {duration(time.monotonic() - self.started)}"
        workers = min(self.workers, max(self.count, 1))
        spent = (time.monotonic() - self.started) * workers
        trust = TRUST if self.plan.study.cost else 0.0
        if self.done + trust == 0:
            return "time left unknown"
        pace = (spent * bool(self.done) + trust) / (self.done + trust)
        return f"about {duration(pace * (self.total - self.done) / workers)} left"
