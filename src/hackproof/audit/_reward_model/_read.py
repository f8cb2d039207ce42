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
    rows, dropped = len(frame), {}
    if "score_rewritten" in frame and "score" in frame:
        frame = _known(frame, ["score", "score_rewritten"], dropped)
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
        points, notes = _points(frame, path, form, dropped)
        return Loaded(points=points, rows=rows, dropped=dropped, notes=notes)
    samples, notes = _samples(frame, path, dropped)
    return Loaded(samples=samples, rows=rows, dropped=dropped, notes=notes)


def read(path: str | Path, columns: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Return the table with columns under our names."""
    return _files.named(path, columns, ALIASES, NAMES)


def _known(frame: pd.DataFrame, names: list[str], dropped: dict[str, int]) -> pd.DataFrame:
    """Return the rows whose numbers are finite; count the others."""
    import numpy as np
    import pandas as pd

    numbers = frame[names].apply(lambda c: pd.to_numeric(c, errors="coerce"))
    good = np.asarray(np.isfinite(numbers.to_numpy(dtype=float)).all(1))
    if (~good).any():
        dropped[f"rows without a finite {' or '.join(names)}"] = int((~good).sum())
    return frame[good].assign(**{n: numbers[n][good].astype(float) for n in names})


def _points(
    frame: pd.DataFrame, path: Any, form: str | None, dropped: dict[str, int]
) -> tuple[Points, tuple[str, ...]]:
    import numpy as np

    along = next(n for n in ("kl", "d", "n") if n in frame)
    names = [along, "gold", *(["proxy"] if "proxy" in frame else [])]
    frame = _known(frame, names, dropped)
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
        note = f"taken for {forms[0] if len(forms) else form} (--form says otherwise)"
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
    key = "item" if "item" in frame else "prompt" if "prompt" in frame else None
    if key is None:
        raise InputError(
            f"{path} has neither kl, d or n (a curve) nor item (samples of answers to each prompt)."
        )
    frame = _known(frame, ["gold", *names], dropped)
    counts = frame[key].value_counts()
    if not len(counts):
        raise InputError(f"{path}: no row has a gold and a proxy score.")
    n = int(counts.mode().max())
    short = counts[counts < n]
    if len(short):
        dropped[f"rows of prompts with fewer than {n} samples"] = int(short.sum())
    frame = frame[frame[key].map(counts).to_numpy() >= n]
    frame = frame.assign(_order=frame.groupby(key, sort=False).cumcount())
    if (extra := frame["_order"] >= n).any():
        dropped[f"rows beyond {n} samples of a prompt"] = int(extra.sum())
        frame = frame[~extra]
    if n < 2:
        raise InputError(f"{path} has one sample per prompt; best-of-n needs two at least.")
    frame = frame.sort_values([key, "_order"], kind="stable")
    shape = (-1, n)
    return Samples(
        frame["gold"].to_numpy(dtype=float).reshape(shape),
        {m: frame[m].to_numpy(dtype=float).reshape(shape) for m in names},
        len(frame) // n,
    ), (f"{n} samples of {len(frame) // n:,} prompts",)
