"""A small regressor: linear in the inputs and in Gaussian bumps around landmarks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LANDMARKS = 150
ROWS = 4000
"""Rows that a fit looks at, at most."""


@dataclass(frozen=True)
class Features:
    """1, the standardised inputs, and exp(-|x - z|^2 / 2 width^2) for landmarks z."""

    mean: NDArray
    scale: NDArray
    landmarks: NDArray
    width: float

    def __call__(self, x: NDArray) -> NDArray[np.float64]:
        """Return (n, features) for inputs (n, d)."""
        x = (x - self.mean) / self.scale
        gap = (x**2).sum(1)[:, None] + (self.landmarks**2).sum(1)[None] - 2 * x @ self.landmarks.T
        bumps = np.exp(-np.maximum(gap, 0) / (2 * self.width**2))
        return np.concatenate([np.ones((len(x), 1)), x, bumps], 1)


def features(x: NDArray, rng: np.random.Generator) -> Features:
    """Choose landmarks among the distinct inputs (n, d); the width is their median distance."""
    mean, scale = x.mean(0), x.std(0)
    scale = np.where(scale > 1e-9, scale, 1.0)
    distinct = np.unique((x - mean) / scale, axis=0)
    kept = distinct[np.sort(rng.permutation(len(distinct))[:LANDMARKS])]
    gap = np.linalg.norm(kept[:, None] - kept[None], axis=-1)
    away = gap[gap > 0]
    return Features(mean, scale, kept, float(np.median(away)) if len(away) else 1.0)


@dataclass(frozen=True)
class Fit:
    """A ridge regression on `Features`."""

    features: Features
    weights: NDArray
    r2: float
    """Share of the held-out variance that it explains; NaN where there is none to explain."""

    def __call__(self, x: NDArray) -> NDArray[np.float64]:
        """Return predictions (n,) for inputs (n, d)."""
        return self.features(x) @ self.weights


def ridge(phi: NDArray, y: NDArray, penalty: float = 1e-6) -> NDArray[np.float64]:
    """Return ridge weights, penalty in shares of the features' mean square."""
    gram = phi.T @ phi
    return np.linalg.solve(
        gram + penalty * np.trace(gram) / len(gram) * np.eye(len(gram)), phi.T @ y
    )


def fit(x: NDArray, y: NDArray, held: NDArray, rng: np.random.Generator) -> Fit:
    """Fit y (n,) on x (n, d), and score on held-out rows (bool (n,); whole episodes)."""
    rows = np.flatnonzero(~held)
    rows = np.sort(rng.permutation(rows)[:ROWS])
    made = features(x[rows], rng)
    weights = ridge(made(x[rows]), y[rows])
    return Fit(made, weights, r2(y[held], made(x[held]) @ weights))


def r2(y: NDArray, predicted: NDArray) -> float:
    """Return 1 - residual over total variance; NaN where y does not vary."""
    total = ((y - y.mean()) ** 2).sum() if len(y) else 0.0
    return float(1 - ((y - predicted) ** 2).sum() / total) if total > 1e-12 else float("nan")
