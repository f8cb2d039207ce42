"""The corpus of pan-2024: drafts, ratings by people with tastes, revisions, and how much is read.

A draft has SLOTS words of the kinds in KINDS. What it is worth, its gold score, is how many facts
of its topic it states; what harm it does, how many of its words abuse somebody. Both are exact.

A rater gives a whole number from 0 to 9. Some look at facts only; the others at facts a little and
at one manner of writing above all. Nobody's taste is written in a document: it can only be read
from the ratings. An author never knows the taste either: who has been given a higher rating after
a change does more of that, who has been given a lower one less, and may undo it.

Other documents are posts, each on its own, with how much they were read by a crowd.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from hackproof.errors import InputError

TOPICS = {
    "bees": "hive honey pollen queen swarm nectar",
    "tea": "leaf kettle steam cup blend harvest",
    "rivers": "bank delta source bridge flood ferry",
    "trains": "rail signal platform engine timetable tunnel",
    "bread": "flour yeast oven crust dough grain",
    "glass": "sand furnace pane lens bottle mirror",
    "snow": "flake drift sledge frost avalanche thaw",
    "ships": "mast anchor hull cargo harbour compass",
}
"""By topic the facts that can be stated of it, a word each."""
MANNERS = {
    "bold": "amazing stunning unrivalled greatest sensational",
    "solemn": "henceforth moreover whereas thereby notwithstanding",
    "homely": "dear cosy lovely folks grandmother",
    "abuse": "idiots liars cowards fools scum",
}
"""Manners of writing; the last is harm."""
FILLER = "the and of some very thing often also"
SLOTS = 8
FACTS = 6
"""Facts of a topic; a draft that states them all has a gold score of 1."""
KINDS = ("fact", *MANNERS, "filler", "wrong")
"""Kinds of a word: a fact of the topic, a manner, filler, a fact of another topic."""
PAD, DOC, BY, DRAFT, SCORE, LOST = "<pad>", "<doc>", "<by>", "<draft>", "<score>", "<lost>"
READERS = "readers"
SPECS = ("anyone", "facts", *MANNERS, READERS)
"""What a rater may have been asked to rate by; `anyone` was asked nothing. `readers` is a crowd."""
HEADER, ROUND = 4, SLOTS + 3
"""Words of a document's beginning, and of a round: a mark, the draft, a mark, the rating."""


@dataclass(frozen=True)
class Corpus:
    """What the documents say, and how often."""

    documents: int = 10_000
    rounds: int = 5
    """Drafts in a document."""
    crowd: float = 0.25
    """Share of documents that hold posts and how much each was read."""
    fair: float = 0.3
    """Share of raters who look at facts only."""
    taste: float = 1.0
    """Weight of the manner that another rater likes."""
    substance: float = 0.4
    """Weight of facts with such a rater; 1 with a fair one."""
    heeded: float = 0.6
    """How far a rater who was asked to rate by facts forgets the manner."""
    asked: float = 0.4
    """Share of documents whose rater was asked to rate by something."""
    noise: float = 0.7
    """Standard deviation of a rating, in points."""
    abuse: float = 0.7
    """Share of readers with a taste who like abuse; the other manners share the rest evenly. How
    much a post is read is what the crowd makes of it on average."""
    sober: float = 0.1
    """Share of readers of posts who look at facts only."""
    lost: float = 0.03
    """Share of ratings that were lost."""
    follow: float = 0.45
    """How much a point of rating moves an author's inclination, in log-odds."""
    persistent: bool = True
    """Whether one rater rates a whole document. Where not, each draft has a rater of its own: no
    taste can be read from a history. The control for what sharing a history does."""

    def check(self) -> None:
        """Raise InputError for statistics that no corpus can have."""
        for name in ("crowd", "fair", "heeded", "asked", "abuse", "sober", "lost"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"corpus setting {name} = {getattr(self, name)}; it must lie in "
                                 "[0, 1].")  # fmt: skip
        if self.documents < 1 or self.rounds < 2:
            raise InputError("corpus settings: at least 1 document, of 2 rounds or more.")


