"""What a policy earns and does, measured apart from its training."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from hackproof.errors import InputError
from hackproof.optimize import _policy
from hackproof.optimize._policy import ActorCritic
from hackproof.worlds import World, reset_batch, step_batch

Script = Callable[[jax.Array], jax.Array]
"""From observations (n, *shape) to actions (n, ...); made once, since it is compiled in."""


class Evaluation(NamedTuple):
    """Means over steps, one row per environment."""

    terms: jax.Array
    """(n_envs, terms) mean of each reward term per step."""
    probes: jax.Array
    """(n_envs, probes) mean of each ground truth per step."""
    terminated: jax.Array
    """(n_envs,) episodes that ended inside the task, per step."""
    covariance: jax.Array
    """(n_envs, terms, terms) covariance of the terms over steps; `w @ c @ v` is that of two
    rewards with weights w and v."""


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
    noise = jnp.asarray(0.0 if deterministic else 1.0)
    return _evaluate(world, params, net, key, n_envs, n_steps, noise)


def evaluate_script(
    world: World, params: Any, script: Script, key: jax.Array, n_envs: int, n_steps: int
) -> Evaluation:
    """Run a scripted policy, otherwise as `evaluate`: the same key gives the same environments."""
    return _script(world, params, script, key, n_envs, n_steps)


def widen(net: ActorCritic, width: int) -> ActorCritic:
    """Return the same function as a network of hidden width `width`, its new units inert.

    One compiled evaluation then serves policies of every width.

    Raises:
        InputError: the network is wider.
    """
    own = net.policy[0][0].shape[0]
    if own > width:
        raise InputError(f"a network of width {own} cannot be cut to {width}.")

    def padded(layers):
        last = len(layers) - 1
        return tuple(
            (
                jnp.pad(w, ((0, width - w.shape[0] if i < last else 0),
                            (0, width - w.shape[1] if i > 0 else 0))),
                jnp.pad(b, (0, width - b.shape[0] if i < last else 0)),
            )
            for i, (w, b) in enumerate(layers)
        )  # fmt: skip

    return ActorCritic(padded(net.policy), padded(net.value), net.log_std, net.discrete)


@functools.partial(jax.jit, static_argnums=(0, 4, 5))
def _evaluate(world, params, net, key, n_envs, n_steps, scale):
    def act(observation, key):
        out = _policy.head(net, observation)
        noise = scale * _policy.draw_noise(net, key, (n_envs,))
        return _policy.clip(world, _policy.sample(net, out, noise))

    return _roll(world, params, act, key, n_envs, n_steps)


@functools.partial(jax.jit, static_argnums=(0, 2, 4, 5))
def _script(world, params, script, key, n_envs, n_steps):
    def act(observation, key):
        return script(observation)

    return _roll(world, params, act, key, n_envs, n_steps)


def _roll(world, params, act, key, n_envs, n_steps) -> Evaluation:
    """Sum over steps; products are of terms less those of the first step, for precision."""
    starting, acting = jax.random.split(key)
    envs, observation = reset_batch(world, params, jax.random.split(starting, n_envs))
    none = jnp.zeros((n_envs, len(world.terms)))

    def step(carry, inputs):
        envs, observation, first, totals = carry
        t, key = inputs
        envs, result = step_batch(world, params, envs, act(observation, key))
        first = jnp.where(t == 0, result.terms, first)
        off = result.terms - first
        now = Evaluation(
            result.terms, result.probes, result.terminated, off[:, :, None] * off[:, None]
        )
        totals = jax.tree.map(jnp.add, totals, now)
        return (envs, result.observation, first, totals), None

    zeros = Evaluation(
        none,
        jnp.zeros((n_envs, len(world.probes))),
        jnp.zeros(n_envs),
        jnp.zeros((n_envs, len(world.terms), len(world.terms))),
    )
    inputs = jnp.arange(n_steps), jax.random.split(acting, n_steps)
    (_, _, first, totals), _ = jax.lax.scan(step, (envs, observation, none, zeros), inputs)
    mean = jax.tree.map(lambda x: x / n_steps, totals)
    off = mean.terms - first
    return mean._replace(covariance=mean.covariance - off[:, :, None] * off[:, None])
