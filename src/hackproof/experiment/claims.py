"""Claims: what a paper says, as a number per seed held against a margin.

Interval over seeds wholly beyond the margin: reproduced. Wholly short of it: not
reproduced. Containing it: underpowered. A source that is only recalled or second-hand,
or the smoke scale: not asserted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hackproof.experiment.statistics import mean_interval, share_interval

if TYPE_CHECKING:
    import pandas as pd

ASSERTED = ("read", "seed", "derived")
"""Provenances that may be asserted: read in the source, stated by the mission's own
texts, or derived and checked here."""


@dataclass(frozen=True)
class Claim:
    """A statement of a paper and its test."""

    id: str
    statement: str
    source: str
    """Paper, section and URL."""
    provenance: str
    """read, seed, derived; or recalled, second-hand, which are shown and not asserted."""
    estimand: str
    """What is computed per independent seed, in words."""
    per_seed: Callable[[pd.DataFrame], Mapping[int, float]]
    """From the run's measurements to one number per seed; a seed that lacks its rows is
    left out and counted as missing."""
    direction: str
    """'>' or '<': on which side of the margin the claim lies."""
    margin: float = 0.0
    share: bool = False
    """Whether each seed's number is 0 or 1 and the claim is about their share, which has
    an interval of its own (Clopper-Pearson)."""


def judge(
    claim: Claim, measurements: pd.DataFrame, seeds: Iterable[int], scale: str
) -> dict[str, Any]:
    """Judge one claim and return its row of the claims table.

    Args:
        claim: The claim.
        measurements: The run's measurements, all arms.
        seeds: The seeds that should be there.
        scale: The run's scale; smoke asserts nothing.
    """
    expected = sorted(set(seeds))
    broken = ""
    try:
        computed = claim.per_seed(measurements)
        found = {s: float(v) for s, v in computed.items() if math.isfinite(v)}
    except Exception as error:  # a claim of a user's own must not cost the run its tables
        found, broken = {}, f"could not be computed: {type(error).__name__}: {error}"
    values = [found[s] for s in expected if s in found]
    if claim.share:
        estimate, low, high, n = share_interval(int(sum(values)), len(values))
    else:
        estimate, low, high, n = mean_interval(values)
    missing = len(expected) - n
    note = broken or (f"{missing} of {len(expected)} seeds are missing" if missing else "")
    if claim.provenance not in ASSERTED:
        outcome, note = "not asserted", _join(f"the source is only {claim.provenance}", note)
    elif scale == "smoke":
        outcome, note = "not asserted", _join("smoke scale asserts nothing", note)
    elif n < 2:
        outcome, note = "underpowered", _join("an interval needs two seeds", note)
    else:
        outcome = verdict(low, high, claim.direction, claim.margin)
    return {
        "id": claim.id,
        "statement": claim.statement,
        "source": claim.source,
        "provenance": claim.provenance,
        "estimand": claim.estimand,
        "direction": claim.direction,
        "margin": float(claim.margin),
        "estimate": _finite(estimate),
        "low": _finite(low),
        "high": _finite(high),
        "n": n,
        "n_missing": missing,
        "outcome": outcome,
        "note": note,
    }


def verdict(low: float, high: float, direction: str, margin: float) -> str:
    """Say what an interval says of `x > margin` (or `x < margin`)."""
    beyond, short = (low > margin, high <= margin)
    if direction == "<":
        beyond, short = (high < margin, low >= margin)
    return "reproduced" if beyond else "not reproduced" if short else "underpowered"


def _join(*parts: str) -> str:
    return "; ".join(p for p in parts if p)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
