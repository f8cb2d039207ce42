"""Where an answer was shown, and which of a row's answers is the first of its pair."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hackproof.audit._judge._verdicts import Names, flipped, grouped


def placed(values: Any, place: Any, side: Any, n: int) -> Any:
    """Return the values of the rows of one side, by pair; NaN where a pair has no such row.

    Args:
        values: By row.
        place: By row, the number of its pair.
        side: By row, whether it is of this side.
        n: Pairs.
    """
    import numpy as np

    out = np.full(n, np.nan)
    out[place[side]] = values[side]
    return out


def as_shown(names: Mapping[str, Names], models: tuple[Names, Names], second: Any) -> bool:
    """Return whether the writers change places with the order: listed as shown."""
    import numpy as np

    one, two = models[0].codes, models[1].codes
    values = models[0].values
    pair, _ = grouped(names["subset"], names["item"], Names(np.minimum(one, two), values),
                      Names(np.maximum(one, two), values))  # fmt: skip
    if not len(pair):
        return False
    n = int(pair.max()) + 1

    def varies(mask: Any) -> Any:
        count = np.bincount(pair, mask, n)
        return (count > 0) & (count < np.bincount(pair, minlength=n))

    lower = one <= two
    turning = varies(second) & (np.bincount(pair, one != two, n) > 0)
    return bool(turning.any() and not varies(lower ^ second)[turning].any())


def placed_back(
    names: Mapping[str, Names], models: tuple[Names, Names], made: Mapping[str, Any], second: Any
) -> dict[str, Any]:
    """Return writers, traits and gold labels of a table that lists them as shown, in the order 12.

    Gold labels and traits are turned with the writers unless they are the same in both orders of
    most pairs, as those of a table that numbers its answers once are.
    """
    import numpy as np

    one, two = (m.codes for m in models)
    values = models[0].values
    back = (Names(np.where(second, two, one), values), Names(np.where(second, one, two), values))
    pair, _ = grouped(names["subset"], names["item"], *back)
    n = int(pair.max()) + 1
    rows = np.arange(len(pair))
    at = [np.full(n, -1), np.full(n, -1)]
    for k, side in enumerate((~second, second)):
        at[k][pair[side]] = rows[side]
    whole = (at[0] >= 0) & (at[1] >= 0)
    a, b = at[0][whole], at[1][whole]

    def turn(first: Any, other: Any) -> tuple[Any, Any]:
        differ = first[a] != other[a]
        stays = (differ & (first[a] == first[b])).sum() > (differ & (first[a] == other[b])).sum()
        if stays:
            return first, other
        return np.where(second, other, first), np.where(second, first, other)

    found: dict[str, Any] = {
        "models": back, "traits": {k: turn(x, y) for k, (x, y) in made["traits"].items()},
    }  # fmt: skip
    if made["gold"] is not None:
        found["gold"] = turn(made["gold"], flipped(made["gold"]))[0]
    return found


def turned(
    names: Mapping[str, Names], models: tuple[Names, Names]
) -> tuple[Any, tuple[Names, Names]]:
    """Return which rows show a pair the other way round than its first row does, and the models
    of each pair in the order of that row.
    """
    import numpy as np

    one, two = models[0].codes, models[1].codes
    low, high = np.minimum(one, two), np.maximum(one, two)
    values = models[0].values
    pair, _ = grouped(names["subset"], names["item"], Names(low, values), Names(high, values))
    _, first = np.unique(pair, return_index=True)
    turned = (one != one[first][pair]) & (one != two)
    return turned, (
        Names(np.where(turned, two, one), values), Names(np.where(turned, one, two), values)
    )  # fmt: skip
