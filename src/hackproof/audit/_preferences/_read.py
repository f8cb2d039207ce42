"""Reading preference pairs in pieces, so that only numbers and digests of them are kept."""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hackproof.audit import _files
from hackproof.audit._preferences import _text
from hackproof.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[Any, np.dtype[np.float64]]
    Digests = np.ndarray[Any, np.dtype[np.uint64]]

SIDES = ("chosen", "rejected")
WHEN = ("before", "after")
SCORES = tuple(f"score_{s}_{w}" for w in WHEN for s in SIDES)
OWN = ("chosen", "rejected", "prompt", "label", "weight", "split", *SCORES)
"""Columns with a meaning of their own; any other numeric one is a feature."""
PIECE = 4_000
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
    """Beside them."""
    moderators: Mapping[str, Numbers] = field(default_factory=dict)
    """Features of pairs that never change sign, which are no differences of the two sides: they
    may say in which pairs something happens, not which side is preferred."""

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

    Args:
        source: .jsonl, .csv, .tsv, .json or .parquet, the text ones also .gz; or hf:NAME[:SPLIT].
        columns: Our name to the file's: chosen, rejected, prompt, label, weight, split, the four
            scores.
        text: Whether to measure the built-in features of the texts.
        keep: Whether to keep the answers too.
        workers: Processes for that; as many as there are cores where None.

    Raises:
        InputError: a file, column or entry that cannot be used, or no pair.
    """
    columns = columns or {}
    pieces = _pieces(source, columns)
    first = next(pieces, None)
    if first is None:
        raise InputError(f"{source} has no rows; nothing can be measured from it.")
    plan = replace(_plan(first, str(source), text), keep=keep)
    workers = len(os.sched_getaffinity(0)) if workers is None else workers
    parts = []

    early = [first, *islice(pieces, ALONE)]
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


@dataclass(frozen=True)
class Plan:
    """Which columns are what."""

    text: bool
    sides: tuple[str, ...]
    """Features given for each side."""
    pair: tuple[str, ...]
    """Features given for the pair."""
    scores: tuple[str, ...]
    known: tuple[str, ...]
    """Of prompt, label, weight and split, those that are there."""
    skipped: tuple[str, ...] = ()
    """Columns that are no numbers."""
    keep: bool = False


def _plan(piece: dict[str, Any], source: str, text: bool) -> Plan:
    have = piece["columns"]
    lacking = [s for s in SIDES if s not in have]
    numbers = _features(have, piece) or any(s in have for s in SCORES)
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
    sides, pair, skipped = [], [], []
    for name in _features(have, piece):
        base = name.removesuffix("_chosen")
        if name.endswith("_chosen") and f"{base}_rejected" in have:
            sides.append(base)
        elif name.endswith(("_chosen", "_rejected")):
            base = name.rsplit("_", 1)[0]
            if base not in sides:
                raise InputError(
                    f"{source} has {name!r} and not its other side; a feature of a side needs both."
                )
        else:
            pair.append(name)
    numeric = set(_features(have, piece))
    skipped = [n for n in have if n not in numeric and n not in OWN]
    return Plan(
        text and all(s in have for s in SIDES), tuple(sides), tuple(pair), scores,
        tuple(n for n in ("prompt", "label", "weight", "split") if n in have), tuple(skipped),
    )  # fmt: skip


def _features(have: Sequence[str], piece: dict[str, Any]) -> list[str]:
    """Return the columns that are numbers, sides first by `_chosen`."""
    found = [n for n in have if n not in OWN and _numeric(piece["rows"], n)]
    return sorted(found, key=lambda n: (n.endswith("_rejected"), have.index(n)))


def _numeric(rows: Sequence[Mapping[str, Any]], name: str) -> bool:
    seen = False
    for row in rows[:200]:
        value = row.get(name)
        if value is None or value == "":
            continue
        if not isinstance(value, int | float):
            return False
        seen = True
    return seen


def _measure(plan: Plan, piece: dict[str, Any]) -> dict[str, Any]:
    """Return a piece's numbers; runs in a worker."""
    import numpy as np

    out: dict[str, list[Any]] = {"one": [], "two": [], "digest": [], "row": [], "kept": []}
    more = {n: [] for n in (*plan.scores, *plan.known) if n != "prompt"}
    dropped: dict[str, int] = {}

    def drop(why: str) -> None:
        dropped[why] = dropped.get(why, 0) + 1

    for number, row in enumerate(piece["rows"], piece["start"]):
        sides, digest = [], []
        why = ""
        for side in SIDES:
            value = row.get(side)
            measured: tuple[float, ...] = ()
            if side in row:
                if value is None or value == "":
                    why = f"without {side}"
                    break
                try:
                    prompt, answer = _text.split(value)
                except ValueError as error:
                    why = f"with a {side} that is no text: {error}"
                    break
                asked = str(row.get("prompt") or "") or prompt
                digest.append(_digest(asked, answer))
                if plan.text:
                    measured = _text.measure(asked, answer)
                    if side == "chosen":
                        digest.insert(0, _digest(asked))
            given = [row.get(f"{f}_{side}") for f in plan.sides]
            own = [row.get(f) if side == "chosen" else 0.0 for f in plan.pair]
            if any(_bad(v) for v in (*given, *own)):
                why = "with a feature that is not known"
                break
            sides.append((*measured, *map(float, given), *map(float, own)))
        if not why and "label" in more:
            text = str(row.get("label") if row.get("label") is not None else "").strip().lower()
            if text not in LABELS:
                why = "with a label that is neither chosen, rejected nor empty"
        if not why and "weight" in more:
            value = row.get("weight")
            if _bad(value) or float(value) < 0:  # pyright: ignore[reportArgumentType]
                why = "with a weight that is not a number from 0 on"
        if why:
            drop(f"rows {why}")
            continue
        out["one"].append(sides[0])
        out["two"].append(sides[1])
        out["digest"].append(digest if len(digest) == 3 else (0, 0, 0))
        out["row"].append(number)
        if plan.keep:
            asked = str(row.get("prompt") or "") or _text.split(row["chosen"])[0]
            out["kept"].append((asked, row["chosen"], row["rejected"]))
        for name in plan.scores:
            value = row.get(name)
            more[name].append(float("nan") if _bad(value) else float(value))  # pyright: ignore
        if "label" in more:
            more["label"].append(LABELS[str(row.get("label") or "").strip().lower()])
        if "weight" in more:
            more["weight"].append(float(row["weight"]))
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


