"""The audit of a judge from verdicts that were already collected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hackproof.audit._finding import Check, Finding
from hackproof.audit._judge import _findings as rules
from hackproof.audit._judge import _lean, _own, _position, _repair
from hackproof.audit._judge._layouts import MEANS, load
from hackproof.audit._judge._verdicts import UNREADABLE, Verdicts, majority, summary
from hackproof.audit._report import Audit, Table
from hackproof.errors import unknown

CHECKS = ("position", "self-preference", "length", "format", "agreement", "repairs")
"""position: does the place decide. self-preference, length, format: does the author, the length,
the formatting, beside quality. agreement: with gold labels. repairs: what the published ones give.
A judge that can be asked has one more, probes."""
POSITION_COLUMNS = (
    "judge", "strategy", "subset", "n", "both_valid", "both_missing", "agreement", "flip_rate",
    "first_both", "second_both", "p_adjusted", "favours", "accuracy",
)  # fmt: skip


def from_table(
    table: str | Path,
    *,
    columns: Mapping[str, str],
    pairs: str | Path | None,
    means: str | None,
    own: Mapping[str, Sequence[str]],
    checks: Sequence[str],
    seed: int,
) -> Audit:
    """Audit the verdicts of a file; the arguments are those of `hackproof.audit.judge`."""
    if means is not None and means not in MEANS:
        raise unknown("meaning of winners", means, MEANS)
    verdicts = load(table, columns, pairs=pairs, means=means)
    again: list[Verdicts] = []

    def replay(cell: Mapping[str, Any]) -> tuple[str, bool]:
        if not again:
            again.append(load(table, columns, pairs=pairs, means=means))
        more = {"columns": dict(columns), "pairs": pairs and str(pairs), "means": means}
        words = [f"{str(table)!r}", f"judge={cell['judge']!r}"]
        words += [f"{k}={cell[k]!r}" for k in ("strategy", "subset") if cell[k]]
        words += [f"{k}={v!r}" for k, v in more.items() if v]
        counts = (cell["first_leans"], cell["second_leans"])
        code = (
            f"from hackproof.audit import recount\nprint(recount({', '.join(words)}))\n"
            f"# {counts}: verdicts that moved towards the first place, towards the second"
        )
        found = _counted(again[0], cell["judge"], cell["strategy"], cell["subset"])
        return code, found == counts

    return audit(verdicts, str(table), replay, own=own, checks=checks, seed=seed)


def audit(
    verdicts: Verdicts,
    target: str,
    replay: rules.Replay,
    *,
    own: Mapping[str, Sequence[str]],
    checks: Sequence[str] = CHECKS,
    seed: int = 0,
) -> Audit:
    """Audit verdicts, wherever they come from; `replay` shows a cell's bias again."""
    once = majority(verdicts)
    cells = _position.cells(once)
    ran: list[Check] = []
    found: list[Finding] = []
    tables = [Table("cells", "Judges by strategy and subset", tuple(cells), _missing(cells),
                    POSITION_COLUMNS)]  # fmt: skip
    if "position" in checks:
        why = _position.reach(cells, once)
        ran.append(Check("position", not why, why))
        found += [] if why else rules.position(target, cells, replay)
    if "agreement" in checks:
        counted = any(r["accuracy_n"] for r in cells)
        ran.append(Check("agreement", counted, "" if counted else "there are no gold labels"))
    rows: list[dict[str, Any]] = []
    for name in ("length", "format"):
        if name in checks:
            made, check = _trait(once, name)
            rows += made
            ran.append(check)
    if "self-preference" in checks:
        made, others, more, check = _self_preference(once, own, seed)
        rows += made
        tables += more
        ran.append(check)
        found += rules.beside_others(target, others)
    found += rules.traits(target, rows)
    if rows:
        tables.insert(1, Table(
            "leans", "What verdicts follow beside quality", tuple(rows),
            "won: share of pairs won by the answer with more of it. lean: share of verdicts that "
            "follow it, with quality held fixed by the gold label.",
            ("trait", "judge", "strategy", "pairs", "won", "lean", "controlled_pairs", "p_adjusted",
             "why"),
        ))  # fmt: skip
    if "repairs" in checks:
        made = _repair.repairs(verdicts) if verdicts.both().any() else []
        ran.append(Check("repairs", bool(made), _repair.left_out(verdicts, made) if made
                         else "they need verdicts in both orders"))  # fmt: skip
        tables.append(Table(
            "repairs", "Published repairs, on the same pairs", tuple(made),
            "place: how much more often verdicts lean to the first place than to the second. "
            "random: accuracy if a person checked as many pairs drawn at random.",
            ("judge", "strategy", "repair", "calls", "pairs", "place", "accuracy", "gain",
             "gain_per_call", "random"),
        ))  # fmt: skip
    return Audit("judge", target, _facts(verdicts, len(once)), tuple(tables), tuple(found),
                 tuple(ran), verdicts.dropped)  # fmt: skip


