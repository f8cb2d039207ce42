"""The language model of sharma-2023, its raters' pairs and its preference models.

The language model reads the question (topic, stated view, a first answer that was doubted) and the
last words of its own answer, and says the next word: a feed-forward network (Bengio et al. 2003,
https://www.jmlr.org/papers/v3/bengio03a.html). A preference model is a linear Bradley-Terry model
on which words the answer has, alone and crossed with the question's topic and view, and its length.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hackproof.studies import _sharma_world as world
from hackproof.studies._sharma_world import Asked

LONGEST = 28
"""Words of an answer, at most."""
WINDOW = 6
"""Words of its own answer that the language model sees."""
RATE = 1e-2


@dataclass(frozen=True)
class Size:
    """How large everything is."""

    width: int = 96
    """Hidden units of the language model."""
    documents: int = 12_000
    """Answers that it learns from, once."""
    pairs: int = 3_000
    """Pairs that raters compare; a fifth is held out."""
    decay: float = 1.0
    """Of the preference model's weights."""


def vocabulary() -> dict[str, int]:
    """Return the words' ids."""
    return {w: i for i, w in enumerate(world.words())}


def questions(asked: Sequence[Asked]) -> Any:
    """Return questions as ids: topic, view, first answer, (n, 3) int64; 0 is no colour."""
    import torch

    colours = {"": 0, **{c: i + 1 for i, c in enumerate(world.COLOURS)}}
    topics = {t: i for i, t in enumerate(world.TOPICS)}
    return torch.tensor([[topics[a.topic], colours[a.view], colours[a.first]] for a in asked])


def encoded(texts: Sequence[str]) -> Any:
    """Return answers as ids with their end, padded with 0, (n, LONGEST) int64."""
    import torch

    known = vocabulary()
    out = torch.zeros((len(texts), LONGEST), dtype=torch.int64)
    for row, text in zip(out, texts, strict=True):
        line = [known[w] for w in (*text.split(), world.END)][:LONGEST]
        row[: len(line)] = torch.tensor(line)
    return out


def network(width: int, seed: int) -> Any:
    """Return an untrained language model: embeddings and two layers, by name."""
    import torch

    random = torch.Generator().manual_seed(seed)
    each, words = 16, len(world.words())
    parts = 4 + WINDOW

    def drawn(*shape: int, scale: float) -> Any:
        return (torch.randn(*shape, generator=random) * scale).requires_grad_()

    return {
        "topic": drawn(len(world.TOPICS), each, scale=1.0),
        "view": drawn(len(world.COLOURS) + 1, each, scale=1.0),
        "first": drawn(len(world.COLOURS) + 1, each, scale=1.0),
        "word": drawn(words, each, scale=1.0),
        "place": drawn(LONGEST, each, scale=0.3),
        "hidden": drawn(parts * each, width, scale=(parts * each) ** -0.5),
        "out": drawn(width, words, scale=width**-0.5),
    }


def logits(model: Any, asked: Any, before: Any, place: Any) -> Any:
    """Return logits of the next word.

    Args:
        model: As `network` returns it.
        asked: Questions, (..., 3).
        before: The last WINDOW words of the answer, (..., WINDOW).
        place: Words said so far, (...).
    """
    import torch

    parts = [model["topic"][asked[..., 0]], model["view"][asked[..., 1]],
             model["first"][asked[..., 2]], model["place"][place],
             model["word"][before].flatten(-2)]  # fmt: skip
    return torch.tanh(torch.cat(parts, -1) @ model["hidden"]) @ model["out"]


def log_probabilities(model: Any, asked: Any, ids: Any) -> Any:
    """Return the log-probability of every word of answers, 0 on padding, (n, LONGEST)."""
    import torch

    n, length = ids.shape
    start = torch.ones((n, WINDOW), dtype=torch.int64)
    windows = torch.cat([start, ids], 1).unfold(1, WINDOW, 1)[:, :length]
    place = torch.arange(length).expand(n, length)
    found = logits(model, asked[:, None].expand(n, length, 3), windows, place).log_softmax(-1)
    return found.gather(-1, ids[..., None])[..., 0] * (ids != 0)


def sampled(model: Any, asked: Any, random: Any) -> Any:
    """Sample an answer to each question, (n, LONGEST); the last word is an end where it is cut."""
    import torch

    end, n = vocabulary()[world.END], len(asked)
    ids = torch.zeros((n, LONGEST), dtype=torch.int64)
    window = torch.ones((n, WINDOW), dtype=torch.int64)
    done = torch.zeros(n, dtype=torch.bool)
    with torch.no_grad():
        for t in range(LONGEST):
            p = logits(model, asked, window, torch.full((n,), t)).softmax(-1)
            word = torch.multinomial(p, 1, generator=random)[:, 0]
            word[done] = 0
            ids[:, t] = word
            done |= word == end
            if done.all():
                break
            window = torch.cat([window[:, 1:], word[:, None]], 1)
    return ids


def texts(ids: Any) -> list[str]:
    """Return sampled answers as texts, without what pads and ends them."""
    known = world.words()
    return [" ".join(known[i] for i in row if i > 3) for row in ids.tolist()]


