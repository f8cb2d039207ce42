from __future__ import annotations

import json
import multiprocessing
import pickle
import threading
import time
import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import hackproof
from hackproof import report
from hackproof.adapters import Recorder, TwoRewards
from hackproof.errors import InputError, RewardError, RunError
from hackproof.experiment.curves import curve
from hackproof.record import files


class Corridor(gym.Env):
    """Episodes of 5 steps; the reward is the action; the observation is reused in place."""

    observation_space = gym.spaces.Box(0.0, 9.0, (2,), np.float32)
    action_space = gym.spaces.Discrete(3)

    def __init__(self, horizon=5):
        self.horizon = horizon
        self.state = np.zeros(2, np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.state[:] = 0
        return self.state, {"kind": "start"}

    def step(self, action):
        self.state += 1
        truncated = bool(self.state[0] >= self.horizon)
        return self.state, float(action), False, truncated, {"honest": -float(action)}


def moved(obs, action, next_obs, reward, terminated, truncated, info):
    return float(next_obs[0] - obs[0])


def last_step(obs, action, next_obs, reward, terminated, truncated, info):
    return 10.0 if truncated else 0.0


def play(env, episodes, actions=(2,)):
    for _ in range(episodes):
        env.reset()
        done, t = False, 0
        while not done:
            _, _, terminated, truncated, _ = env.step(actions[t % len(actions)])
            done, t = terminated or truncated, t + 1


def test_proxy_is_paid_and_true_is_told():
    env = TwoRewards(Corridor(), proxy="honest", true=moved)
    env.reset()
    _, reward, _, _, info = env.step(2)
    assert reward == -2.0
    assert info == {"honest": -2.0, "true_reward": 1.0}  # obs was copied before it was reused
    env = TwoRewards(Corridor(), true=last_step)
    env.reset()
    assert [env.step(1)[4]["true_reward"] for _ in range(5)] == [0, 0, 0, 0, 10]


class Fresh(Corridor):
    """A Corridor that Gymnasium's checker likes."""

    def reset(self, **kwargs):
        return super().reset(**kwargs)[0].copy(), {}

    def step(self, action):
        observation, *rest = super().step(action)
        return observation.copy(), *rest


def test_the_wrapped_environment_passes_gymnasiums_check():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_env(TwoRewards(Fresh(), true="honest"))


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), None, "3", [1.0], np.ones(1), 10**400, 1j]
)
@pytest.mark.parametrize("which", ["proxy", "true"])
def test_a_reward_that_is_no_number(which, value):
    def broken(obs, action, next_obs, reward, terminated, truncated, info):
        return value if next_obs[0] == 3 else 1.0

    env = TwoRewards(Corridor(), **{"proxy": "reward", "true": "reward", which: broken})
    play(TwoRewards(env, true="reward"), 0)
    env.reset()
    env.reset()
    env.step(1)
    env.step(1)
    with pytest.raises(RewardError) as caught:
        env.step(2)
    message = str(caught.value)
    assert f"the {which} reward (broken)" in message
    assert "step 3 of episode 2" in message
    assert "obs=array(2,) [2. 2.], action=2, next_obs=array(2,) [3. 3.], reward=2.0" in message
    assert len(message) < 1000


@pytest.mark.parametrize("value", [1, True, np.float32(1), np.bool_(True), np.array(1.0)])
def test_what_counts_as_a_number(value):
    env = TwoRewards(Corridor(), proxy=lambda *seen: value, true="reward")
    env.reset()
    assert type(env.step(0)[1]) is float
    assert env.step(0)[1] == 1.0


def test_a_missing_info_key_and_a_reward_that_is_neither():
    env = TwoRewards(Corridor(), true="onest")
    env.reset()
    with pytest.raises(RewardError, match=r"the true reward is info\['onest'\].*keys: honest"):
        env.step(0)
    with pytest.raises(InputError, match="proxy is 3"):
        TwoRewards(Corridor(), proxy=3, true="reward")


