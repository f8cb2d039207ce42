"""Actions and observations as vectors, with names, and the actions that scripts use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces

from hackproof.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Space = spaces.Space[Any]
FAR = 1e3
"""Half-width that stands for an infinite bound of an action; stated in the report."""
LISTED = 16
"""At most so many constant actions are tried."""


def flat(space: Space, value: Any) -> NDArray[np.float64]:
    """Return an observation or an action as a vector, one-hot where discrete."""
    return np.asarray(spaces.flatten(space, value), np.float64).ravel()


def names(space: Space) -> tuple[str, ...]:
    """Return a name for each entry of `flat`."""
    if isinstance(space, spaces.Discrete):
        return tuple(f"[={i + int(space.start)}]" for i in range(int(space.n)))
    if isinstance(space, spaces.Box) and len(space.shape) == 1:
        return tuple(f"[{i}]" for i in range(space.shape[0]))
    if isinstance(space, spaces.Dict):
        return tuple(f".{k}{n}" for k, part in space.spaces.items() for n in names(part))
    if isinstance(space, spaces.Tuple):
        return tuple(f".{i}{n}" for i, part in enumerate(space.spaces) for n in names(part))
    return tuple(f"[{i}]" for i in range(spaces.flatdim(space)))


def bounds(space: spaces.Box) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return finite bounds; an infinite one is cut at -`FAR` or `FAR`."""
    low, high = (np.asarray(b, np.float64) for b in (space.low, space.high))
    return np.maximum(low, -FAR), np.minimum(high, FAR)


def constants(space: Space) -> list[Any]:
    """Return actions worth repeating: each discrete one; a box's middle, ends and axes.

    An empty list where the space is neither; the random policy is then the only one.
    """
    if isinstance(space, spaces.Discrete):
        return [int(space.start) + i for i in range(min(int(space.n), LISTED))]
    if isinstance(space, spaces.MultiBinary):
        return [np.zeros(space.shape, np.int8), np.ones(space.shape, np.int8)]
    if isinstance(space, spaces.MultiDiscrete):
        top = np.asarray(space.nvec) - 1
        return [space.start + top * 0, space.start + top]
    if isinstance(space, spaces.Box):
        low, high = bounds(space)
        still = np.clip(np.zeros(space.shape), low, high)
        found = [still, low, high, (low + high) / 2]
        for i in np.ndindex(space.shape):
            for end in (low, high):
                moved = still.copy()
                moved[i] = end[i]
                found.append(moved)
        unique = {tuple(np.ravel(a)): a.astype(space.dtype) for a in found}
        return list(unique.values())[:LISTED]
    return []


def sample(space: Space, rng: np.random.Generator) -> Any:
    """Return a random action: uniform between finite bounds, else as Gymnasium samples."""
    if isinstance(space, spaces.Discrete):
        return int(space.start) + int(rng.integers(int(space.n)))
    if isinstance(space, spaces.Box) and np.isfinite(np.r_[space.low, space.high]).all():
        return rng.uniform(space.low, space.high).astype(space.dtype)
    space.seed(int(rng.integers(2**31)))
    return space.sample()


def plain(action: Any) -> Any:
    """Return an action as Python values that print and read back exactly.

    Raises:
        InputError: an action of a kind that cannot be written down.
    """
    if isinstance(action, (np.integer, np.floating, np.bool_, int, float)):
        return action.item() if isinstance(action, np.generic) else action
    if isinstance(action, np.ndarray):
        return action.tolist()
    if isinstance(action, (list, tuple)):
        return [plain(a) for a in action]
    if isinstance(action, dict):
        return {k: plain(a) for k, a in action.items()}
    raise InputError(f"an action of type {type(action).__name__} cannot be written down.")


def restored(space: Space, value: Any) -> Any:
    """Return the action that `plain` wrote down."""
    if isinstance(space, spaces.Discrete):
        return int(value)
    if isinstance(space, spaces.Tuple):
        return tuple(restored(s, v) for s, v in zip(space.spaces, value, strict=True))
    if isinstance(space, spaces.Dict):
        return {k: restored(s, value[k]) for k, s in space.spaces.items()}
    return np.asarray(value, space.dtype).reshape(space.shape or ())
