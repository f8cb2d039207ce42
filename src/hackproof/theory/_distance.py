"""How far apart two rewards are, whatever is later optimised.

Rewards that differ by potential shaping or a positive factor order all policies alike; a
distance should be 0 between them. EPIC (Gleave et al. 2021, arXiv 2006.13900) needs no
dynamics; DARD (Wulfe et al. 2022, arXiv 2201.10081) and STARC (Skalse et al. 2023, arXiv
2309.15257) use them, and only STARC bounds regret from both sides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hackproof.errors import InputError
from hackproof.theory._attack import reachable, shaping_matrix
from hackproof.theory._mdp import TabularMDP, policy_matrix

if TYPE_CHECKING:
    from numpy.typing import NDArray


def canonical(mdp: TabularMDP, R: NDArray) -> NDArray[np.float64]:
    """Return Q R, the part of a reward that shaping cannot change, (S, A).

    Q = I - W (W^T W)^-1 W^T with W's rows e_s - gamma P(. | s, a): the smallest reward in the
    L2 norm among those that differ from R by shaping.

    Args:
        mdp: The process; pairs that cannot be reached are left out (0).
        R: (S, A) the reward.
    """
    S, A = mdp.R.shape
    R = np.asarray(R, np.float64)
    if R.shape != (S, A):
        raise InputError(f"the reward has shape {R.shape}; it must be (S, A) = {(S, A)}.")
    kept = reachable(mdp).ravel()
    W = shaping_matrix(mdp)[kept]
    flat = R.ravel()[kept]
    found = np.zeros(S * A)
    found[kept] = flat - W @ np.linalg.lstsq(W, flat, rcond=None)[0]
    return found.reshape(S, A)


def projected_angle(mdp: TabularMDP, first: NDArray, second: NDArray) -> float:
    """Return the angle between the canonical forms of two rewards, in [0, pi] radians.

    Source: Karwowski et al. 2023, https://arxiv.org/abs/2310.09144.

    Raises:
        InputError: a reward that is trivial (all policies earn the same).
    """
    a, b = canonical(mdp, first), canonical(mdp, second)
    for R, c in ((first, a), (second, b)):
        if np.linalg.norm(c) <= 1e-12 * max(1.0, float(np.abs(R).max())):
            raise InputError("a reward is trivial: every policy earns the same by it.")
    # atan2 keeps small angles, where arccos of a rounded cosine does not.
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    return float(2 * np.arctan2(np.linalg.norm(a - b), np.linalg.norm(a + b)))


def starc(
    mdp: TabularMDP, first: NDArray, second: NDArray, *, policy: NDArray | None = None
) -> float:
    """Return a STARC distance between two rewards, in [0, 1].

    Half the L2 distance between the normalised canonical rewards; a trivial reward
    normalises to 0.

    Args:
        mdp: The process.
        first: (S, A).
        second: (S, A).
        policy: Canonicalise by VAL, R - V^pi + gamma E V^pi, with this policy; by the
            minimal L2 norm where None.
    """
    forms = []
    for R in (first, second):
        R = np.asarray(R, np.float64)
        form = canonical(mdp, R) if policy is None else _val(mdp, R, policy)
        size = np.linalg.norm(form)
        trivial = size <= 1e-12 * max(1.0, float(np.abs(R).max()))
        forms.append(np.zeros_like(form) if trivial else form / size)
    return float(np.linalg.norm(forms[0] - forms[1]) / 2)


def _val(mdp: TabularMDP, R: NDArray, policy: NDArray) -> NDArray[np.float64]:
    pi = policy_matrix(mdp, policy)
    P = np.einsum("sa,sat->st", pi, mdp.P)
    V = np.linalg.solve(np.eye(mdp.states) - mdp.gamma * P, (pi * R).sum(1))
    return R - V[:, None] + mdp.gamma * mdp.P @ V


def epic(
    first: NDArray,
    second: NDArray,
    gamma: float,
    *,
    states: NDArray | None = None,
    actions: NDArray | None = None,
    coverage: NDArray | None = None,
) -> float:
    """Return the EPIC distance, in [0, 1]; it needs no dynamics.

    sqrt((1 - rho) / 2), rho the Pearson correlation under the coverage of
    C(R)(s,a,s') = R + E[gamma R(s',A,S') - R(s,A,S') - gamma R(S,A,S')].

    Args:
        first: (S, A, S) reward of a transition.
        second: (S, A, S).
        gamma: Discount.
        states: (S,) distribution of S and S'; uniform where None.
        actions: (A,) distribution of A; uniform where None.
        coverage: (S, A, S) distribution of transitions; uniform where None.
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if first.ndim != 3 or first.shape != second.shape or first.shape[0] != first.shape[2]:
        raise InputError(f"EPIC takes rewards (S, A, S); got {first.shape} and {second.shape}.")
    S, A, _ = first.shape
    d = np.full(S, 1 / S) if states is None else np.asarray(states, np.float64)
    u = np.full(A, 1 / A) if actions is None else np.asarray(actions, np.float64)
    forms = []
    for R in (first, second):
        mean = np.einsum("a,sat,t->s", u, R, d)  # E R(s, A, S')
        forms.append(R + gamma * mean[None, None, :] - mean[:, None, None] - gamma * d @ mean)
    return _pearson(forms[0], forms[1], coverage)


def dard(
    mdp: TabularMDP,
    first: NDArray,
    second: NDArray,
    *,
    actions: NDArray | None = None,
    coverage: NDArray | None = None,
) -> float:
    """Return the DARD distance, in [0, 1]: EPIC with next states drawn from the dynamics.

    R + E[gamma R(s',A,S'') - R(s,A,S') - gamma R(S',A,S'')], S' ~ P(s,A), S'' ~ P(s',A) in
    both terms that have it, so that shaping cancels.

    Args:
        mdp: The process; its rows must sum to 1.
        first: (S, A, S) reward of a transition.
        second: (S, A, S).
        actions: (A,) distribution of A; uniform where None.
        coverage: (S, A, S) distribution of transitions; that of uniform pairs where None.
    """
    S, A = mdp.R.shape
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if first.shape != (S, A, S) or second.shape != (S, A, S):
        raise InputError(f"DARD takes rewards (S, A, S) = {(S, A, S)}; got {first.shape}.")
    u = np.full(A, 1 / A) if actions is None else np.asarray(actions, np.float64)
    weights = mdp.P / mdp.P.sum() if coverage is None else coverage
    forms = []
    for R in (first, second):
        mean = np.einsum("a,sat,sat->s", u, mdp.P, R)  # E R(s, A, S')
        # E R(S', A, S''), (s, s')
        across = np.einsum("a,sax,tay,xay->st", u, mdp.P, mdp.P, R, optimize=True)
        forms.append(R + mdp.gamma * (mean[None, :] - across)[:, None, :] - mean[:, None, None])
    return _pearson(forms[0], forms[1], weights)


def _pearson(first: NDArray, second: NDArray, coverage: NDArray | None) -> float:
    """Return sqrt((1 - rho) / 2) under a distribution; InputError for a constant form."""
    w = np.full(first.shape, 1 / first.size) if coverage is None else np.asarray(coverage, float)
    if w.shape != first.shape or (w < 0).any() or abs(w.sum() - 1) > 1e-9:
        raise InputError(f"the coverage must be a distribution of shape {first.shape}.")
    centred = []
    for form in (first, second):
        c = np.sqrt(w) * (form - (w * form).sum())
        size = np.linalg.norm(c)
        if size <= 1e-12 * max(1.0, float(np.abs(form).max())):
            raise InputError("a reward is constant after canonicalisation: it has no correlation.")
        centred.append(c / size)
    # |a - b|^2 = 2 - 2 rho, without the rounding of 1 - rho.
    return float(np.linalg.norm(centred[0] - centred[1]) / 2)