def test_long_inputs_are_shortened():
    class Big(Corridor):
        observation_space = gym.spaces.Box(0.0, 1e9, (10_000,), np.float32)

        def __init__(self):
            self.horizon, self.state = 5, np.zeros(10_000, np.float32)

    env = TwoRewards(Big(), true=lambda *seen: np.nan)
    env.reset()
    with pytest.raises(RewardError) as caught:
        env.step(0)
    assert len(str(caught.value)) < 800


def test_the_table(tmp_path):
    with Recorder(tmp_path, every=10, seed=3, total_steps=30, unit="dirt") as record:
        play(TwoRewards(Corridor(), true=moved, record=record), 6, (0, 2))
    run = hackproof.Run.load(tmp_path)
    assert run.info["status"] == "finished"
    assert run.info["scale"] == "watched"
    assert run.info["seeds"] == [3]
    frame = run.to_pandas()
    assert len(frame) == 9
    assert frame["step"].unique().tolist() == [10, 20, 30]
    proxy = frame[frame["role"] == "proxy"]
    assert proxy["value"].tolist() == [4.0, 4.0, 4.0]
    assert proxy["n"].tolist() == [2, 2, 2]
    assert (proxy["low"] == 4.0).all()
    assert set(proxy["metric"]) == {"reward"}
    true = frame[frame["role"] == "true"]
    assert set(true["metric"]) == {"moved"}
    assert set(true["unit"]) == {"dirt"}
    assert true["value"].tolist() == [5.0, 5.0, 5.0]
    length = frame[frame["metric"] == "episode_length"]
    assert (length["value"].tolist(), set(length["unit"])) == ([5.0] * 3, {"steps"})
    for column, value in {
        "study": "own-environment", "scale": "watched", "cell": "own.30.seed3", "arm": "own",
        "seed": 3, "replicate": 0, "axis": "training_steps", "level": 30.0,
        "condition": "default", "n_missing": 0,
    }.items():  # fmt: skip
        assert (frame[column] == value).all(), column
    assert list(run.info["study"]["arms"][0].values())[:4] == ["own", "own", "reward", "moved"]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (20, [(10, 2), (20, 2)]),
        (24, [(10, 2), (20, 2)]),  # no episode in the rest
        (25, [(10, 2), (20, 2), (25, 1)]),  # the rest is half a window long
    ],
)
def test_the_rest_after_the_last_checkpoint(tmp_path, steps, expected):
    with Recorder(tmp_path, every=10) as record:
        env = TwoRewards(Corridor(), true=moved, record=record)
        for t in range(steps):
            if t % 5 == 0:
                env.reset()
            env.step(0)
    frame = hackproof.Run.load(tmp_path).to_pandas().query("role == 'true'")
    assert list(zip(frame["step"], frame["n"], strict=True)) == expected


def test_a_short_rest_joins_the_last_checkpoint(tmp_path):
    with Recorder(tmp_path, every=16) as record:
        play(TwoRewards(Corridor(), true=moved, record=record), 4)
    frame = hackproof.Run.load(tmp_path).to_pandas().query("role == 'true'")
    assert list(zip(frame["step"], frame["n"], strict=True)) == [(20, 4)]


def test_windows_without_an_episode_go_on_and_cut_episodes_are_counted(tmp_path):
    with Recorder(tmp_path, every=2) as record:
        env = TwoRewards(Corridor(), true=moved, record=record)
        env.reset()
        env.step(0)
        play(env, 1)
    frame = hackproof.Run.load(tmp_path).to_pandas().query("role == 'true'")
    assert frame[["step", "n", "n_missing"]].values.tolist() == [[6, 1, 1]]
    assert frame["low"].isna().all()


def test_a_cell_without_episodes_is_a_failed_one(tmp_path):
    with Recorder(tmp_path) as record:
        TwoRewards(Corridor(), true=moved, record=record).reset()
    (cell,) = hackproof.Run.load(tmp_path).info["cells"]
    assert cell["status"] == "failed"
    assert "no episode ended" in cell["reason"]
    Recorder(tmp_path).close()  # it can be run again


