"""Published repairs as wrappers: a judge goes in, a judge comes out.

Wang et al. 2023, https://arxiv.org/abs/2305.17926.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from hackproof.audit._judge._ask import Judge, scores, verdict
from hackproof.audit._judge._verdicts import FIRST, SECOND, TIE
from hackproof.errors import InputError

WORDS = {FIRST: "A", SECOND: "B", TIE: "tie"}


@dataclass(frozen=True)
class Wrapped:
    """A judge made of another's replies. It answers in a word; wrapped again, the number behind the
    word is averaged, so that it does not matter which repair is inside.
    """

    lead: Callable[[str, str, str], float | None]
    """How far the answer shown first leads, as `_lead` says."""

    def __call__(self, question: str, first: str, second: str) -> str | None:
        """Return A, B, tie, or None without a verdict."""
        lead = self.lead(question, first, second)
        if lead is None:
            return None
        return WORDS[FIRST if lead > 0 else SECOND if lead < 0 else TIE]


def _lead(reply: Any) -> float | None:
    """Return how far the answer shown first leads: in points where there are scores."""
    given = scores(reply)
    if given is not None:
        return given[0] - given[1] if all(map(math.isfinite, given)) else None
    return {FIRST: 1.0, SECOND: -1.0, TIE: 0.0}.get(verdict(reply))


def _leader(judge: Judge) -> Callable[[str, str, str], float | None]:
    """Return a judge as a function to how far the answer shown first leads."""
    if isinstance(judge, Wrapped):
        return judge.lead
    return lambda question, first, second: _lead(judge(question, first, second))


def multiple_evidence(judge: Judge, k: int = 3) -> Judge:
    """Return a judge that asks `judge` k times and averages (multiple evidence calibration).

    It helps a judge that samples its evidence anew each time; k = 3 was enough in the paper.

    Raises:
        InputError: k is less than 1.
    """
    if k < 1:
        raise InputError(f"k is {k}; it must be at least 1.")
    leader = _leader(judge)

    def lead(question: str, first: str, second: str) -> float | None:
        asked = [leader(question, first, second) for _ in range(k)]
        known = [x for x in asked if x is not None]
        return math.fsum(known) / len(known) if known else None

    return Wrapped(lead)


def balanced(judge: Judge) -> Judge:
    """Return a judge that asks `judge` in both orders and averages (balanced position
    calibration). A verdict that follows the place alone becomes a tie.
    """
    leader = _leader(judge)

    def lead(question: str, first: str, second: str) -> float | None:
        one, two = leader(question, first, second), leader(question, second, first)
        return None if one is None or two is None else (one - two) / 2

    return Wrapped(lead)


def diversity(verdicts: Sequence[Any]) -> float:
    """Return the entropy, in nats, of win, tie and lose among replies about one pair, all told in
    the same order of the answers; 0 where they agree. A person should look at the pairs with the
    highest (human in the loop calibration).
    """
    counts = Counter(v for v in map(verdict, verdicts) if v >= TIE)
    n = sum(counts.values())
    return -sum(c / n * math.log(c / n) for c in counts.values()) + 0.0 if n else 0.0


def to_check(verdicts: Sequence[Sequence[Any]], share: float) -> list[int]:
    """Return which pairs a person should check: that share of them, the most diverse first.

    Args:
        verdicts: By pair, its replies over orders and samples, told in the same order of answers.
        share: In [0, 1].

    Raises:
        InputError: a share outside [0, 1].
    """
    if not 0 <= share <= 1:
        raise InputError(f"share is {share}; it must lie in [0, 1].")
    ranked = sorted(range(len(verdicts)), key=lambda i: (-diversity(verdicts[i]), i))
    return ranked[: round(share * len(verdicts))]
