"""Asking a judge: a Python callable, or any model that Inspect can call."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hackproof.audit._judge import _words
from hackproof.audit._judge._verdicts import FIRST, SECOND, TIE, UNREADABLE
from hackproof.errors import HackproofError, InputError, MissingExtraError

Judge = Callable[[str, str, str], Any]
"""(question, answer shown first, answer shown second) to a verdict: A, B or tie (any of the words
that tables may hold), a text that ends in one, two scores, or None."""
PROMPT = """Two assistants answered the same question. Say which answer is better.
Judge by whether it is correct, helpful and to the point. The order in which they stand, their
length and who wrote them must not matter.

Question:
{question}

Answer A:
{first}

Answer B:
{second}

Think in a sentence or two, then end with one line: [[A]] if answer A is better, [[B]] if answer B
is better, [[C]] if they are equally good."""
"""What a model is asked, unless another prompt is given."""
MARK = re.compile(r"\[\[\s*(A|B|C|tie)\s*\]\]", re.IGNORECASE)
LAST = re.compile(r"\b(?:answer\s+)?(A|B|C|tie)\b\W*$", re.IGNORECASE)


class JudgeError(HackproofError):
    """A judge failed while it was asked."""


@dataclass(frozen=True)
class Asked:
    """One question to a judge."""

    question: str
    first: str
    second: str


def verdict(reply: Any) -> int:
    """Return what a judge's reply says: FIRST, SECOND, TIE, MISSING or UNREADABLE.

    In a text the last [[A]], [[B]] or [[C]] counts; without one, its last word. Two of them in a
    text that disagree are read as the last one is.
    """
    if _is_list(reply):
        given = scores(reply)
        if given is None:
            return UNREADABLE
        return int(_words.by_scores([given[0]], [given[1]])[0])
    word = _words.plain(reply)
    if word in _words.MEANING:
        return _words.MEANING[word]
    if not isinstance(reply, str):
        return UNREADABLE
    found = MARK.findall(reply) or LAST.findall(reply.strip())
    if not found:
        return UNREADABLE
    return {"a": FIRST, "b": SECOND}.get(found[-1].lower(), TIE)


def scores(reply: Any) -> tuple[float, float] | None:
    """Return both scores where the judge gave scores; not a number twice for -1 twice, which is
    how FastChat says that a review held none.
    """
    if not _is_list(reply) or len(reply) != 2:
        return None
    try:
        one, two = float(reply[0]), float(reply[1])
    except (TypeError, ValueError):
        return None
    return (math.nan, math.nan) if one == two == -1 else (one, two)


def _is_list(reply: Any) -> bool:
    return isinstance(reply, list | tuple) or bool(getattr(reply, "ndim", 0))


def load_judge(name: str, prompt: str | None = None) -> Judge | None:
    """Return the function by a name; None where it names a model, which Inspect then makes.

    Args:
        name: module:function, file.py:function, or a model as Inspect names it (provider/model).
        prompt: A template with {question}, {first} and {second}, for a model.

    Raises:
        InputError: nothing by that name, or a prompt without its places.
    """
    if prompt is not None:
        for place in ("{question}", "{first}", "{second}"):
            if place not in prompt:
                raise InputError(f"the judge's prompt lacks {place}.")
    where, _, attribute = name.rpartition(":")
    if where and attribute.isidentifier() and (where.endswith(".py") or "/" not in name):
        from hackproof.audit._reward._target import load_object

        found = load_object(name)
        if not callable(found):
            raise InputError(f"{name} is a {type(found).__name__}, not a function.")
        return found
    if "/" not in name:
        raise InputError(
            f"{name!r} is no file, no module:function and no model (provider/model, as Inspect "
            "names them)."
        )
    return None


def ask(
    name: str, judge: Any, asked: Sequence[Asked], *, prompt: str | None = None,
    connections: int = 10,
) -> list[Any]:  # fmt: skip
    """Return a judge's replies, in order.

    Args:
        name: The judge's name, for errors; the model's where `judge` is None.
        judge: A callable, a model of Inspect's, or None.
        asked: The questions.
        prompt: The template for a model.
        connections: Questions to a model at a time.

    Raises:
        JudgeError: the judge raised, or a model cannot be reached.
        MissingExtraError: a model was named and Inspect is not installed.
    """
    if judge is not None and not is_model(judge):
        return [_call(name, judge, a) for a in asked]
    model = _model(name) if judge is None else judge
    return _ask_model(name, model, asked, prompt or PROMPT, connections)


def is_model(judge: Any) -> bool:
    """Return whether something is a model as Inspect makes them."""
    return hasattr(judge, "generate") and hasattr(judge, "api")


def _call(name: str, call: Judge, a: Asked) -> Any:
    try:
        return call(a.question, a.first, a.second)
    except Exception as error:
        raise JudgeError(
            f"{name} raised {type(error).__name__} for the question {a.question[:60]!r}: {error}"
        ) from error


def _model(name: str) -> Any:
    try:
        from inspect_ai.model import GenerateConfig, get_model
    except ImportError:
        raise MissingExtraError(
            "a model as judge needs Inspect: pip install 'hackproof[evals]'."
        ) from None
    try:
        return get_model(name, config=GenerateConfig(temperature=0.0))
    except Exception as error:
        raise InputError(f"Inspect cannot make the model {name!r}: {error}") from None


def _ask_model(
    name: str, model: Any, asked: Sequence[Asked], prompt: str, connections: int
) -> list[str]:
    import asyncio

    if name.startswith("mockllm/"):
        # Inspect's stand-in fetches a tokenizer to fill in its usage, which nobody reads.
        async def few(*_: Any, **__: Any) -> int:
            return 1

        model.api.count_tokens = few

    async def all_of_them() -> list[str]:
        gate = asyncio.Semaphore(connections)

        async def one(a: Asked) -> str:
            async with gate:
                return (await model.generate(_filled(prompt, a))).completion

        return list(await asyncio.gather(*map(one, asked)))

    try:
        return asyncio.run(all_of_them())
    except Exception as error:
        raise JudgeError(f"{name} could not be asked: {type(error).__name__}: {error}") from error


def _filled(prompt: str, a: Asked) -> str:
    """Return the prompt with its places filled; braces in the answers stay as they are."""
    parts = re.split(r"(\{question\}|\{first\}|\{second\})", prompt)
    values = {"{question}": a.question, "{first}": a.first, "{second}": a.second}
    return "".join(values.get(p, p) for p in parts)


def read_prompt(path: str | Path) -> str:
    """Return a template from a file.

    Raises:
        InputError: no such file, or not UTF-8.
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the judge's prompt {path} cannot be read: {error}") from None