def _bad(value: Any) -> bool:
    return not isinstance(value, int | float) or not math.isfinite(value)


def _digest(*texts: str) -> int:
    """Return 64 bits of a text, whatever its case and white space."""
    plain = "\0".join(" ".join(t.lower().split()) for t in texts)
    return int.from_bytes(hashlib.blake2b(plain.encode(), digest_size=8).digest(), "big")


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
        prompts=tuple(k[0] for k in kept),
        digests=cat("digest") if plan.text else None, row=cat("row"), rows=rows, dropped=dropped,
    )  # fmt: skip


def _pieces(source: str | Path, columns: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Yield rows, `PIECE` at a time, with columns under our names."""
    for ours in columns:
        if ours not in OWN:
            raise InputError(f"--columns {ours}: the names are {', '.join(OWN)}.")
    start = 1
    theirs = {t: o for o, t in columns.items()}
    for rows in _batches(source):
        have = list(dict.fromkeys(k for row in rows[:50] for k in row))
        if missing := [t for t in theirs if t not in have and start == 1]:
            raise InputError(
                f"{source} has no column {missing[0]!r} (--columns); it has {', '.join(have)}."
            )
        if theirs:
            rows = [{theirs.get(k, k): v for k, v in row.items()} for row in rows]
            have = [theirs.get(k, k) for k in have]
        yield {"rows": rows, "columns": have, "start": start}
        start += len(rows)


def _batches(source: str | Path) -> Iterator[list[dict[str, Any]]]:
    name = str(source)
    if name.startswith("hf:"):
        yield from _hub(name)
        return
    path = Path(source)
    suffix = next((s for s in reversed(path.suffixes) if s.lower() != ".gz"), "").lower()
    if suffix in (".jsonl", ".ndjson") and path.is_file():
        yield from _lines(path)
    elif suffix in (".parquet", ".pq") and path.is_file():
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            for batch in pq.ParquetFile(path).iter_batches(PIECE):
                yield batch.to_pylist()
        except (pa.ArrowInvalid, OSError) as error:
            raise InputError(f"{path} is not a Parquet file: {error}") from None
    else:
        frame = _files.read(path)
        for k in range(0, len(frame), PIECE):
            part = frame.iloc[k : k + PIECE].astype("object")
            names = list(map(str, part.columns))
            values = part.where(part.notna(), None).itertuples(index=False)
            yield [dict(zip(names, row, strict=True)) for row in values]


def _lines(path: Path) -> Iterator[list[dict[str, Any]]]:
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
    rows: list[dict[str, Any]] = []
    number = 0
    try:
        with gzip.open(path, "rb") if packed else path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                row = json.loads(line.decode())
                if not isinstance(row, dict):
                    raise InputError(f"{path}, line {number} is no JSON object: {str(row)[:60]}")
                rows.append(row)
                if len(rows) == PIECE:
                    yield rows
                    rows = []
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}, line {number} is not UTF-8 (byte 0x{error.object[error.start]:02x}); convert "
            "the file first, for example with iconv -t UTF-8."
        ) from None
    except json.JSONDecodeError as error:
        raise InputError(f"{path}, line {number} is not JSON: {error}") from None
    except (EOFError, OSError) as error:
        raise InputError(f"{path} is a broken file: {error}") from None
    if rows:
        yield rows


def _hub(name: str) -> Iterator[list[dict[str, Any]]]:
    try:
        import datasets
    except ImportError:
        raise MissingExtraError(
            "a Hugging Face data set needs datasets: pip install 'hackproof[language]'."
        ) from None
    _, _, rest = name.partition(":")
    where, _, split = rest.partition(":")
    try:
        if Path(where).is_dir():
            found = datasets.load_from_disk(where)
            found = found[split or "train"] if isinstance(found, datasets.DatasetDict) else found
        else:
            found = datasets.load_dataset(where, split=split or "train")
    except Exception as error:
        raise InputError(f"the data set {where!r} cannot be loaded: {error}") from None
    for k in range(0, len(found), PIECE):
        part = found[k : k + PIECE]
        yield [dict(zip(part, values, strict=True)) for values in zip(*part.values(), strict=True)]
