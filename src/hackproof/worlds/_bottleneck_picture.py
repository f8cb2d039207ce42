"""The bottleneck as a picture, for `hackproof render`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hackproof.worlds._bottleneck_road import Road
from hackproof.worlds._traffic_rows import LENGTH

if TYPE_CHECKING:
    from hackproof.worlds._bottleneck_state import State

WIDTH, LANE, EDGE = 600, 20, 4
"""Pixels: of the road's length, of a lane's width, around the road."""
GROUND, ROAD, LINE = (225, 228, 220), (160, 160, 160), (200, 200, 200)
HUMAN, CONTROLLED = (50, 50, 55), (205, 45, 45)


def draw(road: Road, state: State, slots: int) -> np.ndarray:
    """Return the road from above, (88, 600, 3) uint8; cars drive to the right.

    Human cars are dark, controlled ones red.

    Args:
        road: The road.
        state: One environment's state.
        slots: Its first places, those of the controlled cars.
    """
    image = np.full((4 * LANE + 2 * EDGE, WIDTH, 3), GROUND, np.uint8)
    pixel = WIDTH / road.end
    bounds = [0, round(road.first * pixel), round(road.second * pixel), WIDTH]
    for level in range(3):
        part = image[:, bounds[level] : bounds[level + 1]]
        top = round(_middle(level, (4 >> level) - 1) - LANE / 2)
        bottom = round(_middle(level, 0) + LANE / 2)
        part[top:bottom] = ROAD
        for line in range(top + LANE, bottom, LANE):
            part[line - 1 : line + 1] = LINE
    for place, (x, lane) in enumerate(zip(state.x, state.lane, strict=True)):
        if float(x) < 0:
            continue
        level = int(float(x) >= road.first) + int(float(x) >= road.second)
        middle = round(_middle(level, int(lane) >> level))
        right = max(round(float(x) * pixel), 1)
        left = max(round((float(x) - LENGTH) * pixel) + 1, 0)
        image[middle - 5 : middle + 5, left:right] = CONTROLLED if place < slots else HUMAN
    return image


def _middle(level: int, lane: int) -> float:
    """Return the row of a lane's middle; lane 0 is the lowest, the road is centred."""
    lanes = 4 >> level
    return EDGE + 2 * LANE + (lanes / 2 - lane - 0.5) * LANE
