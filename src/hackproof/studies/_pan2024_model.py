"""The language models of pan-2024: small Llamas, made from the corpus alone and kept."""

from __future__ import annotations

import functools
import hashlib
import json
import math
import os
import shutil
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from hackproof.errors import unknown
from hackproof.studies import _pan2024_grammar as grammar

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

VERSION = 1
"""Raised when the grammar or the training changes what the same settings give."""
BATCH = 32
"""Documents in a step."""
PROMPT, CROWD = 0.1, 2.0
"""Weights of the loss on first drafts and posts, and on how much a post was read; else 1."""
SIZES = {"small": (32, 2, 2), "medium": (64, 2, 4), "large": (128, 3, 4)}
"""Width, layers and heads."""


@dataclass(frozen=True)
class Recipe:
    """What a model is made from; the same recipe gives the same weights on one machine."""

    corpus: grammar.Corpus
    size: str
    learning_rate: float
    seed: int
    """Of the corpus, the weights and the order: the independent unit."""

    @property
    def digest(self) -> str:
        """Hash of everything that decides the weights."""
        content = json.dumps([VERSION, asdict(self), grammar.words()], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:20]


def encoded(corpus: grammar.Corpus, seed: int) -> tuple[Any, Any]:
    """Return a corpus as numbers of words, and how much the loss on each weighs: ratings and
    revisions 1, first drafts and posts PROMPT, how much these were read CROWD. Both
    (documents, words).
    """
    import numpy as np

    ids = grammar.documents(corpus, np.random.default_rng([seed, 1]))
    at = grammar.index()
    weight = np.ones(ids.shape, np.float32)
    weight[:, : grammar.HEADER + grammar.SLOTS + 2] = PROMPT  # the first draft
    crowd = ids[:, 3] == at[f"@{grammar.READERS}"]
    number = np.roll(ids, 1, axis=1) == at[grammar.SCORE]
    weight[crowd] = PROMPT
    weight[number] = 1.0
    weight[number & crowd[:, None]] = CROWD
    return ids, weight


def new(size: str, seed: int) -> LlamaForCausalLM:
    """Return an untrained model.

    Raises:
        InputError: an unknown size.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    if size not in SIZES:
        raise unknown("size", size, SIZES)
    width, layers, heads = SIZES[size]
    config = LlamaConfig(
        vocab_size=len(grammar.words()), hidden_size=width, intermediate_size=3 * width,
        num_hidden_layers=layers, num_attention_heads=heads, max_position_embeddings=128,
        tie_word_embeddings=True, pad_token_id=0, bos_token_id=None, eos_token_id=None,
        attn_implementation="sdpa",  # pyright: ignore[reportCallIssue]
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(config)


def trained(recipe: Recipe) -> LlamaForCausalLM:
    """Train a model for one pass over its corpus: AdamW, warmed up over 2% of the steps, lowered to
    0 by a cosine; the loss is the weighed mean of the words' cross-entropy.
    """
    import numpy as np
    import torch
    import torch.nn.functional as F

    ids, weight = encoded(recipe.corpus, recipe.seed)
    model = new(recipe.size, recipe.seed).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=recipe.learning_rate, betas=(0.9, 0.98),
                                  weight_decay=0.01, foreach=True)  # fmt: skip
    order = np.random.default_rng([recipe.seed, 2]).permutation(len(ids))
    steps = max(1, len(ids) // BATCH)
    for step in range(steps):
        rows = order[step * BATCH : (step + 1) * BATCH]
        batch = torch.from_numpy(ids[rows].astype(np.int64))
        target, w = batch[:, 1:], torch.from_numpy(weight[rows][:, 1:])
        rate = min((step + 1) / max(1, steps // 50), 0.5 * (1 + math.cos(math.pi * step / steps)))
        for group in optimiser.param_groups:
            group["lr"] = recipe.learning_rate * rate
        out = model(input_ids=batch[:, :-1]).logits
        each = F.cross_entropy(out.flatten(0, 1), target.flatten(), reduction="none")
        loss = (each * w.flatten()).sum() / w.sum()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
    return model.eval()


@functools.lru_cache(maxsize=4)
def made(recipe: Recipe) -> LlamaForCausalLM:
    """Return the model of a recipe, from the cache or trained now."""
    from transformers import LlamaForCausalLM

    from hackproof.language import cache_folder
    from hackproof.record import files

    target = cache_folder() / f"pan2024-{recipe.size}-{recipe.digest}"
    target.parent.mkdir(parents=True, exist_ok=True)
    with files.locked(target.parent / ".locks" / target.name, wait=7200.0):
        if not target.exists():
            model = trained(recipe)
            scratch = target.with_name(f".{target.name}.{os.getpid()}")
            model.save_pretrained(scratch)
            shutil.rmtree(target, ignore_errors=True)
            scratch.rename(target)
    return LlamaForCausalLM.from_pretrained(target).eval()
