"""Tiny language models with random weights, made on the spot."""

from collections.abc import Sequence
from typing import Any

import pytest

from hackproof.optimize.language._load import Loaded

WORDS = tuple(f"w{i}" for i in range(20))


def tiny_tokenizer(words: Sequence[str] = WORDS, **special: str) -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    special = special or {"pad_token": "<pad>", "eos_token": "<eos>", "unk_token": "<unk>"}
    vocabulary = {word: i for i, word in enumerate([*special.values(), *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, padding_side="left", **special)


def tiny_model(kind: str = "llama", vocabulary: int = 23, seed: int = 0, **more: Any) -> Any:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    sizes: dict[str, Any] = {
        "vocab_size": vocabulary,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "max_position_embeddings": 64,
        "initializer_range": 0.2,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "bos_token_id": None,
        "tie_word_embeddings": True,
    }
    if kind == "gpt2":
        sizes = {"vocab_size": vocabulary, "n_embd": 32, "n_layer": 2, "n_head": 4,
                 "n_positions": 64, "pad_token_id": 0, "eos_token_id": 1}  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        config = AutoConfig.for_model(kind, **sizes | more)
        return AutoModelForCausalLM.from_config(config).eval()


@pytest.fixture
def tiny():
    """A function from a kind of model to a `Loaded` one."""

    def make(kind: str = "llama", seed: int = 0, **more: Any) -> Loaded:
        return Loaded(tiny_model(kind, seed=seed, **more), tiny_tokenizer())

    return make


@pytest.fixture
def tokenizer():
    """A function that makes a tokenizer of words."""
    return tiny_tokenizer
