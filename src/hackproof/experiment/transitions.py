"""Where along a pressure the share of seeds that hack changes, and how sure that is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hackproof.errors import InputError
from hackproof.experiment.statistics import Interval, share_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray


class Transition(NamedTuple):
    """One change of a share along ordered levels."""

    after: float
    """The last level before the change: the split of greatest likelihood."""
    until: float
    """The first level beyond it."""
    low: float
    """`after` in the 2.5% bootstrap quantile over seeds."""
    high: float
    """`after` in the 97.5% quantile."""
    before: Interval
    """Share at the levels up to `after`, Clopper-Pearson over seeds and levels together."""
    beyond: Interval
    """Share at the levels from `until` on."""
    p_value: float
    """How often levels permuted within each seed give so great a likelihood ratio."""


def transition(
    levels: Sequence[float],
    outcomes: ArrayLike,
    *,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Transition:
    """Find the level after which the share of ones changes.

    One change point in a row of binomial counts, by maximum likelihood (Hinkley and Hinkley
    1970, Biometrika 57:477). The test permutes the levels within each seed, so that seeds which
    hack at every level count for nothing; the interval draws seeds anew.

    Args:
        levels: The levels, rising; at least two.
        outcomes: (levels, seeds) of 0 and 1; NaN where a cell is missing.
        resamples: Permutations, and bootstrap draws.
        confidence: Of both kinds of interval.
        seed: Of both.

    Raises:
        InputError: fewer than two levels, levels that do not rise, no seed, or an outcome that
            is neither 0 nor 1.
    """
    x = np.asarray(outcomes, np.float64)
    if len(levels) < 2 or x.ndim != 2 or x.shape[0] != len(levels) or not x.shape[1]:
        raise InputError(
            f"outcomes {x.shape} must be (levels, seeds), with at least 2 levels; "
            f"{len(levels)} levels were given."
        )
    if list(levels) != sorted(set(levels)):
        raise InputError(f"levels {list(levels)} must rise, with no level twice.")
    known = ~np.isnan(x)
    if not np.isin(x[known], (0, 1)).all():
        raise InputError("an outcome is neither 0 nor 1.")
    rng = np.random.default_rng(seed)
    ratio = _ratios(x[None])[0]
    split = int(ratio.argmax())

    order = rng.random((resamples, *x.shape)).argsort(1)
    shuffled = np.take_along_axis(np.broadcast_to(x, order.shape), order, 1)
    as_great = _ratios(shuffled).max(1) >= ratio[split] - 1e-9
    drawn = x[:, rng.integers(x.shape[1], size=(resamples, x.shape[1]))].transpose(1, 0, 2)
    tail = (1 - confidence) / 2
    ends = np.quantile(_ratios(drawn).argmax(1), [tail, 1 - tail], method="nearest").astype(int)

    def share(part: NDArray[np.float64]) -> Interval:
        found = part[~np.isnan(part)]
        return share_interval(int(found.sum()), len(found), confidence)

    return Transition(
        float(levels[split]),
        float(levels[split + 1]),
        float(levels[ends[0]]),
        float(levels[ends[1]]),
        share(x[: split + 1]),
        share(x[split + 1 :]),
        float((1 + as_great.sum()) / (1 + resamples)),
    )


def _ratios(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return twice the log likelihood ratio of each split, (draws, levels - 1)."""
    ones, known = np.nansum(x, 2), (~np.isnan(x)).sum(2)
    below, n_below = ones.cumsum(1)[:, :-1], known.cumsum(1)[:, :-1]
    total, n = ones.sum(1, keepdims=True), known.sum(1, keepdims=True)
    split = _log_likelihood(below, n_below) + _log_likelihood(total - below, n - n_below)
    return 2 * (split - _log_likelihood(total, n))


def _log_likelihood(ones: NDArray, n: NDArray) -> NDArray[np.float64]:
    """Return the greatest binomial log likelihood of so many ones, less the binomial factor."""
    share = ones / np.maximum(n, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        up = np.where(ones > 0, ones * np.log(share), 0.0)
        down = np.where(n - ones > 0, (n - ones) * np.log1p(-share), 0.0)
    return up + down
