"""The bottleneck world: how fast it is, its capacity drop, and SUMO beside it.

    python benchmarks/traffic_bottleneck.py [--parts speed curve policies] [--no-sumo]

- `speed`: agent steps a CPU second of the whole world through `step_batch`, as in
  `world_speed.py`, on one core; 200 steps are driven first. The shortest of the runs.
- `curve`: cars an hour that leave for each inflow of human cars, over the last 400 s of an
  episode of 500 s, and over its first 100 s: where the first is below the second, cars that
  queue get through slower than cars that do not, which is the capacity drop.
- `policies`: the same script for the controlled cars on both sides, in the lane-change form.
  All accelerate freely (2.6 (1 - (v / 23)^4)); `keep` never changes lanes, `change` asks to
  at every step (12 steps to the left, 12 to the right), `slow` goes to 5 m/s instead. The
  rewards are those of the world's pairs, a step.

SUMO (extra `[sim]`: eclipse-sumo, libsumo) has Flow's network by netconvert with the world's
lengths: the same edges, lanes, zipper nodes (radius 20 m times the scale) and connections.
Cars have Flow's defaults (SUMO's own IDM, a 2.6, b 4.5, tau 1, minGap 2.5) without noise of
speed, human cars speed mode 31, controlled ones 9, and nobody changes lanes by himself.
Controlled cars that are told change lanes under lane change mode 768, which respects the
gaps of others; the published configuration has 0. SUMO runs in a process of its own, and
its phases of the flows and random lanes are not those of the world.

Writes `benchmarks/results/traffic_bottleneck.csv`: part, case, side, measure, value, and the
least and greatest over the repetitions.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

TABLE = Path(__file__).parent / "results" / "traffic_bottleneck.csv"
FIELDS: tuple[str, ...] = (
    "part",
    "case",
    "side",
    "measure",
    "value",
    "least",
    "greatest",
    "n",
    "load",
)
BATCHES = (1, 16, 64, 256, 4096)
INFLOWS = (800, 1200, 1400, 1600, 1800, 2000, 2300, 2800)
POLICIES = ("keep", "change", "slow")
MEASURES = (
    "mean_speed", "throughput", "travel_time", "lane_changes_minute", "standstill", "cars",
    "desired", "forward", "lane_bool", "lane_changes",
)  # fmt: skip
REWARDS = ("forward", "desired", "forward_mended", "desired_mended")
STEPS, WARM_UP, DT, TURN = 1000, 40, 0.5, 12
SEEDS, THEIR_SEEDS = 16, 4


def row(part: str, case: str, side: str, measure: str, values: Any) -> dict[str, str]:
    """Return a row of the table from one value or one of each repetition."""
    found = np.atleast_1d(np.asarray(values, float))
    numbers = (found.mean(), found.min(), found.max())
    texts = (f"{x:.4g}" if abs(x) < 1000 else f"{x:.0f}" for x in numbers)
    load = f"{os.getloadavg()[0]:.1f}"
    cells = (part, case, side, measure, *texts, str(found.size), load)
    return dict(zip(FIELDS, cells, strict=True))


def speed(form: str, batch: int) -> list[dict[str, str]]:
    """Return the rows of one form of the action and batch size."""
    import jax
    import jax.numpy as jnp

    from hackproof import worlds
    from hackproof.worlds import reset_batch, step_batch

    world: Any = worlds.make("traffic-bottleneck", action_form=form)
    params = world.params()
    steps = max(20, min(2000, 20_000 // batch))
    action = jax.random.uniform(jax.random.key(1), (batch, *world.action.shape), minval=-1.0)
    sums = (jnp.zeros((batch, len(world.terms))), jnp.zeros((batch, len(world.probes))))

    @jax.jit
    def run(params, state, action, steps):
        def advance(_, carry):
            state, terms, probes = carry
            state, step = step_batch(world, params, state, action)
            return state, terms + step.terms, probes + step.probes

        return jax.lax.fori_loop(0, steps, advance, (state, *sums))

    keys = jax.random.split(jax.random.key(0), batch)
    state, _ = jax.jit(lambda p, k: reset_batch(world, p, k))(params, keys)
    lowered = run.lower(params, state, action, 200)
    started = time.process_time()
    lowered.compile()
    compiled = time.process_time() - started
    state = jax.block_until_ready(run(params, state, action, 200))[0]
    best = float("inf")
    for _ in range(4):
        started = time.process_time()
        jax.block_until_ready(run(params, state, action, steps))
        best = min(best, time.process_time() - started)
    case = f"{form} {batch}"
    return [
        row("speed", case, "ours", "agent_steps_per_cpu_s", batch * steps / best),
        row("speed", case, "ours", "compile_cpu_s", compiled),
    ]


def ours(world: Any, policies: tuple[str, ...], flows: list[list[float]]) -> np.ndarray:
    """Return means over time blocks, (cases, SEEDS, 5 blocks of 100 s, MEASURES).

    A case is a policy and its flows of human and controlled cars, cars an hour.
    """
    import jax
    import jax.numpy as jnp

    params = world.params()

    def episode(policy, flow, key):
        mine = params._replace(flow=flow)
        start = world.reset(mine, key)

        def step(state, time):
            v = world.observe(mine, state).reshape(world.slots, -1)[:, 0] * 23
            free = jnp.where(policy == 2, 2 * (5 - v), 2.6 * (1 - (v / 23) ** 4))
            side = jnp.where(time // TURN % 2 == 0, 1.0, -1.0) * (policy == 1)
            action = jnp.stack([free, jnp.full(world.slots, side)], 1).reshape(-1)
            state, out = world.step(mine, state, action, jax.random.fold_in(key, time))
            found = dict(zip(world.probes, out.probes, strict=True))
            found |= dict(zip(world.terms, out.terms, strict=True))
            return state, jnp.stack([found[m] for m in MEASURES])

        return jax.lax.scan(step, start, jnp.arange(STEPS))[1].reshape(5, -1, len(MEASURES)).mean(1)

    over = jax.vmap(jax.vmap(episode, (None, None, 0)), (0, 0, None))
    index = jnp.asarray([POLICIES.index(p) for p in policies])
    keys = jax.random.split(jax.random.key(7), SEEDS)
    return np.asarray(jax.jit(over)(index, jnp.asarray(flows, jnp.float32), keys))


def theirs(task: dict[str, Any]) -> np.ndarray:
    """Return what SUMO measures, in the shape of `ours` with THEIR_SEEDS repetitions."""
    done = subprocess.run(
        [sys.executable, __file__, "--sumo-worker"],
        input=json.dumps(task), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return np.array(json.loads(done.stdout.split("RESULT ")[1]))


def network(folder: Path, scale: float) -> Path:
    """Build Flow's bottleneck by netconvert: nodes, edges, connections times `scale`."""
    import sumo

    xs = [scale * x for x in (0, 100, 410, 550, 830, 985)]
    lanes = (4, 4, 4, 2, 1)
    zipper = f' type="zipper" radius="{20 * scale}"'
    nodes = "".join(
        f'<node id="{i}" x="{x}" y="0"{zipper if i in (3, 4) else ""}/>' for i, x in enumerate(xs)
    )
    edges = "".join(
        f'<edge id="{i + 1}" from="{i}" to="{i + 1}" length="{xs[i + 1] - xs[i]}" '
        f'spreadType="center" numLanes="{n}" speed="23"/>'
        for i, n in enumerate(lanes)
    )
    joins = "".join(
        f'<connection from="{e}" to="{e + 1}" fromLane="{i}" toLane="{i // 2}"/>'
        for e, n in ((3, 4), (4, 2))
        for i in range(n)
    )
    for name, text in (("nod", nodes), ("edg", edges), ("con", joins)):
        outer = {"nod": "nodes", "edg": "edges", "con": "connections"}[name]
        (folder / f"b.{name}.xml").write_text(f"<{outer}>{text}</{outer}>")
    net = folder / "b.net.xml"
    command = [str(Path(sumo.SUMO_HOME) / "bin" / "netconvert"), "-o", str(net)]
    for flag, name in (("-n", "nod"), ("-e", "edg"), ("-x", "con")):
        command += [flag, str(folder / f"b.{name}.xml")]
    subprocess.run(command, check=True, capture_output=True)
    return net


