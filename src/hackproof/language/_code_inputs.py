"""New inputs for a function, made from those that its tests show.

A solution must not be blamed for what it does with inputs that the task does not allow, so
an input is changed within what the shown ones have in common: types and structure stay, numbers
stay within the shown range, characters stay in their class, what was sorted or without
repetition stays so, and a number that counts the elements of another argument stays as it is.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any

from hackproof.language._code_values import children, tagged

Inputs = tuple[Any, ...]
CLASSES = (string.digits, string.ascii_lowercase, string.ascii_uppercase)
ROOM = 3
"""How far beyond the shown range a positive integer may go where that range is narrower."""


def new_inputs(shown: Sequence[Inputs], n: int, seed: str) -> list[Inputs]:
    """Return up to `n` inputs that differ from the shown ones and from each other.

    Args:
        shown: Argument tuples of plain data, all of the same length.
        n: How many to make; fewer come where the shown ones leave no room.
        seed: The same seed gives the same inputs.
    """
    if not shown:
        return []
    rng = Random(seed)
    pools = [list(_leaves([args[i] for args in shown])) for i in range(len(shown[0]))]
    counts = _counts(shown)
    seen = {tagged(args) for args in shown}
    made: list[Inputs] = []
    for _ in range(10 * n):
        base = rng.choice(shown)
        args = tuple(
            value if i in counts else _changed(value, pools[i], rng, resize=len(base) == 1)
            for i, value in enumerate(base)
        )
        if (key := tagged(args)) not in seen:
            seen.add(key)
            made.append(args)
        if len(made) == n:
            break
    return made


def _leaves(value: Any) -> Iterator[Any]:
    """Iterate over the scalars in a value."""
    if type(value) in (list, tuple, set, dict):
        for child in children(value):
            yield from _leaves(child)
    else:
        yield value


def _counts(shown: Sequence[Inputs]) -> set[int]:
    """Return the positions that hold, in every shown input, the length of another argument."""
    sized = (str, list, tuple, set, dict)
    return {
        i
        for i in range(len(shown[0]))
        for j in range(len(shown[0]))
        if all(type(a[i]) is int and type(a[j]) in sized and a[i] == len(a[j]) for a in shown)
    }


def _changed(value: Any, pool: Sequence[Any], rng: Random, *, resize: bool) -> Any:
    """Return a value like the one given; `resize` allows containers to grow and shrink by one."""
    if type(value) in (list, tuple):
        return type(value)(_items(list(value), pool, rng, resize=resize))
    if type(value) is set:
        return {_changed(v, pool, rng, resize=False) for v in value}
    if type(value) is dict:
        return {k: _changed(v, pool, rng, resize=False) for k, v in value.items()}
    return _scalar(value, pool, rng, resize=resize)


def _items(items: list[Any], pool: Sequence[Any], rng: Random, *, resize: bool) -> list[Any]:
    """Return changed elements: sorted if they were, without repetition if they had none."""
    changed = [_changed(v, pool, rng, resize=False) if rng.random() < 0.5 else v for v in items]
    if resize and len(changed) > 1 and rng.random() < 0.5:
        i = rng.randrange(len(changed))
        changed[i : i + 1] = rng.choice([[], [changed[i], rng.choice(changed)]])
    if len({tagged(v) for v in items}) == len(items):
        changed = list({tagged(v): v for v in changed}.values())
        if not resize and len(changed) != len(items):
            changed = rng.sample(items, len(items))
    try:
        if items == sorted(items):
            changed.sort()
        elif items == sorted(items, reverse=True):
            changed.sort(reverse=True)
        elif rng.random() < 0.3:
            rng.shuffle(changed)
    except TypeError:  # elements without an order have none to keep
        pass
    return changed


def _scalar(value: Any, pool: Sequence[Any], rng: Random, *, resize: bool) -> Any:
    """Return a scalar of the same type, within what the pool shows."""
    alike = [v for v in pool if type(v) is type(value)]
    if type(value) is bool:
        return rng.random() < 0.5
    if type(value) is int:
        low, high = min(alike), max(alike)
        return rng.randint(low, max(high, low + ROOM) if low > 0 else high)
    if type(value) is float:
        places = max(len(repr(v).partition(".")[2]) for v in alike)
        return round(rng.uniform(min(alike), max(alike)), places)
    if type(value) is str:
        return _text(rng.choice([value, *alike]), rng, resize=resize)
    return value


def _text(text: str, rng: Random, *, resize: bool) -> str:
    """Return a text with some characters replaced by others of their class."""
    rate = rng.choice((0.0, 0.15, 0.5))
    changed = [_character(c, rng) if rng.random() < rate else c for c in text]
    words = text.replace(" ", "").isalpha()
    if resize and words and len(changed) > 1 and rng.random() < 0.5:
        i = rng.randrange(len(changed))
        changed[i : i + 1] = rng.choice([[], [changed[i], changed[i]]])
    return "".join(changed)


def _character(c: str, rng: Random) -> str:
    """Return a character of the same class; one that is in no class stays."""
    for members in CLASSES:
        if c in members:
            return rng.choice(members)
    return c
