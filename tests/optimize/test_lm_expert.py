"""Expert iteration: what is kept, what is never kept, and that it trains towards the reward."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hackproof.errors import InputError, RewardError
from hackproof.language._environment import Grade, Prompt
from hackproof.optimize.language import _expert
from hackproof.optimize.language._expert import (
    Episode,
    ExpertIteration,
    collect,
    derived,
    expert_iteration,
    select,
    summarise,
)
from hackproof.optimize.language._finetune import Finetune
from hackproof.optimize.language._load import Loaded

WORDS = [f"w{i}" for i in range(8)]
GOOD = "w3"


def tiny(seed=0):
    """Return a random Llama of width 32 over 8 words."""
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


class Says:
    """Pays `sign` for saying the good word; the grader fails on task "w0"."""

    name = "says"

    def __init__(self, sign=1.0):
        self.sign = sign

    def prompts(self, n, seed):
        return [Prompt(f"{WORDS[(seed + i) % 8]} w1", WORDS[(seed + i) % 8]) for i in range(n)]

    def grade(self, prompts, completions):
        return [
            Grade(None, "infra") if p.task == "w0"
            else Grade(
                self.sign * (GOOD in c.split()), "ok", solved=GOOD in c.split(), hacked="w4" in c
            )
            for p, c in zip(prompts, completions, strict=True)
        ]  # fmt: skip


SMALL = ExpertIteration(rounds=3, prompts=32, samples_per_prompt=4, max_new_tokens=3)


def reward(loaded):
    groups = collect(loaded, Says(), prompts=64, samples_per_prompt=4, max_new_tokens=3, seed=999)
    return summarise([e for g in groups for e in g]).reward


@pytest.mark.parametrize("keep", ["best", "all-rewarded"])
def test_it_raises_the_reward(keep):
    before = reward(tiny())
    settings = ExpertIteration(
        **{**vars(SMALL), "keep": keep, "finetune": Finetune(epochs=4, learning_rate=3e-3)}
    )
    result = expert_iteration(tiny(), Says(), settings, seed=0)
    assert reward(result.loaded) > before + 0.3
    assert len(result.history) == 3
    assert [r.round for r in result.history] == [0, 1, 2]
    assert all(r.kept > 0 and r.sampled.episodes == 128 for r in result.history)
    assert result.history[-1].sampled.reward > result.history[0].sampled.reward
    assert result.history[0].sampled.infra == 16  # one of eight tasks


def test_a_negated_reward_lowers_it():
    before = reward(tiny())
    settings = ExpertIteration(
        **{**vars(SMALL), "finetune": Finetune(epochs=4, learning_rate=3e-3)}
    )
    assert reward(expert_iteration(tiny(), Says(-1.0), settings, seed=0).loaded) < before / 2


def test_what_the_machinery_failed_on_is_never_trained_on(monkeypatch):
    trained = []
    monkeypatch.setattr(
        _expert, "finetune", lambda loaded, documents, *_, **__: trained.extend(documents) or loaded
    )
    result = expert_iteration(tiny(), Says(), SMALL, seed=0)
    assert len(trained) == sum(r.kept for r in result.history)
    assert trained
    assert not [prompt for prompt, _ in trained if prompt.startswith("w0")]
    assert all(GOOD in text.split() for _, text in trained)


def test_where_nothing_is_paid_nothing_is_trained(monkeypatch):
    monkeypatch.setattr(_expert, "finetune", lambda *_, **__: pytest.fail("trained"))
    result = expert_iteration(tiny(), Says(0.0), SMALL, seed=0)
    assert [r.kept for r in result.history] == [0, 0, 0]


def test_every_round_is_shown_and_the_seed_decides(monkeypatch):
    monkeypatch.setattr(_expert, "finetune", lambda loaded, *_, **__: loaded)
    seen = []
    one = expert_iteration(tiny(), Says(), SMALL, seed=0, on_round=lambda r, _: seen.append(r))
    assert seen == [0, 1, 2, 3]
    assert expert_iteration(tiny(), Says(), SMALL, seed=0).history == one.history
    assert expert_iteration(tiny(), Says(), SMALL, seed=1).history != one.history
    assert len({r.sampled.reward for r in one.history}) > 1  # each round asks anew


def episodes(rewards):
    return [Episode(Prompt("p", "t"), str(i), Grade(r, "ok")) for i, r in enumerate(rewards)]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.none() | st.floats(-9, 9)))
def test_the_best_is_the_best(rewards):
    known = [r for r in rewards if r is not None]
    best = select(episodes(rewards), "best")
    if len(set(known)) < 2:
        assert best == []
    else:
        assert [e.grade.reward for e in best] == [max(known)]
    paid = select(episodes(rewards), "all-rewarded")
    assert [e.grade.reward for e in paid] == [r for r in known if r > 0]


def test_rates_leave_out_what_is_not_known():
    grades = [
        Grade(1.0, "ok", solved=True, hacked=False),
        Grade(0.0, "wrong", solved=False, hacked=None),
        Grade(None, "infra", solved=None, hacked=None),
        Grade(0.5, "ok", solved=False, hacked=True),
    ]
    got = summarise([Episode(Prompt("p", "t"), "", g) for g in grades])
    assert (got.reward, got.hack_rate, got.episodes, got.infra) == (0.5, 0.5, 4, 1)
    assert got.solve_rate == pytest.approx(1 / 3)
    assert summarise([]).reward is None


def test_what_cannot_be_used_is_refused():
    with pytest.raises(InputError, match="samples_per_prompt"):
        expert_iteration(tiny(), Says(), ExpertIteration(samples_per_prompt=1), seed=0)
    with pytest.raises(InputError, match="best, all-rewarded"):
        select([], "most")
    with pytest.raises(InputError, match="0 prompts"):
        collect(tiny(), Says(), prompts=0, samples_per_prompt=1, max_new_tokens=2, seed=0)
    with pytest.raises(RewardError, match="says paid nan"):
        collect(tiny(), Says(math.nan), prompts=2, samples_per_prompt=1, max_new_tokens=2, seed=1)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.integers(0, 99))
def test_derived_seeds_differ(seed, key):
    assert 0 <= derived(seed, key) < 2**31
    assert derived(seed, key) == derived(seed, key)
    assert derived(seed, key) != derived(seed, key + 1)
