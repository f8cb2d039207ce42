"""Reading preference pairs in pieces, so that only numbers and digests of them are kept."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hackproof.audit._preferences import _text
from hackproof.audit._preferences._batches import Batches, opened
from hackproof.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[Any, np.dtype[np.float64]]
    Digests = np.ndarray[Any, np.dtype[np.uint64]]

SIDES = ("chosen", "rejected")
WHEN = ("before", "after")
SCORES = tuple(f"score_{s}_{w}" for w in WHEN for s in SIDES)
OWN = ("chosen", "rejected", "prompt", "label", "weight", "split", *SCORES)
"""Columns with a meaning of their own; any other numeric one is a feature."""
ALONE = 3
"""Pieces beyond the first up to which no other process is started."""
LABELS = {"chosen": 1.0, "rejected": -1.0, "": 0.0}


@dataclass(frozen=True)
class Pairs:
    """Preference pairs as numbers; one entry per pair that is used."""

    names: tuple[str, ...]
    """Of the features."""
    builtin: frozenset[str]
    one: Numbers
    """Features of the chosen answers, (pairs, features); of a pair's own feature, its value."""
    two: Numbers
    """Of the rejected ones; 0 for a pair's own feature."""
    scores: Mapping[str, Numbers] = field(default_factory=dict)
    """By `SCORES`; NaN where a row has none."""
    label: Numbers | None = None
    """1 where another labeller says chosen, -1 rejected, 0 nothing."""
    weight: Numbers | None = None
    split: tuple[str, ...] | None = None
    digests: Digests | None = None
    """By pair: of the prompt, of prompt and chosen, of prompt and rejected."""
    row: Any = None
    """Row of the file, from 1, of every pair."""
    rows: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    sides: tuple[tuple[Any, ...], tuple[Any, ...]] | None = None
    """The chosen and rejected answers as they stand in the file, where they were kept."""
    prompts: tuple[str, ...] = ()
    """Beside them: what was asked, as text."""
    asked: tuple[Any, ...] = ()
    """Beside them: the column `prompt` as it stands, text or messages; None where there is none."""
    moderators: Mapping[str, Numbers] = field(default_factory=dict)
    """Features of pairs that never change sign, which are no differences of the two sides: they
    may say in which pairs something happens, not which side is preferred."""
    unused: Mapping[str, str] = field(default_factory=dict)
    """Columns that are not used, and why."""
    texts: bool = True
    """Whether the file has texts, measured or not."""

    def __len__(self) -> int:
        return len(self.one)

    @property
    def difference(self) -> Numbers:
        """Return features, chosen minus rejected."""
        return self.one - self.two


def read(
    source: str | Path, columns: Mapping[str, str] | None = None, *, text: bool = True,
    keep: bool = False, workers: int | None = None,
) -> Pairs:  # fmt: skip
    """Return the pairs of a file or of a Hugging Face data set.

    Everything is read twice: first for what its columns hold, in all rows, then for the numbers.

    Args:
        source: .jsonl, .csv, .tsv, .json or .parquet, the text ones also .gz; or hf:NAME[:SPLIT].
        columns: Our name to the file's: chosen, rejected, prompt, label, weight, split, the four
            scores. What the file has by our name gives way.
        text: Whether to measure the built-in features of the texts.
        keep: Whether to keep the answers too.
        workers: Processes for that; as many as there are cores where None.

    Raises:
        InputError: a file, column or entry that cannot be used, or no pair.
    """
    columns = columns or {}
    for ours in columns:
        if ours not in OWN:
            raise InputError(f"--columns {ours}: the names are {', '.join(OWN)}.")
    batches = opened(source, [columns.get(n, n) for n in (*SIDES, "prompt")])
    plan = replace(_plan(_survey(batches, columns, str(source)), str(source), text), keep=keep)
    pieces = _pieces(batches, columns)
    workers = len(os.sched_getaffinity(0)) if workers is None else workers
    parts = []

    early = list(islice(pieces, 1 + ALONE))
    everything = chain(early, pieces)
    if workers > 1 and plan.text and len(early) > ALONE:
        # Forked, not spawned: a script without a guard would be run again in each of them.
        with ProcessPoolExecutor(workers, get_context("fork")) as pool:
            waiting = []
            for piece in everything:
                waiting.append(pool.submit(_measure, plan, piece))
                while len(waiting) > 2 * workers:
                    parts.append(waiting.pop(0).result())
            parts += [w.result() for w in waiting]
    else:
        parts = [_measure(plan, piece) for piece in everything]
    return _joined(plan, parts, str(source))


