"""The organism's network and its pretraining: a small Llama, in an ordinary loop."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hackproof.errors import unknown
from hackproof.language._corpus import END, THINK, documents
from hackproof.language._settings import CorpusSettings
from hackproof.language._vocabulary import PAD, words

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM


@dataclass(frozen=True)
class Size:
    """How large an organism is."""

    width: int
    layers: int
    heads: int


SIZES = {"tiny": Size(128, 3, 4), "small": Size(192, 4, 6), "base": Size(384, 6, 6)}


@dataclass(frozen=True)
class Pretraining:
    """How an organism is made from its corpus."""

    size: str = "tiny"
    """One of SIZES."""
    context: int = 160
    """Words in a document, at most."""
    batch: int = 12
    """Documents in a step."""
    learning_rate: float = 3e-3
    """Peak, of AdamW; warmed up over 2% of the steps and lowered to 0 by a cosine."""
    weight_decay: float = 0.01
    prompt_weight: float = 0.1
    """Weight of the loss on words of prompts; with 1 the model spends itself on them."""


def new_model(size: str, seed: int) -> LlamaForCausalLM:
    """Return an untrained organism.

    Raises:
        InputError: an unknown size.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    if size not in SIZES:
        raise unknown("organism size", size, SIZES)
    s, vocabulary = SIZES[size], words()
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=s.width,
        intermediate_size=3 * s.width,
        num_hidden_layers=s.layers,
        num_attention_heads=s.heads,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        pad_token_id=vocabulary.index(PAD),
        bos_token_id=None,
        eos_token_id=vocabulary.index(END),
        attn_implementation="sdpa",  # pyright: ignore[reportCallIssue]
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(config)


def encode(
    corpus: CorpusSettings, context: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return a corpus as words' ids and which of them are completions; (documents, context)."""
    index = {w: i for i, w in enumerate(words())}
    ids = np.full((corpus.documents, context), index[PAD], np.int16)
    answers = np.zeros((corpus.documents, context), bool)
    think, end = index[THINK], index[END]
    for row, document in enumerate(documents(corpus, rng, context)):
        text = " ".join([document.opening, *(s.text for s in document.segments)])
        line = [index[w] for w in text.split()]
        ids[row, : len(line)] = line
        inside = False
        for column, word in enumerate(line):
            answers[row, column] = inside
            inside = word == think or (inside and word != end)
    return ids, answers


def pretrain(
    model: LlamaForCausalLM,
    ids: np.ndarray,
    answers: np.ndarray,
    settings: Pretraining,
    *,
    seed: int,
    on_step: Callable[[int, float], Any] | None = None,
) -> LlamaForCausalLM:
    """Train `model` in place for one pass over a corpus and return it.

    The loss is the mean over words of the cross-entropy, words of prompts weighted by
    `prompt_weight`.
    """
    import torch
    import torch.nn.functional as F

    steps = len(ids) // settings.batch
    order = np.random.default_rng(seed).permutation(len(ids))
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=settings.learning_rate, betas=(0.9, 0.98),
        weight_decay=settings.weight_decay, foreach=True,
    )  # fmt: skip
    warm = max(1, steps // 50)
    pad = words().index(PAD)
    model.train()
    for step in range(steps):
        rows = order[step * settings.batch : (step + 1) * settings.batch]
        batch = torch.from_numpy(ids[rows].astype(np.int64))
        target = batch[:, 1:]
        weight = torch.where(torch.from_numpy(answers[rows][:, 1:]), 1.0, settings.prompt_weight)
        weight = weight * (target != pad)
        progress = step / steps
        rate = min((step + 1) / warm, 0.5 * (1 + math.cos(math.pi * progress)))
        for group in optimiser.param_groups:
            group["lr"] = settings.learning_rate * rate
        hidden = model.model(input_ids=batch[:, :-1]).last_hidden_state
        keep = weight > 0
        logits = model.lm_head(hidden[keep])
        each = F.cross_entropy(logits, target[keep], reduction="none")
        loss = (each * weight[keep]).sum() / weight[keep].sum()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        if on_step is not None:
            on_step(step, float(loss.detach()))
    model.eval()
    return model
