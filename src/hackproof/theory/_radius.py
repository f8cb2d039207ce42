"""The safety radius: how wrong a learned reward must be before optimising it goes badly.

    eps*(D, L) = min { E_D |Rhat - R| / range R : a policy of regret >= L is optimal for Rhat }

A data distribution D is safe at error eps exactly where eps < eps*(D, L). Source: Fluri et al.
2025, Definition 2.1, https://arxiv.org/abs/2406.15753; the computation is derived.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hackproof.errors import InputError, unknown
from hackproof.theory import _milp
from hackproof.theory._attack import (
    Attack,
    bellman_gap,
    flow_matrix,
    reachable,
    solve_attack,
    visited,
)
from hackproof.theory._bounds import instance_bound, prop32_bound
from hackproof.theory._enumerate import bad_policies, count_policies, filled, support
from hackproof.theory._mdp import TabularMDP, optimal_policy, policy_return, q_values
from hackproof.theory._regret import Scale, checked_distribution, checked_level, scale

if TYPE_CHECKING:
    from numpy.typing import NDArray

METHODS = ("auto", "enumerate", "milp", "bounds")
FEW = 300
"""Policies up to which `auto` enumerates."""
AGREE = 1e-5
"""Relative difference up to which the solver's bound counts as meeting the attack's cost."""


@dataclass(frozen=True)
class Leaf:
    """One bad policy and the circulation that bounds what it costs to make it optimal."""

    policy: NDArray[np.int64]
    """(S,) actions; -1 in states that it never reaches."""
    flow: NDArray[np.float64] | None
    """(S, A); None where frozen pairs forbid that policy to be optimal."""
    cost: float


@dataclass(frozen=True)
class SafetyRadius:
    """eps*(D, L) between two numbers, with what proves each."""

    lower: float
    """Every error below it is safe, in units of range R."""
    upper: float
    """At this error the witness is bad; infinite where no reward makes a bad policy optimal."""
    exact: bool
    """Whether the two were proven equal."""
    lower_proof: str
    """enumeration (see `leaves`), solver (the bound rests on HiGHS), or bound (a theorem's)."""
    witness_policy: NDArray[np.int64] | None
    """(S,) a policy of regret >= L, optimal for `witness_reward`."""
    witness_reward: NDArray[np.float64] | None
    """(S, A) a learned reward whose error is `upper`."""
    certificate_flow: NDArray[np.float64] | None
    """(S, A) proves that no reward makes the witness policy optimal at less error."""
    leaves: tuple[Leaf, ...] = ()
    """Of an enumeration: every bad policy, with its circulation."""


def safety_radius(
    mdp: TabularMDP,
    D: NDArray,
    L: float,
    method: str = "auto",
    time_limit: float | None = None,
) -> SafetyRadius:
    """Return the safety radius of a data distribution.

    Args:
        mdp: The process, with the true reward.
        D: (S, A) data distribution, sums to 1.
        L: Normalised regret from which on a policy is bad, in [0, 1].
        method: enumerate (every policy), milp (HiGHS), bounds (no search), or auto, which
            enumerates a few hundred policies and otherwise takes milp where D is positive
            on all pairs that can be reached, and bounds elsewhere.
        time_limit: Seconds for milp; when it runs out the bounds found so far are returned.

    Raises:
        InputError: bad numbers, a constant reward or return, or an enumeration that is
            hopeless.
    """
    D, L = checked_distribution(mdp, D), checked_level(L)
    if method not in METHODS:
        raise unknown("method", method, METHODS)
    ends = scale(mdp)
    # Only what can be reached matters, and a positive D there is what milp needs.
    covered = bool((D[reachable(mdp)] > 0).all())
    if method == "auto":
        few = count_policies(mdp, FEW) < FEW
        method = "enumerate" if few else "milp" if covered else "bounds"
    if method == "milp" and not covered:
        s, a = np.argwhere((D == 0) & reachable(mdp))[0]
        raise InputError(
            f"D[{s}, {a}] is 0, where the milp has no finite bound on the reward; use "
            "method='enumerate' or 'bounds'."
        )
    if method == "enumerate":
        return _enumerated(mdp, D, ends, ends.threshold(L))
    started = time.monotonic()
    incumbent = find_attack(mdp, D, ends.threshold(L))
    bound = max(prop32_bound(mdp, D, L), instance_bound(mdp, D, L)) * ends.reward_range
    # Where frozen pairs forbid every attack that was tried, milp has nothing to start from.
    if method == "bounds" or np.isinf(incumbent.attack.cost):
        return _result(mdp, ends, incumbent, min(bound, incumbent.attack.cost), False, "bound")
    left = None if time_limit is None else time_limit - (time.monotonic() - started)
    kept = np.flatnonzero(reachable(mdp).any(1))
    found = _milp.solve(
        _restricted(mdp, kept), D[kept], ends.threshold(L), incumbent.attack.cost, left
    )
    best = incumbent
    if found.policy is not None:
        policy = np.full(mdp.states, -1)
        policy[kept] = found.policy
        again = _candidate(mdp, D, policy)
        if again.attack.cost < best.attack.cost and again.value <= ends.threshold(L):
            best = again
    cost = best.attack.cost
    lower = min(max(bound, found.bound), cost)
    # The solver works to tolerances: its bound must meet the attack that was solved again.
    exact = cost - lower <= AGREE * max(cost, 1e-3 * D[kept].max() * ends.reward_range)
    return _result(mdp, ends, best, cost if exact else lower, exact, "solver")


def _restricted(mdp: TabularMDP, kept: NDArray[np.int64]) -> TabularMDP:
    """Return the process on the states that can be reached; the others decide nothing."""
    frozen = None if mdp.frozen is None else mdp.frozen[kept]
    P = mdp.P[kept][:, :, kept]
    return TabularMDP(P, mdp.R[kept], mdp.gamma, mdp.mu0[kept], frozen)


@dataclass(frozen=True)
class Candidate:
    """A bad policy and the cheapest attack on it."""

    policy: NDArray[np.int64]
    value: float
    attack: Attack


def _candidate(mdp: TabularMDP, D: NDArray, policy: NDArray, conservation=None) -> Candidate:
    """Return the attack on a policy that may have -1 where it is not reached."""
    value = policy_return(mdp, filled(policy))
    pairs = visited(mdp, filled(policy))
    closed = np.where(pairs.any(1), filled(policy), -1)
    return Candidate(closed, value, solve_attack(mdp, D, pairs, conservation))


def _enumerated(mdp: TabularMDP, D: NDArray, ends: Scale, threshold: float) -> SafetyRadius:
    conservation = flow_matrix(mdp)
    leaves, best = [], None
    for policy in bad_policies(mdp, threshold):
        attack = solve_attack(mdp, D, support(mdp, policy), conservation)
        leaves.append(Leaf(policy, attack.flow, attack.cost))
        if best is None or attack.cost < best.attack.cost:
            best = Candidate(policy, policy_return(mdp, filled(policy)), attack)
    if best is None:
        raise InputError("no policy has a regret this high.")  # unreachable for L <= 1
    result = _result(mdp, ends, best, best.attack.cost, True, "enumeration")
    return SafetyRadius(**{**result.__dict__, "leaves": tuple(leaves)})


def _result(
    mdp: TabularMDP, ends: Scale, best: Candidate, lower: float, exact: bool, proof: str
) -> SafetyRadius:
    return SafetyRadius(
        lower=float(lower) / ends.reward_range,
        upper=float(best.attack.cost) / ends.reward_range,
        exact=exact,
        lower_proof=proof,
        witness_policy=best.policy if best.attack.reward is not None else None,
        witness_reward=best.attack.reward,
        certificate_flow=best.attack.flow,
    )


def find_attack(mdp: TabularMDP, D: NDArray, threshold: float, rounds: int = 12) -> Candidate:
    """Return a cheap attack by slope scaling and single changes; an upper bound only.

    A linear program picks a bad occupancy measure that pays D [-B_V]_+ once per visited pair,
    as far as a linear price can say so; the attack on its policy gives the next V.
    """
    from scipy.optimize import linprog

    conservation = flow_matrix(mdp)
    R = mdp.R.ravel()
    worst = optimal_policy(TabularMDP(mdp.P, -mdp.R, mdp.gamma, mdp.mu0))
    best = _candidate(mdp, D, worst, conservation)
    V = q_values(mdp, optimal_policy(mdp)).max(1)
    eta = None
    for _ in range(rounds):
        price = (D * np.maximum(-bellman_gap(mdp, V), 0)).ravel()
        if eta is not None:
            price = price / np.maximum(eta, 1e-3)
        found = linprog(
            price, A_ub=R[None], b_ub=[threshold], A_eq=conservation, b_eq=mdp.mu0,
            bounds=(0, None), method="highs",
        )  # fmt: skip
        if found.status != 0:
            break
        eta = np.asarray(found.x)
        moved = False
        for policy in _roundings(eta.reshape(mdp.R.shape)):
            if policy_return(mdp, policy) > threshold:
                continue
            candidate = _candidate(mdp, D, policy, conservation)
            if candidate.attack.cost < best.attack.cost - 1e-12:
                best, moved = candidate, True
            if candidate.attack.reward is not None:
                V = q_values(
                    TabularMDP(mdp.P, candidate.attack.reward, mdp.gamma, mdp.mu0), policy
                ).max(1)
        if not moved and eta is not None and _ > 3:
            break
    return _improve(mdp, D, threshold, best, conservation)


def _roundings(eta: NDArray) -> Iterator[NDArray[np.int64]]:
    """Yield deterministic policies near an occupancy measure, one per choice where it mixes."""
    likely = eta.argmax(1)
    yield likely
    for s in np.flatnonzero((eta > 1e-9).sum(1) > 1):
        for a in np.flatnonzero(eta[s] > 1e-9):
            if a != likely[s]:
                other = likely.copy()
                other[s] = a
                yield other


def _improve(
    mdp: TabularMDP,
    D: NDArray,
    threshold: float,
    best: Candidate,
    conservation,
    seconds: float = 2.0,
) -> Candidate:
    """Return the attack after single changes of the policy that make it cheaper."""
    until = time.monotonic() + seconds
    improved = True
    while improved and time.monotonic() < until:
        improved = False
        for s in np.flatnonzero(best.policy >= 0):
            for a in range(mdp.actions):
                if a == best.policy[s] or time.monotonic() > until:
                    continue
                policy = filled(best.policy).copy()
                policy[s] = a
                if policy_return(mdp, policy) > threshold:
                    continue
                candidate = _candidate(mdp, D, policy, conservation)
                if candidate.attack.cost < best.attack.cost - 1e-12:
                    best, improved = candidate, True
    return best
