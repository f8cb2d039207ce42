"""Reads rounds of loops from a table: a row per item and round."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hackproof.audit import _files
from hackproof.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

ALIASES = {
    "item": ("item", "id", "item_id", "question_id", "prompt_id", "sample"),
    "round": ("round", "step", "iteration", "turn", "rounds"),
    "judge": ("judge", "judge_score", "proxy", "reward", "score"),
    "gold": ("gold", "gold_score", "human", "human_score", "oracle", "true"),
    "engagement": ("engagement", "clicks", "likes", "strength"),
    "harm": ("harm", "toxicity"),
    "violations": ("violations", "constraint_violations"),
    "history": ("history", "context"),
    "condition": ("condition", "arm", "prompt"),
    "model": ("model",), "task": ("task",), "spec": ("spec",), "epoch": ("epoch", "run", "repeat"),
}  # fmt: skip
MEASURES = ("judge", "gold", "engagement", "harm", "violations")
GROUP = ("task", "model", "condition", "spec", "history")
"""What tells loops apart; a table may have any of these columns."""
SETS = (("judge", "gold"), ("engagement", "harm"), ("violations",))
"""Measures that a table must have together, one set at least."""


@dataclass(frozen=True)
class Rounds:
    """Rounds of loops, runs of one item averaged."""

    frame: pd.DataFrame
    """`loop` (a name made of GROUP), GROUP, item, round (float) and measures, NaN where missing."""
    rows: int
    dropped: Mapping[str, int]
    missing: Mapping[str, int]
    """By measure, rows in which it is missing; they are never taken for 0."""


def load(path: str | Path, columns: Mapping[str, str] | None = None) -> Rounds:
    """Return the rounds of a table.

    Raises:
        InputError: a file that cannot be read, or without the columns that are needed.
    """
    return from_frame(_files.named(path, columns, ALIASES), str(path))


def from_frame(frame: pd.DataFrame, name: str) -> Rounds:
    """Return the rounds of a table with our names.

    Args:
        frame: As read.
        name: Of the table, for errors.

    Raises:
        InputError: a column is missing, or no row can be used.
    """
    import numpy as np
    import pandas as pd

    has = ", ".join(map(str, frame.columns))
    for needed in ("item", "round"):
        if needed not in frame:
            raise InputError(
                f"{name} has no column {needed}; it has {has}. Name it: --columns {needed}=COLUMN."
            )
    if not any(all(m in frame for m in s) for s in SETS):
        wanted = ", or ".join(" and ".join(s) for s in SETS)
        raise InputError(
            f"{name} has no scores to compare; {wanted} are needed, and it has {has}. Name them: "
            "--columns judge=COLUMN gold=COLUMN."
        )
    for column in ("item", *GROUP):
        if column in frame:
            frame = frame.assign(**{column: _names(frame[column], name)})
    rows, dropped = len(frame), {}
    number = pd.to_numeric(frame["round"], errors="coerce").astype(float)
    for why, lost in (("rows without an item", frame["item"].isna()),
                      ("rows whose round is no number", ~np.isfinite(number))):  # fmt: skip
        if lost.any():
            dropped[why] = int(lost.sum())
    kept = frame["item"].notna() & np.isfinite(number)
    frame = frame[kept].assign(round=number[kept])
    if not len(frame):
        raise InputError(f"{name}: no row has an item and a round.")
    measures, missing = [m for m in MEASURES if m in frame], {}
    for m in measures:
        values = pd.to_numeric(frame[m], errors="coerce").astype(float)
        values = values.where(np.isfinite(values))
        odd = values.isna() & frame[m].notna() & (frame[m].astype(str).str.strip() != "")
        if odd.any():
            dropped[f"entries of {m} that are no numbers"] = int(odd.sum())
        frame = frame.assign(**{m: values})
    for g in GROUP:
        frame = frame.assign(**{g: frame[g].fillna("") if g in frame else ""})
    frame = frame.assign(history=frame["history"].str.lower())
    # a table may hold loops of several tasks, each with measures of its own
    by_task = frame.groupby("task")
    for m in measures:
        lost = sum(int(part[m].isna().sum()) for _, part in by_task if part[m].notna().any())
        if lost:
            missing[m] = lost
    keys = [*GROUP, "item", "round"]
    table = frame.groupby(keys, sort=False, dropna=False)[measures].mean().reset_index()
    if not np.isfinite(table[measures].to_numpy()).any():
        raise InputError(f"{name}: not one score is a number.")
    once = (table.groupby([*GROUP, "item"])["round"].nunique() < 2).sum()
    if once and table["round"].nunique() > 1:
        dropped["items of a loop with one round only, which are in no test"] = int(once)
    return Rounds(table.assign(loop=_loops(table)), rows, dropped, missing)


def _names(values: pd.Series, name: str) -> pd.Series:
    """Return a column of names as text without blanks around it, None where empty."""
    import pandas as pd

    values = values.astype("object")
    if values.map(lambda v: isinstance(v, list | dict)).any():
        raise InputError(f"{name}: column {values.name} holds lists or objects, not names.")
    text = values.where(values.isna(), values.astype(str).str.strip())
    return text.where(pd.notna(text) & (text != ""), None)


def _loops(table: pd.DataFrame) -> pd.Series:
    """Return the names of loops: what they differ in, with its column where two would be alike."""
    shown = [g for g in GROUP if table[g].nunique() > 1] or ["task"]
    short = table[shown].agg(
        lambda r: ", ".join(v for v in r if v not in ("", "default")) or "all", axis=1
    )
    if short.nunique() == len(table[shown].drop_duplicates()):
        return short
    return table[shown].agg(lambda r: ", ".join(f"{g} {v or '-'}" for g, v in r.items()), axis=1)
