"""PPO beside Stable-Baselines3's, with equal hyperparameters, in one run.

    python benchmarks/ppo_vs_sb3.py [--quick] [--learning]

Worlds: glucose and the boat race. Widths 32, 128, 512 (two hidden layers, policy and value
apart). Batch 64, 10 epochs, 8 environments of 256 steps: Stable-Baselines3's defaults but
for the rollout's shape. Peers: its PPO on `SB3VecEnv` (native: one compiled call steps all
environments) and, reported only, on `DummyVecEnv` of the Gymnasium environments. One core,
one thread each; ours and theirs take turns, and CPU seconds are counted after a warm-up.

The learning curves are measured apart: both train the same number of steps on seeds 0..4 at
width 32, and each policy's proxy per step is read from its own rollouts; --learning measures
nothing else. Writes benchmarks/results/ppo_vs_sb3.csv and ppo_vs_sb3_learning.csv.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from hackproof.experiment.engines._task import prepare_worker

prepare_worker(max(os.sched_getaffinity(0)))

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import torch  # noqa: E402
from stable_baselines3 import PPO  # noqa: E402
from stable_baselines3.common.callbacks import BaseCallback  # noqa: E402
from stable_baselines3.common.vec_env import DummyVecEnv  # noqa: E402

from hackproof import optimize, worlds  # noqa: E402
from hackproof.adapters import SB3VecEnv, WorldEnv  # noqa: E402
from hackproof.experiment.statistics import mean_interval  # noqa: E402
from hackproof.optimize import _ppo  # noqa: E402
from hackproof.record.provenance import machine, versions  # noqa: E402

torch.set_num_threads(1)
RESULTS = Path(__file__).parent / "results"
SHAPE: dict[str, Any] = {"n_envs": 8, "n_steps": 256, "batch_size": 64, "epochs": 10}
# The risk is scaled to rewards of about one a step for both sides: neither normalises here.
REWARDS: dict[str, Any] = {
    "glucose": {"magni_risk": 0.05, "terminated": 10.0},
    "boat-race": "hop-pays",
}
TARGETS = {32: 10.0, 128: 5.0, 512: 2.5}
QUICK = "--quick" in sys.argv


def ours(name: str, width: int):
    """Yield CPU seconds per environment step of successive measurements."""
    world = worlds.make(name)
    config = optimize.PPOConfig(width=width, **SHAPE)
    hyper = optimize.Hyper(
        jnp.asarray(worlds.reward_weights(world, REWARDS[name])), world.params(), 3e-4
    )
    states = _ppo.start(world, config, hyper, jax.random.key(0)[None])
    updates = 2 if width >= 512 else 8

    def run(states):
        # The parameters come back, or XLA would drop the last update.
        return jax.block_until_ready(_ppo._train_seeds(world, config, hyper, states, updates)[0])

    states = run(states)
    while True:
        start = time.process_time()
        states = run(states)
        yield (time.process_time() - start) / (updates * config.samples)


def theirs(name: str, width: int, native: bool):
    """Yield the same of Stable-Baselines3's PPO."""
    if native:
        envs: Any = SB3VecEnv(name, SHAPE["n_envs"], reward=REWARDS[name])
    else:
        envs = DummyVecEnv([lambda: WorldEnv(name, reward=REWARDS[name])] * SHAPE["n_envs"])
    model = PPO(
        "MlpPolicy", envs, n_steps=SHAPE["n_steps"], batch_size=SHAPE["batch_size"],
        n_epochs=SHAPE["epochs"], learning_rate=3e-4, device="cpu", seed=0,
        policy_kwargs={"net_arch": [width, width]},
    )  # fmt: skip
    steps = SHAPE["n_steps"] * SHAPE["n_envs"]
    model.learn(steps)
    while True:
        start = time.process_time()
        model.learn(steps)
        yield (time.process_time() - start) / steps


