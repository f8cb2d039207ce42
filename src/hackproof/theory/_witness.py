"""Data that says little about a bad policy does not protect from it.

Proposition 3.3: where a policy of regret >= L lies on pairs that hold at most eps of the
data, a learned reward that calls those pairs the best errs by at most eps, and the policy is
optimal for it. Corollary 3.4: of n bad policies on disjoint pairs, one lies on at most 1/n
of any data. Theorem 4.2: the same with a penalty lambda omega on leaving a reference
policy, for a reward that is raised a constant further. Source: Fluri et al. 2025,
https://arxiv.org/abs/2406.15753; the constant of Theorem 4.2 is derived here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from hackproof.errors import InputError
from hackproof.theory._attack import visited
from hackproof.theory._mdp import TabularMDP, optimal_policy, policy_return
from hackproof.theory._regret import checked_distribution, checked_level, regret, scale

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Witness:
    """A learned reward that makes a bad policy optimal, by a closed form."""

    policy: NDArray[np.int64]
    reward: NDArray[np.float64]
    """(S, A)."""
    error: float
    """E_D |reward - R| / range R."""
    regret: float


def unsupported_policy_witness(
    mdp: TabularMDP, D: NDArray, L: float, policy: NDArray
) -> Witness | None:
    """Return the witness of Proposition 3.3 for one bad policy, or None where it fails.

    Rhat = max R on the pairs that the policy visits, R elsewhere; its error is at most the
    data's mass on them. It can fail where episodes terminate early or pairs are frozen, so
    the MDP is solved for Rhat before the witness is returned.

    Raises:
        InputError: the policy's regret is below L.
    """
    D, L = checked_distribution(mdp, D), checked_level(L)
    ends, bad = scale(mdp), regret(mdp, policy)
    if policy_return(mdp, policy) > ends.threshold(L):
        raise InputError(f"the policy's regret is {bad:.6g}, below L = {L:g}.")
    reward = np.where(visited(mdp, policy), mdp.R.max(), mdp.R)
    if mdp.frozen is not None:
        reward = np.where(mdp.frozen, mdp.R, reward)
    learned = replace(mdp, R=reward)
    short = policy_return(learned, optimal_policy(learned)) - policy_return(learned, policy)
    if short > 1e-9 * max(1.0, ends.return_range):
        return None
    error = float((D * np.abs(reward - mdp.R)).sum() / ends.reward_range)
    return Witness(np.asarray(policy), reward, error, bad)


def disjoint_policies_bound(supports: list[NDArray[np.bool_]]) -> float:
    """Return 1 / n of Corollary 3.4: every data distribution is unsafe at this error.

    Args:
        supports: (S, A) pairs visited by each of n bad policies.

    Raises:
        InputError: none given, or two of them share a pair.
    """
    if not supports:
        raise InputError("Corollary 3.4 needs at least one bad policy.")
    if (np.sum(supports, axis=0) > 1).any():
        s, a = np.argwhere(np.sum(supports, axis=0) > 1)[0]
        raise InputError(f"two of the policies visit the pair ({s}, {a}); they must be disjoint.")
    return 1 / len(supports)


def regularised_constant(mdp: TabularMDP, L: float, weight: float, penalty: float) -> float:
    """Return C of Theorem 4.2: data with at most eps / (1 + C) on a worst policy is unsafe.

    C = lambda omega(pi) / ((1 - L) (1 - gamma) range J), derived; the witness raises the
    reward on the policy's pairs to max R + C range R.

    Args:
        mdp: The process, with the true reward, whose episodes do not terminate early.
        L: Regret that counts as bad, in [0, 1).
        weight: lambda, at least 0.
        penalty: omega of the worst policy, at least 0.
    """
    if not 0 <= L < 1:
        raise InputError(f"the regret L is {L}; Theorem 4.2 needs it in [0, 1).")
    if weight < 0 or penalty < 0:
        raise InputError("lambda and omega must not be negative.")
    ends = scale(mdp)
    return weight * penalty / ((1 - L) * (1 - mdp.gamma) * ends.return_range)
