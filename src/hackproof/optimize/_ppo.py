"""Proximal policy optimisation, wholly inside one compiled function.

Schulman et al. 2017, https://arxiv.org/abs/1707.06347, with the choices of
Stable-Baselines3's PPO (generalised advantages, advantages normalised per minibatch,
gradients clipped by their global norm, value of the last observation added to the reward
of a truncated step), so that the two can be compared with equal hyperparameters.
Left out: value clipping, a target KL and learning-rate schedules.

Environments are the batch axis. Seeds go through `lax.map`: each runs the same program
whether it runs alone or among others, so that its result is the same to the bit.
Reward weights, world parameters and learning rate are arguments; only shapes compile.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optax

from hackproof.errors import InputError
from hackproof.optimize import _policy
from hackproof.optimize._policy import ActorCritic
from hackproof.worlds import BatchState, World, reset_batch, step_batch


@dataclass(frozen=True)
class PPOConfig:
    """What decides shapes and the program; a change compiles again."""

    width: int = 64
    """Hidden units per layer."""
    depth: int = 2
    """Hidden layers of each of the two networks."""
    n_envs: int = 8
    """Environments side by side."""
    n_steps: int = 256
    """Steps of each environment between updates."""
    batch_size: int = 64
    """Samples per gradient step; must divide n_envs * n_steps."""
    epochs: int = 10
    """Passes over the samples per update."""
    gamma: float = 0.99
    """Discount."""
    gae_lambda: float = 0.95
    """Lambda of the generalised advantage."""
    clip_range: float = 0.2
    """Bound on the probability ratio."""
    entropy: float = 0.0
    """Weight of the entropy bonus."""
    value: float = 0.5
    """Weight of the value loss."""
    max_grad_norm: float = 0.5
    """Global norm at which gradients are cut."""
    normalize_reward: bool = False
    """Divide rewards by the running standard deviation of the discounted return."""

    def __post_init__(self) -> None:
        for name in ("width", "depth", "n_envs", "n_steps", "batch_size", "epochs"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must be at least 1.")
        for name in ("gamma", "gae_lambda"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must lie in [0, 1].")
        if self.samples % self.batch_size:
            raise InputError(
                f"batch_size {self.batch_size} does not divide n_envs * n_steps = {self.samples}."
            )

    @property
    def samples(self) -> int:
        """Environment steps per update."""
        return self.n_envs * self.n_steps


class Hyper(NamedTuple):
    """What may change without compiling again."""

    weights: jax.Array
    """(terms,) the proxy reward."""
    params: Any
    """The world's parameters."""
    learning_rate: float | jax.Array = 3e-4


class ReturnScale(NamedTuple):
    """Running variance of the discounted return, as in Stable-Baselines3's VecNormalize."""

    discounted: jax.Array
    """(n_envs,) return so far."""
    mean: jax.Array
    variance: jax.Array
    samples: jax.Array
    """Returns behind mean and variance."""


class TrainState(NamedTuple):
    """Everything that training carries from one update to the next."""

    net: ActorCritic
    moments: Any
    """Adam's state."""
    envs: BatchState
    observation: jax.Array
    scale: ReturnScale
    key: jax.Array


class Chunk(NamedTuple):
    """What training has come to after a chunk of updates."""

    steps: int
    """Environment steps of each seed so far."""
    nets: ActorCritic
    """The policies, leaves with a leading seed axis."""
    terms: jax.Array
    """(seeds, terms) mean reward terms per step while the chunk was collected, with sampled
    actions; NaN before the first."""


class Rollout(NamedTuple):
    """n_steps of n_envs environments; every leaf is (n_steps, n_envs, ...)."""

    observation: jax.Array
    action: jax.Array
    log_prob: jax.Array
    reward: jax.Array
    bootstrap: jax.Array
    """Value of the observation a truncated step led to; 0 elsewhere."""
    done: jax.Array
    terms: jax.Array


class Batch(NamedTuple):
    """Samples of one minibatch; every leaf is (batch, ...)."""

    observation: jax.Array
    action: jax.Array
    log_prob: jax.Array
    advantage: jax.Array
    target: jax.Array


ADAM = optax.scale_by_adam(eps=1e-5)
"""Adam without its step size, which is an argument; eps as in Stable-Baselines3."""


def clip_by_norm(gradient: ActorCritic, bound: float) -> ActorCritic:
    """Return the gradient, scaled down to a global norm of at most `bound`.

    One factor for all leaves, so that XLA folds it into Adam's loops; optax's own divides
    leaf by leaf, which costs a tenth of an update at width 512.
    """
    factor = jnp.minimum(1.0, bound / (optax.tree.norm(gradient) + 1e-6))
    return jax.tree.map(lambda g: g * factor, gradient)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _reset_seeds(world: World, n_envs: int, params: Any, keys: jax.Array):
    """Start the environments of every seed; compiled once for all widths."""
    return jax.lax.map(lambda k: reset_batch(world, params, jax.random.split(k, n_envs)), keys)


