"""Sampling: seeds, order, distribution; log-probabilities against a plain forward pass."""

import numpy as np
import pytest

from hackproof.errors import InputError
from hackproof.optimize.language import _sampling as sampling
from hackproof.optimize.language import next_token_logprobs, sample, sequence_logprobs
from hackproof.optimize.language._decode import (
    completion_logits,
    draw,
    pad_left,
    sample_ids,
    shares,
)
from hackproof.optimize.language._sampling import decode, encode, uniform_draws

torch = pytest.importorskip("torch")

KINDS = ("llama", "qwen2", "qwen3", "mistral")
PROMPTS = ["w1 w2 w3", "w4", "w1 w2 w3", "w5 w6 w7 w8 w9", "w4", "w10 w11"]


def made(tiny, kind):
    return tiny(kind, **({"sliding_window": None} if kind == "mistral" else {}))


def plain(model, ids, uniforms, ends, temperature):
    """One row at a time, the whole text read again for every token."""
    out = []
    for t in range(uniforms.shape[0]):
        with torch.no_grad():
            logits = model(torch.tensor([[*ids, *out]])).logits[:, -1]
        out.append(int(draw(logits, uniforms[t : t + 1], temperature)))
        if out[-1] in ends:
            break
    return out


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_lean_loop_draws_what_a_plain_pass_draws(tiny, kind, attention):
    loaded = made(tiny, kind)
    loaded.model.set_attn_implementation(attention)
    assert shares(loaded.model)
    ids = encode(loaded.tokenizer, PROMPTS * 3)
    uniforms = uniform_draws(len(ids), 12, 3)
    rows = sample_ids(loaded.model, ids, uniforms, ends=[1, 4], pad=0, temperature=0.8)
    lengths = {len(row) for row in rows}
    assert len(lengths) > 3  # so that rows leave at different steps
    for row, prompt, u in zip(rows, ids, uniforms, strict=True):
        assert row == plain(loaded.model, prompt, u, [1, 4], 0.8)


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_seed_order_and_batch(tiny, kind):
    loaded = tiny(kind)
    prompts = PROMPTS * 4

    def asked(**more):
        given = {"max_new_tokens": 6, "seed": 1} | more
        return sample(loaded.model, loaded.tokenizer, prompts, **given)

    state, numpy = torch.get_rng_state(), np.random.get_state()[1]  # noqa: NPY002
    first = asked()
    assert first == asked()
    assert first != asked(seed=2)
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], numpy)  # noqa: NPY002
    if kind == "llama":
        assert first == asked(batch_size=5)
    greedy = asked(temperature=0)
    assert greedy == asked(temperature=0, seed=9, batch_size=3)
    assert greedy[0] == greedy[2]  # in order: equal prompts, equal answers
    assert len({*greedy[:6]}) > 1


@pytest.mark.parametrize("path", ["lean", "generate"])
def test_both_paths_sample_the_model_s_distribution(tiny, path, monkeypatch):
    loaded = tiny()
    if path == "generate":
        monkeypatch.setattr(sampling, "shares", lambda model: False)
    n, temperature = 6000, 1.3
    texts = sample(
        loaded.model, loaded.tokenizer, ["w1 w2 w3"] * n,
        max_new_tokens=2, temperature=temperature, seed=0, batch_size=2000,
    )  # fmt: skip
    ids = encode(loaded.tokenizer, ["w1 w2 w3"])[0]
    with torch.no_grad():
        first = (loaded.model(torch.tensor([ids])).logits[0, -1] / temperature).softmax(-1)
        second = loaded.model(torch.tensor([[*ids, k] for k in range(23)])).logits[:, -1]
    pairs = first[:, None] * (second / temperature).softmax(-1)
    words = loaded.tokenizer.convert_ids_to_tokens(list(range(23)))
    counts = np.zeros((23, 23))
    ended = 0
    for text in texts:
        tokens = text.split()
        if len(tokens) == 2:
            counts[words.index(tokens[0]), words.index(tokens[1])] += 1
        ended += len(tokens) < 2
    # chi-squared over the pairs that are expected often enough, padding and end left out
    expected = n * pairs[2:, 2:].numpy()
    seen = counts[2:, 2:]
    often = expected > 5
    statistic = ((seen - expected)[often] ** 2 / expected[often]).sum()
    assert abs(statistic - often.sum()) < 5 * np.sqrt(2 * often.sum())
    assert often.sum() > 100
    assert ended > 0


def test_a_draw_inverts_the_cumulative_distribution():
    logits = torch.log(torch.tensor([[0.25, 0.0, 0.5, 0.25]])).expand(5, 4)
    uniforms = torch.tensor([0.0, 0.2499, 0.25, 0.74, 1 - 1e-16], dtype=torch.float64)
    assert draw(logits, uniforms, 1.0).tolist() == [0, 0, 2, 2, 3]
    assert draw(logits, uniforms, 0).tolist() == [2] * 5


