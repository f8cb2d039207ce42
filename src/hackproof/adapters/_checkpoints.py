"""Episodes of a training run, averaged into checkpoints."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from hackproof.experiment.statistics import mean_interval


@dataclass
class Window:
    """The episodes between two checkpoints."""

    proxy: list[float] = field(default_factory=list)
    """Return of each finished episode under the proxy."""
    true: list[float] = field(default_factory=list)
    """And under the true reward."""
    length: list[float] = field(default_factory=list)
    """And its steps."""
    cut_short: int = 0
    """Episodes that were left before their end."""
    step: int = 0
    """Environment steps when the window closed."""

    def joined(self, other: Window) -> Window:
        """Return this window and the one after it as one."""
        return Window(
            self.proxy + other.proxy,
            self.true + other.true,
            self.length + other.length,
            self.cut_short + other.cut_short,
            other.step,
        )


class Checkpoints:
    """Closes a window every `every` environment steps.

    One without an episode goes on to the next multiple. What remains at the end joins the
    last window where it is shorter than half of `every`, else it is a window of its own.
    """

    def __init__(self, every: int) -> None:
        """Begin at step 0."""
        self.every = every
        self.steps = 0
        self.window = Window()
        self._closed: list[Window] = []

    def advance(self, n: int) -> bool:
        """Count n environment steps; return whether a window closed."""
        before = self.steps // self.every
        self.steps += n
        if self.steps // self.every == before or not self.window.proxy:
            return False
        self.window.step = self.steps // self.every * self.every
        self._closed.append(self.window)
        self.window = Window()
        return True

    def windows(self) -> list[Window]:
        """Return the windows so far, with what remains after the last one."""
        rest = Window().joined(self.window)
        rest.step = self.steps
        if not rest.proxy:
            return self._closed
        if self._closed and rest.step - self._closed[-1].step < self.every / 2:
            return [*self._closed[:-1], self._closed[-1].joined(rest)]
        return [*self._closed, rest]

    def rows(self, proxy: str, true: str, unit: str) -> list[dict[str, Any]]:
        """Return the columns that differ between a cell's measurements.

        Args:
            proxy: Metric of what is optimised.
            true: Metric of what was meant.
            unit: Unit of both returns.
        """
        found = []
        for w in self.windows():
            for metric, role, values, u in (
                (proxy, "proxy", w.proxy, unit),
                (true, "true", w.true, unit),
                ("episode_length", "probe", w.length, "steps"),
            ):
                mean, low, high, n = mean_interval(values)
                row = {"step": w.step, "metric": metric, "role": role, "unit": u, "value": mean}
                row |= {"n": n, "n_missing": w.cut_short, "low": _known(low), "high": _known(high)}
                found.append(row)
        return found


def _known(end: float) -> float | None:
    return end if math.isfinite(end) else None
