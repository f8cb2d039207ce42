"""The two roads from above as a picture, for `hackproof render`.

The geometry is the network's: 172.5 m of highway before the merge and 75 m after it, 122.5 m
of ramp, which comes in at 45 degrees from below. Two pixels and a half are a metre, along the
roads and across. Cars are drawn a little wider than they are, so that they can be seen.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hackproof.worlds._traffic_drive import (
    AFTER,
    DT,
    HIGHWAY,
    HIGHWAY_BEFORE,
    RAMP,
    RAMP_BEFORE,
    period,
)
from hackproof.worlds._traffic_rows import LENGTH

if TYPE_CHECKING:
    from hackproof.worlds._traffic import TrafficMerge
    from hackproof.worlds._traffic_drive import State

Colour = tuple[int, int, int]

SCALE = 2.5
"""Pixels of a metre."""
HIGH, WIDE = 264, 640
ROW = 34.0
"""Row of the highway's middle."""
MERGE = 10.6 + SCALE * HIGHWAY_BEFORE
"""Column of the point where the roads join."""
LANE, CAR = 9.0, 6.5
"""Pixels across a road and across a car."""
STANDING = 0.1
"""A car that is slower than this stands, m/s."""

GROUND, KERB, ASPHALT, DASH = (238, 240, 233), (168, 172, 172), (214, 216, 217), (238, 239, 240)
HUMAN, HUMAN_STANDING = (104, 128, 160), (66, 84, 110)
CONTROLLED, CONTROLLED_STANDING = (222, 56, 48), (172, 22, 28)
OUTLINE = (24, 26, 32)
HUMAN_OUTSIDE, CONTROLLED_OUTSIDE = (165, 178, 196), (232, 140, 132)

DOT, PITCH = 3, 5
"""Pixels of a waiting car's side, and from one to the next."""


class Cars(NamedTuple):
    """The cars in the network; each leaf is (cars,)."""

    x: np.ndarray
    """Position of the front bumper, m from the merge."""
    v: np.ndarray
    """Speed, m/s."""
    controlled: np.ndarray
    """bool, whether the car is of the controlled class."""
    ramp: np.ndarray
    """bool, whether it came by the ramp."""


def draw(world: TrafficMerge, state: State) -> np.ndarray:
    """Return the roads with their cars, (264, 640, 3) uint8.

    Human cars are blue-grey and controlled ones red; a car that stands is darker and has a dark
    outline. A dot below the beginning of the highway, or left of that of the ramp, is a car
    that is due and finds no room, pale red where it is controlled.

    Args:
        world: Says how many cars come; the flows are its own, not those of changed params.
        state: One environment's state.
    """
    image = _ground().copy()
    found = cars(state)
    fronts, backs = (place(x, found.ramp) for x in (found.x, found.x - LENGTH))
    for front, back, v, controlled in zip(fronts, backs, found.v, found.controlled, strict=True):
        if v >= STANDING:
            _bar(image, back, front, CAR, CONTROLLED if controlled else HUMAN)
        else:
            _bar(image, back, front, CAR, OUTLINE)
            _bar(
                image, back, front, CAR, CONTROLLED_STANDING if controlled else HUMAN_STANDING, 1.25
            )
    waiting = outside(world, state)
    _dots(image, waiting[HIGHWAY], (round(ROW) + 20, 10), columns=20, way=1)
    _dots(image, waiting[RAMP], (HIGH - 12, 206), columns=10, way=-1)
    return np.round(image).astype(np.uint8)


def cars(state: State) -> Cars:
    """Return the cars in the network, in no order that means anything."""

    def every(name: str) -> np.ndarray:
        return np.concatenate([getattr(row, name) for row in (*state.roads, state.joint)])

    here = every("here")
    found = every("x"), every("v"), every("serial") >= 0, every("road") == RAMP
    return Cars(*(leaf[here] for leaf in found))


def outside(world: TrafficMerge, state: State) -> np.ndarray:
    """Return the cars that are due and not in yet, (2, 2) int, in the order of `Params.flow`."""
    now = np.float32(state.time) * np.float32(DT)
    since = (now - np.asarray(state.phase)) / np.asarray(period(world.params().flow))
    return np.maximum(np.floor(since).astype(int) + 1 - np.asarray(state.entered), 0)


