"""The nine-proxy sweep beside the same sweep by Stable-Baselines3, extrapolated, in one run.

    python benchmarks/pan_vs_sb3.py runs/claims-pan-2022

For each world and width, both sides train with the sweep's hyperparameters: 32 environments, 100
steps of each between updates, minibatches of 400, 4 passes, the world's learning rate and
discount; Stable-Baselines3's PPO on `SB3VecEnv`, which steps all environments by one compiled
call. One core, one thread each; the sides take turns, and CPU seconds a step are counted after a
warm-up (median of the rounds). Each cell of the finished run is then charged its trained steps,
its width's rate between those measured (linear in the width). Rewards are not normalised on
either side here, and nobody evaluates. What the sweep itself took, with compiling and
evaluations, stands in the last rows. Writes `benchmarks/results/pan_vs_sb3.csv`.
"""

from __future__ import annotations

import csv
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hackproof.experiment.engines._task import prepare_worker

prepare_worker(max(os.sched_getaffinity(0)))

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
from stable_baselines3 import PPO  # noqa: E402

from hackproof import optimize  # noqa: E402
from hackproof.adapters import SB3VecEnv  # noqa: E402
from hackproof.experiment.runner import measurements_frame  # noqa: E402
from hackproof.optimize import _ppo  # noqa: E402
from hackproof.record import Run  # noqa: E402
from hackproof.record.provenance import machine  # noqa: E402
from hackproof.studies import _pan, _pan_proxies  # noqa: E402
from hackproof.worlds import reward_weights  # noqa: E402

torch.set_num_threads(1)
RESULTS = Path(__file__).parent / "results"
WIDTHS = (2, 32, 128)
ROUNDS = 3


def ours(proxy: _pan_proxies.Proxy, settings: _pan.Settings, width: int) -> Iterator[float]:
    """Yield CPU seconds a step of successive pairs of updates."""
    world, recipe = proxy.make(), _pan.RECIPES[proxy.world]
    config = _pan.config(settings, recipe, width, settings.depth)
    weights = jnp.asarray(reward_weights(world, proxy.arm().proxy))
    hyper = optimize.Hyper(weights, world.params(), recipe.learning_rate)
    states = _ppo.start(world, config, hyper, jax.random.key(0)[None])
    updates = settings.updates  # the sweep's own program, which is in the cache

    def run(states: Any) -> Any:
        return jax.block_until_ready(_ppo._train_seeds(world, config, hyper, states, updates)[0])

    states = run(states)
    while True:
        start = time.process_time()
        states = run(states)
        yield (time.process_time() - start) / (updates * config.samples)


def theirs(proxy: _pan_proxies.Proxy, settings: _pan.Settings, width: int) -> Iterator[float]:
    """Yield the same of Stable-Baselines3's PPO."""
    world, recipe = proxy.make(), _pan.RECIPES[proxy.world]
    envs = SB3VecEnv(world, settings.n_envs, reward=proxy.arm().proxy)
    model = PPO(
        "MlpPolicy", envs, n_steps=settings.n_steps, batch_size=settings.batch_size,
        n_epochs=settings.epochs, learning_rate=recipe.learning_rate, gamma=recipe.gamma,
        ent_coef=recipe.entropy, device="cpu", seed=0,
        policy_kwargs={"net_arch": [width] * settings.depth},
    )  # fmt: skip
    steps = settings.n_steps * settings.n_envs
    model.learn(steps)
    while True:
        start = time.process_time()
        model.learn(steps)
        yield (time.process_time() - start) / steps


def main() -> None:
    optimize.enable_compilation_cache()
    run = Run.load(sys.argv[1])
    settings = _pan.Settings()
    worlds: dict[str, _pan_proxies.Proxy] = {}
    for proxy in _pan_proxies.NINE:
        worlds.setdefault(proxy.world, proxy)
    rates: dict[tuple[str, str], list[float]] = {}
    rows = []
    for name, proxy in worlds.items():
        for width in WIDTHS:
            sides = {"ours": ours(proxy, settings, width), "sb3": theirs(proxy, settings, width)}
            found = [{k: next(s) for k, s in sides.items()} for _ in range(ROUNDS)]
            median = {k: float(np.median([f[k] for f in found])) for k in sides}
            for side, rate in median.items():
                rates.setdefault((name, side), []).append(rate)
            rows.append([name, width, *(f"{median[k] * 1e6:.2f}" for k in ("ours", "sb3")),
                         f"{median['sb3'] / median['ours']:.1f}"])  # fmt: skip
            print(rows[-1], flush=True)

    frame = measurements_frame(run.table("measurements"))
    steps = frame[frame["metric"] == "trained_steps"]
    total = {"ours": 0.0, "sb3": 0.0}
    for proxy in _pan_proxies.NINE:
        cells = steps[steps["arm"] == proxy.name]
        for side in total:
            rate = np.interp(cells["level"], WIDTHS, rates[proxy.world, side])
            total[side] += float((rate * cells["value"]).sum())
    cpu = sum(c.get("cpu_s", 0.0) for c in run.info["cells"])
    with (RESULTS / "pan_vs_sb3.csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["world", "width", "ours_us_per_step", "sb3_us_per_step", "ratio"])
        table.writerows(rows)
        table.writerow(["the sweep, training alone, CPU s", "", f"{total['ours']:.0f}",
                        f"{total['sb3']:.0f}", f"{total['sb3'] / total['ours']:.1f}"])  # fmt: skip
        table.writerow(["the sweep as run, compiling and evaluations with it, CPU s", "",
                        f"{cpu:.0f}", "", f"{total['sb3'] / cpu:.1f}"])  # fmt: skip
        table.writerow(["the sweep as run, wall s", "", run.info["wall_s"], "", ""])
        table.writerow(["processor", machine()["processor"], "", "", ""])
    print(total, cpu, run.info["wall_s"])


if __name__ == "__main__":
    main()
