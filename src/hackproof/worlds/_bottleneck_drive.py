"""What moves the cars of the bottleneck world: follow, take turns, leave, come in."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from hackproof.worlds._bottleneck_road import CONTROLLED, Road, cell, cells, cover, join, stage
from hackproof.worlds._bottleneck_state import DT, HISTORY, Params, State
from hackproof.worlds._traffic_drive import period
from hackproof.worlds._traffic_idm import idm, safe_speed
from hackproof.worlds._traffic_rows import CLEAR, LENGTH, NOWHERE

SLOWEST_WANTED = 0.01
"""Least wanted speed, m/s."""
WARM_UP = 20.0
"""Seconds of traffic before an episode, 40 steps."""
INITIAL = 20
"""Places for cars that are there at the start."""
CHUNK = 16
"""Cars that one turn of the search for leaders looks at; places are a multiple of it."""
SLOWEST = 1.0
"""m/s; before a join nobody waits for a car that is slower, unless it stands at the line."""


def want(road: Road, params: Params, state: State, told: jax.Array) -> State:
    """Return the state with each cell's step added to the wanted speeds of its cars.

    Only controlled cars obey; where there is no cell they want the limit again.

    Args:
        road: The road.
        params: The drivers.
        state: The cars.
        told: (cells,) steps of the wanted speed, m/s.
    """
    division = cells(road, CONTROLLED)
    slots = state.top.shape[0]
    x, lane = state.x[:slots], state.lane[:slots]
    number = cell(division, x, jnp.right_shift(lane, stage(road, x)))
    at = number == np.arange(division[2])[:, None]
    step = jnp.sum(jnp.where(at, told[:, None], 0.0), 0)
    limit = params.driver.speed
    top = jnp.clip(state.top + step, SLOWEST_WANTED, limit)
    return state._replace(top=jnp.where(number >= 0, top, limit))


def leaders(
    x: jax.Array, v: jax.Array, fills: jax.Array, leads: jax.Array, pair: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """Return position and speed of the car ahead in the own lane, and in the pair of lanes.

    `CLEAR` and 0 where there is none. Of two cars side by side the one in the earlier place
    is ahead. A loop over the cars, some at a time: whole (n, n) arrays take twice as long.

    Args:
        x: (n,) positions, m.
        v: (n,) speeds, m/s.
        fills: (n,) covers.
        leads: (n,) int32, the pair of lanes in which the car goes before others; -2 in none.
        pair: (n,) int32, the pair of lanes in which the car minds others; -1 in none.
    """
    places = x.shape[0]

    def look(found: tuple, some: tuple) -> tuple[tuple, None]:
        own, own_v, other, other_v = found
        for k in range(CHUNK):
            at, speed, cover, goes, place = (leaf[k] for leaf in some)
            ahead = at > x
            nearer = ahead & ((cover & fills) != 0) & (at < own)
            own, own_v = jnp.where(nearer, at, own), jnp.where(nearer, speed, own_v)
            ahead = ahead | ((at == x) & (place < np.arange(places)))
            nearer = ahead & (goes == pair) & (at < other)
            other, other_v = jnp.where(nearer, at, other), jnp.where(nearer, speed, other_v)
        return (own, own_v, other, other_v), None

    nobody, still = jnp.full(places, CLEAR), jnp.zeros(places)
    cars = (x, v, fills, leads, jnp.arange(places))
    chunks = tuple(leaf.reshape(places // CHUNK, CHUNK) for leaf in cars)
    return jax.lax.scan(look, (nobody, still, nobody, still), chunks)[0]


def drive(
    road: Road, zone: float, params: Params, state: State, asked: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Return positions and speeds a step later.

    A car follows the car ahead in its lane. In the last `zone` metres before a join it also
    keeps behind the nearest car ahead in the other lane that joins with its own, so that the
    two lanes take turns in the order of their distance. It brakes for that one no harder
    than it can, and it may draw level with it, but not pass the line a car's length before
    the join while that one is on this side. No car moves further than the room it has, so
    that none ever overlap.

    Args:
        road: The road.
        zone: Length before a join in which lanes take turns, m.
        params: The drivers.
        state: The cars.
        asked: (n,) accelerations told, m/s^2; NaN where the car drives itself.
    """
    driver, x, v = params.driver, state.x, state.v
    here, before = x > NOWHERE / 2, join(road, x)
    level = stage(road, x)
    fills = cover(state.lane, level)
    close = (level < 2) & (x >= before - zone)
    pair = jnp.where(close, 4 * level + jnp.right_shift(state.lane, level + 1), -1)
    coming = (v > SLOWEST) | (x >= before - 2 * LENGTH)
    leads = jnp.where(close & coming, pair, -2)
    own, own_v, other, other_v = leaders(x, v, fills, leads, pair)

    gap, beside = own - LENGTH - x, other - LENGTH - x
    rest = jnp.broadcast_to(driver.speed, (x.shape[0] - state.top.shape[0],))
    wants = driver._replace(speed=jnp.concatenate([state.top, rest]))
    self_driven = jnp.minimum(idm(wants, v, own_v, gap), idm(wants, v, other_v, beside))
    accel = jnp.where(jnp.isnan(asked), jnp.maximum(self_driven, -driver.safe_decel), asked)
    yielding = jnp.maximum(
        safe_speed(driver, other_v, beside, DT),
        safe_speed(driver, 0.0, before - LENGTH - x, DT),
    )
    limit = jnp.minimum(driver.speed, safe_speed(driver, own_v, gap, DT))
    limit = jnp.where(other < CLEAR, jnp.minimum(limit, yielding), limit)
    speed = jnp.where(here, jnp.clip(v + accel * DT, 0.0, limit), 0.0)
    return x + speed * DT, speed


