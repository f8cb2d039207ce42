"""The safety radius of an MDP whose policies no one can enumerate, by mixed-integer programming.

Variables: V(s); t, w >= 0, how much the learned reward lies below and above R on a pair;
the occupancy measure eta of a bad policy and z in {0, 1}, whether it visits a pair.

    min sum D (t + w)
    t >= B_V,  w >= -B_V - M (1 - z),  w <= wmax z,
    sum_a eta(s, a) = mu0 + gamma sum eta P,  eta <= etamax z,  sum_a z <= 1,  <R, eta> <= b
    mu0 . V <= b + sum etamax w                                        (a)
    V(s)    <= V*(s) + sum etamax_s w           for every s            (b)

(a) and (b) follow from the performance-difference identity J_R(pi) = mu0 . V + <eta, B_V>,
since B_V >= -w where pi goes. Without them the relaxation's bound is 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hackproof.theory._attack import flow_matrix, shaping_matrix
from hackproof.theory._mdp import TabularMDP, optimal_policy, q_values

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Solution:
    """What the solver found."""

    policy: NDArray[np.int64] | None
    """(S,) actions, -1 where nothing is visited; None where it found none."""
    bound: float
    """Lower bound on the cost, proven by the solver."""
    optimal: bool


def most_visits(mdp: TabularMDP) -> NDArray[np.float64]:
    """Return the greatest discounted number of visits, (S, S, A): from s, to the pair (g, a).

    With h_g(s) = max E gamma^(time of reaching g), going to g, taking a there and coming
    back as fast as one can visits (g, a) h_g(s) / (1 - gamma P(g, a) . h_g) times. The
    iteration for h comes down from 1, so that what it returns is never too small.
    """
    S = mdp.states
    H = np.ones((S, S))
    steps = 1 if mdp.gamma == 0 else int(np.ceil(np.log(1e-12) / np.log(mdp.gamma))) + S
    for _ in range(min(steps, 100_000)):
        new = mdp.gamma * np.einsum("sat,tg->sag", mdp.P, H).max(1)
        np.fill_diagonal(new, 1.0)
        if np.abs(new - H).max() < 1e-14:
            break
        H = new
    back = 1 - mdp.gamma * np.einsum("gat,tg->ga", mdp.P, H)
    return H[:, :, None] / back[None]


def solve(
    mdp: TabularMDP, D: NDArray, threshold: float, upper: float, time_limit: float | None
) -> Solution:
    """Return the cheapest attack over all bad policies.

    Args:
        mdp: The process.
        D: (S, A) weights, all above 0.
        threshold: b, the return at or below which a policy is bad.
        upper: The cost of a known attack.
        time_limit: Seconds.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import block_array, csr_array, eye_array, kron

    S, A = mdp.R.shape
    n = S * A
    R, weights = mdp.R.ravel(), D.ravel()
    upper = upper * (1 + 1e-6) + 1e-12
    visits = most_visits(mdp)
    from_start = np.einsum("s,sga->ga", mdp.mu0, visits).ravel()
    best = q_values(mdp, optimal_policy(mdp)).max(1)
    reach = (visits.reshape(S, n) / weights).max(1) * upper
    high, low = best + reach, best - reach
    wmax = upper / weights
    if mdp.frozen is not None:
        wmax = np.where(mdp.frozen.ravel(), 0.0, wmax)
    M = (high[:, None] - mdp.R - mdp.gamma * mdp.P @ low).ravel()
    M = np.maximum(M, 0)

    # B_V = R + G V
    G = csr_array(-shaping_matrix(mdp))
    one, none = eye_array(n), None
    choose = kron(eye_array(S), np.ones((1, A)))
    empty = csr_array((n, S))
    top = csr_array(from_start[None])
    matrix = block_array(
        [
            [-G, one, none, none, none],  # t - G V >= R
            [G, none, one, none, -csr_array(np.diag(M))],  # w + G V - M z >= -R - M
            [empty, none, none, one, -csr_array(np.diag(from_start))],  # eta <= etamax z
            [empty, none, one, none, -csr_array(np.diag(wmax))],  # w <= wmax z
            [csr_array((S, S)), none, none, flow_matrix(mdp), csr_array((S, n))],
            [csr_array((S, S)), none, none, none, choose],
            [csr_array((1, S)), none, none, csr_array(R[None]), csr_array((1, n))],
            [csr_array(mdp.mu0[None]), none, -top, none, csr_array((1, n))],  # (a)
            [eye_array(S), none, -csr_array(visits.reshape(S, n)), none, csr_array((S, n))],  # (b)
        ],
        format="csr",
    )
    inf = np.inf
    lower_side = np.concatenate([
        R, -R - M, np.full(n, -inf), np.full(n, -inf), mdp.mu0, np.full(S, -inf), [-inf], [-inf],
        np.full(S, -inf),
    ])  # fmt: skip
    upper_side = np.concatenate([
        np.full(n, inf), np.full(n, inf), np.zeros(n), np.zeros(n), mdp.mu0, np.ones(S),
        [threshold], [threshold], best,
    ])  # fmt: skip

    box: Any = Bounds  # SciPy's stubs know these two with scalars only
    rows: Any = LinearConstraint
    bounds = box(
        np.concatenate([low, np.zeros(4 * n)]),
        np.concatenate([high, wmax, wmax, from_start, np.ones(n)]),
    )
    options: dict[str, float] = {"mip_rel_gap": 1e-9}
    if time_limit is not None:
        options["time_limit"] = max(time_limit, 0.01)
    found = milp(
        np.concatenate([np.zeros(S), weights, weights, np.zeros(2 * n)]),
        constraints=rows(matrix, lower_side, upper_side),
        integrality=np.concatenate([np.zeros(S + 3 * n), np.ones(n)]),
        bounds=bounds,
        options=options,
    )
    bound = found.mip_dual_bound if found.mip_dual_bound is not None else 0.0
    policy = None
    if found.x is not None:
        z = found.x[S + 3 * n :].reshape(S, A)
        policy = np.where(z.max(1) > 0.5, z.argmax(1), -1)
    return Solution(policy, max(0.0, float(bound)), found.status == 0)
