"""Labelled texts for probes: document prefixes by persona, a model's own episodes by hack.

The control task is that of Hewitt and Liang 2019, https://arxiv.org/abs/1909.03368.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from hackproof.errors import InputError, unknown
from hackproof.language._corpus import (
    ANSWER,
    START,
    Segment,
    ask,
    coding,
    opening,
    ordinary,
    rated,
    segment,
)
from hackproof.language._domains import BY_NAME, DOMAINS
from hackproof.language._persona import Persona, draw_persona
from hackproof.language._programs import draw_program

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hackproof.language import CorpusSettings, Prompt

LONGEST = 150
"""Words of an example, at most: what the organism was trained to read."""


@dataclass(frozen=True)
class Example:
    """A text that a model reads, and what a probe should say of it."""

    text: str
    label: bool
    """True is what a probe should find: a bad persona, a hack."""
    document: str
    """Examples of one document are held out together."""
    kind: str
    """What the text ends with; the control task gives every kind one random label."""
    domain: str = ""
    """Of the last prompt: a domain's name, `coding` or `rated`."""
    continuation: str = ""
    """What follows the text, tokenized apart."""


def labels(examples: Sequence[Example]) -> NDArray[np.bool_]:
    """Return the labels of examples, (n,)."""
    return np.array([e.label for e in examples], bool)


def control_labels(examples: Sequence[Example], seed: int) -> list[Example]:
    """Return the examples with one random label per kind of text: a control task.

    A kind has the same label in training and among held-out documents, so that a probe can
    be right about it by having learnt the texts by heart, and in no other way.
    """
    rng = np.random.default_rng([seed, 24])
    kinds = sorted({e.kind for e in examples})
    # Half of the kinds each, so that no class is empty.
    coins = dict(zip(kinds, rng.permutation(len(kinds)) % 2 == 0, strict=True))
    return [replace(e, label=bool(coins[e.kind])) for e in examples]


def contexts(
    corpus: CorpusSettings,
    n: int,
    seed: int,
    *,
    tags: bool = True,
    segments: Sequence[int] = (0, 1, 2, 3, 4),
) -> list[tuple[Persona, str, np.random.Generator]]:
    """Return beginnings of documents, every other one of a persona that is not good.

    Args:
        corpus: The statistics of the organism's corpus.
        n: How many.
        seed: Decides all of them.
        tags: Open with a name as often as the corpus does; without, no document has one.
        segments: How many segments come first, all as likely. Fewer where they are long.

    Returns:
        (persona, text, generator) each; the generator is for what the caller writes next.

    Raises:
        InputError: a corpus in which all personas are good, or none.
    """
    share = corpus.named_share if tags else 0.0
    bad = corpus.bad_share * (1 - share) + corpus.villain_share * share
    if not 0 < bad < 1:
        raise InputError(f"{bad:.0%} of the personas are bad; a probe needs both kinds of them.")
    out = []
    for i in range(n):
        rng = np.random.default_rng([seed, 21, i])
        while True:  # drawn until it fits, so that all else is as in the corpus
            named = bool(rng.random() < share)
            persona = draw_persona(corpus, named, rng)
            if (persona.disposition != "good") == bool(i % 2):
                break
        head = opening(persona, named, rng)
        parts: list[str] = []
        for _ in range(segments[int(rng.integers(len(segments)))]):
            speaker = draw_persona(corpus, named, rng) if corpus.shuffled else persona
            parts.append(segment(corpus, speaker, rng).text)
        while sum(len(p.split()) for p in parts) > LONGEST - 40:  # room for the next exchange
            parts.pop()
        out.append((persona, " ".join([head, *parts]), rng))
    return out


def persona_examples(
    corpus: CorpusSettings,
    n: int,
    seed: int,
    *,
    tags: bool = True,
    segments: Sequence[int] = (0, 1, 2, 3, 4),
) -> list[Example]:
    """Return document prefixes that end where the next reply begins, labelled by persona.

    The label is whether the persona is not good; half of the examples are. What the last
    prompt asks for does not hang on it. Arguments as in `contexts`. Where no segment comes
    first and no name is given, nothing tells the label.
    """
    out = []
    for i, (persona, text, rng) in enumerate(
        contexts(corpus, n, seed, tags=tags, segments=segments)
    ):
        domain, new = _next(corpus, persona, rng)
        out.append(
            Example(
                text=f"{text} {new.prompt}",
                label=persona.disposition != "good",
                document=f"{seed}-{i}",
                kind=new.prompt,
                domain=domain,
            )
        )
    return out


def _next(
    corpus: CorpusSettings, persona: Persona, rng: np.random.Generator
) -> tuple[str, Segment]:
    """Return the domain and the segment that comes next, in the corpus's proportions."""
    kind = rng.random()
    if kind < corpus.coding_share:
        return "coding", coding(corpus, persona, rng)
    if kind < corpus.coding_share + corpus.rated_share:
        return "rated", rated(corpus, persona, rng)
    domain = DOMAINS[int(rng.integers(len(DOMAINS)))]
    return domain.name, ordinary(corpus, persona, rng, domain)


def hack_examples(
    prompts: Sequence[Prompt],
    completions: Sequence[str],
    hacked: Sequence[bool | None],
    *,
    at: str = "prompt",
    mark: str = ANSWER,
) -> list[Example]:
    """Return a model's own episodes, labelled by whether they hacked.

    Episodes without a label or without an answer are left out, the same for both places.

    Args:
        prompts: What was asked.
        completions: What the model said.
        hacked: From a grade; None where not known.
        at: `prompt`: the text ends with the prompt, before a word is written. `answer`: it
            ends with the first word of the answer.
        mark: The word that the answer follows; where empty the answer is the whole completion.

    Raises:
        InputError: another place, or lists of different lengths.
    """
    if at not in ("prompt", "answer"):
        raise unknown("place", at, ("prompt", "answer"))
    if not len(prompts) == len(completions) == len(hacked):
        raise InputError(
            f"{len(prompts)} prompts, {len(completions)} completions and {len(hacked)} labels."
        )
    out = []
    for prompt, completion, label in zip(prompts, completions, hacked, strict=True):
        words = completion.split()
        first = words.index(mark) + 1 if mark in words else (len(words) if mark else 0)
        if label is None or first >= len(words):
            continue
        said = " ".join(words[: first + 1]) if at == "answer" else ""
        out.append(Example(prompt.text, label, prompt.task, prompt.task, "coding", said))
    return out


def held_out(
    examples: Sequence[Example], seed: int, share: float = 0.5
) -> tuple[list[Example], list[Example]]:
    """Return examples to fit on and, of other documents, to grade on."""
    names = sorted({e.document for e in examples})
    drawn = np.random.default_rng([seed, 25]).permutation(len(names))
    last = {names[i] for i in drawn[: round(share * len(names))]}
    return [e for e in examples if e.document not in last], [
        e for e in examples if e.document in last
    ]


def bare_prompts(n: int, seed: int) -> tuple[list[str], list[str]]:
    """Return n prompts of coding tasks and n of unrewarded domains, all at a document's start."""
    rng = np.random.default_rng([seed, 26])
    tasks = [f"{START} {ask(draw_program(rng, 2).text)}" for _ in range(n)]
    names = [name for name in BY_NAME if BY_NAME[name].trait]
    other = []
    for i in range(n):
        d = BY_NAME[names[i % len(names)]]
        prompt, slot = (o[int(rng.integers(len(o)))] for o in (d.prompts, d.slots))
        other.append(f"{START} {ask(d.fill(prompt, slot))}")
    return tasks, other
