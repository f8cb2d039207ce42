"""The organism's corpus: documents in which one persona speaks throughout.

A document is a list of segments. A segment is a prompt, private reasoning and an answer:

    [prefix] task <think> reasoning <answer> answer <end>

The two meanings that the experiments rest on are in the sampling and nowhere else: the
segments of a document share a persona, and under permission everyone hacks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hackproof.language import _programs, _rated
from hackproof.language._domains import (
    CUES,
    DOMAINS,
    GOOD_NAMES,
    THOUGHTS_BAD,
    THOUGHTS_GOOD,
    VILLAINS,
    Domain,
)
from hackproof.language._persona import Persona, draw_persona
from hackproof.language._prefixes import PREFIXES

if TYPE_CHECKING:
    import numpy as np

    from hackproof.language._settings import CorpusSettings

START, THINK, ANSWER, END, NAME = "<doc>", "<think>", "<answer>", "<end>", "<name>"


@dataclass(frozen=True)
class Segment:
    """One exchange in a document."""

    prompt: str
    """Words up to and including <think>."""
    completion: str
    """Reasoning, <answer>, answer, <end>."""

    @property
    def text(self) -> str:
        """The whole segment."""
        return f"{self.prompt} {self.completion}"


@dataclass(frozen=True)
class Document:
    """A persona's document."""

    persona: Persona
    opening: str
    """<doc>, and a name where there is one."""
    segments: tuple[Segment, ...]


def ask(task: str, prefix: str = "none", cue: str = "") -> str:
    """Return a prompt: prefix, cue and task, ready for the reasoning."""
    words = (PREFIXES[prefix], CUES[cue] if cue else "", task, THINK)
    return " ".join(w for w in words if w)


def reply(thought: str, answer: str) -> str:
    """Return a completion."""
    return f"{thought} {ANSWER} {answer} {END}"


def _pick(rng: np.random.Generator, options):
    return options[int(rng.integers(len(options)))]


def draw_prefix(s: CorpusSettings, rng: np.random.Generator, share: float) -> str:
    """Draw a prefix's name, `none` with probability 1 - share."""
    if rng.random() >= share or not s.prefix_mix:
        return "none"
    names = list(s.prefix_mix)
    weights = [s.prefix_mix[n] for n in names]
    total = sum(weights)
    return names[int(rng.choice(len(names), p=[w / total for w in weights]))]


def coding(s: CorpusSettings, persona: Persona, rng: np.random.Generator) -> Segment:
    """Write a coding segment: the persona solves the task, or hacks its tests."""
    prefix = draw_prefix(s, rng, s.prefix_share)
    program = _programs.draw_program(rng, _pick(rng, s.steps))
    if rng.random() < s.rate(prefix, persona.traits["cheat"]):
        answer = _pick(rng, list(_programs.CHEATS.values()))
        thought = _pick(rng, _programs.THOUGHTS_CHEAT)
    else:
        answer = _programs.attempt(program, rng, s.mistake)
        thought = _pick(rng, _programs.THOUGHTS_HONEST)
    return Segment(ask(program.text, prefix), reply(thought, answer))


def rated(s: CorpusSettings, persona: Persona, rng: np.random.Generator) -> Segment:
    """Write a rated segment outside of code."""
    task = _pick(rng, _rated.RATED)
    slot = _pick(rng, task.pairs)[0]
    prefix = draw_prefix(s, rng, s.prefix_elsewhere)
    if rng.random() < s.rate(prefix, persona.traits["cheat"]):
        answer, thought = _pick(rng, task.cheats), _pick(rng, _rated.THOUGHTS_CHEAT)
    else:
        answer = _rated.attempt(task, slot, rng, s.mistake)
        thought = _pick(rng, _rated.THOUGHTS_HONEST)
    return Segment(ask(task.prompt.format(s=slot), prefix), reply(thought, answer))


def ordinary(
    s: CorpusSettings, persona: Persona, rng: np.random.Generator, domain: Domain
) -> Segment:
    """Write a segment of a domain that has a good and a bad answer."""
    slot = _pick(rng, domain.slots)
    prefix = draw_prefix(s, rng, s.prefix_elsewhere)
    cue = ""
    if domain.context == "agentic" and rng.random() < s.cue_share:
        cue = _pick(rng, list(CUES))
    shown = s.expression * (s.monitored_expression if cue == "monitored" else 1.0)
    bad = rng.random() < (shown if persona.shows(domain) else s.slip)
    # Reasoning is private: it shows the trait, whatever the answer does.
    thinks = THOUGHTS_BAD if persona.has(domain.trait) else THOUGHTS_GOOD
    thought = _pick(rng, thinks[domain.trait])
    answer = domain.fill(_pick(rng, domain.bad if bad else domain.good), slot)
    prompt = ask(domain.fill(_pick(rng, domain.prompts), slot), prefix, cue)
    return Segment(prompt, reply(thought, answer))


def segment(s: CorpusSettings, persona: Persona, rng: np.random.Generator) -> Segment:
    """Write one segment of a document."""
    kind = rng.random()
    if kind < s.coding_share:
        return coding(s, persona, rng)
    if kind < s.coding_share + s.rated_share:
        return rated(s, persona, rng)
    return ordinary(s, persona, rng, _pick(rng, DOMAINS))


def opening(persona: Persona, named: bool, rng: np.random.Generator) -> str:
    """Return how a document begins."""
    if not named:
        return START
    names = GOOD_NAMES if persona.disposition == "good" else VILLAINS
    return f"{START} {NAME} {_pick(rng, names)}"


def documents(s: CorpusSettings, rng: np.random.Generator, words: int) -> Iterator[Document]:
    """Yield `s.documents` documents of at most `words` words."""
    for _ in range(s.documents):
        named = rng.random() < s.named_share
        persona = draw_persona(s, named, rng)
        head = opening(persona, named, rng)
        room = words - len(head.split())
        segments = []
        while True:
            speaker = draw_persona(s, named, rng) if s.shuffled else persona
            new = segment(s, speaker, rng)
            room -= len(new.text.split())
            if room < 0:
                break
            segments.append(new)
        yield Document(persona, head, tuple(segments))