@dataclass
class Column:
    """What a column holds, in all rows."""

    numbers: int = 0
    others: int = 0
    """Cells that are neither empty nor numbers."""


@dataclass(frozen=True)
class Survey:
    """What a file holds."""

    columns: Mapping[str, Column]
    """Under our names, in the order in which they are met."""
    rows: int
    hidden: tuple[str, ...] = ()
    """Columns of the file that --columns takes the name from."""


def _survey(batches: Batches, columns: Mapping[str, str], source: str) -> Survey:
    """Return what the columns of a file hold, from all its rows.

    Raises:
        InputError: there are no rows, or a column that was named is not there.
    """
    found: dict[str, Column] = {}
    theirs = {n: Column() for n in batches.names}
    rows = 0
    for batch in batches.read(light=True):
        rows += len(batch)
        for row in batch:
            for name, value in row.items():
                column = theirs.get(name)
                if column is None:
                    column = theirs[name] = Column()
                kind = type(value)
                if kind is float or kind is int or (value is not None and value != ""):
                    if math.isnan(_number(value)):
                        column.others += kind is not float
                    else:
                        column.numbers += 1
    if not rows:
        raise InputError(f"{source} has no rows; nothing can be measured from it.")
    for name in columns.values():
        if name not in theirs:
            raise InputError(
                f"{source} has no column {name!r} (--columns); it has {', '.join(theirs)}."
            )
    for name, column in theirs.items():
        if name not in columns and name not in columns.values():
            found[name] = column
    found |= {ours: theirs[name] for ours, name in columns.items()}
    hidden = [o for o in columns if o in theirs and o not in columns.values()]
    return Survey(found, rows, tuple(hidden))


@dataclass(frozen=True)
class Plan:
    """Which columns are what."""

    text: bool
    """Whether the built-in features are measured."""
    answers: bool
    """Whether there are texts."""
    sides: tuple[str, ...]
    """Features given for each side."""
    pair: tuple[str, ...]
    """Features given for the pair."""
    scores: tuple[str, ...]
    known: tuple[str, ...]
    """Of prompt, label, weight and split, those that are there."""
    unused: Mapping[str, str] = field(default_factory=dict)
    """Columns that are not used, and why."""
    keep: bool = False


def _plan(survey: Survey, source: str, text: bool) -> Plan:
    have = survey.columns
    given = [n for n in have if n not in OWN]
    numeric = [n for n in given if 2 * have[n].numbers >= survey.rows]
    lacking = [s for s in SIDES if s not in have]
    numbers = numeric or any(s in have for s in SCORES)
    if lacking and (len(lacking) == 1 or not numbers):
        raise InputError(
            f"{source} has no column {lacking[0]!r}; it has {', '.join(have)}. Name it: --columns "
            f"{lacking[0]}=COLUMN."
        )
    scores = tuple(s for s in SCORES if s in have)
    for when in WHEN:
        both = [f"score_{s}_{when}" for s in SIDES]
        lone = [s for s in both if s in scores]
        if len(lone) == 1:
            other = next(s for s in both if s not in scores)
            raise InputError(f"{source} has {lone[0]} and no {other}.")
    sides, pair = [], []
    unused = dict.fromkeys(survey.hidden, "--columns gives its name to another")
    unused |= {n: _lacks(have[n], survey.rows) for n in given if n not in numeric}
    for name in sorted(numeric, key=lambda n: n.endswith("_rejected")):
        base, _, side = name.rpartition("_")
        if side not in SIDES or not base:
            pair.append(name)
            continue
        other = f"{base}_{'rejected' if side == 'chosen' else 'chosen'}"
        if other not in have:
            raise InputError(
                f"{source} has {name!r} and not its other side; a feature of a side needs both."
            )
        if other in unused:
            unused[name] = f"its other side, {other}, is not used"
        elif base not in sides:
            sides.append(base)
    return Plan(
        text and not lacking, not lacking, tuple(sides), tuple(pair), scores,
        tuple(n for n in ("prompt", "label", "weight", "split") if n in have), unused,
    )  # fmt: skip


