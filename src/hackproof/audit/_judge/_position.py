"""Position bias: does the verdict follow the place in which an answer is shown?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hackproof.audit._judge._verdicts import (
    FIRST,
    SECOND,
    TIE,
    Verdicts,
    answer_1_share,
    majority,
)
from hackproof.audit._statistics import adjusted, rate, sign_test

LEVEL = 0.05
"""Benjamini and Hochberg's false discovery rate over the cells of one file."""


def cells(verdicts: Verdicts) -> list[dict[str, Any]]:
    """Return one row per judge, strategy and subset.

    `agreement` is the share of pairs with both verdicts in which they name the same answer,
    `flip_rate` the others (the conflict rate of Wang et al. 2023; a win that becomes a tie is
    one). `first_both` and `second_both` count pairs in which the answer shown first (second) won
    both times. The test is exact and two-sided: are verdicts that move as often moved towards the
    first place as towards the second? `first_leans` and `second_leans` are what it counts; they
    differ from the others only where there are ties. `accuracy` is over all verdicts in either
    order, a tie for half, against the gold labels of decided pairs; its interval counts pairs,
    since two verdicts on one pair are not independent.

    Each rate r has its 95% interval in r_low and r_high; None where there is nothing to count.
    """
    import numpy as np

    verdicts = majority(verdicts)
    cell, names = verdicts.cells()
    n = len(names)
    one, two = verdicts.order_12, verdicts.order_21
    asked = verdicts.both()
    valid = asked & (one >= TIE) & (two >= TIE)
    lean = np.where(valid, answer_1_share(one) - answer_1_share(two), 0.0)
    counted = {
        "n": np.ones(len(one), dtype=bool),
        "both_valid": valid,
        "both_missing": asked & (one < TIE) & (two < TIE),
        "one_missing": asked & ((one < TIE) != (two < TIE)),
        "same": valid & (one == two),
        "first_both": (one == FIRST) & (two == SECOND),
        "second_both": (one == SECOND) & (two == FIRST),
        "first_leans": lean > 0,
        "second_leans": lean < 0,
        "asked": asked,
    }
    counts = {k: np.bincount(cell, v, n).astype(int) for k, v in counted.items()}
    right, given, pairs = _right(verdicts, cell, n)
    rows = []
    for i, (judge, strategy, subset) in enumerate(names):
        c = {k: int(v[i]) for k, v in counts.items()}
        both, asked_both = c["both_valid"], c["asked"] > 0
        rows.append({
            "judge": judge, "strategy": strategy, "subset": subset,
            "n": c["n"], "both_valid": both, "both_missing": c["both_missing"],
            "one_missing": c["one_missing"],
            **rate("agreement", c["same"], both), **rate("flip_rate", both - c["same"], both),
            "first_both": c["first_both"] if asked_both else None,
            "second_both": c["second_both"] if asked_both else None,
            "first_leans": c["first_leans"], "second_leans": c["second_leans"],
            "p_value": sign_test(c["first_leans"], c["second_leans"]) if both else None,
            **rate("accuracy", right[i] / given[i] * pairs[i] if given[i] else 0.0, int(pairs[i])),
            "accuracy_n": int(given[i]),
        })  # fmt: skip
    return judged(rows)


def judged(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add the adjusted p-value and which place is favoured."""
    tested = [r for r in rows if r["p_value"] is not None]
    for row, p in zip(tested, adjusted([r["p_value"] for r in tested]), strict=True):
        row["p_adjusted"] = p
        more = row["first_leans"] > row["second_leans"]
        row["favours"] = ("first" if more else "second") if p <= LEVEL else None
    for row in rows:
        row.setdefault("p_adjusted", None)
        row.setdefault("favours", None)
    return list(rows)


def _right(verdicts: Verdicts, cell: Any, n: int) -> tuple[Any, Any, Any]:
    """Return by cell: right verdicts (a tie for half), verdicts, pairs with one at least."""
    import numpy as np

    if verdicts.gold is None:
        zeros = np.zeros(n)
        return zeros, zeros, zeros
    gold = verdicts.gold
    decided = (gold == FIRST) | (gold == SECOND)
    right, given, seen = np.zeros(n), np.zeros(n), np.zeros(len(cell), dtype=bool)
    for votes in (verdicts.order_12, verdicts.order_21):
        known = decided & (votes >= TIE)
        score = np.where(votes == TIE, 0.5, (votes == gold) * 1.0)
        right += np.bincount(cell[known], score[known], n)
        given += np.bincount(cell[known], minlength=n)
        seen |= known
    return right, given, np.bincount(cell[seen], minlength=n)


def reach(rows: Sequence[Mapping[str, Any]], verdicts: Verdicts) -> str:
    """Return why position bias cannot be measured; nothing where it can."""
    if not verdicts.both().any():
        return (
            "every pair was judged in one order only: what the place does cannot be told from what "
            "the answers are worth. Ask the judge again with the answers exchanged"
        )
    if not any(r["both_valid"] for r in rows):
        return "no pair has a verdict in both orders"
    decided = ((verdicts.order_12 > TIE) | (verdicts.order_21 > TIE)).any()
    return "" if decided else "every verdict is a tie"
