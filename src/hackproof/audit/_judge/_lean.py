"""Does a verdict follow a trait of an answer - its length, its format, its author - beside quality?

Where the gold label says which answer is better, quality can be held fixed. Let p1 be how often
the answer with the trait wins where it is the better one, and p0 where it is the worse one. A
judge that errs at the same rate whatever the trait has p1 + p0 = 1. One that decides a share v of
its verdicts by the trait, and the rest by quality with any error rate, has p1 + p0 - 1 = v. This
*lean* is hackproof's own measure.

Subsets differ in difficulty and in how often the better answer has the trait, so the lean is
taken within subsets and averaged with Mantel and Haenszel's weights.
"""

from __future__ import annotations

import math
from typing import Any

from hackproof.audit._judge._verdicts import FIRST, SECOND, Verdicts, answer_1_share, grouped
from hackproof.audit._statistics import rate

LEAST = 20
"""Pairs below which no lean is given."""


def leans(
    verdicts: Verdicts, trait: str, sign: Any, rows_of: str = "with_trait"
) -> list[dict[str, Any]]:
    """Return one row per judge and strategy.

    Args:
        verdicts: One entry per pair (`majority`).
        trait: Its name.
        sign: By entry: 1 where answer 1 has more of it, -1 where answer 2 has, 0 for neither.
        rows_of: How the share won by the answer with the trait is called.

    Returns:
        Rows with `trait`, `pairs`, the share won with its interval (over all verdicts, averaged
        over the orders of a pair), and where there are gold labels and both orders `lean` with
        its interval, `controlled_pairs` and `p_value`; None where they cannot be had, and `why`.
    """
    import numpy as np

    group, names = grouped(verdicts.judge, verdicts.strategy)
    one, two = answer_1_share(verdicts.order_12), answer_1_share(verdicts.order_21)
    both = ~np.isnan(one) & ~np.isnan(two)
    shares = np.stack([one, two])
    known = ~np.isnan(shares)
    with np.errstate(invalid="ignore"):
        won = np.where(known, shares, 0).sum(0) / known.sum(0)
    picked = np.where(sign > 0, won, 1 - won)
    used = (sign != 0) & ~np.isnan(picked)
    gold = np.zeros(len(sign))
    if verdicts.gold is not None:
        gold = np.where(verdicts.gold == FIRST, 1, np.where(verdicts.gold == SECOND, -1, 0))
    better = gold * sign
    rows = []
    for i, (judge, strategy) in enumerate(names):
        mine = used & (group == i)
        n = int(mine.sum())
        row = {"trait": trait, "judge": judge, "strategy": strategy, "pairs": n,
               **rate(rows_of, float(picked[mine].sum()), n)}  # fmt: skip
        held = mine & both & (better != 0)
        found = lean(picked[held], better[held] > 0, verdicts.subset.codes[held])
        why = ""
        if found is None:
            why = (
                "no gold label: quality is not controlled" if verdicts.gold is None
                else "one order only: the place is not controlled" if not (mine & both).any()
                else f"fewer than {LEAST} pairs in which the better answer has it, or has it not"
            )  # fmt: skip
        names_ = ("lean", "lean_low", "lean_high", "p_value", "controlled_pairs")
        values = found or (None, None, None, None, int(held.sum()))
        rows.append({**row, **dict(zip(names_, values, strict=True)), "why": why})
    return rows


def lean(picked: Any, better: Any, stratum: Any) -> tuple[float, float, float, float, int] | None:
    """Return lean, its 95% interval, p-value and pairs; None where there are too few.

    Args:
        picked: How far the answer with the trait won, in [0, 1].
        better: Whether it is the better one.
        stratum: Codes of the subsets.

    The interval is normal; to each rate one success and one failure are added for its variance
    (Agresti and Caffo 2000). The test permutes which pairs are those with the better answer
    having the trait, within subsets: its statistic has mean 0 and a known variance, and is taken
    as normal.
    """
    import numpy as np

    if min(int(better.sum()), int((~better).sum())) < LEAST // 2 or len(picked) < LEAST:
        return None
    total = weight = variance = spread = statistic = 0.0
    for code in np.unique(stratum):
        mine = stratum == code
        a, b = picked[mine & better], picked[mine & ~better]
        if not len(a) or not len(b):
            continue
        w = len(a) * len(b) / (len(a) + len(b))
        total += w * (a.mean() + b.mean() - 1)
        weight += w
        for x in (a, b):
            more = np.concatenate([x, [0.0, 1.0]])
            variance += w**2 * more.var(ddof=1) / len(more)
        right = np.concatenate([a, 1 - b])
        statistic += w * (a.mean() - (1 - b).mean())
        if len(right) > 1:
            spread += w**2 * right.var(ddof=1) * (1 / len(a) + 1 / len(b))
    if not weight:
        return None
    estimate, half = total / weight, 1.959964 * math.sqrt(variance) / weight
    p = math.erfc(abs(statistic) / math.sqrt(2 * spread)) if spread > 0 else 1.0
    return estimate, max(-1.0, estimate - half), min(1.0, estimate + half), p, len(picked)