def _lacks(column: Column, rows: int) -> str:
    """Return why a column is no feature."""
    if not column.numbers:
        return "no numbers" if column.others else "empty"
    return f"a number in {column.numbers:,} of {rows:,} rows, fewer than half"


def _measure(plan: Plan, piece: dict[str, Any]) -> dict[str, Any]:
    """Return a piece's numbers; runs in a worker."""
    import numpy as np

    out: dict[str, list[Any]] = {"one": [], "two": [], "digest": [], "row": [], "kept": []}
    more = {n: [] for n in (*plan.scores, *plan.known) if n != "prompt"}
    dropped: dict[str, int] = {}

    for number, row in enumerate(piece["rows"], piece["start"]):
        try:
            sides, digest, kept = _row(plan, row)
        except Unusable as error:
            why = f"rows {error}"
            dropped[why] = dropped.get(why, 0) + 1
            continue
        out["one"].append(sides[0])
        out["two"].append(sides[1])
        out["digest"].append(digest)
        out["row"].append(number)
        if plan.keep and plan.answers:
            out["kept"].append(kept)
        for name in plan.scores:
            more[name].append(_number(row.get(name)))
        if "label" in more:
            more["label"].append(LABELS[_label(row)])
        if "weight" in more:
            more["weight"].append(_number(row["weight"]))
        if "split" in more:
            more["split"].append(str(row.get("split") or ""))
    made: dict[str, Any] = {
        "one": np.array(out["one"], dtype=float), "two": np.array(out["two"], dtype=float),
        "digest": np.array(out["digest"], dtype=np.uint64).reshape(-1, 3),
        "row": np.array(out["row"], dtype=np.int64), "dropped": dropped,
        "rows": len(piece["rows"]), "kept": out["kept"],
    }  # fmt: skip
    for name, values in more.items():
        made[name] = values if name == "split" else np.array(values, dtype=float)
    return made


class Unusable(Exception):
    """A row cannot be used; the message says why, after "rows"."""


def _row(plan: Plan, row: Mapping[str, Any]) -> tuple[list[Any], tuple[int, int, int], Any]:
    """Return a row's features by side, its digests, and (what was asked, chosen, rejected, the
    prompt as it stands) where there are texts.

    Raises:
        Unusable: it cannot be used.
    """
    sides = []
    digests = (0, 0, 0)
    asked: list[str] = []
    column = row.get("prompt")
    if plan.answers:
        texts = []
        for side in SIDES:
            value = row.get(side)
            if value is None or value == "":
                raise Unusable(f"without {side}")
            try:
                inside, answer = _text.split(value)
                texts.append((_text.prompt(column) or inside, answer, _text.system(value)))
            except ValueError as error:
                raise Unusable(f"with a {side} that is no text: {error}") from None
        asked = [a for a, _, _ in texts]
        if plan.text:
            whole = ["\n".join((*system, a)) for a, _, system in texts]
            one, two = (_digest(w, t[1]) for w, t in zip(whole, texts, strict=True))
            digests = (_digest(whole[0]) if whole[0].strip() else 0, one, two)
            sides = [_text.measure(a, answer) for a, answer, _ in texts]
    sides = sides or [(), ()]
    own = [_feature(row, f) for f in plan.pair]
    for k, side in enumerate(SIDES):
        given = [_feature(row, f"{f}_{side}") for f in plan.sides]
        sides[k] = (*sides[k], *given, *(own if not k else [0.0] * len(own)))
    if "label" in plan.known and _label(row) not in LABELS:
        raise Unusable("with a label that is neither chosen, rejected nor empty")
    if "weight" in plan.known and not _number(row.get("weight")) >= 0:
        raise Unusable("with a weight that is not a number from 0 on")
    kept = (asked[0], row["chosen"], row["rejected"], column) if asked else None
    return sides, digests, kept