def test_seeds_and_arms_share_a_folder_and_a_report(tmp_path):
    for seed in range(2):
        for arm, actions in (("greedy", (2,)), ("lazy", (0,))):
            with Recorder(tmp_path, arm=arm, seed=seed, every=10, title="Two arms") as record:
                env = TwoRewards(Corridor(), true="honest", record=record)
                play(env, 2, (1,))
                play(env, 2, actions)
    run = hackproof.Run.load(tmp_path)
    assert run.info["status"] == "finished"
    assert [a["name"] for a in run.info["study"]["arms"]] == ["greedy", "lazy"]
    assert run.info["seeds"] == [0, 1]
    frame = run.to_pandas()
    greedy, lazy = (curve(frame, arm, "step") for arm in ("greedy", "lazy"))
    assert [p.pressure for p in greedy.points] == [10, 20]
    assert (greedy.proxy_change.estimate, greedy.true_change.estimate) == (5.0, -5.0)
    assert (lazy.proxy_change.estimate, lazy.true_change.estimate) == (-5.0, 5.0)
    assert "Two arms" in report.write(run).read_text()


def test_one_seed_gives_a_curve_and_a_page(tmp_path):
    with Recorder(tmp_path, every=10) as record:
        play(TwoRewards(Corridor(), true=moved, record=record), 6)
    run = hackproof.Run.load(tmp_path)
    points = curve(run.to_pandas(), "own", "step").points
    assert len(points) == 3
    assert np.isnan(points[0].true.low)
    assert report.write(run).is_file()


def test_a_cell_is_not_written_over_unless_asked(tmp_path):
    with Recorder(tmp_path, every=10) as record:
        play(TwoRewards(Corridor(), true=moved, record=record), 2)
    before = (tmp_path / "run.json").read_bytes()
    with pytest.raises(InputError, match=r"already holds 'own.0.seed0' \(finished\)"):
        Recorder(tmp_path, every=10)
    assert (tmp_path / "run.json").read_bytes() == before
    Recorder(tmp_path, every=10, overwrite=True)
    with pytest.raises(InputError, match="unfinished"):
        Recorder(tmp_path, every=10)
    assert hackproof.Run.load(tmp_path).info["status"] == "partial"


def test_folders_and_settings_that_do_not_fit(tmp_path):
    with Recorder(tmp_path, every=10) as record:
        play(TwoRewards(Corridor(), true=moved, record=record), 2)
    with pytest.raises(RunError, match="every is 10 there and 20 here"):
        Recorder(tmp_path, every=20, seed=1)
    with pytest.raises(RunError, match="study is 'own-environment' there"):
        Recorder(tmp_path, every=10, seed=1, study="other")
    other = Recorder(tmp_path, every=10, seed=1)
    with pytest.raises(InputError, match="has the rewards 'reward' and 'moved'"):
        TwoRewards(Corridor(), true="honest", record=other)
    TwoRewards(Corridor(), true=moved, record=other)
    with pytest.raises(InputError, match="need a recorder"):
        TwoRewards(Corridor(), true="honest", record=other)


