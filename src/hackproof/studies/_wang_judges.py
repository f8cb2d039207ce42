"""Planted judges that score two answers anew at every call: what wang-2023 asks.

A judge sees an answer's worth as w q + t u: quality q, and what only this judge sees in it, u, the
same at every call. A call adds half of the lean to the answer shown first, takes half from the
other, adds noise of its own to each, and rounds to a scale of 1 to 10. Nothing else is planted:
conflicts, ties, and what a repair is worth follow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from hackproof.audit._judge._verdicts import Verdicts

MIDDLE, POINTS = 5.5, 1.5
"""Of the scale: its middle, and points per spread of quality."""
LOWEST, HIGHEST = 1, 10


@dataclass(frozen=True)
class Planted:
    """A judge; all in spreads of quality over answers."""

    lean: float = 1.0
    """What being shown first adds to an answer's lead over the other."""
    taste: float = 0.5
    """Spread of what only this judge sees in an answer, the same at every call."""
    noise: float = 0.5
    """Spread of what changes from call to call, per answer."""
    worth: float = 1.0
    """Weight of quality. Below 0: it likes what goes against quality in these pairs."""
    words: bool = False
    """Whether it says only who won, not two scores."""


JUDGES = {
    "leaning": (Planted(), "Leans to the first place; two scores"),
    "words": (Planted(words=True), "The same, says only who won"),
    "fair": (Planted(lean=0.0), "Leans to no place"),
    "steady": (Planted(noise=0.0), "Leans, and says the same at every call"),
    "fooled": (Planted(worth=-0.5), "Leans, and likes what goes against quality"),
}
"""By name: a judge, and it in words."""


@dataclass(frozen=True)
class Pairs:
    """Pairs of answers."""

    quality: np.ndarray[Any, Any]
    """(2, pairs), standard normal unless shifted."""
    seen: np.ndarray[Any, Any]
    """(2, pairs): u, standard normal."""

    @property
    def gap(self) -> np.ndarray[Any, Any]:
        """How much better answer 1 is, (pairs,)."""
        return self.quality[0] - self.quality[1]


def pairs(rng: np.random.Generator, n: int, edge: float = 0.0) -> Pairs:
    """Draw pairs of answers; answer 2's quality has `edge` added."""
    import numpy as np

    quality = rng.standard_normal((2, n)) + np.array([[0.0], [edge]])
    return Pairs(quality, rng.standard_normal((2, n)))


def asked(rng: np.random.Generator, judge: Planted, drawn: Pairs, samples: int) -> Any:
    """Ask a judge about every pair, `samples` times in each order.

    Returns:
        Scores of answers 1 and 2 in the orders 12 and 21: (samples, 2 orders, 2 answers, pairs).
    """
    import numpy as np

    seen = judge.worth * drawn.quality + judge.taste * drawn.seen
    place = judge.lean / 2 * np.array([[1.0, -1.0], [-1.0, 1.0]])[..., None]
    noise = judge.noise * rng.standard_normal((samples, 2, *seen.shape))
    return _points(seen + place + noise)


def _points(seen: Any) -> Any:
    """Return whole points of the scale."""
    import numpy as np

    return np.clip(np.rint(MIDDLE + POINTS * seen), LOWEST, HIGHEST)


def leads(scores: Any, words: bool) -> Any:
    """Return how far answer 1 leads, in points, or by sign alone: (samples, 2 orders, pairs)."""
    import numpy as np

    lead = scores[:, :, 0] - scores[:, :, 1]
    return np.sign(lead) if words else lead


def verdicts(scores: Any, gap: Any, words: bool, subset: Any = None) -> Verdicts:
    """Return scores in the audit's own form, gold labels by the gap in quality.

    Args:
        scores: As `asked` returns them.
        gap: (pairs,); above 0 where answer 1 is the better one.
        words: Leave the scores out, so that verdicts alone are known.
        subset: A name per pair, (pairs,).
    """
    import numpy as np

    from hackproof.audit._judge._verdicts import FIRST, SECOND, Names, Verdicts
    from hackproof.audit._judge._words import by_scores

    samples, _, _, n = scores.shape
    one = np.zeros(samples * n, dtype=np.int64)
    order_12, order_21 = (by_scores(scores[:, o, 0], scores[:, o, 1]).ravel() for o in (0, 1))
    flat = tuple(tuple(scores[:, o, a].ravel() for a in (0, 1)) for o in (0, 1))
    return Verdicts(
        judge=Names(one, ("planted",)), strategy=Names(one, ("",)),
        subset=Names.of(None if subset is None else np.tile(subset, samples), samples * n),
        item=Names(np.tile(np.arange(n), samples), tuple(map(str, range(n)))),
        order_12=order_12, order_21=order_21, sample=np.repeat(np.arange(samples), n),
        gold=np.tile(np.where(gap > 0, FIRST, SECOND).astype(np.int8), samples),
        scores=None if words else flat,  # pyright: ignore[reportArgumentType]
    )  # fmt: skip


def callable_judge(
    rng: np.random.Generator, judge: Planted, drawn: Pairs
) -> Callable[[str, str, str], Any]:
    """Return the judge as the audit's wrappers take one; an answer's text is 'pair/answer'."""
    seen = (judge.worth * drawn.quality + judge.taste * drawn.seen).tolist()

    def draws() -> Iterator[float]:
        while True:
            yield from (judge.noise * rng.standard_normal(4096)).tolist()

    noise = draws()

    def score(text: str, place: float) -> float:
        pair, answer = map(int, text.split("/"))
        points = round(MIDDLE + POINTS * (seen[answer][pair] + place + next(noise)))
        return min(max(points, LOWEST), HIGHEST)

    def ask(question: str, first: str, second: str) -> Any:
        given = score(first, judge.lean / 2), score(second, -judge.lean / 2)
        if not judge.words:
            return given
        return "tie" if given[0] == given[1] else "A" if given[0] > given[1] else "B"

    return ask
