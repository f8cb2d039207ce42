"""Distances between proxy and true reward, from samples of the random policy.

A step function pays a reward only for transitions that happen, so each distance is an
approximation, which its docstring states. `hackproof.theory` has them exactly for finite MDPs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hackproof.audit._reward._correlation import pearson
from hackproof.audit._reward._dominance import inputs
from hackproof.audit._reward._episodes import Episode
from hackproof.audit._reward._fit import features, fit

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNRELATED = float(np.sqrt(0.5))
"""Distance of rewards that are uncorrelated once canonical."""
TRIVIAL = 0.1
"""Share of a reward's deviation below which its canonical form is lost in sampling noise."""
DRAWS = 64
"""States, actions and next states that EPIC's expectations are taken over."""


@dataclass(frozen=True)
class Distance:
    """One distance, in [0, 1]."""

    name: str
    value: float
    note: str
    """What it was approximated by."""


def starc(episodes: Sequence[Episode], gamma: float, seed: int) -> Distance | str:
    """Return the STARC distance with VAL canonicalisation under the random policy, or why not.

    c = R(s,a,s') - V(s) + gamma V(s'), normalised in L2 over the random policy's transitions;
    half the distance between the two, in [0, 1]. V by
    least-squares temporal differences on `Features` of the observation, so that it is exact
    where V is linear in them.

    Source: Skalse et al. 2023, https://arxiv.org/abs/2309.15257
    """
    if len(episodes) < 4:
        return f"{len(episodes)} episodes; four are needed (more --steps)"
    forms = []
    for reward in ("proxy", "true"):
        c, raw = canonical_val(episodes, reward, gamma, seed)
        if raw.std() < 1e-12:
            return f"the {reward} reward did not vary under the random policy"
        norm = np.sqrt((c**2).mean())
        if norm < TRIVIAL * raw.std():
            return (
                f"the {reward} reward is nearly a difference of potentials under the random policy "
                f"({norm / raw.std():.0%} of it is left), too little to compare by samples"
            )
        if norm > 3 * raw.std() + abs(raw.mean()):
            return f"the value of the {reward} reward could not be fitted (more --steps)"
        forms.append(c / norm)
    value = float(np.sqrt(((forms[0] - forms[1]) ** 2).mean()) / 2)
    return Distance("STARC (VAL)", value, f"V fitted under the random policy, gamma {gamma:g}")


def canonical_val(
    episodes: Sequence[Episode], reward: str, gamma: float, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return R - V(s) + gamma V(s') and R, (n,) each, over every third episode.

    V is fitted to the other episodes, so that it does not explain away the noise that it is
    held against. V after a termination is 0.
    """
    s = np.concatenate([e.observations[:-1] for e in episodes])
    following = np.concatenate([e.observations[1:] for e in episodes])
    R = np.concatenate([getattr(e, reward) for e in episodes])
    going = np.concatenate(
        [np.r_[np.ones(len(e) - 1), 0.0 if e.terminated else 1.0] for e in episodes]
    )
    held = np.concatenate([np.full(len(e), i % 3 == 2) for i, e in enumerate(episodes)])
    phi = features(s[~held], np.random.default_rng([seed, 4]))
    now, then = phi(s), phi(following) * going[:, None]
    known, after = now[~held], then[~held]
    A = known.T @ (known - gamma * after)
    A += 1e-5 * np.trace(known.T @ known) / len(A) * np.eye(len(A))
    theta = np.linalg.lstsq(A, known.T @ R[~held], rcond=None)[0]
    return (R - now @ theta + gamma * then @ theta)[held], R[held]


def epic(episodes: Sequence[Episode], gamma: float, seed: int) -> Distance | str:
    """Return the EPIC distance, sampled, or why not.

    sqrt((1 - rho) / 2), rho the correlation over the random policy's transitions of
    R + gamma m(s') - m(s), m(x) = E R(x, A, S'). R outside the transitions that were seen is a
    regressor's guess; A and S' are drawn from what the random policy did and reached.

    Source: Gleave et al. 2021, https://arxiv.org/abs/2006.13900
    """
    if len(episodes) < 4:
        return f"{len(episodes)} episodes; four are needed (more --steps)"
    d = episodes[0].observations.shape[1]
    a = episodes[0].flat_actions.shape[1]
    forms, fits = [], []
    for reward in ("proxy", "true"):
        rng = np.random.default_rng([seed, 5])
        x, y, held = inputs(episodes, reward)
        if y.std() < 1e-12:
            return f"the {reward} reward did not vary under the random policy"
        model = fit(x, y, held, rng)
        fits.append(model.r2)
        if not model.r2 >= 0.5:
            return (
                f"no regressor explains the {reward} reward beyond what was seen: held-out R^2 is "
                f"{model.r2:.2f}"
            )
        rows = rng.permutation(len(x))[:1000]
        drawn = x[rng.integers(len(x), size=DRAWS)]

        def mean(states: NDArray, drawn=drawn, model=model) -> NDArray:
            total = np.zeros(len(states))
            for row in drawn:
                rest = np.broadcast_to(row[d:], (len(states), d + a))
                total += model(np.concatenate([states, rest], 1))
            return total / len(drawn)

        forms.append(y[rows] + gamma * mean(x[rows, d + a :]) - mean(x[rows, :d]))
    rho = pearson(*forms)
    if np.isnan(rho):
        return "a reward is constant once canonical"
    note = f"{DRAWS} draws, gamma {gamma:g}, regressors' held-out R^2 {min(fits):.2f} or better"
    return Distance("EPIC", float(np.sqrt((1 - rho) / 2)), note)
