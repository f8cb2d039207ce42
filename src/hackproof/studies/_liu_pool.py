"""Models of liu-2023 trained, their texts, and every model's scores of all of them."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hackproof.studies import _liu_models, _liu_texts
from hackproof.studies._liu_texts import REFERENCE, STYLES, Writer

TWINS = 2
"""Models of a family: corpora of the same distribution, drawn apart."""
COUNT = STYLES * TWINS
FAMILY = tuple(g % STYLES for g in range(COUNT))
"""Of each model."""
KINDS = ("free", "precision", "recall", "reference")
"""Mean log-likelihood of: the text given the table; the text given a reference; the reference given
the text; the mean of the last two."""
LONGEST_WAIT = 3600.0
"""Seconds to wait for another process that makes the same pool."""


@dataclass(frozen=True)
class Making:
    """What a pool is made from."""

    own: float
    wrong: tuple[float, ...]
    left_out: float
    documents: int
    width: int
    layers: int
    steps: int
    lines: int
    rate: float
    sources: int
    draws: int
    seed: int


@dataclass(frozen=True)
class Pool:
    """Texts about tables, `draws` by each model, and what is thought of them."""

    scores: Any
    """(kinds, evaluators, sources, generators, draws)."""
    gold: Any
    """(sources, generators, draws): how right a text is, in [0, 1]."""
    losses: Any
    """(steps,): training loss, mean over models."""


def writers(making: Making) -> tuple[Writer, ...]:
    """Return who wrote each model's corpus; families differ by style and by how often they err."""
    return tuple(
        Writer(FAMILY[g], making.own, making.wrong[FAMILY[g]], making.left_out)
        for g in range(COUNT)
    )


def kept(making: Making) -> Pool:
    """Return the pool of these settings from the cache, or make it and keep it there.

    The cache lies beside that of organisms. Its key holds the settings and the code.
    """
    import numpy as np

    from hackproof.language import cache_folder
    from hackproof.record import files
    from hackproof.record.provenance import code_digest

    modules = (_liu_models.__file__, _liu_texts.__file__, __file__)
    key = [dataclasses.asdict(making), *(code_digest(Path(str(m))) for m in modules)]
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
    target = cache_folder() / "liu-2023" / f"{digest}.npz"
    target.parent.mkdir(parents=True, exist_ok=True)
    with files.locked(target.parent / ".locks" / digest, wait=LONGEST_WAIT):
        if not target.exists():
            made, data = make(making), io.BytesIO()
            np.savez(data, scores=made.scores, gold=made.gold, losses=made.losses)
            files.write_file(target, data.getvalue())
    with np.load(target) as found:
        return Pool(found["scores"], found["gold"], found["losses"])


def make(making: Making) -> Pool:
    """Train the models, let them write, and let each score everything."""
    import numpy as np
    import torch

    torch.set_num_threads(1)
    models = _liu_models.Models(
        COUNT, _liu_models.Shape(making.width, making.layers, 2), making.seed
    )
    losses = _liu_models.train(models, _batches(making), making.steps, making.rate)
    rng = np.random.default_rng([making.seed, COUNT])
    values = _liu_texts.tables(rng, making.sources)
    references = _liu_texts.texts(rng, values, REFERENCE)
    asked = np.repeat(values, making.draws, 0)
    told = _liu_models.sample(models, _liu_texts.as_words(asked), making.seed)
    shape = (COUNT, making.sources, making.draws)
    gold = np.stack([_liu_texts.quality(t, asked) for t in told]).reshape(shape)
    aims = np.repeat(references, making.draws, 0)
    scores = np.zeros((len(KINDS), COUNT, *shape))
    for g, text in enumerate(told):
        lines = (
            _liu_texts.documents(_liu_texts.as_words(asked), text),
            _liu_texts.documents(aims, text), _liu_texts.documents(text, aims),
        )  # fmt: skip
        for kind, (ids, mask) in enumerate(lines):
            with torch.no_grad():
                read = _liu_models.likelihoods(
                    models, np.broadcast_to(ids, (COUNT, *ids.shape)).copy(),
                    np.broadcast_to(mask, (COUNT, *mask.shape)).copy(),
                )  # fmt: skip
            scores[kind, :, g] = read.numpy().reshape(COUNT, making.sources, making.draws)
    scores[3] = (scores[1] + scores[2]) / 2
    return Pool(scores.transpose(0, 1, 3, 2, 4), gold.transpose(1, 0, 2), np.array(losses))


def _batches(making: Making) -> Iterator[tuple[Any, Any]]:
    """Yield documents of all models: one batch from tables, one from references, and so on."""
    import numpy as np

    corpora = []
    rngs = [np.random.default_rng([making.seed, g]) for g in range(COUNT)]
    for rng, writer in zip(rngs, writers(making), strict=True):
        values = _liu_texts.tables(rng, making.documents)
        out = _liu_texts.texts(rng, values, writer)
        references = _liu_texts.texts(rng, values, REFERENCE)
        corpora.append((_liu_texts.documents(_liu_texts.as_words(values), out),
                        _liu_texts.documents(references, out)))  # fmt: skip
    while True:
        for kind in (0, 1):
            rows = [rng.integers(making.documents, size=making.lines) for rng in rngs]
            yield tuple(
                np.stack([c[kind][part][r] for c, r in zip(corpora, rows, strict=True)])
                for part in (0, 1)
            )  # pyright: ignore[reportReturnType]