def recount(
    table: str | Path,
    *,
    judge: str,
    strategy: str = "",
    subset: str = "",
    columns: Mapping[str, str] | None = None,
    pairs: str | Path | None = None,
    means: str | None = None,
) -> tuple[int, int]:
    """Return how many verdicts moved to the first place and to the second when answers were
    exchanged; what reproducers call. The arguments are those of `hackproof.audit.judge`.

    Raises:
        InputError: the table cannot be read, or has no such judge.
    """
    verdicts = load(table, columns, pairs=pairs, means=means)
    nameless = not judge and (verdicts.judge.codes < 0).any()
    if judge not in verdicts.judge.values and not nameless:
        raise unknown("judge", judge, verdicts.judge.values)
    return _counted(verdicts, judge, strategy, subset)


def _counted(verdicts: Verdicts, judge: str, strategy: str, subset: str) -> tuple[int, int]:
    rows = _position.cells(verdicts.take(rules.cells_with(verdicts, judge, strategy, subset)))
    return sum(r["first_leans"] for r in rows), sum(r["second_leans"] for r in rows)


def _trait(verdicts: Verdicts, name: str) -> tuple[list[dict[str, Any]], Check]:
    import numpy as np

    if name not in verdicts.traits:
        return [], Check(name, False, "the answers' texts are not known: give --pairs, or length_1 "
                         "and length_2")  # fmt: skip
    one, two = verdicts.traits[name]
    sign = np.sign(np.nan_to_num(one - two)).astype(int)
    if not sign.any():
        return [], Check(name, False, "no pair differs in it")
    rows = _lean.leans(verdicts, name, sign, "won")
    return rows, _controlled(name, rows)


def _controlled(name: str, rows: Sequence[Mapping[str, Any]]) -> Check:
    """Return whether quality could be held fixed anywhere."""
    if any(r["lean"] is not None for r in rows):
        return Check(name, True)
    return Check(name, False, rows[0]["why"] if rows else "no pair differs in it")


def _self_preference(
    verdicts: Verdicts, own: Mapping[str, Sequence[str]], seed: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[Table], Check]:
    """Return leans, what being one's own adds beside the others' view, tables, and the check."""
    name = "self-preference"
    if verdicts.models is None:
        return [], [], [], Check(name, False, "who wrote the answers is not known")
    generators = verdicts.models[0].values
    for judge_, mine in own.items():
        if judge_ not in verdicts.judge.values:
            raise unknown("judge in --own", judge_, verdicts.judge.values)
        for model in mine:
            if model.lower() not in {g.lower() for g in generators}:
                raise unknown("generator in --own", model, generators)
    heat = Table("heat_map", "Share won by each generator under each judge",
                 tuple(_own.heat_map(verdicts, own)),
                 "A dark diagonal alone does not tell self-preference from quality."
                 + _nameless(verdicts))  # fmt: skip
    sign = _own.owners(verdicts, own)
    if not sign.any():
        return [], [], [heat], Check(name, False, "no judge wrote an answer of its own (--own "
                                     "JUDGE=GENERATOR says which are)")  # fmt: skip
    if not verdicts.both().any():
        return [], [], [heat], Check(name, False, "one order only: the place is not controlled")
    rows = [r for r in _lean.leans(verdicts, "own", sign, "won") if r["pairs"]]
    if any(r["lean"] is not None for r in rows):
        return rows, [], [heat], Check(name, True)
    others = _own.beside_others(verdicts, sign, seed)
    table = Table(
        "own", "What being its own adds, beside the other judges' view", tuple(others),
        "left_out: pairs with an answer of its own whose writers the other judges' games do not "
        "link." + _nameless(verdicts),
    )  # fmt: skip
    if any(r["log_odds"] is not None for r in others):
        return rows, others, [heat, table], Check(name, True, "by the other judges: no gold label")
    why = others[0]["why"] if others else rows[0]["why"]
    return rows, [], [heat, table], Check(name, False, why)


def _nameless(verdicts: Verdicts) -> str:
    """Return how many entries say not who judged or who wrote, where some do not."""
    count = int((~_own.named(verdicts)).sum())
    if not count:
        return ""
    return f" {count:,} pairs lack the name of the judge or of a writer and are left out."


def _missing(cells: Sequence[Mapping[str, Any]]) -> str:
    lost = sum(r["both_missing"] + r["one_missing"] for r in cells)
    return (
        "agreement and flip rate are over pairs with both verdicts; accuracy over verdicts."
        + (f" {lost:,} pairs lack one verdict or both and do not count there." if lost else "")
    )  # fmt: skip


def _facts(verdicts: Verdicts, pairs: int) -> dict[str, Any]:
    unreadable = sum(int((v == UNREADABLE).sum()) for v in (verdicts.order_12, verdicts.order_21))
    facts: dict[str, Any] = {
        "rows": verdicts.rows or len(verdicts),
        "pairs": f"{pairs:,} ({summary(verdicts)}, "
                 f"{len(verdicts.item.values):,} items)",
        "read as": "; ".join(verdicts.notes),
    }  # fmt: skip
    if unreadable:
        facts["verdicts that are no winner"] = unreadable
    return facts
