"""How well the proxy goes with the true reward, under each policy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hackproof.audit._reward._episodes import Episode
from hackproof.experiment.statistics import Interval

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Correlation:
    """One correlation under one policy."""

    policy: str
    per: str
    """step or episode."""
    kind: str
    """pearson or spearman."""
    interval: Interval | None
    """n is the number of reset seeds, which are drawn anew; None where it is not defined."""
    why: str = ""
    """Why it is not defined."""


def pearson(x: NDArray, y: NDArray) -> float:
    """Return Pearson's correlation; NaN where one does not vary."""
    a, b = x - x.mean(), y - y.mean()
    # Rounding is not variation: a constant reward of 0.1 has a deviation of 1e-17.
    if min(np.abs(a).max() / (np.abs(x).max() + 1e-300),
           np.abs(b).max() / (np.abs(y).max() + 1e-300)) < 1e-12:  # fmt: skip
        return float("nan")
    return float(np.clip(a @ b / np.sqrt((a @ a) * (b @ b)), -1, 1))


def spearman(x: NDArray, y: NDArray) -> float:
    """Return Spearman's correlation, ties by their mean rank; NaN where one does not vary."""
    return pearson(ranks(x), ranks(y))


def ranks(x: NDArray) -> NDArray[np.float64]:
    """Return ranks from 1, ties by their mean."""
    _, inverse, counts = np.unique(x, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]


def correlations(
    episodes: Sequence[Episode], *, seed: int, resamples: int = 200
) -> tuple[Correlation, ...]:
    """Return Pearson and Spearman per step and per episode, under each policy and all together.

    Percentile bootstrap over reset seeds: steps of one episode are drawn together, and so are
    the episodes of several policies from one seed, which share their randomness.
    """
    names = list(dict.fromkeys(e.policy for e in episodes))
    groups = {n: [e for e in episodes if e.policy == n] for n in names}
    groups["all together"] = list(episodes)
    out = []
    for name, group in groups.items():
        for per in ("step", "episode"):
            for kind, function in (("pearson", pearson), ("spearman", spearman)):
                found, why = _interval(group, per, function, seed, resamples)
                out.append(Correlation(name, per, kind, found, why))
    return tuple(out)


def _interval(
    group: Sequence[Episode],
    per: str,
    function: Callable[[NDArray, NDArray], float],
    seed: int,
    resamples: int,
) -> tuple[Interval | None, str]:
    if per == "episode":
        xs = [np.array([e.proxy_return]) for e in group]
        ys = [np.array([e.true_return]) for e in group]
    else:
        xs, ys = [e.proxy for e in group], [e.true for e in group]
    members: dict[int, list[int]] = {}
    for i, e in enumerate(group):
        members.setdefault(e.seed, []).append(i)
    starts, n = list(members.values()), len(members)
    if n < 5:
        return None, f"{n} reset seeds; five are needed (more --steps)"
    value = function(np.concatenate(xs), np.concatenate(ys))
    if np.isnan(value):
        flat = "proxy" if np.ptp(np.concatenate(xs)) < 1e-12 else "true reward"
        return None, f"the {flat} does not vary"
    rng = np.random.default_rng([seed, 3])
    drawn = []
    # Long rollouts: few resamples say enough, and ranks of 10,000 steps are slow.
    for _ in range(resamples if sum(map(len, xs)) < 5000 else resamples // 2):
        index = [i for start in rng.integers(n, size=n) for i in starts[start]]
        drawn.append(
            function(np.concatenate([xs[i] for i in index]), np.concatenate([ys[i] for i in index]))
        )
    kept = np.array([d for d in drawn if not np.isnan(d)])
    low, high = (float(v) for v in np.quantile(kept, [0.025, 0.975]))
    return Interval(value, low, high, n), ""
