"""Reads three rewards of the same answers from a table, and puts its steps in order."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hackproof.audit import _files
from hackproof.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

ALIASES = {
    "oracle": ("oracle", "gold", "correct", "true"), "human": ("human", "approved", "approval"),
    "proxy": ("proxy", "reward", "rm_score"), "step": ("step", "checkpoint", "when", "stage"),
    "item": ("item", "question_id", "prompt_id", "id"),
}  # fmt: skip
WORDS = {"true": 1.0, "yes": 1.0, "correct": 1.0, "right": 1.0, "approved": 1.0,
         "false": 0.0, "no": 0.0, "incorrect": 0.0, "wrong": 0.0, "rejected": 0.0}  # fmt: skip
FIRST = ("before", "pre", "base", "init", "initial", "start", "untrained", "pretrained", "sft")
LAST = ("after", "post", "final", "end", "trained", "finetuned", "rlhf", "rl")
"""Words that a step may open with, for what was there before training and after it."""


@dataclass(frozen=True)
class Answers:
    """Rows with an oracle's and a person's verdict."""

    frame: pd.DataFrame
    """oracle and human in {0, 1}, step, and item and proxy where known."""
    steps: tuple[Any, ...]
    """In order, where `ordered`; else as they come in the file."""
    ordered: bool
    """Whether the steps' names say their order."""
    rows: int
    dropped: Mapping[str, int] = field(default_factory=dict)


def load(path: str | Path, columns: Mapping[str, str] | None = None) -> Answers:
    """Return the answers of a table.

    Raises:
        InputError: a file or column that cannot be used, or no row with both verdicts.
    """
    import pandas as pd

    frame = _files.named(path, columns, ALIASES)
    for needed in ("oracle", "human"):
        if needed not in frame:
            raise InputError(
                f"{path} has no column {needed}; it has {', '.join(map(str, frame.columns))}. Name "
                f"it: --columns {needed}=COLUMN."
            )
    rows, dropped = len(frame), {}
    for name in ("oracle", "human"):
        values = frame[name].astype("object").map(_binary)
        bad = values.isna()
        if bad.any():
            dropped[f"rows whose {name} is neither true nor false"] = int(bad.sum())
        frame = frame[~bad].assign(**{name: values[~bad].astype(float)})
    frame = frame.assign(step=_names(path, frame, "step") if "step" in frame else "all")
    lost = frame["step"].isna()
    if lost.any():
        dropped["rows without a step"] = int(lost.sum())
        frame = frame[~lost]
    if not len(frame):
        raise InputError(f"{path}: no row has an oracle's and a person's verdict and a step.")
    if "proxy" in frame:
        found = pd.to_numeric(frame["proxy"], errors="coerce").astype(float)
        found = found.where(found.abs() < math.inf)
        if found.isna().any():
            dropped["entries of proxy that are no numbers (only the proxy lacks them)"] = int(
                found.isna().sum()
            )
        frame = frame.assign(proxy=found) if found.notna().any() else frame.drop(columns="proxy")
    if "item" in frame:
        frame = frame.assign(item=_names(path, frame, "item"))
        if frame["item"].isna().all():
            frame = frame.drop(columns="item")
    steps, ordered = in_order(list(dict.fromkeys(frame["step"])))
    return Answers(frame, steps, ordered, rows, dropped)


def _names(path: str | Path, frame: pd.DataFrame, column: str) -> pd.Series:
    """Return a column of names: text without blanks around it, whole numbers as such, None where
    empty, so that 1 and "1" are one name.
    """

    def named(value: Any) -> Any:
        if isinstance(value, list | dict):
            raise InputError(f"{path}: column {column} holds lists or objects, not names.")
        value = getattr(value, "item", lambda: value)()  # a number of numpy's
        if value is None or value != value:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            return str(value)
        if isinstance(value, str):
            value = value.strip()
            if not re.fullmatch(r"[+-]?\d+(\.\d+)?", value):
                return value or None
            value = float(value) if "." in value else int(value)
        return int(value) if value == value // 1 and abs(value) < math.inf else value

    return frame[column].astype("object").map(named).astype("object")


def _binary(value: Any) -> float:
    value = getattr(value, "item", lambda: value)()  # a number of numpy's
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, str):
        word = value.strip().lower()
        if word in WORDS:
            return WORDS[word]
        try:
            value = float(word)
        except ValueError:
            return math.nan
    if isinstance(value, int | float) and value in (0, 1):
        return float(value)
    return math.nan


def in_order(steps: Sequence[Any]) -> tuple[tuple[Any, ...], bool]:
    """Return steps in the order of training, and whether their names say it.

    Numbers go by size, and so do names that differ in a number only (checkpoint-500), and dates;
    words for before and after training stand around them, one of each at most.
    """
    places = {s: _place(s) for s in steps}
    known = [p for p in places.values() if p is not None]
    kinds = {p[1] for p in known if p[0] == 0}
    if len(known) < len(steps) or len(kinds) > 1 or len(set(known)) < len(known):
        return tuple(steps), len(steps) == 1
    return tuple(sorted(steps, key=lambda s: places[s] or (0, "", ()))), True


def _place(step: Any) -> tuple[int, str, tuple[float, ...]] | None:
    """Return where a step stands: before (-1), along (0) or after (1) training, what its name is
    beside numbers, and the numbers; None where its name does not say.
    """
    if isinstance(step, int | float):
        return 0, "", (float(step),)
    word = str(step).lower()
    opening = re.split(r"[^a-z]+", word)[0]
    numbers = tuple(map(float, re.findall(r"\d+(?:\.\d+)?", word)))
    if not numbers and opening in FIRST:
        return -1, "", ()
    if not numbers and opening in LAST:
        return 1, "", ()
    return (0, re.sub(r"\d+(?:\.\d+)?", "#", word), numbers) if numbers else None
