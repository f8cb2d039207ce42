"""Plain data as one line of JSON, with exact types.

None, bool, int, float and str are JSON's own. A container is an array that begins with its
kind: `["l", ...]` list, `["t", ...]` tuple, `["s", ...]` set, `["d", key, value, ...]` dict.
There is no pickle and no class of the submission's on the reading side.

This file is read by the worker as well and imports nothing of hackproof's.
"""

from __future__ import annotations

import json
from math import isfinite
from typing import Any

MAX_DEPTH = 64
MAX_NODES = 1 << 19
MAX_BITS = 14280  # the integers below 2**14280 have under 4300 digits, Python's bound


class NotPlainError(ValueError):
    """The value, or the text, is not plain data."""


def encode(value: Any) -> bytes:
    """Return the line, without its end, for a value of plain data.

    Raises:
        NotPlainError: It holds another type, a subclass, a number that is not finite, or
            more than MAX_DEPTH levels, MAX_NODES parts or MAX_BITS bits.
    """
    left = [MAX_NODES]
    try:
        return json.dumps(_pack(value, MAX_DEPTH, left), separators=(",", ":")).encode()
    except (ValueError, RecursionError, MemoryError) as error:
        if isinstance(error, NotPlainError):
            raise
        raise NotPlainError(f"cannot be written: {type(error).__name__}") from None


def _pack(value: Any, depth: int, left: list[int]) -> Any:
    left[0] -= 1
    if left[0] < 0:
        raise NotPlainError(f"more than {MAX_NODES} parts")
    if depth == 0:
        raise NotPlainError(f"more than {MAX_DEPTH} levels")
    kind = type(value)
    if value is None or kind is bool or kind is str:
        return value
    if kind is int:
        if value.bit_length() > MAX_BITS:
            raise NotPlainError(f"an integer of more than {MAX_BITS} bits")
        return value
    if kind is float:
        if not isfinite(value):
            raise NotPlainError(f"the float {value!r}")
        return value
    if kind is list:
        return ["l", *[_pack(each, depth - 1, left) for each in value]]
    if kind is tuple:
        return ["t", *[_pack(each, depth - 1, left) for each in value]]
    if kind is set:
        return ["s", *[_pack(each, depth - 1, left) for each in value]]
    if kind is dict:
        packed: list[Any] = ["d"]
        for key, each in value.items():
            packed.append(_pack(key, depth - 1, left))
            packed.append(_pack(each, depth - 1, left))
        return packed
    raise NotPlainError(f"the type {kind.__module__}.{kind.__qualname__}")


def decode(line: bytes) -> Any:
    """Return the value that `encode` wrote; the inverse, and safe for hostile lines.

    Raises:
        NotPlainError: The line is anything that `encode` cannot have written.
    """
    return unpack(parse(line))


def parse(line: bytes) -> Any:
    """Return the JSON of a line, bounded in depth, digits and range.

    Raises:
        NotPlainError: The line is not JSON of that kind.
    """
    try:  # json's scanner counts its own depth and raises RecursionError
        return json.loads(
            line.decode("ascii"),
            parse_float=_parse_float,
            parse_int=_parse_int,
            parse_constant=_parse_constant,
        )
    except NotPlainError:
        raise
    except (ValueError, RecursionError, MemoryError) as error:
        raise NotPlainError(f"not this encoding: {type(error).__name__}") from None


def _parse_float(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise NotPlainError("a float out of range")
    return value


def _parse_int(text: str) -> int:
    value = int(text)  # refuses more than 4300 digits
    if value.bit_length() > MAX_BITS:
        raise NotPlainError(f"an integer of more than {MAX_BITS} bits")
    return value


def _parse_constant(text: str) -> Any:
    raise NotPlainError(f"the float {text}")


def unpack(packed: Any, depth: int = MAX_DEPTH) -> Any:
    """Return the value of parsed JSON.

    Raises:
        NotPlainError: It is not what `encode` makes.
    """
    if depth == 0:
        raise NotPlainError(f"more than {MAX_DEPTH} levels")
    if isinstance(packed, dict):
        raise NotPlainError("a JSON object")
    if not isinstance(packed, list):
        return packed
    if not packed:
        raise NotPlainError("a container without a kind")
    kind = packed[0]
    parts = [unpack(each, depth - 1) for each in packed[1:]]
    if kind == "l":
        return parts
    if kind == "t":
        return tuple(parts)
    try:
        if kind == "s":
            return _whole(set(parts), len(parts))
        if kind == "d" and len(parts) % 2 == 0:
            return _whole(dict(zip(parts[::2], parts[1::2], strict=True)), len(parts) // 2)
    except TypeError:
        raise NotPlainError("an unhashable key or member") from None
    raise NotPlainError("a container of unknown kind")


def _whole(container: Any, size: int) -> Any:
    if len(container) != size:
        raise NotPlainError("equal keys or members")
    return container
