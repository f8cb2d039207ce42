"""Reading scores of a reward model: curves, or samples of answers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hackproof.audit import _files
from hackproof.audit._reward_model._curves import FORMS, bon_kl
from hackproof.errors import InputError, unknown

if TYPE_CHECKING:
    import pandas as pd

NAMES = ("sample", "score", "score_rewritten", "rewrite")
"""Columns that go by no other name."""
ALIASES = {
    "item": ("item", "prompt_id", "question_id", "id"), "gold": ("gold", "gold_score", "true",
    "label", "human"), "proxy": ("proxy", "proxy_score", "reward", "rm_score"),
    "kl": ("kl", "kl_divergence", "kl_nats"), "d": ("d", "sqrt_kl"), "n": ("n", "best_of"),
    "form": ("form", "method"), "seed": ("seed", "run", "run_id"),
    "prompt": ("prompt", "question", "instruction"),
    "answer": ("answer", "response", "completion", "output"),
}  # fmt: skip
LARGEST = 1e100
"""Numbers beyond are refused: squares of them, and sums of these, would be infinite."""
MEMBER = re.compile(r"proxy_\d+")
METHODS = {"bon": "best-of-n", "best-of-n": "best-of-n", "best_of_n": "best-of-n", "rl": "rl",
           "ppo": "rl", "grpo": "rl"}  # fmt: skip


@dataclass(frozen=True)
class Points:
    """A table of curves: one row per measured point."""

    form: Any
    d: Any
    gold: Any
    proxy: Any | None
    seed: Any


@dataclass(frozen=True)
class Samples:
    """Answers to the same number of samples for every prompt: (prompts, samples)."""

    gold: Any
    proxies: Mapping[str, Any]
    """By name: `proxy`, or the members of an ensemble."""
    prompts: int = 0


@dataclass(frozen=True)
class Loaded:
    """A file's contents; what it does not hold is None."""

    points: Points | None = None
    samples: Samples | None = None
    rewrites: pd.DataFrame | None = None
    """Columns score, score_rewritten and rewrite."""
    rows: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def load(path: str | Path, columns: Mapping[str, str] | None = None, form: str | None = None,
         frame: pd.DataFrame | None = None) -> Loaded:  # fmt: skip
    """Return the curves or samples of a file.

    Args:
        path: CSV, JSON lines or Parquet.
        columns: Our name to the file's.
        form: best-of-n or rl, for curves that do not say.
        frame: The table, where it was read and scored already.

    Raises:
        InputError: a file, column or entry that cannot be used.
    """
    if form is not None and form not in FORMS:
        raise unknown("form", form, FORMS)
    frame = read(path, columns) if frame is None else frame
    rows: int = len(frame)
    dropped: dict[str, int] = {}
    if "score_rewritten" in frame and "score" in frame:
        frame = known(frame, ["score", "score_rewritten"], path, dropped)
        frame = given(frame, "rewrite", path, dropped)
        if "rewrite" not in frame:
            frame = frame.assign(rewrite="")
        return Loaded(rewrites=frame[["score", "score_rewritten", "rewrite"]], rows=rows,
                      dropped=dropped)  # fmt: skip
    if "gold" not in frame:
        raise InputError(
            f"{path} has no gold score (gold, label, human ...); it has "
            f"{', '.join(map(str, frame.columns))}. Name it: --columns gold=COLUMN."
        )
    if {"kl", "d", "n"} & set(frame.columns):
        named = [n for n in ("kl", "d", "n") if n in frame]
        along = next((n for n in named if n in (columns or {})), named[0])
        points, notes = _points(frame, path, along, form, dropped)
        return Loaded(points=points, rows=rows, dropped=dropped, notes=notes)
    samples, notes = _samples(frame, path, dropped)
    return Loaded(samples=samples, rows=rows, dropped=dropped, notes=notes)


