"""The parts of the audit against exact answers."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from hackproof import theory
from hackproof.audit._reward import _spaces
from hackproof.audit._reward._correlation import correlations, pearson, ranks, spearman
from hackproof.audit._reward._distance import epic, starc
from hackproof.audit._reward._episodes import Budget, BudgetSpent, Episode, gather, policies, run
from hackproof.audit._reward._findings import expression
from hackproof.audit._reward._loops import judge
from hackproof.audit._reward._search import inversion
from hackproof.audit._reward._target import Target
from hackproof.worlds import make

WORLD = make("boat-race")


def walks(proxy, true, episodes=40, steps=60, seed=0):
    """Random walks of the boat race, with rewards (8, 4) laid over them; no compiling."""
    from hackproof.worlds._boat_race import transitions

    target, rng, out = transitions()[0], np.random.default_rng(seed), []
    for i in range(episodes):
        s = [int(rng.integers(8))]
        a = rng.integers(4, size=steps)
        for x in a:
            s.append(int(target[s[-1], x]))
        s = np.array(s)
        out.append(Episode(
            "random", i, np.eye(8)[s], list(a), np.eye(4)[a], proxy[s[:-1], a], true[s[:-1], a],
            np.zeros((steps, 0)), False,
        ))  # fmt: skip
    return out


@pytest.mark.parametrize("pair", ["hop-pays", "lap-pays"])
def test_sampled_starc_is_the_exact_one(pair):
    mdp = WORLD.tabular(pair, gamma=0.9)
    true = WORLD.tabular("performance", gamma=0.9).R
    exact = theory.starc(mdp, mdp.R, true, policy=np.full((8, 4), 0.25))
    found = starc(walks(mdp.R, true, episodes=90), 0.9, seed=0)
    assert found.value == pytest.approx(exact, abs=0.02)


def test_distances_forgive_shaping_and_scale_and_see_the_sign():
    R = WORLD.tabular("hop-pays", gamma=0.9).R
    target = WORLD.tabular("hop-pays").P.argmax(2)
    potential = np.random.default_rng(1).normal(size=8)
    shaped = 3 * R + 0.9 * potential[target] - potential[:, None]
    for distance in (starc, epic):
        assert distance(walks(R, R), 0.9, 0).value == pytest.approx(0, abs=1e-6)
        assert distance(walks(R, -R), 0.9, 0).value == pytest.approx(1, abs=1e-6)
    assert starc(walks(R, shaped), 0.9, 0).value < 0.02
    # EPIC's expectations hold a regressor's guesses at transitions that never happen.
    assert epic(walks(R, shaped), 0.9, 0).value < 0.2


def test_a_distance_that_cannot_be_had_says_why():
    R = np.random.default_rng(0).normal(size=(8, 4))
    potential, target = np.arange(8.0), WORLD.tabular("hop-pays").P.argmax(2)
    assert "difference of potentials" in starc(
        walks(R, 0.9 * potential[target] - potential[:, None]), 0.9, 0
    )
    assert "did not vary" in starc(walks(R, np.ones((8, 4))), 0.9, 0)
    assert "did not vary" in epic(walks(R, np.ones((8, 4))), 0.9, 0)
    assert "four are needed" in epic(walks(R, R)[:2], 0.9, 0)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=3, max_size=30))
@settings(max_examples=60, deadline=None)
def test_correlations_are_scipys(rows):
    from scipy import stats

    x, y = np.array(rows, float).T
    np.testing.assert_allclose(ranks(x), stats.rankdata(x))
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        assert np.isnan(pearson(x, y))
    else:
        assert pearson(x, y) == pytest.approx(stats.pearsonr(x, y)[0], abs=1e-9)
        assert spearman(x, y) == pytest.approx(stats.spearmanr(x, y)[0], abs=1e-9)


def test_rounding_is_no_variation():
    assert np.isnan(pearson(np.full(10, 0.1) + 1e-17, np.arange(10.0)))


def flat(proxy, true, policy="random", seed=0, observations=None):
    proxy, n = np.asarray(proxy, float), len(proxy)
    seen = np.zeros((n + 1, 1)) if observations is None else np.asarray(observations, float)
    return Episode(policy, seed, seen.reshape(n + 1, -1), [0] * n, np.zeros((n, 1)), proxy,
                   np.asarray(true, float), np.zeros((n, 0)), False)  # fmt: skip


def test_correlations_hold_by_episode():
    rng = np.random.default_rng(0)
    # Within an episode the two agree, between episodes they are opposed.
    group = []
    for i, level in enumerate(rng.normal(size=30)):
        noise = rng.normal(size=20)
        group.append(flat(10 * level + noise, -10 * level + noise, seed=i))
    found = {(c.per, c.kind): c.interval for c in correlations(group, seed=0)[:4]}
    assert found["episode", "pearson"].high < -0.9
    assert found["step", "pearson"].high < 0
    assert all(i.n == 30 for i in found.values())


def test_episodes_of_one_reset_seed_are_no_new_evidence():
    rng = np.random.default_rng(0)
    once = [flat(*rng.normal(size=(2, 3)), seed=i) for i in range(20)]
    five = [flat(e.proxy, e.true, policy=f"p{k}", seed=e.seed) for k in range(5) for e in once]
    alone = correlations(once, seed=0)[-2].interval
    together = correlations(five, seed=0)[-2].interval
    assert (alone.n, together.n) == (20, 20)
    np.testing.assert_allclose(together, alone, atol=1e-12)


def test_a_loop_must_return_and_pay_every_time():
    one = np.ones(1)

    def asked(proxy, observations, length=2, usual=0.0):
        return judge(flat(proxy, proxy, observations=observations), 0, length, one, usual)

    there_and_back = [0, 1] * 4 + [0]
    assert asked([0, 1] * 4, there_and_back) == (1, 0.5, 0.5, False)
    assert asked([0, 1] * 3 + [0, 0], there_and_back) is None  # did not pay once
    assert asked([0, 1] * 4, list(range(9))) is None  # did not return
    assert asked([0, 1] * 3, there_and_back[:7]) is None  # three periods are too few
    assert asked([0, 1] * 4, there_and_back, usual=0.5) is None  # no more than usual
    assert asked([1] * 8, [0] * 9, length=1)[3] is True  # idle
    # A lap of three places is three repeats of one action.
    assert asked([0, 0, 3] * 4, [0, 1, 2] * 4 + [0], length=1) == (3, 1.0, 1.0, False)


def test_an_inversion_must_be_clear_and_of_one_start():
    base = [flat([x], [x]) for x in np.linspace(0, 1, 20)]
    assert inversion(base) is None
    hack = flat([3.0], [-3.0])
    found = inversion([*base, hack])
    assert found.hack is hack
    assert hack.true_return < found.honest.true_return
    assert hack.proxy_return > found.honest.proxy_return
    both = [*base, hack]
    p, t = (np.std([getattr(e, k) for e in both]) for k in ("proxy_return", "true_return"))
    assert found.margin == pytest.approx(
        max(min((3 - e.proxy_return) / p, (e.true_return + 3) / t) for e in base)
    )
    assert inversion([*base, flat([3.0], [-3.0], seed=1)]) is None
    assert inversion([*base, flat([0.95], [0.45])]) is None  # less than a deviation


@pytest.mark.parametrize(
    "space",
    [
        spaces.Discrete(3, start=2), spaces.MultiDiscrete([2, 3]), spaces.MultiBinary(2),
        spaces.Box(-1, 2, (2, 2), np.float32), spaces.Box(-np.inf, np.inf, (2,)),
        spaces.Dict({"a": spaces.Discrete(2), "b": spaces.Box(0, 1, (1,))}),
        spaces.Tuple([spaces.Discrete(2), spaces.Discrete(3)]),
    ],
    ids=str,
)  # fmt: skip
def test_actions_are_members_and_read_back(space):
    rng = np.random.default_rng(0)
    for action in [*_spaces.constants(space), *(_spaces.sample(space, rng) for _ in range(5))]:
        assert space.contains(action)
        again = _spaces.restored(space, eval(repr(_spaces.plain(action))))
        assert space.contains(again)
        np.testing.assert_array_equal(_spaces.flat(space, action), _spaces.flat(space, again))
        assert len(_spaces.names(space)) == len(_spaces.flat(space, action))


@given(st.lists(st.integers(0, 2), max_size=40))
@settings(max_examples=200, deadline=None)
def test_expressions_are_the_actions(actions):
    assert eval(expression(actions)) == actions


def test_a_budget_is_never_passed():
    env = gym.make("CartPole-v1", disable_env_checker=True)
    target = Target("CartPole-v1", lambda: gym.make("CartPole-v1"))
    episodes = gather(target, env, policies(env.action_space, {}), horizon=50, steps=400, seed=0)
    assert sum(map(len, episodes)) <= 400
    assert {e.policy for e in episodes} == {"random", "constant 0", "constant 1", "sweep"}
    budget = Budget(3)
    with pytest.raises(BudgetSpent):
        run(target, env, lambda t, o: 0, seed=0, horizon=10, budget=budget, policy="x")
    assert (budget.left, budget.used) == (0, 3)
