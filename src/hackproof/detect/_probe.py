"""Linear probes on a language model's residual stream, graded on held-out documents.

A probe says what can be read from a model's activations by a line; whether the model uses
what is read there is another question, which `_steer` asks.

Sources: Alain and Bengio 2016, https://arxiv.org/abs/1610.01644 (linear probes); Hewitt and
Liang 2019, https://arxiv.org/abs/1909.03368 (control tasks and selectivity); Marks and
Tegmark 2023, https://arxiv.org/abs/2310.06824 (the difference of means as a direction).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hackproof.detect._activations import n_layers, residual_stream
from hackproof.detect._examples import Example, bare_prompts, control_labels, labels
from hackproof.detect._roc import AUROC, auroc_interval
from hackproof.detect._states import _logistic
from hackproof.errors import InputError, unknown

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from hackproof.optimize.language import Loaded

PENALTIES = (1e-3, 1e-2, 1e-1, 1.0)
"""Ridge penalties that cross-validation chooses from, per example."""

METHODS = ("logistic", "means")


@dataclass(frozen=True)
class Probe:
    """A line through the residual stream at one layer."""

    layer: int
    mean: NDArray[np.float64]
    """(width,) of the examples it was fitted on."""
    scale: NDArray[np.float64]
    """(width,) their standard deviations."""
    direction: NDArray[np.float64]
    """(width,) weights of the standardised activations."""
    bias: float

    def score(self, x: ArrayLike) -> NDArray[np.float64]:
        """Return ((x - mean) / scale) @ direction + bias, (n,), for activations (n, width).

        Log-odds at equal classes for `logistic`; for `means` -1/2 at the mean of one class
        and +1/2 at the other.
        """
        return ((np.asarray(x, np.float64) - self.mean) / self.scale) @ self.direction + self.bias

    @property
    def gradient(self) -> NDArray[np.float64]:
        """The direction in the residual stream: how the score grows with it, (width,)."""
        return self.direction / self.scale


@dataclass(frozen=True)
class LayerProbe:
    """A probe at a layer and how well it does on documents that it has not seen."""

    probe: Probe
    loss: float
    """Cross-validated on the documents it was fitted on, nats; layers are chosen by it."""
    auroc: AUROC
    """On held-out documents."""
    control: AUROC
    """Of a probe fitted in the same way to one random label per kind of text."""

    @property
    def selectivity(self) -> float:
        """AUROC less the control task's; a probe that memorises texts has none."""
        return self.auroc.interval.estimate - self.control.interval.estimate


def fit_probe(
    x: ArrayLike,
    y: ArrayLike,
    *,
    layer: int = 0,
    documents: Sequence[str] | None = None,
    method: str = "logistic",
    l2: float | None = None,
    seed: int = 0,
) -> Probe:
    """Fit a linear probe; both classes weigh the same however many examples they have.

    `logistic` minimises the log loss plus l2/2 |w|^2 per example over standardised inputs, by
    Newton's method. `means` takes the difference of the class means for a direction.

    Args:
        x: (n, width) activations.
        y: (n,) bool.
        layer: Where they were read; kept in the probe.
        documents: (n,) which document each example is of; each its own where None.
        method: One of METHODS.
        l2: Penalty; where None the one of PENALTIES with the least cross-validated loss.
        seed: Of the folds.

    Raises:
        InputError: shapes or a method that cannot be, or fewer than two examples of a class.
    """
    x, y = _examples(x, y)
    if method not in METHODS:
        raise unknown("probe method", method, METHODS)
    if method == "means":
        return _means(x, y, layer)
    if l2 is None:
        l2 = min(penalty_losses(x, y, documents, seed=seed).items(), key=lambda item: item[1])[0]
    return _ridge(x, y, layer, l2)


def penalty_losses(
    x: ArrayLike,
    y: ArrayLike,
    documents: Sequence[str] | None = None,
    *,
    folds: int = 3,
    seed: int = 0,
) -> dict[float, float]:
    """Return the cross-validated loss, in nats, of every penalty, the greatest penalty first.

    Documents are held out whole. A fold whose documents leave a class out is passed over; with
    none left every loss is that of a coin.
    """
    x, y = _examples(x, y)
    names = np.arange(len(x)) if documents is None else np.asarray(documents)
    unique, inverse = np.unique(names, return_inverse=True)
    fold = np.random.default_rng([seed, 23]).permutation(len(unique))[inverse] % folds
    losses: dict[float, list[float]] = {l2: [] for l2 in sorted(PENALTIES, reverse=True)}
    for k in range(folds):
        train, held = fold != k, fold == k
        if min(y[held].sum(), (~y[held]).sum()) < 1 or min(y[train].sum(), (~y[train]).sum()) < 2:
            continue
        for l2, found in losses.items():
            found.append(balanced_loss(_ridge(x[train], y[train], 0, l2).score(x[held]), y[held]))
    return {l2: float(np.mean(v)) if v else float(np.log(2)) for l2, v in losses.items()}


def balanced_loss(scores: NDArray[np.float64], y: NDArray[np.bool_]) -> float:
    """Return the log loss of log-odds in nats, the mean of both classes' means."""
    each = np.logaddexp(0.0, np.where(y, -scores, scores))
    return float((each[y].mean() + each[~y].mean()) / 2)


