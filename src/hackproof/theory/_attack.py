"""The cheapest learned reward that makes one policy optimal, by linear programming.

A policy pi is optimal for Rhat iff some V has V >= Rhat + gamma P V on all pairs, with
equality on the pairs that pi visits. Given V the best Rhat is V - gamma P V on those and
min(R, V - gamma P V) elsewhere, so that with B_V = R + gamma P V - V

    cost(pi) = min_V  sum_{s,a} D [B_V]_+  +  sum_{visited} D [-B_V]_+ .

Its dual is a bounded circulation, and any feasible one proves a lower bound:

    cost(pi) = max <R, f>  s.t.  sum_a f(s, a) = gamma sum_{s',a'} f(s', a') P(s | s', a'),
               0 <= f <= D on pairs not visited, -D <= f <= D on visited ones.

On frozen pairs, where Rhat = R, the bound D becomes infinite. Derived from Fluri et al.
2025 (https://arxiv.org/abs/2406.15753), Definition 2.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hackproof.errors import HackproofError
from hackproof.theory._mdp import TabularMDP, policy_matrix
from hackproof.theory._regret import checked_distribution

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Attack:
    """The cheapest way to make one policy optimal, with its proof."""

    cost: float
    """sum D |Rhat - R|; infinite where frozen pairs forbid it. Error times range R."""
    support: NDArray[np.bool_]
    """(S, A) pairs that the policy visits."""
    reward: NDArray[np.float64] | None
    """(S, A) Rhat, for which the policy is optimal; None where the cost is infinite."""
    flow: NDArray[np.float64] | None
    """(S, A) the circulation that proves no reward does it more cheaply."""


def visited(mdp: TabularMDP, policy: NDArray) -> NDArray[np.bool_]:
    """Return the pairs that a policy visits with positive probability, (S, A)."""
    return spread(mdp, policy_matrix(mdp, policy) > 0)


def reachable(mdp: TabularMDP) -> NDArray[np.bool_]:
    """Return the pairs that some policy visits, (S, A)."""
    return spread(mdp, np.ones(mdp.R.shape, bool))


def spread(mdp: TabularMDP, takes: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which of the pairs that may be taken are met from the initial states, (S, A)."""
    reached = mdp.mu0 > 0
    while mdp.gamma > 0:
        onward = ((mdp.P > 0) & (takes & reached[:, None])[:, :, None]).any((0, 1))
        if not (onward & ~reached).any():
            break
        reached = reached | onward
    return takes & reached[:, None]


def bellman_gap(mdp: TabularMDP, V: NDArray, R: NDArray | None = None) -> NDArray[np.float64]:
    """Return B_V = R + gamma P V - V, (S, A)."""
    R = mdp.R if R is None else R
    return R + mdp.gamma * mdp.P @ V - V[:, None]


def shaping_matrix(mdp: TabularMDP) -> NDArray[np.float64]:
    """Return W with rows e_s - gamma P(. | s, a), (S A, S): W V is the shaping by V."""
    S, A = mdp.R.shape
    return np.repeat(np.eye(S), A, axis=0) - mdp.gamma * mdp.P.reshape(S * A, S)


def flow_matrix(mdp: TabularMDP):
    """Return the matrix (S, S A) of flow conservation, sparse: A f = 0 for a circulation."""
    from scipy.sparse import csr_array

    return csr_array(shaping_matrix(mdp).T)


def solve_attack(mdp: TabularMDP, D: NDArray, support: NDArray, conservation=None) -> Attack:
    """Return the cheapest attack that makes exactly these pairs optimal.

    Args:
        mdp: The process.
        D: (S, A) weights, not negative.
        support: (S, A) pairs that must be optimal; others may be.
        conservation: `flow_matrix(mdp)`, where it is at hand.
    """
    from scipy.optimize import linprog

    A = flow_matrix(mdp) if conservation is None else conservation
    room = np.where(mdp.frozen, np.inf, D) if mdp.frozen is not None else D
    low = np.where(support, -room, 0.0)
    bounds = np.stack([low.ravel(), room.ravel()], 1)
    found = linprog(
        -mdp.R.ravel(), A_eq=A, b_eq=np.zeros(mdp.states), bounds=bounds, method="highs"
    )
    if found.status == 3:
        return Attack(float("inf"), support, None, None)
    if found.status != 0:
        raise HackproofError(f"the attack's linear program was not solved: {found.message}")
    V = -np.asarray(found.eqlin.marginals)
    price = mdp.R - bellman_gap(mdp, V)
    reward = np.where(support, price, np.minimum(mdp.R, price))
    if mdp.frozen is not None:
        reward = np.where(mdp.frozen, mdp.R, reward)
    cost = float((D * np.abs(reward - mdp.R)).sum())
    return Attack(cost, support, reward, np.asarray(found.x).reshape(mdp.R.shape))


def policy_attack_cost(mdp: TabularMDP, D: NDArray, policy: NDArray) -> Attack:
    """Return the least error, times range R, of a reward for which a policy is optimal.

    Args:
        mdp: The process, with the true reward.
        D: (S, A) data distribution.
        policy: (S,) actions or (S, A) probabilities.

    Raises:
        InputError: a bad D or policy.
    """
    return solve_attack(mdp, checked_distribution(mdp, D), visited(mdp, policy))
