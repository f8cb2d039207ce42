"""The claims of liu-2023, and the numbers per seed that they rest on.

They were written before any reported seed was run; settings and margins were looked at on the
seeds 1000 and 1001 (`seed_offset`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from hackproof.experiment import Claim, change

if TYPE_CHECKING:
    import pandas as pd

PerSeed = Callable[["pd.DataFrame"], Mapping[int, float]]


def _series(
    frame: pd.DataFrame, arm: str, metric: str, condition: str = "default", level: float = 1.0
) -> Any:
    """Return a metric by seed."""
    rows = frame[
        (frame["arm"] == arm) & (frame["metric"] == metric) & (frame["level"] == level)
        & (frame["condition"] == condition)
    ]  # fmt: skip
    return rows.set_index("seed")["value"].astype(float)


def _kept(found: Any) -> dict[int, float]:
    return {int(s): float(v) for s, v in found.dropna().items()}


def on_map(metric: str, condition: str, arm: str = "map", size: bool = False) -> PerSeed:
    """Return the estimand 'a number of the map', without its sign where `size`."""

    def per_seed(frame: pd.DataFrame) -> Mapping[int, float]:
        found = _series(frame, arm, metric, condition)
        return _kept(found.abs() if size else found)

    return per_seed


def map_less(metric: str, a: str, b: str) -> PerSeed:
    """Return the estimand 'a number of the map under one condition less under another'."""
    return lambda frame: _kept(
        _series(frame, "map", metric, a) - _series(frame, "map", metric, b)
    )  # fmt: skip


def at_most(metric: str, a: str, b: str) -> PerSeed:
    """Return the estimand 'a metric of one arm less of another's, at the most texts'."""

    def per_seed(frame: pd.DataFrame) -> Mapping[int, float]:
        rows = frame[frame["arm"].isin([a, b]) & (frame["metric"] == metric)]
        most = rows["level"].max()
        return _kept(_series(frame, a, metric, level=most) - _series(frame, b, metric, level=most))

    return per_seed


def rise(arm: str, metric: str, size: bool = False) -> PerSeed:
    """Return the estimand 'a metric with the most texts less with one'."""
    found = change(arm, "true" if metric == "gold" else "probe", metric=metric)
    if not size:
        return found
    return lambda frame: {s: abs(v) for s, v in found(frame).items()}


PAPER = "Liu et al. 2023, abstract, https://arxiv.org/abs/2311.09766"
OURS = f"derived: the direction of {PAPER}, on small models of ours"
KNOWN = "ours, written after seeds 1000 and 1001 and before any reported seed"
LEAN = "lean of the audit (quality held fixed), mean over evaluators"
SHARE, GOLD = (
    "share written by one's family, best of most texts less one",
    "how right the choice is",
)

CLAIMS = (
    Claim(
        "own-is-favoured", "A score that reads no reference favours its own model's texts.", OURS,
        "derived", f"{LEAN}: own texts against other families'", on_map("lean", "free, own"),
        ">", 0.1,
    ),
    Claim(
        "twin-is-favoured", "It favours texts of a twin, trained apart on the same distribution, "
        "too: what is favoured is the style.", KNOWN, "derived",
        f"{LEAN}: twin's texts against other families'", on_map("lean", "free, twin"), ">", 0.1,
    ),
    Claim(
        "itself-before-twin", "Between its own texts and its twin's it favours its own.", KNOWN,
        "derived", f"{LEAN}: own texts against twin's", on_map("lean", "free, model"), ">", 0.0,
    ),
    Claim(
        "reference-lessens", "With a reference self-preference is less.", OURS, "derived",
        f"{LEAN}: with a reference less without", map_less("lean", "reference, own", "free, own"),
        "<", 0.0,
    ),
    Claim(
        "reading-a-reference-is-no-cure", "The likelihood of the text given a reference still "
        "favours its own.", KNOWN, "derived", f"{LEAN}: own texts against other families'",
        on_map("lean", "precision, own"), ">", 0.1,
    ),
    Claim(
        "recall-does-not-lean", "The likelihood of a reference given the text favours nobody.",
        KNOWN, "derived", f"{LEAN}, without its sign", on_map("lean", "recall, own", size=True),
        "<", 0.05,
    ),
    Claim(
        "alike-shows-no-style", "Where families differ in how often they err and not in style, a "
        "twin's texts are not favoured.", KNOWN, "derived", f"{LEAN}, without its sign",
        on_map("lean", "free, twin", "alike-map", size=True), "<", 0.05,
    ),
    Claim(
        "alike-itself-before-twin", "Where styles are alike, too, a model favours its own texts "
        "before its twin's.", KNOWN, "derived", f"{LEAN}: own texts against twin's",
        on_map("lean", "free, model", "alike-map"), ">", 0.0,
    ),
    Claim(
        "map-alone-misleads", "The map alone has a dark corner for the best writers even under a "
        "score that favours nobody.", KNOWN, "derived",
        "own family's mean score less the others', standardised, evaluators of the best family",
        on_map("raw", "recall, a"), ">", 0.5,
    ),
    Claim(
        "audit-finds-it", "The audit's test finds most evaluators that favour their own.", KNOWN,
        "derived", "share of evaluators, at 1%", on_map("caught", "free"), ">", 0.5,
    ),
    Claim(
        "audit-accuses-few", "Of evaluators that score by the likelihood of a reference given the "
        "text, the audit's test accuses under a tenth.", KNOWN, "derived",
        "share of evaluators, at 1%", on_map("caught", "recall"), "<", 0.1,
    ),
    Claim(
        "without-gold-too", "What the audit says without gold labels, beside the other evaluators, "
        "shows it too.", KNOWN, "derived", "log-odds that being its own family's adds",
        on_map("log_odds", "free"), ">", 0.0,
    ),
    Claim(
        "choice-becomes-ones-own", "The more texts one's own score chooses from, the more of the "
        "chosen are one's family's.", KNOWN, "derived", SHARE, rise("own-free", "family_share"),
        ">", 0.1,
    ),
    Claim(
        "choice-serves-all-the-same", "The more texts one's own score chooses from, the more right "
        "is the choice.", KNOWN, "derived", f"{GOLD}, most texts less one",
        rise("own-free", "gold"), ">", 0.0,
    ),
    Claim(
        "others-choose-better", "Other families' scores choose more rightly than one's own.", KNOWN,
        "derived", f"{GOLD}, others' choice less one's own, of the most texts",
        at_most("gold", "others-free", "own-free"), ">", 0.0,
    ),
    Claim(
        "reference-chooses-better", "One's own score chooses more rightly with a reference than "
        "without.", KNOWN, "derived",
        f"{GOLD}, with a reference less without, of the most texts",
        at_most("gold", "own-reference", "own-free"), ">", 0.0,
    ),
    Claim(
        "others-shun", "Other families' scores choose ever fewer of one's family's.", KNOWN,
        "derived", SHARE, rise("others-free", "family_share"), "<", 0.0,
    ),
    Claim(
        "alike-choice-stays", "Where styles are alike the choice stays mixed.", KNOWN, "derived",
        f"{SHARE}, without its sign", rise("alike-own-free", "family_share", size=True), "<", 0.1,
    ),
)  # fmt: skip