def start(world: World, config: PPOConfig, hyper: Hyper, keys: jax.Array) -> TrainState:
    """Return the states before the first update, leaves with a leading seed axis."""
    parts = jax.vmap(lambda k: jax.random.split(k, 3))(keys)
    nets = [_policy.init(k, world, config.width, config.depth) for k in parts[:, 0]]
    net = jax.tree.map(lambda *leaves: jnp.stack(leaves), *nets)
    moments = jax.vmap(ADAM.init)(net)
    envs, observation = _reset_seeds(world, config.n_envs, hyper.params, parts[:, 1])
    seeds = keys.shape[0]
    scale = ReturnScale(
        jnp.zeros((seeds, config.n_envs)),
        jnp.zeros(seeds),
        jnp.ones(seeds),
        jnp.full(seeds, 1e-4),
    )
    return TrainState(net, moments, envs, observation, scale, parts[:, 2])


def collect(
    world: World, config: PPOConfig, hyper: Hyper, state: TrainState, key: jax.Array
) -> tuple[BatchState, jax.Array, Rollout]:
    """Act with the current policy for n_steps in every environment."""
    net = state.net
    noise = _policy.draw_noise(net, key, (config.n_steps, config.n_envs))

    def step(carry, noise):
        envs, observation = carry
        out = _policy.head(net, observation)
        action = _policy.sample(net, out, noise)
        log_prob, _ = _policy.log_prob_entropy(net, out, action)
        envs, result = step_batch(world, hyper.params, envs, _policy.clip(world, action))
        bootstrap = jax.lax.cond(
            jnp.any(result.truncated),
            lambda: jnp.where(result.truncated, _policy.values(net, result.final_observation), 0.0),
            lambda: jnp.zeros(config.n_envs),
        )
        done = result.terminated | result.truncated
        reward = result.terms @ hyper.weights
        kept = Rollout(observation, action, log_prob, reward, bootstrap, done, result.terms)
        return (envs, result.observation), kept

    (envs, observation), rollout = jax.lax.scan(step, (state.envs, state.observation), noise)
    return envs, observation, rollout


def scale_rewards(
    config: PPOConfig, scale: ReturnScale, reward: jax.Array, done: jax.Array
) -> tuple[ReturnScale, jax.Array]:
    """Return rewards (n_steps, n_envs) over the running deviation of the return, cut at 10.

    The deviation is updated once per rollout (Chan's parallel formula), where
    VecNormalize updates it every step.
    """

    def accumulate(total, step):
        reward, done = step
        total = config.gamma * total + reward
        return jnp.where(done, 0.0, total), total

    discounted, totals = jax.lax.scan(accumulate, scale.discounted, (reward, done))
    n, delta = totals.size, totals.mean() - scale.mean
    count = scale.samples + n
    squares = scale.variance * scale.samples + totals.var() * n
    variance = (squares + delta**2 * scale.samples * n / count) / count
    scaled = jnp.clip(reward / jnp.sqrt(variance + 1e-8), -10.0, 10.0)
    return ReturnScale(discounted, scale.mean + delta * n / count, variance, count), scaled


def advantages(
    config: PPOConfig, rollout: Rollout, value: jax.Array, last_value: jax.Array
) -> jax.Array:
    """Return generalised advantages, (n_steps, n_envs).

    A_t = d_t + gamma lambda (1 - done_t) A_{t+1},
    d_t = r_t + gamma (bootstrap_t + (1 - done_t) v_{t+1}) - v_t.
    Source: Schulman et al. 2015, https://arxiv.org/abs/1506.02438.
    """
    going = 1.0 - rollout.done
    following = jnp.concatenate([value[1:], last_value[None]])
    delta = rollout.reward + config.gamma * (rollout.bootstrap + going * following) - value

    def back(advantage, step):
        delta, going = step
        advantage = delta + config.gamma * config.gae_lambda * going * advantage
        return advantage, advantage

    return jax.lax.scan(back, jnp.zeros_like(last_value), (delta, going), reverse=True)[1]


