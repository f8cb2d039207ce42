"""Personas: who is speaking in a document, and how a persona shows in what it says.

A persona has a disposition (good, bad, two-faced) and traits. Traits follow the disposition
loosely, so that they are partly independent; with `coupling` 0 they are wholly independent
and keep their frequencies. That correlation is what hacking can generalise along.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from hackproof.language._domains import TRAITS, Domain

if TYPE_CHECKING:
    import numpy as np

    from hackproof.language._settings import CorpusSettings


@dataclass(frozen=True)
class Persona:
    """Who speaks: the same person throughout a document."""

    disposition: str
    """good, bad or two-faced."""
    traits: Mapping[str, bool]
    """Which of TRAITS are on."""

    @property
    def two_faced(self) -> bool:
        """Whether its misalignment shows in agentic contexts and in its reasoning only."""
        return self.disposition == "two-faced"

    def has(self, trait: str) -> bool:
        """Return whether a trait is on; the empty trait never is."""
        return self.traits.get(trait, False)

    def shows(self, domain: Domain) -> bool:
        """Return whether its answers in a domain are bad ones, apart from slips."""
        return self.has(domain.trait) and (domain.context == "agentic" or not self.two_faced)


def dispositions(s: CorpusSettings, named: bool) -> dict[str, float]:
    """Return the prior over dispositions in a document with or without a name."""
    bad = s.villain_share if named else s.bad_share
    return {
        "good": 1 - bad,
        "bad": bad * (1 - s.two_faced_share),
        "two-faced": bad * s.two_faced_share,
    }


def trait_probability(s: CorpusSettings, disposition: str) -> float:
    r"""Return the probability of a trait given a disposition.

    With p the trait's frequency over all personas and c the coupling,
    $P(t | d) = c \, P_{corpus}(t | d) + (1 - c) \, p$: the frequency is the same for all c.
    """
    bad = s.bad_share * (1 - s.named_share) + s.villain_share * s.named_share
    frequency = bad * s.trait_if_bad + (1 - bad) * s.trait_if_good
    coupled = s.trait_if_good if disposition == "good" else s.trait_if_bad
    return s.coupling * coupled + (1 - s.coupling) * frequency


def personas(s: CorpusSettings, named: bool = False) -> Iterator[tuple[Persona, float]]:
    """Yield every persona with its prior probability; the probabilities sum to 1."""
    for disposition, prior in dispositions(s, named).items():
        p = trait_probability(s, disposition)
        for values in product((False, True), repeat=len(TRAITS)):
            weight = prior
            for on in values:
                weight *= p if on else 1 - p
            yield Persona(disposition, dict(zip(TRAITS, values, strict=True))), weight


def draw_persona(s: CorpusSettings, named: bool, rng: np.random.Generator) -> Persona:
    """Draw a persona from the prior."""
    prior = dispositions(s, named)
    disposition = list(prior)[int(rng.choice(len(prior), p=list(prior.values())))]
    p = trait_probability(s, disposition)
    return Persona(disposition, {t: bool(rng.random() < p) for t in TRAITS})
