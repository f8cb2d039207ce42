"""Sampling from a causal language model, and the probabilities it gives to texts."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hackproof.errors import InputError
from hackproof.optimize.language._decode import is_small, pad_left, sample_ids, shares

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@contextmanager
def kept_random_state() -> Iterator[None]:
    """Give the global generators of Python, NumPy and torch back as they were."""
    import numpy as np
    import torch

    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng():
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002


@contextmanager
def evaluating(model: PreTrainedModel) -> Iterator[None]:
    """Turn dropout off; give the model back in the mode it was in."""
    was = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was)


def encode(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
    """Return the token ids of each text.

    The tokens that a tokenizer puts first (such as a beginning of sequence) are added, except
    where a text begins with that token already, as what a chat template made does.

    Raises:
        InputError: a text has no tokens.
    """
    if not texts:
        return []
    start = tokenizer.bos_token
    bare = [bool(start) and text.startswith(str(start)) for text in texts]
    encoded: list[list[int]] = []
    if any(bare):
        encoded = [
            tokenizer(text, add_special_tokens=not skip)["input_ids"]  # pyright: ignore
            for text, skip in zip(texts, bare, strict=True)
        ]
    else:
        encoded = tokenizer(list(texts))["input_ids"]  # pyright: ignore[reportAssignmentType]
    if not all(encoded):
        raise InputError("a prompt is empty: a model needs a token to start from.")
    return encoded


def end_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return every token that ends a completion: the tokenizer's and those the model declares."""
    declared = getattr(model.generation_config, "eos_token_id", None)
    ids = [] if declared is None else [declared] if isinstance(declared, int) else list(declared)
    own = tokenizer.eos_token_id
    return ids if own is None or own in ids else [int(own), *ids]  # pyright: ignore


def decode(
    tokenizer: PreTrainedTokenizerBase, rows: Sequence[Sequence[int]], ends: Sequence[int]
) -> list[str]:
    """Return the text of completions up to the token that ends them.

    Padding and the beginning of sequence are left out. Other special tokens stay: a model
    that writes a turn of its own shows it.
    """
    if not rows:
        return []
    drop = (tokenizer.pad_token_id, tokenizer.bos_token_id)
    stop = set(ends)
    cut: list[list[int]] = []
    for row in rows:
        end = next((i for i, token in enumerate(row) if token in stop), len(row))
        cut.append([token for token in row[:end] if token not in drop])
    return [
        str(text)
        for text in tokenizer.batch_decode(
            cut, skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
    ]


def sample(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    *,
    max_new_tokens: int,
    temperature: float = 1.0,
    seed: int,
    batch_size: int = 256,
) -> list[str]:
    """Sample one completion per prompt.

    The same seed gives the same completions; no global generator is touched, and no dropout is
    on. A small decoder takes a lean loop (`_decode`), in which a completion hangs on the seed
    and its place among the prompts, not on the batch; others go through `generate`.

    Args:
        model: A causal language model.
        tokenizer: Its tokenizer.
        prompts: Whole prompts; equal ones are read once by the lean loop.
        max_new_tokens: At least 1.
        temperature: The logits are divided by it; 0 takes the most likely token.
        seed: Decides every draw.
        batch_size: Prompts sampled at once.

    Returns:
        Texts in the order of the prompts, as `decode` returns them.
    """
    if max_new_tokens < 1 or batch_size < 1 or temperature < 0:
        raise InputError(
            "max_new_tokens and batch_size must be at least 1 and temperature not negative; got "
            f"{max_new_tokens}, {batch_size} and {temperature}."
        )
    ids = encode(tokenizer, prompts)
    ends = end_ids(model, tokenizer)
    with evaluating(model):
        if shares(model) and is_small(model):
            rows = _lean(model, tokenizer, ids, ends, max_new_tokens, temperature, seed, batch_size)
        else:
            rows = _generate(
                model, tokenizer, ids, ends, max_new_tokens, temperature, seed, batch_size
            )
    return decode(tokenizer, rows, ends)


def uniform_draws(rows: int, tokens: int, *seeds: int) -> Tensor:
    """Return uniform numbers in [0, 1), shape (rows, tokens), float64, from their own seed."""
    import numpy as np
    import torch

    generator = np.random.default_rng([seed % 2**63 for seed in seeds])
    return torch.from_numpy(generator.random((rows, tokens)))


def _batches(ids: Sequence[Sequence[int]], size: int) -> list[list[int]]:
    """Return the places of prompts in batches of like length, equal prompts together."""
    order = sorted(range(len(ids)), key=lambda i: (len(ids[i]), ids[i]))
    return [order[i : i + size] for i in range(0, len(order), size)]


def _lean(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    ids: list[list[int]],
    ends: Sequence[int],
    most: int,
    temperature: float,
    seed: int,
    size: int,
) -> list[list[int]]:
    """Sample with the loop that shares equal prompts."""
    uniforms = uniform_draws(len(ids), most, seed)
    out: list[list[int]] = [[] for _ in ids]
    for places in _batches(ids, size):
        rows = sample_ids(
            model,
            [ids[i] for i in places],
            uniforms[places],
            ends=ends,
            pad=int(tokenizer.pad_token_id),  # pyright: ignore[reportArgumentType]
            temperature=temperature,
        )
        for place, row in zip(places, rows, strict=True):
            out[place] = row
    return out


def _generate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    ids: list[list[int]],
    ends: Sequence[int],
    most: int,
    temperature: float,
    seed: int,
    size: int,
) -> list[list[int]]:
    """Sample with the `generate` of transformers."""
    import torch
    from transformers import GenerationConfig

    pad: Any = tokenizer.pad_token_id
    drawn: dict[str, Any] = {"temperature": temperature, "top_k": 0, "top_p": 1.0}
    config = GenerationConfig(
        max_new_tokens=most,
        do_sample=temperature > 0,
        pad_token_id=pad,
        eos_token_id=list(ends),
        **(drawn if temperature > 0 else {}),
    )
    out: list[list[int]] = [[] for _ in ids]
    with kept_random_state(), torch.inference_mode():
        torch.manual_seed(seed)
        for places in _batches(ids, size):
            inputs, mask = pad_left([ids[i] for i in places], pad, model.device)
            tokens: Any = model.generate(  # pyright: ignore[reportCallIssue]
                inputs=inputs, attention_mask=mask, generation_config=config
            )
            for place, row in zip(places, tokens[:, inputs.shape[1] :].tolist(), strict=True):
                out[place] = row
    return out


