"""Tests, rates and regressions that several audits share; intervals of shares and means are
`hackproof.experiment.statistics`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hackproof.experiment.statistics import share_interval


def rate(name: str, successes: float, n: int) -> dict[str, float | None]:
    """Return a rate with its interval as columns `name`, `name_low`, `name_high`; None of nothing.

    Args:
        name: Of the rate.
        successes: Need not be whole: a tie is half a win.
        n: What is counted.
    """
    if n == 0:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    i = share_interval(successes, n)  # pyright: ignore[reportArgumentType]
    return {name: float(i.estimate), f"{name}_low": i.low, f"{name}_high": i.high}


def sign_test(a: int, b: int) -> float:
    """Return the exact two-sided p-value of a and b being counts of a fair coin."""
    from scipy.stats import binomtest

    return float(binomtest(a, a + b, 0.5).pvalue) if a + b else 1.0


def adjusted(p: Sequence[float]) -> list[float]:
    """Return Benjamini and Hochberg's adjusted p-values."""
    from scipy.stats import false_discovery_control

    return [float(v) for v in false_discovery_control(p)] if len(p) else []


def logistic(x: Any, y: Any, prior: Any, weight: Any = None) -> tuple[Any, Any]:
    """Return the mode and the covariance there of a logistic regression with a normal prior.

    Args:
        x: (rows, coefficients); an intercept is a column of ones.
        y: Outcomes in [0, 1], (rows,).
        prior: Precisions of the coefficients' priors, a number or (coefficients,); above 0, which
            keeps a coefficient finite that the data would send to infinity.
        weight: Of the rows; 1 each where None.
    """
    import numpy as np
    from scipy.special import expit

    weight = np.ones(len(x)) if weight is None else weight
    prior = np.broadcast_to(np.asarray(prior, dtype=float), (x.shape[1],))
    beta = np.zeros(x.shape[1])

    def height(b: Any) -> float:
        lead = x @ b
        return float(weight @ (y * lead - np.logaddexp(0, lead)) - (prior * b**2).sum() / 2)

    def hessian(b: Any) -> Any:
        p = expit(x @ b)
        return (x.T * (weight * p * (1 - p))) @ x + np.diag(prior)

    for _ in range(100):
        gradient = x.T @ (weight * (y - expit(x @ beta))) - prior * beta
        step = np.linalg.solve(hessian(beta), gradient)
        # Half steps where a whole one would not rise: far from the top the curve is flat.
        size, before = 1.0, height(beta)
        while size > 1e-4 and height(beta + size * step) < before:
            size /= 2
        beta = beta + size * step
        if np.abs(size * step).max(initial=0) < 1e-9:
            break
    return beta, np.linalg.inv(hessian(beta))
