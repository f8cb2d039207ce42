"""A user's own Gymnasium environment with a proxy and a true reward.

    from hackproof.adapters import Recorder, TwoRewards

    with Recorder("runs/robot", seed=0) as record:
        env = TwoRewards(Robot(), proxy="reward", true=dirt_removed, record=record)
        PPO("MlpPolicy", env).learn(20_000)

Training sees the proxy; both are measured, and the run's folder holds the table and gives
the report of every other run of hackproof.
"""

from __future__ import annotations

import copy
import math
import numbers
from collections.abc import Callable, Mapping
from typing import Any

import gymnasium as gym
import numpy as np

from hackproof.adapters._recorder import Recorder
from hackproof.errors import InputError, RewardError

RewardFunction = Callable[[Any, Any, Any, float, bool, bool, dict[str, Any]], float]
"""(obs, action, next_obs, reward, terminated, truncated, info) -> float."""


class TwoRewards(gym.Wrapper[Any, Any, Any, Any], gym.utils.RecordConstructorArgs):
    """Pays the proxy and tells the true reward, as `info["true_reward"]`.

    With Stable-Baselines3's `make_vec_env(..., wrapper_class=TwoRewards)` the wrapper stands
    outside Monitor: `rollout/ep_rew_mean` is then the environment's own reward.
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        *,
        proxy: str | RewardFunction = "reward",
        true: str | RewardFunction,
        record: Recorder | None = None,
    ) -> None:
        """Wrap an environment.

        Args:
            env: The environment.
            proxy: What is optimised: a function of (obs, action, next_obs, reward,
                terminated, truncated, info), "reward" for the environment's own reward, or
                a key of its info.
            true: What was meant, likewise.
            record: Where both are written. Copies of one environment that train one policy
                in one process share a recorder; see `Recorder` for several processes.

        Raises:
            InputError: proxy or true is neither a function nor text, or the recorder has
                other rewards.
        """
        # A recorder is shared, so it must not be copied into the environment's spec.
        gym.utils.RecordConstructorArgs.__init__(
            self, proxy=proxy, true=true, record=record, _disable_deepcopy=True
        )
        gym.Wrapper.__init__(self, env)
        self._rewards = {"proxy": proxy, "true": true}
        for which, reward in self._rewards.items():
            if not (isinstance(reward, str) or callable(reward)):
                raise InputError(
                    f"{which} is {reward!r}; it must be a function, 'reward' or a key of info."
                )
        self._record = record
        if record is not None:
            names = (reward_name(proxy), reward_name(true))
            record.attach(*("" if n == "<lambda>" else n for n in names))
        self._attached = record is not None
        self._observation: Any = None
        self._episode = self._step = 0
        self._sums = {"proxy": 0.0, "true": 0.0}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start an episode; one that was under way is counted as cut short."""
        if self._step and self._record is not None:
            self._record.cut_short()
        observation, info = self.env.reset(seed=seed, options=options)
        self._observation = self._kept(observation)
        self._episode += 1
        self._begin()
        return observation, info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Take one action; the reward is the proxy.

        Raises:
            RewardError: the proxy or the true reward is not a finite number.
        """
        after, own, terminated, truncated, info = self.env.step(action)
        self._step += 1
        seen = (self._observation, action, after, own, bool(terminated), bool(truncated))
        paid = {which: self._pay(which, *seen, info) for which in self._rewards}
        self._observation = self._kept(after)
        for which, value in paid.items():
            self._sums[which] += value
        if self._record is not None:
            if terminated or truncated:
                self._record.episode(self._sums["proxy"], self._sums["true"], self._step)
            self._record.step()
        if terminated or truncated:
            self._begin()
        info = {**info, "true_reward": paid["true"]}
        return after, paid["proxy"], terminated, truncated, info

    def close(self) -> None:
        """Close the environment; the recorder's cell is written when its last one closes."""
        super().close()
        if self._attached and self._record is not None:
            self._attached = False
            self._record.detach()

    def _begin(self) -> None:
        self._step = 0
        self._sums = {"proxy": 0.0, "true": 0.0}

    def _kept(self, observation: Any) -> Any:
        """Return a copy for the next step: environments may write over what they returned."""
        if isinstance(observation, np.ndarray):
            return observation.copy()
        return copy.deepcopy(observation)

    def _pay(self, which: str, *seen: Any) -> float:
        """Return a reward as a float, or raise RewardError."""
        reward = self._rewards[which]
        own, info = seen[3], seen[6]
        if callable(reward):
            value = reward(*seen)
        elif reward == "reward":
            value = own
        elif reward in info:
            value = info[reward]
        else:
            known = ", ".join(sorted(map(str, info))) or "none"
            raise RewardError(
                f"the {which} reward is info[{reward!r}], which {self._where()} does not have; "
                f"its keys: {known}."
            )
        if (paid := number(value)) is not None:
            return paid
        raise RewardError(
            f"the {which} reward ({reward_name(reward)}) returned {short(value)} at "
            f"{self._where()}; it must be one finite number. Its inputs: {inputs(seen)}"
        )

    def _where(self) -> str:
        return f"step {self._step} of episode {self._episode}"


def number(value: Any) -> float | None:
    """Return a finite number, or an array of no dimensions that holds one, as a float."""
    if getattr(value, "shape", None) == ():
        value = value.item()
    if not isinstance(value, numbers.Real):
        return None
    try:
        paid = float(value)
    except OverflowError:
        return None
    return paid if math.isfinite(paid) else None


def reward_name(reward: str | RewardFunction) -> str:
    """Return what a reward is called in the table: its function's name, or itself."""
    if isinstance(reward, str):
        return reward
    return getattr(reward, "__name__", type(reward).__name__)


def short(value: Any) -> str:
    """Return a value as text of one line, arrays and containers cut to a few entries."""
    if isinstance(value, np.ndarray):
        text = np.array2string(value, threshold=8, edgeitems=2, precision=4)
        text = f"array{value.shape} {text}"
    elif isinstance(value, Mapping):
        text = "{" + ", ".join(f"{k!r}: {short(v)}" for k, v in list(value.items())[:8]) + "}"
    else:
        text = repr(value)
    text = " ".join(text.split())
    return text if len(text) <= 160 else text[:157] + "..."


def inputs(seen: tuple[Any, ...]) -> str:
    """Return a reward function's arguments as text."""
    names = ("obs", "action", "next_obs", "reward", "terminated", "truncated", "info")
    return ", ".join(f"{n}={short(v)}" for n, v in zip(names, seen, strict=True)) + "."
