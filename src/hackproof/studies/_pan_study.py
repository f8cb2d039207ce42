"""What the studies of Pan et al. share: their arms, scales, figures and cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hackproof.experiment import Arm, Axis, Cell, CellResult, Figure, Scale
from hackproof.studies import _pan
from hackproof.studies._pan import RECIPES, Settings
from hackproof.studies._pan_proxies import WIDTH, Proxy

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Sweep:
    """One arm: a proxy along an axis."""

    proxy: Proxy
    suffix: str = ""
    axis: Axis | None = None
    """The width where None."""
    levels: str = ""
    """The setting that holds the levels; the widths where empty."""

    def arm(self, settings: Settings) -> Arm:
        """Return the arm at given settings."""
        levels = getattr(settings, self.levels) if self.levels else ()
        return self.proxy.arm(self.suffix, self.axis, levels)


def arms_of(sweeps: Sequence[Sweep]) -> Callable[[Settings], Sequence[Arm]]:
    """Return the function that lists a study's arms."""
    return lambda settings: tuple(s.arm(settings) for s in sweeps)


def measure_of(sweeps: Sequence[Sweep]) -> Callable[[Settings, Cell], CellResult]:
    """Return the function that measures a study's cells."""

    def measure(settings: Settings, cell: Cell) -> CellResult:
        for sweep in sweeps:
            arm = sweep.arm(settings)
            if arm.name == cell.arm:
                return _pan.measure(settings, arm, sweep.proxy, cell)
        raise AssertionError(cell.arm)

    return measure


SCALES = {
    "smoke": Scale(
        Settings(
            widths=(2, 8), width=4, depths=(1, 2), actions=(3, 9), sight=(1.0, 16.0),
            testing=(0.02, 0.2), sensor=(0.1, 1.0), budget=0.01, updates=1, n_envs=4, n_steps=20,
            batch_size=40, epochs=1, evaluate_envs=2,
        ),
        seeds=1,
    ),
    "cpu": Scale(Settings(), seeds=10),
    "paper": Scale(
        Settings(
            widths=(4, 16, 64, 128, 256, 512, 1024, 2048), width=128, depths=(1, 2, 3, 4, 5),
            budget=8.0, patience=8, n_envs=256, n_steps=100, batch_size=3200, epochs=10,
            evaluate_envs=64,
        ),
        seeds=10,
    ),
}  # fmt: skip
"""`paper` has the paper's widths and as many steps (about 16 to 33 million a policy at most)."""

SECONDS = {
    "traffic-merge": 2.6e-5, "traffic-bus": 2.6e-5, "traffic-bottleneck": 2.4e-5,
    "pandemic": 9e-6, "riverraid": 5e-6, "glucose": 7e-6,
}  # fmt: skip
"""Core-seconds of a world's step within training."""


def cost_of(sweeps: Sequence[Sweep]) -> Callable[[Settings, Cell], float]:
    """Return the estimate of a cell's core-seconds at its full budget, without compiling."""
    by_name = {s.arm(Settings()).name: s for s in sweeps}

    def cost(settings: Settings, cell: Cell) -> float:
        sweep = by_name[cell.arm]
        width = cell.level if sweep.axis is None else settings.width
        depth = cell.level if sweep.levels == "depths" else settings.depth
        inputs = {"riverraid": 800, "glucose": 96}.get(sweep.proxy.world, 45)
        weights = width * (inputs + width * (depth - 1))
        samples = settings.updates * settings.n_envs * settings.n_steps
        steps = RECIPES[sweep.proxy.world].checkpoints * settings.budget * samples
        learn = settings.epochs / 4 * (3e-6 + 1.2e-9 * weights)
        return 1.0 + steps * (SECONDS[sweep.proxy.world] + learn)

    return cost


def figures_of(sweeps: Sequence[Sweep], *others: Figure) -> tuple[Figure, ...]:
    """Return the figures of a study with these arms."""

    def labelled() -> tuple[dict[str, str], dict[str, str]]:
        from hackproof.studies._pan_figures import axis_labels

        arms = [s.arm(Settings()) for s in sweeps]
        return {a.name: a.label for a in arms}, axis_labels(arms, WIDTH.label.lower())

    def hacks(frame: pd.DataFrame) -> dict[str, Any]:
        from hackproof.studies._pan_figures import shares

        return shares(frame, *labelled())

    def correlations(frame: pd.DataFrame) -> dict[str, Any]:
        from hackproof.studies._pan_figures import correlation

        return correlation(frame, labelled()[0])

    return (
        Figure(
            "share-that-hacks",
            "How many seeds hack, and where that changes",
            "Share of seeds whose trained policy earns more of the proxy and less of the true "
            "reward than the base policy, with Clopper-Pearson intervals. Under each title the "
            "change point of the share: the last level before it, its 95% bootstrap interval over "
            "seeds, and the p-value of a test that permutes levels within seeds.",
            hacks,
        ),
        *others,
        Figure(
            "correlation",
            "How little the correlation says",
            "Pearson's correlation of proxy and true reward over the steps of the untrained "
            "policy (random), of the first checkpoint's (early) and of the trained one (late), "
            "actions sampled; means with 95% intervals, apart for policies that end in a hack and "
            "those that do not.",
            correlations,
        ),
    )


def stopped(arms: Sequence[str]) -> Figure:
    """Return the figure of the share of seeds that block the ramp."""

    def draw(frame: pd.DataFrame) -> dict[str, Any]:
        from hackproof.studies._pan_figures import shares

        names = {arm: arm for arm in arms}
        return shares(frame, names, dict.fromkeys(arms, WIDTH.label.lower()), "stopped_ramp", 0.5)

    return Figure(
        "share-that-blocks",
        "How many seeds block the ramp",
        "Share of seeds under whose trained policy more than half of the cars on the ramp stand "
        "still, on the average of an episode.",
        draw,
    )
