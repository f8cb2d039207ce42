"""What the entries of a table of verdicts mean: winners, orders, labels."""

from __future__ import annotations

from typing import Any

from hackproof.audit._judge._verdicts import FIRST, MISSING, SECOND, TIE, UNREADABLE
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
ORDERS = {
    "12": 12, "ab": 12, "original": 12, "first": 12, "false": 12, "no": 12, "unswapped": 12,
    "21": 21, "ba": 21, "swapped": 21, "swap": 21, "second": 21, "true": 21, "yes": 21,
    "reversed": 21,
}  # fmt: skip


def plain(value: Any) -> str:
    """Return an entry as a word: '[[A]]', ' a ' and 'A' are 'a'; 1.0 is '1'; no entry is ''."""
    if value is None or value != value:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip().strip("[]()").strip().lower().replace(" ", "_")


def winners(column: Any, what: str, models: tuple[Any, Any] | None = None) -> tuple[Any, list[str]]:
    """Return verdicts, and examples of entries that are none.

    Args:
        column: Entries of a table.
        what: The column's name, for errors.
        models: Names of the answers' models, row by row: a winner may be called by these.

    Raises:
        InputError: winners are written 0 and 1, which may mean two things.
    """
    import numpy as np
    import pandas as pd

    codes, values = pd.factorize(column, use_na_sentinel=True)
    words = [plain(v) for v in values]
    given = {w for w in words if w not in WINNERS[MISSING]}
    if "0" in given and given <= {"0", "1"}:
        raise InputError(
            f"{what} holds 0 and 1: is 0 the first answer, or a loss of the first? Write 1 and 2, "
            "A and B, or first and second."
        )
    meant = np.array([MEANING.get(w, UNREADABLE) for w in words] + [MISSING], dtype=np.int8)
    out = meant[codes]
    if models is not None and (open_ := out == UNREADABLE).any():
        named = np.array([*words, ""], dtype=object)[codes]
        for side, code in zip(models, (FIRST, SECOND), strict=True):
            lowered = np.array([plain(v) for v in side.values] + [""], dtype=object)[side.codes]
            out[open_ & (named == lowered)] = code
    bad = sorted({str(values[c])[:40] for c in np.unique(codes[out == UNREADABLE])})
    return out, bad[:5]


def by_scores(one: Any, two: Any) -> Any:
    """Return verdicts from scores: the higher wins, equal ones tie, negative ones are missing.

    FastChat writes -1 where a review held no scores.
    """
    import numpy as np

    one, two = np.asarray(one, dtype=float), np.asarray(two, dtype=float)
    known = (one >= 0) & (two >= 0)  # not a number is not known either
    won = np.where(one > two, FIRST, np.where(two > one, SECOND, TIE))
    return np.where(known, won, MISSING).astype(np.int8)


def orders(column: Any) -> Any:
    """Return 12 or 21 for every row.

    Raises:
        InputError: an entry that is no order.
    """
    import numpy as np
    import pandas as pd

    codes, values = pd.factorize(column, use_na_sentinel=True)
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
