"""What the audit of preference data says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hackproof.audit._finding import Finding
from hackproof.audit._preferences._copies import Copies

SHARMA = "Sharma et al. 2023, https://arxiv.org/abs/2310.13548"
SEAL = "Revel et al. 2024, https://arxiv.org/abs/2408.10270"
CAUSE = "few dimensions dominate"
LEVEL = 0.04
"""False discovery rate over spoiler features: of all that is tested, clean data should raise a
finding in one audit of twenty at most."""
SHIFT = 0.02
"""Change of the probability of being preferred, per spread of a feature, worth a finding."""
RESISTANCE = 0.2


def spoilers(target: str, rows: Sequence[Mapping[str, Any]], kind: str) -> list[Finding]:
    """Return a finding for every spoiler feature that decides preferences."""
    return [
        Finding(
            "preference-spoiler", target,
            f"What people preferred follows {r['name']!r}, which says little of whether an answer "
            "is good: one spread more of it changes the probability of being preferred from .50 to "
            f"{r['probability_per_spread']:.2f} (log-odds per unit {r['coefficient']:.3g} "
            f"[{r['low']:.3g}, {r['high']:.3g}], adjusted p {r['p_adjusted']:.2g}).",
            "ADVISORY", SHARMA,
            "The feature may go along with quality: what is not among the features is not held "
            f"fixed. {kind}",
            "Balance the pairs in it, regress it out of the reward, or collect pairs that differ "
            "in nothing but it.",
            cause=CAUSE,
        )
        for r in rows
        if r["role"] == "spoiler" and r["p_adjusted"] is not None and r["p_adjusted"] <= LEVEL
        and abs(r["probability_per_spread"] - 0.5) >= SHIFT
    ]  # fmt: skip


def copies(target: str, found: Sequence[Copies], call: str) -> list[Finding]:
    """Return a finding for every kind of copies."""
    texts = {
        "identical": ("preference-identical", "have the same answer on both sides",
                      "They teach nothing; drop them."),
        "duplicate": ("preference-duplicate", "repeat an earlier pair",
                      "Drop them, or give them the weight that is meant."),
        "contradiction": ("preference-contradiction", "say the contrary of another pair about the "
                          "same answers", "Ask more people about them, or drop both."),
        "leaked pair": ("preference-leak", "of the test stand in the training data",
                        "Split by prompt, and measure again."),
        "leaked prompt": ("preference-leak-prompt", "of the test have a prompt of the training set",
                          "Split by prompt, and measure again."),
    }  # fmt: skip
    out = []
    for c in found:
        rule, what, fix = texts[c.kind]
        out.append(Finding(
            rule, target,
            f"{c.rows:,} pairs {what}: first rows {c.row()['first_rows']}.",
            "PROVEN", "derived: texts compared without case and white space",
            "Copies with a word changed are not seen.", fix,
            f"from hackproof.audit import copies_of\nprint(copies_of({call})[{c.kind!r}])\n"
            f"# {c.rows}",
        ))  # fmt: skip
    return out


def resistance(
    target: str, regimes: Sequence[Mapping[str, Any]], before: Mapping[str, Any],
    after: Mapping[str, Any],
) -> list[Finding]:  # fmt: skip
    """Return findings on what training left undone, or undid."""
    counts = {r["regime"]: r for r in regimes}
    n = sum(r["pairs"] for r in regimes)
    out = []
    if after["agreement_after"] is None:
        return []
    low = 1 - after["agreement_after_high"]
    if low > RESISTANCE:
        out.append(Finding(
            "preference-resistance", target,
            f"After training the reward model still scores the rejected answer at least as high in "
            f"{1 - after['agreement_after']:.0%} [{low:.0%}, "
            f"{1 - after['agreement_after_low']:.0%}] of {n:,} pairs (before: "
            f"{1 - before['agreement_before']:.0%}).",
            "ADVISORY", SEAL,
            "On the pairs it was trained on or on others: the file does not say.",
            "Look at the resistance where another labeller disagrees with the choice: those labels "
            "may be wrong. Else the model lacks what it would need to tell them apart.",
            cause="not identifiable",
        ))  # fmt: skip
    from hackproof.audit._statistics import sign_test

    lost, won = (_counted(counts[r]) for r in ("reversed", "got_aligned"))
    if lost > won and sign_test(lost, won) <= 0.01:
        out.append(Finding(
            "preference-reversed", target,
            f"Training turned more pairs away from the choice ({lost:,}) than towards it ({won:,}; "
            f"exact p {sign_test(lost, won):.2g}).",
            "ADVISORY", SEAL, "Which of the two is right.", "Do not use this reward model.",
        ))  # fmt: skip
    return out


def _counted(row: Mapping[str, Any]) -> int:
    """Return a regime's pairs; with weights, the effective number of them."""
    if "share_effective" in row:
        return round((row["share"] or 0) * row["share_effective"])
    return row["pairs"]


def trivial(target: str, row: Mapping[str, Any] | None, spoiled: bool) -> list[Finding]:
    """Return a finding where features of style alone foretell the label well."""
    if row is None or not spoiled or row["accuracy_low"] is None or row["accuracy_low"] < 0.6:
        return []
    return [Finding(
        "preference-trivial", target,
        f"Built-in features of style alone foretell {row['accuracy']:.0%} "
        f"[{row['accuracy_low']:.0%}, {row['accuracy_high']:.0%}] of held-out preferences.",
        "ADVISORY", SHARMA, "Style may go along with quality.",
        "A reward model should do clearly better than that on held-out pairs; compare.",
        cause=CAUSE,
    )]  # fmt: skip
