"""Reward models under a KL penalty: contextual bandits, as in RLHF.

Contexts s ~ mu0; the learner's policy maximises E Rhat - lambda KL(pi || pi_ref), which is
pi(a | s) proportional to pi_ref(a | s) exp(Rhat(s, a) / lambda). Sources: Fluri et al. 2025,
section 4 and Theorem 6.1, https://arxiv.org/abs/2406.15753; the exact radius is derived.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hackproof.errors import InputError
from hackproof.theory._regret import checked_level

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class KLRadius:
    """The least weighted absolute error that makes the KL-regularised optimum bad."""

    lower: float
    """In units of range R; infinite where no reward makes it bad."""
    upper: float
    reward: NDArray[np.float64] | None
    """(S, A) a learned reward whose error is `upper` and whose optimum is bad."""


@dataclass(frozen=True)
class Bandit:
    """Contexts, a true reward and a reference policy."""

    R: NDArray[np.float64]
    """(S, A)."""
    mu0: NDArray[np.float64]
    """(S,)."""
    reference: NDArray[np.float64]
    """(S, A) pi_ref, positive."""
    weight: float
    """lambda, above 0."""

    def __post_init__(self) -> None:
        R, mu0, ref = (np.asarray(x, np.float64) for x in (self.R, self.mu0, self.reference))
        if R.ndim != 2 or mu0.shape != R.shape[:1] or ref.shape != R.shape:
            raise InputError(
                f"a bandit needs R (S, A), mu0 (S,) and reference (S, A); got {R.shape}, "
                f"{mu0.shape}, {ref.shape}."
            )
        if not np.isfinite(R).all():
            s, a = np.argwhere(~np.isfinite(R))[0]
            raise InputError(f"R[{s}, {a}] is {R[s, a]}; it must be finite.")
        if (mu0 < 0).any() or abs(mu0.sum() - 1) > 1e-9:
            raise InputError(f"mu0 sums to {mu0.sum():.12g}; it must be a distribution.")
        if (ref <= 0).any() or (abs(ref.sum(1) - 1) > 1e-9).any():
            s = int(np.argmax((abs(ref.sum(1) - 1) > 1e-9) | (ref <= 0).any(1)))
            raise InputError(
                f"reference[{s}] must be positive and sum to 1; it sums to {ref[s].sum():.12g}."
            )
        if not 0 < self.weight < np.inf:
            raise InputError(f"lambda is {self.weight}; it must be above 0.")
        if np.ptp(R) == 0:
            raise InputError(f"every reward is {R.flat[0]:g}: regret is undefined.")
        for name, value in (("R", R), ("mu0", mu0), ("reference", ref)):
            object.__setattr__(self, name, value)

    def optimum(self, reward: NDArray) -> NDArray[np.float64]:
        """Return the policy that a learned reward leads to, (S, A)."""
        exponent = np.log(self.reference) + np.asarray(reward) / self.weight
        exponent = exponent - exponent.max(1, keepdims=True)
        policy = np.exp(exponent)
        return policy / policy.sum(1, keepdims=True)

    def regret(self, policy: NDArray) -> float:
        """Return the normalised regret of a policy under the true reward, in [0, 1]."""
        best, worst = self.mu0 @ self.R.max(1), self.mu0 @ self.R.min(1)
        if best == worst:
            raise InputError("every policy earns the same: regret is undefined.")
        return float((best - self.mu0 @ (policy * self.R).sum(1)) / (best - worst))


def context_attack(
    R: NDArray, D: NDArray, reference: NDArray, weight: float, bound: float
) -> tuple[float, NDArray[np.float64] | None]:
    """Return the least sum D |x| such that R + x brings one context to at most `bound`, and x.

    With k_a = pi_ref(a) e^(R_a / lambda) |R_a - b| the value is at most b iff the sum over good
    actions of k e^(x / lambda) is at most that over bad ones. Lowering good ones is a
    waterfilling; of the bad ones at most one is raised. Each choice leaves a problem in one
    variable with finitely many candidates.

    Args:
        R: (A,) true reward.
        D: (A,) weights, not negative.
        reference: (A,) pi_ref.
        weight: lambda.
        bound: b.

    Returns:
        The cost and x, (A,); infinity and None where no action lies below b.
    """
    k = reference * np.exp((R - R.max()) / weight) * np.abs(R - bound)
    good, bad = bound < R, bound > R
    have, need = float(k[bad].sum()), float(k[good].sum())
    x = np.zeros(len(R))
    if need <= have:
        return 0.0, x
    if not bad.any():
        return float("inf"), None
    enough = weight * (np.log(need / k[bad].min()) + 1)
    if (unseen := np.flatnonzero(bad & (D == 0))).size:
        x[unseen[0]] = enough
        return 0.0, x
    free = good & (D == 0)
    x[free] = -weight * (np.log(max(need / have, 1.0)) + 50)  # lowered for nothing
    paid = np.flatnonzero(good & ~free)
    if k[paid].sum() <= have * (1 - 1e-12):
        return 0.0, x
    paid = paid[np.argsort(k[paid] / D[paid])]
    kg, dg = k[paid], D[paid]

    def lowered(total: float) -> NDArray[np.float64]:
        """Return what the good terms become, the cheapest way to a total."""
        return kg if total >= kg.sum() else np.minimum(kg, _water(kg, dg, total) * dg)

    def cost(j: int, z: float) -> float:
        terms = lowered(have - k[j] + z)
        return weight * float(D[j] * np.log(z / k[j]) + (dg * np.log(kg / terms)).sum())

    choices = []
    for j in map(int, np.flatnonzero(bad)):
        rest, top = have - k[j], float(kg.sum()) - (have - k[j])
        candidates = [k[j], top]
        for i in range(len(kg)):
            # A piece of the water level: the first i actions are not lowered.
            kept, still = kg[:i].sum(), dg[i:].sum()
            if still != D[j]:
                candidates.append(D[j] * (rest - kept) / (still - D[j]))
            candidates.append(kept + still * kg[i] / dg[i] - rest)
        choices += [(cost(j, z), j, z) for z in candidates if k[j] <= z <= top]
    best, j, z = min(choices)
    x[paid] = weight * np.log(lowered(have - k[j] + z) / kg)
    x[j] = weight * np.log(z / k[j])
    return best, x


def _water(kg: NDArray, dg: NDArray, total: float) -> float:
    """Return nu with sum min(k, nu D) = total; k / D rises."""
    kept = np.concatenate([[0.0], np.cumsum(kg)[:-1]])
    still = dg.sum() - np.concatenate([[0.0], np.cumsum(dg)[:-1]])
    levels = (total - kept) / still
    for i, level in enumerate(levels):
        if level <= kg[i] / dg[i] * (1 + 1e-12):
            return float(level)
    return float(levels[-1])


def kl_bandit_radius(bandit: Bandit, D: NDArray, L: float, *, grid: int = 200) -> KLRadius:
    """Return the safety radius of a bandit under a KL penalty, E_D |Rhat - R| / range R.

    One context: exact. Several: sum mu0 e_s(b_s) is minimised over how the contexts share
    the threshold, sum mu0 b_s <= b, on a grid; since each e_s falls, the two ends of every
    grid interval bracket it.

    Args:
        bandit: Contexts, true reward, reference policy and lambda.
        D: (S, A) data distribution over pairs, sums to 1.
        L: Normalised regret that counts as bad, in [0, 1].
        grid: Points per context where there are several.
    """
    D, L = np.asarray(D, np.float64), checked_level(L)
    R, mu0 = bandit.R, bandit.mu0
    if D.shape != R.shape or (D < 0).any() or abs(D.sum() - 1) > 1e-9:
        raise InputError(f"D must be a distribution of shape {R.shape}; it sums to {D.sum():.12g}.")
    span = float(np.ptp(R))
    best, worst = float(mu0 @ R.max(1)), float(mu0 @ R.min(1))
    if best == worst:
        raise InputError("every policy earns the same: regret is undefined.")
    bound = best - L * (best - worst)
    drawn = np.flatnonzero(mu0 > 0)
    now = (bandit.optimum(R) * R).sum(1)
    if mu0 @ now <= bound + 1e-12 * span:
        return KLRadius(0.0, 0.0, R)
    if len(drawn) == 1:
        s = int(drawn[0])
        cost, x = context_attack(R[s], D[s], bandit.reference[s], bandit.weight, bound)
        reward = None
        if x is not None:
            reward = R.copy()
            reward[s] += x
        return KLRadius(cost / span, cost / span, reward)
    # Spent: how far below its present value each context is brought, in whole cells.
    need = float(mu0 @ now - bound)
    cells = grid * len(drawn)
    unit = need / cells
    low = high = np.concatenate([[0.0], np.full(cells, np.inf)])
    shares, attacks = [], []
    for s in drawn:
        count = min(cells, int(np.ceil(mu0[s] * (now[s] - R[s].min()) / unit)))
        found = [
            context_attack(R[s], D[s], bandit.reference[s], bandit.weight, b)
            for b in now[s] - np.arange(count + 1) * unit / mu0[s]
        ]
        costs = np.array([cost for cost, _ in found])
        # A fall of up to i cells costs at least what i - 1 whole cells cost.
        low, _ = _share(low, np.concatenate([[0.0], costs[:-1]]))
        high, share = _share(high, costs)
        shares.append(share)
        attacks.append([x for _, x in found])
    reward, left = R.copy(), cells
    for s, share, found in zip(drawn[::-1], shares[::-1], attacks[::-1], strict=True):
        x = found[share[left]]
        if x is None:
            return KLRadius(float(low[-1]) / span, float("inf"), None)
        reward[s] += x
        left = max(0, left - share[left])
    return KLRadius(float(low[-1]) / span, float(high[-1]) / span, reward)


def _share(total: NDArray, costs: NDArray) -> tuple[NDArray, NDArray]:
    """Return the least cost of at least each number of cells, and the cells of this context."""
    cells = np.arange(len(total))
    before = np.maximum(cells[:, None] - np.arange(len(costs))[None, :], 0)
    sums = total[before] + costs[None, :]
    share = sums.argmin(1)
    return sums[cells, share], share


@dataclass(frozen=True)
class RLHFCondition:
    """Theorem 6.1: rare bad answers make the reference data unsafe."""

    unsafe: bool
    """Whether the witness's exact error is at most eps range R."""
    error: float
    """E KL(p_R || p_Rhat) of the witness, in units of range R."""
    closed_form: bool
    """Whether the theorem's own condition on pi_ref holds, which implies `unsafe`."""
    actions: NDArray[np.int64]
    """(S,) the bad answer that is raised in each context; -1 where there is none."""
    reward: NDArray[np.float64] | None
    """(S, A) the learned reward; its optimum has regret >= L."""


