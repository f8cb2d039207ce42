"""Plain data: what a test may be made of, and when two values are the same.

Everything that is compared outside the sandbox is plain data that was parsed there, never an
object of the submission, so that no method of a submission runs where the verdict is reached.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

SCALARS = (type(None), bool, int, float, str)
NUMBERS = (bool, int, float)
CLOSE = 1e-9
"""Relative difference up to which two floats are the same: the order of a sum is no mistake."""


def children(value: Any) -> Iterator[Any]:
    """Iterate over what a container holds; nothing for a scalar."""
    if type(value) is dict:
        yield from value.keys()
        yield from value.values()
    elif type(value) in (list, tuple, set):
        yield from value


def is_plain(value: Any, depth: int = 20) -> bool:
    """Return whether a value is None, bool, int, finite float, str, or containers of these.

    Args:
        value: Anything.
        depth: How deep containers may be nested.
    """
    if type(value) is float:
        return math.isfinite(value)
    if type(value) in SCALARS:
        return True
    if type(value) not in (list, tuple, set, dict) or depth == 0:
        return False
    return all(is_plain(child, depth - 1) for child in children(value))


def same(a: Any, b: Any) -> bool:
    """Return whether two plain values are the same: containers by type, numbers by value.

    A list is no tuple, but 2 is 2.0 and True is 1, since the tests that a solver is shown say
    `==`. Floats are the same within a relative difference of `CLOSE`, except in sets and among
    the keys of a dict, where they are so exactly.
    """
    if type(a) in NUMBERS and type(b) in NUMBERS:
        return _close(a, b)
    if type(a) is not type(b):
        return False
    if type(a) in (list, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if type(a) is dict:
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return a == b


def _close(a: float, b: float) -> bool:
    """Return whether two numbers are equal or, where one is a float, nearly so."""
    if a == b or float not in (type(a), type(b)):
        return a == b
    try:
        return math.isclose(a, b, rel_tol=CLOSE)
    except OverflowError:  # an integer beyond every float
        return False


def tagged(value: Any) -> Any:
    """Return a hashable value that tells plain values apart by type and value, all the way down."""
    if type(value) in (list, tuple):
        return (type(value).__name__, *map(tagged, value))
    if type(value) is set:
        return ("set", frozenset(map(tagged, value)))
    if type(value) is dict:
        return ("dict", frozenset((tagged(k), tagged(v)) for k, v in value.items()))
    return (type(value).__name__, value)
