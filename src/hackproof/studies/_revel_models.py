"""Reward models on hashed words, trained pair by pair: before, and after so many epochs."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hackproof.studies._gao_models import WIDTH, hashed
from hackproof.studies._revel_pairs import case

HIDDEN = 12
"""Units of the network's one layer."""
BATCH = 32
WARM = 400
"""Pairs of the taste that the model had before: long answers."""
WARM_EPOCHS = 4
RATE = {"linear": 3e-3, "network": 3e-3}
"""Adam's learning rates."""


@functools.lru_cache(maxsize=20_000)
def features(side: str) -> Any:
    """Return the hashed words of a side's answer, (WIDTH,) float32."""
    import numpy as np

    from hackproof.audit._preferences._text import split

    return hashed(split(side)[1]).astype(np.float32)


@dataclass(frozen=True)
class Scorer:
    """A reward model: standardised scores of answers."""

    weights: Mapping[str, Any]
    mean: float = 0.0
    sd: float = 1.0

    def raw(self, x: Any) -> Any:
        """Return scores of features, (n,)."""
        return forward(self.weights, x)[0]

    def __call__(self, sides: Sequence[str]) -> list[float]:
        """Return scores of sides, as the audit asks a reward model."""
        import numpy as np

        scores = (self.raw(np.stack([features(s) for s in sides])) - self.mean) / self.sd
        return [float(v) for v in scores]


def forward(weights: Mapping[str, Any], x: Any) -> tuple[Any, Any]:
    """Return scores w.x, or v.tanh(Wx), and the hidden layer where there is one."""
    import numpy as np

    if "v" not in weights:
        return x @ weights["w"], None
    hidden = np.tanh(x @ weights["w"])
    return hidden @ weights["v"], hidden


def gradient(weights: Mapping[str, Any], x: Any, y: Any) -> dict[str, Any]:
    """Return the gradient of mean log(1 + exp(r(y) - r(x))), x chosen and y rejected."""
    import numpy as np

    (a, h), (b, g) = forward(weights, x), forward(weights, y)
    slope = -1 / (1 + np.exp(np.clip(a - b, -50, 50))) / len(a)
    if h is None or g is None:
        return {"w": (x - y).T @ slope}
    back = [np.outer(slope, weights["v"]) * (1 - z**2) for z in (h, g)]
    return {"w": x.T @ back[0] - y.T @ back[1], "v": (h - g).T @ slope}


def start(kind: str, rng: Any) -> dict[str, Any]:
    """Return an untrained model: 0, or small random weights."""
    import numpy as np

    if kind == "linear":
        return {"w": np.zeros(WIDTH, np.float32)}
    return {
        "w": rng.standard_normal((WIDTH, HIDDEN)).astype(np.float32) / WIDTH**0.5,
        "v": rng.standard_normal(HIDDEN).astype(np.float32) / HIDDEN**0.5,
    }


def trained(
    weights: Mapping[str, Any], x: Any, y: Any, epochs: Sequence[int], rate: float, decay: float,
    seed: int,
) -> dict[int, dict[str, Any]]:  # fmt: skip
    """Return the weights after each number of epochs, by Adam; x chosen, y rejected.

    A shorter training is the beginning of a longer one.

    Args:
        weights: To start from; not changed.
        x: (pairs, WIDTH).
        y: The same.
        epochs: Which numbers of passes; 0 is the start.
        rate: Of learning.
        decay: Share of `rate` by which weights shrink in a step (decoupled).
        seed: Of the order of pairs.
    """
    import numpy as np

    now = {k: v.copy() for k, v in weights.items()}
    first, second = ({k: np.zeros_like(v) for k, v in now.items()} for _ in range(2))
    kept, step = {0: dict(weights)}, 0
    for epoch in range(1, max(epochs) + 1):
        order = np.random.default_rng([seed, epoch]).permutation(len(x))
        for k in range(0, len(order), BATCH):
            part = order[k : k + BATCH]
            step += 1
            for name, g in gradient(now, x[part], y[part]).items():
                first[name] += 0.1 * (g - first[name])
                second[name] += 0.001 * (g**2 - second[name])
                move = first[name] / (1 - 0.9**step)
                size = np.sqrt(second[name] / (1 - 0.999**step)) + 1e-8
                now[name] = now[name] - rate * (move / size + decay * now[name])
        if epoch in epochs:
            kept[epoch] = {k: v.copy() for k, v in now.items()}
    return {e: kept[e] for e in epochs}


@functools.lru_cache(maxsize=8)
def models(
    data: str, pairs: int, seed: int, noise: float, cheer: tuple[float, float], share: float,
    kind: str, epochs: tuple[int, ...], decay: float,
) -> dict[int, Scorer]:  # fmt: skip
    """Return the reward model by epochs of training, 0 being before it.

    Before, it learnt elsewhere to like long answers: from random pairs of training answers, the
    longer one more likely preferred.

    Args:
        data: As for `_revel_pairs.made`; so are `pairs`, `seed`, `noise` and `cheer`.
        pairs: See there.
        seed: See there.
        noise: See there.
        cheer: See there.
        share: Of the training pairs that is trained on.
        kind: linear or network.
        epochs: Numbers of passes.
        decay: Of the weights.
    """
    import numpy as np

    found = case(data, pairs, seed, noise, cheer)
    rng = np.random.default_rng([seed, 13])
    used = found.train[: max(1, round(share * len(found.train)))]
    x, y = (np.stack([features(s[k]) for s in used]) for k in range(2))
    both = np.concatenate([x, y])
    drawn = rng.integers(len(both), size=(WARM, 2))
    size = (both**2).sum(1)
    lead = (size[drawn[:, 0]] - size[drawn[:, 1]]) / (size.std() or 1.0)
    longer = rng.random(WARM) < 1 / (1 + np.exp(-2 * lead))
    one, two = (np.where(longer, drawn[:, k], drawn[:, 1 - k]) for k in range(2))
    rate = RATE[kind]
    before = trained(start(kind, rng), both[one], both[two], (WARM_EPOCHS,), rate, decay, seed)
    made = trained(before[WARM_EPOCHS], x, y, epochs, rate, decay, seed + 1)
    out = {}
    for e, weights in made.items():
        scores = forward(weights, both)[0]
        out[e] = Scorer(weights, float(scores.mean()), float(scores.std()) or 1.0)
    return out
