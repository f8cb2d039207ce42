"""Closed forms and small programs that bound the safety radius from below.

Source: Fluri et al. 2025, Proposition 3.2, https://arxiv.org/abs/2406.15753, with the sharper
constant and the instance's own bound derived from the same argument: for a bad policy
optimal for Rhat = R - Delta,

    L range J <= <R, eta* - eta> <= <Delta, eta* - eta> <= max |eta* - eta| / D  sum D |Delta|.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hackproof.theory._attack import flow_matrix, reachable
from hackproof.theory._mdp import TabularMDP, occupancy, optimal_policy
from hackproof.theory._milp import most_visits
from hackproof.theory._regret import checked_distribution, checked_level, scale

if TYPE_CHECKING:
    from numpy.typing import NDArray


def prop32_bound(mdp: TabularMDP, D: NDArray, L: float, *, published: bool = False) -> float:
    """Return (1 - gamma) (range J / range R) min D L, below which every error is safe.

    Args:
        mdp: The process, with the true reward.
        D: (S, A) data distribution; the minimum is over the pairs that can be reached.
        L: Regret that counts as bad, in [0, 1].
        published: Divide by sqrt 2, which the paper's statement is recalled to do (from memory,
            not read again); the proof here does not need it.

    Returns:
        A lower bound on the safety radius, in units of range R.
    """
    D, L, ends = checked_distribution(mdp, D), checked_level(L), scale(mdp)
    reached = reachable(mdp)
    bound = (1 - mdp.gamma) * ends.return_range / ends.reward_range * D[reached].min() * L
    return float(bound / np.sqrt(2) if published else bound)


def instance_bound(mdp: TabularMDP, D: NDArray, L: float) -> float:
    """Return L range J / (range R K), K the greatest ratio of a visit to its data.

    K = max over pairs of max(eta*(s, a), eta(s, a)) / D(s, a) over bad occupancies eta, each
    maximum a linear program. Much tighter than `prop32_bound`; 0 where a pair that a bad or
    the optimal policy visits has no data.
    """
    from scipy.optimize import linprog

    D, L, ends = checked_distribution(mdp, D), checked_level(L), scale(mdp)
    if L == 0:
        return 0.0
    star = occupancy(mdp, optimal_policy(mdp))
    loose = np.einsum("s,sga->ga", mdp.mu0, most_visits(mdp))
    conservation, R = flow_matrix(mdp), mdp.R.ravel()
    worst = 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(loose > 1e-12, np.maximum(loose, star) / D, 0.0)
        worst = float(np.nan_to_num((star / D)[star > 1e-12], posinf=np.inf).max(initial=0.0))
    # Largest first: a pair whose loose ratio is below the greatest exact one needs no program.
    for at in np.argsort(-ratios, axis=None):
        if ratios.flat[at] <= worst:
            break
        goal = np.zeros(R.size)
        goal[at] = -1.0
        found = linprog(
            goal, A_ub=R[None], b_ub=[ends.threshold(L)], A_eq=conservation, b_eq=mdp.mu0,
            bounds=(0, None), method="highs",
        )  # fmt: skip
        most = -found.fun if found.status == 0 else loose.flat[at]
        if most > 1e-12:
            worst = max(worst, most / D.flat[at] if D.flat[at] > 0 else np.inf)
        if np.isinf(worst):
            return 0.0
    return float(L * ends.return_range / (ends.reward_range * worst))
