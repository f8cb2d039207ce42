"""What holding a stage all the time earns in the pandemic, as published and mended.

    python benchmarks/pandemic_holds.py

One stage step a day up to the stage, then held; 64 episodes of 192 days, the same for every
stage. Writes `benchmarks/results/pandemic_holds.csv`.
"""

from __future__ import annotations

import csv
import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from hackproof import optimize
from hackproof.studies import _pan_proxies
from hackproof.worlds import reward_weights

TABLE = Path(__file__).parent / "results" / "pandemic_holds.csv"
EPISODES = 64


def hold(stage: int, observation: jax.Array) -> jax.Array:
    """Go to a stage and stay; the newest frame's second number is the stage."""
    return (1 + jnp.sign(stage - observation[:, -12])).astype(jnp.int32)


def main() -> None:
    optimize.enable_compilation_cache()
    with TABLE.open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["variant", "stage", "proxy_per_day", "true_per_day", "deaths", "episodes"])
        for proxy in (_pan_proxies.PANDEMIC_ONTOLOGICAL, _pan_proxies.PANDEMIC_ONTOLOGICAL_MENDED):
            world, arm = proxy.make(), proxy.arm()
            for stage in range(4):
                script = functools.partial(hold, stage)
                key = jax.random.key(0)
                seen = optimize.evaluate_script(
                    world, world.params(), script, key, EPISODES, world.horizon
                )
                terms = np.asarray(seen.terms, np.float64).mean(0)
                deaths = world.horizon * np.asarray(seen.probes).mean(0)[0]
                earned = [f"{terms @ reward_weights(world, r):.4f}" for r in (arm.proxy, arm.true)]
                row = [proxy.name, stage, *earned, f"{deaths:.1f}", EPISODES]
                table.writerow(row)
                file.flush()
                print(row, flush=True)


if __name__ == "__main__":
    main()
