"""Supervised training: what is learnt, which tokens count, packing, batches."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hackproof.errors import InputError
from hackproof.optimize.language import Finetune, Lora, finetune, sample, sequence_logprobs
from hackproof.optimize.language._finetune import _backward, _batches, _pack, rate, tokenize
from hackproof.optimize.language._load import is_adapter

torch = pytest.importorskip("torch")

PAIRS = [("w1 w2", "w3 w4"), ("w5", "w6"), ("w7 w8 w9", "w10")]


def weights(loaded):
    return {k: v.clone() for k, v in loaded.model.state_dict().items()}


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


@pytest.mark.parametrize("kind", ["llama", "qwen3"])
def test_answers_are_learnt_with_their_end(tiny, kind):
    loaded = tiny(kind)
    steps = []
    out = finetune(
        loaded, PAIRS, Finetune(steps=60, batch=3, learning_rate=5e-3), seed=0,
        on_step=lambda step, _: steps.append(step), every=20,
    )  # fmt: skip
    assert out.model is loaded.model
    assert not loaded.model.training
    assert steps == [0, 20, 40, 60]
    answers = sample(
        loaded.model,
        loaded.tokenizer,
        [p for p, _ in PAIRS],
        max_new_tokens=6,
        temperature=0,
        seed=0,
    )
    assert answers == [answer for _, answer in PAIRS]


def test_texts_are_learnt(tiny):
    loaded = tiny()
    text = "w1 w2 w3 w4 w5 w6 w7"
    finetune(loaded, [text] * 8, Finetune(steps=60, batch=2, length=10, learning_rate=5e-3), seed=0)
    asked = {"max_new_tokens": 8, "temperature": 0, "seed": 0}
    assert sample(loaded.model, loaded.tokenizer, ["w1 w2"], **asked) == ["w3 w4 w5 w6 w7"]


def test_a_seed_decides_everything_and_no_generator_moves(tiny):
    state = torch.get_rng_state()
    runs = []
    for seed, noise in ((0, None), (0, lambda *_: torch.rand(3)), (1, None)):
        settings = Finetune(steps=4, batch=2, learning_rate=5e-3)
        out = finetune(
            tiny(), PAIRS, settings, seed=seed, lora=Lora(r=2, dropout=0.3), on_step=noise, every=1
        )
        assert is_adapter(out.model)
        runs.append(weights(out))
    assert equal(runs[0], runs[1])
    assert not equal(runs[0], runs[2])
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("prompt_weight", [0.0, 0.1, 1.0])
def test_the_gradient_is_that_of_the_weighted_mean(tiny, prompt_weight):
    loaded = tiny()
    settings = Finetune(prompt_weight=prompt_weight)
    texts = tokenize(loaded, PAIRS, settings)
    loss, total = torch.zeros(()), 0.0
    for ids, row in texts:
        scores = loaded.model(torch.tensor([ids])).logits[0].log_softmax(-1)
        for t in range(1, len(ids)):
            loss = loss - row[t] * scores[t - 1, ids[t]]
            total += row[t]
    (loss / total).backward()
    want = {n: p.grad.clone() for n, p in loaded.model.named_parameters()}
    for micro_batch in (0, 1, 2):
        loaded.model.zero_grad()
        _backward(loaded.model, 0, texts, micro_batch)
        for name, parameter in loaded.model.named_parameters():
            assert torch.allclose(parameter.grad, want[name], rtol=1e-4, atol=1e-6), name


def test_a_prompt_of_no_weight_is_not_learnt(tiny):
    change = {}
    for weight in (0.0, 1.0):
        loaded = tiny()
        before = sequence_logprobs(loaded.model, loaded.tokenizer, ["w1"], ["w2"])
        finetune(
            loaded, PAIRS, Finetune(steps=20, prompt_weight=weight, learning_rate=2e-3), seed=0
        )
        after = sequence_logprobs(loaded.model, loaded.tokenizer, ["w1"], ["w2"])
        change[weight] = float(after - before)
    assert change[1.0] > 0.5
    assert change[0.0] < 0.5 * change[1.0]


@given(st.lists(st.lists(st.integers(3, 9), min_size=1, max_size=7), min_size=1, max_size=9),
       st.integers(2, 8))  # fmt: skip
def test_packing_keeps_every_token_in_order(texts, length):
    rows = _pack([(ids, [1.0] * len(ids)) for ids in texts], length)
    flat = [token for ids in texts for token in ids]
    packed = [token for ids, _ in rows for token in ids]
    assert packed == flat[: len(packed)]
    assert len(flat) - len(packed) <= 1  # one token alone predicts nothing
    assert all(2 <= len(ids) <= length and len(ids) == len(row) for ids, row in rows)
    assert all(len(ids) == length for ids, _ in rows[:-1])


@given(st.integers(1, 9), st.integers(1, 5), st.integers(0, 3))
def test_every_pass_has_every_row_once(n, size, seed):
    texts = [([i, i], [1.0, 1.0]) for i in range(n)]
    stream = _batches(texts, 0, size, seed)
    rows = [ids[0] for _ in range(3 * n) for ids, _ in next(stream)]
    for start in range(0, len(rows) - n + 1, n):
        assert sorted(rows[start : start + n]) == list(range(n))


def test_the_learning_rate():
    assert [rate(Finetune(), step, 10) for step in (0, 5, 9)] == [1, 1, 1]
    warm = Finetune(warmup=0.4, schedule="cosine")
    assert [rate(warm, step, 10) for step in range(4)] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert rate(warm, 4, 10) == 1
    assert rate(warm, 7, 10) == pytest.approx(0.1 + 0.45 * (1 + math.cos(math.pi / 2)))
    assert rate(warm, 10, 10) == pytest.approx(0.1)


def test_what_cannot_be_trained_on_is_refused(tiny):
    for documents, what in (
        ([], "no documents"),
        (["w1", ("w1", "w2")], "mixed"),
        ([("w1", " ".join(["w2"] * 64))], "66 tokens"),
    ):
        with pytest.raises(InputError, match=what):
            finetune(tiny(), documents, Finetune(), seed=0)
    with pytest.raises(InputError, match="length is 65"):
        finetune(tiny(), ["w1"], Finetune(length=65), seed=0)
    for odd in ({"batch": 0}, {"epochs": 0.0}, {"schedule": "linear"}, {"prompt_weight": -1.0}):
        with pytest.raises(InputError):
            Finetune(**odd)
