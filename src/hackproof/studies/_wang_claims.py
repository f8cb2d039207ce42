"""The claims of wang-2023, and the numbers per seed that they rest on.

They were written before any reported seed was run; margins and settings were looked at on other
seeds (`seed_offset` 1000). On real verdicts there are no other seeds: those claims have the
directions of the paper, or of what is derived here, and margins of 0 where none is said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from hackproof.experiment import Claim, change

if TYPE_CHECKING:
    import pandas as pd

PerSeed = Callable[["pd.DataFrame"], Mapping[int, float]]
CALLS, MANY, REAL_CALLS = 6.0, 24.0, 4.0
"""Calls per pair at which repairs are compared; three samples in both orders, as in the paper."""


def series(
    frame: pd.DataFrame, arm: str, metric: str, level: float, condition: str = "default"
) -> Any:
    """Return a metric by seed."""
    rows = frame[
        (frame["arm"] == arm) & (frame["metric"] == metric) & (frame["level"] == level)
        & (frame["condition"] == condition)
    ]  # fmt: skip
    return rows.set_index("seed")["value"].astype(float)


def number(arm: str, metric: str, level: float, condition: str = "default") -> PerSeed:
    """Return the estimand 'a metric at one level'."""
    return lambda frame: _kept(series(frame, arm, metric, level, condition))


def size(arm: str, metric: str, level: float) -> PerSeed:
    """Return the estimand 'a metric at one level, without its sign'."""
    return lambda frame: _kept(series(frame, arm, metric, level).abs())


def less(a: tuple[Any, ...], b: tuple[Any, ...], size: bool = False) -> PerSeed:
    """Return the estimand 'one number less another', each given as for `series`.

    Args:
        a: Arm, metric, level and, unless it is the default, condition.
        b: The same of what is taken away.
        size: Leave out the difference's sign.
    """

    def per_seed(frame: pd.DataFrame) -> Mapping[int, float]:
        found = series(frame, *a) - series(frame, *b)
        return _kept(found.abs() if size else found)

    return per_seed


def part(arm: str, few: float, many: float) -> PerSeed:
    """Return the estimand 'part of the gain of many calls over asking once that few calls have'."""

    def per_seed(frame: pd.DataFrame) -> Mapping[int, float]:
        once = series(frame, arm, "accuracy", many, "asked once")
        top = series(frame, arm, "accuracy", many) - once
        low = series(frame, arm, "accuracy", few)
        return _kept((low - series(frame, arm, "accuracy", few, "asked once")) / top)

    return per_seed


def by_half(a: str, level: float) -> PerSeed:
    """Return the estimand 'what diverse pairs give beyond random ones, of judges that are right in
    more than half of the other parts, less of those that are not'.

    Which judges those are is told by the other seeds, which have other items.
    """

    def per_seed(frame: pd.DataFrame) -> Mapping[int, float]:
        rows = frame[(frame["arm"] == a) & (frame["level"] == level)
                     & (frame["metric"] == "accuracy")]  # fmt: skip
        table = rows.pivot_table("value", "seed", "condition")
        mark = ", diverse 20%"
        judges = [str(c).removesuffix(mark) for c in table.columns if str(c).endswith(mark)]
        out = {}
        for seed in table.index:
            gained: dict[bool, list[float]] = {True: [], False: []}
            for j in judges:
                right = bool(table[f"{j}, asked once"].drop(seed).mean() > 0.5)
                more = table[f"{j}, diverse 20%"] - table[f"{j}, random 20%"]
                gained[right].append(float(more[seed]))
            if all(gained.values()):
                means = {k: sum(v) / len(v) for k, v in gained.items()}
                out[int(seed)] = means[True] - means[False]
        return out

    return per_seed


def _kept(found: Any) -> dict[int, float]:
    return {int(s): float(v) for s, v in found.dropna().items()}


PAPER = "Wang et al. 2023, https://arxiv.org/abs/2305.17926"
OURS = f"derived: the direction of {PAPER}, on planted judges of ours"
REAL = f"derived: the direction of {PAPER}, on collected verdicts"
KNOWN = "derived: worked out by hand"
ACC, ONCE = "accuracy", "asked once"
RIGHT, AT_6 = "accuracy, a tie for half", "at six calls a pair"

PLANTED = (
    Claim(
        "conflict-falls-with-gap", "The closer two answers, the more verdicts change with the "
        "order.", OURS, "derived", "conflict rate, gap over 2 less gap under 0.5",
        less(("placed", "conflict", 1.0, "gap over 2"),
             ("placed", "conflict", 1.0, "gap under 0.5")), "<", 0.0,
    ),
    Claim(
        "conflict-rises-with-lean", "The more a judge leans, the more verdicts change with the "
        "order.", KNOWN, "derived", "conflict rate, greatest lean less none",
        less(("placed", "conflict", 2.0), ("placed", "conflict", 0.0)), ">", 0.0,
    ),
    Claim(
        "conflict-is-not-lean", "A judge that leans to no place changes its verdict too, in over a "
        "fifth of pairs: a conflict rate alone shows no bias.", KNOWN, "derived",
        "conflict rate without a lean", number("placed", "conflict", 0.0), ">", 0.2,
    ),
    Claim(
        "weaker-wins-shown-first", "A weaker model wins most questions if it is shown first.",
        OURS, "derived", "share of questions it wins, lean 1", number("placed", "won", 1.0),
        ">", 0.5,
    ),
    Claim(
        "order-decides", "The order alone decides which of two models wins, in most comparisons.",
        OURS, "derived", "share of comparisons that each wins when shown first, lean 1",
        number("placed", "order_decides", 1.0), ">", 0.5,
    ),
    Claim(
        "order-cannot-decide-balanced", "With both orders averaged the weaker model does not win "
        "most questions, however much the judge leans.", OURS, "derived",
        "share of questions it wins, greatest lean", number("balanced", "won", 2.0), "<", 0.5,
    ),
    Claim(
        "balanced-removes-lean", "A judge that is asked in both orders leans to no place.",
        OURS, "derived", f"lean to a place without its sign, {AT_6}",
        size("leaning-balanced", "place", CALLS), "<", 0.05,
    ),
    Claim(
        "evidence-keeps-lean", "Asking often in one order does not remove the lean.", KNOWN,
        "derived", "lean to the first place at 24 calls",
        number("leaning-evidence", "place", MANY), ">", 0.2,
    ),
    Claim(
        "balanced-gains", "Three samples in both orders make a leaning judge more accurate.",
        OURS, "derived", f"{RIGHT}, {AT_6} less asked once",
        less(("leaning-balanced", ACC, CALLS), ("leaning-balanced", ACC, CALLS, ONCE)), ">", 0.0,
    ),
    Claim(
        "balanced-gains-words", "Three samples in both orders make a leaning judge that says only "
        "who won more accurate.", OURS, "derived",
        f"{RIGHT}, {AT_6} less asked once",
        less(("words-balanced", ACC, CALLS), ("words-balanced", ACC, CALLS, ONCE)), ">", 0.0,
    ),
    Claim(
        "balanced-beats-evidence", "For as many calls, asking a leaning judge in both orders beats "
        "asking in one.", OURS, "derived", f"{RIGHT}, both orders less one, {AT_6}",
        less(("leaning-balanced", ACC, CALLS), ("leaning-evidence", ACC, CALLS)), ">", 0.0,
    ),
    Claim(
        "balanced-costs-a-fair-judge-nothing", "A judge that leans to no place loses nothing by "
        "being asked in both orders.", KNOWN, "derived",
        f"{RIGHT}, both orders less one, {AT_6}, without its sign",
        less(("fair-balanced", ACC, CALLS), ("fair-evidence", ACC, CALLS), size=True), "<", 0.01,
    ),
    Claim(
        "words-gain-little-at-two-calls", "Of what three samples in both orders give a judge that "
        "says only who won, two verdicts, one in each order, give under half: those that differ "
        "are ties.", KNOWN, "derived", "gain over asking once, part of that at six calls",
        part("words-balanced", 2.0, CALLS), "<", 0.5,
    ),
    Claim(
        "evidence-is-idle-for-a-steady-judge", "Asking a judge again that always says the same "
        "gains nothing.", KNOWN, "derived",
        f"{RIGHT}, 24 calls less asked once, without its sign",
        less(("steady-evidence", ACC, MANY), ("steady-evidence", ACC, MANY, ONCE), size=True),
        "<", 1e-9,
    ),
    Claim(
        "three-samples-are-enough", "Three samples in each order have over 80% of the gain of "
        "twelve.", PAPER + ", as told by others", "second-hand",
        "gain over asking once, part of that at 24 calls",
        part("leaning-balanced", CALLS, MANY), ">", 0.8,
    ),
    Claim(
        "diverse-beats-random", "A person who checks the most diverse fifth of pairs gains more "
        "than one who checks as many at random.", OURS, "derived",
        f"{RIGHT}, diverse less random pairs checked, {AT_6}",
        less(("leaning-balanced", ACC, CALLS, "diverse 20%"),
             ("leaning-balanced", ACC, CALLS, "random 20%")), ">", 0.0,
    ),
    Claim(
        "diverse-loses-when-fooled", "Where a judge is wrong more often than right, the most "
        "diverse pairs are the wrong ones to check.", KNOWN, "derived",
        f"{RIGHT}, diverse less random pairs checked, {AT_6}",
        less(("fooled-balanced", ACC, CALLS, "diverse 20%"),
             ("fooled-balanced", ACC, CALLS, "random 20%")), "<", 0.0,
    ),
    Claim(
        "fooled-repeats-more", "The more calls, the more surely a fooled judge says the same "
        "again.", KNOWN, "derived", "share of pairs with the same winner, most calls less fewest",
        change("fooled-balanced", "proxy", metric="repeat"), ">", 0.0,
    ),
    Claim(
        "fooled-is-right-less", "The more calls, the more often a fooled judge is wrong.", KNOWN,
        "derived",
        "accuracy, most calls less fewest", change("fooled-balanced", "true", metric=ACC),
        "<", 0.0,
    ),
)  # fmt: skip
PROMPTS = "over other items; judges and prompts are fixed"
COLLECTED = (
    Claim(
        "real-conflicts", "Real judges change over a tenth of their verdicts with the order.",
        REAL, "derived", f"conflict rate, mean over judges and prompts, {PROMPTS}",
        number("real-prompts", "conflict", 2.0), ">", 0.1,
    ),
    Claim(
        "real-leans", "Real judges lean to a place: the one that other items show.", REAL,
        "derived",
        "lean to it, mean over judges and prompts", number("real-prompts", "place_held", 2.0),
        ">", 0.05,
    ),
    Claim(
        "real-evidence-keeps-lean", "Asking real judges with four prompts in one order leaves a "
        "lean.", REAL, "derived", "lean to the place that other items show, mean over judges",
        number("real-evidence", "place_held", REAL_CALLS), ">", 0.05,
    ),
    Claim(
        "real-balanced-gains", "Real judges asked with two prompts in both orders are more "
        "accurate than asked once.", REAL, "derived", f"{RIGHT}, mean over judges",
        less(("real-balanced", ACC, REAL_CALLS), ("real-balanced", ACC, REAL_CALLS, ONCE)),
        ">", 0.0,
    ),
    Claim(
        "real-balanced-beats-evidence", "For as many calls, asking real judges in both orders "
        "beats asking in one.", REAL, "derived",
        f"{RIGHT}, both orders less one, at four calls a pair",
        less(("real-balanced", ACC, REAL_CALLS), ("real-evidence", ACC, REAL_CALLS)), ">", 0.0,
    ),
    Claim(
        "real-decided-are-right", "Real verdicts on which both orders agree are right more often "
        "than those of one order.", REAL, "derived",
        "accuracy where both orders agree less accuracy of either, mean over judges and prompts",
        less(("real-prompts", "accuracy_decided", 2.0), ("real-prompts", ACC, 2.0)), ">", 0.0,
    ),
    Claim(
        "real-diverse-beats-random", "A person who checks the most diverse fifth of real verdicts "
        "gains more than one who checks as many at random.", REAL, "derived",
        f"{RIGHT}, diverse less random pairs checked, at four calls a pair, mean over judges",
        less(("real-balanced", ACC, REAL_CALLS, "diverse 20%"),
             ("real-balanced", ACC, REAL_CALLS, "random 20%")), ">", 0.0,
    ),
    Claim(
        "real-diverse-needs-a-good-judge", "Of real verdicts the most diverse are worth more "
        "checking where the judge is right more often than not.", KNOWN, "derived",
        "what they give beyond random ones, judges above half less judges below, at four calls",
        by_half("real-balanced", REAL_CALLS), ">", 0.0,
    ),
)  # fmt: skip