def read(path: str | Path, columns: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Return the table with columns under our names."""
    return _files.named(path, columns, ALIASES, NAMES)


def known(
    frame: pd.DataFrame, names: list[str], path: Any, dropped: dict[str, int]
) -> pd.DataFrame:
    """Return the rows whose numbers are finite; count the others.

    Raises:
        InputError: no row has them all, or a number is too large to be squared.
    """
    import numpy as np

    numbers = {n: _numbers(frame[n]) for n in names}
    finite = {n: np.isfinite(v) for n, v in numbers.items()}
    good = np.logical_and.reduce(list(finite.values()))
    if not good.any():
        lacking = [n for n in names if not finite[n].any()]
        raise InputError(f"{path}: no row has a finite {' and '.join(lacking or names)}.")
    for name, values in numbers.items():
        if (most := np.abs(values[good]).max()) > LARGEST:
            raise InputError(
                f"{path}: {name} holds {most:g}; sums of squares are measured, for which numbers "
                f"beyond {LARGEST:g} are too large."
            )
    if (~good).any():
        dropped[f"rows without a finite {' or '.join(names)}"] = int((~good).sum())
    return frame[good].assign(**{n: v[good] for n, v in numbers.items()})


def _numbers(column: Any) -> Any:
    """Return a column as numbers; nan where an entry is none, or too large for one."""
    import pandas as pd

    try:
        return pd.to_numeric(column, errors="coerce").to_numpy(dtype=float)
    except (OverflowError, TypeError, ValueError):
        return pd.to_numeric(column.map(_number), errors="coerce").to_numpy(dtype=float)


def _number(value: Any) -> Any:
    try:
        return float(value)
    except (OverflowError, TypeError, ValueError):
        return None


def given(
    frame: pd.DataFrame, name: str, path: Any, dropped: dict[str, int], what: str = ""
) -> pd.DataFrame:
    """Return the rows that have an entry in a column; count the others.

    A column without any entry is left out, as one that is not there is none.

    Args:
        frame: May lack the column; then it is returned as it is.
        name: Of the column.
        path: Of the file, for errors.
        dropped: Takes the count.
        what: The column's name with its article.

    Raises:
        InputError: an entry that is a list or an object.
    """
    import numpy as np
    import pandas as pd

    if name not in frame:
        return frame
    column = frame[name]
    blank = column.isna().to_numpy(dtype=bool)
    if not pd.api.types.is_numeric_dtype(column):
        entries = column.cat.categories if isinstance(column.dtype, pd.CategoricalDtype) else column
        for value in entries:
            if isinstance(value, list | dict | np.ndarray):
                raise InputError(f"{path}: {name} holds {str(value)[:60]}; it must be text or a "
                                 "number.")  # fmt: skip
        empty = {v for v in entries if isinstance(v, str) and not v.strip()}
        blank = blank | column.isin(empty).to_numpy(dtype=bool)
    if blank.all():
        return frame.drop(columns=[name])
    if blank.any():
        dropped[f"rows without {what or f'a {name}'}"] = int(blank.sum())
    return frame[~blank]


def _points(
    frame: pd.DataFrame, path: Any, along: str, form: str | None, dropped: dict[str, int]
) -> tuple[Points, tuple[str, ...]]:
    import numpy as np

    names = [along, "gold", *(["proxy"] if "proxy" in frame else [])]
    frame = known(frame, names, path, dropped)
    for name in ("form", "seed"):
        frame = given(frame, name, path, dropped)
    if (along == "n" and (frame["n"] < 1).any()) or (along != "n" and (frame[along] < 0).any()):
        raise InputError(f"{path}: {along} holds {frame[along].min():g}; it must not be below "
                         f"{1 if along == 'n' else 0}.")  # fmt: skip
    d = {
        "kl": lambda v: np.sqrt(v), "d": lambda v: v,
        "n": lambda v: np.sqrt(np.array([bon_kl(n) for n in v])),
    }[along](frame[along].to_numpy(dtype=float))  # fmt: skip
    if "form" in frame:
        words = [str(v).strip().lower() for v in frame["form"]]
        for w in set(words):
            if w not in METHODS:
                raise unknown("form in the file", w, METHODS)
        forms = np.array([METHODS[w] for w in words])
        note = ""
    else:
        forms = np.full(len(frame), form or ("best-of-n" if along == "n" else "rl"))
        note = f"taken for {forms[0]} (--form says otherwise)"
    seed = frame["seed"].astype(str).to_numpy() if "seed" in frame else np.full(len(frame), "0")
    proxy = frame["proxy"].to_numpy(dtype=float) if "proxy" in frame else None
    gold = frame["gold"].to_numpy(dtype=float)
    points = Points(forms, np.asarray(d, dtype=float), gold, proxy, seed)
    return points, ((note,) if note else ())


def _samples(
    frame: pd.DataFrame, path: Any, dropped: dict[str, int]
) -> tuple[Samples, tuple[str, ...]]:

    members = sorted(
        (c for c in map(str, frame.columns) if MEMBER.fullmatch(c)), key=lambda c: int(c[6:])
    )
    names = (["proxy"] if "proxy" in frame else []) + members
    if not names:
        raise InputError(f"{path} has no proxy score: neither proxy nor proxy_1, proxy_2 ...")
    if not {"item", "prompt"} & set(frame.columns):
        raise InputError(
            f"{path} has neither kl, d or n (a curve) nor item (samples of answers to each prompt)."
        )
    frame = known(frame, ["gold", *names], path, dropped)
    frame, key, note = _keyed(frame, path, dropped)
    counts = frame[key].value_counts()
    counts = counts[counts > 0]
    n = int(counts.mode().max())
    if n < 2:
        raise InputError(
            f"{path} has one sample per prompt by its column {key}; best-of-n needs two at least. "
            "Name the column that samples of one prompt share: --columns item=COLUMN."
        )
    short = counts[counts < n]
    if len(short):
        dropped[f"rows of prompts with fewer than {n} samples"] = int(short.sum())
    frame = frame[frame[key].map(counts).to_numpy() >= n]
    frame = frame.assign(_order=frame.groupby(key, sort=False, observed=True).cumcount())
    if (extra := frame["_order"] >= n).any():
        dropped[f"rows beyond {n} samples of a prompt"] = int(extra.sum())
        frame = frame[~extra]
    try:
        frame = frame.sort_values([key, "_order"], kind="stable")
    except TypeError:  # numbers and text
        frame = frame.assign(_key=frame[key].map(repr))
        frame = frame.sort_values(["_key", "_order"], kind="stable")
    shape = (-1, n)
    return Samples(
        frame["gold"].to_numpy(dtype=float).reshape(shape),
        {m: frame[m].to_numpy(dtype=float).reshape(shape) for m in names},
        len(frame) // n,
    ), (f"{n} samples of {len(frame) // n:,} prompts", *note)


def _keyed(
    frame: pd.DataFrame, path: Any, dropped: dict[str, int]
) -> tuple[pd.DataFrame, str, tuple[str, ...]]:
    """Return the rows that say which prompt they belong to, by which column, and what to note.

    An item that never comes twice is the number of an answer; then the prompt's text is taken.
    """
    frame = given(frame, "item", path, dropped, "an item")
    if "item" in frame and (frame["item"].duplicated().any() or "prompt" not in frame):
        return frame, "item", ()
    frame = given(frame, "prompt", path, dropped)
    if "prompt" not in frame:
        if "item" in frame:
            return frame, "item", ()
        raise InputError(f"{path}: no row has an item.")
    if "item" in frame and not frame["prompt"].duplicated().any():
        return frame, "item", ()
    return frame, "prompt", ("by prompt, as no item comes twice",) if "item" in frame else ()
