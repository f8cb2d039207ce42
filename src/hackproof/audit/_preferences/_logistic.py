"""What decides a preference: Bayesian logistic regression of chosen over rejected.

P(chosen is preferred) = logistic(b . (features of chosen - features of rejected)), without an
intercept, as the two sides have no order. The prior is normal with standard deviation `PRIOR` on
each coefficient times its feature's spread: weak, and enough to keep a coefficient finite that the
data would send to infinity. The posterior is found by Newton's method and taken as normal there
(Laplace); where there are few pairs it is corrected by importance sampling, whose effective size is
reported.

Sharma et al. 2023 (https://arxiv.org/abs/2310.13548) did this by NUTS with a Laplace prior, on
differences of features that a model had labelled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hackproof.audit._statistics import logistic

PRIOR = 2.5
DRAWS = 4_000
FEW = 5_000
"""Pairs up to which importance sampling is done."""


@dataclass(frozen=True)
class Fit:
    """A posterior, coefficient by coefficient, on the features' own scales (log-odds per unit)."""

    mean: Any
    low: Any
    high: Any
    sd: Any
    probability: Any
    """Posterior probability that the coefficient has the sign of its mean."""
    effective: float
    """Effective draws of importance sampling; NaN where none was done."""


def fit(x: Any, weight: Any = None, seed: int = 0) -> Fit:
    """Return the posterior of the coefficients.

    Args:
        x: Features of the preferred less those of the other, (pairs, features).
        weight: Of the pairs; 1 each where None.
        seed: Of the draws.
    """
    import numpy as np

    n, k = x.shape
    weight = np.ones(n) if weight is None else weight
    alive, scale = (x != 0).any(0), _scale(x, weight)
    z = x / scale
    beta, cov = logistic(z, np.ones(n), PRIOR**-2, weight)
    sd = np.sqrt(np.diag(cov))
    mean, low, high = beta, beta - 1.959964 * sd, beta + 1.959964 * sd
    from scipy.stats import norm

    sign, effective = norm.cdf(np.abs(beta) / sd), float("nan")
    if n <= FEW and k:
        draws, w, effective = _sampled(z, weight, beta, cov, seed)
        mean = draws @ w
        low, high = (np.array([_quantile(d, w, q) for d in draws]) for q in (0.025, 0.975))
        sign = np.array([w[(d > 0) == (m > 0)].sum() for d, m in zip(draws, mean, strict=True)])
        sd = np.sqrt(np.maximum(((draws - mean[:, None]) ** 2) @ w, 0))
    dead = np.where(alive, 1.0, np.nan)
    return Fit(mean / scale * dead, low / scale * dead, high / scale * dead, sd / scale * dead,
               sign * dead, effective)  # fmt: skip


def _sampled(z: Any, weight: Any, beta: Any, cov: Any, seed: int) -> tuple[Any, Any, float]:
    """Return draws, their weights and the effective number of them."""
    import numpy as np

    rng = np.random.default_rng(seed)
    freedom = 8  # heavier tails than the posterior's, so that no weight grows without bound
    root = np.linalg.cholesky(cov)
    normal = rng.standard_normal((len(beta), DRAWS))
    stretch = np.sqrt(freedom / rng.chisquare(freedom, DRAWS))
    draws = beta[:, None] + root @ (normal * stretch)
    distance = (normal * stretch) ** 2
    log_q = -(freedom + len(beta)) / 2 * np.log1p(distance.sum(0) / freedom)
    log_w = _log_posterior(z, weight, draws) - log_q
    w = np.exp(log_w - log_w.max())
    w /= w.sum()
    return draws, w, float(1 / (w**2).sum())


def _log_posterior(z: Any, weight: Any, beta: Any) -> Any:
    """Return the log posterior of each column of coefficients, but for a constant."""
    import numpy as np

    eta = z @ beta
    return -(weight @ np.logaddexp(0.0, -eta)) - (beta**2).sum(0) / (2 * PRIOR**2)


def _quantile(values: Any, weight: Any, q: float) -> float:
    import numpy as np

    order = np.argsort(values)
    below = np.cumsum(weight[order]) - weight[order] / 2
    return float(np.interp(q, below, values[order]))


def predicted(
    x: Any, weight: Any = None, folds: int = 5, seed: int = 0, copies: Any = None
) -> tuple[float, Any]:
    """Return on how many pairs a model of these features, fitted on the others, says what people
    said, and of how many; a pair on which it says nothing counts for a half. With weights both are
    in effective pairs, (sum of w)^2 / sum of w^2.

    Args:
        x: As for `fit`.
        weight: As for `fit`.
        folds: Parts, each held out once.
        seed: Of the division.
        copies: By pair, a number that copies of a pair share: they are held out together.
    """
    import numpy as np

    n = len(x)
    order = np.random.default_rng(seed).permutation(n)
    part = np.arange(n) % folds
    if copies is not None:
        _, first, group = np.unique(copies[order], return_index=True, return_inverse=True)
        part = part[first[group]]
    total = 0.0
    given = np.ones(n) if weight is None else weight
    for k in range(folds):
        out = order[part == k]
        held = np.ones(n, dtype=bool)
        held[out] = False
        beta = np.nan_to_num(_point(x[held], given[held]))
        lead = x[out] @ beta
        total += float((given[out] * ((lead > 0) + 0.5 * (lead == 0))).sum())
    if weight is None:
        return round(total), n
    size = float(weight.sum()) ** 2 / float((weight**2).sum())
    return min(total / float(weight.sum()), 1.0) * size, size


def _point(x: Any, weight: Any) -> Any:
    """Return the posterior mode on the features' own scales."""
    import numpy as np

    scale = _scale(x, weight)
    return logistic(x / scale, np.ones(len(x)), PRIOR**-2, weight)[0] / scale


def _scale(x: Any, weight: Any) -> Any:
    """Return the features' spreads; 1 where one does not vary."""
    import numpy as np

    spread = np.sqrt((weight[:, None] * x**2).sum(0) / max(weight.sum(), 1e-12))
    return np.where(spread > 0, spread, 1.0)
