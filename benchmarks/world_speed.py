"""Steps a second of every world of Pan et al., beside the real simulators, on one core.

    python benchmarks/world_speed.py

A step is an agent's step through `step_batch`, with observation, reward terms, probes and
automatic reset, in a compiled loop with a random action for each environment; roads are filled
first. One core and one thread, prepared as a run's workers are. The loop returns the last
observation and the sums of terms and probes, so that XLA can drop nothing. The shortest of the
runs is kept, in CPU time and in wall time apart; `load` is the machine's load average.

Beside them, one environment each: SUMO driven as Flow drives it (libsumo, the driver model of
every car in Python, extra `[sim]`; the difference between 12 episodes and 2, so that starting
counts for nothing), ale-py's Riverraid with four frames a step, the screen and the RAM read.
simglucose cannot be installed beside these: its steps a second
are in `simglucose_agreement.csv`. PandemicSimulator does not run on current Pythons.

Writes `benchmarks/results/world_speed.csv`, a row at a time.
"""

from __future__ import annotations

import csv
import os
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from hackproof.experiment.engines._task import prepare_worker
from hackproof.record.provenance import machine

sys.path.insert(0, str(Path(__file__).parent))
TABLE = Path(__file__).parent / "results" / "world_speed.csv"
WORLDS = (
    "traffic-merge", "traffic-bus", "traffic-bottleneck", "pandemic", "riverraid", "glucose",
)  # fmt: skip
BATCHES = (1, 16, 256, 4096)
STEPS_A_RUN = 30_000
FILL = 100
RUNS = 4
FIELDS = (
    "simulator", "batch", "steps", "steps_per_cpu_s", "steps_per_wall_s", "first_call_s", "load",
    "version", "cpu",
)  # fmt: skip


def row(simulator: str, batch: int, steps: int, cpu: float, wall: float, first: float,
        version: str) -> dict[str, object]:  # fmt: skip
    return {
        "simulator": simulator, "batch": batch, "steps": steps,
        "steps_per_cpu_s": round(steps / cpu), "steps_per_wall_s": round(steps / wall),
        "first_call_s": f"{first:.1f}", "load": f"{os.getloadavg()[0]:.1f}", "version": version,
        "cpu": machine()["processor"],
    }  # fmt: skip


def ours(name: str, batch: int) -> dict[str, object]:
    """Measure one world at one batch size."""
    import jax
    import jax.numpy as jnp

    from hackproof import worlds
    from hackproof.worlds import Discrete, reset_batch, step_batch

    world = worlds.make(name)
    params, space, key = world.params(), world.action, jax.random.key(1)
    steps = max(8, min(4_000, STEPS_A_RUN // batch))
    if isinstance(space, Discrete):
        action = jax.random.randint(key, (batch,), 0, space.n)
    else:
        shape = (batch, *space.shape)
        action = jax.random.uniform(key, shape, minval=space.low, maxval=space.high)
    sums = (
        jnp.zeros((batch, *world.observation.shape)),
        jnp.zeros((batch, len(world.terms))),
        jnp.zeros((batch, len(world.probes))),
    )

    @jax.jit
    def run(params, state, action, steps):
        def advance(_, carry):
            state, _, terms, probes = carry
            state, step = step_batch(world, params, state, action)
            return state, step.observation, terms + step.terms, probes + step.probes

        return jax.lax.fori_loop(0, steps, advance, (state, *sums))

    keys = jax.random.split(jax.random.key(0), batch)
    state, _ = jax.jit(lambda p, k: reset_batch(world, p, k))(params, keys)
    started = time.perf_counter()
    state = jax.block_until_ready(run(params, state, action, FILL))[0]
    first = time.perf_counter() - started
    wall = cpu = float("inf")
    for _ in range(RUNS):
        walls, cpus = time.perf_counter(), time.process_time()
        jax.block_until_ready(run(params, state, action, steps))
        wall = min(wall, time.perf_counter() - walls)
        cpu = min(cpu, time.process_time() - cpus)
    return row(name, batch, batch * steps, cpu, wall, first, f"jax {jax.__version__}")


def sumo() -> Iterator[dict[str, object]]:
    """Measure SUMO's merges; nothing where libsumo is not installed."""
    try:
        import libsumo
    except ImportError:
        return
    import sumo_agreement as agreement

    version = str(libsumo.simulation.getVersion()[1])
    for config in ("merge", "bus-7500"):
        world = agreement.worlds()[config]
        spent = []
        for episodes in (2, 12):
            phase = agreement.phases(world, episodes, 0)
            wall, used = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
            agreement.theirs(world, [None], phase)
            now = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime
            spent.append((cpu, time.perf_counter() - wall))
        cpu, wall = (b - a for a, b in zip(*spent, strict=True))
        steps = 10 * agreement.STEPS
        yield row(f"SUMO as Flow drives it, {config}", 1, steps, cpu, wall, 0.0, version)


def atari() -> Iterator[dict[str, object]]:
    """Measure ale-py; nothing where it is not installed."""
    try:
        import ale_py
    except ImportError:
        return
    import numpy as np
    from ale_py import ALEInterface, LoggerMode, roms

    ALEInterface.setLoggerMode(LoggerMode.Error)
    ale = ALEInterface()
    ale.setInt("random_seed", 0)
    ale.setFloat("repeat_action_probability", 0.0)
    ale.loadROM(roms.get_rom_path("riverraid"))
    actions = ale.getMinimalActionSet()
    steps = 3000
    chosen = np.random.default_rng(0).integers(len(actions), size=steps)
    wall = cpu = float("inf")
    for _ in range(RUNS):
        walls, cpus = time.perf_counter(), time.process_time()
        ale.reset_game()
        for i in chosen:
            for _ in range(4):
                ale.act(actions[i])
            ale.getScreenGrayscale()
            ale.getRAM()
            if ale.game_over():
                ale.reset_game()
        wall = min(wall, time.perf_counter() - walls)
        cpu = min(cpu, time.process_time() - cpus)
    yield row("ale-py Riverraid", 1, steps, cpu, wall, 0.0, f"ale-py {ale_py.__version__}")


def main() -> None:
    prepare_worker(max(os.sched_getaffinity(0)))
    with TABLE.open("w", newline="") as file:
        table = csv.DictWriter(file, FIELDS, lineterminator="\n")
        table.writeheader()

        def keep(found: dict[str, object]) -> None:
            table.writerow(found)
            file.flush()
            print(found, flush=True)

        for name in WORLDS:
            for batch in BATCHES:
                keep(ours(name, batch))
        for found in (*sumo(), *atari()):
            keep(found)


if __name__ == "__main__":
    main()
