"""Many copies of a world side by side, with horizons and automatic resets.

This is the one place where episodes end: a world says `terminated`, the batch adds
`truncated` at the horizon, starts the next episode in the same step, and hands back
the observation the episode ended on (Gymnasium's same-step autoreset).
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from hackproof.worlds._world import World


class BatchState(NamedTuple):
    """State of n environments."""

    world: Any
    """The world's own states, each leaf with a leading axis of n."""
    time: jax.Array
    """(n,) int32, steps since the reset."""
    key: jax.Array
    """(n,) PRNG keys, one per episode; a step folds the time in."""


class BatchStep(NamedTuple):
    """What one step of n environments yields."""

    observation: jax.Array
    """(n, *shape) observation to act on next (of the new episode where one ended)."""
    terms: jax.Array
    """(n, terms) reward terms of the step."""
    probes: jax.Array
    """(n, probes) ground truths of the step."""
    terminated: jax.Array
    """(n,) bool."""
    truncated: jax.Array
    """(n,) bool; the horizon was reached and the task had not ended by itself."""
    final_observation: jax.Array
    """(n, *shape) observation the step led to, before any reset."""


def reset_batch(world: World, params: Any, keys: jax.Array) -> tuple[BatchState, jax.Array]:
    """Start n environments; `keys` is (n,) PRNG keys. Returns state and observations."""
    state = _fresh(world, params, keys)
    return state, observe_batch(world, params, state)


def observe_batch(world: World, params: Any, state: BatchState) -> jax.Array:
    """Return what the agents see, (n, *observation.shape)."""
    return jax.vmap(world.observe, (None, 0))(params, state.world)


def step_batch(
    world: World, params: Any, state: BatchState, action: jax.Array
) -> tuple[BatchState, BatchStep]:
    """Advance n environments one step and restart those whose episode ended."""
    keys = jax.vmap(jax.random.fold_in)(state.key, state.time)
    next_world, step = jax.vmap(world.step, (None, 0, 0, 0))(params, state.world, action, keys)
    time = state.time + 1
    truncated = (time >= world.horizon) & ~step.terminated
    done = step.terminated | truncated
    stepped = BatchState(next_world, time, state.key)

    def restart(stepped: BatchState) -> BatchState:
        fresh = _fresh(world, params, stepped.key)
        return jax.tree.map(functools.partial(_where, done), fresh, stepped)

    # The branch not taken copies the state, so nothing but the state goes through it.
    state = jax.lax.cond(jnp.any(done), restart, lambda stepped: stepped, stepped)
    return state, BatchStep(
        observe_batch(world, params, state),
        step.terms,
        step.probes,
        step.terminated,
        truncated,
        observe_batch(world, params, stepped),
    )


def _fresh(world: World, params: Any, keys: jax.Array) -> BatchState:
    """Start episodes: from each key one for the reset and one for the steps.

    A step's key is the episode's with the time folded in, which never reaches these two
    numbers; so a step costs one Threefry block here, not two.
    """
    first = jax.vmap(lambda k: jax.random.fold_in(k, 2**32 - 1))(keys)
    steps = jax.vmap(lambda k: jax.random.fold_in(k, 2**32 - 2))(keys)
    state = jax.vmap(world.reset, (None, 0))(params, first)
    return BatchState(state, jnp.zeros(keys.shape[0], jnp.int32), steps)


def _where(condition: jax.Array, new: jax.Array, old: jax.Array) -> jax.Array:
    """Pick per environment; `condition` is (n,), the leaves are (n, ...)."""
    return jnp.where(condition.reshape(condition.shape + (1,) * (new.ndim - 1)), new, old)