def next_token_logprobs(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    words: Sequence[str],
    *,
    batch_size: int = 256,
) -> Tensor:
    """Return log p(word | prompt) for words of one token.

    Returns:
        Shape (prompts, words), on the CPU, float32, in nats.

    Raises:
        InputError: a word is not one token of this tokenizer.
    """
    import torch

    ids = encode(tokenizer, prompts)
    columns = [_one_token(tokenizer, word) for word in words]
    out = torch.empty((len(ids), len(columns)))
    with evaluating(model), torch.inference_mode():
        for places in _batches(ids, batch_size):
            logits = _last_logits(model, tokenizer, [ids[i] for i in places])
            out[places] = logits.float().log_softmax(-1)[:, columns].cpu()
    return out


def _one_token(tokenizer: PreTrainedTokenizerBase, word: str) -> int:
    """Return the only token of a word."""
    ids: Any = tokenizer(word, add_special_tokens=False)["input_ids"]
    if len(ids) != 1 or ids[0] == tokenizer.unk_token_id:
        raise InputError(
            f"{word!r} is {len(ids)} tokens or unknown to this tokenizer: {list(ids)}. "
            "Give words of one token, or score the text with sequence_logprobs."
        )
    return int(ids[0])


def _positions(mask: Tensor) -> Tensor:
    """Return the place of each token in its row, padding not counted."""
    return (mask.cumsum(1) - 1).clamp(min=0)


def _last_logits(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, ids: Sequence[Sequence[int]]
) -> Tensor:
    """Return the logits after each prompt, shape (prompts, vocabulary)."""
    pad: Any = tokenizer.pad_token_id
    inputs, mask = pad_left(ids, pad, model.device)
    return model(
        input_ids=inputs, attention_mask=mask, position_ids=_positions(mask), logits_to_keep=1
    ).logits[:, -1]


def sequence_logprobs(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    completions: Sequence[str],
    *,
    end: bool = False,
    batch_size: int = 64,
) -> Tensor:
    """Return log p(completion | prompt), summed over the completion's tokens.

    Prompt and completion are tokenized apart and joined, which is what training does.

    Args:
        model: A causal language model.
        tokenizer: Its tokenizer.
        prompts: One per completion.
        completions: Without the token that ends them.
        end: Count the end of sequence after each completion too.
        batch_size: Pairs scored at once.

    Returns:
        Shape (pairs,), on the CPU, float32, in nats.
    """
    import torch

    first = encode(tokenizer, prompts)
    last = completion_ids(tokenizer, completions, end=end)
    if len(first) != len(last):
        raise InputError(f"{len(first)} prompts and {len(last)} completions; give as many of each.")
    out = torch.empty(len(first))
    with evaluating(model), torch.inference_mode():
        for places in _batches([a + b for a, b in zip(first, last, strict=True)], batch_size):
            pairs = [(first[i], last[i]) for i in places]
            out[places] = _score(model, tokenizer, pairs).cpu()
    return out


def completion_ids(
    tokenizer: PreTrainedTokenizerBase, completions: Sequence[str], *, end: bool
) -> list[list[int]]:
    """Return the token ids of completions, without what a tokenizer puts first."""
    if not completions:
        return []
    rows: Any = tokenizer(list(completions), add_special_tokens=False)["input_ids"]
    tail = [int(tokenizer.eos_token_id)] if end else []  # pyright: ignore[reportArgumentType]
    return [list(row) + tail for row in rows]


def _score(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    pairs: Sequence[tuple[list[int], list[int]]],
) -> Tensor:
    """Return the summed log-probabilities of the second half of each pair."""
    import torch

    pad: Any = tokenizer.pad_token_id
    inputs, mask = pad_left([a + b for a, b in pairs], pad, model.device)
    keep = max(len(b) for _, b in pairs)
    if not keep:
        return torch.zeros(len(pairs))
    logits = model(
        input_ids=inputs,
        attention_mask=mask,
        position_ids=_positions(mask),
        logits_to_keep=keep + 1,
    ).logits
    scores = logits[:, :-1].float().log_softmax(-1)
    scores = scores.gather(2, inputs[:, -keep:, None])[..., 0]
    wanted = torch.tensor([[0] * (keep - len(b)) + [1] * len(b) for _, b in pairs])
    return (scores * wanted.to(scores.device)).sum(1)
