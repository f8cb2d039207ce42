"""hackproof's worlds as a native Stable-Baselines3 `VecEnv`, and the true reward in its log.

    from stable_baselines3 import PPO
    from hackproof.adapters.sb3 import SB3VecEnv, TrueRewardCallback

    envs = SB3VecEnv("glucose", 32, pair="pan")
    PPO("MlpPolicy", envs, verbose=1).learn(100_000, callback=TrueRewardCallback())

Stable-Baselines3 does not take Gymnasium's vector environments, and its DummyVecEnv steps
environments one by one; here one call of a jitted function steps them all.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hackproof.errors import InputError, MissingExtraError

try:
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.monitor import Monitor
    from stable_baselines3.common.vec_env import VecEnv
except ImportError:
    raise MissingExtraError(
        "hackproof.adapters.sb3 needs Stable-Baselines3: pip install 'stable-baselines3>=2.9'"
    ) from None

from hackproof.adapters._worlds import Batch, gymnasium_space, random_words, seed_words

if TYPE_CHECKING:
    from hackproof.adapters._recorder import Recorder
    from hackproof.adapters._worlds import Moment, RewardLike
    from hackproof.worlds import World


class Row(Mapping[str, float]):
    """One environment's named values of a step.

    A view of the step's array: n dicts of Python floats would cost more than the step.
    """

    __slots__ = ("_i", "_names", "_values")

    def __init__(self, names: tuple[str, ...], values: np.ndarray, i: int) -> None:
        """View row `i` of `values`, (n, len(names))."""
        self._names, self._values, self._i = names, values, i

    def __getitem__(self, name: str) -> float:
        if name not in self._names:
            raise KeyError(name)
        return float(self._values[self._i, self._names.index(name)])

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return repr(dict(self))


class SB3VecEnv(VecEnv):
    """n copies of a world for Stable-Baselines3.

    The reward is the proxy. Every info holds `true_reward` (float), `reward_terms` and
    `probes` (mappings from name to float). Where an episode ended it also holds
    `terminal_observation`, `TimeLimit.truncated` and `episode`: `r`, `l` and `t` as Monitor
    writes them (return, length, seconds since the environments were made) and `true_r`, the
    true return. Environment i, seeded with s, gives the trajectory of `WorldEnv` seeded
    with s + i.
    """

    def __init__(
        self,
        world: str | World,
        n_envs: int = 1,
        *,
        reward: RewardLike | None = None,
        true_reward: RewardLike | None = None,
        pair: str | None = None,
        seed: int | None = None,
        **fields: Any,
    ) -> None:
        """Make the environments.

        Args:
            world: A registered name, or a world.
            n_envs: How many copies.
            reward: The proxy: a name of `world.rewards` or a mapping from term to weight.
            true_reward: What was meant, likewise.
            pair: A name of `world.pairs`, which gives whichever of the two is not given;
                the first where None.
            seed: Of the first reset; a trainer's own `seed=` replaces it.
            **fields: Fields of the world's dataclass (`patient="adult#003"`).

        Raises:
            InputError: an unknown world, field, reward, term or pair, or n_envs < 1.
        """
        self._batch = Batch(
            world, n_envs, reward=reward, true_reward=true_reward, pair=pair, fields=fields
        )
        self.world = self._batch.world
        self.render_mode = self.spec = None
        self._began = time.time()
        self._returns = np.zeros((2, n_envs))
        self._lengths = np.zeros(n_envs, np.int64)
        self._actions: np.ndarray | None = None
        super().__init__(
            n_envs, gymnasium_space(self.world.observation), gymnasium_space(self.world.action)
        )
        if seed is not None:
            self.seed(seed)

    def reset(self) -> np.ndarray:
        """Start all episodes; return the observations, (n, *shape)."""
        words = [None if s is None else seed_words(s) for s in self._seeds]
        if not self._batch.started:
            generator = np.random.default_rng()
            words = [random_words(generator) if w is None else w for w in words]
        self._reset_seeds()
        self._reset_options()
        self._returns[:], self._lengths[:] = 0.0, 0
        self.reset_infos = [{} for _ in range(self.num_envs)]
        return self._batch.reset(words)

    def step_async(self, actions: np.ndarray) -> None:
        """Keep the actions for `step_wait`."""
        self._actions = actions

    def step_wait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Take the step: observations, proxy rewards (float32), dones, infos.

        Raises:
            InputError: there was no reset, or actions that the world does not take.
        """
        if not self._batch.started or self._actions is None:
            raise InputError("no episode is under way: call reset() before step().")
        moment = self._batch.step(self._actions)
        self._returns += moment.proxy, moment.true
        self._lengths += 1
        dones = moment.terminated | moment.truncated
        terms, probes = self.world.terms, self.world.probes
        infos: list[dict[str, Any]] = [
            {
                "true_reward": true,
                "reward_terms": Row(terms, moment.terms, i),
                "probes": Row(probes, moment.probes, i),
            }
            for i, true in enumerate(moment.true.tolist())
        ]
        for i in np.flatnonzero(dones).tolist():
            infos[i] |= self._ended(moment, i)
        return moment.observation, moment.proxy.astype(np.float32), dones, infos

    def _ended(self, moment: Moment, i: int) -> dict[str, Any]:
        """Return what the info of environment `i` says of its finished episode."""
        proxy, true = self._returns[:, i].tolist()
        length = int(self._lengths[i])
        self._returns[:, i], self._lengths[i] = 0.0, 0
        seconds = round(time.time() - self._began, 6)
        return {
            "terminal_observation": np.array(moment.final_observation[i]),
            "TimeLimit.truncated": bool(moment.truncated[i]),
            "episode": {
                "r": round(proxy, 6), "l": length, "t": seconds, "true_r": round(true, 6)
            },
        }  # fmt: skip

    def close(self) -> None:
        """There is nothing to close."""

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Return an attribute, once per environment asked for: they share it."""
        return [getattr(self, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Refuse: the copies are one object."""
        raise AttributeError(f"{attr_name!r} cannot be set: give SB3VecEnv its settings at first.")

    def env_method(
        self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any
    ) -> list[Any]:
        """Refuse: a copy has no methods of its own."""
        raise AttributeError(f"the copies of an SB3VecEnv have no method {method_name!r}.")

    def env_is_wrapped(self, wrapper_class: type, indices: Any = None) -> list[bool]:
        """Say yes to Monitor, whose `info["episode"]` is written here, and to nothing else."""
        return [wrapper_class is Monitor for _ in self._get_indices(indices)]

    def get_images(self) -> Sequence[np.ndarray | None]:
        """Return no images: worlds draw nothing."""
        return [None] * self.num_envs


