"""What the models of liu-2023 write about: tables, texts in styles, and how right a text is.

A table has four slots, each with a value. A text says an opening word, then a clause for each slot
(a word that names the slot, then a value) with a joining word between clauses, then a closing
word. A style is a preference among three openings, three orders of the clauses, three joining
words, three closings, and for each slot three names: the words differ and say the same. How right
a text is depends on the values alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

SLOTS, VALUES, STYLES = 4, 8, 3
PAD, SEPARATOR, END = 0, 1, 2
VALUE_0 = 3
NAME_0 = VALUE_0 + SLOTS * VALUES
OPENING_0 = NAME_0 + SLOTS * STYLES
JOINER_0 = OPENING_0 + STYLES
CLOSING_0 = JOINER_0 + STYLES
VOCABULARY = CLOSING_0 + STYLES
"""Value v of slot s is VALUE_0 + s VALUES + v; name k of slot s is NAME_0 + s STYLES + k."""
ORDERS = ((0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1))
"""Of the slots in a text, by style."""
LONGEST = 3 * SLOTS + 2
"""Words of a text with its END: opening, names, values, joining words, closing, END."""


@dataclass(frozen=True)
class Writer:
    """Who wrote a corpus."""

    style: int
    """Which of the three ways it prefers."""
    own: float
    """How often it takes that way, at each choice; the two others share the rest."""
    wrong: float
    """Share of values that are another's."""
    left_out: float
    """Share of clauses that are missing."""


REFERENCE = Writer(0, 1 / STYLES, 0.0, 0.0)
"""Errs never and prefers no style."""


def tables(rng: np.random.Generator, n: int) -> Any:
    """Return values by table and slot, (n, SLOTS), each below VALUES."""
    return rng.integers(VALUES, size=(n, SLOTS))


def texts(rng: np.random.Generator, values: Any, writer: Writer) -> Any:
    """Return a text about each table as words' ids with END, padded, (n, LONGEST)."""
    import numpy as np

    n = len(values)
    other = (1 - writer.own) / (STYLES - 1)
    share = np.full(STYLES, other)
    share[writer.style] = writer.own
    opening, joiner, closing, order = (rng.choice(STYLES, n, p=share) for _ in range(4))
    names = rng.choice(STYLES, (n, SLOTS), p=share)
    wrong = rng.random((n, SLOTS)) < writer.wrong
    said = np.where(wrong, (values + rng.integers(1, VALUES, (n, SLOTS))) % VALUES, values)
    kept = rng.random((n, SLOTS)) >= writer.left_out
    kept[np.arange(n), rng.integers(SLOTS, size=n)] = True  # a text says something
    out = np.full((n, LONGEST), PAD)
    for i in range(n):
        line = [OPENING_0 + opening[i]]
        for slot in ORDERS[order[i]]:
            if kept[i, slot]:
                line += [NAME_0 + slot * STYLES + names[i, slot],
                         VALUE_0 + slot * VALUES + said[i, slot], JOINER_0 + joiner[i]]  # fmt: skip
        line[-1] = CLOSING_0 + closing[i]
        out[i, : len(line) + 1] = [*line, END]
    return out


def as_words(values: Any) -> Any:
    """Return tables as words' ids, (n, SLOTS)."""
    import numpy as np

    return VALUE_0 + np.arange(SLOTS) * VALUES + values


def documents(inputs: Any, outputs: Any) -> tuple[Any, Any]:
    """Return an input, SEPARATOR and an output as one line, and where the output stands.

    Args:
        inputs: (n, any) ids, padded on the right; an END is left out.
        outputs: (n, LONGEST).

    Returns:
        Ids and a mask of the output's words, END included, both (n, length).
    """
    import numpy as np

    inputs = np.where(inputs == END, PAD, inputs)
    n, width = inputs.shape
    ids = np.full((n, width + 1 + outputs.shape[1]), PAD)
    mask = np.zeros(ids.shape, dtype=bool)
    length = (inputs != PAD).sum(1)
    ids[:, :width] = inputs
    ids[np.arange(n), length] = SEPARATOR
    place = length[:, None] + 1 + np.arange(outputs.shape[1])
    np.put_along_axis(ids, place, outputs, 1)
    np.put_along_axis(mask, place, outputs != PAD, 1)
    return ids, mask


def quality(outputs: Any, values: Any) -> Any:
    """Return how right texts are, in [0, 1]: F1 of the slots told rightly, (n,).

    precision = right / told, recall = right / SLOTS. A slot is told by its name with one of its
    values after it; told twice, it is right only if it is so both times.

    Args:
        outputs: (n, length) ids; what stands after an END does not count.
        values: (n, SLOTS).
    """
    import numpy as np

    ended = np.cumsum(outputs == END, 1) > 0
    words = np.where(ended, PAD, outputs)
    first, second = words[:, :-1], words[:, 1:]
    told, right = np.zeros((2, len(words)))
    for slot in range(SLOTS):
        low = VALUE_0 + slot * VALUES
        here = (first >= NAME_0 + slot * STYLES) & (first < NAME_0 + (slot + 1) * STYLES)
        here &= (second >= low) & (second < low + VALUES)
        good = here & (second == low + values[:, slot, None])
        told += here.any(1)
        right += good.any(1) & (good.sum(1) == here.sum(1))
    return np.where(told > 0, 2 * right / np.maximum(told + SLOTS, 1), 0.0)
