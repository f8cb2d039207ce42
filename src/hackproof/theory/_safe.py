"""Verdicts: is this data safe at this error, and how bad can it get?"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hackproof.errors import InputError
from hackproof.theory._attack import bellman_gap, flow_matrix, shaping_matrix, solve_attack
from hackproof.theory._enumerate import LIMIT, bad_policies, filled, reachable_policies, support
from hackproof.theory._mdp import TabularMDP, policy_return
from hackproof.theory._radius import SafetyRadius, safety_radius
from hackproof.theory._regret import checked_distribution, checked_level, scale

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Verdict:
    """Whether a data distribution is safe at an error."""

    answer: str
    """safe, unsafe (the radius holds the witness) or unknown."""
    eps: float
    radius: SafetyRadius


def is_safe(
    mdp: TabularMDP,
    D: NDArray,
    eps: float,
    L: float,
    method: str = "auto",
    time_limit: float | None = None,
) -> Verdict:
    """Return whether every policy that is optimal for a reward within eps has regret < L.

    At eps equal to the radius the answer is unsafe; between bounds it is unknown, never a
    guess. Arguments as in `safety_radius`.
    """
    if not 0 <= eps < np.inf:
        raise InputError(f"eps is {eps}; it must be finite and not negative.")
    radius = safety_radius(mdp, D, L, method, time_limit)
    answer = "unsafe" if eps >= radius.upper else "safe" if eps < radius.lower else "unknown"
    return Verdict(answer, eps, radius)


@dataclass(frozen=True)
class WorstCase:
    """The greatest regret at an error, with what realises it."""

    regret: float
    policy: NDArray[np.int64]
    """(S,) actions; -1 where it is not reached."""
    reward: NDArray[np.float64]
    """(S, A) a reward within eps for which the policy is optimal."""


def worst_case_regret(mdp: TabularMDP, D: NDArray, eps: float) -> WorstCase:
    """Return the greatest regret of a policy that is optimal for some reward within eps.

    The inverse view of the radius, by going through the policies from the worst on: the
    first that a reward within eps makes optimal is the answer.

    Raises:
        InputError: bad numbers, or more policies than can be enumerated.
    """
    D, ends = checked_distribution(mdp, D), scale(mdp)
    if not 0 <= eps < np.inf:
        raise InputError(f"eps is {eps}; it must be finite and not negative.")
    conservation = flow_matrix(mdp)
    policies = []
    for i, policy in enumerate(reachable_policies(mdp)):
        if i >= LIMIT:
            raise InputError(f"this MDP has more than {LIMIT:,} policies to go through.")
        policies.append((policy_return(mdp, filled(policy)), i, policy))
    for value, _, policy in sorted(policies, key=lambda p: p[:2]):
        attack = solve_attack(mdp, D, support(mdp, policy), conservation)
        if attack.reward is not None and attack.cost <= eps * ends.reward_range * (1 + 1e-12):
            worst = min(max((ends.best - value) / ends.return_range, 0.0), 1.0)
            return WorstCase(worst, policy, attack.reward)
    raise InputError("no policy is optimal for any reward within eps.")  # the optimal one is


def safety_matrix(mdp: TabularMDP, L: float) -> NDArray[np.float64]:
    """Return M of Theorem 3.5: D is safe at (eps, L) iff M D > eps range R in every row.

    Closed form: for every set of S pairs whose rows e_s - gamma P(s, a) are independent, the
    V with B_V = 0 on them; for every bad policy the row [B_V]_+ off its support and |B_V| on
    it. Rows that another row never exceeds are dropped.

    Returns:
        (rows, S A).

    Raises:
        InputError: more than 12 pairs; the number of rows grows as a binomial.
    """
    L, ends = checked_level(L), scale(mdp)
    S, A = mdp.R.shape
    if S * A > 12:
        raise InputError(
            f"the safety matrix of {S} states and {A} actions is too large; it is meant for at "
            "most 12 pairs. `safety_radius` answers for one D."
        )
    rows_of = shaping_matrix(mdp)
    gaps = []
    for chosen in itertools.combinations(range(S * A), S):
        square = rows_of[list(chosen)]
        if abs(np.linalg.det(square)) > 1e-12:
            V = np.linalg.solve(square, mdp.R.ravel()[list(chosen)])
            gaps.append(bellman_gap(mdp, V).ravel())
    supports = [support(mdp, p).ravel() for p in bad_policies(mdp, ends.threshold(L))]
    frozen = np.zeros(S * A, bool) if mdp.frozen is None else mdp.frozen.ravel()
    rows = []
    for gap in gaps:
        for on in supports:
            row = np.where(on, np.abs(gap), np.maximum(gap, 0))
            if not (row[frozen] > 1e-12).any():
                rows.append(row)
    if not rows:
        return np.empty((0, S * A))
    matrix = np.unique(np.round(np.array(rows), 12), axis=0)
    kept = [
        row
        for i, row in enumerate(matrix)
        if not any(
            (other <= row + 1e-12).all() and j != i and ((other < row - 1e-12).any() or j < i)
            for j, other in enumerate(matrix)
        )
    ]
    return np.array(kept)
