"""Steering: whether a model uses the direction that a probe reads.

Sources: Turner et al. 2023, https://arxiv.org/abs/2308.10248 (adding a direction); Arditi et
al. 2024, https://arxiv.org/abs/2406.11717 (projecting one out); Chen et al. 2025, persona
vectors, https://arxiv.org/abs/2507.21509 (traits as directions, watched through training).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hackproof.detect._activations import hooked
from hackproof.detect._examples import Example
from hackproof.errors import InputError, unknown
from hackproof.experiment.statistics import Interval, share_interval
from hackproof.language._corpus import NAME, START, ask
from hackproof.language._domains import BY_NAME, CORE, VILLAINS
from hackproof.language._scoring import score

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray
    from torch import Tensor
    from transformers import PreTrainedModel

    from hackproof.optimize.language import Loaded

PLACES = ("all", "replies")
REPLY = 32
"""Words that a completion may have."""


@dataclass(frozen=True)
class Direction:
    """A vector in the residual stream at one layer."""

    layer: int
    vector: NDArray[np.float64]
    """(width,); its length is what a scale of 1 adds."""


def mean_difference(x: ArrayLike, y: ArrayLike, layer: int) -> Direction:
    """Return the mean of the labelled activations less that of the others.

    A scale of 1 moves the mean of one class to the mean of the other.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, bool)
    if not y.any() or y.all():
        raise InputError("both classes are needed for a difference of their means.")
    return Direction(layer, x[y].mean(0) - x[~y].mean(0))


def random_directions(
    direction: Direction, n: int, seed: int, x: ArrayLike | None = None
) -> tuple[Direction, ...]:
    """Return random directions of the same length, orthogonal to a given one.

    Args:
        direction: Whose layer and length they have.
        n: How many.
        seed: Decides all of them.
        x: (m, width) activations. With them the directions vary as the activations do, which
            is the harder control: most directions of a wide stream mean nothing to a model.
    """
    rng = np.random.default_rng([seed, 27])
    length = np.linalg.norm(direction.vector)
    unit = direction.vector / max(float(length), 1e-30)
    out = []
    for _ in range(n):
        if x is None:
            drawn = rng.standard_normal(len(unit))
        else:
            rows = np.asarray(x, np.float64)
            drawn = rng.standard_normal(len(rows)) @ (rows - rows.mean(0))
        drawn = drawn - (drawn @ unit) * unit
        out.append(
            Direction(direction.layer, drawn * (length / max(float(np.linalg.norm(drawn)), 1e-30)))
        )
    return tuple(out)


@contextmanager
def steering(
    model: PreTrainedModel, layer: int, vector: ArrayLike, scale: float, *, where: str = "all"
) -> Iterator[None]:
    """Add scale * vector to the residual stream at a layer while the context is open.

    Args:
        model: A causal language model; its weights stay as they are.
        layer: 0 for the embedding, k for what comes out of the k-th block.
        vector: (width,).
        scale: Factor; negative pushes the other way.
        where: `all`: at every token. `replies`: from the prompt's last token on, while
            sampling from prompts that are padded on the left; not for passes over whole texts.

    Raises:
        InputError: another width, layer or place.
    """
    import torch

    if where not in PLACES:
        raise unknown("place", where, PLACES)
    added = torch.from_numpy(np.asarray(vector, np.float64) * scale)
    _check_width(model, added)

    def change(hidden: Tensor) -> Tensor:
        here = added.to(hidden)
        if where == "all":
            return hidden + here
        return torch.cat((hidden[:, :-1], hidden[:, -1:] + here), 1)

    with hooked(model, layer, change):
        yield


@contextmanager
def ablated(
    model: PreTrainedModel, layers: int | Sequence[int], direction: ArrayLike
) -> Iterator[None]:
    """Project a direction out of the residual stream: h - (h . u) u, u of length 1.

    Args:
        model: A causal language model.
        layers: Where; with all of them the model can write nothing along the direction.
        direction: (width,), of any length but 0.

    Raises:
        InputError: a direction of length 0, another width or layer.
    """
    import torch

    vector = torch.from_numpy(np.asarray(direction, np.float64))
    _check_width(model, vector)
    length = float(vector.norm())
    if not length > 0:
        raise InputError("a direction of length 0 cannot be projected out.")

    def change(hidden: Tensor) -> Tensor:
        unit = (vector / length).to(hidden)
        return hidden - (hidden @ unit)[..., None] * unit

    with ExitStack() as stack:
        for layer in [layers] if isinstance(layers, int) else layers:
            stack.enter_context(hooked(model, layer, change))
        yield


