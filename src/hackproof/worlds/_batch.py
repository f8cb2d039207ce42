"""Many copies of a world side by side, with horizons and automatic resets.

This is the one place where episodes end: a world says `terminated`, the batch adds
`truncated` at the horizon, starts the next episode in the same step, and hands back
the observation the episode ended on (Gymnasium's same-step autoreset).
"""

from __future__ import annotations

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
    """(n,) PRNG keys, one stream per environment."""


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
    pairs = jax.vmap(jax.random.split)(keys)
    state, observation = jax.vmap(world.reset, (None, 0))(params, pairs[:, 0])
    time = jnp.zeros(keys.shape[0], jnp.int32)
    return BatchState(state, time, pairs[:, 1]), observation


def step_batch(
    world: World, params: Any, state: BatchState, action: jax.Array
) -> tuple[BatchState, BatchStep]:
    """Advance n environments one step and restart those whose episode ended."""
    keys = jax.vmap(jax.random.split)(state.key)
    next_world, step = jax.vmap(world.step, (None, 0, 0, 0))(
        params, state.world, action, keys[:, 0]
    )
    time = state.time + 1
    truncated = (time >= world.horizon) & ~step.terminated
    done = step.terminated | truncated
    stepped = BatchState(next_world, time, keys[:, 1])

    def restart(stepped: BatchState) -> tuple[BatchState, jax.Array]:
        fresh, observation = reset_batch(world, params, stepped.key)

        def pick(new: jax.Array, old: jax.Array) -> jax.Array:
            return jnp.where(done.reshape(done.shape + (1,) * (new.ndim - 1)), new, old)

        mixed = BatchState(
            jax.tree.map(pick, fresh.world, stepped.world),
            pick(fresh.time, stepped.time),
            pick(fresh.key, stepped.key),
        )
        return mixed, pick(observation, step.observation)

    state, observation = jax.lax.cond(
        jnp.any(done), restart, lambda stepped: (stepped, step.observation), stepped
    )
    return state, BatchStep(
        observation, step.terms, step.probes, step.terminated, truncated, step.observation
    )