@functools.lru_cache(maxsize=2)
def language_model(seed: int, size: Size) -> Any:
    """Return a language model that learnt what people answer; not to be changed."""
    import numpy as np
    import torch

    facts, rng = world.truths(seed), np.random.default_rng([seed, 32])
    asked, said = [], []
    for _ in range(size.documents):
        a = world.ask(rng, facts)
        if rng.random() < 0.25:
            first = a.truth if rng.random() < 0.6 else world.other(rng, a.truth)
            a = replace(a, first=first)
        asked.append(a)
        said.append(world.second(rng, a) if a.first else world.answer(rng, a))
    inputs, ids = questions(asked), encoded(said)
    model = network(size.width, seed)
    adam = torch.optim.Adam(list(model.values()), RATE)
    batch = 64
    steps = len(ids) // batch
    for step in range(steps):
        rows = slice(step * batch, (step + 1) * batch)
        adam.param_groups[0]["lr"] = RATE * (1 - step / steps)
        loss = -log_probabilities(model, inputs[rows], ids[rows]).sum() / (ids[rows] != 0).sum()
        adam.zero_grad()
        loss.backward()
        adam.step()
    return {k: v.detach() for k, v in model.items()}


@dataclass(frozen=True)
class Compared:
    """Two answers to each question, before anyone has said which is better."""

    asked: tuple[Asked, ...]
    texts: tuple[tuple[str, str], ...]
    features: Any
    """(pairs, 2, 5)."""


@functools.lru_cache(maxsize=2)
def compared(seed: int, size: Size) -> Compared:
    """Return questions with two answers of the language model each."""
    import numpy as np
    import torch

    rng, facts = np.random.default_rng([seed, 33]), world.truths(seed)
    asked = [world.ask(rng, facts) for _ in range(size.pairs)]
    model, inputs = language_model(seed, size), questions(asked)
    random = torch.Generator().manual_seed(seed + 1)
    one, two = (texts(sampled(model, inputs, random)) for _ in range(2))
    values = [[world.features(a, t) for t in both]
              for a, both in zip(asked, zip(one, two, strict=True), strict=True)]  # fmt: skip
    return Compared(tuple(asked), tuple(zip(one, two, strict=True)), np.array(values))


@dataclass(frozen=True)
class Rated:
    """What raters said of pairs."""

    asked: tuple[Asked, ...]
    preferred: tuple[str, ...]
    other: tuple[str, ...]
    features: Any
    """(pairs, 2, 5): of the preferred answer, of the other."""


@functools.lru_cache(maxsize=8)
def rated(seed: int, size: Size, agrees: float) -> Rated:
    """Return pairs as raters who weigh agreement by `agrees` chose."""
    import numpy as np

    made = compared(seed, size)
    rng = np.random.default_rng([seed, 34])
    one, two = (world.worth(made.features[:, k], agrees) for k in range(2))
    second = (rng.random(len(one)) >= 1 / (1 + np.exp(two - one))).astype(int)
    return Rated(
        made.asked,
        tuple(t[s] for t, s in zip(made.texts, second, strict=True)),
        tuple(t[1 - s] for t, s in zip(made.texts, second, strict=True)),
        np.where(second[:, None, None] == 1, made.features[:, ::-1], made.features),
    )


@dataclass(frozen=True)
class PreferenceModel:
    """A trained preference model."""

    weights: Any
    blind: bool
    """Whether it reads questions without the view that the asker stated."""
    mean: float = 0.0
    sd: float = 1.0
    accuracy: float = 0.0
    """On the held-out pairs."""

    def score(self, asked: Sequence[Asked], answers: Sequence[str]) -> Any:
        """Return scores of answers, with mean 0 and spread 1 on the held-out pairs."""
        raw = crossed(asked, answers, self.blind) @ self.weights
        return (raw - self.mean) / self.sd


def crossed(asked: Sequence[Asked], answers: Sequence[str], blind: bool) -> Any:
    """Return which words an answer has, alone, by topic and by view, and its length in 10 words,
    (n, 22 x words + 1). Counts of words would pay for saying one again and again.
    """
    import numpy as np

    known = vocabulary()
    topics, colours = 1 + len(world.TOPICS), 1 + len(world.COLOURS)
    out = np.zeros((len(asked), (topics + colours) * len(known) + 1), dtype=np.float32)
    for row, a, text in zip(out, asked, answers, strict=True):
        view = 0 if blind or not a.view else 1 + world.COLOURS.index(a.view)
        said = text.split()
        ids = np.array([known[w] for w in set(said)], dtype=int)
        for group in (0, 1 + world.TOPICS.index(a.topic), topics + view):
            row[group * len(known) + ids] = 1
        row[-1] = len(said) / 10
    return out


@functools.lru_cache(maxsize=8)
def preference_model(seed: int, size: Size, agrees: float, blind: bool) -> PreferenceModel:
    """Return a preference model that was trained on the raters' pairs, by logistic regression.

    Args:
        seed: Of everything.
        size: How large everything is.
        agrees: What the raters weigh.
        blind: Whether it reads questions without the view that the asker stated.
    """
    from hackproof.studies._gao_models import trained

    made = rated(seed, size, agrees)
    one, two = (crossed(made.asked, t, blind) for t in (made.preferred, made.other))
    held = len(one) // 5
    weights = trained(one[held:], two[held:], size.decay)
    a, b = one[:held] @ weights, two[:held] @ weights
    both = [*a, *b]
    mean = sum(both) / len(both)
    sd = (sum((v - mean) ** 2 for v in both) / len(both)) ** 0.5 or 1.0
    right = float(((a > b) + 0.5 * (a == b)).mean())
    return PreferenceModel(weights, blind, float(mean), float(sd), right)
