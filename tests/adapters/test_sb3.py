from __future__ import annotations

import builtins
import dataclasses
import importlib
import pickle
import sys
import warnings

import numpy as np
import pytest

pytest.importorskip("stable_baselines3")

import gymnasium as gym
from stable_baselines3 import PPO
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.logger import configure
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecMonitor, VecNormalize

import hackproof.adapters.gymnasium  # noqa: F401
from hackproof.adapters import Recorder, SB3VecEnv, TrueRewardCallback, WorldEnv
from hackproof.errors import InputError, MissingExtraError
from hackproof.worlds._boat_race import BoatRace


@pytest.mark.parametrize("name", ["hackproof/BoatRace-v0", "hackproof/Glucose-v0"])
def test_sb3s_own_check_of_the_scalar_environment(name):
    env = gym.make(name, horizon=5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env)


def test_construction_says_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SB3VecEnv("boat-race", 2, seed=0)


def test_a_step_and_its_infos():
    envs = SB3VecEnv("boat-race", 3, reward={"arrow": 2.0}, true_reward="performance", seed=0)
    assert envs.reset().shape == (3, 8)
    observation, rewards, dones, infos = envs.step(np.array([0, 1, 2]))
    assert (observation.dtype, rewards.dtype, dones.dtype) == (np.float32, np.float32, bool)
    for reward, info in zip(rewards, infos, strict=True):
        assert set(info) == {"true_reward", "reward_terms", "probes"}
        assert type(info["true_reward"]) is float
        assert dict(info["reward_terms"]).keys() == set(BoatRace.terms)
        assert reward == 2.0 * info["reward_terms"]["arrow"]
        assert info["true_reward"] == info["reward_terms"]["progress"]
        assert repr(info["probes"]) == repr(dict(info["probes"]))
        assert "arow" not in info["reward_terms"]
        with pytest.raises(KeyError):
            info["reward_terms"]["arow"]
    assert dict(pickle.loads(pickle.dumps(infos[0]["reward_terms"]))) == infos[0]["reward_terms"]


def test_episodes_equal_the_scalar_environments_ones():
    n, horizon = 3, 7
    envs = SB3VecEnv("boat-race", n, pair="hop-pays", horizon=horizon, seed=4)
    alone = [WorldEnv("boat-race", pair="hop-pays", horizon=horizon) for _ in range(n)]
    observation = envs.reset()
    for i, env in enumerate(alone):
        assert np.array_equal(env.reset(seed=4 + i)[0], observation[i])
    generator = np.random.default_rng(0)
    sums = np.zeros((n, 2))
    for t in range(1, 3 * horizon + 1):
        actions = generator.integers(4, size=n)
        observation, rewards, dones, infos = envs.step(actions)
        for i, env in enumerate(alone):
            after, reward, terminated, truncated, info = env.step(actions[i])
            assert rewards[i] == pytest.approx(reward)
            assert infos[i]["true_reward"] == info["true_reward"]
            assert dones[i] == (terminated or truncated) == (t % horizon == 0)
            sums[i] += reward, info["true_reward"]
            assert ("terminal_observation" in infos[i]) == dones[i]
            assert ("TimeLimit.truncated" in infos[i]) == dones[i]
            if dones[i]:
                assert np.array_equal(infos[i]["terminal_observation"], after)
                assert infos[i]["TimeLimit.truncated"] is True
                episode = infos[i]["episode"]
                assert episode["l"] == horizon
                assert episode["r"] == pytest.approx(sums[i, 0])
                assert episode["true_r"] == pytest.approx(sums[i, 1])
                assert episode["t"] >= 0
                sums[i], after = 0, env.reset()[0]
            assert np.array_equal(observation[i], after)


@dataclasses.dataclass(frozen=True)
class Finish(BoatRace):
    """A boat race that ends on tile 4."""

    def step(self, params, state, action, key):
        state, step = super().step(params, state, action, key)
        return state, step._replace(terminated=state == 4)


def test_an_end_inside_the_task_is_not_a_truncation():
    envs = SB3VecEnv(Finish(horizon=50), 4, seed=0)
    envs.reset()
    generator = np.random.default_rng(0)
    truncated = []
    for _ in range(200):
        _, _, dones, infos = envs.step(generator.integers(4, size=4))
        for i in np.flatnonzero(dones):
            truncated.append(infos[i]["TimeLimit.truncated"])
            assert (infos[i]["terminal_observation"].argmax() == 4) == (not truncated[-1])
            assert (infos[i]["episode"]["l"] == 50) == truncated[-1]
    assert False in truncated


