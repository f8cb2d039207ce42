"""Actor-critic networks, how they act, and how they are kept.

Two separate tanh MLPs of equal hidden layers, as in Stable-Baselines3's default: one for
the policy, one for the value. Orthogonal weights (gain sqrt 2 in hidden layers, 0.01 at
the policy's head, 1 at the value's), zero biases, a log standard deviation that does not
depend on the state.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from hackproof.errors import InputError, IntegrityError
from hackproof.worlds import Box, Discrete, World

LOG_2PI = math.log(2 * math.pi)
FORMAT = 1


class ActorCritic(eqx.Module):
    """A policy with its value function."""

    policy: tuple[tuple[jax.Array, jax.Array], ...]
    """(weight (out, in), bias (out,)) per layer; the last gives means or logits."""
    value: tuple[tuple[jax.Array, jax.Array], ...]
    """The same for the value, (1,) out."""
    log_std: jax.Array
    """(actions,) for a Box; (0,) for Discrete."""
    discrete: bool = eqx.field(static=True)
    """Whether the policy's head gives logits."""


def init(key: jax.Array, world: World, width: int, depth: int) -> ActorCritic:
    """Return fresh networks for a world.

    Made with NumPy from the key's bits: a QR decomposition takes seconds to compile for
    every new width, and nothing to run.

    Args:
        key: PRNG key.
        world: Fixes the input and output sizes.
        width: Hidden units per layer, at least 1.
        depth: Hidden layers, at least 1.
    """
    size = math.prod(world.observation.shape)
    discrete = isinstance(world.action, Discrete)
    out = world.action.n if isinstance(world.action, Discrete) else math.prod(world.action.shape)
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)).astype(np.uint64))
    sizes = [size] + [width] * depth
    return ActorCritic(
        _layers(rng, [*sizes, out], 0.01),
        _layers(rng, [*sizes, 1], 1.0),
        jnp.zeros(0 if discrete else out),
        discrete,
    )


def _layers(rng: np.random.Generator, sizes: list[int], head: float):
    gains = [math.sqrt(2)] * (len(sizes) - 2) + [head]
    return tuple(
        (jnp.asarray(gain * orthogonal(rng, o, i), jnp.float32), jnp.zeros(o))
        for gain, i, o in zip(gains, sizes[:-1], sizes[1:], strict=True)
    )


def orthogonal(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """Return a matrix with orthonormal rows or columns, uniform over such matrices.

    Source: Saxe et al. 2013, https://arxiv.org/abs/1312.6120; signs after Mezzadri 2007,
    https://arxiv.org/abs/math-ph/0609050.
    """
    q, r = np.linalg.qr(rng.normal(size=(max(rows, columns), min(rows, columns))))
    q = q * np.sign(np.diag(r))
    return q if rows >= columns else q.T


def _forward(layers, x: jax.Array) -> jax.Array:
    """Apply an MLP to a batch, (n, in) -> (n, out); tanh between the layers."""
    for weight, bias in layers[:-1]:
        x = jnp.tanh(x @ weight.T + bias)
    weight, bias = layers[-1]
    return x @ weight.T + bias


def head(net: ActorCritic, observation: jax.Array) -> jax.Array:
    """Return means or logits, (n, out), for observations (n, *shape)."""
    return _forward(net.policy, observation.reshape(observation.shape[0], -1))


def values(net: ActorCritic, observation: jax.Array) -> jax.Array:
    """Return state values, (n,), for observations (n, *shape)."""
    return _forward(net.value, observation.reshape(observation.shape[0], -1))[:, 0]


def sample(net: ActorCritic, out: jax.Array, noise: jax.Array) -> jax.Array:
    """Return actions for the head's output.

    Args:
        net: The networks.
        out: (n, out) of `head`.
        noise: (n, out) standard normal for a Box, standard Gumbel for Discrete.

    Returns:
        (n, out) float32 before any clipping, or (n,) int32.
    """
    if net.discrete:
        return jnp.argmax(out + noise, -1).astype(jnp.int32)
    return out + jnp.exp(net.log_std) * noise


def draw_noise(net: ActorCritic, key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Return the noise that `sample` takes, of the given shape + (out,)."""
    full = (*shape, net.policy[-1][1].shape[0])
    return jax.random.gumbel(key, full) if net.discrete else jax.random.normal(key, full)


def log_prob_entropy(
    net: ActorCritic, out: jax.Array, action: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Return log pi(a|s) and the entropy, both (n,), in nats."""
    if net.discrete:
        log_p = jax.nn.log_softmax(out)
        # A one-hot product: a gather and its scatter are slow in XLA on a CPU.
        chosen = jax.nn.one_hot(action, out.shape[-1])
        return (log_p * chosen).sum(-1), -(jnp.exp(log_p) * log_p).sum(-1)
    z = (action - out) * jnp.exp(-net.log_std)
    log_p = -0.5 * (z * z).sum(-1) - net.log_std.sum() - 0.5 * LOG_2PI * out.shape[-1]
    entropy = net.log_std.sum() + 0.5 * (1 + LOG_2PI) * out.shape[-1]
    return log_p, jnp.broadcast_to(entropy, log_p.shape)


def clip(world: World, action: jax.Array) -> jax.Array:
    """Return actions as the world takes them: a Box's are cut to its bounds."""
    if isinstance(world.action, Box):
        return jnp.clip(action, world.action.low, world.action.high)
    return action


def greedy(world: World, net: ActorCritic, observation: jax.Array) -> jax.Array:
    """Return the actions without noise, as the world takes them: the mean or the likeliest.

    Args:
        world: Its action space bounds a Box's actions.
        net: The networks.
        observation: (n, *shape).

    Returns:
        (n, out) float32 within the Box's bounds, or (n,) int32.
    """
    out = head(net, observation)
    return clip(world, sample(net, out, jnp.zeros_like(out)))


class SavedPolicy(NamedTuple):
    """A policy that was read back."""

    net: ActorCritic
    about: Mapping[str, Any]
    """World, its fields, the proxy and what else was saved with it."""


def to_bytes(net: ActorCritic, about: Mapping[str, Any]) -> bytes:
    """Return a policy as an .npz file: its arrays and a description in JSON."""
    arrays: dict[str, Any] = {
        f"{name}.{i}.{part}": np.asarray(array)
        for name, layers in (("policy", net.policy), ("value", net.value))
        for i, layer in enumerate(layers)
        for part, array in zip("wb", layer, strict=True)
    }
    header = json.dumps({"format": FORMAT, "discrete": net.discrete, **about}, sort_keys=True)
    arrays["header"] = np.frombuffer(header.encode(), np.uint8)
    arrays["log_std"] = np.asarray(net.log_std)
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def load_policy(path: str | Path) -> SavedPolicy:
    """Read a policy that a run saved.

    Raises:
        InputError: no such file.
        IntegrityError: the file is cut short or is not a policy of this format.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"there is no policy file {path}.")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {k: file[k] for k in file.files}
        about = json.loads(arrays.pop("header").tobytes())
        if about.pop("format") != FORMAT:
            raise ValueError("another format")
        depth = sum(k.startswith("policy.") for k in arrays) // 2

        def layers(name: str):
            return tuple(
                (jnp.asarray(arrays[f"{name}.{i}.w"]), jnp.asarray(arrays[f"{name}.{i}.b"]))
                for i in range(depth)
            )

        net = ActorCritic(
            layers("policy"), layers("value"), jnp.asarray(arrays["log_std"]), about.pop("discrete")
        )
    except Exception as error:
        raise IntegrityError(f"{path} is cut short or is not a saved policy: {error}") from None
    return SavedPolicy(net, about)