def _examples(x: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    x, y = np.asarray(x, np.float64), np.asarray(y)
    if x.ndim != 2 or y.shape != x.shape[:1] or y.dtype != bool:
        raise InputError(
            f"activations {x.shape} and labels {y.dtype} {y.shape} must be (n, width) and (n,) bool"
        )
    if min(y.sum(), (~y).sum()) < 2:
        raise InputError(
            f"{int(y.sum())} examples of {len(y)} have the label; a probe needs two of each class."
        )
    return x, y


def _spread(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return standard deviations (width,), 1 where nothing varies."""
    spread = x.std(0)
    return np.where(spread > 1e-9, spread, 1.0)


def _ridge(x: NDArray[np.float64], y: NDArray[np.bool_], layer: int, l2: float) -> Probe:
    """Return the ridge logistic regression on standardised inputs."""
    mean, scale = x.mean(0), _spread(x)
    z = (x - mean) / scale
    if len(z) >= z.shape[1]:
        w = _logistic(z, y, l2 * len(z))
        return Probe(layer, mean, scale, w[1:], float(w[0]))
    # The solution lies in the span of the examples; there the same problem is (n, n).
    u, s, basis = np.linalg.svd(z, full_matrices=False)
    w = _logistic(u * s, y, l2 * len(z))
    return Probe(layer, mean, scale, w[1:] @ basis, float(w[0]))


def _means(x: NDArray[np.float64], y: NDArray[np.bool_], layer: int) -> Probe:
    """Return the probe along the difference of the class means, 0 halfway between them."""
    low, high = x[~y].mean(0), x[y].mean(0)
    shift, scale = high - low, _spread(x)
    length = max(float(shift @ shift), 1e-30)
    return Probe(layer, (low + high) / 2, scale, shift * scale / length, 0.0)


def read(
    loaded: Loaded, examples: Sequence[Example], layers: Sequence[int] | None = None
) -> dict[int, NDArray[np.float32]]:
    """Return the residual stream at the last token of every example, by layer."""
    return residual_stream(
        loaded, [e.text for e in examples], [e.continuation for e in examples], layers=layers
    )


def probe_layers(
    loaded: Loaded,
    train: Sequence[Example],
    held: Sequence[Example],
    *,
    layers: Sequence[int] | None = None,
    seed: int = 0,
) -> tuple[LayerProbe, ...]:
    """Fit a probe at every layer and grade it on held-out documents, beside a control task.

    Args:
        loaded: The model.
        train: Examples to fit on; the penalty is cross-validated among them.
        held: Examples to grade on, of other documents.
        layers: Which; all where None.
        seed: Of the folds, the control's labels and the bootstrap.

    Raises:
        InputError: a document on both sides, or fewer than two examples of a class.
    """
    both = {e.document for e in train} & {e.document for e in held}
    if both:
        raise InputError(f"document {min(both)!r} is fitted on and graded on; hold it out whole.")
    layers = range(n_layers(loaded.model) + 1) if layers is None else layers
    seen, unseen = read(loaded, train, layers), read(loaded, held, layers)
    control = control_labels([*train, *held], seed)
    fitted, graded = control[: len(train)], control[len(train) :]
    documents = [e.document for e in train]
    out = []
    for layer in layers:
        losses = penalty_losses(seen[layer], labels(train), documents, seed=seed)
        l2, loss = min(losses.items(), key=lambda item: item[1])
        probe = fit_probe(seen[layer], labels(train), layer=layer, l2=l2)
        # A class may be missing from the control where a caller gave hardly any kinds.
        alone = min(labels(fitted).sum(), (~labels(fitted)).sum()) < 2
        shuffled = probe if alone else fit_probe(
            seen[layer], labels(fitted), layer=layer, documents=documents, seed=seed
        )  # fmt: skip
        out.append(
            LayerProbe(
                probe,
                loss,
                graded_auroc(probe, unseen[layer], held, seed),
                graded_auroc(shuffled, unseen[layer], graded, seed),
            )
        )
    return tuple(out)


def graded_auroc(probe: Probe, x: ArrayLike, examples: Sequence[Example], seed: int = 0) -> AUROC:
    """Return a probe's AUROC on examples, its interval over documents."""
    documents = [e.document for e in examples]
    return auroc_interval(
        probe.score(x), labels(examples), documents, resamples=500, seed=seed
    )  # fmt: skip


@dataclass(frozen=True)
class Watched:
    """What a persona probe says of a model at prompts that nothing stands before."""

    coding: float
    """Mean score at prompts of the rewarded task."""
    other: float
    """Mean score at prompts of domains that are never rewarded."""


def watch(probe: Probe, loaded: Loaded, *, n: int = 64, seed: int = 0) -> Watched:
    """Return a probe's mean score at n coding prompts and n unrewarded ones.

    One pass through the model over short texts: cheap enough for every step of training.
    """
    tasks, other = bare_prompts(n, seed)
    x = residual_stream(loaded, [*tasks, *other], layers=[probe.layer])[probe.layer]
    scores = probe.score(x)
    return Watched(float(scores[:n].mean()), float(scores[n:].mean()))
