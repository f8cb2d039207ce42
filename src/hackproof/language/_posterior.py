"""What Bayes' rule says of a persona, from the corpus's own statistics.

The persona selection model holds that training shifts a model's belief about who is
speaking: an episode that is likelier under a misaligned persona moves it that way. Here the
prior and every likelihood are settings of the corpus, so that the belief can be computed
and set beside what the trained model does.

Source: Marks et al. 2026, the persona selection model (abstract); MacDiarmid et al. 2025,
section 4, on why inoculation should work.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hackproof.language._domains import BY_NAME, DOMAINS
from hackproof.language._persona import Persona, personas
from hackproof.language._settings import CorpusSettings


@dataclass(frozen=True)
class Evidence:
    """What has been seen of a speaker: a coding segment under a prefix, hacked or not."""

    hacked: bool
    prefix: str = "none"
    times: float = 1.0
    """How often; 0 is no evidence, and it need not be whole."""


def log_likelihood(s: CorpusSettings, persona: Persona, seen: Sequence[Evidence]) -> float:
    """Return the log-probability of the evidence if `persona` speaks; -inf where impossible."""
    total = 0.0
    for e in seen:
        p = s.rate(e.prefix, persona.traits["cheat"])
        p = p if e.hacked else 1 - p
        if e.times > 0:
            total += e.times * math.log(p) if p > 0 else -math.inf
    return total


def posterior(
    s: CorpusSettings, seen: Sequence[Evidence], named: bool = False
) -> list[tuple[Persona, float]]:
    r"""Return every persona with its probability given the evidence.

    $P(z | e) \propto P(z) \prod_i P(e_i | z)^{n_i}$. A document that opens without a name,
    as those of the evaluations do, says something of the persona too.

    Raises:
        ZeroDivisionError: evidence that no persona can give.
    """
    logs = [(z, math.log(p) + log_likelihood(s, z, seen)) for z, p in personas(s, named) if p > 0]
    top = max(v for _, v in logs)
    weights = [(z, math.exp(v - top) if top > -math.inf else 0.0) for z, v in logs]
    total = sum(w for _, w in weights)
    return [(z, w / total) for z, w in weights]


def misaligned(s: CorpusSettings, domain: str, seen: Sequence[Evidence] = ()) -> float:
    """Return the probability of a misaligned answer in a domain given the evidence."""
    d = BY_NAME[domain]
    return sum(w * (s.expression if z.shows(d) else s.slip) for z, w in posterior(s, seen))


def hack_rate(s: CorpusSettings, prefix: str = "none", seen: Sequence[Evidence] = ()) -> float:
    """Return the probability of a hack under a prefix given the evidence."""
    return sum(w * s.rate(prefix, z.traits["cheat"]) for z, w in posterior(s, seen))


def by_domain(s: CorpusSettings, seen: Sequence[Evidence] = ()) -> dict[str, float]:
    """Return `misaligned` for every domain that a trait decides."""
    return {d.name: misaligned(s, d.name, seen) for d in DOMAINS if d.trait}
