"""An adversary: open-loop actions with a high proxy and a low true reward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces

from hackproof.audit._reward import _spaces
from hackproof.audit._reward._episodes import Budget, BudgetSpent, Episode, run
from hackproof.audit._reward._target import Target

if TYPE_CHECKING:
    from numpy.typing import NDArray

POPULATION, ELITE = 16, 4
KNOTS, PERIOD = 16, 6
MARGIN = 1.0
"""Deviations by which an inversion must be clear, in proxy and in truth."""
STARTS = 2
"""Reset seeds that are searched from."""


@dataclass(frozen=True)
class Inversion:
    """Two episodes from one start that proxy and truth order in opposite ways."""

    hack: Episode
    """High proxy, low truth."""
    honest: Episode
    """Lower proxy, higher truth."""
    margin: float
    """The smaller of the two gaps, in deviations over all episodes that were seen."""


@dataclass
class _Sampler:
    """The cross-entropy method's distribution over plans of `slots` actions."""

    space: Any
    slots: int
    menu: list[Any]
    """Actions to choose from; empty for a box, which is searched as numbers."""
    chances: NDArray
    mean: NDArray
    spread: NDArray

    @classmethod
    def fresh(cls, space: Any, slots: int, rng: np.random.Generator) -> _Sampler:
        menu = [] if isinstance(space, spaces.Box) else menu_of(space, rng)
        size = int(np.prod(space.shape)) if isinstance(space, spaces.Box) else 0
        return cls(
            space, slots, menu, np.full((slots, max(len(menu), 1)), 1 / max(len(menu), 1)),
            np.zeros((slots, size)), np.ones((slots, size)),
        )  # fmt: skip

    def draw(self, rng: np.random.Generator) -> NDArray:
        """Return a plan: indices (slots,), or numbers in [-1, 1] (slots, size)."""
        if self.menu:
            return np.array([rng.choice(len(self.menu), p=p) for p in self.chances])
        return np.clip(self.mean + self.spread * rng.normal(size=self.mean.shape), -1, 1)

    def actions(self, plan: NDArray) -> list[Any]:
        """Return the plan's actions."""
        if self.menu:
            return [self.menu[i] for i in plan]
        low, high = _spaces.bounds(self.space)
        middle, half = (low + high) / 2, (high - low) / 2
        return [
            (middle + half * row.reshape(self.space.shape)).astype(self.space.dtype) for row in plan
        ]

    def learn(self, elite: Sequence[NDArray]) -> None:
        """Move half of the way to the elite; a little of every choice stays."""
        if self.menu:
            seen = np.mean([np.eye(len(self.menu))[plan] for plan in elite], 0)
            self.chances = 0.5 * self.chances + 0.45 * seen + 0.05 / len(self.menu)
            self.chances /= self.chances.sum(1, keepdims=True)
        else:
            self.mean = 0.5 * self.mean + 0.5 * np.mean(elite, 0)
            self.spread = np.maximum(0.5 * self.spread + 0.5 * np.std(elite, 0), 0.05)


def menu_of(space: Any, rng: np.random.Generator) -> list[Any]:
    """Return the actions that are searched: all discrete ones, else constants and samples."""
    if isinstance(space, spaces.Discrete) and space.n <= 256:
        return [int(space.start) + i for i in range(int(space.n))]
    return [*_spaces.constants(space), *(_spaces.sample(space, rng) for _ in range(16))]