def episode(net: Path, policy: str, flow: list[float], seed: int) -> list[list[float]]:
    """Drive SUMO for the warm-up and 500 s; return means over blocks, (5, MEASURES)."""
    import libsumo

    rng = np.random.default_rng(seed)
    routes = net.with_name("b.rou.xml")
    kinds, flows = [], []
    for kind, rate in zip(("human", "rl"), flow, strict=True):
        kinds.append(
            f'<vType id="{kind}" carFollowModel="IDM" accel="2.6" decel="4.5" tau="1.0" '
            'minGap="2.5" maxSpeed="30" speedFactor="1" speedDev="0"/>'
        )
        if rate > 0:
            begin = rng.uniform(0, 3600 / rate)
            when = f'begin="{begin}" end="9999" period="{3600 / rate}"'
            where = 'route="r" departLane="random" departSpeed="10"'
            flows.append((begin, f'<flow id="{kind}" type="{kind}" {when} {where}/>'))
    lines = ["<routes>", *kinds, '<route id="r" edges="1 2 3 4 5"/>']
    routes.write_text("".join([*lines, *(text for _, text in sorted(flows)), "</routes>"]))
    options = ["--step-length", "0.5", "--time-to-teleport", "-1", "--seed", str(seed + 1)]
    quiet = ["--no-step-log", "true", "--no-warnings", "true"]
    libsumo.start(["sumo", "-n", str(net), "-r", str(routes), *options, *quiet])
    vehicle, known, was, rows = libsumo.vehicle, set(), {}, []
    for t in range(-WARM_UP, STEPS):
        asked = len(was) if policy == "change" else 0
        for c in was if t >= 0 else ():
            v = vehicle.getSpeed(c)
            a = 2 * (5 - v) if policy == "slow" else 2.6 * (1 - (v / 23) ** 4)
            vehicle.slowDown(c, max(v + DT * min(max(a, -3.0), 3.0), 0.0), 1e-3)
            edge, lane = was[c]
            to = lane + (1 if t // TURN % 2 == 0 else -1)
            if policy == "change" and edge[0] != ":" and 0 <= to < (4, 4, 4, 2, 1)[int(edge) - 1]:
                vehicle.changeLane(c, to, 0.0)
        libsumo.simulationStep()
        cars = vehicle.getIDList()
        for c in set(cars) - known:
            vehicle.setSpeedMode(c, 9 if c.startswith("rl") else 31)
            vehicle.setLaneChangeMode(c, 768 if c.startswith("rl") else 0)
        known |= set(cars)
        now = {c: (vehicle.getRoadID(c), vehicle.getLaneIndex(c)) for c in cars if c[:2] == "rl"}
        moved = sum(was[c][0] == e and was[c][1] != i for c, (e, i) in now.items() if c in was)
        was = now
        v = [vehicle.getSpeed(c) for c in cars]
        inside = len(cars) + len(libsumo.simulation.getPendingVehicles())
        found = {
            "mean_speed": sum(v) / max(len(v), 1),
            "throughput": libsumo.simulation.getArrivedNumber() * 7200,
            "travel_time": inside * 3600 / sum(flow),
            "lane_changes_minute": moved * 120,
            "standstill": -sum(x < 0.1 for x in v),
            "cars": -len(cars),
            "desired": max(0.0, 1 - math.sqrt(sum((x / 40 - 1) ** 2 for x in v) / max(len(v), 1))),
            "forward": sum(vehicle.getSpeed(c) for c in now),
            "lane_bool": -asked,
            "lane_changes": -moved,
        }
        rows.append([found[m] for m in MEASURES])
    libsumo.close()
    return np.array(rows[WARM_UP:]).reshape(5, -1, len(MEASURES)).mean(1).tolist()


def worker() -> None:
    """Read a task from standard input, drive SUMO, print the result."""
    task = json.load(sys.stdin)
    with tempfile.TemporaryDirectory() as folder:
        net = network(Path(folder), task["scale"])
        found = [
            [episode(net, policy, flow, seed) for seed in range(THEIR_SEEDS)]
            for policy, flow in task["cases"]
        ]
    print("RESULT " + json.dumps(found))


def compared(part: str, names: list[str], cases: list, sumo: bool) -> list[dict[str, str]]:
    """Return the rows of cases that both sides drive."""
    from hackproof import worlds

    world: Any = worlds.make("traffic-bottleneck", action_form="lane-change", slots=16)
    found = {"ours": ours(world, tuple(c[0] for c in cases), [c[1] for c in cases])}
    if sumo:
        found["sumo"] = theirs({"scale": world.scale, "cases": cases})
    rows = []
    for i, name in enumerate(names):
        for side, values in found.items():
            if part == "curve":
                out = values[i, :, :, MEASURES.index("throughput")]
                rows.append(row(part, name, side, "outflow_first_100_s", out[:, 0]))
                rows.append(row(part, name, side, "outflow_last_400_s", out[:, 1:].mean(1)))
                continue
            for k, measure in enumerate(MEASURES):
                rows.append(row(part, name, side, measure, values[i, :, :, k].mean(1)))
            for reward in REWARDS:
                weights = world.rewards[reward].weights
                paid = sum(w * values[i, :, :, MEASURES.index(t)] for t, w in weights.items())
                rows.append(row(part, name, side, f"reward {reward}", np.asarray(paid).mean(1)))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--parts", nargs="+", default=["speed", "curve", "policies"])
    parser.add_argument("--no-sumo", action="store_true")
    parser.add_argument("--sumo-worker", action="store_true")
    given = parser.parse_args()
    if given.sumo_worker:
        return worker()
    from hackproof.experiment.engines._task import prepare_worker
    from hackproof.optimize import enable_compilation_cache

    prepare_worker(max(os.sched_getaffinity(0)))
    rows: list[dict[str, str]] = []
    if TABLE.exists():
        with TABLE.open() as file:
            rows = [dict(r) for r in csv.DictReader(file) if r["part"] not in given.parts]
    if "speed" in given.parts:
        for form in ("literal", "lane-change"):
            for batch in BATCHES:
                rows += speed(form, batch)
                print(rows[-2:], flush=True)
    enable_compilation_cache()
    if "curve" in given.parts:
        cases = [["keep", [float(flow), 0.0]] for flow in INFLOWS]
        rows += compared("curve", [str(f) for f in INFLOWS], cases, not given.no_sumo)
    if "policies" in given.parts:
        cases = [[policy, [2070.0, 230.0]] for policy in POLICIES]
        rows += compared("policies", list(POLICIES), cases, not given.no_sumo)
    order = {"speed": 0, "curve": 1, "policies": 2}
    rows.sort(key=lambda r: order[r["part"]])
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    with TABLE.open("w", newline="") as file:
        table = csv.DictWriter(file, FIELDS, lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


if __name__ == "__main__":
    main()