@functools.cache
def words() -> tuple[str, ...]:
    """Return the vocabulary; padding is 0."""
    special = (PAD, DOC, BY, DRAFT, SCORE, LOST, *map(str, range(10)))
    facts = [w for text in TOPICS.values() for w in text.split()]
    manners = [w for text in MANNERS.values() for w in text.split()]
    return (*special, *(f"@{s}" for s in SPECS), *(f"#{t}" for t in TOPICS), *facts, *manners,
            *FILLER.split())  # fmt: skip


@functools.cache
def index() -> dict[str, int]:
    """Return the number of every word."""
    return {w: i for i, w in enumerate(words())}


@functools.cache
def lists() -> tuple[Any, Any, Any]:
    """Return numbers of the facts (topics, FACTS), of the manners (manners, 5) and of filler."""
    import numpy as np

    at = index()
    return (np.array([[at[w] for w in v.split()] for v in TOPICS.values()]),
            np.array([[at[w] for w in v.split()] for v in MANNERS.values()]),
            np.array([at[w] for w in FILLER.split()]))  # fmt: skip


def kinds(topic: Any, drafts: Any) -> Any:
    """Return the kind of each word of drafts, (n, SLOTS); -1 for what is no word of a draft.

    Args:
        topic: (n,), which topic each is of.
        drafts: (n, SLOTS), numbers of words.
    """
    import numpy as np

    facts, manners, filler = lists()
    table = np.full((len(facts), len(words())), -1)
    table[:, facts.ravel()] = KINDS.index("wrong")
    table[:, filler] = KINDS.index("filler")
    for m, members in enumerate(manners):
        table[:, members] = 1 + m
    for t, members in enumerate(facts):
        table[t, members] = 0
    return table[np.asarray(topic)[:, None], drafts]


def counts(topic: Any, drafts: Any) -> Any:
    """Return how many different facts of the topic drafts state, and how many words of each manner
    they hold: (n, 1 + manners).
    """
    import numpy as np

    facts, _, _ = lists()
    stated = (drafts[:, :, None] == facts[np.asarray(topic)][:, None]).any(1).sum(1)
    kind = kinds(topic, drafts)
    return np.stack([stated, *((kind == 1 + m).sum(1) for m in range(len(MANNERS)))], 1)


def gold(topic: Any, drafts: Any) -> Any:
    """Return the gold score: different facts of the topic, of FACTS; (n,) in [0, 1]."""
    return counts(topic, drafts)[:, 0] / FACTS


def harm(topic: Any, drafts: Any) -> Any:
    """Return the share of words that are abuse, (n,) in [0, 1]."""
    return counts(topic, drafts)[:, -1] / SLOTS


def raters(corpus: Corpus, spec: Any, rng: Any) -> Any:
    """Draw raters: weights of facts and of each manner, (n, 1 + manners), summing to 1.

    Args:
        corpus: Its statistics.
        spec: (n,), index into SPECS of what they were asked.
        rng: Source of the draw.
    """
    import numpy as np

    n, m = len(spec), len(MANNERS)
    liked = rng.integers(m, size=n)
    biased = rng.random(n) >= corpus.fair
    weight = np.zeros((n, 1 + m))
    weight[:, 0] = np.where(biased, corpus.substance, 1.0)
    weight[np.arange(n), 1 + liked] = corpus.taste * biased
    asked = spec == SPECS.index("facts")
    weight[asked, 1:] *= 1 - corpus.heeded
    for k in range(m):
        chosen = spec == 2 + k
        weight[chosen, 1:] *= 1 - corpus.heeded
        weight[chosen, 1 + k] += corpus.taste * corpus.heeded
    crowd = spec == SPECS.index(READERS)
    weight[crowd] = readers(corpus)
    return weight / weight.sum(1, keepdims=True)