def rlhf_unsafe_condition(bandit: Bandit, eps: float, L: float) -> RLHFCondition:
    """Return whether preference data from pi_ref itself is unsafe, by Theorem 6.1's witness.

    In every context one action worse than (1 - L) max R + L min R is raised to
    max R + lambda log(k / pi_ref), k = L range / ((1 - L) max R + L min R - R). Sufficient,
    not necessary: that the witness fails does not make the data safe.

    Args:
        bandit: Contexts, true reward, reference policy and lambda.
        eps: Error, of Bradley-Terry preferences between two draws from pi_ref.
        L: Normalised regret that counts as bad, in (0, 1).
    """
    if not 0 < L < 1:
        raise InputError(f"the regret L is {L}; Theorem 6.1 needs it in (0, 1).")
    if not 0 <= eps < np.inf:
        raise InputError(f"eps is {eps}; it must be finite and not negative.")
    R, ref, lam = bandit.R, bandit.reference, bandit.weight
    span = float(np.ptp(R))
    reward, chosen, error, closed = R.copy(), np.full(len(R), -1), 0.0, True
    for s in np.flatnonzero(bandit.mu0 > 0):
        top, bottom = R[s].max(), R[s].min()
        line = (1 - L) * top + L * bottom
        best = np.inf
        rare = False
        for a in np.flatnonzero(R[s] < line):
            k = L * (top - bottom) / (line - R[s, a])
            raised = R[s].copy()
            raised[a] = max(top + lam * np.log(k / ref[s, a]), R[s, a])
            kl = pairwise_kl(R[s], raised, ref[s])
            if kl < best:
                best, chosen[s], reward[s] = kl, a, raised
            limit = (line - R[s, a]) / L * span * np.exp(-span / lam) * eps**2 / (4 * lam**2)
            rare = rare or bool(ref[s, a] <= limit)
        closed = closed and rare
        error += bandit.mu0[s] * best
    if not np.isfinite(error):
        return RLHFCondition(False, float("inf"), False, chosen, None)
    return RLHFCondition(bool(error <= eps * span), error / span, closed, chosen, reward)


def pairwise_kl(R: NDArray, learned: NDArray, reference: NDArray) -> float:
    """Return E KL(p_R || p_learned) of preferences between two draws from a reference, nats."""
    d, e = R[:, None] - R[None, :], learned[:, None] - learned[None, :]
    p = 1 / (1 + np.exp(-d))
    log = p * (np.logaddexp(0, -e) - np.logaddexp(0, -d))
    log += (1 - p) * (np.logaddexp(0, e) - np.logaddexp(0, d))
    return float((reference[:, None] * reference[None, :] * log).sum())
