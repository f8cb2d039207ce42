"""What the agent of the bottleneck world sees, in either form of the action."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from hackproof.worlds._bottleneck_lanes import Beside, beside, target
from hackproof.worlds._bottleneck_road import OBSERVED, Road, cell, cells, stage
from hackproof.worlds._bottleneck_state import DT, HISTORY, State
from hackproof.worlds._traffic_rows import NOWHERE

FEATURES = 9
"""Numbers that are seen of a car in a slot."""
CARS, SPEED, OUTFLOW = 20.0, 50.0, 2000.0
"""What the published observation divides counts, speeds and outflow by."""


def ahead_of(road: Road, state: State, slots: int) -> Beside:
    """Return what the slots' cars have ahead and behind in their own lanes."""
    return beside(road, state, state.lane[:slots])


def see_road(road: Road, state: State, slots: int) -> jax.Array:
    """Return counts and mean speeds in every lane of every segment, and the outflow.

    For each of 35 cells (one lane of one segment): human cars / 20; then the same for the
    controlled; then mean speed / 50 m/s of the human, then of the controlled, 0 where there
    is none. Last the cars an hour that left in the last ten seconds / 2000.

    Source: BottleneckDesiredVelocityEnv.get_state, flow/envs/bottleneck.py.
    """
    division = cells(road, OBSERVED)
    level = stage(road, state.x)
    number = cell(division, state.x, jnp.right_shift(state.lane, level))
    inside = (number == np.arange(division[2])[:, None]) & (state.x > NOWHERE / 2)
    counts, speeds = [], []
    for group in (slice(slots, None), slice(0, slots)):
        counted = inside[:, group]
        count = jnp.sum(counted, 1).astype(jnp.float32)
        speed = jnp.sum(jnp.where(counted, state.v[group], 0.0), 1)
        counts.append(count / CARS)
        speeds.append(speed / jnp.maximum(count, 1.0) / SPEED)
    rate = jnp.sum(state.left) * (3600 / (HISTORY * DT)) / OUTFLOW
    return jnp.concatenate([*counts, *speeds, rate[None]])


def see_cars(road: Road, state: State, own: Beside, limit: jax.Array) -> jax.Array:
    """Return nine numbers of each slot's car, (9 * slots,); zeros where there is none.

    Own speed; position; lane / 4; gap ahead; relative speed of the car ahead; then the gaps
    ahead and behind in the lane to the left, and the same to the right. Speeds are over the
    limit, lengths over the road's, 1 where nobody is there, 0 where there is no such lane.

    Args:
        road: The road.
        state: The cars.
        own: What `ahead_of` returned.
        limit: The speed limit, m/s.
    """
    slots = own.gap.shape[0]
    x, v = state.x[:slots], state.v[:slots]
    level = stage(road, x)
    led = own.gap < road.end
    seen = [
        v / limit,
        x / road.end,
        jnp.right_shift(state.lane[:slots], level) / 4,
        jnp.minimum(own.gap / road.end, 1.0),
        jnp.where(led, own.lead - v, limit - v) / limit,
    ]
    for side in (1, -1):
        lane, exists = target(road, state, jnp.full(slots, side))
        there = beside(road, state, lane)
        gaps = (jnp.clip(gap / road.end, -1.0, 1.0) for gap in (there.gap, there.room))
        seen += [jnp.where(exists, gap, 0.0) for gap in gaps]
    shown = jnp.where(x[:, None] > NOWHERE / 2, jnp.stack(seen, 1), 0.0)
    return shown.reshape(-1)