@pytest.mark.parametrize(
    "wrong",
    [
        {"arm": "Own Arm"}, {"seed": -1}, {"every": 0}, {"every": 1.5}, {"total_steps": -1},
        {"kind": "bad"}, {"replicate": 2, "copies": 2}, {"copies": 0}, {"seed": True},
    ],
)  # fmt: skip
def test_settings_out_of_range(tmp_path, wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        Recorder(tmp_path / "run", **wrong)
    assert not (tmp_path / "run").exists()


def test_flushes_while_training_and_closing_with_the_environment(tmp_path):
    record = Recorder(tmp_path, every=10, flush_s=0.0)
    envs = [TwoRewards(Corridor(), true=moved, record=record) for _ in range(2)]
    play(envs[0], 2)
    run = hackproof.Run.load(tmp_path)
    assert run.info["status"] == "partial"
    assert run.info["cells"][0]["open"] is True
    assert len(run.to_pandas()) == 3
    play(envs[1], 2)
    envs[0].close()
    assert hackproof.Run.load(tmp_path).info["status"] == "partial"
    envs[1].close()
    run = hackproof.Run.load(tmp_path)
    assert run.info["status"] == "finished"
    assert run.to_pandas()["step"].unique().tolist() == [10, 20]  # pooled over both


def test_an_error_in_training_leaves_the_cell_unfinished(tmp_path):
    def train():
        with Recorder(tmp_path, every=10) as record:
            play(TwoRewards(Corridor(), true=moved, record=record), 2)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train()
    run = hackproof.Run.load(tmp_path)
    assert run.info["status"] == "partial"
    assert len(run.to_pandas()) == 3


def test_a_folder_in_use_is_waited_for(tmp_path, monkeypatch):
    record = Recorder(tmp_path, every=10)
    play(TwoRewards(Corridor(), true=moved, record=record), 2)
    held = threading.Event()

    def hold():
        with files.locked(tmp_path):
            held.set()
            time.sleep(0.3)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    record.close()
    thread.join()
    monkeypatch.setattr("hackproof.adapters._recorder.LOCK_WAIT_S", 0.0)
    with files.locked(tmp_path):
        with pytest.warns(UserWarning, match="is in use"):
            record.flush()
        with pytest.raises(RunError, match="is in use"):
            record.close()


def train_in_worker(folder, seed):
    with Recorder(folder, seed=seed, every=10, flush_s=0.0) as record:
        play(TwoRewards(Corridor(), true=moved, record=record), 4)


def test_processes_write_into_one_folder(tmp_path):
    context = multiprocessing.get_context("fork")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fork beside jax's threads: the workers use none
        workers = [
            context.Process(target=train_in_worker, args=(tmp_path, seed)) for seed in range(3)
        ]
        for worker in workers:
            worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    run = hackproof.Run.load(tmp_path)
    assert run.info["status"] == "finished"
    frame = run.to_pandas()
    assert len(frame) == 3 * 2 * 3
    assert sorted(frame["seed"].unique()) == [0, 1, 2]


def test_workers_of_one_seed_are_replicates(tmp_path):
    for replicate in range(2):
        with Recorder(tmp_path, every=20, replicate=replicate, copies=2) as record:
            play(TwoRewards(Corridor(), true=moved, record=record), 4)
    frame = hackproof.Run.load(tmp_path).to_pandas().query("role == 'true'")
    assert frame["step"].tolist() == [20, 40, 20, 40]
    assert frame["replicate"].tolist() == [0, 0, 1, 1]
    with pytest.raises(InputError, match="SubprocVecEnv"):
        pickle.dumps(record)


def test_unnamed_rewards_are_called_by_their_roles(tmp_path):
    record = Recorder(tmp_path, every=10)
    play(TwoRewards(Corridor(), proxy=lambda *s: 1, true=lambda *s: 2, record=record), 2)
    metrics = {r["role"]: r["metric"] for r in record.close().rows("measurements")}
    assert metrics == {"proxy": "proxy", "true": "true", "probe": "episode_length"}


def test_run_json_is_plain_and_the_table_the_same_twice(tmp_path):
    tables = []
    for name in "ab":
        with Recorder(tmp_path / name, every=10) as record:
            play(TwoRewards(Corridor(), true=moved, record=record), 4)
        tables.append((tmp_path / name / "measurements.parquet").read_bytes())
    assert tables[0] == tables[1]
    json.loads((tmp_path / "a/run.json").read_text())


def test_make_vec_env_pools_its_copies(tmp_path):
    pytest.importorskip("stable_baselines3")
    from stable_baselines3 import PPO
    from stable_baselines3.common.env_util import make_vec_env

    from hackproof.adapters import TrueRewardCallback

    with Recorder(tmp_path, every=60) as record:
        envs = make_vec_env(
            Corridor, 3, wrapper_class=TwoRewards,
            wrapper_kwargs={"true": "honest", "record": record},
        )  # fmt: skip
        callback = TrueRewardCallback()
        PPO("MlpPolicy", envs, n_steps=20, batch_size=10, seed=0).learn(120, callback=callback)
    frame = hackproof.Run.load(tmp_path).to_pandas().query("role == 'true'")
    assert frame["step"].tolist() == [60, 120]
    assert frame["n"].tolist() == [12, 12]
    assert np.mean(callback.true_returns) == pytest.approx(frame["value"].mean())