def place(x: np.ndarray, ramp: np.ndarray) -> np.ndarray:
    """Return where a position lies in the picture, (n, 2) row and column, float.

    Args:
        x: (n,) metres from the merge, negative before it.
        ramp: (n,) bool, on which road it lies where it is before the merge.
    """
    side = np.where(ramp & (x < 0), np.sqrt(0.5), 1.0) * x
    down = np.where(ramp & (x < 0), -side, 0.0)
    return np.stack([ROW + SCALE * down, MERGE + SCALE * side], -1)


@functools.cache
def _ground() -> np.ndarray:
    """Return the empty roads, (264, 640, 3) float32."""
    image = np.empty((HIGH, WIDE, 3), np.float32)
    image[:] = GROUND
    ends = np.array([AFTER, -HIGHWAY_BEFORE, -RAMP_BEFORE])
    exit_, highway, ramp = place(ends, np.array([False, False, True]))
    middle = place(np.zeros(1), np.array([False]))[0]
    for across, colour in ((LANE + 4, KERB), (LANE + 1, ASPHALT)):
        _bar(image, highway, exit_, across, colour)
        _bar(image, ramp, middle, across, colour)
    for on_ramp, first in ((False, -160.0), (True, -110.0)):
        for x in np.arange(first, AFTER if not on_ramp else -20, 25.0):
            tail, head = place(np.array([x, x + 7.0]), np.full(2, on_ramp))
            _bar(image, tail, head, 2.0, DASH)
    return image


def _bar(
    image: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    across: float,
    colour: Colour,
    inset: float = 0.0,
) -> None:
    """Paint a bar with rounded corners and smooth edges, in place.

    A pixel takes as much of the colour as its distance to the edge says, 1 from half a pixel
    inside it and 0 from half a pixel outside it.

    Args:
        image: (height, width, 3) float.
        start: Row and column of the middle of one end.
        end: The same of the other.
        across: Pixels from side to side.
        colour: RGB.
        inset: Pixels that are left out all round.
    """
    low = np.maximum(np.floor(np.minimum(start, end) - across), 0).astype(int)
    high = np.ceil(np.maximum(start, end) + across).astype(int) + 1
    patch = image[low[0] : high[0], low[1] : high[1]]
    rows, columns = np.ogrid[: patch.shape[0], : patch.shape[1]]
    half = float(np.hypot(*(end - start))) / 2
    ahead = (end - start) / (2 * half)
    row, column = rows + low[0] - (start + end)[0] / 2, columns + low[1] - (start + end)[1] / 2
    corner = 1.5
    along = np.abs(row * ahead[0] + column * ahead[1]) - (half - inset - corner)
    aside = np.abs(row * ahead[1] - column * ahead[0]) - (across / 2 - inset - corner)
    beyond = np.hypot(np.maximum(along, 0), np.maximum(aside, 0))
    distance = beyond + np.minimum(np.maximum(along, aside), 0) - corner
    share = np.clip(0.5 - distance, 0, 1)[..., None]
    patch += share * (np.array(colour, np.float32) - patch)


def _dots(
    image: np.ndarray, waiting: np.ndarray, corner: tuple[int, int], columns: int, way: int
) -> None:
    """Paint a dot for each waiting car, controlled ones first, in place.

    Args:
        image: (height, width, 3) float.
        waiting: (2,) int, human and controlled.
        corner: Row and column of the first dot.
        columns: Dots side by side.
        way: 1 goes on to the right and then down, -1 to the left and then up.
    """
    for i in range(int(waiting.sum())):
        top = corner[0] + way * PITCH * (i // columns)
        left = corner[1] + way * PITCH * (i % columns)
        if not 0 <= top <= HIGH - DOT:
            return  # the rest does not fit
        colour = CONTROLLED_OUTSIDE if i < waiting[1] else HUMAN_OUTSIDE
        image[top : top + DOT, left : left + DOT] = colour
