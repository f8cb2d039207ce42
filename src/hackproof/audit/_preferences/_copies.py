"""Pairs that stand twice, contradict each other, or leak from training into testing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hackproof.audit._preferences._read import Pairs

SHOWN = 5


@dataclass(frozen=True)
class Copies:
    """One kind of copies: how many rows it concerns, and the first of them."""

    kind: str
    """identical, duplicate, contradiction, leaked pair or leaked prompt."""
    rows: int
    examples: tuple[tuple[int, int], ...]
    """(row, the row it repeats or contradicts), from 1; of a leak, (row of test, row of train)."""

    def row(self) -> Mapping[str, Any]:
        """Return it as a row of a table."""
        shown = ", ".join(f"{a} and {b}" if a != b else str(a) for a, b in self.examples)
        return {"kind": self.kind, "rows": self.rows, "first_rows": shown}


def within(pairs: Pairs) -> list[Copies]:
    """Return copies in one file: answers that are the same on both sides, pairs that stand again
    in the same order, and pairs that stand again the other way round. Case and white space do not
    count.
    """
    import numpy as np

    if pairs.digests is None:
        return []
    one, two = pairs.digests[:, 1], pairs.digests[:, 2]
    same = np.flatnonzero(one == two)
    found = [_copies(pairs, "identical", same, same)]
    key = _mixed(one, two)
    first, place = _first(key)
    again = np.flatnonzero((place != np.arange(len(key))) & (one != two))
    found.append(_copies(pairs, "duplicate", again, place[again]))
    other = _mixed(two, one)
    spot = np.searchsorted(first[0], other)
    spot = np.minimum(spot, len(first[0]) - 1)
    hit = (first[0][spot] == other) & (one != two)
    against = np.flatnonzero(hit)
    found.append(_copies(pairs, "contradiction", against, first[1][spot[against]]))
    return [f for f in found if f.rows]


def between(train: Pairs, test: Pairs) -> list[Copies]:
    """Return what of the test stands in the training pairs: pairs in either order, prompts."""
    import numpy as np

    if train.digests is None or test.digests is None:
        return []
    found = []
    for kind, keys in (("leaked pair", _unordered), ("leaked prompt", lambda p: p.digests[:, 0])):
        (values, rows), _ = _first(keys(train))
        wanted = keys(test)
        spot = np.minimum(np.searchsorted(values, wanted), len(values) - 1)
        # A pair without a prompt has 0 there: nothing was asked twice.
        hit = np.flatnonzero((values[spot] == wanted) & (wanted != 0))
        pairs = tuple(
            (int(test.row[i]), int(train.row[rows[spot[i]]])) for i in hit[:SHOWN]
        )  # fmt: skip
        found.append(Copies(kind, len(hit), pairs))
    return [f for f in found if f.rows]


def by_split(pairs: Pairs) -> list[Copies]:
    """Return leaks between the values of the column `split`: the first one that is there is train,
    the others are tests.
    """
    import numpy as np

    if pairs.split is None:
        return []
    split = np.array(pairs.split)
    mine = np.isin(split, trains(pairs.split))
    if mine.all() or not mine.any():
        return []
    return between(_taken(pairs, mine), _taken(pairs, ~mine))


FINE = 30
"""Values, not all of them whole numbers, from which on a feature tells pairs apart."""


def groups(pairs: Pairs) -> Any:
    """Return by pair a number that its copies share, in either order.

    Copies have the same texts. Without texts they agree in all features of both sides, where one
    of these has so many values that this is no chance; else every pair is its own.
    """
    import numpy as np

    if pairs.digests is not None:
        return _unordered(pairs)
    both = np.column_stack([pairs.one, pairs.two])
    fine = any(len(set(c.tolist())) >= FINE and (c != np.round(c)).any() for c in both.T)
    if not fine:
        return np.arange(len(both))
    rows = {}
    return np.array([rows.setdefault(row.tobytes(), i) for i, row in enumerate(both)])


def trains(split: Sequence[str]) -> list[str]:
    """Return the values of the column `split` that are taken as training data."""
    names = list(dict.fromkeys(split))
    return [n for n in names if n.lower().startswith("train")] or names[:1]


def _taken(pairs: Pairs, mask: Any) -> Pairs:
    from dataclasses import replace

    digests = None if pairs.digests is None else pairs.digests[mask]
    return replace(pairs, digests=digests, row=pairs.row[mask])


def _copies(pairs: Pairs, kind: str, rows: Any, others: Any) -> Copies:
    shown: Sequence[tuple[int, int]] = [
        (int(pairs.row[a]), int(pairs.row[b]))
        for a, b in zip(rows[:SHOWN], others[:SHOWN], strict=True)
    ]
    return Copies(kind, len(rows), tuple(shown))


def _mixed(one: Any, two: Any) -> Any:
    """Return a digest of an ordered pair of digests."""
    import numpy as np

    with np.errstate(over="ignore"):
        return one * np.uint64(0x9E3779B97F4A7C15) + (two ^ (two >> np.uint64(29)))


def _unordered(pairs: Pairs) -> Any:
    import numpy as np

    assert pairs.digests is not None
    one, two = pairs.digests[:, 1], pairs.digests[:, 2]
    return _mixed(np.minimum(one, two), np.maximum(one, two))


def _first(key: Any) -> tuple[tuple[Any, Any], Any]:
    """Return the distinct keys with their first places, and each key's first place."""
    import numpy as np

    values, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    return (values, first), first[inverse]
