"""Writes a conversation down for a judge."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hackproof.evals._reasoning import Said, said

if TYPE_CHECKING:
    from inspect_ai.model import ChatMessage


def written(messages: Sequence[ChatMessage], tags: bool, *, reasoning: bool = True) -> str:
    """Return the conversation as text: one heading per entry, and what it says indented.

    Nothing that a model or a tool writes starts at the margin, so that no text can look like
    an entry of its own.

    Args:
        messages: The conversation; the system prompt is left out, since it holds the prefix
            and the cue, which are the evaluation's and not the model's.
        tags: Whether <thinking> tags mark reasoning.
        reasoning: Whether reasoning is shown.
    """
    entries: list[tuple[str, str]] = []
    for message in messages:
        if message.role == "assistant":
            thought, answer = said(message, tags)
            if reasoning and thought:
                entries.append(("assistant, private reasoning", thought))
            if answer:
                entries.append(("assistant", answer))
            for call in message.tool_calls or []:
                entries.append((f"assistant calls {call.function}", json.dumps(call.arguments)))
        elif message.role == "tool":
            text = message.error.message if message.error else message.text
            entries.append((f"result of {message.function}", text))
        elif message.role == "user":
            entries.append(("user", message.text))
    return "\n".join(f"[{head}]\n{indented(text)}" for head, text in entries)


def indented(text: str) -> str:
    """Return the text with every line moved in by two spaces."""
    return "\n".join("  " + line for line in text.splitlines())


def all_said(messages: Sequence[ChatMessage], tags: bool) -> Said:
    """Return the reasoning and the text of all turns of the model, in order, each joined."""
    turns = [said(m, tags) for m in messages if m.role == "assistant"]
    return Said(
        "\n\n".join(t.reasoning for t in turns if t.reasoning),
        "\n\n".join(t.answer for t in turns if t.answer),
    )


def acted(messages: Sequence[ChatMessage]) -> bool:
    """Tell whether the model called any tool."""
    return any(m.role == "assistant" and m.tool_calls for m in messages)
