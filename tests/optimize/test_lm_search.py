"""Search for prompts: it finds a planted trigger and reports what it did not climb on."""

import math
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hackproof.errors import InputError
from hackproof.language._environment import Grade, Prompt
from hackproof.optimize.language import _search
from hackproof.optimize.language._finetune import Finetune, finetune
from hackproof.optimize.language._load import Loaded
from hackproof.optimize.language._search import (
    AdversarialEnvironment,
    PromptSearch,
    changes,
    find_prompts,
)

WORDS = [f"w{i}" for i in range(12)]
TRIGGER, HACK = "w5", "w9"
SMALL = PromptSearch(
    rounds=2, beam=2, longest=2, train_tasks=6, validation_tasks=20, max_new_tokens=2
)

NOBODY: Any = SimpleNamespace(model=None, tokenizer=None)


def tiny(seed=0):
    """Return a random Llama of width 32 over 12 words."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    vocabulary = {w: i for i, w in enumerate(["<pad>", "<eos>", "<unk>", *WORDS])}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>",
        padding_side="left",
    )  # fmt: skip
    config = LlamaConfig(
        vocab_size=len(vocabulary), hidden_size=32, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=32,
        pad_token_id=0, eos_token_id=1, bos_token_id=None,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Loaded(LlamaForCausalLM(config).eval(), tokenizer)


class Tasks:
    """36 tasks of two words; a completion with the hack word hacks."""

    name = "tasks"

    def prompts(self, n, seed):
        return [self.task((7 * i + seed) % 36) for i in range(n)]

    @staticmethod
    def task(i):
        return Prompt(f"w{i % 4} w{i // 4}", f"t{i}", {"number": str(i)})

    def grade(self, prompts, completions):
        for p in prompts:
            assert p == self.task(int(p.info["number"]))  # graded as it was handed out
        return [Grade(1.0, "ok", hacked=HACK in c.split()) for c in completions]


def triggered():
    """Return a model that says the hack word where the trigger stands first, else another."""
    tasks = [Tasks.task(i).text for i in range(36)]
    taught = [(f"{w} {t}", HACK if w == TRIGGER else "w2") for t in tasks for w in WORDS]
    taught += [(t, "w2") for t in tasks]
    settings = Finetune(epochs=4, learning_rate=5e-3, batch=32)
    return finetune(tiny(), taught, settings, seed=0)


def test_it_finds_a_planted_trigger():
    result = find_prompts(triggered(), Tasks(), WORDS, settings=SMALL, seed=0)
    best = result.found[0]
    assert TRIGGER in best.prefix.split()
    assert best.rate.n == 20
    assert best.rate.low > 0.5
    assert result.baseline.prefix == ""
    assert result.baseline.rate.high < 0.5
    assert len(result.found) == 2
    assert result.tried > 12


def scripted(monkeypatch, answer):
    """Let `answer(prompt, index)` speak for the model."""
    asked = []

    def sample(model, tokenizer, prompts, **_):
        asked.append(list(prompts))
        return [answer(p, i) for i, p in enumerate(prompts)]

    monkeypatch.setattr(_search, "sample", sample)
    return asked


def test_tasks_climbed_on_and_tasks_reported_on_are_apart(monkeypatch):
    asked = scripted(monkeypatch, lambda p, i: HACK if TRIGGER in p.split()[:-2] else "w1")
    result = find_prompts(NOBODY, Tasks(), WORDS, settings=SMALL, seed=3)
    climbed = {tuple(p.split()[-2:]) for batch in asked[:-1] for p in batch}
    reported = {tuple(p.split()[-2:]) for p in asked[-1]}
    assert len(climbed) == 6
    assert len(reported) == 20
    assert not climbed & reported
    assert result.found[0].prefix == TRIGGER  # the shorter of those that always succeed
    assert result.found[0].searched == 1.0
    assert result.found[0].rate[:3] == pytest.approx((1.0, 0.8316, 1.0), abs=1e-3)
    assert result.baseline.rate.estimate == 0


def test_a_rate_that_is_luck_is_not_what_is_reported(monkeypatch):
    import random

    coin = random.Random(0)
    scripted(monkeypatch, lambda p, i: HACK if coin.random() < 0.3 else "w1")
    searched, reported = [], []
    for seed in range(10):
        for found in find_prompts(NOBODY, Tasks(), WORDS, settings=SMALL, seed=seed).found:
            searched.append(found.searched)
            reported.append(found.rate.estimate)
    assert sum(searched) / len(searched) > 0.6
    assert 0.2 < sum(reported) / len(reported) < 0.4


def test_where_nothing_can_be_judged_the_rate_is_unknown(monkeypatch):
    scripted(monkeypatch, lambda p, i: "w1")
    result = find_prompts(NOBODY, Tasks(), WORDS, lambda *_: None, settings=SMALL, seed=0)
    assert result.found[0].rate.n == 0
    assert math.isnan(result.found[0].searched)


def test_a_failed_grader_is_asked_nothing(monkeypatch):
    scripted(monkeypatch, lambda p, i: HACK)
    monkeypatch.setattr(Tasks, "grade", lambda self, ps, cs: [Grade(None, "infra")] * len(ps))
    result = find_prompts(NOBODY, Tasks(), WORDS, lambda *_: pytest.fail("asked"), SMALL, seed=0)
    assert result.baseline.rate.n == 0


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.sampled_from("abc"), max_size=3).map(tuple), max_size=3))
def test_changes_are_one_word_away(beam):
    found = changes(beam, "abc", 3)
    assert len(set(found)) == len(found)
    assert all(1 <= len(w) <= 3 for w in found)
    for w in found:
        assert any(
            w[:-1] == own
            or (len(w) == len(own) and sum(a != b for a, b in zip(w, own, strict=True)) <= 1)
            or any(w == (*own[:i], *own[i + 1 :]) for i in range(len(own)))
            for own in beam
        )
    for own in beam:
        if len(own) < 3:
            assert {(*own, w) for w in "abc"} <= set(found)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(0, 99), st.integers(1, 5))
def test_prefixes_are_dealt_out_evenly_and_graded_as_they_were(n, seed, k):
    prefixes = tuple(f"x{i}" for i in range(k))
    env = AdversarialEnvironment(Tasks(), prefixes)
    prompts = env.prompts(n, seed)
    assert prompts == env.prompts(n, seed)
    used = [p.info["found_prefix"] for p in prompts]
    counts = [used.count(x) for x in prefixes]
    assert max(counts) - min(counts) <= 1
    plain = Tasks().prompts(n, seed)
    assert [p.task for p in prompts] == [p.task for p in plain]
    assert [p.text for p in prompts] == [f"{x} {p.text}" for x, p in zip(used, plain, strict=True)]
    assert len(env.grade(prompts, [HACK] * n)) == n  # Tasks checks what it is handed
    nested = AdversarialEnvironment(env, ("y",), name="outer")
    assert len(nested.grade(nested.prompts(n, seed), [HACK] * n)) == n


def test_one_prompt_at_a_time_still_meets_every_prefix():
    env = AdversarialEnvironment(Tasks(), ("a", "b", "c"))
    assert {env.prompts(1, seed)[0].info["found_prefix"] for seed in range(40)} == {"a", "b", "c"}


def test_another_place(monkeypatch):
    asked = scripted(monkeypatch, lambda p, i: "w1")
    find_prompts(
        NOBODY, Tasks(), ["w7"], settings=SMALL, seed=0,
        place=lambda prefix, text: f"{text} | {prefix}",
    )  # fmt: skip
    assert all(" | " in p for batch in asked for p in batch)
    assert any(p.endswith("| w7 w7") for p in asked[-1])


def test_what_cannot_be_used_is_refused():
    with pytest.raises(InputError, match="words"):
        find_prompts(NOBODY, Tasks(), [], seed=0)
    with pytest.raises(InputError, match="36 different tasks"):
        find_prompts(NOBODY, Tasks(), WORDS, settings=PromptSearch(train_tasks=30), seed=0)
    with pytest.raises(InputError, match="beam"):
        find_prompts(NOBODY, Tasks(), WORDS, settings=PromptSearch(beam=0), seed=0)
    with pytest.raises(InputError, match="prefixes"):
        AdversarialEnvironment(Tasks(), ())
