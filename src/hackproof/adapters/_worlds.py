"""What the Gymnasium and the Stable-Baselines3 environments share: a world as NumPy arrays.

The jitted functions stand in the module and take the world as a static argument, so that
a program is compiled once per (world, n) and shared by every environment of the process.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from gymnasium import spaces
from gymnasium.utils import seeding

from hackproof import worlds
from hackproof.errors import InputError, unknown
from hackproof.optimize import enable_compilation_cache
from hackproof.worlds import BatchState, BatchStep, Box, Discrete, World, reset_batch, step_batch

RewardLike = str | Mapping[str, float]
"""The name of one of a world's rewards, or a mapping from reward term to weight."""


class Moment(NamedTuple):
    """What one step of n environments yields, as NumPy arrays of its own."""

    observation: np.ndarray
    """(n, *shape) float32 to act on next; of the new episode where one ended."""
    proxy: np.ndarray
    """(n,) float64, the reward that is optimised."""
    true: np.ndarray
    """(n,) float64, the reward that was meant."""
    terms: np.ndarray
    """(n, terms) float64."""
    probes: np.ndarray
    """(n, probes) float64."""
    terminated: np.ndarray
    """(n,) bool."""
    truncated: np.ndarray
    """(n,) bool."""
    final_observation: np.ndarray
    """(n, *shape) float32 that the step led to, before any reset."""


class Batch:
    """n copies of a world, with a proxy and a true reward."""

    def __init__(
        self,
        world: str | World,
        n: int,
        *,
        reward: RewardLike | None = None,
        true_reward: RewardLike | None = None,
        pair: str | None = None,
        fields: Mapping[str, Any] | None = None,
    ) -> None:
        """Choose a world and its rewards; nothing is compiled yet.

        Raises:
            InputError: an unknown world, field, reward, term or pair, or n < 1.
        """
        # A step compiles in seconds; between processes the program is kept.
        if not getattr(jax.config, "jax_compilation_cache_dir", None):
            enable_compilation_cache()
        if n < 1:
            raise InputError(f"the number of environments is {n}; it must be at least 1.")
        if not isinstance(world, str) and fields:
            raise InputError(
                f"{sorted(fields)[0]!r} is given beside a world object; set it on the world."
            )
        self.world = worlds.make(world, **(fields or {})) if isinstance(world, str) else world
        self.n = n
        proxy, true = choose_rewards(self.world, reward, true_reward, pair)
        self.weights = np.stack([worlds.reward_weights(self.world, r) for r in (proxy, true)], 1)
        self.weights = self.weights.astype(np.float64)
        self._params = self.world.params()
        self._state: BatchState | None = None
        self._observation: jax.Array | None = None

    @property
    def started(self) -> bool:
        """Whether `reset` was called."""
        return self._state is not None

    def reset(
        self,
        words: Sequence[np.ndarray | None],
        mask: np.ndarray | None = None,
    ) -> np.ndarray:
        """Start episodes and return all observations, (n, *shape).

        Args:
            words: Per environment two random words for a new stream of random numbers, or
                None to continue the stream it has.
            mask: (n,) bool, which environments to reset; all where None.
        """
        given = np.array([w is not None for w in words])
        if self._state is None and not given.all():
            raise InputError("the first reset needs random words for every environment.")
        numbers = np.stack([np.zeros(2, np.uint32) if w is None else w for w in words])
        keys = _keys(numbers)
        if self._state is not None and not given.all():
            keys = _pick(given, keys, self._state.key)
        fresh = _start(self.world, self._params, keys)
        if self._state is not None and mask is not None:
            fresh = _pick(mask, fresh, (self._state, self._observation))
        self._state, self._observation = fresh
        return np.array(self._observation)

    def step(self, action: Any) -> Moment:
        """Advance one step; episodes that end begin again in the same step.

        Raises:
            InputError: actions of another shape, outside 0 .. n-1, or not finite.
        """
        action = self._checked(action)
        self._state, step = _step(self.world, self._params, self._state, action)
        self._observation = step.observation
        terms = np.asarray(step.terms).astype(np.float64)
        paid = terms @ self.weights
        return Moment(
            np.array(step.observation),
            paid[:, 0],
            paid[:, 1],
            terms,
            np.asarray(step.probes).astype(np.float64),
            np.array(step.terminated),
            np.array(step.truncated),
            np.asarray(step.final_observation),
        )

    def _checked(self, action: Any) -> np.ndarray:
        """Return actions as (n,) int32 or (n, *shape) float32."""
        space = self.world.action
        array = np.asarray(action)
        if isinstance(space, Discrete):
            shape, fine = (self.n,), array.dtype.kind in "iu"
            wanted = f"whole numbers from 0 to {space.n - 1}"
            fine = fine and array.shape == shape and array.min() >= 0 and array.max() < space.n
            if fine:
                return array.astype(np.int32)
        else:
            shape, wanted = (self.n, *space.shape), "finite numbers"
            if array.dtype.kind in "fiu" and array.shape == shape:
                array = array.astype(np.float32)
                if np.isfinite(array).all():
                    return array
        text = np.array2string(array, threshold=6, precision=4)
        raise InputError(
            f"action {text} of shape {array.shape} cannot be taken in world "
            f"{self.world.name!r}: it wants {wanted} of shape {shape}."
        )


