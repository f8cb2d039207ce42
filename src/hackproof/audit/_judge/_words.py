"""What the entries of a table of verdicts mean: winners, orders, labels."""

from __future__ import annotations

import re
from typing import Any

from hackproof.audit._judge._verdicts import (
    FIRST,
    MISSING,
    SECOND,
    TIE,
    UNREADABLE,
    factorized,
)
from hackproof.errors import InputError

WINNERS = {
    FIRST: ("1", "a", "first", "model_1", "model_a", "output_1", "output_a", "answer_1", "answer_a",
            "response_1", "response_a", "assistant_1", "assistant_a", "left", "chosen"),
    SECOND: ("2", "b", "second", "model_2", "model_b", "output_2", "output_b", "answer_2",
             "answer_b", "response_2", "response_b", "assistant_2", "assistant_b", "right",
             "rejected"),
    TIE: ("tie", "c", "draw", "equal", "same", "both", "neither", "tie_(bothbad)", "bothbad",
          "0.5"),
    MISSING: ("", "none", "null", "nan", "n/a", "na", "error", "-1", "missing", "invalid",
              "unparseable", "refused", "refusal"),
}  # fmt: skip
"""What a winner may be called, in lower case with `_` for spaces, without brackets."""
MEANING = {word: code for code, words in WINNERS.items() for word in words}
COMMON, FEW = 0.05, 5
"""Share of verdicts, and number, from which a value that is no winner is no slip: its coding is
another one, and what is left of it would be a choice."""
WHOLE = re.compile(r"([+-]?\d+)\.0+")
ORDERS = {
    "12": 12, "ab": 12, "original": 12, "first": 12, "false": 12, "no": 12, "unswapped": 12,
    "21": 21, "ba": 21, "swapped": 21, "swap": 21, "second": 21, "true": 21, "yes": 21,
    "reversed": 21,
}  # fmt: skip


def plain(value: Any) -> str:
    """Return an entry as a word: '[[A]]', ' a ' and 'A' are 'a'; 1.0 is '1'; no entry is ''."""
    if value is None or (isinstance(value, float) and value != value):
        return ""
    word = str(value).strip().strip("[]()").strip().lower().replace(" ", "_")
    whole = WHOLE.fullmatch(word)
    return whole[1] if whole else word


def winners(
    column: Any, what: str, models: tuple[Any, Any] | None = None, *, strict: bool = True
) -> tuple[Any, list[str], Any]:
    """Return verdicts, examples of entries that are none, and which name a model.

    Args:
        column: Entries of a table.
        what: The column's name, for errors.
        models: Names of the answers' models, row by row: a winner may be called by these.
        strict: Whether a common value that is no winner is an error; else only where just one of
            the answers is ever said to win.

    Raises:
        InputError: winners are written 0 and 1, which may mean two things, or in another coding of
            which only a part can be read, or as models that are called like the other answer.
    """
    import numpy as np

    codes, values = factorized(column)
    words = [plain(v) for v in values]
    given = {w for w in words if w not in WINNERS[MISSING]}
    if "0" in given and given <= {"0", "1", *WINNERS[TIE]}:
        raise InputError(
            f"{what} holds 0 and 1: is 0 the first answer, or a loss of the first? Write 1 and 2, "
            "A and B, or first and second."
        )
    meant = np.array([MEANING.get(w, UNREADABLE) for w in words] + [MISSING], dtype=np.int8)
    out = meant[codes]
    by_name = np.zeros(len(out), dtype=bool)
    if models is not None:
        by_name = _by_name(out, codes, words, models, what)
    bad, counts = np.unique(codes[out == UNREADABLE], return_counts=True)
    one_side = (out == FIRST).any() != (out == SECOND).any()
    if strict or one_side:
        _whole(
            what, words, dict(zip(map(int, bad), map(int, counts), strict=True)), codes, one_side
        )
    return out, sorted({str(values[c])[:40] for c in bad})[:5], by_name


