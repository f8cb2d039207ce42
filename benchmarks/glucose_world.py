"""Steps a second of the whole glucose world on one core.

    python benchmarks/glucose_world.py

One step is five minutes of one patient: random numbers, meals, 13 differential equations,
sensor, pump, history, reward terms and automatic reset, through `step_batch` in a `lax.scan`
with a random action for each environment. One core and one thread, prepared as a run's
workers are. The timed function returns the final states (the last four hours of observations
are in them) and the sums of terms and probes, so that XLA can drop nothing. For each batch
the shortest of nine runs is kept, in CPU time and in wall time apart. Writes
`benchmarks/results/glucose_world.csv`.
"""

from __future__ import annotations

import csv
import os
import time
from pathlib import Path

from hackproof.experiment.engines._task import prepare_worker
from hackproof.record.provenance import machine

TABLE = Path(__file__).parent / "results" / "glucose_world.csv"
BATCHES = (1, 4, 16, 64, 256, 1024, 4096)
STEPS_A_RUN = 200_000
RUNS = 9


def measure(batch: int) -> dict[str, str]:
    """Return the table's row of one batch size."""
    import jax
    import jax.numpy as jnp

    from hackproof.worlds._batch import reset_batch, step_batch
    from hackproof.worlds._glucose import Glucose

    world = Glucose()
    params = world.params()
    steps = max(20, min(20_000, STEPS_A_RUN // batch))
    keys = jax.random.split(jax.random.key(0), batch)
    state, _ = jax.jit(lambda p, k: reset_batch(world, p, k))(params, keys)
    action = jax.random.uniform(jax.random.key(1), (batch, 1), minval=-1.0, maxval=0.0)

    @jax.jit
    def run(params, state, action):
        def advance(carry, _):
            state, terms, probes = carry
            state, step = step_batch(world, params, state, action)
            return (state, terms + step.terms, probes + step.probes), None

        terms = jnp.zeros((batch, len(world.terms)))
        probes = jnp.zeros((batch, len(world.probes)))
        return jax.lax.scan(advance, (state, terms, probes), None, length=steps)[0]

    started = time.perf_counter()
    jax.block_until_ready(run(params, state, action))
    first = time.perf_counter() - started
    wall, cpu = float("inf"), float("inf")
    for _ in range(RUNS):
        walls, cpus = time.perf_counter(), time.process_time()
        jax.block_until_ready(run(params, state, action))
        wall = min(wall, time.perf_counter() - walls)
        cpu = min(cpu, time.process_time() - cpus)
    total = batch * steps
    return {
        "batch": str(batch),
        "steps": str(total),
        "cpu_ns_per_step": f"{cpu / total * 1e9:.0f}",
        "wall_ns_per_step": f"{wall / total * 1e9:.0f}",
        "steps_per_cpu_s": f"{total / cpu:.0f}",
        "steps_per_wall_s": f"{total / wall:.0f}",
        "first_call_s": f"{first:.1f}",
        "dtype": "float32",
        "jax": jax.__version__,
        "cpu": machine()["processor"],
    }


def main() -> None:
    prepare_worker(max(os.sched_getaffinity(0)))
    rows = []
    for batch in BATCHES:
        rows.append(measure(batch))
        print(rows[-1], flush=True)
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    with TABLE.open("w", newline="") as file:
        table = csv.DictWriter(file, rows[0], lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


if __name__ == "__main__":
    main()
