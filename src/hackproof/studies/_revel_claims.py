"""revel-2024: what is claimed, settled before the reported seeds were run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from hackproof.experiment import Claim, less

if TYPE_CHECKING:
    import pandas as pd

PerSeed = Callable[["pd.DataFrame"], Mapping[int, float]]
STYLE = ("hedged", "longer", "as-a-list")
"""Rewrites that touch no sentiment."""
SIDES = ("chosen", "rejected")


def value(arm: str, metric: str, condition: str = "default") -> PerSeed:
    """Return the estimand 'a metric of an arm after the last epoch'."""

    def per_seed(frame: pd.DataFrame) -> Mapping[int, float]:
        rows: Any = frame[(frame.arm == arm) & (frame.metric == metric)
                          & (frame.condition == condition)]  # fmt: skip
        rows = rows[rows.level == frame.level.max()].dropna(subset="value")
        return {int(s): float(v) for s, v in zip(rows.seed, rows.value, strict=True)}

    return per_seed


def flips(arm: str, rewrites: tuple[str, ...]) -> PerSeed:
    """Return the estimand 'mean share of orders that rewrites turn, over both sides'."""

    def per_seed(frame: pd.DataFrame) -> Mapping[int, float]:
        parts = [value(arm, "flipped", f"{r}-{s}")(frame) for r in rewrites for s in SIDES]
        seeds = set.intersection(*(set(p) for p in parts))
        return {s: sum(p[s] for p in parts) / len(parts) for s in sorted(seeds)}

    return per_seed


def at(epochs: int, what: PerSeed) -> PerSeed:
    """Return an estimand as it was after fewer epochs; of no seed where that was not measured."""

    def per_seed(frame: pd.DataFrame) -> Mapping[int, float]:
        rows: Any = frame[frame.level == epochs]
        return {} if rows.empty else what(rows)

    return per_seed


def by_labeller(arm: str, labeller: str) -> PerSeed:
    """Return the estimand 'resistance where a labeller disagrees less where it agrees'."""
    return less(value(arm, "resistance-disagrees", labeller),
                value(arm, "resistance-agrees", labeller))  # fmt: skip


SEED = "SEAL in mission facts: positive features gain, negative ones lose [seed]"
OURS = "derived: SEAL's finding, with the cause planted"
CLAIMS = (
    Claim("target-imprints", "Training raises the imprint of the feature that was asked for.",
          SEED, "seed", "points of score per unit of the target, after less before",
          value("clean", "target-change"), ">"),
    Claim("network-target-imprints", "So it does in a network.", SEED, "seed",
          "points of score per unit of the target, after less before",
          value("network", "target-change"), ">"),
    Claim("turns-towards-the-choice", "Scores turn towards the chosen answer.",
          "SEAL: reward shift as an angle, mission facts [seed]", "seed", "mean reward shift, "
          "degrees", value("clean", "shift"), ">"),
    Claim("more-aligned-than-reversed", "Training aligns more held-out pairs than it reverses.",
          OURS, "derived", "share that got aligned less share reversed",
          less(value("clean", "regime-got-aligned"), value("clean", "regime-reversed")), ">"),
    Claim("resistance-remains", "After training on labels as they are, over a tenth of held-out "
          "pairs still resists.", OURS, "derived", "share of held-out pairs not aligned",
          value("clean", "resistance"), ">", 0.1),
    Claim("noise-makes-resistance", "Turned labels make held-out pairs resist.", OURS, "derived",
          "resistance, 30% of labels turned less none",
          less(value("noise-30", "resistance"), value("clean", "resistance")), ">", 0.05),
    Claim("resists-where-people-disagree", "Resistance is higher where another labeller disagrees "
          "with the label.", OURS, "derived", "resistance where the other person disagrees less "
          "where it agrees", by_labeller("noise-30", "other-person"), ">"),
    Claim("own-errors-do-not-tell", "A labeller's own errors say nothing: where labels are right, "
          "resistance differs by less than .1 by what it says.", OURS, "derived",
          "resistance where the other person disagrees less where it agrees",
          by_labeller("clean", "other-person"), "<", 0.1),
    Claim("resists-where-features-disagree", "With nothing planted, resistance is higher where a "
          "regression on the audit's features disagrees with the label.", OURS, "derived",
          "resistance where that regression disagrees less where it agrees",
          by_labeller("clean", "features"), ">"),
    Claim("spoiler-imprints", "A style that goes with the choice is imprinted.", OURS, "derived",
          "points per unit of sentiment after training, style with the choice less on either side",
          less(value("spoiled", "imprint-after", "sentiment"),
               value("balanced", "imprint-after", "sentiment")), ">"),
    Claim("spoiler-costs", "and costs: on pairs without it fewer are right.", OURS, "derived",
          "pairs right, style with the choice less on either side",
          less(value("spoiled", "right"), value("balanced", "right")), "<"),
    Claim("spoiler-misleads", "It misleads where the rejected answer is the cheerful one.", OURS,
          "derived", "such pairs right, style with the choice less on either side",
          less(value("spoiled", "right", "rejected-cheerful"),
               value("balanced", "right", "rejected-cheerful")), "<"),
    Claim("spoiled-looks-better", "while the model agrees with more of its labels.", OURS,
          "derived", "training labels agreed with, style with the choice less on either side",
          less(value("spoiled", "label-agreement"), value("balanced", "label-agreement")), ">"),
    Claim("rewrites-of-the-spoiler-turn-it", "Then a cheerful rewrite turns more orders than "
          "rewrites that touch no sentiment.", OURS, "derived",
          "orders turned, cheerful less mean of hedged, longer, as a list",
          less(flips("spoiled", ("cheerful",)), flips("spoiled", STYLE)), ">"),
    Claim("planted-spoiler-turns-more", "and more than where the style was on either side.", OURS,
          "derived", "orders turned by a cheerful rewrite, style with the choice less on either "
          "side", less(flips("spoiled", ("cheerful",)), flips("balanced", ("cheerful",))), ">"),
    Claim("long-training-costs", "With turned labels, long training lowers what is right.", OURS,
          "derived", "pairs right after the last epoch less after the second",
          less(value("noise-30", "right"), at(2, value("noise-30", "right"))), "<"),
)  # fmt: skip
