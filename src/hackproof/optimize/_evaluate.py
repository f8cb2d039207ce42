"""What a policy earns and does, measured apart from its training."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from hackproof.optimize import _policy
from hackproof.optimize._policy import ActorCritic
from hackproof.worlds import World, reset_batch, step_batch


class Evaluation(NamedTuple):
    """Means over steps, one row per environment."""

    terms: jax.Array
    """(n_envs, terms) mean of each reward term per step."""
    probes: jax.Array
    """(n_envs, probes) mean of each ground truth per step."""
    terminated: jax.Array
    """(n_envs,) episodes that ended inside the task, per step."""


@functools.partial(jax.jit, static_argnums=(0, 4, 5, 6))
def evaluate(
    world: World,
    params: Any,
    net: ActorCritic,
    key: jax.Array,
    n_envs: int,
    n_steps: int,
    deterministic: bool = True,
) -> Evaluation:
    """Run a policy in fresh environments.

    Args:
        world: The world.
        params: Its parameters.
        net: The policy.
        key: PRNG key; the same key meets every policy with the same environments.
        n_envs: Environments side by side.
        n_steps: Steps of each; an episode that ends starts again.
        deterministic: Take the mean or the likeliest action, not a sample.
    """
    start, act = jax.random.split(key)
    envs, observation = reset_batch(world, params, jax.random.split(start, n_envs))

    def step(carry, key):
        envs, observation, terms, probes, ended = carry
        out = _policy.head(net, observation)
        noise = jnp.zeros_like(out) if deterministic else _policy.draw_noise(net, key, (n_envs,))
        action = _policy.clip(world, _policy.sample(net, out, noise))
        envs, result = step_batch(world, params, envs, action)
        carry = (
            envs,
            result.observation,
            terms + result.terms,
            probes + result.probes,
            ended + result.terminated,
        )
        return carry, None

    totals = (
        jnp.zeros((n_envs, len(world.terms))),
        jnp.zeros((n_envs, len(world.probes))),
        jnp.zeros(n_envs),
    )
    carry = (envs, observation, *totals)
    (_, _, terms, probes, ended), _ = jax.lax.scan(step, carry, jax.random.split(act, n_steps))
    return Evaluation(terms / n_steps, probes / n_steps, ended / n_steps)
