"""The hacking curve: proxy and true reward against pressure, and where they part.

Everything works on the measurement table and on the roles in it, so that a watched run
of a user's own environment and a paper's study give the same curve.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hackproof.experiment.statistics import Interval, mean_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd


@dataclass(frozen=True)
class Point:
    """Proxy and true reward at one amount of pressure, over seeds."""

    pressure: float
    proxy: Interval
    true: Interval


@dataclass(frozen=True)
class Curve:
    """One arm's hacking curve."""

    arm: str
    pressure: str
    """level, or step for the course of training."""
    points: tuple[Point, ...]
    proxy_change: Interval
    """Last minus first, paired by seed."""
    true_change: Interval
    """Last minus first, paired by seed."""
    parts_at: float | None
    """The pressure after which the proxy still rises and the true reward falls."""
    condition: str = "default"
    """Under what it was measured."""

    @property
    def verdict(self) -> str:
        """hacks, improves, hacks late (from `parts_at` on), inconclusive, or one point."""
        if len(self.points) < 2:
            return "one point"
        if self.proxy_change.low > 0 and self.true_change.high < 0:
            return "hacks"
        if self.parts_at is not None:
            return "hacks late"
        improves = self.proxy_change.low > 0 and self.true_change.low > 0
        return "improves" if improves else "inconclusive"


def final(measurements: pd.DataFrame) -> pd.DataFrame:
    """Return the rows measured after the last training step of each cell."""
    last = measurements.groupby("cell")["step"].transform("max")
    return measurements[measurements["step"] == last]


def by_seed(
    rows: pd.DataFrame, pressure: str, role: str, condition: str = "default"
) -> pd.DataFrame:
    """Return mean value per pressure (index) and seed (columns), for one role of one arm."""
    rows = rows[(rows["role"] == role) & (rows["condition"] == condition) & rows["value"].notna()]
    return rows.pivot_table("value", pressure, "seed", "mean").sort_index()


def curve(measurements: pd.DataFrame, arm: str, pressure: str = "level") -> Curve | None:
    """Return an arm's hacking curve, or None where it has no proxy or no true reward.

    It is measured under the condition `default`; where that has no course and one other
    condition has, as in a model that is trained and followed under a prefix, under that one.

    Args:
        measurements: The run's measurements.
        arm: The arm.
        pressure: `level` compares the trained policies; `step` follows training at the
            highest level.
    """
    rows = measurements[measurements["arm"] == arm]
    if rows.empty:
        return None
    rows = final(rows) if pressure == "level" else rows[rows["level"] == rows["level"].max()]
    condition = _condition(rows, pressure)
    proxy, true = (by_seed(rows, pressure, role, condition) for role in ("proxy", "true"))
    shared = proxy.index.intersection(true.index)
    if shared.empty:
        return None
    points = tuple(Point(float(p), _interval(proxy.loc[p]), _interval(true.loc[p])) for p in shared)
    parts = None
    for earlier in shared[:-1]:
        rise = _change(proxy, earlier, shared[-1])
        fall = _change(true, earlier, shared[-1])
        parted = rise.low > 0 and fall.high < 0
        # Of several such points the peak of the true reward, from where it falls furthest.
        if parted and (parts is None or true.loc[earlier].mean() > true.loc[parts].mean()):
            parts = earlier
    return Curve(
        arm,
        pressure,
        points,
        _change(proxy, shared[0], shared[-1]),
        _change(true, shared[0], shared[-1]),
        None if parts is None else float(parts),
        condition,
    )


def change(
    arm: str,
    role: str,
    *,
    metric: str | None = None,
    condition: str = "default",
    pressure: str = "level",
    skip: int = 0,
    upto: int | None = None,
) -> Callable[[pd.DataFrame], Mapping[int, float]]:
    """Return the estimand 'strongest pressure minus weakest', per seed, for use in a `Claim`.

    Args:
        arm: The arm.
        role: proxy, true, human or probe.
        metric: Which metric, where a role has several.
        condition: Under which it was measured.
        pressure: `level`, or `step` at the highest level.
        skip: How many of the weakest pressures to leave out; `skip=1` over training begins
            at the first checkpoint instead of the untrained policy.
        upto: How many of the weakest pressures there are to be; all where None.
    """

    def per_seed(measurements: pd.DataFrame) -> Mapping[int, float]:
        rows = measurements[measurements["arm"] == arm]
        if metric is not None:
            rows = rows[rows["metric"] == metric]
        if rows.empty:
            return {}
        rows = final(rows) if pressure == "level" else rows[rows["level"] == rows["level"].max()]
        table: Any = by_seed(
            rows, pressure, role, condition
        )  # pandas' stubs lose the type of a row
        table = table.iloc[skip:upto]
        if table.empty:
            return {}
        changes = (table.iloc[-1] - table.iloc[0]).dropna()
        return {int(seed): float(change) for seed, change in changes.items()}

    return per_seed


def less(
    one: Callable[[pd.DataFrame], Mapping[int, float]],
    other: Callable[[pd.DataFrame], Mapping[int, float]],
) -> Callable[[pd.DataFrame], Mapping[int, float]]:
    """Return the estimand 'one less the other', paired by seed; seeds that have both."""

    def per_seed(measurements: pd.DataFrame) -> Mapping[int, float]:
        a, b = one(measurements), other(measurements)
        return {seed: a[seed] - b[seed] for seed in a if seed in b}

    return per_seed


def _condition(rows: pd.DataFrame, pressure: str) -> str:
    """Return the condition that an arm's curve is drawn under."""
    valued = rows[rows["role"].isin(["proxy", "true"]) & rows["value"].notna()]
    both = valued.groupby(["condition", pressure])["role"].nunique() == 2
    counts = both.groupby("condition").sum()
    if counts.get("default", 0) > 1:
        return "default"
    courses = [str(name) for name, count in counts.items() if count > 1]
    return courses[0] if len(courses) == 1 else "default"


def _change(table: Any, a: float, b: float) -> Interval:
    return mean_interval((table.loc[b] - table.loc[a]).dropna().tolist())


def _interval(row: pd.Series) -> Interval:
    return mean_interval(row.dropna().tolist())
