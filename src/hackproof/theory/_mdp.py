"""Finite Markov decision processes and exact planning on them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from hackproof.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class TabularMDP:
    """A finite MDP with state-action rewards.

    Rows of P may sum to less than 1: the missing mass is termination.
    """

    P: NDArray[np.float64] = field(repr=False)
    """(S, A, S) transition probabilities."""
    R: NDArray[np.float64] = field(repr=False)
    """(S, A) expected reward of a step."""
    gamma: float
    """Discount, in [0, 1)."""
    mu0: NDArray[np.float64] = field(repr=False)
    """(S,) initial distribution."""
    frozen: NDArray[np.bool_] | None = field(default=None, repr=False)
    """(S, A) pairs whose reward is known beyond doubt: a learned reward equals R there."""

    def __post_init__(self) -> None:
        P, R, mu0 = (np.asarray(x, np.float64) for x in (self.P, self.R, self.mu0))
        S, A = R.shape if R.ndim == 2 else (0, 0)
        if P.shape != (S, A, S) or mu0.shape != (S,) or S == 0 or A == 0:
            raise InputError(
                f"an MDP needs P (S, A, S), R (S, A) and mu0 (S,); got P {P.shape}, R {R.shape}, "
                f"mu0 {mu0.shape}."
            )
        for name, array in (("P", P), ("R", R), ("mu0", mu0)):
            if not np.isfinite(array).all():
                at = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
                raise InputError(f"{name}{list(at)} is {array[at]}; it must be finite.")
        if not 0 <= self.gamma < 1:
            raise InputError(f"gamma is {self.gamma}; it must lie in [0, 1).")
        if (P < 0).any():
            at = tuple(int(i) for i in np.argwhere(P < 0)[0])
            raise InputError(f"P{list(at)} is {P[at]}; a probability cannot be negative.")
        if (excess := P.sum(2) - 1).max() > 1e-9:
            s, a = np.unravel_index(int(excess.argmax()), excess.shape)
            raise InputError(f"P[{s}, {a}] sums to {P[s, a].sum():.12g}; it must not exceed 1.")
        if (mu0 < 0).any() or abs(mu0.sum() - 1) > 1e-9:
            raise InputError(f"mu0 sums to {mu0.sum():.12g}; it must be a distribution.")
        if self.frozen is not None:
            frozen = np.asarray(self.frozen)
            if frozen.shape != (S, A) or frozen.dtype != np.bool_:
                raise InputError(
                    f"frozen must be booleans of shape (S, A) = {(S, A)}; got {frozen.dtype} of "
                    f"shape {frozen.shape}."
                )
            object.__setattr__(self, "frozen", frozen)
        for name, array in (("P", P), ("R", R), ("mu0", mu0)):
            object.__setattr__(self, name, array)

    @property
    def states(self) -> int:
        """Number of states."""
        return self.R.shape[0]

    @property
    def actions(self) -> int:
        """Number of actions."""
        return self.R.shape[1]


def policy_matrix(mdp: TabularMDP, policy: NDArray) -> NDArray[np.float64]:
    """Return a policy as probabilities (S, A); `policy` is that or (S,) actions.

    Raises:
        InputError: another shape, or rows that are not distributions.
    """
    policy = np.asarray(policy)
    S, A = mdp.R.shape
    if policy.shape == (S,) and np.issubdtype(policy.dtype, np.integer):
        return np.eye(A)[policy]
    if policy.shape != (S, A):
        raise InputError(f"a policy is (S,) actions or (S, A) = {(S, A)}; got {policy.shape}.")
    if (policy < 0).any() or not np.allclose(policy.sum(1), 1, atol=1e-9):
        raise InputError("every row of a policy must be a distribution over actions.")
    return policy.astype(np.float64)


def occupancy(mdp: TabularMDP, policy: NDArray) -> NDArray[np.float64]:
    """Return the discounted occupancy measure eta (S, A).

    eta(s, a) = sum_t gamma^t P(s_t = s, a_t = a); it sums to 1 / (1 - gamma) where no
    episode terminates, and J(policy) = <eta, R>.
    """
    pi = policy_matrix(mdp, policy)
    P_pi = np.einsum("sa,sat->st", pi, mdp.P)
    visits = np.linalg.solve(np.eye(len(mdp.mu0)) - mdp.gamma * P_pi.T, mdp.mu0)
    return visits[:, None] * pi


def policy_return(mdp: TabularMDP, policy: NDArray, R: NDArray | None = None) -> float:
    """Return J(policy) = E sum_t gamma^t R(s_t, a_t) = <occupancy, R>.

    Args:
        mdp: The process.
        policy: (S,) actions or (S, A) probabilities.
        R: (S, A) another reward to value the policy by; the MDP's own where None.
    """
    R = mdp.R if R is None else np.asarray(R, np.float64)
    return float((occupancy(mdp, policy) * R).sum())


def q_values(mdp: TabularMDP, policy: NDArray) -> NDArray[np.float64]:
    """Return Q of a policy, (S, A): Q = R + gamma P v, v = (I - gamma P_pi)^-1 R_pi."""
    pi = policy_matrix(mdp, policy)
    P_pi = np.einsum("sa,sat->st", pi, mdp.P)
    v = np.linalg.solve(np.eye(len(mdp.mu0)) - mdp.gamma * P_pi, (pi * mdp.R).sum(1))
    return mdp.R + mdp.gamma * mdp.P @ v


def optimal_policy(mdp: TabularMDP, tolerance: float = 1e-12) -> NDArray[np.int64]:
    """Return an optimal policy, (S,) actions, by Howard's policy iteration.

    An action changes only where it gains more than `tolerance`, so that ties end. Source:
    Howard, Dynamic Programming and Markov Processes (1960).
    """
    policy = mdp.R.argmax(1)
    states = np.arange(len(policy))
    while True:
        Q = q_values(mdp, policy)
        best = Q.argmax(1)
        better = Q[states, best] > Q[states, policy] + tolerance
        if not better.any():
            return policy
        policy = np.where(better, best, policy)


def optimal_actions(mdp: TabularMDP, tolerance: float = 1e-9) -> NDArray[np.bool_]:
    """Return which actions are optimal in each state, (S, A) bool; ties are all kept."""
    Q = q_values(mdp, optimal_policy(mdp))
    return Q.max(1, keepdims=True) - Q <= tolerance * max(1.0, float(np.abs(Q).max()))


def return_range(mdp: TabularMDP, R: NDArray) -> tuple[float, float]:
    """Return the least and the greatest J over policies that are optimal for the MDP's own
    reward, valued by another reward `R` (S, A).

    This is what a learner may end at: where optimal actions tie under the proxy, the true
    reward of an optimal policy is a range.
    """
    allowed = optimal_actions(mdp)
    ends = []
    for sign in (-1.0, 1.0):
        # A forbidden action is never worth it: it costs more than any return can differ.
        bound = np.abs(R).max() / (1 - mdp.gamma) + 1
        reward = np.where(allowed, sign * R, -3 * bound / (1 - mdp.gamma))
        best = optimal_policy(TabularMDP(mdp.P, reward, mdp.gamma, mdp.mu0))
        ends.append(policy_return(mdp, best, R))
    return ends[0], ends[1]
