"""The traffic worlds' reward terms as formulas, and their probes.

The formulas are those of the published registry of rewards, at the end of an agent step:
aypan17/reward-misspecification, flow/core/rewards.py. V are all cars in the network, v their
speeds, C the cars that have an action slot.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

Scalar = Any

TERMS = (
    "vel", "desired", "local_first", "local_last", "local", "commute", "accel", "headway",
    "forward", "outflow", "delay", "standstill", "cars", "bus_vel",
)  # fmt: skip
PROBES = (
    "time_highway", "time_ramp", "throughput_highway", "throughput_ramp", "waiting_highway",
    "waiting_ramp", "stopped_ramp",
)  # fmt: skip
TARGET = 20.0
"""Speed that the `desired` terms want, m/s."""
EMPTY = -1e4
"""The commute term of a network without cars, as published."""
STOPPED = 0.1
"""m/s; a slower ramp car counts as stopped in the probe."""


class Scene(NamedTuple):
    """What the terms of a step are made from; n cars, s action slots."""

    v: jax.Array
    """(n,) speeds, m/s."""
    here: jax.Array
    """(n,) bool, whether there is a car."""
    controlled: jax.Array
    """(n,) bool, whether the car is of the controlled class."""
    slot_v: jax.Array
    """(s,) speeds of the cars in the slots, the longest in the network first."""
    slot_gap: jax.Array
    """(s,) gap to the car ahead, m."""
    slot_leads: jax.Array
    """(s,) bool, whether there is a car ahead."""
    slot_here: jax.Array
    """(s,) bool, whether the slot has a car; those that do come first."""
    action: jax.Array
    """(s,) accelerations asked for, m/s^2, before they are rounded."""
    left: Scalar
    """Cars that left the network in the last ten simulation steps."""


def mean(values: jax.Array, where: jax.Array) -> jax.Array:
    """Return the mean of the values that count, 0 where none does."""
    total = jnp.sum(jnp.where(where, values, 0.0))
    return total / jnp.maximum(jnp.sum(where), 1)


def desired(v: jax.Array, where: jax.Array, target: float = TARGET) -> jax.Array:
    """Return how near speeds are to a target, in [0, 1]; 0 without cars.

    max(0, sqrt(n) t - ||v - t||_2) / (sqrt(n) t).
    """
    off = jnp.where(where, v - target, 0.0)
    most = target * jnp.sqrt(jnp.sum(where))
    return jnp.maximum(0.0, most - jnp.sqrt(jnp.sum(off * off))) / jnp.maximum(most, 1e-6)


def commute(v: jax.Array, where: jax.Array) -> jax.Array:
    """Return -mean 1 / (v + 0.001), s/m: not a travel time; a stopped car costs 1000 / n."""
    slowness = mean(1 / (v + 1e-3), where)
    return jnp.where(jnp.any(where), -slowness, EMPTY)


def headway(v: jax.Array, gap: jax.Array, where: jax.Array) -> jax.Array:
    """Return the sum of min(0, (gap / v - t) / t) with t = 1 s, over moving cars.

    Args:
        v: (s,) speeds.
        gap: (s,) gaps to the car ahead, m; negative ones count as 0.
        where: (s,) bool, cars that have a car ahead.
    """
    moving = where & (v > 0)
    time = jnp.maximum(gap, 0.0) / jnp.where(moving, v, 1.0)
    return jnp.sum(jnp.where(moving, jnp.minimum(0.0, time - 1.0), 0.0))


def terms(scene: Scene, limit: Scalar, dt: float) -> jax.Array:
    """Return the terms of a step, (len(TERMS),) float32; for the arguments see `values`."""
    found = values(scene, limit, dt)
    return jnp.stack([jnp.asarray(found[name], jnp.float32) for name in TERMS])


def values(scene: Scene, limit: Scalar, dt: float, target: float = TARGET) -> dict[str, jax.Array]:
    """Return every term of a step by its name, () each.

    Args:
        scene: The cars at the end of the step.
        limit: The speed limit, m/s.
        dt: Length of a simulation step, s.
        target: Speed that the `desired` and `local` terms want, m/s.
    """
    v, here, slots = scene.v, scene.here, scene.slot_here
    place = np.arange(slots.shape[0])
    filled = jnp.sum(slots)
    return {
        "vel": mean(v, here),
        "desired": desired(v, here, target),
        "local_first": desired(scene.slot_v, slots & (place < 2), target),
        "local_last": desired(scene.slot_v, slots & (place >= filled - 2), target),
        "local": desired(scene.slot_v, slots, target),
        "commute": commute(v, here),
        "accel": -jnp.mean(jnp.abs(scene.action)),
        "headway": headway(scene.slot_v, scene.slot_gap, slots & scene.slot_leads),
        "forward": jnp.sum(jnp.where(here & scene.controlled, v, 0.0)),
        "outflow": scene.left * (3600.0 / (10 * dt)),
        "delay": -dt * mean((limit - v) / limit, here),
        "standstill": -jnp.sum(here & (v == 0)),
        "cars": -jnp.sum(here),
        "bus_vel": 60 * mean(v, here & scene.controlled) + mean(v, here & ~scene.controlled),
    }


class Counts(NamedTuple):
    """What the probes are made from; (2,) each, highway and ramp."""

    present: jax.Array
    """Cars in the network."""
    waiting: jax.Array
    """Cars that are due and wait outside, because there was no room."""
    left: jax.Array
    """Cars that left the network in the step."""
    demand: jax.Array
    """Cars due in an hour."""


def probes(counts: Counts, ramp_v: jax.Array, on_ramp: jax.Array, seconds: float) -> jax.Array:
    """Return the probes of a step, (len(PROBES),) float32.

    `time_*` is (cars in the network + cars outside) * 3600 / demand. Its mean over an episode
    is by Little's law the mean travel time in s of the cars that were due, with their wait
    outside, up to the episode's end. `throughput_*` is in cars an hour; `waiting_*` counts
    cars outside; `stopped_ramp` is the share of cars before the merge on the ramp that
    stand (0 where there is none).

    Args:
        counts: Cars of both roads.
        ramp_v: (m,) speeds of the cars from the ramp.
        on_ramp: (m,) bool, which of them are before the merge.
        seconds: Length of the step, s.
    """
    inside = counts.present + counts.waiting
    time = jnp.where(counts.demand > 0, inside * 3600 / jnp.maximum(counts.demand, 1e-6), 0.0)
    through = counts.left * (3600 / seconds)
    stopped = mean((ramp_v < STOPPED).astype(jnp.float32), on_ramp)
    parts = [time, through, counts.waiting, stopped[None]]
    return jnp.concatenate([jnp.asarray(part, jnp.float32) for part in parts])
