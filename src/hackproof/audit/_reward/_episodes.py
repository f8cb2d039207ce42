"""Episodes of a target under policies and under fixed actions, and the budget they use."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from hackproof.audit._reward import _spaces
from hackproof.audit._reward._target import Target, values
from hackproof.errors import HackproofError, InputError, RewardError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Policy = Callable[[int, Any, np.random.Generator], Any]
"""(step, observation, random numbers) -> action."""
HOLD = 5
"""Steps that the sweep holds an action."""


class BudgetSpent(Exception):
    """No steps are left for this check."""


@dataclass
class Budget:
    """Environment steps that may still be taken."""

    left: int
    used: int = 0

    def take(self) -> None:
        """Use one step, or raise BudgetSpent."""
        if self.left <= 0:
            raise BudgetSpent
        self.left -= 1
        self.used += 1


@dataclass(frozen=True)
class Episode:
    """One episode: T steps from a seeded reset."""

    policy: str
    seed: int
    """Of the reset."""
    observations: NDArray
    """(T + 1, d) flattened."""
    actions: list[Any] = field(repr=False)
    flat_actions: NDArray
    """(T, a) flattened."""
    proxy: NDArray
    """(T,) what `step` returned."""
    true: NDArray
    """(T,) the true reward; NaN where there is none."""
    terms: NDArray
    """(T, terms); NaN where a step's info lacks one."""
    terminated: bool
    """Whether it ended inside the task, not by a limit."""

    @property
    def proxy_return(self) -> float:
        """Sum of the proxy."""
        return math.fsum(self.proxy)

    @property
    def true_return(self) -> float:
        """Sum of the true reward."""
        return math.fsum(self.true)

    def __len__(self) -> int:
        return len(self.proxy)


def run(
    target: Target,
    env: Any,
    choose: Callable[[int, Any], Any],
    *,
    seed: int,
    horizon: int,
    budget: Budget,
    policy: str,
) -> Episode:
    """Run one episode, to its end or for `horizon` steps.

    Args:
        target: What is audited.
        env: A copy of its environment.
        choose: (step, observation) -> action.
        seed: Of the reset.
        horizon: Steps after which it is cut.
        budget: Steps are taken from it.
        policy: Name.

    Raises:
        BudgetSpent: before the episode ended.
        RewardError: a reward that is not a finite number.
        InputError: the environment or the policy raised something.
    """
    observation, _ = _guarded(target, f"reset(seed={seed})", lambda: env.reset(seed=seed))
    seen, actions, flats, paid, true, terms = [], [], [], [], [], []
    seen.append(_spaces.flat(env.observation_space, observation))
    terminated = False
    for t in range(horizon):
        budget.take()
        where = f"step {t} of the episode with reset seed {seed} under policy {policy!r}"
        action = _guarded(target, where, lambda t=t, o=observation: choose(t, o))
        observation, reward, terminated, truncated, info = _guarded(
            target, where, lambda a=action: env.step(a)
        )
        told = values(info, [target.true]) if target.true else [math.nan]
        for name, value in (("reward", reward), ("true reward", told[0])):
            wanted = name == "reward" or target.true
            if wanted and not np.isfinite(value):
                raise RewardError(
                    f"{target.name}: the {name} is {value} in {where}; it must be a finite number."
                )
        seen.append(_spaces.flat(env.observation_space, observation))
        flats.append(_spaces.flat(env.action_space, action))
        actions.append(action)
        paid.append(float(reward))
        true.append(told[0])
        terms.append(values(info, target.terms))
        if terminated or truncated:
            break
    return Episode(
        policy, seed, np.array(seen), actions, np.array(flats), np.array(paid), np.array(true),
        np.array(terms).reshape(len(paid), len(target.terms)), bool(terminated),
    )  # fmt: skip


def _guarded(target: Target, where: str, call: Callable[[], Any]) -> Any:
    """Call the user's code; what it raises is told as an error of one line."""
    try:
        return call()
    except HackproofError:
        raise
    except Exception as error:
        raise InputError(
            f"{target.name}: {where} raised {type(error).__name__}: {error}."
        ) from error


def gather(
    target: Target, env: Any, policies: dict[str, Policy], *, horizon: int, steps: int, seed: int
) -> list[Episode]:
    """Run every policy in turn until the steps are used; at least one episode each is tried.

    Every policy meets the same reset seeds. An episode that the budget cuts is left out.
    """
    share = steps // max(len(policies), 1)
    out = []
    for name, policy in policies.items():
        budget, i = Budget(share), 0
        rng = np.random.default_rng([seed, 1])
        while budget.left > 0:
            try:
                out.append(
                    run(
                        target,
                        env,
                        lambda t, o, p=policy, r=rng: p(t, o, r),
                        seed=seed + i,
                        horizon=horizon,
                        budget=budget,
                        policy=name,
                    )
                )
            except BudgetSpent:
                break
            i += 1
    return out


def policies(space: Any, given: dict[str, Policy]) -> dict[str, Policy]:
    """Return random, the constant actions, a sweep over them, and the given policies."""
    found: dict[str, Policy] = {"random": lambda _t, _o, rng: _spaces.sample(space, rng)}
    fixed = _spaces.constants(space)
    for action in fixed[:8]:
        found[f"constant {_spaces.plain(action)}"] = lambda _t, _o, _r, a=action: a
    if len(fixed) > 1:
        found["sweep"] = lambda t, _o, _r: fixed[t // HOLD % len(fixed)]
    return {**found, **given}


def replay(
    target: Target, seed: int, actions: Iterable[Any], env: Any | None = None
) -> tuple[float, float, int]:
    """Return proxy and true return, and the steps taken, of fixed actions from a seeded reset.

    Args:
        target: What is audited.
        seed: Of the reset.
        actions: In order; those after the episode's end are not taken.
        env: A copy; a fresh one is made where None.
    """
    copy = target.make() if env is None else env
    listed = list(actions)
    try:
        episode = run(
            target, copy, lambda t, _: listed[t], seed=seed, horizon=len(listed),
            budget=Budget(len(listed)), policy="replay",
        )  # fmt: skip
    finally:
        if env is None:
            copy.close()
    return episode.proxy_return, episode.true_return, len(episode)
