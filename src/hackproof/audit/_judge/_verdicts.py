"""Verdicts of judges on pairs of answers, in one form whatever table they came from.

A pair is an item with two answers, 1 and 2. It is shown in the order 12 or in the order 21, and
a verdict says which answer won, whatever the order it was shown in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Codes = np.ndarray[Any, np.dtype[np.int64]]
    Verdict = np.ndarray[Any, np.dtype[np.int8]]

FIRST, SECOND, TIE = 1, 2, 0
"""Answer 1 won, answer 2 won, neither."""
MISSING, UNREADABLE, NOT_ASKED = -1, -2, -3
"""The judge gave no verdict; it wrote something that is no verdict; it was not asked."""


@dataclass(frozen=True)
class Names:
    """A column of names: codes into a list; -1 where there is none."""

    codes: Codes
    values: tuple[str, ...]

    @classmethod
    def of(cls, column: Any, n: int, default: str | None = "") -> Names:
        """Return the names of a column of `n` rows, or `default` throughout where it is None or
        empty. Names that differ in type or in blanks at their ends are one.
        """
        import numpy as np

        if column is None:
            return cls(np.zeros(n, dtype=np.int64), (default or "",))
        codes, values = factorized(column)
        texts = [name_of(v) for v in values]
        table: dict[str, int] = {}
        new = np.array(
            [table.setdefault(t, len(table)) if t else -1 for t in texts] + [-1], dtype=np.int64
        )
        if not table and default is not None:
            return cls(np.zeros(n, dtype=np.int64), (default,))
        return cls(new[codes], tuple(table))


def name_of(value: Any) -> str:
    """Return a name as text; 3.0, which a column with gaps makes of 3, is '3'."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    parts: Any = value
    if isinstance(value, list | tuple) or (hasattr(value, "tolist") and getattr(value, "ndim", 0)):
        return "/".join(map(name_of, parts))
    return str(value).strip()


def factorized(column: Any) -> tuple[Any, Any]:
    """Return a column's codes, -1 for no entry, and its values; lists and objects are text."""
    import pandas as pd

    try:
        return pd.factorize(column, use_na_sentinel=True)
    except TypeError:
        hashable = [
            name_of(v) if isinstance(v, list | tuple | dict) or getattr(v, "ndim", 0) else v
            for v in column
        ]
        return pd.factorize(pd.Series(hashable, dtype=object), use_na_sentinel=True)


