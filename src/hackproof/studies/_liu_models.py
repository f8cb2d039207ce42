"""Several small causal transformers of one shape, trained, sampled and read in one pass each.

Every parameter has the models as its first axis. Models share nothing: the loss is a sum over
models, and Adam works number by number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hackproof.studies._liu_texts import END, LONGEST, PAD, SEPARATOR, SLOTS, VOCABULARY

if TYPE_CHECKING:
    import torch

POSITIONS = 2 * LONGEST + 1


@dataclass(frozen=True)
class Shape:
    """Of a model."""

    width: int
    layers: int
    heads: int


class Models:
    """`count` models of one shape, untrained."""

    def __init__(self, count: int, shape: Shape, seed: int) -> None:
        """Draw the parameters from `seed`."""
        import torch

        made = torch.Generator().manual_seed(seed)
        d = shape.width

        def normal(*size: int, scale: float) -> torch.Tensor:
            drawn = torch.randn((count, *size), generator=made) * scale
            return drawn.requires_grad_()

        self.shape, self.count = shape, count
        self.words = normal(VOCABULARY, d, scale=0.3)
        self.places = normal(POSITIONS, d, scale=0.3)
        self.head = normal(d, VOCABULARY, scale=d**-0.5)
        self.blocks = [
            {"qkv": normal(d, 3 * d, scale=d**-0.5), "mix": normal(d, d, scale=d**-0.5),
             "up": normal(d, 2 * d, scale=d**-0.5), "down": normal(2 * d, d, scale=d**-0.5)}
            for _ in range(shape.layers)
        ]  # fmt: skip

    @property
    def parameters(self) -> list[torch.Tensor]:
        """All of them."""
        return [self.words, self.places, self.head, *(p for b in self.blocks for p in b.values())]

    def __call__(self, ids: torch.Tensor) -> torch.Tensor:
        """Return logits of the next word, (models, lines, length, VOCABULARY).

        Args:
            ids: (models, lines, length), padded on the right.
        """
        import torch
        import torch.nn.functional as F

        models, lines, length = ids.shape
        d, heads = self.shape.width, self.shape.heads
        shift = torch.arange(models)[:, None, None] * VOCABULARY
        x = F.embedding(ids + shift, self.words.reshape(-1, d))
        x = (x + self.places[:, None, :length]).reshape(models, lines * length, d)
        for block in self.blocks:
            qkv = _normed(x) @ block["qkv"]
            q, k, v = (
                qkv.reshape(models * lines, length, 3, heads, d // heads)
                .permute(2, 0, 3, 1, 4)
                .unbind(0)
            )
            seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            seen = seen.transpose(1, 2).reshape(models, lines * length, d)
            x = x + seen @ block["mix"]
            x = x + F.gelu(_normed(x) @ block["up"]) @ block["down"]
        return (_normed(x) @ self.head).reshape(models, lines, length, VOCABULARY)


def _normed(x: torch.Tensor) -> torch.Tensor:
    return x * (x.pow(2).mean(-1, keepdim=True) + 1e-6).rsqrt()


def likelihoods(models: Models, ids: Any, mask: Any) -> torch.Tensor:
    """Return the mean log-likelihood of the marked words, in nats, (models, lines).

    Args:
        models: Every one reads every line.
        ids: (models, lines, length).
        mask: The same shape; the first word of a line is never marked.
    """
    import torch
    import torch.nn.functional as F

    ids, mask = torch.as_tensor(ids), torch.as_tensor(mask)[:, :, 1:]
    logits = models(ids[:, :, :-1])
    each = -F.cross_entropy(
        logits.reshape(-1, VOCABULARY), ids[:, :, 1:].reshape(-1), reduction="none"
    ).reshape(mask.shape)
    return (each * mask).sum(-1) / mask.sum(-1)


def train(models: Models, batches: Any, steps: int, rate: float) -> list[float]:
    """Train the models in place on `steps` batches; return the mean loss of each.

    Args:
        models: Untrained.
        batches: Gives (ids, mask), each (models, lines, length), one after another.
        steps: How many are taken.
        rate: Peak learning rate of Adam, warmed up over a twentieth of the steps and lowered to 0
            by a cosine.
    """
    import torch

    optimiser = torch.optim.Adam(models.parameters, lr=rate, betas=(0.9, 0.98), foreach=True)
    losses = []
    for step in range(steps):
        ids, mask = next(batches)
        scale = min((step + 1) / max(1, steps // 20), 0.5 * (1 + math.cos(math.pi * step / steps)))
        for group in optimiser.param_groups:
            group["lr"] = rate * scale
        loss = -likelihoods(models, ids, mask).mean(1)
        optimiser.zero_grad(set_to_none=True)
        loss.sum().backward()
        optimiser.step()
        losses.append(float(loss.detach().mean()))
    return losses


def sample(models: Models, tables: Any, seed: int) -> Any:
    """Return a text of every model about every table, (models, lines, LONGEST), at temperature 1.

    Args:
        models: Trained.
        tables: Words' ids, (lines, SLOTS).
        seed: Of the draws.
    """
    import torch

    drawn = torch.Generator().manual_seed(seed)
    lines = len(tables)
    ids = torch.full((models.count, lines, SLOTS + 1 + LONGEST), PAD)
    ids[:, :, :SLOTS] = torch.as_tensor(tables)
    ids[:, :, SLOTS] = SEPARATOR
    going = torch.ones((models.count, lines), dtype=torch.bool)
    with torch.no_grad():
        for at in range(SLOTS + 1, ids.shape[2]):
            p = models(ids[:, :, :at])[:, :, -1].softmax(-1)
            word = torch.multinomial(p.reshape(-1, VOCABULARY), 1, generator=drawn)
            word = word.reshape(models.count, lines)
            ids[:, :, at] = torch.where(going, word, PAD)
            going &= word != END
    return ids[:, :, SLOTS + 1 :].numpy()
