"""Intervals. Everything that is called an interval in hackproof is made here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple


class Interval(NamedTuple):
    """An estimate with its 95% interval; the ends are NaN where there is none."""

    estimate: float
    low: float
    high: float
    n: int


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """Return the mean over independent seeds with Student's t interval.

    mean +- t_{n-1} s / sqrt(n). Exact for normal values; with few seeds and two basins
    it is an approximation, which is why shares of seeds use `share_interval`.

    Args:
        values: One number per independent seed.
        confidence: Coverage, in (0, 1).
    """
    n = len(values)
    if n == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    mean = math.fsum(values) / n
    if n == 1:
        return Interval(mean, math.nan, math.nan, 1)
    from scipy.special import stdtrit

    variance = math.fsum((v - mean) ** 2 for v in values) / (n - 1)
    half = float(stdtrit(n - 1, 0.5 + confidence / 2)) * math.sqrt(variance / n)
    return Interval(mean, mean - half, mean + half, n)


def share_interval(successes: int, n: int, confidence: float = 0.95) -> Interval:
    """Return a share with its Clopper-Pearson interval, which never covers less than said.

    Source: Clopper and Pearson, Biometrika 26 (1934), https://doi.org/10.1093/biomet/26.4.404
    """
    if n == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    from scipy.special import betaincinv

    tail = (1 - confidence) / 2
    low = 0.0 if successes == 0 else float(betaincinv(successes, n - successes + 1, tail))
    high = 1.0 if successes == n else float(betaincinv(successes + 1, n - successes, 1 - tail))
    return Interval(successes / n, low, high, n)


def welch_interval(a: Sequence[float], b: Sequence[float], confidence: float = 0.95) -> Interval:
    """Return mean(b) - mean(a) over two independent samples with Welch's t interval.

    mean(b) - mean(a) +- t_v sqrt(u + w), u = s_a^2 / n_a, w = s_b^2 / n_b, with
    v = (u + w)^2 / (u^2 / (n_a - 1) + w^2 / (n_b - 1)). `n` is the smaller sample.

    Args:
        a: One number per independent seed of the first sample.
        b: The same of the second one.
        confidence: Coverage, in (0, 1).

    Source: Welch, Biometrika 34 (1947), https://doi.org/10.1093/biomet/34.1-2.28
    """
    n = min(len(a), len(b))
    if n == 0:
        return Interval(math.nan, math.nan, math.nan, 0)
    means = [math.fsum(x) / len(x) for x in (a, b)]
    difference = means[1] - means[0]
    if n == 1:
        return Interval(difference, math.nan, math.nan, 1)
    from scipy.special import stdtrit

    u, w = (
        math.fsum((v - m) ** 2 for v in x) / (len(x) - 1) / len(x)
        for x, m in zip((a, b), means, strict=True)
    )
    if u + w == 0:
        return Interval(difference, difference, difference, n)
    freedom = (u + w) ** 2 / (u**2 / (len(a) - 1) + w**2 / (len(b) - 1))
    half = float(stdtrit(freedom, 0.5 + confidence / 2)) * math.sqrt(u + w)
    return Interval(difference, difference - half, difference + half, n)
