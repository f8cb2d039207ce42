"""Which terms and which observation dimensions the reward rests on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hackproof.audit._reward._episodes import Episode
from hackproof.audit._reward._fit import fit, r2

MOST_DIMENSIONS = 256
"""Observations of more entries (pictures) are not asked dimension by dimension."""


@dataclass(frozen=True)
class TermShares:
    """How the reward is put together of its named terms, over the steps that were seen."""

    explained: float
    """Share of the reward's variance that a weighted sum of the terms explains (R^2)."""
    weights: dict[str, float]
    """Least-squares weight of each term; NaN where the term did not vary, so that it cannot be
    told from a constant."""
    shares: dict[str, float]
    """Cov(weight * term, reward) / Var(reward); they sum to `explained`, and one may be
    negative or above 1 where terms work against each other."""


def term_shares(episodes: Sequence[Episode], names: Sequence[str]) -> TermShares | str:
    """Return the terms' shares, or why there are none."""
    if not names:
        return "no named terms were found in info; name them with --terms"
    X = np.concatenate([e.terms for e in episodes])
    y = np.concatenate([e.proxy for e in episodes])
    kept = np.isfinite(X).all(1)
    if not kept.any():
        return "no step's info held all the named terms"
    X, y = X[kept], y[kept]
    if y.std() < 1e-12:
        return "the reward did not vary in the steps that were seen"
    varies = X.std(0) > 1e-9 * (1e-300 + np.abs(X).max(0))
    A = np.concatenate([X[:, varies], np.ones((len(X), 1))], 1)
    solved = np.linalg.lstsq(A, y, rcond=1e-10)[0]
    weights, shares = np.full(X.shape[1], np.nan), np.zeros(X.shape[1])
    weights[varies] = solved[:-1]
    parts = X[:, varies] * solved[:-1]
    shares[varies] = ((parts - parts.mean(0)) * (y - y.mean())[:, None]).mean(0) / y.var()
    return TermShares(
        r2(y, A @ solved),
        dict(zip(names, weights.tolist(), strict=True)),
        dict(zip(names, shares.tolist(), strict=True)),
    )


@dataclass(frozen=True)
class Importance:
    """Which inputs a fitted regressor of the reward leans on."""

    r2: float
    """Of the regressor, on held-out episodes."""
    drops: dict[str, float]
    """By how much R^2 falls when an input is permuted, over R^2; greatest first. An observation
    dimension is permuted before and after the step together."""


def importance(
    episodes: Sequence[Episode], obs_names: Sequence[str], act_names: Sequence[str], seed: int
) -> Importance | str:
    """Return the permutation importance of each input, or why there is none.

    Source: Breiman 2001, https://doi.org/10.1023/A:1010933404324. Inputs that move together
    share their importance, and one that a twin replaces can look unimportant.
    """
    d, a = len(obs_names), len(act_names)
    if d > MOST_DIMENSIONS:
        return f"the observation has {d} dimensions; at most {MOST_DIMENSIONS} are asked one by one"
    if len(episodes) < 4:
        return f"{len(episodes)} episodes; four are needed to hold some out (more --steps)"
    x, y, held = inputs(episodes)
    if y.std() < 1e-12:
        return "the reward did not vary in the steps that were seen"
    rng = np.random.default_rng([seed, 2])
    model = fit(x, y, held, rng)
    if not model.r2 >= 0.2:
        return f"no regressor explains the reward: R^2 is {model.r2:.2f} on held-out episodes"
    rows = np.flatnonzero(held)[:2000]
    xs, ys = x[rows], y[rows]
    base, drops = r2(ys, model(xs)), {}
    columns = {f"observation{n}": [i, d + a + i] for i, n in enumerate(obs_names)}
    columns |= {f"action{n}": [d + i] for i, n in enumerate(act_names)}
    for name, places in columns.items():
        moved = xs.copy()
        moved[:, places] = xs[rng.permutation(len(xs))][:, places]
        drops[name] = (base - r2(ys, model(moved))) / base
    return Importance(model.r2, dict(sorted(drops.items(), key=lambda item: -item[1])))


def inputs(episodes: Sequence[Episode], reward: str = "proxy"):
    """Return inputs (n, 2 d + a): before, action, after; the reward (n,); held-out rows.

    Every third episode is held out.
    """
    x = np.concatenate([
        np.concatenate([e.observations[:-1], e.flat_actions, e.observations[1:]], 1)
        for e in episodes
    ])  # fmt: skip
    y = np.concatenate([getattr(e, reward) for e in episodes])
    held = np.concatenate([np.full(len(e), i % 3 == 2) for i, e in enumerate(episodes)])
    return x, y, held
