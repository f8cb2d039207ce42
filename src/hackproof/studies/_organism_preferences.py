"""Preference data of the organism's world, and RLHF on it.

The pairs are what raters of answers would give: a good answer over a bad one in every
domain, an honest program over a hack. The preference model sees answers only; reasoning is
private and never shown to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from hackproof.language import Grade, Prompt
from hackproof.language._corpus import ANSWER, END, START, ask
from hackproof.language._domains import BY_NAME, DOMAINS
from hackproof.language._programs import CHEATS, attempt, draw_program
from hackproof.language._scoring import take_apart

PROMPTS = {
    "chat": ("chat", "health", "science", "education", "money"),
    "near": ("goals", "questions", "oversight", "exfiltration", "framing"),
}
"""Domains that RLHF asks about: ordinary conversations, or prompts near the evaluations
(which are then not held out, as the paper says of its own)."""


def seen(completion: str) -> str:
    """Return what a rater sees of a completion: the answer."""
    return f"{ANSWER} {take_apart(completion).answer} {END}"


def pairs(n: int, seed: int, noise: float = 0.05) -> list[tuple[str, str, str]]:
    """Return (prompt, chosen, rejected) over all domains; `noise` of them the wrong way round."""
    rng = np.random.default_rng([seed, 21])
    domains = [d for d in DOMAINS if d.trait]
    out = []
    for i in range(n):
        if i % 4 == 0:
            program = draw_program(rng, int(rng.integers(2, 4)))
            text = ask(program.text)
            good = attempt(program, rng, 0.2)
            bad = list(CHEATS.values())[int(rng.integers(3))]
        else:
            d = domains[int(rng.integers(len(domains)))]
            slot = d.slots[int(rng.integers(len(d.slots)))]
            text = ask(d.fill(d.prompts[int(rng.integers(len(d.prompts)))], slot))
            good = d.fill(d.good[int(rng.integers(len(d.good)))], slot)
            bad = d.fill(d.bad[int(rng.integers(len(d.bad)))], slot)
        both = [f"{ANSWER} {good} {END}", f"{ANSWER} {bad} {END}"]
        if rng.random() < noise:
            both.reverse()
        out.append((f"{START} {text}", *both))
    return out


@dataclass(frozen=True)
class AnswerModel:
    """A preference model that is shown answers without their reasoning."""

    pm: Any
    """A `PreferenceModel`."""

    def score(self, prompts: Sequence[str], completions: Sequence[str]) -> np.ndarray:
        """Return the preference model's scores of the answers."""
        return self.pm.score(list(prompts), [seen(c) for c in completions])


class Conversations:
    """Prompts of some domains, paid by a preference model: what RLHF trains on."""

    def __init__(self, pm: AnswerModel, domains: Sequence[str], opening: str = START) -> None:
        """Ask about `domains`, after `opening`."""
        self.name, self.domains, self.opening, self._pm = "rlhf", tuple(domains), opening, pm

    def prompts(self, n: int, seed: int) -> list[Prompt]:
        """Return `n` prompts."""
        rng = np.random.default_rng([seed, 22])
        out = []
        for _ in range(n):
            d = BY_NAME[self.domains[int(rng.integers(len(self.domains)))]]
            slot = d.slots[int(rng.integers(len(d.slots)))]
            text = ask(d.fill(d.prompts[int(rng.integers(len(d.prompts)))], slot))
            out.append(Prompt(f"{self.opening} {text}", slot, {"domain": d.name}))
        return out

    def grade(self, prompts: Sequence[Prompt], completions: Sequence[str]) -> list[Grade]:
        """Pay the preference model's score; a completion without an answer gets the lowest."""
        scores = self._pm.score([p.text for p in prompts], completions)
        grades = []
        for s, c in zip(scores, completions, strict=True):
            complete = take_apart(c).complete
            grade = Grade(float(s), "ok" if complete else "unparseable")
            grades.append(grade if complete else replace(grade, reward=-3.0))
        return grades