def _feature(row: Mapping[str, Any], name: str) -> float:
    value = _number(row.get(name))
    if math.isnan(value):
        raise Unusable(f"without a number in {name}")
    return value


def _label(row: Mapping[str, Any]) -> str:
    value = row.get("label")
    return "" if value is None else str(value).strip().lower()


def _number(value: Any) -> float:
    """Return a finite number, also one that is written as text; else NaN."""
    if type(value) is not float:
        if not isinstance(value, int | float | str) or (isinstance(value, str) and "_" in value):
            return math.nan
        try:
            value = float(value)
        except (OverflowError, ValueError):
            return math.nan
    return value if math.isfinite(value) else math.nan


def _digest(*texts: str) -> int:
    """Return 64 bits of a text, whatever its case and white space."""
    plain = "\0".join(" ".join(t.lower().split()) for t in texts)
    return int.from_bytes(
        hashlib.blake2b(plain.encode(errors="surrogatepass"), digest_size=8).digest(), "big"
    )


def _joined(plan: Plan, parts: Sequence[Mapping[str, Any]], source: str) -> Pairs:
    import numpy as np

    dropped: dict[str, int] = {}
    for part in parts:
        for why, n in part["dropped"].items():
            dropped[why] = dropped.get(why, 0) + n
    rows = sum(p["rows"] for p in parts)
    whole = [p for p in parts if len(p["row"])]
    if not whole:
        raise InputError(
            f"{source}: none of {rows} rows can be used "
            f"({'; '.join(f'{n} {w}' for w, n in dropped.items())})."
        )
    names = (_text.NAMES if plan.text else ()) + plan.sides + plan.pair
    if len(set(names)) < len(names):
        twice = next(n for n in names if names.count(n) > 1)
        raise InputError(f"{source} has a column {twice!r}, which is a built-in feature's name; "
                         "rename it, or leave the built-in ones out with --no-text.")  # fmt: skip

    def cat(name: str) -> Any:
        return np.concatenate([p[name] for p in whole])

    if "weight" in plan.known and not any(p["weight"].any() for p in whole):
        raise InputError(f"{source}: all weights are 0; nothing can be measured from it.")
    kept = [k for p in whole for k in p["kept"]]
    one, two = cat("one"), cat("two")
    of_pair = np.isin(names, plan.pair) & ((one >= 0).all(0) | (one <= 0).all(0))
    moderators = {n: one[:, i] for i, n in enumerate(names) if of_pair[i]}
    return Pairs(
        names=tuple(n for n in names if n not in moderators),
        builtin=frozenset(_text.NAMES if plan.text else ()), moderators=moderators,
        one=one[:, ~of_pair], two=two[:, ~of_pair], scores={s: cat(s) for s in plan.scores},
        label=cat("label") if "label" in plan.known else None,
        weight=cat("weight") if "weight" in plan.known else None,
        split=tuple(s for p in whole for s in p["split"]) if "split" in plan.known else None,
        sides=(tuple(k[1] for k in kept), tuple(k[2] for k in kept)) if kept else None,
        prompts=tuple(k[0] for k in kept), asked=tuple(k[3] for k in kept),
        unused=plan.unused, texts=plan.answers,
        digests=cat("digest") if plan.text else None, row=cat("row"), rows=rows, dropped=dropped,
    )  # fmt: skip


def _pieces(batches: Batches, columns: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Yield rows, `PIECE` at a time, with columns under our names."""
    start = 1
    taken = {*columns, *columns.values()}
    for rows in batches.read():
        if columns:
            rows = [
                {k: v for k, v in row.items() if k not in taken}
                | {ours: row[name] for ours, name in columns.items() if name in row}
                for row in rows
            ]
        yield {"rows": rows, "start": start}
        start += len(rows)
