"""The audit of preference data and of what a reward model learnt from it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hackproof.audit._finding import Check, Finding
from hackproof.audit._preferences import _copies, _findings, _learnt, _logistic
from hackproof.audit._preferences._models import Score, labelled, reward_model, scored
from hackproof.audit._preferences._read import Pairs, read
from hackproof.audit._preferences._rewrite import robustness
from hackproof.audit._preferences._text import FEATURES
from hackproof.audit._report import Audit, Table
from hackproof.audit._statistics import adjusted, rate
from hackproof.errors import InputError, unknown

CHECKS = ("features", "copies", "learnt")
"""features: what decides preferences. copies: duplicates, contradictions, leaks. learnt: what a
reward model made of the pairs, where scores before and after training are given."""
LEAST = 50
"""Pairs below which nothing is held out."""


def preferences(
    source: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    test: str | Path | None = None,
    targets: Sequence[str] = (),
    spoilers: Sequence[str] = (),
    text: bool = True,
    before: str | Score | None = None,
    after: str | Score | None = None,
    labeller: Any = None,
    labels: Mapping[str, str] | None = None,
    rewrites: int = 400,
    checks: Sequence[str] = CHECKS,
    workers: int | None = None,
    seed: int = 0,
) -> Audit:
    """Audit preference pairs.

    Args:
        source: .jsonl, .csv, .tsv, .json or .parquet (the text ones also .gz), or hf:NAME[:SPLIT].
            Columns that need no flags: chosen and rejected (text, a dialogue as in hh-rlhf, or a
            list of messages), prompt, label (who is right by another labeller: chosen, rejected or
            empty), weight, split, score_chosen_before, score_rejected_before, score_chosen_after,
            score_rejected_after. Any other numeric column is a feature: of a side if it ends in
            _chosen or _rejected, else of the pair: chosen minus rejected where it has both signs,
            else something that may tell in which pairs a reward model resists.
        columns: Our name to the file's, where they differ.
        test: Another file of pairs, which should share none with this one; without one, values of
            the column split are compared.
        targets: Features that a good answer should have more of; all given ones that are not
            spoilers.
        spoilers: Features that should not matter; the built-in ones always are.
        text: Whether to measure the built-in features of the texts.
        before: Reward model before training: a Hugging Face sequence classifier (name or folder),
            or a function of sides to scores; its scores take the place of the file's. Where the
            file has a column prompt it sees prompt, an empty line, answer, or all as messages.
        after: The same after training.
        labeller: A model of Inspect's, itself or by name, that answers `labels` for every answer.
        labels: By feature, a question about an answer that is answered by yes or no.
        rewrites: Pairs rewritten in style to see whether that turns `after`.
        checks: Which of `CHECKS`.
        workers: Processes that measure texts.
        seed: Of folds and draws.

    Returns:
        The report: tables `features`, `trivial`, `copies`, and where there are scores `imprints`,
        `resistance`; values `regimes`, `agreement_before`, `agreement_after`, `shift`.

    Raises:
        InputError: a file, column, entry or name that cannot be used.
    """
    for check in checks:
        if check not in CHECKS:
            raise unknown("check", check, CHECKS)
    asked = before is not None or after is not None or bool(labels)
    pairs = read(source, columns, text=text, keep=asked, workers=workers)
    if asked and pairs.sides is None:
        raise InputError(f"{source} has no texts to show a model.")
    if labels:
        if labeller is None:
            raise InputError("labels need a labeller: a model that answers them.")
        model = None if isinstance(labeller, str) else labeller
        pairs = labelled(pairs, str(labeller), model, labels)
    models = [reward_model(m) if isinstance(m, str) else m for m in (before, after)]
    if any(m is not None for m in models):
        pairs = scored(pairs, *models)
    for name in (*targets, *spoilers):
        if name not in pairs.names:
            raise unknown("feature", name, pairs.names)
    target = str(source)
    ran: list[Check] = []
    found: list[Finding] = []
    tables: list[Table] = []
    values: dict[str, Any] = {}
    more_facts: dict[str, Any] = {}
    dropped = dict(pairs.dropped)
    if "features" in checks:
        rows, more, check = _features(pairs, targets, spoilers, seed)
        spoiled = _findings.spoilers(
            target, rows, "Coefficients are of a logistic regression on all features at once."
        )
        found += spoiled + _findings.trivial(
            target, next((r for r in more if r["features"] == "style"), None), bool(spoiled)
        )
        tables += [
            Table("features", "What decides preferences", tuple(rows),
                  "Log-odds per unit, 95% posterior intervals; all features at once.",
                  ("name", "role", "unit", "coefficient", "low", "high", "probability_per_spread",
                   "p_adjusted")),
            Table("trivial", "How much of the label features foretell, on held-out pairs",
                  tuple(more)),
        ]  # fmt: skip
        ran.append(check)
    if "copies" in checks:
        made, check, call, other = _compared(pairs, source, columns, test, workers)
        if other is not None:
            more_facts |= {"rows of the test": other.rows, "pairs of the test": len(other)}
            dropped |= {_of_test(why): n for why, n in other.dropped.items()}
        elif pairs.split is not None:
            more_facts["training split"] = ", ".join(map(repr, _copies.trains(pairs.split)))
        tables.append(Table("copies", "Copies", tuple(c.row() for c in made)))
        found += _findings.copies(target, made, call)
        ran.append(check)
    if "learnt" in checks:
        more, values, new, check = _scored(pairs, target)
        if models[1] is not None and rewrites:
            more.append(Table(
                "robustness", "Rewrites of style: do they turn the order after training?",
                tuple(robustness(pairs, models[1], rewrites, seed)),
                "points: change of the rewritten side's score. odds_ratio: of turning, against all "
                "other rewrites (SEAL's pi is its logarithm).",
            ))  # fmt: skip
        tables += more
        found += new
        ran.append(check)
    facts = {
        "rows": pairs.rows, "pairs": len(pairs),
        "features": ", ".join(pairs.names) or "none",
        **({"of pairs": f"{', '.join(pairs.moderators)}: never change sign, so they are no "
            "differences of the two sides and not in the regression of preferences"}
           if pairs.moderators else {}),
        **({"weights": f"{float(pairs.weight.sum()):.6g} in all"} if pairs.weight is not None
           else {}),
        **({"columns not used": "; ".join(f"{n}: {why}" for n, why in pairs.unused.items())}
           if pairs.unused else {}),
        **more_facts,
    }  # fmt: skip
    return Audit("preferences", target, facts, tuple(tables), tuple(found), tuple(ran),
                 dropped, values)  # fmt: skip


def copies_of(
    source: str | Path, *, test: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
) -> dict[str, int]:  # fmt: skip
    """Return how many pairs are copies, by kind; what reproducers call."""
    made, *_ = _compared(read(source, columns), source, columns, test, None)
    return {c.kind: c.rows for c in made}


def _features(
    pairs: Pairs, targets: Sequence[str], spoilers: Sequence[str], seed: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], Check]:
    """Return coefficients, how much of the label features foretell, and the check."""
    import numpy as np

    if not pairs.names:
        why = "there are no features: neither texts, nor numbers of sides, nor differences"
        return [], [], Check("features", False, why)
    x = pairs.difference
    fit = _logistic.fit(x, pairs.weight, seed)
    units = {f.name: f.unit for f in FEATURES}
    spread = np.sqrt((x**2).mean(0))
    rows: list[dict[str, Any]] = []
    for i, name in enumerate(pairs.names):
        spoiler = name in spoilers or (name in pairs.builtin and name not in targets)
        known = not math.isnan(fit.mean[i])
        rows.append({
            "name": name, "role": "spoiler" if spoiler else "target",
            "unit": units.get(name, "1") if name in pairs.builtin else "1",
            "coefficient": float(fit.mean[i]) if known else None,
            "low": float(fit.low[i]) if known else None,
            "high": float(fit.high[i]) if known else None,
            "probability_of_sign": float(fit.probability[i]) if known else None,
            "probability_per_spread": float(1 / (1 + math.exp(-fit.mean[i] * spread[i])))
            if known else None,
            "spread": float(spread[i]), "p_adjusted": None,
        })  # fmt: skip
    tested = [(r, z) for r, z in zip(rows, fit.mean / fit.sd, strict=True)
              if r["role"] == "spoiler" and not math.isnan(z)]  # fmt: skip
    p = [math.erfc(abs(z) / math.sqrt(2)) for _, z in tested]
    for (row, _), q in zip(tested, adjusted(p), strict=True):
        row["p_adjusted"] = q
    more = []
    style = np.array([n in pairs.builtin for n in pairs.names])
    length = style & (np.array(pairs.names) == "length")
    copies = _copies.groups(pairs)
    for label, chosen in (("length", length), ("style", style), ("all", style | True)):
        if len(pairs) >= LEAST and chosen.any():
            right, n = _logistic.predicted(x[:, chosen], pairs.weight, seed=seed, copies=copies)
            more.append({"features": label, "pairs": len(x), **rate("accuracy", right, n)})
    dead = [r["name"] for r in rows if r["coefficient"] is None]
    why = f"no pair differs in {', '.join(dead)}" if dead else ""
    if not math.isnan(fit.effective) and fit.effective < 400:
        why += f"{'; ' if why else ''}intervals rest on {fit.effective:.0f} effective draws"
    return rows, more, Check("features", len(dead) < len(rows), why)


def _compared(
    pairs: Pairs, source: str | Path, columns: Mapping[str, str] | None,
    test: str | Path | None, workers: int | None,
) -> tuple[list[_copies.Copies], Check, str, Pairs | None]:  # fmt: skip
    """Return copies, the check, how a reproducer calls for them, and the pairs of the test."""
    call = f"{str(source)!r}" + (f", test={str(test)!r}" if test else "")
    call += f", columns={dict(columns)!r}" if columns else ""
    if pairs.digests is None:
        why = "the texts are not measured" if pairs.texts else "there are no texts"
        return [], Check("copies", False, why), call, None
    made = _copies.within(pairs)
    other = None
    if test is not None:
        other = read(test, columns, workers=workers)
        if other.digests is None:
            raise InputError(f"{test} has no texts.")
        made += _copies.between(pairs, other)
    else:
        made += _copies.by_split(pairs)
    note = "" if test is not None or pairs.split is not None else "within one file: no --test"
    return made, Check("copies", True, note), call, other


def _of_test(why: str) -> str:
    return why.replace("rows", "rows of the test", 1)


def _scored(pairs: Pairs, target: str) -> tuple[list[Table], dict[str, Any], list[Finding], Check]:
    """Return what a reward model made of the pairs."""
    have = [w for w in ("before", "after") if f"score_chosen_{w}" in pairs.scores]
    if not have:
        return [], {}, [], Check("learnt", False, "there are no scores of a reward model")
    values: dict[str, Any] = {}
    for when in have:
        values |= _learnt.agreement(pairs, when)
    tables = []
    if pairs.names:
        tables.append(Table(
            "imprints", "Feature imprint: points of score per unit, within pairs",
            tuple(_learnt.imprints(pairs)), "Intervals are robust to unequal variances (HC3).",
        ))  # fmt: skip
    if len(have) < 2:
        missing = "after" if have == ["before"] else "before"
        why = f"there are no scores {missing} training"
        if lost := int(sum(_isnan_any(pairs))):
            why += f"; {lost:,} of {len(pairs):,} pairs lack a score {have[0]} it"
        return tables, values, [], Check("learnt", False, why)
    if all(_learnt.tied(pairs, w) for w in have):
        why = "all scores are tied, before training and after it: regimes cannot be measured"
        return tables, values, [], Check("learnt", False, why)
    kinds = _learnt.regimes(pairs)
    values["regimes"] = {r["regime"]: r["share"] for r in kinds}
    values["shift"] = _learnt.shift(pairs)
    tables.insert(0, Table("regime_shares", "What training did to each pair", tuple(kinds)))
    if rows := _learnt.moderated(pairs):
        tables.append(Table(
            "resistance_by_feature", "In which pairs the order is wrong after training",
            tuple(rows), "Odds ratio per unit of the pair's feature, alone.",
        ))  # fmt: skip
    if rows := _learnt.resistance_by_label(pairs):
        tables.append(Table("resistance", "Resistance by what another labeller says", tuple(rows)))
    if values["shift"] is not None:
        tables.append(Table("reward_shift", "Reward shift, degrees", (values["shift"],)))
    lost = int(sum(_isnan_any(pairs)))
    # Both shares are over the pairs that have all scores, of which the finding speaks.
    both = _learnt.agreement(pairs, "before", ~_isnan_any(pairs))
    both |= _learnt.agreement(pairs, "after", ~_isnan_any(pairs))
    found = _findings.resistance(target, kinds, both, both) if kinds[0]["share"] is not None \
        else []  # fmt: skip
    why = f"{lost:,} pairs lack a score and are left out" if lost else ""
    return tables, values, found, Check("learnt", kinds[0]["share"] is not None, why)


def _isnan_any(pairs: Pairs) -> Any:
    import numpy as np

    return np.isnan(np.stack(list(pairs.scores.values()))).any(0)