def test_seeds():
    envs = SB3VecEnv("boat-race", 4, seed=1)
    first = envs.reset()
    later = envs.reset()
    again = SB3VecEnv("boat-race", 4, seed=1)
    assert np.array_equal(again.reset(), first)
    assert np.array_equal(again.reset(), later)
    assert envs.seed(1) == [1, 2, 3, 4]
    assert np.array_equal(envs.reset(), first)


def test_the_vec_env_interface():
    envs = SB3VecEnv("boat-race", 2)
    assert envs.get_attr("render_mode") == [None, None]
    assert envs.get_attr("num_envs", 0) == [2]
    assert envs.env_is_wrapped(Monitor) == [True, True]
    assert envs.env_is_wrapped(gym.Wrapper) == [False, False]
    assert list(envs.get_images()) == [None, None]
    with pytest.raises(InputError, match="call reset"):
        envs.step(np.zeros(2, int))
    with pytest.raises(AttributeError, match="cannot be set"):
        envs.set_attr("reward", 1)
    with pytest.raises(AttributeError, match="no method"):
        envs.env_method("sample")
    with pytest.raises(InputError, match="Did you mean 'boat-race'"):
        SB3VecEnv("boatrace", 2)
    with pytest.raises(InputError, match="published"):
        SB3VecEnv("boat-race", 2, reward="magni")


def test_ppo_learns_what_it_is_paid_for_and_logs_both(tmp_path):
    envs = SB3VecEnv("boat-race", 8, pair="hop-pays", horizon=20)
    model = PPO(
        "MlpPolicy", envs, n_steps=64, batch_size=128, n_epochs=5, learning_rate=5e-3, seed=0
    )
    model.set_logger(configure(str(tmp_path / "log"), ["csv"]))
    record = Recorder(tmp_path / "run", every=1000)
    model.learn(4000, callback=TrueRewardCallback(record=record))
    run = record.close()
    model.logger.close()
    log = np.genfromtxt(tmp_path / "log/progress.csv", delimiter=",", names=True)
    proxy, true = log["rolloutep_rew_mean"], log["rollouttrue_reward"]
    assert proxy[-1] > proxy[0] + 5
    assert np.isfinite(true).all()
    frame = run.to_pandas()
    assert set(frame["role"]) == {"proxy", "true", "probe"}
    assert frame["step"].max() == 4000
    assert frame.query("role == 'proxy'")["value"].iloc[-1] > proxy[0] + 5
    mean, _ = evaluate_policy(model, SB3VecEnv("boat-race", 4, pair="hop-pays", horizon=20), 8)
    assert mean > proxy[0]


@pytest.mark.filterwarnings("ignore:The environment is already wrapped")
@pytest.mark.parametrize("wrap", [VecMonitor, VecNormalize])
def test_sb3s_wrappers_take_it(wrap):
    model = PPO("MlpPolicy", wrap(SB3VecEnv("boat-race", 2, horizon=8)), n_steps=16, batch_size=8)
    callback = TrueRewardCallback()
    model.learn(32, callback=callback)
    assert len(callback.true_returns) == 4


def test_gymnasium_environments_in_make_vec_env():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # make_vec_env asks for a render mode first
        envs = make_vec_env("hackproof/BoatRace-v0", 2, env_kwargs={"horizon": 8})
    callback = TrueRewardCallback(window=3)
    PPO("MlpPolicy", envs, n_steps=16, batch_size=8).learn(32, callback=callback)
    assert len(callback.true_returns) == 3


def test_the_callback_says_what_is_missing():
    model = PPO("MlpPolicy", "CartPole-v1", n_steps=16, batch_size=8)
    with pytest.raises(InputError, match=r"no 'true_reward'.*TwoRewards"):
        model.learn(16, callback=TrueRewardCallback())


def test_without_sb3(monkeypatch):
    kept = sys.modules["hackproof.adapters.sb3"]
    found = builtins.__import__

    def without(name, *rest, **more):
        if name.startswith("stable_baselines3"):
            raise ImportError(name)
        return found(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.delitem(sys.modules, "hackproof.adapters.sb3")
    with pytest.raises(MissingExtraError, match="pip install"):
        importlib.import_module("hackproof.adapters.sb3")
    monkeypatch.undo()
    sys.modules["hackproof.adapters.sb3"] = kept
