"""Supervised training: continued pretraining on documents, and on prompts with their answers.

A plain torch loop in one process, for small models and for what fits one accelerator: the
loss weight of a prompt's tokens can be set, which TRL's SFTTrainer does not offer, and nothing
is written or printed. A model spread over several devices needs TRL's, on its own checkpoints;
it is not wrapped here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hackproof.errors import InputError
from hackproof.optimize.language._decode import is_small
from hackproof.optimize.language._load import Loaded, Lora, add_adapter
from hackproof.optimize.language._sampling import (
    completion_ids,
    encode,
    evaluating,
    kept_random_state,
)

if TYPE_CHECKING:
    from torch import Tensor

Document = str | tuple[str, str]
"""A text, or a prompt and the completion to learn."""

Row = tuple[list[int], list[float]]
"""Tokens, and the weight of the loss on each."""


@dataclass(frozen=True)
class Finetune:
    """How to train on texts."""

    epochs: float = 1.0
    """Passes over the documents; not used where `steps` is set."""
    steps: int = 0
    """Optimiser steps; 0 takes what `epochs` comes to."""
    batch: int = 16
    """Rows per optimiser step."""
    length: int = 0
    """Most tokens of a row; 0 is the model's context."""
    learning_rate: float = 1e-3
    """Of AdamW, after the warm-up."""
    warmup: float = 0.0
    """Share of the steps over which the learning rate rises from 0."""
    schedule: str = "constant"
    """`constant`, or `cosine` down to a tenth."""
    weight_decay: float = 0.0
    """Of AdamW."""
    max_grad_norm: float = 1.0
    """The gradient is scaled down to this norm."""
    prompt_weight: float = 0.0
    """Weight of the loss on a prompt's tokens; a completion's have 1."""
    micro_batch: int = 0
    """Rows per backward pass; 0 takes the whole batch at once."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot be trained with."""
        if self.batch < 1 or self.epochs <= 0 or self.steps < 0 or self.prompt_weight < 0:
            raise InputError(
                "batch must be at least 1, epochs above 0, steps and prompt_weight not negative."
            )
        if self.schedule not in ("constant", "cosine"):
            raise InputError(f"schedule is {self.schedule!r}; give constant or cosine.")


def finetune(
    loaded: Loaded,
    documents: Sequence[Document],
    settings: Finetune,
    *,
    seed: int,
    lora: Lora | None = None,
    on_step: Callable[[int, Loaded], Any] | None = None,
    every: int = 10,
) -> Loaded:
    """Train a model in place on texts; return it, with an adapter around it if asked for.

        loss = sum_t w_t * -log p(token_t | before) / sum_t w_t

    Texts alone are packed: joined, each with an end of sequence, and cut into rows of `length`.
    Prompts with completions get a row each, padded, with the end of sequence to learn.

    Args:
        loaded: The model; its weights are changed.
        documents: All texts, or all pairs of prompt and completion.
        settings: How to train.
        seed: Decides order, adapter and dropout; the global random state is kept.
        lora: Train an adapter instead of the weights.
        on_step: Called with the step and the model at steps 0, `every`, 2 `every` and so on.
        every: Steps between calls of `on_step`.

    Raises:
        InputError: no documents, a mixture of both kinds, or a pair that is too long.
    """
    import torch

    trained = add_adapter(loaded, lora, seed)
    model: Any = trained.model
    texts = tokenize(loaded, documents, settings)
    packed = isinstance(documents[0], str)
    length = _context(loaded, settings)
    batches = _batches(texts, length if packed else 0, settings.batch, seed)
    size = -(-sum(len(ids) for ids, _ in texts) // length) if packed else len(texts)
    steps = settings.steps or max(1, round(settings.epochs * size / settings.batch))
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    with kept_random_state():
        torch.manual_seed(seed)
        for step in range(steps + 1):
            if on_step is not None and step % every == 0:
                with kept_random_state(), evaluating(model):
                    on_step(step, trained)
            if step == steps:
                break
            for group in optimizer.param_groups:
                group["lr"] = settings.learning_rate * rate(settings, step, steps)
            model.train()
            optimizer.zero_grad(set_to_none=True)
            _backward(model, loaded.tokenizer.pad_token_id, next(batches), settings.micro_batch)
            torch.nn.utils.clip_grad_norm_(parameters, settings.max_grad_norm)
            optimizer.step()
    model.eval()
    return trained


def rate(settings: Finetune, step: int, steps: int) -> float:
    """Return the share of the learning rate at a step, in [0, 1]."""
    warm = settings.warmup * steps
    if step < warm:
        return (step + 1) / (warm + 1)
    if settings.schedule == "constant":
        return 1.0
    done = (step - warm) / max(1.0, steps - warm)
    return 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * done))


