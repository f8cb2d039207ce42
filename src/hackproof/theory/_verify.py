"""Checking a safety radius without the solver that found it, in exact rational arithmetic.

Numbers of the MDP are taken as the fractions that their floats are. A witness is checked by
policy evaluation; a circulation by its conservation, its bounds and its value. Floats obey
such equations only to rounding: what is left over is compared with TOLERANCE.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from hackproof.theory._enumerate import bad_policies, filled, support
from hackproof.theory._mdp import TabularMDP, optimal_policy
from hackproof.theory._radius import SafetyRadius
from hackproof.theory._regret import checked_distribution, checked_level, scale

if TYPE_CHECKING:
    from numpy.typing import NDArray

TOLERANCE = Fraction(1, 10**7)
"""Relative to the ranges of R and J."""


def verify(result: SafetyRadius, mdp: TabularMDP, D: NDArray, L: float) -> list[str]:
    """Return everything about a safety radius that does not hold; empty where all does.

    The witness: its policy has regret >= L, is optimal for its reward, and that reward's
    error is `upper`. The lower bound, where it rests on an enumeration: the leaves are all
    the bad policies, and the circulation of each is feasible and worth at least `lower`.
    A bound that rests on the solver is not checked; `lower_proof` says so.
    """
    D, L = checked_distribution(mdp, D), checked_level(L)
    ends = scale(mdp)
    problems = []
    if not 0 <= result.lower <= result.upper:
        problems.append(f"lower {result.lower} and upper {result.upper} are out of order")
    if result.witness_reward is not None and result.witness_policy is not None:
        problems += _witness(result, mdp, D, ends.threshold(L), ends)
    if result.lower_proof == "enumeration":
        problems += _leaves(result, mdp, D, ends.threshold(L), ends)
    return problems


def _exact(array: NDArray) -> NDArray:
    return np.array([Fraction(float(x)) for x in np.ravel(array)], object).reshape(np.shape(array))


def _witness(
    result: SafetyRadius, mdp: TabularMDP, D: NDArray, threshold: float, ends
) -> list[str]:
    problems = []
    assert result.witness_policy is not None
    assert result.witness_reward is not None
    policy = filled(result.witness_policy)
    reward = result.witness_reward
    off = _exact(D) * abs(_exact(reward) - _exact(mdp.R))
    error = off.sum() / Fraction(ends.reward_range)
    if abs(error - Fraction(result.upper)) > TOLERANCE:
        problems.append(f"the witness's error is {float(error):.9g}, not {result.upper:.9g}")
    value, V = _evaluate(mdp, policy, mdp.R), _evaluate(mdp, policy, reward)
    earned = sum(Fraction(float(m)) * v for m, v in zip(mdp.mu0, value, strict=True))
    if earned > Fraction(threshold) + TOLERANCE * Fraction(ends.return_range):
        problems.append("the witness policy is not bad")
    short = _shortfall(mdp, reward, V)
    if short > TOLERANCE * Fraction(max(ends.return_range, ends.reward_range)):
        problems.append(f"the witness policy is not optimal for its reward, by {float(short):.3g}")
    return problems


def _evaluate(mdp: TabularMDP, policy: NDArray, R: NDArray) -> list[Fraction]:
    """Return V of a policy: solved in floats, then refined against exact residuals."""
    states = np.arange(mdp.states)
    P = mdp.P[states, policy]
    matrix = np.eye(mdp.states) - mdp.gamma * P
    exact_P, exact_R = _exact(P), _exact(R[states, policy])
    gamma = Fraction(mdp.gamma)
    V = _exact(np.linalg.solve(matrix, R[states, policy]))
    for _ in range(2):
        residual = exact_R + gamma * exact_P.dot(V) - V
        V = V + _exact(np.linalg.solve(matrix, residual.astype(float)))
    return list(V)


def _shortfall(mdp: TabularMDP, R: NDArray, V: list[Fraction]) -> Fraction:
    """Return by how much a policy of value V falls short of the best return under R."""
    best = _evaluate(mdp, optimal_policy(replace(mdp, R=R)), R)
    gaps = (Fraction(float(m)) * (b - v) for m, b, v in zip(mdp.mu0, best, V, strict=True))
    return sum(gaps, Fraction(0))


def _leaves(result: SafetyRadius, mdp: TabularMDP, D: NDArray, threshold: float, ends) -> list[str]:
    problems = []
    expected = {tuple(p) for p in bad_policies(mdp, threshold)}
    found = {tuple(leaf.policy) for leaf in result.leaves}
    if expected != found:
        problems.append(f"{len(expected - found)} bad policies have no leaf")
    P, R, weights, gamma = _exact(mdp.P), _exact(mdp.R), _exact(D), Fraction(mdp.gamma)
    slack = TOLERANCE * Fraction(max(1.0, ends.reward_range))
    for leaf in result.leaves:
        if leaf.flow is None:
            continue
        f, on = _exact(leaf.flow), support(mdp, leaf.policy)
        inflow = gamma * np.tensordot(f, P, ([0, 1], [0, 1]))
        kept = max(abs(x) for x in f.sum(1) - inflow) <= slack
        room = np.ones(f.shape, bool) if mdp.frozen is None else ~mdp.frozen
        within = all(
            (not room[at] or f[at] <= weights[at] + slack)
            and (on[at] or f[at] >= -slack)
            and (not room[at] or f[at] >= -weights[at] - slack)
            for at in np.ndindex(f.shape)
        )
        worth = (f * R).sum() / Fraction(ends.reward_range)
        if not kept or not within:
            problems.append(f"the flow of policy {leaf.policy.tolist()} is not a circulation")
        elif worth < Fraction(result.lower) - TOLERANCE:
            problems.append(f"the flow of policy {leaf.policy.tolist()} proves only {float(worth)}")
    return problems