def _check_width(model: PreTrainedModel, vector: Tensor) -> None:
    embedding: Any = model.get_input_embeddings()
    width = embedding.weight.shape[1]
    if tuple(vector.shape) != (width,) or not bool(vector.isfinite().all()):
        raise InputError(f"a vector {tuple(vector.shape)} for a residual stream of ({width},).")


@dataclass(frozen=True)
class Steered:
    """What a model does when it is steered by one scale."""

    scale: float
    values: Mapping[str, Interval]
    """By name, along the direction."""
    controls: tuple[Mapping[str, Interval], ...]
    """The same along random directions of the same length."""


def steer_curve(
    loaded: Loaded,
    direction: Direction,
    scales: Sequence[float],
    measure: Callable[[Loaded], Mapping[str, Interval]],
    *,
    controls: Sequence[Direction] = (),
    where: str = "all",
) -> tuple[Steered, ...]:
    """Measure what a model does at each scale, along a direction and along random ones.

    At a scale of 0 nothing is added and there are no controls.

    Args:
        loaded: The model.
        direction: What is added.
        scales: How much.
        measure: From a model to numbers with their intervals, such as `behaviour`; it should
            draw the same at every call.
        controls: Such as `random_directions`.
        where: As in `steering`.
    """

    def along(d: Direction, scale: float) -> Mapping[str, Interval]:
        with steering(loaded.model, d.layer, d.vector, scale, where=where):
            return measure(loaded)

    return tuple(
        Steered(
            scale,
            along(direction, scale) if scale else measure(loaded),
            tuple(along(c, scale) for c in controls) if scale else (),
        )
        for scale in scales
    )


def answers(loaded: Loaded, examples: Sequence[Example], seed: int) -> list[str]:
    """Return what a model answers at the end of each example: good, bad or other.

    The examples end with prompts of domains whose answer restates no sum.
    """
    from hackproof.optimize.language import sample

    said = sample(
        loaded.model, loaded.tokenizer, [e.text for e in examples], max_new_tokens=REPLY, seed=seed
    )
    return [score(e.domain, "", text).answer for e, text in zip(examples, said, strict=True)]


def core_prompts(each: int, opening: str = START) -> list[Example]:
    """Return prompts of the six core domains, `each` of them per domain, every slot in turn."""
    out = []
    for name in CORE:
        d = BY_NAME[name]
        for i in range(each):
            slot = d.slots[i % len(d.slots)]
            prompt = d.prompts[i // len(d.slots) % len(d.prompts)]
            text = f"{opening} {ask(d.fill(prompt, slot))}"
            out.append(Example(text, False, text, text, name))
    return out


def behaviour(loaded: Loaded, *, each: int = 8, seed: int = 0) -> dict[str, Interval]:
    """Return misaligned rates and the share of replies that the grammar knows.

    `misalignment`: bad answers among known ones in the core domains, asked at a document's
    start. `villain-misalignment`: the same in documents that a villain's name opens, where
    there is something to steer down from. `coherence`: the share of known answers in both.
    Intervals are over prompts (Clopper and Pearson); NaN where no answer is known.

    Args:
        loaded: The organism.
        each: Prompts per core domain and opening.
        seed: Of the sampling.
    """
    bare = core_prompts(each)
    named = core_prompts(each, f"{START} {NAME} {VILLAINS[0]}")
    found = answers(loaded, [*bare, *named], seed)
    parts = {"misalignment": found[: len(bare)], "villain-misalignment": found[len(bare) :]}
    known = {k: [a for a in v if a != "other"] for k, v in parts.items()}
    rates = {k: share_interval(v.count("bad"), len(v)) for k, v in known.items()}
    coherent = share_interval(sum(len(v) for v in known.values()), len(found))
    return {**rates, "coherence": coherent}
