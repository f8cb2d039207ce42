"""What wang-2023 measures on planted judges, with the audit's own code."""

from __future__ import annotations

from typing import Any

from hackproof.studies import _wang_judges as judges

BINS = {"under 0.5": (0.0, 0.5), "0.5 to 1": (0.5, 1.0), "1 to 2": (1.0, 2.0),
        "over 2": (2.0, float("inf"))}  # fmt: skip
"""Gaps in quality, in spreads: name, from, to."""
SHARES = (0.1, 0.2, 0.3)
"""Of pairs that a person checks."""
Row = dict[str, Any]


def row(metric: str, role: str, value: float | None, n: int, condition: str = "default") -> Row:
    """Return one measurement; None is counted as missing."""
    return {"metric": metric, "role": role, "value": None if value is None else float(value),
            "n": int(n), "n_missing": int(value is None), "condition": condition}  # fmt: skip


def by_calls(
    seed: int, judge: judges.Planted, repair: str, calls: int, pairs: int, wrapped: int
) -> list[Row]:
    """Measure a repair at a number of calls per pair.

    Args:
        seed: Of everything.
        judge: Who is asked.
        repair: `evidence`: every call in one order. `balanced`: half of them in each.
        calls: Per pair; even.
        pairs: How many.
        wrapped: Of them that a judge in the audit's wrappers is asked about, in both orders.

    Returns:
        `repeat`: how often the procedure, gone through anew, names the same winner. `accuracy`, of
        asking once too. `place`: how much more often the first place wins than the second. What
        is gained and what of the place is gone per call. For `balanced` accuracy where a person
        checks the pairs that are the most diverse, or as many at random.
    """
    import numpy as np

    from hackproof.audit._judge._repair import repairs

    rng = np.random.default_rng([seed, 1])
    drawn = judges.pairs(rng, pairs)
    samples = calls if repair == "evidence" else calls // 2
    scores, again = (judges.asked(rng, judge, drawn, samples) for _ in range(2))
    made = repairs(judges.verdicts(scores, drawn.gap, judge.words), SHARES)
    once = made[0]
    done = next(
        r for r in made[:0:-1]
        if r["repair"].startswith("both orders" if repair == "balanced" else "asked")
    )  # fmt: skip
    orders = slice(0, 1) if repair == "evidence" else slice(0, 2)
    winners = [
        np.sign(judges.leads(s, judge.words)[:, orders].mean((0, 1))) for s in (scores, again)
    ]
    rows = [
        row("repeat", "proxy", (winners[0] == winners[1]).mean(), pairs),
        row("accuracy", "true", done["accuracy"], pairs),
        row("accuracy", "true", once["accuracy"], pairs, "asked once"),
        row("place", "probe", once["place"], pairs, "asked once"),
        row("gain_per_call", "probe", done["gain_per_call"], pairs),
    ]
    kept = _wrapped(rng, judge, drawn, repair, samples, wrapped)
    rows += [
        row("place", "probe", kept["place"], wrapped),
        row("place_gone_per_call", "probe",
            (abs(once["place"]) - abs(kept["place"])) / (calls - 1), wrapped),
        row("accuracy", "true", kept["accuracy"], wrapped, "wrappers"),
    ]  # fmt: skip
    if repair == "balanced":
        for r in made:
            if r["checked"]:
                share = f"{r['checked']:.0%}"
                rows += [
                    row("accuracy", "true", r["accuracy"], pairs, f"diverse {share}"),
                    row("accuracy", "true", r["random"], pairs, f"random {share}"),
                ]
    return rows


def _wrapped(
    rng: Any, judge: judges.Planted, drawn: judges.Pairs, repair: str, samples: int, pairs: int
) -> dict[str, float]:
    """Ask a wrapped judge about pairs in both orders; return its lean to a place and accuracy."""
    import numpy as np

    from hackproof.audit._judge._ask import verdict
    from hackproof.audit._judge._position import cells
    from hackproof.audit._judge._verdicts import FIRST, SECOND, Names, Verdicts, flipped
    from hackproof.audit._judge._wrappers import balanced, multiple_evidence

    ask = multiple_evidence(judges.callable_judge(rng, judge, drawn), samples)
    if repair == "balanced":
        ask = balanced(ask)
    told = [
        np.array([verdict(ask("", f"{i}/{a}", f"{i}/{b}")) for i in range(pairs)], dtype=np.int8)
        for a, b in ((0, 1), (1, 0))
    ]
    zeros, items = np.zeros(pairs, dtype=np.int64), np.arange(pairs)
    name = Names(zeros, ("",))
    gold = np.where(drawn.gap[:pairs] > 0, FIRST, SECOND).astype(np.int8)
    found = cells(
        Verdicts(name, name, name, Names(items, tuple(map(str, items))), told[0],
                 flipped(told[1]), zeros, gold)
    )[0]  # fmt: skip
    place = (found["first_leans"] - found["second_leans"]) / found["both_valid"]
    return {"place": place, "accuracy": found["accuracy"]}


def by_lean(
    seed: int, repair: str, lean: float, pairs: int, edge: float, questions: int, rounds: int
) -> list[Row]:
    """Measure how often verdicts change with the order, and whom the order makes win.

    Two models answer `questions` questions, and the answers of the second are better by `edge` on
    average. Whoever arranges the comparison shows the weaker one first.

    Returns:
        `conflict`: share of pairs whose verdict changes with the order, also by gap in quality.
        `won`: share of questions that the weaker model wins, shown first (`placed`) or with both
        orders averaged (`balanced`), a tie for half; `better`: where its answer is the better one.
        `order_decides`: share of comparisons that each model wins where it is shown first.
        `upset`: share that the weaker one wins.
    """
    import numpy as np

    from hackproof.audit._judge._position import cells
    from hackproof.audit._judge._verdicts import answer_1_share

    rng = np.random.default_rng([seed, 2])
    judge = judges.Planted(lean=lean)
    drawn = judges.pairs(rng, pairs)
    scores = judges.asked(rng, judge, drawn, 1)
    size = np.abs(drawn.gap)
    named = np.array(
        [next(k for k, (a, b) in BINS.items() if a <= s < b) for s in size], dtype=object
    )
    rows = []
    for subset in (None, named):
        for c in cells(judges.verdicts(scores, drawn.gap, judge.words, subset)):
            where = f"gap {c['subset']}" if c["subset"] else "default"
            lent = (c["first_leans"] - c["second_leans"]) / c["both_valid"]
            rows += [row("conflict", "probe", c["flip_rate"], c["both_valid"], where),
                     row("place", "probe", lent, c["both_valid"], where)]  # fmt: skip
    drawn = judges.pairs(rng, questions * rounds, edge)
    told = judges.verdicts(judges.asked(rng, judge, drawn, 1), drawn.gap, False)
    won = np.stack([answer_1_share(told.order_12), answer_1_share(told.order_21)])
    first, second = won.reshape(2, rounds, questions).mean(2)
    shown = first if repair == "placed" else (first + second) / 2
    rows += [
        row("won", "proxy", shown.mean(), questions * rounds),
        row("better", "true", (drawn.gap > 0).mean(), questions * rounds),
        row("order_decides", "probe", ((first > 0.5) & (second < 0.5)).mean(), rounds),
        row("upset", "probe", (shown > 0.5).mean(), rounds),
    ]
    return rows
