"""Pairs of answers to show a judge: the user's, or a small set of hackproof's own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from hackproof.audit import _files
from hackproof.audit._judge import _words
from hackproof.audit._judge._layouts import ALIASES
from hackproof.audit._judge._verdicts import FIRST, SECOND, UNREADABLE, Names
from hackproof.errors import InputError

NAMES = {
    "question": ("question_text", "instruction", "question", "prompt", "input"),
    "item": ("item", "i", "question_id", "pair_id", "prompt_id", "id"),
    **{n: ALIASES[n] for n in ("subset", "text_1", "text_2", "gold", "model_1", "model_2")},
}
"""By our name: what a column may be called without --columns."""


@dataclass(frozen=True)
class Pair:
    """A question with two answers."""

    item: str
    question: str
    one: str
    two: str
    gold: int = -1
    """1 or 2, the better one; else not known."""
    subset: str = ""
    models: tuple[str, str] | None = None

    @property
    def better(self) -> str:
        """Return the better answer; the first where it is not known."""
        return self.two if self.gold == SECOND else self.one

    @property
    def worse(self) -> str:
        """Return the other answer."""
        return self.one if self.gold == SECOND else self.two


def builtin() -> list[Pair]:
    """Return hackproof's own pairs: questions with one right and one wrong answer, each short and
    long. The right one stands first in every other pair.
    """
    text = resources.files("hackproof.audit._judge").joinpath("questions.jsonl").read_text("utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    pairs = []
    # Every question before any length again: a limit then keeps as many questions as it can.
    for k, (right, wrong) in enumerate(
        (("right", "wrong_long"), ("right_long", "wrong"), ("right", "wrong"),
         ("right_long", "wrong_long"))
    ):  # fmt: skip
        for i, row in enumerate(rows):
            one, two, gold = row[right], row[wrong], FIRST
            if (i + k) % 2:
                one, two, gold = two, one, SECOND
            pairs.append(Pair(f"{i}.{k}", row["question"], one, two, gold))
    return pairs


def read(
    path: str | Path, columns: Mapping[str, str] | None = None, said: list[str] | None = None
) -> list[Pair]:
    """Return the pairs of a file: question (or instruction, input, prompt), text_1 and text_2 (or
    output_1, response_a ...), and where known gold, subset, model_1 and model_2.

    Args:
        path: Of the file.
        columns: Our name to the file's.
        said: Takes what could not be used.

    Raises:
        InputError: a file or column that cannot be used, or an empty text.
    """
    said = [] if said is None else said
    frame = _files.named(path, columns, NAMES)
    for needed in ("question", "text_1", "text_2"):
        if needed not in frame:
            raise InputError(
                f"{path} has no column {needed}; it has {', '.join(map(str, frame.columns))}. Name "
                f"it: --columns {needed}=COLUMN."
            )
        column = frame[needed].astype("object")
        bad = [i for i, v in enumerate(column) if not isinstance(v, str) or not v.strip()]
        if bad:
            raise InputError(f"{path}, row {bad[0] + 1} has no {needed} ({len(bad)} rows in all).")
    n = len(frame)
    gold = [-1] * n
    if "gold" in frame:
        models = None
        if "model_1" in frame and "model_2" in frame:
            models = (Names.of(frame["model_1"], n), Names.of(frame["model_2"], n))
        read_, bad, _ = _words.winners(frame["gold"], "gold", models, strict=False)
        if lost := int((read_ == UNREADABLE).sum()):
            said.append(f"{lost:,} gold labels are no winner: {', '.join(map(repr, bad))}")
        gold = [int(g) for g in read_]

    def named(name: str) -> list[str]:
        return [str(v) for v in frame[name].astype("object")] if name in frame else [""] * n

    items = named("item") if "item" in frame else list(map(str, range(n)))
    subsets, ones, twos = named("subset"), named("model_1"), named("model_2")
    questions, texts_1, texts_2 = named("question"), named("text_1"), named("text_2")
    return [
        Pair(
            items[i], questions[i], texts_1[i], texts_2[i], gold[i], subsets[i],
            (ones[i], twos[i]) if ones[i] else None,
        )
        for i in range(n)
    ]  # fmt: skip
