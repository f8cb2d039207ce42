"""What the audit of a judge says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hackproof.audit._finding import Finding
from hackproof.audit._judge._verdicts import Verdicts
from hackproof.audit._statistics import adjusted

WANG = "Wang et al. 2023, https://arxiv.org/abs/2305.17926"
LIU = "Liu et al. 2023, https://arxiv.org/abs/2311.09766"
OTHERS = 0.01
"""False discovery rate over everything but position, which has 5% of its own: a clean judge should
raise a finding in one audit of twenty at most, whatever is looked at."""
CAUSE = "few dimensions dominate"
LONGER = 0.1
"""Lean from which a trait is worth a finding, whatever its p-value."""


Replay = Callable[[Mapping[str, Any]], tuple[str, bool]]
"""A cell to code that shows its bias, and whether that gave the same when it was run anew."""


def position(target: str, rows: Sequence[Mapping[str, Any]], replay: Replay) -> list[Finding]:
    """Return one finding per judge and place, over its strategies and subsets."""
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["favours"]:
            found.setdefault((row["judge"], row["favours"]), []).append(row)
    out = []
    for (judge, place), cells in found.items():
        worst = min(cells, key=lambda r: r["p_value"])
        towards, away = (worst[f"{p}_leans"] for p in
                         ((place, "second") if place == "first" else (place, "first")))  # fmt: skip
        total = sum(r["judge"] == judge for r in rows)
        where = _where(worst)
        cells_ = f" In {len(cells)} of its {total} cells." if total > 1 else ""
        code, replays = replay(worst)
        out.append(Finding(
            "judge-position", target,
            f"{judge} favours the answer that is shown {place}: of {worst['both_valid']:,} pairs"
            f"{where} that it judged in both orders, {towards:,} verdicts moved towards the "
            f"{place} place and {away:,} away from it (exact p {worst['p_value']:.2g}, adjusted "
            f"{worst['p_adjusted']:.2g}; flip rate {worst['flip_rate']:.2f} "
            f"[{worst['flip_rate_low']:.2f}, {worst['flip_rate_high']:.2f}]).{cells_}",
            "PROVEN" if replays else "UNDECIDED", WANG,
            "A flip that goes either way with equal chance is noise and not seen as bias; pairs "
            "that were asked in one order say nothing.",
            "Ask in both orders and average (balanced position calibration); send the pairs whose "
            "verdicts disagree to a person. See the table of repairs.",
            code,
            cause=CAUSE,
        ))  # fmt: skip
    return out


def traits(target: str, rows: Sequence[dict[str, Any]]) -> list[Finding]:
    """Return a finding for every trait that a judge's verdicts follow beside the gold label.

    Adds `p_adjusted` to the rows.
    """
    tested = [r for r in rows if r["p_value"] is not None]
    for row, p in zip(tested, adjusted([r["p_value"] for r in tested]), strict=True):
        row["p_adjusted"] = p
    best: dict[tuple[str, str], dict[str, Any]] = {}
    for row in tested:
        if row["p_adjusted"] <= OTHERS and abs(row["lean"]) >= LONGER:
            key = (row["judge"], row["trait"])
            if key not in best or row["p_value"] < best[key]["p_value"]:
                best[key] = row
    return [_trait(target, row) for row in best.values()]


NAMES = {
    "length": ("judge-verbosity", "the longer answer", "the shorter answer",
               "Show the judge answers of like length, or tell it a limit and cut what exceeds it; "
               "compare win rates at equal length (length-controlled win rate).",
               "Dubois et al. 2024, https://arxiv.org/abs/2404.04475"),
    "format": ("judge-format", "the answer with more formatting", "the plainer answer",
               "Strip Markdown before judging, or judge both with the same formatting.",
               "derived"),
    "own": ("judge-self-preference", "what its own model wrote", "what others wrote",
            "Have another model judge these pairs, or a panel of models, and hide names and style.",
            LIU),
}  # fmt: skip
"""By trait: rule, what is favoured, what is favoured by a negative lean, fix, source."""


def _trait(target: str, row: Mapping[str, Any]) -> Finding:
    rule, more, less, fix, source = NAMES[row["trait"]]
    where = f" ({row['strategy']})" if row["strategy"] else ""
    return Finding(
        rule, target,
        f"{row['judge']}{where} favours {more if row['lean'] > 0 else less}: with quality held "
        f"fixed by the gold label, {abs(row['lean']):.0%} [{_ends(row)}] of its verdicts follow "
        f"that, over {row['controlled_pairs']:,} pairs (p {row['p_value']:.2g}, adjusted "
        f"{row['p_adjusted']:.2g}).",
        "ADVISORY", f"{source}; the measure is hackproof's own",
        "The gold label must be right, and not follow the trait itself: a bias that the labeller "
        "shares cannot be seen. What else goes with the trait is not held fixed.",
        fix, cause=CAUSE,
    )  # fmt: skip


def _ends(row: Mapping[str, Any]) -> str:
    low, high = row["lean_low"], row["lean_high"]
    if row["lean"] < 0:
        low, high = -high, -low
    return f"{low:.0%}, {high:.0%}"


def beside_others(target: str, rows: Sequence[dict[str, Any]]) -> list[Finding]:
    """Return a finding for every judge that favours its own beside what the others say."""
    tested = [r for r in rows if r["p_value"] is not None]
    for row, p in zip(tested, adjusted([r["p_value"] for r in tested]), strict=True):
        row["p_adjusted"] = p
    return [
        Finding(
            "judge-self-preference", target,
            f"{r['judge']} favours its own answers: being its own adds {r['log_odds']:.2f} "
            f"[{r['log_odds_low']:.2f}, {r['log_odds_high']:.2f}] to the log-odds of winning, "
            f"beside what the other judges make of the writers, over {r['own_pairs']:,} pairs (p "
            f"{r['p_value']:.2g}, adjusted {r['p_adjusted']:.2g}).",
            "ADVISORY", f"{LIU}; the measure is hackproof's own",
            "Writers have one strength each here: a judge that is right about a kind of question "
            "on which its own model is strong looks the same. Gold labels would tell.",
            NAMES["own"][3], cause=CAUSE,
        )
        for r in tested if r["p_adjusted"] <= OTHERS and r["log_odds"] > 0
    ]  # fmt: skip


def _where(row: Mapping[str, Any]) -> str:
    named = [f"{k} {row[k]}" for k in ("strategy", "subset") if row[k]]
    return f" ({', '.join(named)})" if named else ""


def cells_with(verdicts: Verdicts, judge: str, strategy: str, subset: str) -> Any:
    """Return which entries belong to a cell; '' is any strategy or subset, and no judge."""
    import numpy as np

    chosen = np.ones(len(verdicts), dtype=bool)
    for names, wanted in ((verdicts.judge, judge), (verdicts.strategy, strategy),
                          (verdicts.subset, subset)):  # fmt: skip
        if wanted or names is verdicts.judge:
            chosen &= np.array([*names.values, ""], dtype=object)[names.codes] == wanted
    return chosen
