"""What an answer looks like, whatever it says: its length, its format."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

MARKUP = re.compile(r"^\s*(?:[-*+]|\d+[.)])\s|^#{1,6}\s|\*\*[^*\n]+\*\*|^```|^\|.*\|\s*$", re.M)
"""Marks of formatting: list items, headings, bold, code fences, rows of tables."""


def length(text: str) -> float:
    """Return an answer's length in words."""
    return float(len(text.split()))


def marks(text: str) -> float:
    """Return how many marks of formatting an answer has."""
    return float(len(MARKUP.findall(text)))


def of(frame: pd.DataFrame) -> dict[str, tuple[Any, Any]]:
    """Return the traits of both answers of every row; a given length wins over the text's."""
    import numpy as np

    found: dict[str, tuple[Any, Any]] = {}
    if "text_1" in frame and "text_2" in frame:
        for name, measure in (("length", length), ("format", marks)):
            found[name] = (_each(frame["text_1"], measure), _each(frame["text_2"], measure))
    if "length_1" in frame and "length_2" in frame:
        one, two = (np.asarray(frame[f"length_{s}"], dtype=float) for s in (1, 2))
        found["length"] = (one, two)
    return found


def _each(column: Any, measure: Any) -> Any:
    """Return a number for every text; each distinct text is measured once."""
    import numpy as np
    import pandas as pd

    codes, values = pd.factorize(column, use_na_sentinel=True)
    numbers = [measure(v) if isinstance(v, str) else np.nan for v in values]
    return np.array([*numbers, np.nan])[codes]