class TrueRewardCallback(BaseCallback):
    """Logs `rollout/true_reward`, the mean true return of the last episodes.

    It works with every environment whose info holds `true_reward` at each step: SB3VecEnv,
    `TwoRewards`, and hackproof's Gymnasium environments.
    """

    def __init__(self, window: int = 100, record: Recorder | None = None, verbose: int = 0) -> None:
        """Make the callback.

        Args:
            window: Episodes that the mean is over.
            record: A `Recorder` that the episodes are written to as well. Leave it away
                where a `TwoRewards` writes them already.
            verbose: As for every callback.
        """
        super().__init__(verbose)
        self.true_returns: deque[float] = deque(maxlen=window)
        self.record = record
        self._attached = False
        self._sums = np.zeros((2, 0))
        self._lengths = np.zeros(0, np.int64)

    def _on_training_start(self) -> None:
        n = self.training_env.num_envs
        self._sums, self._lengths = np.zeros((2, n)), np.zeros(n, np.int64)
        if self.record is not None and not self._attached:
            self.record.attach("", "")
            self._attached = True

    def _on_step(self) -> bool:
        infos = self.locals["infos"]
        if "true_reward" not in infos[0]:
            raise InputError(
                "this environment's info has no 'true_reward': wrap it in "
                "hackproof.adapters.TwoRewards, or train on SB3VecEnv."
            )
        self._sums += self.locals["rewards"], [info["true_reward"] for info in infos]
        self._lengths += 1
        for i in np.flatnonzero(self.locals["dones"]).tolist():
            self._ended(i, infos[i].get("episode", {}))
        if self.record is not None:
            self.record.step(len(infos))
        return True

    def _ended(self, i: int, episode: Mapping[str, Any]) -> None:
        """Count a finished episode; SB3VecEnv's sums are of unnormalised rewards."""
        proxy, true = self._sums[:, i].tolist()
        if "true_r" in episode:
            proxy, true = episode["r"], episode["true_r"]
        self.true_returns.append(true)
        if self.record is not None:
            self.record.episode(proxy, true, int(self._lengths[i]))
        self._sums[:, i], self._lengths[i] = 0.0, 0

    def _on_rollout_end(self) -> None:
        if self.true_returns:
            self.logger.record("rollout/true_reward", float(np.mean(self.true_returns)))
