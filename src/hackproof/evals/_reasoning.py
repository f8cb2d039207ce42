"""Keeps private reasoning apart from the answer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from inspect_ai.model import ChatMessage

_OPEN = re.compile(r"<think(?:ing)?>", re.IGNORECASE)
_CLOSE = re.compile(r"</think(?:ing)?>", re.IGNORECASE)


class Said(NamedTuple):
    """What a model thought and what it said."""

    reasoning: str
    answer: str


def split(text: str) -> Said:
    """Cut everything between <thinking> tags (or <think>) out of a text.

    A closing tag without an opening one ends reasoning that began with the text, as chat
    templates write it that put the opening tag into the prompt. Reasoning that was never
    closed, because the model ran out of tokens, is reasoning to the end: nothing of it may
    pass for an answer.
    """
    thoughts: list[str] = []
    said: list[str] = []
    at, first = 0, _CLOSE.search(text)
    opened = _OPEN.search(text)
    if first and (opened is None or first.start() < opened.start()):
        thoughts.append(text[: first.start()])
        at = first.end()
    while found := _OPEN.search(text, at):
        said.append(text[at : found.start()])
        end = _CLOSE.search(text, found.end())
        thoughts.append(text[found.end() : end.start() if end else len(text)])
        at = end.end() if end else len(text)
    said.append(text[at:])
    return Said(_joined(thoughts), _joined(said))


def said(message: ChatMessage, tags: bool) -> Said:
    """Return what a message holds as reasoning and what as text.

    Reasoning that the provider marks as such always counts as reasoning; text within tags
    does where `tags` is set. Of redacted reasoning only its summary can be read.
    """
    if isinstance(message.content, str):
        thoughts, text = [], message.content
    else:
        thoughts = [
            (c.summary or "") if c.redacted else c.reasoning
            for c in message.content
            if c.type == "reasoning"
        ]
        text = "\n".join(c.text for c in message.content if c.type == "text")
    found = split(text) if tags else Said("", text.strip())
    return Said(_joined([*thoughts, found.reasoning]), found.answer)


def _joined(parts: list[str]) -> str:
    return "\n\n".join(p.strip() for p in parts if p.strip())
