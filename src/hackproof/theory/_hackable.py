"""Whether optimising one reward can lower another (Skalse et al. 2022, arXiv 2209.13085).

A pair (R1, R2) is hackable on a set of policies where some two of them are ordered one way by
J1 and the other way by J2, both strictly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hackproof.errors import InputError
from hackproof.theory._attack import flow_matrix
from hackproof.theory._distance import canonical
from hackproof.theory._mdp import TabularMDP, policy_return

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True)
class Hack:
    """Two policies that the rewards order differently."""

    before: Any
    """A policy, or an occupancy measure (S, A) where all policies were asked about."""
    after: Any
    """Better by the first reward, worse by the second."""
    first_change: float
    """J1(after) - J1(before), above 0."""
    second_change: float
    """J2(after) - J2(before), below 0."""


def hackable(
    mdp: TabularMDP, other: NDArray, policies: Sequence[NDArray] | None = None
) -> Hack | None:
    """Return two policies that show the pair hackable, or None where it is unhackable.

    Args:
        mdp: The process; its reward is the one that is optimised, R1.
        other: (S, A) the other reward, R2.
        policies: A finite set of policies; all stationary policies where None.
    """
    if policies is None:
        return _among_all(mdp, other)
    returns = [(policy_return(mdp, p), policy_return(mdp, p, other)) for p in policies]
    slack = 1e-9 * max(1.0, float(np.abs(returns).max()))
    order = sorted(range(len(policies)), key=lambda i: returns[i][0])
    best: int | None = None
    waiting: list[int] = []
    for i in order:
        # Only policies that are strictly worse by the first reward may be the earlier one.
        while waiting and returns[waiting[0]][0] < returns[i][0] - slack:
            j = waiting.pop(0)
            if best is None or returns[j][1] > returns[best][1]:
                best = j
        if best is not None and returns[i][1] < returns[best][1] - slack:
            a, b = returns[best], returns[i]
            return Hack(policies[best], policies[i], b[0] - a[0], b[1] - a[1])
        waiting.append(i)
    return None


def _among_all(mdp: TabularMDP, other: NDArray) -> Hack | None:
    """Return occupancies of two policies, by a linear program.

    On all stationary policies a pair is unhackable iff one reward is trivial or both are the
    same up to shaping and a positive factor: their canonical forms are parallel.
    """
    from scipy.optimize import linprog
    from scipy.sparse import block_array

    first, second = canonical(mdp, mdp.R), canonical(mdp, other)
    sizes = np.linalg.norm(first), np.linalg.norm(second)
    if min(sizes) <= 1e-9 * max(1.0, np.abs(mdp.R).max(), np.abs(other).max()):
        return None
    cosine = float((first * second).sum() / (sizes[0] * sizes[1]))
    if cosine >= 1 - 1e-12:
        return None
    A, n = flow_matrix(mdp), mdp.R.size
    R1, R2 = mdp.R.ravel(), np.asarray(other, np.float64).ravel()
    # Maximise the fall of J2 while J1 rises by at least a small part of what it can.
    gain = linprog(-R1, A_eq=A, b_eq=mdp.mu0, bounds=(0, None)).fun
    loss = linprog(R1, A_eq=A, b_eq=mdp.mu0, bounds=(0, None)).fun
    found = None
    for share in (0.5, 0.1, 0.01, 1e-3, 1e-5):
        rise = share * (-gain - loss)
        found = linprog(
            np.concatenate([-R2, R2]),
            A_ub=np.concatenate([R1, -R1])[None], b_ub=[-rise],
            A_eq=block_array([[A, None], [None, A]]), b_eq=np.concatenate([mdp.mu0, mdp.mu0]),
            bounds=(0, None), method="highs",
        )  # fmt: skip
        if found.status == 0 and found.fun < -1e-9 * np.abs(R2).max():
            before, after = found.x[:n].reshape(mdp.R.shape), found.x[n:].reshape(mdp.R.shape)
            change = after - before
            return Hack(
                before, after, float((change * mdp.R).sum()), float((change.ravel() * R2).sum())
            )
    return None


def simplifiable(mdp: TabularMDP, policies: Sequence[NDArray]) -> bool:
    """Return whether a reward has a non-trivial simplification on a finite set of policies.

    A simplification keeps ties and orders nothing the other way, and makes some strict order
    a tie. With classes of equal J, each class's occupancies translated so that one is 0, it
    exists iff dim span(union of the classes) <= dim aff(all occupancies) - 2 (after Skalse et
    al. 2022; recalled, not read again).

    Raises:
        InputError: no policy given.
    """
    from hackproof.theory._mdp import occupancy

    if not policies:
        raise InputError("simplifiable needs at least one policy.")
    points = np.array([occupancy(mdp, p).ravel() for p in policies])
    returns = points @ mdp.R.ravel()
    slack = 1e-9 * max(1.0, float(np.abs(returns).max()))
    order = np.argsort(returns)
    classes, current = [], [order[0]]
    for i in order[1:]:
        if returns[i] - returns[current[0]] > slack:
            classes.append(current)
            current = []
        current.append(i)
    classes.append(current)
    within = [points[c] - points[c[0]] for c in classes]
    span = _rank(np.concatenate(within))
    affine = _rank(points - points[0])
    return span <= affine - 2


def _rank(rows: NDArray) -> int:
    return int(np.linalg.matrix_rank(rows, tol=1e-8)) if np.abs(rows).max() > 1e-12 else 0
