import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from hackproof import worlds
from hackproof.errors import InputError, IntegrityError
from hackproof.optimize import _policy, load_policy, to_bytes


@pytest.fixture(params=["boat-race", "glucose"])
def world(request):
    return worlds.make(request.param)


@pytest.fixture
def net(world):
    return _policy.init(jax.random.key(0), world, 8, 2)


def observations(world, n=16):
    return jax.random.normal(jax.random.key(1), (n, *world.observation.shape))


def test_log_probabilities_and_entropies_are_scipys(world, net):
    out = _policy.head(net, observations(world)) + 1.0
    action = _policy.sample(net, out, _policy.draw_noise(net, jax.random.key(2), (16,)))
    log_p, entropy = _policy.log_prob_entropy(net, out, action)
    if net.discrete:
        p = np.asarray(jax.nn.softmax(out))
        np.testing.assert_allclose(log_p, np.log(p[np.arange(16), action]), rtol=1e-5)
        np.testing.assert_allclose(entropy, stats.entropy(p, axis=1), rtol=1e-5)
    else:
        np.testing.assert_allclose(log_p, stats.norm.logpdf(action, out).sum(1), rtol=1e-5)
        np.testing.assert_allclose(entropy, stats.norm.entropy(), rtol=1e-5)


def test_samples_follow_their_probabilities():
    net = _policy.init(jax.random.key(0), worlds.make("boat-race"), 8, 1)
    out = jnp.tile(jnp.log(jnp.asarray([0.1, 0.2, 0.3, 0.4])), (20_000, 1))
    action = _policy.sample(net, out, _policy.draw_noise(net, jax.random.key(5), (20_000,)))
    counts = np.bincount(action, minlength=4)
    assert stats.chisquare(counts, 20_000 * np.array([0.1, 0.2, 0.3, 0.4])).pvalue > 1e-3


def test_weights_start_orthogonal(net):
    weight = np.asarray(net.policy[1][0])
    np.testing.assert_allclose(weight @ weight.T, 2 * np.eye(8), atol=1e-5)
    assert not np.any(net.policy[-1][1])


def test_a_saved_policy_acts_as_before(world, net, tmp_path):
    (tmp_path / "p.npz").write_bytes(to_bytes(net, {"world": world.name, "seed": 3}))
    back = load_policy(tmp_path / "p.npz")
    assert back.about == {"world": world.name, "seed": 3}
    x = observations(world)
    assert np.array_equal(_policy.head(net, x), _policy.head(back.net, x))
    assert np.array_equal(_policy.values(net, x), _policy.values(back.net, x))


def test_equal_policies_give_equal_bytes(net):
    assert to_bytes(net, {"a": 1, "b": 2}) == to_bytes(net, {"b": 2, "a": 1})


def test_bad_policy_files_are_named(net, tmp_path):
    data = to_bytes(net, {})
    (tmp_path / "short.npz").write_bytes(data[: len(data) // 2])
    with pytest.raises(IntegrityError, match=r"short.npz is cut short"):
        load_policy(tmp_path / "short.npz")
    with pytest.raises(InputError, match="no policy file"):
        load_policy(tmp_path / "none.npz")
