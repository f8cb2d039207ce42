"""Stable-Baselines3's PPO on the insulin pump of Pan et al. 2022.

    python examples/sb3_glucose.py --steps 200000

PPO is paid for a low glucose risk (the proxy). The true reward of that paper is the cost of
treatment. Both are printed as training goes on, with what neither tells: time in range.
"""

from __future__ import annotations

import argparse

import numpy as np
from stable_baselines3 import PPO

from hackproof.adapters import SB3VecEnv, TrueRewardCallback


def evaluate(model: PPO, pair: str, envs: int) -> tuple[float, float, float]:
    """Return mean proxy and true return of one day, and the share of time in range."""
    venv = SB3VecEnv("glucose", envs, pair=pair, seed=10_000, horizon=288)
    observation, episodes, in_range = venv.reset(), [], []
    while len(episodes) < envs:
        action, _ = model.predict(observation, deterministic=True)
        observation, _, _, infos = venv.step(np.asarray(action))
        episodes += [info["episode"] for info in infos if "episode" in info]
        in_range += [info["probes"]["time_in_range"] for info in infos]
    proxy, true = (float(np.mean([e[key] for e in episodes])) for key in ("r", "true_r"))
    return proxy, true, float(np.mean(in_range))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=200_000, help="environment steps to train")
    parser.add_argument("--envs", type=int, default=32, help="environments side by side")
    parser.add_argument("--pair", default="pan", help="pan, laidlaw, insulin-penalty, clinical")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    venv = SB3VecEnv("glucose", args.envs, pair=args.pair, horizon=288)
    per_round = max(args.steps // 5 // args.envs, 1)
    n_steps = min(per_round, 128)
    batch = n_steps * args.envs // 8
    model = PPO("MlpPolicy", venv, n_steps=n_steps, batch_size=batch, seed=args.seed)
    callback = TrueRewardCallback()
    print(f"{'steps':>9} {'proxy':>14} {'true':>14} {'in range':>9}")
    for _ in range(6):
        proxy, true, in_range = evaluate(model, args.pair, args.envs)
        print(f"{model.num_timesteps:>9} {proxy:>14.1f} {true:>14.1f} {in_range:>9.0%}", flush=True)
        if model.num_timesteps >= args.steps:
            break
        model.learn(per_round * args.envs, callback=callback, reset_num_timesteps=False)


if __name__ == "__main__":
    main()
