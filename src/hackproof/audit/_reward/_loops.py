"""Loops that pay: short action sequences that return to where they began, paid every time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hackproof.audit._reward import _spaces
from hackproof.audit._reward._episodes import Budget, BudgetSpent, Episode, run
from hackproof.audit._reward._target import Target

if TYPE_CHECKING:
    from numpy.typing import NDArray

TIMES, STEPS = 8, 32
"""A sequence is repeated so often, or for so many steps, whichever is more."""
LEAST = 4
"""Periods that must be seen. A period may be several repeats: a lap of eight is eight times on."""
LONGEST = 8
"""Actions in a sequence, at most."""
CLOSE = 1e-3
"""Distance of two observations that counts as a return, in random-policy deviations."""
BETTER = 0.5
"""How much better the truth must be elsewhere, in deviations of random episodes' rates."""


@dataclass(frozen=True)
class Loop:
    """A loop that pays."""

    seed: int
    """Of the reset."""
    prefix: list[Any]
    """Actions that lead to it."""
    actions: list[Any]
    """The sequence that is repeated."""
    times: int
    """How often it was repeated."""
    idle: bool
    """Whether the observation never moves."""
    proxy: float
    """Proxy per step of the loop, without its first period."""
    true: float
    """True reward per step; NaN where there is none."""
    better: Episode | None
    """An episode that the truth likes more and the proxy less, per step."""


def sequences(space: Any, rng: np.random.Generator) -> Iterator[list[Any]]:
    """Yield sequences: each constant, each ordered pair, then random ones for ever."""
    fixed = _spaces.constants(space)
    yield from ([a] for a in fixed)
    pairs = [[a, b] for a, b in itertools.permutations(range(len(fixed)), 2)]
    for i in rng.permutation(len(pairs)):
        yield [fixed[j] for j in pairs[i]]
    while True:
        length = int(rng.integers(1, LONGEST + 1))
        yield [_spaces.sample(space, rng) for _ in range(length)]


def find_loops(
    target: Target,
    env: Any,
    episodes: Sequence[Episode],
    *,
    horizon: int,
    steps: int,
    seed: int,
) -> list[Loop]:
    """Return the loops found within the budget, best paid first.

    A loop pays where every period after the first returns to its own start, earns more than
    nothing, and earns more a step than the random policy does.

    Args:
        target: What is audited.
        env: A copy of its environment.
        episodes: What was gathered; the random policy's fix the scales.
        horizon: Steps in an episode, at most.
        steps: Environment steps to use.
        seed: Of the search.
    """
    random = [e for e in episodes if e.policy == "random"] or list(episodes)
    scale = np.concatenate([e.observations for e in random]).std(0)
    scale = np.where(scale > 1e-9, scale, 1.0)
    usual = float(np.concatenate([e.proxy for e in random]).mean())
    rng, budget = np.random.default_rng([seed, 6]), Budget(steps)
    found: list[Loop] = []
    tried = sequences(env.action_space, rng)
    listed = list(itertools.islice(tried, 64))
    for start in itertools.count():
        # Every listed sequence from every start; in between new ones.
        for loop in [*listed, *itertools.islice(tried, len(listed) // 4)]:
            prefix = [] if start == 0 else _prefix(env.action_space, rng, start)
            wanted = max(TIMES, -(-STEPS // len(loop)))
            times = min(wanted, (horizon - len(prefix)) // len(loop))
            if times < LEAST:
                continue
            listed_actions = prefix + loop * times
            try:
                episode = run(
                    target, env, lambda t, _, a=listed_actions: a[t], seed=seed + start,
                    horizon=len(listed_actions), budget=budget, policy="loop",
                )  # fmt: skip
            except BudgetSpent:
                return sorted(found, key=lambda e: -e.proxy)
            made = judge(episode, len(prefix), len(loop), scale, usual)
            if made is not None:
                repeats, proxy, true, idle = made
                better = better_episode(proxy, true, episodes, random)
                found.append(
                    Loop(
                        seed + start, prefix, loop * repeats, times // repeats, idle, proxy, true,
                        better,
                    )
                )  # fmt: skip
    return found  # not reached: the count has no end


def _prefix(space: Any, rng: np.random.Generator, start: int) -> list[Any]:
    return [_spaces.sample(space, rng) for _ in range(int(rng.integers(0, 2 + start)))]


def judge(
    episode: Episode, prefix: int, length: int, scale: NDArray, usual: float
) -> tuple[int, float, float, bool] | None:
    """Return repeats in a period, proxy and true reward per step, and idleness of a loop that pays.

    None where it does not return, does not pay in every period, or pays no more than usual.
    The first period is left out: it may lead into the loop.
    """
    states, whole = episode.observations / scale, (len(episode) - prefix) // length
    for repeats in range(1, whole // LEAST + 1):
        period, periods = length * repeats, whole // repeats
        ends = prefix + period * np.arange(1, periods + 1)
        if np.abs(np.diff(states[ends], axis=0)).max() > CLOSE:
            continue
        kept = slice(int(ends[0]), int(ends[-1]))
        paid = episode.proxy[kept].reshape(periods - 1, period).sum(1)
        rate = float(paid.mean()) / period
        if paid.min() <= 0 or rate <= usual + 1e-9 * (1 + abs(usual)):
            return None
        idle = bool(np.abs(np.diff(states[kept], axis=0)).max(initial=0.0) <= CLOSE)
        return repeats, rate, float(episode.true[kept].mean()), idle
    return None


def better_episode(
    proxy: float, true: float, episodes: Sequence[Episode], random: Sequence[Episode]
) -> Episode | None:
    """Return the episode with the best truth that the proxy pays less a step, if clearly better."""
    if np.isnan(true):
        return None
    margin = BETTER * float(np.std([e.true.mean() for e in random]))
    known = [
        e for e in episodes if e.proxy.mean() < proxy and e.true.mean() > true + max(margin, 1e-9)
    ]
    return max(known, key=lambda e: e.true.mean(), default=None)
