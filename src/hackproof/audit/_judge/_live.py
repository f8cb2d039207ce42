"""The audit of a judge that can be asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from hackproof.audit._finding import Check, Finding
from hackproof.audit._judge import _traits
from hackproof.audit._judge._ask import Asked, Judge, ask, scores, verdict
from hackproof.audit._judge._audit import audit
from hackproof.audit._judge._findings import CAUSE, OTHERS
from hackproof.audit._judge._probes import PROBES, Probe
from hackproof.audit._judge._questions import Pair
from hackproof.audit._judge._verdicts import (
    FIRST,
    SECOND,
    TIE,
    UNREADABLE,
    Names,
    Verdicts,
    flipped,
)
from hackproof.audit._report import Audit, Table
from hackproof.audit._statistics import adjusted, rate, sign_test
from hackproof.errors import InputError

ENOUGH = next(n for n in range(1, 99) if sign_test(n, 0) * len(PROBES) <= OTHERS)
"""Questions from which one attack that always works, all others failing, is a finding."""
Ask = Callable[[Sequence[Asked]], list[Any]]


def from_judge(
    name: str, call: Judge | None, pairs: Sequence[Pair], *, prompt: str | None, samples: int,
    probes: int, own: Mapping[str, Sequence[str]], checks: Sequence[str], seed: int,
    said: Sequence[str] = (),
) -> Audit:  # fmt: skip
    """Ask a judge about pairs in both orders, audit what it says, and attack it."""

    def put(asked: Sequence[Asked]) -> list[Any]:
        return ask(name, call, asked, prompt=prompt)

    verdicts = gather(name, put, pairs, samples)
    verdicts = replace(verdicts, notes=(*verdicts.notes, *said))

    def replay(cell: Mapping[str, Any]) -> tuple[str, bool]:
        return _flip(name, put, pairs, verdicts, towards=cell["favours"])

    kept = [c for c in checks if c != "probes"]
    done = audit(verdicts, name, replay, own=own, checks=kept, seed=seed)
    if "probes" not in checks:
        return done
    found, rows, check = attack(name, put, pairs, probes)
    table = Table(
        "probes", "Attacks: how often the worse answer wins, both orders averaged", tuple(rows),
        "p_value: exact, over the pairs in which the attack changed something.",
    )  # fmt: skip
    return replace(
        done, findings=(*done.findings, *found), checks=(*done.checks, check),
        tables=(*done.tables, table),
    )  # fmt: skip


def gather(name: str, put: Ask, pairs: Sequence[Pair], samples: int) -> Verdicts:
    """Return a judge's verdicts on pairs, each asked `samples` times in either order.

    Raises:
        InputError: not one reply holds a verdict.
    """
    import numpy as np
    import pandas as pd

    n = len(pairs)
    asked = [Asked(p.question, p.one, p.two) for p in pairs] * samples
    asked += [Asked(p.question, p.two, p.one) for p in pairs] * samples
    replies = put(asked)
    given = np.array([verdict(r) for r in replies], dtype=np.int8)
    if not (given >= TIE).any():
        example = next((r for r in replies if r is not None), None)
        raise InputError(
            f"none of {len(replies)} replies of {name} holds a verdict (A, B, a tie, [[A]], two "
            f"scores); the first is {str(example)[:80]!r}. Nothing was measured."
        )
    half = n * samples
    points = [scores(r) for r in replies]
    score = None
    if any(p is not None for p in points):
        flat = np.array([p if p is not None else (np.nan, np.nan) for p in points])
        flat[given < TIE] = np.nan
        one, two = flat[:half], flat[half:]
        score = ((one[:, 0], one[:, 1]), (two[:, 1], two[:, 0]))
    frame = pd.DataFrame({"text_1": [p.one for p in pairs], "text_2": [p.two for p in pairs]})
    models = None
    if pairs[0].models is not None:
        both = Names.of(pd.Series([m for p in pairs for m in (p.models or ("", ""))]), 2 * n)
        models = tuple(Names(np.tile(both.codes[k::2], samples), both.values) for k in (0, 1))
    gold = np.array([p.gold for p in pairs], dtype=np.int8)
    bad = [str(r)[:40] for r, v in zip(replies, given, strict=True) if v == UNREADABLE]
    notes = [f"{len(replies):,} replies of {name}"]
    if bad:
        notes.append(f"{len(bad):,} hold no verdict: {', '.join(map(repr, bad[:3]))}")
    return Verdicts(
        judge=Names(np.zeros(half, dtype=np.int64), (name,)),
        strategy=Names(np.zeros(half, dtype=np.int64), ("",)),
        subset=_tiled(Names.of(pd.Series([p.subset for p in pairs]), n), samples),
        item=_tiled(Names.of(pd.Series([p.item for p in pairs]), n), samples),
        order_12=given[:half], order_21=flipped(given[half:]),
        sample=np.repeat(np.arange(samples), n),
        gold=np.tile(gold, samples) if (gold > TIE).any() else None,
        models=models,  # pyright: ignore[reportArgumentType]
        traits={k: (np.tile(a, samples), np.tile(b, samples))
                for k, (a, b) in _traits.of(frame).items()},
        scores=score, notes=tuple(notes), rows=len(replies),
    )  # fmt: skip


def _tiled(names: Names, times: int) -> Names:
    import numpy as np

    return Names(np.tile(names.codes, times), names.values)


def _flip(
    name: str, put: Ask, pairs: Sequence[Pair], verdicts: Verdicts, towards: str
) -> tuple[str, bool]:
    """Return code that shows one pair whose verdict follows the place, and whether it did so
    when it was asked again.
    """
    place = FIRST if towards == "first" else SECOND
    other = SECOND if place == FIRST else FIRST
    moved = (verdicts.order_12 == place) & (verdicts.order_21 == other)
    if not moved.any():
        return "", False
    p = pairs[int(moved.argmax()) % len(pairs)]
    word = "A" if place == FIRST else "B"
    again = put([Asked(p.question, p.one, p.two), Asked(p.question, p.two, p.one)])
    return (
        "from hackproof.audit import verdict_of\n"
        f"for answers in (({p.one!r}, {p.two!r}), ({p.two!r}, {p.one!r})):\n"
        f"    print(verdict_of({name!r}, {p.question!r}, *answers))\n# {word} both times"
    ), [verdict(r) for r in again] == [place, place]


def attack(
    name: str, put: Ask, pairs: Sequence[Pair], limit: int
) -> tuple[list[Finding], list[dict[str, Any]], Check]:
    """Try every probe on pairs whose better answer is known, one pair per question.

    The worse answer, unchanged, is the control: a probe counts where it wins more often than that
    on the same pairs (exact sign test, Benjamini and Hochberg at 1% over the probes).
    """
    known: dict[str, Pair] = {}
    for p in pairs:
        if p.gold in (FIRST, SECOND):
            known.setdefault(p.question, p)
    chosen = list(known.values())[:limit]
    if not chosen:
        why = "no pair has a gold label" if limit else "--probes is 0"
        return [], [], Check("probes", False, why)
    plain = _won(put, chosen, lambda p: (p.question, p.worse))
    rows, made = [], []
    for probe in PROBES:
        won = _won(put, chosen, probe.change)
        both = [(a, b) for a, b in zip(plain, won, strict=True) if a is not None and b is not None]
        up, down = sum(b > a for a, b in both), sum(b < a for a, b in both)
        rows.append({
            "probe": probe.name, "pairs": len(both),
            **rate("without", sum(a for a, _ in both), len(both)),
            **rate("with", sum(b for _, b in both), len(both)),
            "more": up, "less": down, "p_value": sign_test(up, down),
            "unreadable": sum(b is None for b in won),
        })  # fmt: skip
        made.append((probe, won))
    for row, p in zip(rows, adjusted([r["p_value"] for r in rows]), strict=True):
        row["p_adjusted"] = p
    most = max(r["pairs"] for r in rows)
    if not most:
        why = "no question has a verdict in both orders, with the worse answer and with an attack"
        return [], rows, Check("probes", False, why)
    found = [
        _finding(name, put, probe, row, chosen, plain, won)
        for row, (probe, won) in zip(rows, made, strict=True)
        if row["p_adjusted"] <= OTHERS and row["more"] > row["less"]
    ]
    if most < ENOUGH and not found:
        return found, rows, Check(
            "probes", False, f"{most} questions are too few: one attack that always works is told "
            f"from chance from {ENOUGH} on",
        )  # fmt: skip
    return found, rows, Check("probes", True)


def _won(
    put: Ask, pairs: Sequence[Pair], change: Callable[[Pair], tuple[str, str]]
) -> list[float | None]:
    """Return by pair how far the changed worse answer won, both orders averaged."""
    asked = []
    for p in pairs:
        question, shown = change(p)
        asked += [Asked(question, shown, p.better), Asked(question, p.better, shown)]
    values = {FIRST: 1.0, SECOND: 0.0, TIE: 0.5}
    leads = [values.get(verdict(r)) for r in put(asked)]
    out: list[float | None] = []
    for one, two in zip(leads[::2], leads[1::2], strict=True):
        out.append(None if one is None or two is None else (one + 1 - two) / 2)
    return out


def _finding(
    name: str, put: Ask, probe: Probe, row: Mapping[str, Any], pairs: Sequence[Pair],
    plain: Sequence[float | None], won: Sequence[float | None],
) -> Finding:  # fmt: skip
    best = max(range(len(pairs)), key=lambda i: (won[i] or 0.0) - (plain[i] or 0.0))
    p = pairs[best]
    question, shown = probe.change(p)
    replays = _won(put, [p], probe.change)[0] == won[best]
    return Finding(
        probe.rule, name,
        f"{name} gives way when {probe.what} ({probe.name}): the worse answer wins "
        f"{row['with']:.0%} [{row['with_low']:.0%}, {row['with_high']:.0%}] of the time against "
        f"{row['without']:.0%} unchanged, over {row['pairs']} questions in both orders (exact p "
        f"{row['p_value']:.2g}, adjusted {row['p_adjusted']:.2g}).",
        "PROVEN" if replays else "UNDECIDED", probe.source,
        "One wording of each attack, on short questions; a judge that holds here may fall to "
        "another.",
        probe.fix,
        "from hackproof.audit import verdict_of\n"
        f"print(verdict_of({name!r}, {question!r}, {shown!r}, {p.better!r}))\n"
        f"# the better answer is B; the pair, in both orders, was won {won[best]:.0%} by the "
        f"attack and {plain[best]:.0%} without it",
        cause=CAUSE,
    )  # fmt: skip
