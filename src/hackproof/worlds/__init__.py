"""Environments that pay a proxy and know the true reward."""

from __future__ import annotations

import functools
from importlib import metadata
from typing import TYPE_CHECKING, Any

from hackproof.errors import InputError, unknown
from hackproof.worlds._world import Box, Discrete, Pair, Reward, Step, World, reward_weights

if TYPE_CHECKING:
    from hackproof.worlds._batch import BatchState, BatchStep, reset_batch, step_batch

__all__ = [
    "BatchState", "BatchStep", "Box", "Discrete", "Pair", "Reward", "Step", "World", "make",
    "names", "reset_batch", "reward_weights", "step_batch",
]  # fmt: skip

GROUP = "hackproof.worlds"


def __getattr__(name: str) -> Any:
    """Import what needs jax when it is first used."""
    if name not in ("BatchState", "BatchStep", "reset_batch", "step_batch"):
        raise AttributeError(f"module 'hackproof.worlds' has no attribute {name!r}")
    from hackproof.worlds import _batch

    return getattr(_batch, name)


@functools.cache
def _entry_points() -> dict[str, metadata.EntryPoint]:
    return {e.name: e for e in metadata.entry_points(group=GROUP)}


def names() -> list[str]:
    """Return the names of the registered worlds."""
    return sorted(_entry_points())


def make(name: str, **fields: Any) -> World:
    """Return the world of that name.

    Args:
        name: A registered name; other packages register theirs under the entry point
            group `hackproof.worlds`.
        **fields: Fields of the world's dataclass.

    Raises:
        InputError: an unknown world or field.
    """
    if name not in _entry_points():
        raise unknown("world", name, names())
    try:
        return _entry_points()[name].load()(**fields)
    except TypeError as error:
        raise InputError(f"world {name!r}: {error}.") from None