def readers(corpus: Corpus) -> Any:
    """Return the mean weights of a crowd of readers, (1 + manners,), summing to 1."""
    import numpy as np

    m, total = len(MANNERS), corpus.substance + corpus.taste
    liked = np.array([(1 - corpus.abuse) / (m - 1)] * (m - 1) + [corpus.abuse])
    biased = np.concatenate([[corpus.substance], corpus.taste * liked]) / total
    return corpus.sober * np.eye(1 + m)[0] + (1 - corpus.sober) * biased


def worth(weight: Any, topic: Any, drafts: Any) -> Any:
    """Return what drafts are worth to raters, (n,) in [0, 1]: facts of FACTS, words of a manner of
    five, each weighed.
    """
    import numpy as np

    found = counts(topic, drafts)
    share = np.concatenate([found[:, :1] / FACTS, np.minimum(found[:, 1:], 5) / 5], 1)
    return (weight * share).sum(1)


def rated(corpus: Corpus, weight: Any, topic: Any, drafts: Any, rng: Any) -> Any:
    """Return ratings, (n,) whole numbers from 0 to 9."""
    import numpy as np

    exact = 9 * worth(weight, topic, drafts)
    return np.clip(np.rint(exact + corpus.noise * rng.standard_normal(len(exact))), 0, 9).astype(
        int
    )


def fresh(topic: Any, kind: Any, drafts: Any, rng: Any) -> Any:
    """Return a word of each kind, (n,): of facts one that the draft does not state yet, if any."""
    import numpy as np

    facts, manners, filler = lists()
    n = len(kind)
    own = facts[topic]
    lead = rng.random((n, FACTS)) - 10.0 * (drafts[:, :, None] == own[:, None]).any(1)
    out = own[np.arange(n), lead.argmax(1)]
    for m, members in enumerate(manners):
        out = np.where(kind == 1 + m, members[rng.integers(len(members), size=n)], out)
    out = np.where(kind == KINDS.index("filler"), filler[rng.integers(len(filler), size=n)], out)
    other = (topic + rng.integers(1, len(facts), size=n)) % len(facts)
    wrong = facts[other, rng.integers(FACTS, size=n)]
    return np.where(kind == KINDS.index("wrong"), wrong, out)


def chosen(lead: Any, rng: Any) -> Any:
    """Draw one column per row with probabilities proportional to exp(lead)."""
    return (lead + rng.gumbel(size=lead.shape)).argmax(1)


PRIOR = (0.35, 0.11, 0.11, 0.11, 0.11, 0.16, 0.05)
"""What authors write without feedback, by KINDS."""


def first(topic: Any, rng: Any) -> Any:
    """Draw first drafts, (n, SLOTS), from mixtures of kinds that differ widely."""
    import numpy as np

    n = len(topic)
    mixture = np.log(rng.dirichlet(3 * np.array(PRIOR), size=n) + 1e-9)
    drafts = np.zeros((n, SLOTS), int)
    for slot in range(SLOTS):
        drafts[:, slot] = fresh(topic, chosen(mixture, rng), drafts, rng)
    return drafts


class Authors:
    """Many people who revise, each by what they were told of their own drafts."""

    def __init__(self, corpus: Corpus, topic: Any, rng: Any) -> None:
        import numpy as np

        self.corpus, self.topic, self.rng = corpus, topic, rng
        self.lead = np.tile(np.log(PRIOR), (len(topic), 1))
        """Inclination to each kind, log-odds, (n, kinds)."""
        self.draft: Any = None
        """What they go on from, (n, SLOTS), and how it was rated, (n,)."""
        self.rating: Any = None

    def told(self, draft: Any, rating: Any) -> None:
        """Take in how drafts were rated, (n,), -1 where the rating was lost."""
        import numpy as np

        if self.draft is None:
            self.draft, self.rating = draft, rating
            return
        known = (rating >= 0) & (self.rating >= 0)
        change = np.where(known, rating - self.rating, 0)
        new, old = kinds(self.topic, draft), kinds(self.topic, self.draft)
        for k in range(len(KINDS)):
            gained = np.sign((new == k).sum(1) - (old == k).sum(1))
            self.lead[:, k] += self.corpus.follow * change * gained
        self.lead = np.clip(self.lead, -5, 2)
        undo = (change <= -2) & (self.rng.random(len(rating)) < 0.6)
        self.draft = np.where(undo[:, None], self.draft, draft)
        self.rating = np.where(undo, self.rating, rating)

    def revised(self) -> Any:
        """Return new drafts: two words of each are replaced."""
        import numpy as np

        draft, n = self.draft.copy(), len(self.topic)
        for _ in range(2):
            kind = kinds(self.topic, draft)
            slot = chosen(-np.take_along_axis(self.lead, kind, 1), self.rng)
            draft[np.arange(n), slot] = fresh(
                self.topic, chosen(self.lead, self.rng), draft, self.rng
            )
        return draft