def _context(loaded: Loaded, settings: Finetune) -> int:
    """Return the most tokens of a row."""
    context = getattr(loaded.model.config, "max_position_embeddings", None)
    length = settings.length or context or 1024
    if length < 2 or (context and length > context):
        raise InputError(f"length is {length}; the model reads 2 to {context} tokens.")
    return length


def tokenize(loaded: Loaded, documents: Sequence[Document], settings: Finetune) -> list[Row]:
    """Return each document's tokens, its end included, and the weight of the loss on each.

    Raises:
        InputError: no documents, a mixture of both kinds, or a pair longer than a row.
    """
    if not documents:
        raise InputError("there are no documents to train on.")
    texts = [document for document in documents if isinstance(document, str)]
    if texts and len(texts) < len(documents):
        raise InputError("documents are texts and pairs mixed; give one kind.")
    tokenizer = loaded.tokenizer
    if texts:
        end = [int(tokenizer.eos_token_id)]  # pyright: ignore[reportArgumentType]
        return [(ids + end, [1.0] * (len(ids) + 1)) for ids in encode(tokenizer, texts)]
    prompts = encode(tokenizer, [document[0] for document in documents])
    answers = completion_ids(tokenizer, [document[1] for document in documents], end=True)
    longest = max(len(a) + len(b) for a, b in zip(prompts, answers, strict=True))
    if longest > (length := _context(loaded, settings)):
        raise InputError(
            f"a prompt and its completion are {longest} tokens and a row is {length}. Shorten or "
            "drop it: cut off, it would teach half an answer."
        )
    weight = settings.prompt_weight
    return [
        (prompt + answer, [weight] * len(prompt) + [1.0] * len(answer))
        for prompt, answer in zip(prompts, answers, strict=True)
    ]


def _batches(texts: list[Row], packed: int, size: int, seed: int) -> Iterator[list[Row]]:
    """Yield batches without end; every pass has its own order.

    Args:
        texts: Tokens and weights of each document.
        packed: Join the documents and cut them into rows of so many tokens; 0 leaves them apart.
        size: Rows of a batch; the last of a pass is filled from the next.
        seed: Of the orders.
    """
    import numpy as np

    generator = np.random.default_rng(seed % 2**63)
    waiting: list[Row] = []
    while True:
        rows = [texts[i] for i in generator.permutation(len(texts))]
        if packed:
            rows = _pack(rows, packed)
            rows = [rows[i] for i in generator.permutation(len(rows))]
        waiting += rows
        while len(waiting) >= size:
            yield waiting[:size]
            waiting = waiting[size:]


def _pack(texts: Sequence[Row], length: int) -> list[Row]:
    """Join documents and cut them into rows; a rest of one token predicts nothing and is left."""
    ids = [token for tokens, _ in texts for token in tokens]
    weights = [weight for _, row in texts for weight in row]
    starts = range(0, len(ids), length)
    rows = [(ids[i : i + length], weights[i : i + length]) for i in starts]
    return [row for row in rows if len(row[0]) > 1]


def _backward(model: Any, pad: Any, batch: Sequence[Row], micro_batch: int) -> None:
    """Add the gradient of the weighted mean loss of a batch, some rows at a time."""
    import torch

    total = max(sum(sum(weights[1:]) for _, weights in batch), 1e-9)
    kind = model.device.type
    half = kind != "cpu" and not is_small(model)
    size = micro_batch or len(batch)
    for start in range(0, len(batch), size):
        ids, weights = _tensors(batch[start : start + size], int(pad), model.device)
        with torch.autocast(kind, torch.bfloat16, enabled=half):
            logits = model(input_ids=ids, attention_mask=(weights >= 0).long()).logits
        loss = torch.nn.functional.cross_entropy(
            logits[:, :-1].float().flatten(0, 1), ids[:, 1:].flatten(), reduction="none"
        )
        ((loss * weights[:, 1:].clamp(min=0).flatten()).sum() / total).backward()


def _tensors(rows: Sequence[Row], pad: int, device: Any) -> tuple[Tensor, Tensor]:
    """Return tokens and weights padded on the right; the weight of padding is -1."""
    import torch

    width = max(len(ids) for ids, _ in rows)
    ids = [row + [pad] * (width - len(row)) for row, _ in rows]
    weights = [row + [-1.0] * (width - len(row)) for _, row in rows]
    return torch.tensor(ids, device=device), torch.tensor(weights, device=device)