def test_a_token_of_no_probability_is_never_drawn():
    logits = torch.tensor([[0.0, 0.0, -torch.inf]])
    top = torch.tensor([1 - 2**-53], dtype=torch.float64)
    assert draw(logits, top, 1.0).tolist() == [1]


@pytest.mark.parametrize("kind", KINDS)
def test_shared_prompts_have_the_gradient_of_unshared_ones(tiny, kind):
    loaded = made(tiny, kind)
    prompts, mask = pad_left(encode(loaded.tokenizer, PROMPTS), 0, "cpu")
    completions = torch.randint(2, 23, (6, 5), generator=torch.Generator().manual_seed(0))
    shared = completion_logits(loaded.model, prompts, mask, completions)
    shared.log_softmax(-1).gather(2, completions[..., None]).square().mean().backward()
    ours = {n: p.grad.clone() for n, p in loaded.model.named_parameters()}
    loaded.model.zero_grad()
    whole = loaded.model(
        torch.cat((prompts, completions), 1),
        attention_mask=torch.cat((mask, torch.ones_like(completions)), 1),
    ).logits[:, prompts.shape[1] - 1 : -1]
    whole.log_softmax(-1).gather(2, completions[..., None]).square().mean().backward()
    assert torch.allclose(shared, whole, atol=1e-5)
    for name, parameter in loaded.model.named_parameters():
        assert torch.allclose(ours[name], parameter.grad, rtol=1e-4, atol=1e-5), name


def test_sliding_windows_and_learnt_positions_are_not_shared(tiny):
    assert not shares(tiny("gpt2").model)
    assert not shares(tiny("mistral", sliding_window=8).model)
    assert shares(tiny("mistral", sliding_window=None).model)


def test_decoding_stops_at_the_end_and_keeps_other_special_tokens(tokenizer):
    words = tokenizer(["a", "b"], pad_token="<pad>", eos_token="<eos>", unk_token="<turn>")
    assert decode(words, [[3, 2, 4, 1, 3], [0, 3], []], ends=[1]) == ["a <turn> b", "a", ""]


def test_a_template_s_first_token_is_not_put_twice(tokenizer):
    words = tokenizer(
        ["a"], pad_token="<pad>", eos_token="<eos>", unk_token="<unk>", bos_token="<s>"
    )
    words.backend_tokenizer.post_processor = __import__("tokenizers").processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 3)]
    )
    assert encode(words, ["a", "<s> a"]) == [[3, 4], [3, 4]]


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
def test_log_probabilities_are_those_of_a_plain_pass(tiny, kind):
    loaded = tiny(kind)
    prompts, answers = ["w1 w2 w3", "w4", "w5 w6"], ["w7", "w8 w9 w10", ""]
    got = sequence_logprobs(loaded.model, loaded.tokenizer, prompts, answers, batch_size=2)
    ended = sequence_logprobs(loaded.model, loaded.tokenizer, prompts, answers, end=True)
    next_words = next_token_logprobs(loaded.model, loaded.tokenizer, prompts, ["w7", "w8"])
    for i, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        first = encode(loaded.tokenizer, [prompt])[0]
        last = [int(word[1:]) + 3 for word in answer.split()]
        with torch.no_grad():
            scores = loaded.model(torch.tensor([[*first, *last]])).logits[0].log_softmax(-1)
        want = sum(float(scores[len(first) - 1 + t, k]) for t, k in enumerate(last))
        assert got[i] == pytest.approx(want, abs=1e-4)
        assert ended[i] == pytest.approx(want + float(scores[-1, 1]), abs=1e-4)
        assert next_words[i].tolist() == pytest.approx(
            scores[len(first) - 1, [10, 11]].tolist(), abs=1e-4
        )


def test_what_cannot_be_asked_is_refused(tiny):
    loaded = tiny()
    with pytest.raises(InputError, match="one token"):
        next_token_logprobs(loaded.model, loaded.tokenizer, ["w1"], ["w1 w2"])
    with pytest.raises(InputError, match="unknown"):
        next_token_logprobs(loaded.model, loaded.tokenizer, ["w1"], ["hack"])
    with pytest.raises(InputError, match="empty"):
        sample(loaded.model, loaded.tokenizer, [""], max_new_tokens=1, seed=0)
    with pytest.raises(InputError, match="at least 1"):
        sample(loaded.model, loaded.tokenizer, ["w1"], max_new_tokens=0, seed=0)
    assert sample(loaded.model, loaded.tokenizer, [], max_new_tokens=1, seed=0) == []
