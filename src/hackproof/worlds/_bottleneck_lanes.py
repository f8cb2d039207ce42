"""Lane changes of the bottleneck world: what is beside a car, and who may go there."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from hackproof.worlds._bottleneck_road import LANES, Road, cover, join, stage
from hackproof.worlds._bottleneck_state import DT, State
from hackproof.worlds._traffic_idm import Driver, safe_speed
from hackproof.worlds._traffic_rows import CLEAR, LENGTH, NOWHERE

COOLDOWN = 5
"""Steps after a lane change in which a car makes no other, as published."""
LAST = 2 * LENGTH
"""Metres before a join in which no car changes lanes."""


class Beside(NamedTuple):
    """What the cars of the slots have in some lane, theirs or another; (slots,) each."""

    gap: jax.Array
    """Gap to the car ahead, m; negative where cars overlap."""
    lead: jax.Array
    """Speed of that car, m/s; 0 where there is none."""
    room: jax.Array
    """Gap from the car behind, m; negative where cars overlap."""
    follower: jax.Array
    """Speed of that car, m/s; 0 where there is none."""


def target(road: Road, state: State, direction: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the lane a step to a side, and whether there is one.

    Args:
        road: The road.
        state: The cars.
        direction: (slots,) int32: 1 to the left (a higher number), -1 to the right, 0 to stay.

    Returns:
        (slots,) int32 lane of the four, (slots,) bool.
    """
    slots = direction.shape[0]
    level = stage(road, state.x[:slots])
    now = jnp.right_shift(state.lane[:slots], level) + direction
    exists = (now >= 0) & (now < jnp.right_shift(LANES[0], level))
    return jnp.left_shift(jnp.clip(now, 0, LANES[0] - 1), level) & (LANES[0] - 1), exists


def nearest(x: jax.Array, v: jax.Array, counts: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return position and speed of the nearest car ahead; `CLEAR` and 0 where there is none.

    Args:
        x: (n,) positions of those who may be ahead.
        v: (n,) their speeds.
        counts: (n, m) bool, which of them are ahead of whom.
    """
    found = jnp.min(jnp.where(counts, x[:, None], CLEAR), 0)
    speed = jnp.max(jnp.where(counts & (x[:, None] == found), v[:, None], 0.0), 0)
    return found, speed


def beside(road: Road, state: State, lane: jax.Array) -> Beside:
    """Return what the slots' cars would have ahead and behind if they were in those lanes.

    Args:
        road: The road.
        state: The cars.
        lane: (slots,) int32, the lane of the four.
    """
    slots = lane.shape[0]
    x = state.x[:slots]
    level = stage(road, state.x)
    meets = (cover(state.lane, level)[:, None] & cover(lane, level[:slots])) != 0
    front = nearest(state.x, state.v, meets & (state.x[:, None] > x))
    other = ~jnp.eye(state.x.shape[0], slots, dtype=bool)
    behind = meets & (state.x[:, None] <= x) & other
    back = nearest(-state.x, state.v, behind)
    return Beside(front[0] - LENGTH - x, front[1], back[0] + x - LENGTH, back[1])


def change(
    road: Road, driver: Driver, state: State, direction: jax.Array
) -> tuple[State, jax.Array]:
    """Return the state after the lane changes that were told and are safe.

    A car changes where there is a lane, the last change is more than `COOLDOWN` steps ago,
    the next join is further than `LAST` metres, and neither it nor the car that it would
    have behind would have to brake for the safe speed. Of two that want the same gap, one
    from each side, the one that goes to the left has it.

    Args:
        road: The road.
        driver: The drivers' constants.
        state: The cars.
        direction: (slots,) int32, -1, 0 or 1.

    Returns:
        The state, and (slots,) bool, which cars changed.
    """
    slots = direction.shape[0]
    x, v = state.x[:slots], state.v[:slots]
    level = stage(road, x)
    lane, exists = target(road, state, direction)
    there = beside(road, state, lane)
    safe = (v <= safe_speed(driver, there.lead, there.gap, DT)) & (
        there.follower <= safe_speed(driver, v, there.room, DT)
    )
    safe = safe & (there.gap >= 0) & (there.room >= 0)
    rested = state.time > state.changed + COOLDOWN
    may = (x > NOWHERE / 2) & (direction != 0) & exists & rested & safe
    may = may & (level < 2) & (x < join(road, x) - LAST)
    fills = cover(lane, level)
    clash = (fills[:, None] & fills) != 0
    clash = clash & (jnp.abs(x[:, None] - x) < 2 * LENGTH)
    taken = jnp.any(clash & (may & (direction > 0))[:, None], 0)
    done = may & ((direction > 0) | ~taken)
    state = state._replace(
        lane=state.lane.at[:slots].set(jnp.where(done, lane, state.lane[:slots])),
        changed=jnp.where(done, state.time, state.changed),
    )
    return state, done