def choose_rewards(
    world: World,
    reward: RewardLike | None = None,
    true_reward: RewardLike | None = None,
    pair: str | None = None,
) -> tuple[RewardLike, RewardLike]:
    """Return the proxy and the true reward: those of the pair, unless they are given.

    Args:
        world: The world.
        reward: The proxy; the pair's where None.
        true_reward: The true reward; the pair's where None.
        pair: The name of one of `world.pairs`; the first where None.

    Raises:
        InputError: an unknown pair, or a world without pairs and a reward not given.
    """
    if pair is not None and pair not in world.pairs:
        raise unknown(f"pair of world {world.name!r}", pair, world.pairs)
    chosen = world.pairs[pair] if pair else next(iter(world.pairs.values()), None)
    proxy = reward if reward is not None else chosen.proxy if chosen else None
    true = true_reward if true_reward is not None else chosen.true if chosen else None
    if proxy is None or true is None:
        raise InputError(f"world {world.name!r} has no pairs: give reward and true_reward.")
    return proxy, true


def gymnasium_space(space: Box | Discrete) -> spaces.Space[Any]:
    """Return a world's space as a Gymnasium space."""
    if isinstance(space, Discrete):
        return spaces.Discrete(space.n)
    return spaces.Box(space.low, space.high, space.shape, np.float32)


def random_words(generator: np.random.Generator) -> np.ndarray:
    """Draw the (2,) uint32 that begin one environment's stream."""
    return generator.integers(2**32, size=2, dtype=np.uint32)


def seed_words(seed: int) -> np.ndarray:
    """Return the words that `WorldEnv.reset(seed=seed)` begins with, (2,) uint32."""
    return random_words(seeding.np_random(int(seed))[0])


@jax.jit
def _keys(words: jax.Array) -> jax.Array:
    """Return (n,) keys from (n, 2) words."""
    return jax.vmap(lambda w: jax.random.fold_in(jax.random.key(w[0]), w[1]))(words)


@jax.jit
def _pick(mask: jax.Array, new: Any, old: Any) -> Any:
    """Return `new` where the mask, (n,), is True and `old` elsewhere, leaf by leaf."""

    def choose(new: jax.Array, old: jax.Array) -> jax.Array:
        return jnp.where(mask.reshape(mask.shape + (1,) * (new.ndim - 1)), new, old)

    return jax.tree.map(choose, new, old)


@functools.partial(jax.jit, static_argnums=0)
def _start(world: World, params: Any, keys: jax.Array) -> tuple[BatchState, jax.Array]:
    return reset_batch(world, params, keys)


@functools.partial(jax.jit, static_argnums=0)
def _step(
    world: World, params: Any, state: BatchState, action: jax.Array
) -> tuple[BatchState, BatchStep]:
    return step_batch(world, params, state, action)
