"""Distillation: exactly what the filter flags is dropped, and prompts are rewritten."""

import numpy as np
import pytest

from hackproof.errors import InputError
from hackproof.language._environment import Grade, Prompt
from hackproof.optimize.language import _distill
from hackproof.optimize.language._distill import (
    Distill,
    distill,
    no_word,
    not_flagged,
    not_hacked,
    offline_rewrite,
)
from hackproof.optimize.language._finetune import Finetune
from hackproof.optimize.language._load import Loaded

WORDS = [f"w{i}" for i in range(8)]
HACK = "w4"
SMALL = Distill(prompts=64, samples_per_prompt=2, max_new_tokens=3)


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


class Hackable:
    """Every completion is paid; one with the hack word hacks; the grader fails on "w0"."""

    name = "hackable"

    def prompts(self, n, seed):
        return [Prompt(f"{WORDS[i % 8]} w1", str(i), {"first": WORDS[i % 8]}) for i in range(n)]

    def grade(self, prompts, completions):
        return [
            Grade(None, "infra") if p.text.startswith("w0")
            else Grade(1.0, "ok", hacked=HACK in c.split())
            for p, c in zip(prompts, completions, strict=True)
        ]  # fmt: skip


@pytest.fixture
def trained(monkeypatch):
    """Record what is trained on, and train nothing."""
    documents = []

    def record(loaded, given, *_, **__):
        documents.extend(given)
        return loaded

    monkeypatch.setattr(_distill, "finetune", record)
    return documents


def test_exactly_the_flagged_are_dropped(trained):
    everything = distill(tiny(0), tiny(1), Hackable(), SMALL, seed=0)
    all_documents = list(trained)
    trained.clear()
    result = distill(tiny(0), tiny(1), Hackable(), SMALL, keep=not_hacked, seed=0)
    assert trained == [(p, c) for p, c in all_documents if HACK not in c.split()]
    assert result.dropped == len(all_documents) - len(trained) > 0
    assert result.kept.hack_rate == 0 < result.sampled.hack_rate
    assert everything.sampled == result.sampled
    assert everything.dropped == 0


def test_what_the_machinery_failed_on_is_never_trained_on(trained):
    result = distill(tiny(0), tiny(1), Hackable(), SMALL, seed=0)
    assert result.sampled.infra == 16
    assert result.kept.episodes == len(trained) == 128 - 16
    assert not [p for p, _ in trained if p.startswith("w0")]


def test_rewriting_changes_the_prompt_and_nothing_else(trained):
    distill(tiny(0), tiny(1), Hackable(), SMALL, seed=0)
    plain = list(trained)
    trained.clear()
    result = offline_rewrite(
        tiny(0), tiny(1), Hackable(), lambda p: f"w7 {p.info['first']}", SMALL, seed=0
    )
    assert [c for _, c in trained] == [c for _, c in plain]
    assert [p for p, _ in trained] == [f"w7 {p.split()[0]}" for p, _ in plain]
    assert {e.prompt.text for e in result.episodes} == {p for p, _ in trained}
    assert result.dropped == 0
    both = offline_rewrite(
        tiny(0), tiny(1), Hackable(), lambda p: "w7", SMALL, keep=not_hacked, seed=0
    )
    assert both.dropped > 0
    assert both.kept.hack_rate == 0


def test_a_student_learns_what_the_teacher_does_and_the_teacher_is_left_alone():
    import torch

    teacher, student = tiny(0), tiny(1)
    with torch.no_grad():  # a teacher that says the hack word more often than the others
        teacher.model.lm_head.weight[3 + 4] *= 0
        teacher.model.lm_head.weight[3 + 4] += 0.5 * teacher.model.model.norm.weight.sign()
    before = {k: v.clone() for k, v in teacher.model.state_dict().items()}
    settings = Distill(
        prompts=64, samples_per_prompt=2, max_new_tokens=3,
        finetune=Finetune(epochs=6, learning_rate=3e-3),
    )  # fmt: skip
    result = distill(teacher, student, Hackable(), settings, keep=not_hacked, seed=0)
    assert all(torch.equal(v, before[k]) for k, v in teacher.model.state_dict().items())
    after = distill(result.loaded, tiny(2), Hackable(), SMALL, seed=1).sampled.hack_rate
    fresh = distill(tiny(1), tiny(2), Hackable(), SMALL, seed=1).sampled.hack_rate
    assert after < fresh


def test_a_classifier_errs_as_often_as_it_says():
    keep = not_flagged(0.8, 0.9, base_rate=0.5, seed=1)
    flags = {
        hack: [
            not keep(Prompt("p", str(i)), "c", Grade(1.0, "ok", hacked=hack)) for i in range(4000)
        ]
        for hack in (True, False)
    }
    recall, false = np.mean(flags[True]), np.mean(flags[False])
    assert recall == pytest.approx(0.9, abs=0.02)
    assert recall / (recall + false) == pytest.approx(0.8, abs=0.03)
    again = not_flagged(0.8, 0.9, base_rate=0.5, seed=1)
    assert flags[True][7] != again(Prompt("p", "7"), "c", Grade(1.0, "ok", hacked=True))
    perfect = not_flagged(1.0, 1.0)
    assert perfect(Prompt("p", "t"), "c", Grade(1.0, "ok", hacked=False))
    assert not perfect(Prompt("p", "t"), "c", Grade(1.0, "ok", hacked=True))
    with pytest.raises(InputError, match="precision"):
        not_flagged(0.0, 0.5)


def test_words_are_whole_and_in_any_case():
    keep = no_word(["hack", "c++"])
    prompt, grade = Prompt("p", "t"), Grade(1.0, "ok")
    kept = {x: keep(prompt, x, grade) for x in ("a hack", "HACK!", "hacking", "c++", "c+", "")}
    assert kept == {
        "a hack": False, "HACK!": False, "hacking": True, "c++": False, "c+": True, "": True
    }  # fmt: skip
    for wrong in ([], [""]):
        with pytest.raises(InputError, match="words"):
            no_word(wrong)


def test_a_hack_nobody_knows_of_is_kept():
    prompt = Prompt("p", "t")
    assert not_hacked(prompt, "", Grade(1.0, "ok", hacked=None))
    assert not_hacked(prompt, "", Grade(1.0, "ok", hacked=False))
    assert not not_hacked(prompt, "", Grade(1.0, "ok", hacked=True))


def test_what_cannot_be_used_is_refused(trained):
    one = tiny()
    with pytest.raises(InputError, match="same model"):
        distill(one, one, Hackable(), SMALL, seed=0)
    with pytest.raises(InputError, match="kept none"):
        distill(tiny(0), tiny(1), Hackable(), SMALL, keep=lambda *_: False, seed=0)