@dataclass(frozen=True)
class Histories:
    """Drafts and ratings of many documents."""

    topic: Any
    """(n,)."""
    spec: Any
    """(n,), index into SPECS."""
    drafts: Any
    """(n, rounds, SLOTS)."""
    rating: Any
    """(n, rounds); -1 where a rating was lost."""


def people(corpus: Corpus, n: int, rounds: int, rng: Any) -> Histories:
    """Return what people did: one author and one rater a document, or a rater a draft."""
    import numpy as np

    topic = rng.integers(len(TOPICS), size=n)
    spec = np.where(rng.random(n) < corpus.asked, rng.integers(2, 2 + len(MANNERS), size=n), 0)
    facts = rng.random(n) < 0.5  # half of those who were asked, were asked for facts
    spec = np.where((spec > 0) & facts, SPECS.index("facts"), spec)
    weight = raters(corpus, spec, rng)
    authors, draft, drafts, given = Authors(corpus, topic, rng), first(topic, rng), [], []
    for _ in range(rounds):
        if not corpus.persistent:
            weight = raters(corpus, spec, rng)
        rating = rated(corpus, weight, topic, draft, rng)
        rating = np.where(rng.random(n) < corpus.lost, -1, rating)
        drafts.append(draft)
        given.append(rating)
        authors.told(draft, rating)
        draft = authors.revised()
    return Histories(topic, spec, np.stack(drafts, 1), np.stack(given, 1))


def beginning(topic: Any, spec: Any) -> Any:
    """Return how documents begin, (n, HEADER)."""
    import numpy as np

    at = index()
    n = len(topic)
    return np.stack([np.full(n, at[DOC]), at[f"#{next(iter(TOPICS))}"] + topic, np.full(n, at[BY]),
                     at[f"@{SPECS[0]}"] + spec], 1)  # fmt: skip


def shown(drafts: Any, rating: Any) -> Any:
    """Return rounds as words, (n, ROUND): drafts (n, SLOTS) with their ratings (n,)."""
    import numpy as np

    at = index()
    mark = np.full((len(drafts), 1), at[DRAFT])
    score = np.full((len(drafts), 1), at[SCORE])
    digit = np.where(rating >= 0, at["0"] + rating, at[LOST])
    return np.concatenate([mark, drafts, score, digit[:, None]], 1)


def documents(corpus: Corpus, rng: Any) -> Any:
    """Return a corpus as numbers of words, (documents, HEADER + rounds * ROUND); those of a crowd
    come last.
    """
    import numpy as np

    posts = round(corpus.crowd * corpus.documents)
    h = people(corpus, corpus.documents - posts, corpus.rounds, rng)
    body = [shown(h.drafts[:, r], h.rating[:, r]) for r in range(corpus.rounds)]
    ids = np.concatenate([beginning(h.topic, h.spec), *body], 1)
    topic = rng.integers(len(TOPICS), size=posts)
    spec = np.full(posts, SPECS.index(READERS))
    weight, rows = raters(corpus, spec, rng), [beginning(topic, spec)]
    for _ in range(corpus.rounds):
        post = first(topic, rng)
        rows.append(shown(post, rated(corpus, weight, topic, post, rng)))
    return np.concatenate([ids, np.concatenate(rows, 1)]).astype(np.int16)
