"""Evaluation: covariances against a trajectory, wider networks, scripts, training that ends."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hackproof.errors import InputError
from hackproof.optimize import (
    Hyper,
    PPOConfig,
    evaluate,
    evaluate_script,
    pick_seed,
    train,
    widen,
)
from hackproof.worlds import make, reset_batch, reward_weights, step_batch

WORLD = make("boat-race")
CONFIG = PPOConfig(width=6, depth=2, n_envs=4, n_steps=16, batch_size=32, epochs=1)


def clockwise(observation: jax.Array) -> jax.Array:
    """Always the same move; kept at module level, since a script is compiled in."""
    return jnp.ones(observation.shape[0], jnp.int32)


@pytest.fixture(scope="module")
def net():
    hyper = Hyper(reward_weights(WORLD, "published"), WORLD.params(), 1e-3)
    return pick_seed(train(WORLD, CONFIG, hyper, jax.random.key(0)[None], 1, 2), 0)


def test_a_script_is_measured_as_played_by_hand():
    key, params = jax.random.key(3), WORLD.params()
    found = evaluate_script(WORLD, params, clockwise, key, 2, 12)
    state, seen = reset_batch(WORLD, params, jax.random.split(jax.random.split(key)[0], 2))
    terms = []
    for _ in range(12):
        state, step = step_batch(WORLD, params, state, clockwise(seen))
        seen = step.observation
        terms.append(np.asarray(step.terms, np.float64))
    terms = np.stack(terms)
    np.testing.assert_allclose(found.terms, terms.mean(0), atol=1e-6)
    for env in range(2):
        expected = np.cov(terms[:, env].T, bias=True)
        np.testing.assert_allclose(found.covariance[env], expected, atol=1e-6)


def test_a_wider_network_does_the_same(net):
    wide = widen(net, 17)
    assert [w.shape for w, _ in wide.policy] == [
        (17, net.policy[0][0].shape[1]), (17, 17), (net.policy[-1][0].shape[0], 17)
    ]  # fmt: skip
    args = (WORLD, WORLD.params())
    a, b = (evaluate(*args, n, jax.random.key(1), 4, 40) for n in (net, wide))
    for x, y in zip(a, b, strict=True):
        np.testing.assert_allclose(x, y, atol=1e-5)


def test_a_network_is_not_cut(net):
    with pytest.raises(InputError, match="width 6 cannot be cut to 5"):
        widen(net, 5)


def test_sampled_actions_differ_and_a_key_repeats_them(net):
    args = (WORLD, WORLD.params(), net)
    greedy = evaluate(*args, jax.random.key(1), 4, 40)
    sampled = [evaluate(*args, jax.random.key(1), 4, 40, False) for _ in range(2)]
    np.testing.assert_array_equal(sampled[0].terms, sampled[1].terms)
    assert not np.array_equal(greedy.terms, sampled[0].terms)


def test_training_ends_where_it_is_told_to():
    hyper = Hyper(reward_weights(WORLD, "published"), WORLD.params(), 1e-3)
    seen = []

    def on_chunk(chunk):
        seen.append((chunk.steps, np.asarray(chunk.terms)))
        return chunk.steps >= 128

    train(WORLD, CONFIG, hyper, jax.random.key(0)[None], 10, 1, on_chunk)
    assert [steps for steps, _ in seen] == [0, 64, 128]
    assert np.isnan(seen[0][1]).all()
    assert seen[1][1].shape == (1, len(WORLD.terms))
    assert np.isfinite(seen[2][1]).all()
