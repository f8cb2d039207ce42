"""Reads the small files of prompts beside this module."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any


@cache
def load(name: str) -> dict[str, Any]:
    """Return the file `data/<name>.toml` of this package; do not change what comes back."""
    import tomllib

    text = files("hackproof.evals").joinpath("data", f"{name}.toml").read_text("utf-8")
    return tomllib.loads(text)


def spread(items: list[Any], n: int | None) -> list[Any]:
    """Return `n` items at even distances, all of them where `n` is None or more than there are.

    The first `n` would be of the first few topics only.

    Args:
        items: What to choose from, at least one.
        n: How many, at least 1.
    """
    from hackproof.errors import InputError

    if n is None or n >= len(items):
        return list(items)
    if n < 1:
        raise InputError(f"n is {n}; ask for at least 1 sample, or leave n out for all.")
    return [items[i * len(items) // n] for i in range(n)]