def speed() -> pd.DataFrame:
    """Measure every world, width and peer in turn; ratios are pair by pair."""
    rows = []
    for name in REWARDS:
        for width in TARGETS:
            sides = {
                "hackproof": ours(name, width),
                "sb3_native": theirs(name, width, native=True),
                "sb3_dummy": theirs(name, width, native=False),
            }
            rounds = 2 if QUICK else 8
            seconds = [{k: next(s) for k, s in sides.items()} for _ in range(rounds)]
            frame = pd.DataFrame(seconds)
            native = frame["sb3_native"] / frame["hackproof"]
            row = {"world": name, "width": width}
            row |= {f"{k}_steps_per_cpu_s": round(1 / frame[k].median()) for k in frame}
            row |= {
                "ratio_native": round(native.median(), 2),
                "ratio_native_min": round(native.min(), 2),
                "ratio_native_max": round(native.max(), 2),
                "target": TARGETS[width],
                "ratio_dummy": round((frame["sb3_dummy"] / frame["hackproof"]).median(), 1),
            }
            rows.append(row)
            print(row, flush=True)
    return pd.DataFrame(rows)


class Curve(BaseCallback):
    """Keeps the mean reward per step of each rollout, as the environments paid it.

    Not the rollout buffer's rewards: to those of truncated steps the value is added.
    """

    def __init__(self) -> None:
        super().__init__()
        self.means: list[float] = []
        self.paid: list[float] = []

    def _on_step(self) -> bool:
        self.paid.append(float(self.locals["rewards"].mean()))
        return True

    def _on_rollout_end(self) -> None:
        self.means.append(float(np.mean(self.paid)))
        self.paid.clear()


def learning() -> pd.DataFrame:
    """Train both on the same seeds and compare the proxy they end at."""
    rows = []
    for name in REWARDS:
        updates = 10 if QUICK else 15
        seeds = 2 if QUICK else 5
        world = worlds.make(name)
        weights = worlds.reward_weights(world, REWARDS[name])
        config = optimize.PPOConfig(width=32, **SHAPE)
        hyper = optimize.Hyper(jnp.asarray(weights), world.params(), 3e-4)
        for seed in range(seeds):
            states = _ppo.start(world, config, hyper, jax.random.key(seed)[None])
            _, terms = _ppo._train_seeds(world, config, hyper, states, updates)
            mine = np.asarray(terms[0]) @ weights
            callback = Curve()
            envs = SB3VecEnv(name, SHAPE["n_envs"], reward=REWARDS[name], seed=seed)
            PPO(
                "MlpPolicy", envs, n_steps=SHAPE["n_steps"], batch_size=SHAPE["batch_size"],
                n_epochs=SHAPE["epochs"], learning_rate=3e-4, device="cpu", seed=seed,
                policy_kwargs={"net_arch": [32, 32]},
            ).learn(updates * config.samples, callback=callback)  # fmt: skip
            for i in range(updates):
                rows.append({
                    "world": name, "seed": seed, "steps": (i + 1) * config.samples,
                    "hackproof": round(float(mine[i]), 5), "sb3": round(callback.means[i], 5),
                })  # fmt: skip
        last = pd.DataFrame(rows).query("world == @name")
        last = last[last["steps"] > 0.8 * last["steps"].max()]
        last = last.groupby("seed")[["hackproof", "sb3"]].mean()
        gap = mean_interval((last["hackproof"] - last["sb3"]).tolist())
        print(name, "last fifth:", last.mean().to_dict(), "difference", gap, flush=True)
    return pd.DataFrame(rows)


if __name__ == "__main__":
    optimize.enable_compilation_cache()
    if "--learning" not in sys.argv:
        table = speed()
        table["machine"] = machine()["processor"]
        table["versions"] = " ".join(
            f"{k} {v}" for k, v in versions().items() if k in ("jax", "torch", "stable-baselines3")
        )
        if not QUICK:
            table.to_csv(RESULTS / "ppo_vs_sb3.csv", index=False)
    curves = learning()
    if not QUICK:
        curves.to_csv(RESULTS / "ppo_vs_sb3_learning.csv", index=False)