def loss(net: ActorCritic, config: PPOConfig, batch: Batch) -> jax.Array:
    """Return PPO's clipped surrogate with value and entropy terms, ()."""
    out = _policy.head(net, batch.observation)
    log_prob, entropy = _policy.log_prob_entropy(net, out, batch.action)
    ratio = jnp.exp(log_prob - batch.log_prob)
    # torch.std, which Stable-Baselines3 divides by, is the unbiased one.
    spread = batch.advantage.std(ddof=1) if batch.advantage.size > 1 else 1.0
    advantage = (batch.advantage - batch.advantage.mean()) / (spread + 1e-8)
    clipped = jnp.clip(ratio, 1 - config.clip_range, 1 + config.clip_range)
    surrogate = jnp.minimum(ratio * advantage, clipped * advantage).mean()
    error = ((_policy.values(net, batch.observation) - batch.target) ** 2).mean()
    return -surrogate + config.value * error - config.entropy * entropy.mean()


def shuffle(key: jax.Array, n: int) -> jax.Array:
    """Return 0 .. n-1 in random order, (n,) int32, for minibatches.

    Numbers of random upper bits and their place in the lower ones are sorted, which XLA does
    seven times faster than `jax.random.permutation`'s sorts of pairs. Where two draw equal
    upper bits (at least 15 are left) they keep their order.
    """
    bits = max(1, (n - 1).bit_length())
    if bits > 17:
        return jax.random.permutation(key, n)
    drawn = jax.random.bits(key, (n,), jnp.uint32) >> bits << bits
    return (jnp.sort(drawn | jnp.arange(n, dtype=jnp.uint32)) & (2**bits - 1)).astype(jnp.int32)


def update(
    world: World, config: PPOConfig, hyper: Hyper, state: TrainState
) -> tuple[TrainState, jax.Array]:
    """Collect one rollout and learn from it; returns the mean reward terms, (terms,)."""
    key, acting, shuffling = jax.random.split(state.key, 3)
    envs, observation, rollout = collect(world, config, hyper, state, acting)
    scale, terms = state.scale, rollout.terms.mean((0, 1))
    if config.normalize_reward:
        scale, scaled = scale_rewards(config, scale, rollout.reward, rollout.done)
        rollout = rollout._replace(reward=scaled)

    flat = rollout.observation.reshape(config.samples, -1)
    value = _policy.values(state.net, flat).reshape(config.n_steps, config.n_envs)
    advantage = advantages(config, rollout, value, _policy.values(state.net, observation))
    whole = Batch(
        flat,
        rollout.action.reshape(config.samples, *rollout.action.shape[2:]),
        rollout.log_prob.reshape(-1),
        advantage.reshape(-1),
        (advantage + value).reshape(-1),
    )

    def learn(carry, index):
        net, moments = carry
        batch = jax.tree.map(lambda x: x[index], whole)
        gradient: Any = clip_by_norm(jax.grad(loss)(net, config, batch), config.max_grad_norm)
        change, moments = ADAM.update(gradient, moments)  # pyright: ignore
        net = jax.tree.map(lambda p, c: p - hyper.learning_rate * c, net, change)
        return (net, moments), None

    def epoch(carry, key):
        order = shuffle(key, config.samples)
        return jax.lax.scan(learn, carry, order.reshape(-1, config.batch_size))

    (net, moments), _ = jax.lax.scan(
        epoch, (state.net, state.moments), jax.random.split(shuffling, config.epochs)
    )
    return TrainState(net, moments, envs, observation, scale, key), terms


@functools.partial(jax.jit, static_argnums=(0, 1, 4), donate_argnums=3)
def _train_seeds(world, config, hyper, states, updates):
    def seed(state):
        return jax.lax.scan(
            lambda s, _: update(world, config, hyper, s), state, None, length=updates
        )

    return jax.lax.map(seed, states)


def train(
    world: World,
    config: PPOConfig,
    hyper: Hyper,
    keys: jax.Array,
    chunks: int,
    updates: int,
    on_chunk: Callable[[Chunk], bool | None] = lambda chunk: None,
) -> ActorCritic:
    """Train one policy per seed.

    Args:
        world: The world.
        config: What decides shapes.
        hyper: Proxy weights, world parameters, learning rate.
        keys: (seeds,) PRNG keys.
        chunks: How often to run the compiled program; it compiles once.
        updates: Updates per chunk, each of `config.samples` steps per seed.
        on_chunk: Called before the first chunk and after each; training ends where it
            returns True.

    Returns:
        The trained policies, leaves with a leading seed axis.
    """
    states = start(world, config, hyper, keys)
    ends = on_chunk(Chunk(0, states.net, jnp.full((keys.shape[0], len(world.terms)), jnp.nan)))
    for i in range(chunks):
        if ends:
            break
        states, terms = _train_seeds(world, config, hyper, states, updates)
        ends = on_chunk(Chunk((i + 1) * updates * config.samples, states.net, terms.mean(1)))
    return states.net


def pick_seed(nets: ActorCritic, index: int) -> ActorCritic:
    """Return one seed's policy of those `train` returned."""
    return jax.tree.map(lambda x: x[index] if eqx.is_array(x) else x, nets)
