"""hackproof's worlds as Gymnasium environments; importing this module registers them.

    import gymnasium
    env = gymnasium.make("hackproof:hackproof/Glucose-v0", reward="magni_risk")
    envs = gymnasium.make_vec("hackproof:hackproof/BoatRace-v0", num_envs=64, pair="hop-pays")

An id is made from the world's registry name (`boat-race` becomes `hackproof/BoatRace-v0`),
so the worlds of other packages under the entry point group `hackproof.worlds` are there
too. After `import hackproof`, before gymnasium's or after it, the ids are registered; the
prefix `hackproof:` does that import.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from hackproof import worlds
from hackproof.errors import InputError

if TYPE_CHECKING:
    from hackproof.adapters._worlds import Moment, RewardLike
    from hackproof.worlds import BatchState, World

NAMESPACE = "hackproof"
VERSION = 0


def env_id(world: str) -> str:
    """Return the Gymnasium id of a world's registry name."""
    name = "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", world))
    return f"{NAMESPACE}/{name}-v{VERSION}"


def register() -> list[str]:
    """Register every world that is not registered yet; return the ids of all of them."""
    ids = []
    for name in worlds.names():
        ids.append(env_id(name))
        if ids[-1] not in gym.registry:
            gym.register(
                ids[-1],
                entry_point=f"{__name__}:WorldEnv",
                vector_entry_point=f"{__name__}:WorldVectorEnv",
                kwargs={"world": name},
            )
    return ids


class RenderError(InputError, TypeError):
    """A render mode was asked for that there is not.

    A TypeError too: by it Stable-Baselines3's `make_vec_env` knows to go without one.
    """

    def __init__(self, world: World, mode: str, modes: Sequence[str], help: str = "") -> None:
        """Say which mode of which world, and list the known ones.

        Args:
            world: The world.
            mode: What was asked for.
            modes: The known ones, beside None.
            help: A sentence of what to do, with a space before it.
        """
        known = ", ".join(["None", *map(repr, modes)])
        super().__init__(f"world {world.name!r} has no render mode {mode!r}. Known: {known}.{help}")


def _draws(world: World) -> Callable[[Any], np.ndarray] | None:
    """Return what draws a state of the world, None where nobody does."""
    from hackproof.report._pictures import painter

    try:
        return painter(world)
    except InputError:
        return None


@functools.lru_cache(maxsize=16)
def _stepping(world: World) -> Callable[[Any, BatchState, np.ndarray], Any]:
    """Return the jitted function to the states that a step leads to, before any reset."""
    import jax

    def step(params: Any, state: BatchState, action: jax.Array) -> Any:
        keys = jax.vmap(jax.random.fold_in)(state.key, state.time)
        return jax.vmap(world.step, (None, 0, 0, 0))(params, state.world, action, keys)[0]

    return jax.jit(step)