@dataclass(frozen=True)
class Verdicts:
    """Verdicts; every array has one entry per judge, strategy, subset, item, pair and sample."""

    judge: Names
    strategy: Names
    subset: Names
    item: Names
    """The question or instruction."""
    order_12: Verdict
    """What won where answer 1 was shown first."""
    order_21: Verdict
    """What won where answer 2 was shown first."""
    sample: Codes
    """0 where a judge was asked once."""
    gold: Verdict | None = None
    """What should win."""
    models: tuple[Names, Names] | None = None
    """Who wrote the answers 1 and 2."""
    traits: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    """By name (length, format): a number of each answer, NaN where it is not known."""
    scores: tuple[tuple[Any, Any], tuple[Any, Any]] | None = None
    """Scores of the answers 1 and 2 in the order 12, and in the order 21; NaN where unknown."""
    notes: tuple[str, ...] = ()
    """How the table was understood."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    """Rows of the file that are no verdict, by reason."""
    rows: int = 0
    """Rows of the file."""

    def __len__(self) -> int:
        return len(self.order_12)

    def cells(self) -> tuple[Codes, list[tuple[str, str, str]]]:
        """Return each entry's cell and the cells: (judge, strategy, subset), in order seen."""
        return grouped(self.judge, self.strategy, self.subset)

    def both(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Return which entries were asked in both orders."""
        return (self.order_12 != NOT_ASKED) & (self.order_21 != NOT_ASKED)

    def take(self, chosen: Any) -> Verdicts:
        """Return the entries of a mask or of indices."""
        from dataclasses import replace

        def names(n: Names) -> Names:
            return Names(n.codes[chosen], n.values)

        scores = self.scores and tuple(tuple(s[chosen] for s in pair) for pair in self.scores)
        return replace(
            self,
            judge=names(self.judge), strategy=names(self.strategy), subset=names(self.subset),
            item=names(self.item), order_12=self.order_12[chosen], order_21=self.order_21[chosen],
            sample=self.sample[chosen],
            gold=None if self.gold is None else self.gold[chosen],
            models=None if self.models is None else (names(self.models[0]), names(self.models[1])),
            traits={k: (a[chosen], b[chosen]) for k, (a, b) in self.traits.items()},
            scores=scores,  # pyright: ignore[reportArgumentType]
        )  # fmt: skip


def grouped(*columns: Names) -> tuple[Codes, list[Any]]:
    """Return each entry's group and the groups' names, in the order in which they appear."""
    import numpy as np
    import pandas as pd

    code = np.zeros(len(columns[0].codes), dtype=np.int64)
    for c in columns:
        code = code * (len(c.values) + 1) + (c.codes + 1)
    codes, unique = pd.factorize(code)
    found = []
    for value in unique:
        parts = []
        for c in reversed(columns):
            value, place = divmod(value, len(c.values) + 1)
            parts.append(c.values[place - 1] if place else "")
        found.append(tuple(reversed(parts)))
    return codes.astype(np.int64), found


def majority(verdicts: Verdicts) -> Verdicts:
    """Return one entry per pair where a judge was asked several times: what won most often.

    Verdicts that are missing do not count; as many wins of one as of the other are a tie. Scores
    are averaged.
    """
    import numpy as np

    if not len(verdicts) or not verdicts.sample.max(initial=0):
        return verdicts
    keys = [verdicts.judge, verdicts.strategy, verdicts.subset, verdicts.item]
    if verdicts.models is not None:
        keys += list(verdicts.models)
    group, _ = grouped(*keys)
    order = np.argsort(group, kind="stable")
    firsts = order[np.searchsorted(group[order], np.arange(group.max() + 1))]
    kept = verdicts.take(firsts)
    from dataclasses import replace

    n = len(firsts)
    voted = []
    for votes in (verdicts.order_12, verdicts.order_21):
        lead = np.bincount(group, (votes == FIRST) * 1.0 - (votes == SECOND), n)
        given = np.bincount(group, votes >= TIE, n)
        asked = np.bincount(group, votes != NOT_ASKED, n)
        won = np.where(lead > 0, FIRST, np.where(lead < 0, SECOND, TIE))
        voted.append(
            np.where(given > 0, won, np.where(asked > 0, MISSING, NOT_ASKED)).astype(np.int8)
        )
    scores = None
    if verdicts.scores is not None:
        scores = tuple(tuple(_mean(s, group, n) for s in pair) for pair in verdicts.scores)
    return replace(
        kept, order_12=voted[0], order_21=voted[1], sample=np.zeros(n, dtype=np.int64),
        scores=scores,  # pyright: ignore[reportArgumentType]
    )  # fmt: skip


def _mean(values: Any, group: Codes, n: int) -> Any:
    import numpy as np

    known = ~np.isnan(values)
    counts = np.bincount(group[known], minlength=n)
    total = np.bincount(group[known], values[known], n)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(counts > 0, total / counts, np.nan)


def flipped(verdicts: Any) -> Any:
    """Return verdicts with the answers exchanged."""
    import numpy as np

    return np.where(
        verdicts == FIRST, SECOND, np.where(verdicts == SECOND, FIRST, verdicts)
    ).astype(np.int8)


def answer_1_share(verdict: Verdict) -> Any:
    """Return 1 where answer 1 won, 0 where answer 2 did, 0.5 for a tie, NaN without a verdict."""
    import numpy as np

    table = np.array([np.nan, np.nan, np.nan, 0.5, 1.0, 0.0])
    return table[verdict.astype(np.int64) + 3]


def summary(verdicts: Verdicts, names: Sequence[str] = ("judge", "strategy", "subset")) -> str:
    """Return how many of each there are, in words."""
    counts = {n: len(getattr(verdicts, n).values) for n in names}
    words = {"judge": "judges", "strategy": "strategies", "subset": "subsets"}
    return ", ".join(f"{c} {words[n] if c != 1 else n}" for n, c in counts.items())