def leave(road: Road, state: State) -> State:
    """Return the state without the cars past the end, and one step later."""
    out = state.x >= road.end
    number = jnp.sum(out, dtype=jnp.int32)
    return state._replace(
        x=jnp.where(out, NOWHERE, state.x),
        v=jnp.where(out, 0.0, state.v),
        gone=state.gone + number,
        left=jnp.concatenate([number.astype(jnp.float32)[None], state.left[:-1]]),
        time=state.time + 1,
    )


def enter(slots: int, params: Params, state: State, lane: jax.Array) -> State:
    """Return the state after the car that is due first came in, if it could.

    It needs a free place, and in the lane that was drawn the gap and headway of its speed.
    A controlled car for which no slot is free comes in as a human one.

    Args:
        slots: Places for controlled cars.
        params: The flows.
        state: The cars.
        lane: () int32, the lane that was drawn.
    """
    due = state.phase + state.entered * period(params.flow)
    second = due[1] < due[0]
    last = jnp.min(jnp.where((state.lane == lane) & (state.x > 0), state.x, CLEAR))
    room = last - 2 * LENGTH >= params.driver.gap + params.driver.headway * params.depart
    place = np.arange(state.x.shape[0])
    free = state.x < NOWHERE / 2
    controlled = second & jnp.any(free[:slots])
    free = free & ((place < slots) == controlled)
    first = jnp.min(jnp.where(free, place, place.size))
    comes = room & (jnp.min(due) <= state.time * DT) & (first < place.size)
    here = (place == first) & comes
    return state._replace(
        x=jnp.where(here, LENGTH, state.x),
        v=jnp.where(here, jnp.minimum(params.depart, params.driver.speed), state.v),
        lane=jnp.where(here, lane, state.lane),
        top=jnp.where(here[:slots], params.driver.speed, state.top),
        changed=jnp.where(here[:slots], -100, state.changed),
        entered=state.entered + jnp.stack([comes & ~second, comes & second]),
    )


def begin(road: Road, places: int, slots: int, params: Params, draws: jax.Array) -> State:
    """Return what the warm-up brings: human cars as far as they came undisturbed.

    From 10 m/s at the entrance a free car nears the limit V as V - (V - 10) exp(-t / 5.2 s),
    with 5.2 s from the driver model's acceleration at 10 m/s; it stands at the integral of
    that. Cars came at the even distance of the flow, of a second at least.

    Args:
        road: The road.
        places: Places for cars.
        slots: Of those, the ones for controlled cars.
        params: Flows and drivers.
        draws: (INITIAL + 3,) uniform in [0, 1): lanes, phases, time since the last car.
    """
    total = jnp.sum(params.flow)
    since = jnp.maximum(period(total), 1.0) * (np.arange(INITIAL) + draws[-1])
    missing = (params.driver.speed - params.depart) * jnp.exp(-since / 5.2)
    x = LENGTH + params.driver.speed * since - 5.2 * (params.driver.speed - params.depart - missing)
    x = jnp.where((x < road.end) & (since <= WARM_UP), x, NOWHERE)
    v = jnp.where(x > 0, params.driver.speed - missing, 0.0)
    around = (slots, places - slots - INITIAL)
    lanes = (4 * draws[:INITIAL]).astype(jnp.int32)
    nobody = jnp.zeros((), jnp.int32)
    return State(
        x=jnp.pad(x, around, constant_values=NOWHERE),
        v=jnp.pad(v, around),
        lane=jnp.pad(lanes, around),
        top=jnp.broadcast_to(params.driver.speed, (slots,)),
        changed=jnp.full(slots, -100, jnp.int32),
        phase=draws[INITIAL : INITIAL + 2] * period(params.flow),
        entered=jnp.zeros(2, jnp.int32),
        gone=nobody,
        left=jnp.zeros(HISTORY),
        time=nobody,
        observation=jnp.zeros(0),
    )