def _by_name(out: Any, codes: Any, words: list[str], models: tuple[Any, Any], what: str) -> Any:
    """Write into `out` what names a model, and return which entries do."""
    import numpy as np

    sides = [np.array([plain(v) for v in m.values] + [""], dtype=object) for m in models]
    by_name = np.zeros(len(out), dtype=bool)
    named = None
    for side, code in ((0, FIRST), (1, SECOND)):
        clash = {w for w in sides[side] if MEANING.get(w) == FIRST + SECOND - code} & set(words)
        open_ = out == UNREADABLE
        if not clash and not open_.any():
            continue
        named = np.array([*words, ""], dtype=object)[codes] if named is None else named
        theirs = sides[side][models[side].codes] == named
        if clash and (theirs & (out == FIRST + SECOND - code)).any():
            raise InputError(
                f"{what} holds {sorted(clash)[0]!r}, which is a place and also the model that "
                "stands in the other one. Give the models other names."
            )
        out[open_ & theirs] = code
        by_name |= open_ & theirs
    return by_name


def _whole(what: str, words: list[str], unread: dict[int, int], codes: Any, one_side: bool) -> None:
    """Raise an error where winners were read in part, and in a way that is no slip."""
    counts: dict[str, int] = {}
    for code, count in unread.items():
        counts[words[code]] = counts.get(words[code], 0) + count
    given = sum(int((codes == c).sum()) for c, w in enumerate(words) if w) if counts else 0
    common = [w for w, c in counts.items() if c >= FEW and c > COMMON * given]
    if not common and one_side and "-1" in words and "1" in words:
        total, minus = (codes >= 0).sum(), (codes == words.index("-1")).sum()
        common = ["-1"] if minus >= FEW and minus > total / 4 else []
    if common:
        shown = ", ".join(repr(w[:40]) for w in sorted(common)[:5])
        raise InputError(
            f"{what} often holds {shown}, which is no winner; what is left would not be all "
            "verdicts. Write 1 and 2 (A and B, first and second, or a model's name) and tie, or "
            f"name another column: --columns {what}=COLUMN; --means says whether a winner names "
            "answers or positions."
        )


def numbers(column: Any) -> tuple[Any, list[str], int]:
    """Return a column as numbers, NaN where there is none; examples of entries that are none, and
    how many there are.
    """
    import numpy as np
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy(dtype=float, na_value=np.nan), [], 0
    codes, values = factorized(column)
    read = pd.to_numeric(pd.Series([str(v).strip() for v in values], dtype=object), errors="coerce")
    found = np.array([*read.to_numpy(dtype=float), np.nan])[codes]
    none = [i for i, v in enumerate(values)
            if np.isnan(read.iloc[i]) and plain(v) not in WINNERS[MISSING]]  # fmt: skip
    return found, [str(values[i])[:40] for i in none[:5]], int(np.isin(codes, none).sum())


def by_scores(one: Any, two: Any) -> Any:
    """Return verdicts from scores: the higher wins, equal ones tie; every finite number is one."""
    import numpy as np

    one, two = np.asarray(one, dtype=float), np.asarray(two, dtype=float)
    known = np.isfinite(one) & np.isfinite(two)
    won = np.where(one > two, FIRST, np.where(two > one, SECOND, TIE))
    return np.where(known, won, MISSING).astype(np.int8)


def orders(column: Any) -> Any:
    """Return 12 or 21 for every row.

    Raises:
        InputError: an entry that is no order.
    """
    import numpy as np

    codes, values = factorized(column)
    words = [plain(v) for v in values]
    if (codes < 0).any() or "" in words:
        raise InputError("the column of orders has empty entries; write 12 or 21 in every row.")
    known = dict(ORDERS)
    if set(words) <= {"0", "1"} and "0" in words:
        known |= {"0": 12, "1": 21}
    elif set(words) <= {"1", "2"}:
        known |= {"1": 12, "2": 21}
    for word, value in zip(words, values, strict=True):
        if word not in known:
            raise InputError(
                f"the order {str(value)!r} is neither 12 nor 21 (also: AB and BA, original and "
                "swapped, false and true, 0 and 1)."
            )
    return np.array([known[w] for w in words])[codes]
