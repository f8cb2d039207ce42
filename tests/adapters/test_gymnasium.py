from __future__ import annotations

import copy
import dataclasses
import subprocess
import sys
import warnings
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers import RenderCollection

import hackproof.adapters.gymnasium as adapter
from hackproof import worlds
from hackproof.adapters import WorldEnv, WorldVectorEnv
from hackproof.errors import InputError
from hackproof.worlds._boat_race import BoatRace

BOAT = "hackproof/BoatRace-v0"
GLUCOSE = "hackproof/Glucose-v0"


def rollout(env, actions, seed):
    """Observations, rewards and true rewards over several episodes of a scalar env."""
    observation, _ = env.reset(seed=seed)
    seen = [(observation, 0.0, 0.0)]
    for action in actions:
        observation, reward, terminated, truncated, info = env.step(action)
        seen.append((observation, reward, info["true_reward"]))
        if terminated or truncated:
            observation, _ = env.reset()
            seen.append((observation, 0.0, 0.0))
    return seen


def same(a, b):
    assert len(a) == len(b)
    for (o1, r1, t1), (o2, r2, t2) in zip(a, b, strict=True):
        np.testing.assert_allclose(o1, o2, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose([r1, t1], [r2, t2], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("name", "horizon"), [(BOAT, 100), (GLUCOSE, 5)])
def test_check_env_has_nothing_to_say(name, horizon):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(gym.make(name, horizon=horizon).unwrapped)
        check_env(gym.make(name, horizon=horizon, render_mode="rgb_array").unwrapped)


def test_every_world_is_registered_under_an_id_made_from_its_name():
    assert adapter.env_id("boat-race") == BOAT
    assert adapter.env_id("my_2nd world") == "hackproof/My2ndWorld-v0"
    for name in worlds.names():
        assert adapter.env_id(name) in gym.registry
    assert adapter.register() == [adapter.env_id(n) for n in worlds.names()]


@pytest.mark.parametrize(
    "code",
    [
        "import gymnasium; e = gymnasium.make('hackproof:hackproof/BoatRace-v0')",
        "import gymnasium as g; e = g.make('hackproof.adapters.gymnasium:hackproof/BoatRace-v0')",
        "import gymnasium, hackproof; e = gymnasium.make('hackproof/BoatRace-v0')",
        "import hackproof, gymnasium; e = gymnasium.make('hackproof/BoatRace-v0')",
        "import hackproof, gymnasium; e = gymnasium.make('hackproof:hackproof/BoatRace-v0')",
        "import hackproof, gymnasium.vector as v; e = v.AsyncVectorEnv([lambda: __import__("
        "'gymnasium').make('hackproof/BoatRace-v0')])",
        "import gymnasium as g; e = g.make_vec('hackproof:hackproof/BoatRace-v0', num_envs=2)",
    ],
)
def test_the_forms_of_make(code):
    subprocess.run([sys.executable, "-W", "error", "-c", code + "; e.close()"], check=True)


def test_importing_hackproof_does_not_import_gymnasium_and_registering_not_jax():
    code = (
        "import sys, hackproof; assert 'gymnasium' not in sys.modules;"
        "import hackproof.adapters.gymnasium; assert 'jax' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_info_and_reward_of_a_step():
    env = WorldEnv("boat-race", reward={"step": 1.0, "arrow": 2.5})
    env.reset(seed=0)
    _, reward, _, _, info = env.step(0)
    terms = info["reward_terms"]
    assert list(terms) == list(BoatRace.terms)
    assert all(type(v) is float for v in [reward, info["true_reward"], *terms.values()])
    assert reward == terms["step"] + 2.5 * terms["arrow"]
    assert info["true_reward"] == terms["progress"]
    assert list(info["probes"]) == ["clockwise"]


def test_pair_and_rewards_by_name():
    assert np.array_equal(
        WorldEnv("boat-race", pair="hop-pays")._batch.weights[:, 0], [1, 3, 0.5, 0]
    )
    given = WorldEnv(
        BoatRace(horizon=3), pair="hop-pays", reward="lap-pays", true_reward="hop-pays"
    )
    assert np.array_equal(given._batch.weights.T, [[1, 3, -0.5, 0], [1, 3, 0.5, 0]])


@pytest.mark.parametrize("make", [WorldEnv, WorldVectorEnv])
@pytest.mark.parametrize(
    ("kwargs", "says"),
    [
        ({"world": "boat-rice"}, "Did you mean 'boat-race'.*glucose"),
        ({"world": "boat-race", "reward": "publish"}, "Did you mean 'published'"),
        ({"world": "boat-race", "true_reward": {"arow": 1.0}}, "Did you mean 'arrow'"),
        ({"world": "boat-race", "pair": "hop"}, "pair of world 'boat-race'.*published"),
        ({"world": "boat-race", "horizont": 3}, "horizont"),
        ({"world": BoatRace(), "horizon": 3}, "set it on the world"),
        ({"world": "boat-race", "render_mode": "human"}, r"no render mode 'human'\. Known: None"),
    ],
)
def test_bad_names(make, kwargs, says):
    with pytest.raises(InputError, match=says):
        make(**kwargs)


def test_a_world_without_pairs_needs_both_rewards():
    @dataclasses.dataclass(frozen=True)
    class Lonely(BoatRace):
        pairs = {}  # noqa: RUF012

    with pytest.raises(InputError, match="has no pairs"):
        WorldEnv(Lonely(), reward="published")
    WorldEnv(Lonely(), reward="published", true_reward="performance")


@pytest.mark.parametrize("action", [4, -1, 0.5, np.zeros(2, int)])
def test_a_bad_discrete_action(action):
    env = WorldEnv("boat-race")
    env.reset(seed=0)
    with pytest.raises(InputError, match="whole numbers from 0 to 3"):
        env.step(action)


@pytest.mark.parametrize("action", [[np.nan], [np.inf], [0.0, 0.0]])
def test_a_bad_box_action(action):
    env = WorldEnv("glucose", horizon=5)
    env.reset(seed=0)
    with pytest.raises(InputError, match="finite numbers of shape"):
        env.step(np.array(action, np.float32))


def test_steps_outside_an_episode():
    env = WorldEnv("boat-race", horizon=1)
    with pytest.raises(gym.error.ResetNeeded):
        env.step(0)
    env.reset(seed=0)
    assert env.step(0)[3] is True
    with pytest.raises(gym.error.ResetNeeded):
        env.step(0)
    with pytest.raises(gym.error.ResetNeeded):
        WorldVectorEnv("boat-race", 2).step(np.zeros(2, int))


def test_seeding():
    actions = np.random.default_rng(0).integers(4, size=30)
    env = WorldEnv("boat-race", horizon=7)
    first = rollout(env, actions, seed=3)
    same(first, rollout(env, actions, seed=3))
    same(first, rollout(WorldEnv("boat-race", horizon=7), actions, seed=3))
    starts = {rollout(env, [], seed=s)[0][0].argmax() for s in range(20)}
    assert len(starts) > 3
    # Without a seed the stream goes on: other episodes, and again the same ones.
    env.reset(seed=3)
    later = [env.reset()[0].argmax() for _ in range(20)]
    assert len(set(later)) > 3
    env.reset(seed=3)
    assert later == [env.reset()[0].argmax() for _ in range(20)]


@pytest.mark.parametrize(("name", "horizon", "steps"), [(BOAT, 7, 30), (GLUCOSE, 5, 12)])
def test_vector_env_equals_scalar_envs_over_episodes(name, horizon, steps):
    n = 3
    vector = gym.make_vec(name, num_envs=n, horizon=horizon)
    sync = gym.make_vec(
        name, num_envs=n, horizon=horizon, vectorization_mode="sync",
        vector_kwargs={"autoreset_mode": AutoresetMode.SAME_STEP},
    )  # fmt: skip
    assert isinstance(vector, WorldVectorEnv)
    np.testing.assert_allclose(vector.reset(seed=5)[0], sync.reset(seed=5)[0])
    vector.action_space.seed(0)
    for t in range(1, steps + 1):
        actions = vector.action_space.sample()
        *ours, infos = vector.step(actions)
        *theirs, expected = sync.step(actions)
        for a, b in zip(ours, theirs, strict=True):
            assert (a.dtype, a.shape) == (b.dtype, b.shape)
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
        assert ("final_obs" in infos) == (t % horizon == 0)
        if t % horizon == 0:
            same_infos(
                {k: v for k, v in infos.items() if "final" in k},
                {k: v for k, v in expected.items() if "final" in k},
            )
            assert infos["_true_reward"].all()
        else:
            same_infos(infos, expected)


def same_infos(ours, theirs):
    """The same keys, masks and dtypes, all the way down."""
    assert set(ours) == set(theirs)
    for key, value in theirs.items():
        if isinstance(value, dict):
            same_infos(ours[key], value)
        elif value.dtype == object:
            for a, b in zip(ours[key], value, strict=True):
                assert (a is None) == (b is None)
                np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
        else:
            assert ours[key].dtype == value.dtype, key
            np.testing.assert_allclose(ours[key], value, rtol=1e-5, atol=1e-6)


def test_autoreset_of_some_environments_only():
    envs = WorldVectorEnv("boat-race", 3, horizon=4)
    assert envs.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    envs.reset(seed=0)
    for _ in range(2):
        envs.step(np.zeros(3, int))
    mask = np.array([False, True, False])
    before, _ = envs.reset(options={"reset_mask": mask})
    for _ in range(2):
        observation, _, terminated, truncated, infos = envs.step(np.zeros(3, int))
    assert truncated.tolist() == [True, False, True]
    assert not terminated.any()
    assert infos["_final_obs"].tolist() == [True, False, True]
    assert infos["final_obs"][1] is None
    assert infos["final_obs"][0].shape == (8,)
    assert infos["final_info"]["_true_reward"].tolist() == [True, False, True]
    assert infos["true_reward"].shape == (3,)
    assert before.shape == observation.shape == (3, 8)


def test_vector_seeds():
    envs = WorldVectorEnv("boat-race", 2)
    one, _ = envs.reset(seed=[7, 7])
    assert np.array_equal(one[0], one[1])
    both = [envs.reset(seed=[7, None])[0] for _ in range(12)]
    assert len({o[0].argmax() for o in both}) == 1
    assert len({o[1].argmax() for o in both}) > 1
    with pytest.raises(InputError, match="3 seeds are given for 2"):
        envs.reset(seed=[1, 2, 3])
    for mask in ([True, False], np.array([True]), np.zeros(2, bool), np.ones(2)):
        with pytest.raises(InputError, match="reset_mask"):
            envs.reset(options={"reset_mask": mask})
    with pytest.raises(InputError, match="at least 1"):
        WorldVectorEnv("boat-race", 0)


def test_arrays_belong_to_the_user_and_environments_can_be_copied():
    env = WorldEnv("boat-race")
    observation, _ = env.reset(seed=0)
    observation[:] = -1
    twin = copy.deepcopy(env)
    a, b = env.step(1), twin.step(1)
    same([(a[0], a[1], 0.0)], [(b[0], b[1], 0.0)])
    envs = WorldVectorEnv("boat-race", 2)
    envs.reset(seed=0)
    observation, rewards, *_ = envs.step(np.zeros(2, int))
    observation[:] = rewards[:] = 0


def test_world_fields_reach_the_world():
    env = gym.make(GLUCOSE, patient="adult#003", horizon=5, pair="laidlaw")
    assert env.unwrapped.world.patient == "adult#003"
    env.reset(seed=0)
    ends = [env.step(env.action_space.sample())[3] for _ in range(5)]
    assert ends == [False] * 4 + [True]


class Unseen(BoatRace):
    """A world that nobody can draw."""

    name = "unseen"  # pyright: ignore[reportAssignmentType, reportIncompatibleMethodOverride]


def test_render_modes_are_listed_and_are_those_that_the_world_has():
    assert WorldEnv("boat-race").metadata == {"render_modes": ["rgb_array"], "render_fps": 10}
    with pytest.raises(InputError, match="Known: None, 'rgb_array'"):
        WorldEnv("boat-race", render_mode="human")
    assert WorldEnv(Unseen()).metadata["render_modes"] == []
    with pytest.raises(TypeError, match=r"'unseen' has no render mode 'rgb_array'\. Known"):
        WorldEnv(Unseen(), render_mode="rgb_array")
    with pytest.raises(InputError, match=r"Known: None\. One `WorldEnv` at a time is drawn"):
        WorldVectorEnv("boat-race", 2, render_mode="rgb_array")


def test_a_frame_for_every_state_of_an_episode():
    """What `RecordVideo` does, but for the video."""
    env = RenderCollection(gym.make(BOAT, render_mode="rgb_array", horizon=4), pop_frames=False)
    env.reset(seed=0)
    for _ in range(4):
        env.step(1)
    frames: Any = env.render()
    assert len(frames) == 5
    assert all((f.shape, f.dtype) == ((160, 160, 3), np.uint8) for f in frames)
    assert not all(np.array_equal(f, frames[0]) for f in frames[1:])


@pytest.mark.parametrize("name", [BOAT, GLUCOSE])
def test_the_last_picture_is_of_the_state_that_the_episode_ended_in(name):
    envs: list[Any] = [gym.make(name, render_mode="rgb_array", horizon=h).unwrapped for h in (3, 4)]
    envs[0].action_space.seed(0)
    action = envs[0].action_space.sample()
    for env in envs:
        env.reset(seed=1)
        ends = [env.step(action)[3] for _ in range(3)]
        assert ends == [False, False, env is envs[0]]
    short, long = envs
    assert np.array_equal(short.render(), long.render())
    first = short.reset(seed=1) and short.render()
    assert not np.array_equal(first, long.render())
    short.step(action)
    assert not np.array_equal(first, short.render())


def test_nothing_is_drawn_without_a_mode_or_an_episode():
    env = WorldEnv("boat-race")
    env.reset(seed=0)
    assert env.render() is None
    with pytest.raises(gym.error.ResetNeeded, match="before render"):
        WorldEnv("boat-race", render_mode="rgb_array").render()
