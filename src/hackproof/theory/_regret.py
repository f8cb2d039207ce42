"""Normalised regret, and which policies are bad.

Reg(pi) = (max J - J(pi)) / (max J - min J), in [0, 1]. A policy is bad at level L where
Reg(pi) >= L, that is J(pi) <= max J - L (max J - min J). Source: Fluri et al. 2025,
Definition 2.1, https://arxiv.org/abs/2406.15753.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from hackproof.errors import InputError
from hackproof.theory._mdp import TabularMDP, optimal_policy, policy_return

if TYPE_CHECKING:
    from numpy.typing import NDArray

TOLERANCE = 1e-9
"""Share of the range of J within which a return counts as equal to the threshold."""


@dataclass(frozen=True)
class Scale:
    """What returns and rewards of an MDP are measured against."""

    worst: float
    """min J."""
    best: float
    """max J."""
    reward_range: float
    """max R - min R over all pairs, reachable or not."""

    @property
    def return_range(self) -> float:
        """Max J - min J, above 0."""
        return self.best - self.worst

    def threshold(self, L: float) -> float:
        """Return the return at or below which a policy is bad, tolerance included."""
        return self.best - L * self.return_range + TOLERANCE * self.return_range


def scale(mdp: TabularMDP) -> Scale:
    """Return the ranges of an MDP.

    Raises:
        InputError: the reward is constant, or all policies earn the same: regret is then
            undefined.
    """
    reward_range = float(mdp.R.max() - mdp.R.min())
    if reward_range == 0:
        raise InputError(f"every reward is {mdp.R.flat[0]:g}: regret is undefined.")
    best = policy_return(mdp, optimal_policy(mdp))
    worst = -policy_return(negated := replace(mdp, R=-mdp.R), optimal_policy(negated))
    if best - worst <= 1e-12 * max(1.0, abs(best), abs(worst)):
        raise InputError(f"every policy earns {best:g}: regret is undefined.")
    return Scale(worst, best, reward_range)


def regret(mdp: TabularMDP, policy: NDArray) -> float:
    """Return the normalised regret of a policy, in [0, 1]."""
    ends = scale(mdp)
    return (ends.best - policy_return(mdp, policy)) / ends.return_range


def checked_distribution(mdp: TabularMDP, D: NDArray) -> NDArray[np.float64]:
    """Return a data distribution over pairs as an array.

    Raises:
        InputError: another shape, a number that is not finite or negative, or a sum other
            than 1; the entry is named.
    """
    D = np.asarray(D, np.float64)
    if D.shape != mdp.R.shape:
        raise InputError(f"D has shape {D.shape}; it must be (S, A) = {mdp.R.shape}.")
    for at in map(tuple, np.argwhere(~np.isfinite(D) | (D < 0))[:1].tolist()):
        raise InputError(f"D{list(at)} is {D[at]}; it must be finite and not negative.")
    if abs(D.sum() - 1) > 1e-9:
        raise InputError(f"D sums to {D.sum():.12g}; it must sum to 1.")
    return D


def checked_level(L: float) -> float:
    """Return the level of regret; InputError outside [0, 1]."""
    if not 0 <= L <= 1:
        raise InputError(f"the regret L is {L}; it must lie in [0, 1].")
    return float(L)