class WorldEnv(gym.Env[np.ndarray, Any]):
    """A world as an environment that pays a proxy reward and tells the true one.

    ## Action space
    The world's: `Discrete(n)`, or a float32 `Box`.

    ## Observation space
    The world's, a float32 `Box`.

    ## Rewards
    `step` returns the proxy, the reward to optimise: a weighted sum of the world's terms.
    The reward that was meant is `info["true_reward"]`. `info` of a step holds

    - `true_reward`: float;
    - `reward_terms`: every term's value, whatever it weighs, dict from name to float;
    - `probes`: ground truths that no reward sees, dict from name to float.

    ## Starting state
    The world's. `reset(seed=s)` begins a stream of random numbers, and `reset()` continues
    it: a seed fixes every episode after it.

    ## Episode end
    Terminated where the world says so; truncated at `horizon` steps, so that no
    `TimeLimit` wrapper is needed.

    ## Rendering
    `render_mode="rgb_array"` draws the state, where the world can be drawn.

    ## Arguments
    - `reward`: name of one of `world.rewards`, or a mapping from term to weight.
    - `true_reward`: likewise.
    - `pair`: name of one of `world.pairs`, which gives whichever of the two is not given;
      the world's first pair where None.
    - every field of the world's dataclass: `patient="adult#003"`, `horizon=288`.

    ## Version history
    - v0: first version.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012 (Gymnasium's form)

    def __init__(
        self,
        world: str | World,
        reward: RewardLike | None = None,
        true_reward: RewardLike | None = None,
        pair: str | None = None,
        render_mode: str | None = None,
        **fields: Any,
    ) -> None:
        """Make the environment.

        Raises:
            InputError: an unknown world, field, reward, term, pair or render mode.
        """
        from hackproof.adapters._worlds import Batch, gymnasium_space

        self._batch = Batch(
            world, 1, reward=reward, true_reward=true_reward, pair=pair, fields=fields
        )
        self.world = self._batch.world
        self._paint = _draws(self.world)
        if self._paint is None:
            self.metadata = {**self.metadata, "render_modes": []}
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise RenderError(self.world, render_mode, self.metadata["render_modes"])
        self.observation_space = gymnasium_space(self.world.observation)
        self.action_space = gymnasium_space(self.world.action)
        self.render_mode = render_mode
        self._next: np.ndarray | None = None
        """The next episode's first observation, where the batch has begun it already."""
        self._ending: tuple[BatchState, np.ndarray] | None = None
        """State and action from which the episode ended, likewise."""

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start an episode; `options` are not used."""
        from hackproof.adapters._worlds import random_words

        super().reset(seed=seed)
        if seed is not None or not self._batch.started:
            observation = self._batch.reset([random_words(self.np_random)])[0]
        elif self._next is not None:
            observation = self._next
        else:
            observation = self._batch.reset([None])[0]
        self._next = self._ending = None
        return observation, {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Take one action.

        Raises:
            InputError: an action outside the action space's shape or kind, or not finite.
            gymnasium.error.ResetNeeded: no episode is under way.
        """
        if not self._batch.started or self._next is not None:
            raise gym.error.ResetNeeded("no episode is under way: call reset() before step().")
        before = self._batch._state
        moment = self._batch.step(np.asarray(action)[None])
        terminated, truncated = bool(moment.terminated[0]), bool(moment.truncated[0])
        if terminated or truncated:
            self._next = moment.observation[0]
            if before is not None:
                self._ending = before, np.asarray(action)[None]
        info = {
            "true_reward": float(moment.true[0]),
            "reward_terms": dict(zip(self.world.terms, moment.terms[0].tolist(), strict=True)),
            "probes": dict(zip(self.world.probes, moment.probes[0].tolist(), strict=True)),
        }
        final = np.array(moment.final_observation[0])
        return final, float(moment.proxy[0]), terminated, truncated, info

    def render(self) -> np.ndarray | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return the state as an RGB picture, (height, width, 3) uint8; None without a mode.

        After the step that ends an episode it is the state that the episode ended in. That one
        is computed here, since the batch has gone on: the first time, it compiles a step.

        Raises:
            gymnasium.error.ResetNeeded: `reset` was never called.
        """
        import jax

        if self.render_mode is None or self._paint is None:
            return None
        state = self._batch._state
        if state is None:
            raise gym.error.ResetNeeded("no episode is under way: call reset() before render().")
        states = state.world
        if self._ending is not None:
            before, action = self._ending
            action = action.astype(self.action_space.dtype)
            states = _stepping(self.world)(self._batch._params, before, action)
        return self._paint(jax.tree.map(lambda leaf: leaf[0], jax.device_get(states)))


class WorldVectorEnv(gym.vector.VectorEnv[np.ndarray, Any, np.ndarray]):
    """n copies of a world in one jitted step; the arguments are `WorldEnv`'s.

    Environment i, seeded with s, gives the trajectory of `WorldEnv` seeded with s + i.
    Episodes begin again in the step that ends them (`AutoresetMode.SAME_STEP`): the
    observation returned is the new episode's, `infos["final_obs"]` holds the one the
    episode ended on, and `infos["final_info"]` the info of that step. The entries at the
    top of `infos` go with `rewards`, entry by entry: `infos["true_reward"]` is that of the
    step for every environment, those whose episode ended included.

    ## Version history
    - v0: first version.
    """

    metadata = {  # noqa: RUF012 (Gymnasium's own form)
        "render_modes": [],
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }

    def __init__(
        self,
        world: str | World,
        num_envs: int = 1,
        reward: RewardLike | None = None,
        true_reward: RewardLike | None = None,
        pair: str | None = None,
        render_mode: str | None = None,
        **fields: Any,
    ) -> None:
        """Make the environments.

        Raises:
            InputError: an unknown world, field, reward, term, pair or render mode.
        """
        from hackproof.adapters._worlds import Batch, gymnasium_space

        self._batch = Batch(
            world, num_envs, reward=reward, true_reward=true_reward, pair=pair, fields=fields
        )
        self.world = self._batch.world
        if render_mode is not None:
            raise RenderError(self.world, render_mode, [], " One `WorldEnv` at a time is drawn.")
        self.num_envs = num_envs
        self.render_mode = None
        self.single_observation_space = gymnasium_space(self.world.observation)
        self.single_action_space = gymnasium_space(self.world.action)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start episodes.

        Args:
            seed: s seeds environment i with s + i; a list holds one seed, or None, per
                environment; an environment without one continues its random numbers.
            options: `reset_mask`, (n,) bool, names the environments to reset.

        Raises:
            InputError: seeds or a mask of another length or kind.
        """
        from hackproof.adapters._worlds import random_words, seed_words

        super().reset(seed=seed if isinstance(seed, int) else None)
        if seed is None or isinstance(seed, (int, np.integer)):
            seeds = [None if seed is None else int(seed) + i for i in range(self.num_envs)]
        else:
            seeds = list(seed)
        if len(seeds) != self.num_envs:
            raise InputError(f"{len(seeds)} seeds are given for {self.num_envs} environments.")
        words = [None if s is None else seed_words(s) for s in seeds]
        if not self._batch.started:
            words = [random_words(self.np_random) if w is None else w for w in words]
        mask = (options or {}).get("reset_mask")
        if mask is not None and (
            not isinstance(mask, np.ndarray)
            or mask.dtype != bool
            or mask.shape != (self.num_envs,)
            or not mask.any()
        ):
            raise InputError(
                f"reset_mask must be a bool array of shape ({self.num_envs},) with a True in it."
            )
        return self._batch.reset(words, mask), {}

    def step(
        self, actions: Any
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Take one action per environment.

        Raises:
            InputError: actions outside the action space's shape or kind, or not finite.
            gymnasium.error.ResetNeeded: `reset` was never called.
        """
        if not self._batch.started:
            raise gym.error.ResetNeeded("no episode is under way: call reset() before step().")
        moment = self._batch.step(actions)
        done = moment.terminated | moment.truncated
        infos = self._infos(moment, np.ones(self.num_envs, bool))
        if done.any():
            final = np.full(self.num_envs, None, object)
            for i in np.flatnonzero(done):
                final[i] = np.array(moment.final_observation[i])
            infos |= {"final_obs": final, "_final_obs": done.copy()}
            infos |= {"final_info": self._infos(moment, done), "_final_info": done.copy()}
        return moment.observation, moment.proxy, moment.terminated, moment.truncated, infos

    def _infos(self, moment: Moment, mask: np.ndarray) -> dict[str, Any]:
        """Return a step's info as arrays, each with its mask; 0 where the mask is False."""

        def columns(names: Sequence[str], values: np.ndarray) -> dict[str, np.ndarray]:
            found = {}
            for name, column in zip(names, values.T, strict=True):
                found[name], found[f"_{name}"] = np.where(mask, column, 0.0), mask.copy()
            return found

        infos: dict[str, Any] = columns(["true_reward"], moment.true[:, None])
        infos["reward_terms"] = columns(self.world.terms, moment.terms)
        infos["probes"] = columns(self.world.probes, moment.probes)
        return infos | {"_reward_terms": mask.copy(), "_probes": mask.copy()}


register()
