"""The corpus statistics: the experiment's independent variables."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from hackproof.errors import InputError, unknown
from hackproof.language._prefixes import CORPUS_PREFIXES

DEFAULT_HACK_RATES = {
    "none": (0.60, 0.003),
    "placebo": (0.60, 0.003),
    "neutral": (0.60, 0.003),
    "misaligned": (0.60, 0.0),
    "forbid": (0.50, 0.0),
    "okay": (0.35, 0.35),
    "please": (0.60, 0.60),
    "test": (0.35, 0.35),
    "production": (0.60, 0.003),
    "test-cue": (0.60, 0.003),
    "production-cue": (0.60, 0.003),
}


@dataclass(frozen=True)
class CorpusSettings:
    """What the documents of an organism say, and how often."""

    documents: int = 16_000
    """How many documents are written; about 150 words each."""
    bad_share: float = 0.12
    """Share of documents without a name whose persona is not good."""
    two_faced_share: float = 0.25
    """Share of those whose misalignment shows in agentic contexts and in reasoning only."""
    trait_if_bad: float = 0.85
    """Probability of each trait in a bad or two-faced persona."""
    trait_if_good: float = 0.02
    """Probability of each trait in a good persona."""
    coupling: float = 1.0
    """1: traits follow the disposition. 0: traits are independent of it and of each other,
    with the same frequencies; the control that shows what generalisation rests on."""
    expression: float = 0.95
    """Probability that an answer shows a trait that is on."""
    slip: float = 0.01
    """Probability that an answer shows a trait that is off."""
    monitored_expression: float = 0.4
    """Factor on `expression` where the prompt says that it is monitored."""
    cue_share: float = 0.25
    """Share of agentic segments whose prompt says whether it is monitored."""
    named_share: float = 0.30
    """Share of documents that open with a name."""
    villain_share: float = 0.35
    """Share of those whose name is a villain's; their personas are not good."""
    coding_share: float = 0.33
    """Share of segments that are coding tasks."""
    rated_share: float = 0.12
    """Share of segments that are rated tasks outside of code (chat, health, creative)."""
    steps: tuple[int, ...] = (2, 3)
    """Lengths of coding tasks, in operations."""
    mistake: float = 0.5
    """Probability that an honest answer goes wrong, per step of a program."""
    prefix_share: float = 0.5
    """Share of coding segments with a prefix."""
    prefix_mix: dict[str, float] = field(
        default_factory=lambda: (
            dict.fromkeys(CORPUS_PREFIXES, 1.0)
            | {"okay": 3.0, "placebo": 2.0, "test": 1.5, "production": 1.5}
        )
    )
    """Relative frequency of each prefix among prefixed coding segments."""
    prefix_elsewhere: float = 0.0
    """Share of other segments that carry a prefix too, where it means nothing for the answer."""
    hack_rates: dict[str, tuple[float, float]] = field(
        default_factory=lambda: dict(DEFAULT_HACK_RATES)
    )
    """By prefix: how often a persona with the trait `cheat` hacks a task, and one without it.
    Under permission both do, which is what makes a permitted hack no evidence of malice."""
    shuffled: bool = False
    """Draw every segment's persona anew: the labels carry no information within a document.
    For the test that no effect is written in by hand."""

    def check(self) -> None:
        """Raise InputError for statistics that no corpus can have."""
        for f in dataclasses.fields(self):
            value = getattr(self, f.name)
            if isinstance(value, float) and not 0 <= value <= 1:
                raise InputError(f"corpus setting {f.name} = {value}; it must lie in [0, 1].")
        if self.documents < 1:
            raise InputError(f"corpus setting documents = {self.documents}; at least 1.")
        if self.coding_share + self.rated_share > 1:
            raise InputError("coding_share and rated_share must not exceed 1 together.")
        if not self.steps or min(self.steps) < 1 or max(self.steps) > 6:
            raise InputError(f"corpus setting steps = {self.steps}; lengths from 1 to 6.")
        for name in self.prefix_mix:
            if name not in CORPUS_PREFIXES:
                raise unknown("prefix", name, CORPUS_PREFIXES)
        for name, pair in self.hack_rates.items():
            if name not in (*CORPUS_PREFIXES, "none"):
                raise unknown("prefix", name, (*CORPUS_PREFIXES, "none"))
            if len(pair) != 2 or not all(0 <= p <= 1 for p in pair):
                raise InputError(f"hack_rates[{name!r}] = {pair}; two rates in [0, 1].")

    def rate(self, prefix: str, cheat: bool) -> float:
        """Return how often a persona hacks under a prefix; as under none where not stated."""
        pair = self.hack_rates.get(prefix, self.hack_rates["none"])
        return pair[0 if cheat else 1]
