"""What an answer looks like: features that say little of whether it is a good answer.

Each is a number that any answer has, from words and marks alone; word lists are hackproof's own,
for English. They are crude on purpose: what they predict, any model can learn.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

WORD = re.compile(r"[a-z']+")
LETTERS = re.compile(r"[^\W\d_]+")
MARKS = re.compile(r"^\s*(?:[-*+•]|\d+[.)])\s|^#{1,6}\s|\*\*[^*\n]+\*\*|^```|^\|.*\|\s*$", re.M)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


REFUSAL = re.compile(
    r"\bi(?:'m| am) (?:sorry|afraid|unable|not able|not comfortable|not going to)\b"
    r"|\bi (?:can't|cannot|can not|won't|will not|couldn't|would not|wouldn't) "
    r"(?:help|do|provide|answer|assist|give|tell|write|say|support|recommend|discuss|condone)\b"
    r"|\bas an ai\b|\bthat(?:'s| is) not something i\b|\bi (?:don't|do not) (?:want|feel|think i)\b"
)
HEDGES = _words("""
    may might maybe perhaps possibly probably could seems seem appears appear likely
    unlikely roughly somewhat generally usually sometimes unsure uncertain suppose guess
""")
POSITIVE = _words("""
    good great love nice happy wonderful excellent best fun helpful enjoy beautiful amazing
    glad perfect safe kind fantastic friendly awesome favorite interesting better useful
    success hope thank thanks pleasure delicious healthy positive easy calm comfortable
    proud
""")
NEGATIVE = _words("""
    bad hate terrible awful worst sad angry wrong ugly horrible stupid dangerous kill hurt
    harm pain afraid fear sick illegal violent evil disgusting poor fail failure problem
    trouble difficult worse unfortunately sorry cruel nasty dumb idiot crime
""")
FLATTERY = re.compile(
    r"\b(?:great|good|excellent|wonderful|fantastic|interesting|lovely) "
    r"(?:question|point|idea|job)"
    r"|\byou(?:'re| are) (?:so |very |really |absolutely |such )?"
    r"(?:right|smart|kind|amazing|clever|brilliant|awesome|great|wise|funny|a )"
    r"|\bwhat a (?:great|good|lovely|wonderful|clever)\b"
)
VIEW = re.compile(
    r"\b(?:i(?:'m| am) (?:sure|certain|convinced)"
    r"|i (?:really |do |strongly )?(?:think|believe|feel|like|love|hate|prefer|agree|disagree|"
    r"suppose|bet)|in my (?:view|opinion)|i don't (?:think|believe|like)|it seems to me"
    r"|if you ask me)\b"
)
AGREES = re.compile(
    r"\b(?:i agree|you(?:'re| are) (?:absolutely |quite |completely )?(?:right|correct)"
    r"|that(?:'s| is) (?:right|true|correct)|exactly|absolutely|definitely|of course|good point"
    r"|me too|so do i|yes|yeah|sure)\b"
)
DISAGREES = re.compile(
    r"\b(?:i disagree|i don't agree|actually|that(?:'s| is) not (?:right|true|correct)|not really|"
    r"incorrect|mistaken|on the contrary|however|no)\b"
)


@dataclass(frozen=True)
class Feature:
    """A built-in feature."""

    name: str
    unit: str
    what: str


FEATURES = (
    Feature("length", "100 words", "words in the answer"),
    Feature("format", "marks", "list marks, headings, bold, code fences, rows of tables"),
    Feature("refusal", "0 or 1", "it says that it will not or cannot"),
    Feature("hedging", "per 100 words", "might, perhaps, probably ..."),
    Feature("agreement", "-1 to 1", "agrees with a view that the asker stated; 0 where none was"),
    Feature("sentiment", "per 100 words", "words of praise less words of blame"),
    Feature("flattery", "0 or 1", "it praises the asker or the question"),
)
NAMES = tuple(f.name for f in FEATURES)


def _foreign(low: str) -> int:
    """Return how many words of a text have no letter of a to z: `WORD` does not see them."""
    return sum(not WORD.search(w) for w in LETTERS.findall(low))


def measure(prompt: str, answer: str) -> tuple[float, ...]:
    """Return the features of an answer, in the order of `FEATURES`."""
    low = answer.lower().replace("’", "'")  # noqa: RUF001
    words = WORD.findall(low)
    count = len(words) if low.isascii() else len(words) + _foreign(low)
    n = max(count, 1)
    hedges = sum(w in HEDGES for w in words)
    good = sum(w in POSITIVE for w in words)
    bad = sum(w in NEGATIVE for w in words)
    opening = low[:240]
    agreement = 0.0
    if VIEW.search(prompt.lower().replace("’", "'")):  # noqa: RUF001
        agreement = float(bool(AGREES.search(opening))) - float(bool(DISAGREES.search(opening)))
    return (
        count / 100, float(len(MARKS.findall(answer))), float(bool(REFUSAL.search(low))),
        100 * hedges / n, agreement, 100 * (good - bad) / n, float(bool(FLATTERY.search(low))),
    )  # fmt: skip


TURN = re.compile(r"\n\n(Human|Assistant):")


def split(value: Any) -> tuple[str, str]:
    """Return (prompt, answer) of a side: a text, a dialogue as in hh-rlhf, or messages.

    Raises:
        ValueError: it is none of these, or has no answer.
    """
    if isinstance(value, str):
        turns = list(TURN.finditer(value))
        if turns and turns[-1].group(1) == "Assistant":
            return value[: turns[-1].start()].strip(), value[turns[-1].end() :].strip()
        return "", value
    found = messages(value)
    if found is None:
        raise ValueError(f"{type(value).__name__} is neither text nor messages")
    if "content" not in found[-1]:
        raise ValueError("a message without content")
    return "\n".join(_asked(found[:-1])), said(found[-1]["content"])


def messages(value: Any) -> list[Mapping[str, Any]] | None:
    """Return a list of messages, or None where a value is none."""
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, list) and value and all(isinstance(m, Mapping) for m in value):
        return value
    return None


def said(content: Any) -> str:
    """Return a message's content as text: of a list of parts, those that are text."""
    if isinstance(content, list):
        return "".join(str(p.get("text") or "") if isinstance(p, Mapping) else str(p)
                       for p in content)  # fmt: skip
    return str(content or "")


def _asked(found: list[Mapping[str, Any]]) -> list[str]:
    return [said(m.get("content")) for m in found if m.get("role") != "system"]


def system(value: Any) -> list[str]:
    """Return what a side's system messages say: part of the prompt, though no asker's words."""
    if isinstance(value, str):
        return []
    found = (messages(value) or [])[:-1]
    return [said(m.get("content")) for m in found if m.get("role") == "system"]


def prompt(value: Any) -> str:
    """Return the text of a column `prompt`: text, or messages."""
    if isinstance(value, str):
        return value
    found = messages(value)
    return str(value or "") if found is None else "\n".join(said(m.get("content")) for m in found)
