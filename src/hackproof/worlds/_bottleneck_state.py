"""What a bottleneck is made of: its numbers and its cars."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from hackproof.worlds._traffic_drive import period
from hackproof.worlds._traffic_idm import Driver

Scalar = Any

DT = 0.5
"""Length of a step, s; an agent step is one simulation step."""
HISTORY = 20
"""Steps over which the observed outflow is counted; the term takes the last half."""


class Params(NamedTuple):
    """Numbers that may change without compiling again."""

    driver: Driver
    """Everybody's constants."""
    flow: Scalar
    """(2,) cars an hour, human and controlled."""
    depart: Scalar
    """Speed at which cars come in, m/s."""
    action_resolution: Scalar
    """Commands are rounded to multiples of it, m/s or m/s^2; 0 is no rounding."""
    observation_noise: Scalar
    """Standard deviation of the noise on each number seen."""


class State(NamedTuple):
    """One bottleneck with n places for cars; those in the first `slots` are controlled."""

    x: jax.Array
    """(n,) front bumper, m from the beginning; `NOWHERE` in an empty place."""
    v: jax.Array
    """(n,) speed, m/s; 0 in an empty place."""
    lane: jax.Array
    """(n,) int32, which of the four lanes, 0 .. 3."""
    top: jax.Array
    """(slots,) speed that the controlled car wants, m/s; the others want the limit."""
    changed: jax.Array
    """(slots,) int32, step of the car's last lane change."""
    phase: jax.Array
    """(2,) time at which each flow's first car is due, s."""
    entered: jax.Array
    """(2,) int32, cars of each flow that came in."""
    gone: jax.Array
    """() int32, cars that left."""
    left: jax.Array
    """(HISTORY,) cars that left in each of the last steps, the newest first."""
    time: jax.Array
    """() int32, steps so far."""
    observation: jax.Array
    """What the agent sees."""


def waiting(params: Params, state: State) -> jax.Array:
    """Return the cars that are due and outside, () float32."""
    due = jnp.floor((state.time * DT - state.phase) / period(params.flow)) + 1
    return jnp.sum(jnp.maximum(due - state.entered, 0.0))