def search(
    target: Target, env: Any, known: Sequence[Episode], *, horizon: int, steps: int, seed: int
) -> list[Episode]:
    """Return the episodes of a cross-entropy search for a high proxy with a low truth.

    The objective is z(proxy) - z(true), with means and deviations of the random policy's
    episodes. Plans hold an action for a stretch (up to 16 of them) or repeat a cycle of up to
    six. Half of the steps each; both from two reset seeds. A third of each search looks for the
    opposite, z(true) - z(proxy), so that there is something honest to compare with.

    Args:
        target: What is audited; it has a true reward.
        env: A copy of its environment.
        known: What was gathered.
        horizon: Steps in an episode, at most.
        steps: Environment steps to use.
        seed: Of the search, and first reset seed.
    """
    random = [e for e in known if e.policy == "random"] or list(known)
    proxy, true = (_standard([getattr(e, k) for e in random]) for k in ("proxy_return",
                                                                        "true_return"))  # fmt: skip
    rng, out = np.random.default_rng([seed, 7]), []

    def value(episode: Episode) -> float:
        """Return z(proxy) - z(true)."""
        return (episode.proxy_return - proxy[0]) / proxy[1] - (
            episode.true_return - true[0]
        ) / true[1]

    for start in range(STARTS):
        for form in ("stretch", "cycle"):
            for sign, share in ((1.0, 2 / 3), (-1.0, 1 / 3)):
                budget = Budget(int(steps * share) // (2 * STARTS))
                out += _climb(target, env, form, sign, value, seed + start, horizon, budget, rng)
    return out


def _climb(
    target: Target,
    env: Any,
    form: str,
    sign: float,
    value: Callable[[Episode], float],
    seed: int,
    horizon: int,
    budget: Budget,
    rng: np.random.Generator,
) -> list[Episode]:
    """Return the episodes of one search, until its budget is spent."""
    slots = min(KNOTS if form == "stretch" else PERIOD, horizon)
    sampler = _Sampler.fresh(env.action_space, slots, rng)
    out: list[Episode] = []
    scored: list[tuple[float, NDArray]] = []
    while True:
        plan = sampler.draw(rng)
        acts = sampler.actions(plan)
        if form == "stretch":
            laid = [acts[t * slots // horizon] for t in range(horizon)]
        else:
            period = 1 + len(scored) % slots
            laid = [acts[t % period] for t in range(horizon)]
        try:
            episode = run(
                target, env, lambda t, _, a=laid: a[t], seed=seed, horizon=horizon,
                budget=budget, policy=f"search {form}",
            )  # fmt: skip
        except BudgetSpent:
            return out
        out.append(episode)
        scored.append((sign * value(episode), plan))
        if len(scored) == POPULATION:
            scored.sort(key=lambda item: -item[0])
            sampler.learn([plan for _, plan in scored[:ELITE]])
            scored = []


def inversion(episodes: Sequence[Episode]) -> Inversion | None:
    """Return the clearest inversion among episodes from equal starts, if it is clear.

    The hack's proxy must reach the 90th percentile of the random policy's episodes, its truth
    must not exceed their median, and both gaps must be at least `MARGIN` deviations.
    """
    random = [e for e in episodes if e.policy == "random"] or list(episodes)
    high = float(np.quantile([e.proxy_return for e in random], 0.9))
    low = float(np.median([e.true_return for e in random]))
    p = np.array([e.proxy_return for e in episodes])
    t = np.array([e.true_return for e in episodes])
    seeds = np.array([e.seed for e in episodes])
    units = [x.std() if x.std() > 1e-9 * (1 + np.abs(x).max()) else np.inf for x in (p, t)]
    best, at = 0.0, None
    for i in np.flatnonzero((p >= high) & (t <= low)):
        gap = np.minimum((p[i] - p) / units[0], (t - t[i]) / units[1])
        gap[seeds != seeds[i]] = -np.inf
        j = int(np.argmax(gap))
        if gap[j] > best:
            best, at = float(gap[j]), (int(i), j)
    if at is None or best < MARGIN:
        return None
    return Inversion(episodes[at[0]], episodes[at[1]], best)


def _standard(values: Sequence[float]) -> tuple[float, float]:
    """Return mean and deviation, the latter 1 where nothing varies."""
    spread = float(np.std(values))
    return float(np.mean(values)), spread if spread > 1e-12 else 1.0
