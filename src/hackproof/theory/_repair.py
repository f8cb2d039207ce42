"""The cheapest change of the data after which a learned reward is safe to optimise.

For a policy pi and values V the error that makes pi optimal is linear in D, so that the set of
safe D is an intersection of half-spaces m . D > eps range R, with m = |Rhat - R| of a witness
(Theorem 3.5's rows). They are added one by one, each from the radius at the current D.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hackproof.errors import InputError
from hackproof.theory._mdp import TabularMDP
from hackproof.theory._radius import SafetyRadius, safety_radius
from hackproof.theory._regret import checked_distribution, scale

if TYPE_CHECKING:
    from numpy.typing import NDArray

MARGIN = 1e-6
"""Share by which the repaired radius is to exceed eps, since safety is strict."""


@dataclass(frozen=True)
class Repair:
    """A safe data distribution near the given one."""

    D: NDArray[np.float64]
    """(S, A)."""
    moved: float
    """Share of the data that changed its pair, half the L1 distance."""
    radius: SafetyRadius
    """At the repaired D; its lower end exceeds eps where `proven`."""
    proven: bool
    """Whether the repaired D was shown safe."""


def safe_data(
    mdp: TabularMDP,
    D: NDArray,
    eps: float,
    L: float,
    method: str = "auto",
    time_limit: float | None = None,
    rounds: int = 200,
) -> Repair | None:
    """Return the data distribution nearest to D that is safe at (eps, L), or None.

    None: no distribution is safe there (as in Corollary 3.4, where there are too many ways
    to be bad). Arguments as in `safety_radius`; `rounds` bounds the cuts.

    Raises:
        InputError: bad numbers, or an eps that is not above 0.
    """
    from scipy.optimize import linprog

    D, ends = checked_distribution(mdp, D), scale(mdp)
    if not 0 < eps < np.inf:
        raise InputError(f"eps is {eps}; it must be above 0.")
    n = D.size
    current, cuts = D, []
    need = eps * ends.reward_range * (1 + MARGIN)
    found = safety_radius(mdp, D, L, method, time_limit)
    for _ in range(rounds):
        moved = float(np.abs(current - D).sum() / 2)
        if found.lower > eps:
            return Repair(current, moved, found, True)
        if found.witness_reward is None or found.upper > eps * (1 + MARGIN / 2):
            return Repair(current, moved, found, False)
        cuts.append(np.abs(found.witness_reward - mdp.R).ravel())
        # min sum u  s.t.  u >= |D' - D|, D' a distribution, every cut.
        one = np.eye(n)
        rows = np.block([[one, -one], [-one, -one], [-np.array(cuts), np.zeros((len(cuts), n))]])
        sides = np.concatenate([D.ravel(), -D.ravel(), np.full(len(cuts), -need)])
        step = linprog(
            np.concatenate([np.zeros(n), np.ones(n)]), A_ub=rows, b_ub=sides,
            A_eq=np.concatenate([np.ones(n), np.zeros(n)])[None], b_eq=[1.0], bounds=(0, None),
            method="highs",
        )  # fmt: skip
        if step.status == 2:
            return None
        if step.status != 0:
            return Repair(current, moved, found, False)
        current = np.clip(step.x[:n], 0, None).reshape(D.shape)
        current = current / current.sum()
        found = safety_radius(mdp, current, L, method, time_limit)
    return Repair(current, float(np.abs(current - D).sum() / 2), found, False)
