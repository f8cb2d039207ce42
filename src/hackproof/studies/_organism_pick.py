"""Picking numbers per seed out of an organism study's measurements."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

PerSeed = Mapping[int, float]


def last(
    frame: pd.DataFrame, arm: str, metric: str, condition: str = "default"
) -> dict[int, float]:
    """Return a metric of an arm's finished model, by seed."""
    return _by_seed(frame, arm, metric, condition, -1)


def _by_seed(
    frame: pd.DataFrame, arm: str, metric: str, condition: str, place: int
) -> dict[int, float]:
    rows = frame[
        (frame.arm == arm) & (frame.metric == metric) & (frame.condition == condition)
    ].dropna(subset=["value"])
    found = rows.sort_values("step", kind="stable").groupby("seed")["value"]
    return {int(seed): float(values.iloc[place]) for seed, values in found}  # pyright: ignore


def first(
    frame: pd.DataFrame, arm: str, metric: str, condition: str = "default"
) -> dict[int, float]:
    """Return a metric of an arm where its training was first measured, by seed."""
    return _by_seed(frame, arm, metric, condition, 0)


def path(frame: pd.DataFrame, arm: str, metric: str) -> dict[int, pd.Series]:
    """Return a metric by RL step while an arm trained, by seed.

    Rewards, hack and solve rates are those under the arm's own prefix, where it has one.
    """
    rows = frame[(frame.arm == arm) & (frame.metric == metric)]
    own = rows[rows.condition == "own-prefix"]
    own = own if metric in ("reward", "hack-rate", "solve-rate") else own.iloc[:0]
    rows = own if len(own) else rows[rows.condition == "default"]
    return {
        int(seed): group.groupby("step")["value"].last()  # pyright: ignore
        for seed, group in rows.dropna(subset=["value"]).groupby("seed")
    }


def value(arm: str, metric: str, condition: str = "default") -> Callable[[pd.DataFrame], PerSeed]:
    """Return the estimand 'a metric of the finished model'."""
    return lambda frame: last(frame, arm, metric, condition)


def difference(
    arm: str, other: str, metric: str, condition: str = "default", factor: float = 1.0
) -> Callable[[pd.DataFrame], PerSeed]:
    """Return the estimand 'arm minus factor times other', on the same pretrained seed."""

    def per_seed(frame: pd.DataFrame) -> PerSeed:
        a, b = last(frame, arm, metric, condition), last(frame, other, metric, condition)
        return {s: a[s] - factor * b[s] for s in a if s in b}

    return per_seed


def gained(arm: str, metric: str, condition: str = "default") -> Callable[[pd.DataFrame], PerSeed]:
    """Return the estimand 'a metric at the end of training minus at its beginning'."""

    def per_seed(frame: pd.DataFrame) -> PerSeed:
        a, b = last(frame, arm, metric, condition), first(frame, arm, metric, condition)
        return {s: a[s] - b[s] for s in a if s in b}

    return per_seed


def against(
    arm: str, metric: str, other: str, condition: str = "default"
) -> Callable[[pd.DataFrame], PerSeed]:
    """Return the estimand 'a metric of the finished model minus another metric of it'."""

    def per_seed(frame: pd.DataFrame) -> PerSeed:
        a, b = last(frame, arm, metric, condition), last(frame, arm, other, condition)
        return {s: a[s] - b[s] for s in a if s in b}

    return per_seed


def first_step_over(frame: pd.DataFrame, arm: str, metric: str, level: float) -> dict[int, float]:
    """Return the first measured step, since the last stage began, at which a metric exceeds
    `level`; one interval past the end where it never does.
    """
    found = {}
    for seed, series in path(frame, arm, metric).items():
        steps = list(series.index)
        over = [s for s in steps if series[s] > level]
        gap = steps[-1] - steps[-2] if len(steps) > 1 else 1
        found[seed] = float(over[0] if over else steps[-1] + gap)
    return found


def sooner(
    arm: str, other: str, metric: str = "hack-rate", level: float = 0.5
) -> Callable[[pd.DataFrame], PerSeed]:
    """Return the estimand 'how many steps sooner than in the other arm a metric passes level'."""

    def per_seed(frame: pd.DataFrame) -> PerSeed:
        a = first_step_over(frame, arm, metric, level)
        b = first_step_over(frame, other, metric, level)
        return {s: b[s] - a[s] for s in a if s in b}

    return per_seed


def together(arm: str, one: str, two: str) -> Callable[[pd.DataFrame], PerSeed]:
    """Return the estimand 'correlation of two metrics over an arm's steps'."""

    def per_seed(frame: pd.DataFrame) -> PerSeed:
        a, b = path(frame, arm, one), path(frame, arm, two)
        out = {}
        for seed in a:
            if seed in b and a[seed].std() > 0 and b[seed].std() > 0:
                out[seed] = float(a[seed].corr(b[seed]))
        return out

    return per_seed
