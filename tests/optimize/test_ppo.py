import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hackproof import theory, worlds
from hackproof.errors import InputError
from hackproof.optimize import Hyper, PPOConfig, _ppo, evaluate, pick_seed, train
from hackproof.optimize._ppo import ReturnScale, Rollout

WORLD = worlds.make("boat-race")
TINY = PPOConfig(width=8, depth=1, n_envs=4, n_steps=16, batch_size=32, epochs=2)


def hyper(reward="hop-pays", learning_rate=3e-3):
    return Hyper(jnp.asarray(worlds.reward_weights(WORLD, reward)), WORLD.params(), learning_rate)


def rollout(rng, steps=12, envs=3):
    done = rng.random((steps, envs)) < 0.3
    truncated = done & (rng.random((steps, envs)) < 0.5)
    bootstrap = np.where(truncated, rng.normal(size=(steps, envs)), 0)
    zero = np.zeros((steps, envs), np.float32)
    reward = rng.normal(size=(steps, envs)).astype(np.float32)
    return Rollout(zero, zero, zero, reward, bootstrap.astype(np.float32), done, zero)


@pytest.mark.parametrize("seed", range(5))
def test_advantages_are_stable_baselines3s(seed):
    buffers = pytest.importorskip("stable_baselines3.common.buffers")
    import torch
    from gymnasium import spaces

    rng = np.random.default_rng(seed)
    data = rollout(rng)
    value = rng.normal(size=(12, 3)).astype(np.float32)
    last = rng.normal(size=3).astype(np.float32)
    config = PPOConfig(gamma=0.9, gae_lambda=0.8)
    ours = _ppo.advantages(config, data, jnp.asarray(value), jnp.asarray(last))

    box = spaces.Box(-1, 1, (1,))
    theirs = buffers.RolloutBuffer(12, box, box, "cpu", 0.8, 0.9, 3)
    starts = np.concatenate([np.zeros((1, 3)), data.done[:-1]])
    for t in range(12):
        # Stable-Baselines3 adds a truncated step's bootstrap to its reward.
        reward = data.reward[t] + 0.9 * data.bootstrap[t]
        theirs.add(np.zeros((3, 1)), np.zeros((3, 1)), reward, starts[t],
                   torch.as_tensor(value[t]), torch.zeros(3))  # fmt: skip
    theirs.compute_returns_and_advantage(torch.as_tensor(last), data.done[-1])
    np.testing.assert_allclose(ours, theirs.advantages, atol=1e-5)


@pytest.mark.parametrize("n", [1, 2, 64, 6144, 2**17 + 1])
def test_a_shuffle_leaves_nothing_out(n):
    order = _ppo.shuffle(jax.random.key(3), n)
    assert sorted(np.asarray(order)) == list(range(n))


def test_a_shuffle_puts_everything_everywhere():
    """The place of each of 8 numbers is uniform over 4,000 shuffles."""
    keys = jax.random.split(jax.random.key(0), 4000)
    orders = np.asarray(jax.vmap(lambda k: _ppo.shuffle(k, 8))(keys))
    counts = np.array([[(orders[:, place] == i).sum() for i in range(8)] for place in range(8)])
    # A chi-squared of 49 degrees of freedom: beyond 98 once in 40,000 times.
    assert ((counts - 500) ** 2 / 500).sum() < 98


def test_the_reward_scale_is_the_deviation_of_the_discounted_return():
    rng = np.random.default_rng(0)
    config = PPOConfig(gamma=0.9, n_envs=3)
    scale = ReturnScale(jnp.zeros(3), jnp.zeros(()), jnp.ones(()), jnp.asarray(1e-4))
    totals, running = [], np.zeros(3)
    for _ in range(4):
        data = rollout(rng)
        scale, scaled = _ppo.scale_rewards(
            config, scale, jnp.asarray(data.reward), jnp.asarray(data.done)
        )
        for reward, done in zip(data.reward, data.done, strict=True):
            running = 0.9 * running + reward
            totals.append(running.copy())
            running[done] = 0
    assert float(scale.variance) == pytest.approx(np.var(totals), rel=1e-3)
    np.testing.assert_allclose(scaled, data.reward / np.std(totals), rtol=1e-3)


def test_one_seed_alone_is_the_same_to_the_bit_as_among_five():
    keys = jax.random.split(jax.random.key(3), 5)
    among = train(WORLD, TINY, hyper(), keys, 2, 3)
    for i in (0, 3):
        alone = train(WORLD, TINY, hyper(), keys[i : i + 1], 2, 3)
        pairs = zip(
            *(jax.tree.leaves(pick_seed(*x)) for x in ((among, i), (alone, 0))), strict=True
        )
        for a, b in pairs:
            assert np.array_equal(a, b)


def test_chunks_do_not_change_the_result():
    keys = jax.random.split(jax.random.key(3), 1)
    a, b = train(WORLD, TINY, hyper(), keys, 2, 3), train(WORLD, TINY, hyper(), keys, 3, 2)
    assert all(np.array_equal(x, y) for x, y in zip(*map(jax.tree.leaves, (a, b)), strict=True))


def test_a_sweep_over_rewards_and_rates_compiles_once():
    keys = jax.random.split(jax.random.key(0), 1)
    train(WORLD, TINY, hyper(), keys, 1, 5)
    before = _ppo._train_seeds._cache_size()
    train(WORLD, TINY, hyper("lap-pays"), keys, 1, 5)
    train(WORLD, TINY, hyper(learning_rate=1e-4), keys, 1, 5)
    assert _ppo._train_seeds._cache_size() == before


def test_it_learns_what_planning_says_pays():
    """Trained where hopping pays, the boat hops: exactly the hack that planning finds."""
    config = PPOConfig(width=32, n_envs=16, n_steps=64, batch_size=128, epochs=4)
    nets = train(WORLD, config, hyper(learning_rate=2e-3), jax.random.key(0)[None], 1, 40)
    result = evaluate(WORLD, WORLD.params(), pick_seed(nets, 0), jax.random.key(1), 32, 100)
    terms = np.asarray(result.terms).mean(0)
    mdp = WORLD.tabular("hop-pays")
    best = theory.policy_return(mdp, theory.optimal_policy(mdp)) * 0.01
    assert terms @ worlds.reward_weights(WORLD, "hop-pays") > best - 0.05
    assert abs(terms @ worlds.reward_weights(WORLD, "performance")) < 0.1


def test_evaluation_is_a_mean_per_step():
    nets = train(WORLD, TINY, hyper(), jax.random.key(0)[None], 1, 1)
    result = evaluate(WORLD, WORLD.params(), pick_seed(nets, 0), jax.random.key(1), 8, 50)
    np.testing.assert_allclose(result.terms[:, 0], -1)  # every step costs 1
    assert result.probes.min() >= 0
    assert result.probes.max() <= 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"width": -3}, "width is -3"),
        ({"batch_size": 7}, "batch_size 7 does not divide"),
        ({"gamma": 1.5}, "gamma is 1.5"),
    ],
)
def test_bad_settings_are_named(change, words):
    with pytest.raises(InputError, match=words):
        PPOConfig(**change)
