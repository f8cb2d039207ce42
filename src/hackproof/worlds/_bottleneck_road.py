"""The road of the bottleneck world: edges, lanes, and what stands in whose way.

Four lanes become two and two become one. A car keeps the number of one of the four lanes,
0 .. 3, all the way; after the first join lanes 0 and 1 are the same, after the second all
four. A *cover* is the set of the four lanes that a car fills, as four bits. Two cars are in
each other's way where their covers meet.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

Scalar = Any

EDGES = (100.0, 310.0, 140.0, 280.0, 155.0)
"""Lengths of Flow's edges, m: four lanes on the first three, then two, then one."""
OBSERVED = (1, 3, 3, 3, 1)
"""Segments into which each edge is cut for the observation."""
CONTROLLED = (0, 2, 2, 2, 0)
"""Segments into which each edge is cut for the commands; 0 where there are none."""
LANES = (4, 4, 4, 2, 1)
"""Lanes of each edge."""


class Road(NamedTuple):
    """Where the road changes, m from its beginning."""

    first: float
    """Where four lanes become two."""
    second: float
    """Where two lanes become one."""
    end: float
    """Where cars leave."""
    starts: tuple[float, ...]
    """Where each edge begins, and the end."""


def road(scale: float) -> Road:
    """Return Flow's road with every length multiplied by `scale`."""
    starts = tuple(float(x) * scale for x in np.concatenate([[0.0], np.cumsum(EDGES)]))
    return Road(starts[3], starts[4], starts[5], starts)


def stage(road: Road, x: jax.Array) -> jax.Array:
    """Return how many joins a position is past, 0 .. 2, int32."""
    return (x >= road.first).astype(jnp.int32) + (x >= road.second)


def join(road: Road, x: jax.Array) -> jax.Array:
    """Return the position of the next join, m; past the last one, that one."""
    return jnp.where(x < road.first, road.first, road.second)


def cover(lane: jax.Array, stage: jax.Array) -> jax.Array:
    """Return which of the four lanes a car fills, as the bits of an int32."""
    pair = jnp.left_shift(3, lane & 2)
    return jnp.where(stage == 0, jnp.left_shift(1, lane), jnp.where(stage == 1, pair, 15))


def cells(road: Road, segments: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, int]:
    """Return where the cells of a division of the road begin, and how to number them.

    A cell is one lane of one segment. Edges with 0 segments have none. A car's cell is
    `sum(jump[x >= begin]) + lane`, which is negative where there is no cell.

    Returns:
        (m,) positions in m, (m,) int32 jumps of the number there, how many cells there are.
    """
    begins, jumps, now, total = [0.0], [0], 0, 0
    for edge, parts in enumerate(segments):
        left, right = road.starts[edge], road.starts[edge + 1]
        for i in range(max(parts, 1)):
            target = total if parts else -10_000
            begins.append(left + (right - left) * i / max(parts, 1))
            jumps.append(target - now)
            now = target
            total += LANES[edge] * bool(parts)
    return np.array(begins, np.float32), np.array(jumps, np.int32), total


def cell(division: tuple[np.ndarray, np.ndarray, int], x: jax.Array, lane: jax.Array) -> jax.Array:
    """Return the number of each car's cell, (n,) int32.

    Args:
        division: What `cells` returned.
        x: (n,) positions, m.
        lane: (n,) lane at that place, counted among those there are.
    """
    begins, jumps, _ = division
    return jnp.sum(jnp.where(x >= begins[:, None], jumps[:, None], 0), 0) + lane
