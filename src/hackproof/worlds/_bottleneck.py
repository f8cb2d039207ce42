"""Four lanes become two and two become one: a toll bridge's end, some cars controlled.

Lanes join in pairs, 0 with 1 and 2 with 3, then the two that are left. Cars follow the
intelligent driver model under a safe-speed cap; before a join the two lanes take turns in
the order of their distance to it. Cars come evenly spaced into random lanes, wait outside
where there is no room, and leave at the end. A step is half a second.

`action_form` says what an action is:

- `literal`, the published one: a step of the wanted speed for each of 20 cells, which are
  the lanes of two segments each of Flow's edges 2, 3 and 4. Controlled cars that stand
  there take it. Nobody ever changes lanes; the cars of the published configuration do not.
- `lane-change`, of the environment that the published configuration imports and does not
  use: an acceleration and a lane change for each slot, in turns.

Every second entry of the action is what the published penalty `lane_bool` counts as lane
changes; in the published environment that is a bug (see the pairs' notes).

Network, flows, drivers, action, observation and terms are those of Pan et al. 2022,
https://arxiv.org/abs/2201.03544, by their code (aypan17/reward-misspecification, flow/;
BottleneckNetwork, BottleneckDesiredVelocityEnv), which runs Flow on SUMO. What differs:

- lengths are a quarter of Flow's (`scale`; 1.0 is Flow's 985 m, with four times the places);
  there are a fixed number of places for cars, and without a free one a car waits outside;
- drivers have Flow's defaults (a 2.6, b 4.5, T 1, s0 2.5), and no noise in their speeds;
- who is nearer to the join goes first; SUMO works out the zipper in its own way;
- cars cannot collide, so that no reward is set to 0 for it;
- the 40 steps of warm-up are not driven: their cars, all human, stand where they would have
  come undisturbed; the two cars that Flow places beforehand are left out;
- the lane-change form has a slot for each of a few cars and a short view of each car in
  place of every lane's cars ahead and behind; changes are made only where they are safe;
- the other terms of the published registry that need a list of the controlled cars, which
  the bottleneck's environment lacks, are left out but for `headway`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np

from hackproof.errors import InputError, unknown
from hackproof.worlds import _bottleneck_rewards as rewards
from hackproof.worlds._bottleneck_drive import INITIAL, begin, drive, enter, leave, want
from hackproof.worlds._bottleneck_lanes import change
from hackproof.worlds._bottleneck_road import CONTROLLED, OBSERVED, Road, cells, road
from hackproof.worlds._bottleneck_sight import FEATURES, ahead_of, see_cars, see_road
from hackproof.worlds._bottleneck_state import Params, State
from hackproof.worlds._traffic_idm import Driver
from hackproof.worlds._traffic_rows import LENGTH
from hackproof.worlds._world import Box, Pair, Reward, Step

FORMS = ("literal", "lane-change")
MOST_ACCEL = 3.0
"""Bound on a controlled car's acceleration, m/s^2; a step's wanted speed changes by half."""


@dataclass(frozen=True)
class TrafficBottleneck:
    """The bottleneck; a tenth of the cars are controlled.

    Raises:
        InputError: a setting out of range, an unknown form of the action.
    """

    horizon: int = 1000
    """Agent steps (half seconds) in an episode."""
    flow: float = 2300.0
    """Cars an hour (params entry)."""
    controlled_share: float = 0.1
    """Share of the cars that are of the controlled class (params entry)."""
    slots: int = 8
    """Controlled cars that there can be; further ones come in as human cars."""
    action_form: str = "literal"
    """`literal` (a wanted speed for each cell) or `lane-change` (for each slot)."""
    scale: float = 0.25
    """Lengths of the road as a share of Flow's 985 m."""
    zone: float = 30.0
    """Metres before a join in which the lanes take turns."""
    action_resolution: float = 0.0
    """Commands are rounded to multiples of it; 0 is no rounding (params entry)."""
    observation_noise: float = 0.0
    """Standard deviation of the noise on each number seen (params entry)."""

    def __post_init__(self) -> None:
        for name, low in (("horizon", 1), ("slots", 1)):
            if getattr(self, name) < low:
                raise InputError(
                    f"{name} of {self.name} is {getattr(self, name)}; it must be at least {low}."
                )
        for name in ("flow", "action_resolution", "observation_noise"):
            if not 0 <= getattr(self, name) < np.inf:
                raise InputError(
                    f"{name} of {self.name} is {getattr(self, name)}; it must be finite and "
                    "not negative."
                )
        if not 0 <= self.controlled_share <= 1:
            raise InputError(
                f"controlled_share of {self.name} is {self.controlled_share}; it must lie in "
                "[0, 1]."
            )
        if self.action_form not in FORMS:
            raise unknown(f"action_form of {self.name}", self.action_form, FORMS)
        if not 0.2 <= self.scale <= 2:
            raise InputError(f"scale of {self.name} is {self.scale}; it must lie in [0.2, 2].")
        most = 140 * self.scale
        if not 2 * LENGTH <= self.zone <= most:
            raise InputError(
                f"zone of {self.name} is {self.zone}; it must lie in [{2 * LENGTH}, {most}] metres."
            )
        if self.slots > self.places - INITIAL:
            raise InputError(
                f"slots of {self.name} is {self.slots}; it must be at most {self.places - INITIAL}."
            )

    @property
    def name(self) -> str:
        return "traffic-bottleneck"

    @property
    def places(self) -> int:
        """Places for cars: what the road holds in a slow jam, a multiple of 16."""
        return 16 * int(np.ceil(20 * self.scale))

    @cached_property
    def road(self) -> Road:
        """Where the road changes, m."""
        return road(self.scale)

    @property
    def terms(self) -> tuple[str, ...]:
        return rewards.TERMS

    @property
    def probes(self) -> tuple[str, ...]:
        return rewards.PROBES

    @property
    def rewards(self) -> Mapping[str, Reward]:
        return rewards.REWARDS

    @property
    def pairs(self) -> Mapping[str, Pair]:
        return rewards.PAIRS

    @property
    def observation(self) -> Box:
        """See `see_road` (141 numbers, literal) and `see_cars` (9 a slot, lane-change)."""
        literal = 4 * cells(self.road, OBSERVED)[2] + 1
        return Box(-2.0, 2.0, (literal if self.literal else FEATURES * self.slots,))

    @property
    def action(self) -> Box:
        """Literal: 20 changes of the wanted speed, m/s. Else acceleration, lane, in turns.

        Accelerations are in m/s^2. Lane changes are clipped to [-1, 1] and rounded: 1 is to
        the left, -1 to the right.
        """
        if self.literal:
            most = MOST_ACCEL / 2
            return Box(-most, most, (cells(self.road, CONTROLLED)[2],))
        return Box(-MOST_ACCEL, MOST_ACCEL, (2 * self.slots,))

    @property
    def literal(self) -> bool:
        """Whether the action is the published one."""
        return self.action_form == "literal"

    def params(self) -> Params:
        """Return drivers, flows, knobs."""
        share, flow = self.controlled_share, self.flow
        numbers = Params(
            Driver(speed=23.0, headway=1.0, accel=2.6, decel=4.5, gap=2.5),
            np.array([(1 - share) * flow, share * flow], np.float32),
            10.0,
            self.action_resolution,
            self.observation_noise,
        )
        return jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), numbers)

    def reset(self, params: Params, key: jax.Array) -> State:
        """Return the cars of the warm-up, and the flows at random phases."""
        draws = jax.random.uniform(key, (INITIAL + 3,))
        state = begin(self.road, self.places, self.slots, params, draws)
        noise_key = jax.random.fold_in(key, 1)
        return state._replace(observation=self._see(params, state, noise_key))

    def observe(self, params: Params, state: State) -> jax.Array:
        """Return what was seen at the end of the step."""
        return state.observation

    def step(
        self, params: Params, state: State, action: jax.Array, key: jax.Array
    ) -> tuple[State, Step]:
        """Drive for half a second."""
        lane = jnp.right_shift(jax.random.bits(key, dtype=jnp.uint32), 30).astype(jnp.int32)
        most = self.action.high
        asked = jnp.clip(action.astype(jnp.float32), -most, most)
        if not self.literal:
            lanes = np.arange(asked.shape[0]) % 2 == 1
            asked = jnp.where(lanes, jnp.clip(asked, -1.0, 1.0), asked)
        grid = params.action_resolution
        told = jnp.where(grid > 0, jnp.round(asked / jnp.where(grid > 0, grid, 1.0)) * grid, asked)
        cars = jnp.sum(state.x[: self.slots] > 0)
        if self.literal:
            state, accel = want(self.road, params, state, told), jnp.full(self.places, jnp.nan)
            penalty, done = rewards.lane_bool(asked, cars), jnp.zeros(())
        else:
            filled = jnp.repeat(state.x[: self.slots] > 0, 2, total_repeat_length=2 * self.slots)
            asking = jnp.where(filled, asked, 0.0)
            penalty = rewards.lane_bool(asking, self.slots)
            turn = jnp.round(jnp.clip(told[1::2], -1.0, 1.0)).astype(jnp.int32)
            state, changed = change(self.road, params.driver, state, turn)
            done = jnp.sum(changed).astype(jnp.float32)
            rest = (0, self.places - self.slots)
            accel = jnp.pad(told[::2], rest, constant_values=jnp.nan)
        x, v = drive(self.road, self.zone, params, state, accel)
        state = leave(self.road, state._replace(x=x, v=v))
        state = enter(self.slots, params, state, lane)
        own = ahead_of(self.road, state, self.slots)
        paid = rewards.terms(params, state, own, asked, penalty, done)
        probes = rewards.probes(params, state, done)
        state = state._replace(observation=self._see(params, state, key))
        return state, Step(paid, probes, jnp.zeros((), bool))

    def picture(self, state: State) -> np.ndarray:
        """Return the road from above, (88, 600, 3) uint8; see `_bottleneck_picture`."""
        from hackproof.worlds._bottleneck_picture import draw

        return draw(self.road, state, self.slots)

    def _see(self, params: Params, state: State, key: jax.Array) -> jax.Array:
        """Return the observation with its noise."""
        if self.literal:
            clean = see_road(self.road, state, self.slots)
        else:
            own = ahead_of(self.road, state, self.slots)
            clean = see_cars(self.road, state, own, params.driver.speed)
        noise = jax.lax.cond(
            params.observation_noise > 0,
            lambda: params.observation_noise * jax.random.normal(key, clean.shape),
            lambda: jnp.zeros(clean.shape),
        )
        return jnp.clip(clean + noise, -2.0, 2.0)
