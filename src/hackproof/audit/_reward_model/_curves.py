"""Over-optimisation curves: gold and proxy score against the distance from the initial policy.

Gao, Schulman and Hilton 2022 (https://arxiv.org/abs/2210.10760): with d = sqrt(KL), the gold score
over that of the initial policy is d (a - b d) under best-of-n and d (a - b ln d) under RL. Both are
linear in a and b.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

FORMS = ("best-of-n", "rl")
DRAWS = 4_000
BEYOND = 1e4
"""A peak at a larger d is no peak."""
RESAMPLES = 500


@dataclass(frozen=True)
class Curve:
    """Scores along one optimisation; points in any order."""

    form: str
    d: Any
    """sqrt(KL) in nats^(1/2), (points,)."""
    score: Any
    """Mean score, (points,)."""
    cluster: Any
    """Which points depend on each other: the seed of a run, (points,)."""
    weight: Any = None


@dataclass(frozen=True)
class Fit:
    """Fitted coefficients with 95% intervals; the peak is where the gold score is highest."""

    form: str
    alpha: tuple[float, float, float]
    beta: tuple[float, float, float]
    peak_d: tuple[float, float, float]
    """Infinite where the curve does not bend down."""
    peak_score: tuple[float, float, float]
    """Over the initial policy."""
    points: int
    clusters: int

    @property
    def stop_kl(self) -> tuple[float, float, float]:
        """Return the KL, in nats, of the peak."""
        low, high = self.peak_d[1], self.peak_d[2]
        return self.peak_d[0] ** 2, low**2, high**2


def bon_kl(n: float) -> float:
    """Return the KL, in nats, of best-of-n from its base, at most: ln n - (n - 1) / n.

    Source: Stiennon et al. 2020; exact for scores without ties.
    """
    return math.log(n) - (n - 1) / n


def design(form: str, d: Any) -> Any:
    """Return the columns of a form: an intercept, d, and -d^2 or -d ln d."""
    import numpy as np

    d = np.asarray(d, dtype=float)
    if form == "best-of-n":
        bend = d**2
    else:
        bend = np.where(d > 0, d * np.log(np.where(d > 0, d, 1.0)), 0.0)
    return np.column_stack([np.ones_like(d), d, -bend])


def peak(form: str, alpha: Any, beta: Any) -> tuple[Any, Any]:
    """Return where a curve is highest and how high; infinite where it does not bend down."""
    import numpy as np

    alpha, beta = np.asarray(alpha, dtype=float), np.asarray(beta, dtype=float)
    down = beta > 0
    safe = np.where(down, beta, 1.0)
    with np.errstate(over="ignore"):
        if form == "best-of-n":
            d = np.maximum(alpha / (2 * safe), 0.0)
            score = d * (alpha - safe * d)
        else:
            d = np.exp(np.minimum(alpha / safe - 1, 700.0))
            score = safe * d
    down &= d < BEYOND
    return np.where(down, d, np.inf), np.where(down, score, np.inf)


def fit(curve: Curve, seed: int = 0) -> Fit:
    """Fit a curve's form by weighted least squares, with an intercept.

    With four clusters or more the covariance is that of clusters drawn anew, with two or three that
    of clusters around the fit (where all have the same distances: of their own coefficients), with
    as few degrees of freedom. Of one cluster it is that of residuals, which takes its points for
    independent. Intervals are of t draws around the fit, and the peak's are those of the
    peaks of the draws.
    """
    import numpy as np

    x = design(curve.form, curve.d)
    w = np.ones(len(x)) if curve.weight is None else np.asarray(curve.weight, dtype=float)
    beta = _solve(x, curve.score, w)
    names = np.unique(curve.cluster)
    rng = np.random.default_rng(seed)
    if len(names) >= 4:
        freedom = len(names) - 1
        where = [np.flatnonzero(curve.cluster == n) for n in names]
        draws = []
        for _ in range(RESAMPLES):
            rows = np.concatenate([where[i] for i in rng.integers(len(names), size=len(names))])
            draws.append(_solve(x[rows], curve.score[rows], w[rows]))
        cov = np.cov(np.array(draws).T) * len(names) / (len(names) - 1)
        root = _root(cov)
    elif len(names) > 1:
        freedom = len(names) - 1
        root = _pulls(x, curve.score - x @ beta, w, curve.cluster)
        cov = root @ root.T
    else:
        freedom = max(len(x) - 3, 1)
        residual = curve.score - x @ beta
        sigma = float((w * residual**2).sum() / freedom)
        cov = sigma * np.linalg.pinv((x.T * w) @ x)
        root = _root(cov)
    heavy = np.sqrt(freedom / rng.chisquare(freedom, DRAWS))
    draws = beta[:, None] + root @ (rng.standard_normal((root.shape[1], DRAWS)) * heavy)
    from scipy.special import stdtrit

    t = float(stdtrit(freedom, 0.975))
    se = np.sqrt(np.diag(cov))
    d, score = peak(curve.form, draws[1], draws[2])
    best, high = peak(curve.form, beta[1], beta[2])
    return Fit(
        curve.form,
        (float(beta[1]), float(beta[1] - t * se[1]), float(beta[1] + t * se[1])),
        (float(beta[2]), float(beta[2] - t * se[2]), float(beta[2] + t * se[2])),
        (float(best), *_ends(d)), (float(high), *_ends(score)), len(x), len(names),
    )  # fmt: skip


def _root(cov: Any) -> Any:
    """Return a matrix whose product with its transpose is the covariance."""
    import numpy as np

    try:
        return np.linalg.cholesky(cov + 1e-18 * np.eye(3) * max(np.trace(cov), 1e-12))
    except np.linalg.LinAlgError:  # runs that differ in fewer ways than there are coefficients
        values, vectors = np.linalg.eigh(cov)
        return vectors * np.sqrt(np.maximum(values, 0.0))


def _pulls(x: Any, residual: Any, w: Any, cluster: Any) -> Any:
    """Return how far each cluster pulls the coefficients, (coefficients, clusters), so scaled that
    the product with its transpose is their covariance.
    """
    import numpy as np

    names = np.unique(cluster)
    scores = [(x * (w * residual)[:, None])[cluster == n].sum(0) for n in names]
    scale = np.sqrt(len(names) / (len(names) - 1))
    return scale * np.linalg.pinv((x.T * w) @ x) @ np.array(scores).T


def unfit(curve: Curve, sampled: bool = False) -> str:
    """Return why a curve cannot be fitted with intervals; empty where it can.

    Args:
        curve: What would be fitted.
        sampled: Whether clusters are prompts, whose points are made from the same samples.
    """
    import numpy as np

    if len(np.unique(curve.d)) < 4:
        return "fewer than four distances"
    names, which, count = np.unique(curve.cluster, return_inverse=True, return_counts=True)
    low, high = np.full(len(names), np.inf), np.full(len(names), -np.inf)
    np.minimum.at(low, which, curve.score)
    np.maximum.at(high, which, curve.score)
    tolerance = 1e-9 * np.abs(curve.score).max()
    if np.ptp(curve.score) <= tolerance or (
        count.min() > 1 and bool((high - low <= tolerance).all())
    ):
        return "the score is the same at all distances, so that there is nothing to fit"
    if sampled and len(names) < 2:
        return "there is one prompt, and of one it cannot be told how sure its curve is"
    if 1 < len(names) < 4 and min(len(np.unique(curve.d[curve.cluster == n])) for n in names) < 4:
        return (f"there are {len(names)} runs, and of fewer than four each needs four distances of "
                "its own")  # fmt: skip
    return ""


def _ends(values: Any) -> tuple[float, float]:
    import numpy as np

    ordered = np.sort(values)
    return (float(ordered[int(0.025 * len(ordered))]),
            float(ordered[min(int(0.975 * len(ordered)), len(ordered) - 1)]))  # fmt: skip


def _solve(x: Any, y: Any, w: Any) -> Any:
    import numpy as np

    root = np.sqrt(w)
    return np.linalg.lstsq(x * root[:, None], y * root, rcond=None)[0]


def best_of(proxy: Any, gold: Any, sizes: Sequence[int]) -> tuple[Any, Any]:
    """Return, by prompt and n, the expected proxy and gold score of the best of n by the proxy.

    Exact over all subsets of the samples (no resampling): of N samples in order of the proxy, the
    k-th is the best of n with probability C(k-1, n-1) / C(N, n). Of samples with the same proxy
    score each is as likely to be taken, so the order of rows says nothing.

    Args:
        proxy: Scores, (prompts, samples).
        gold: Scores, (prompts, samples).
        sizes: n, each at most the number of samples.
    """
    import numpy as np
    from scipy.special import gammaln

    order = np.lexsort((gold, proxy), axis=1)
    sorted_proxy = np.take_along_axis(proxy, order, 1)
    sorted_gold = _shared(sorted_proxy, np.take_along_axis(gold, order, 1))
    total = proxy.shape[1]
    k = np.arange(1, total + 1)
    columns = []
    for n in sizes:
        with np.errstate(divide="ignore", invalid="ignore"):
            log = gammaln(k) - gammaln(n) - gammaln(np.maximum(k - n + 1, 1e-300))
        chance = np.where(k >= n, np.exp(log - (gammaln(total + 1) - gammaln(n + 1)
                                                - gammaln(total - n + 1))), 0.0)  # fmt: skip
        columns.append(chance)
    weights = np.array(columns).T
    return sorted_proxy @ weights, sorted_gold @ weights


def _shared(proxy: Any, gold: Any) -> Any:
    """Return the gold scores, each the mean over the samples of its prompt that tie by the proxy.

    Args:
        proxy: Scores in order, (prompts, samples).
        gold: Scores in the same order.
    """
    import numpy as np

    starts = np.ones(proxy.shape, dtype=bool)
    starts[:, 1:] = proxy[:, 1:] != proxy[:, :-1]
    at = np.flatnonzero(starts.ravel())
    count = np.diff([*at, proxy.size])
    mean = np.add.reduceat(gold.ravel(), at) / count
    return np.repeat(mean, count).reshape(gold.shape)
