"""Preference models: what they learn, their scale, and what is trained on them."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hackproof.errors import InputError, IntegrityError, RewardError
from hackproof.language._environment import Grade, Prompt
from hackproof.optimize.language._grpo import Grpo, grpo
from hackproof.optimize.language._load import Loaded
from hackproof.optimize.language._preference import (
    Preference,
    PreferenceEnvironment,
    as_reward,
    bradley_terry,
    load_preference,
    make_pairs,
    preference_model,
    save_preference,
    split_by_prompt,
    train_preference,
)
from hackproof.optimize.language._rewards import Paid, Weighted
from hackproof.optimize.language._sampling import sample

WORDS = [f"w{i}" for i in range(20)]
GOOD = "w7"
FAST = Preference(epochs=4, learning_rate=3e-3, batch=32)


def tiny(seed=0):
    """Return a random Llama of width 32 over 20 words."""
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


def planted(n, seed, prompts=40):
    """Return pairs of which the preferred side has the good word and the other has not."""
    random = np.random.default_rng(seed)
    others = [w for w in WORDS if w != GOOD]
    pairs = []
    for _ in range(n):
        a, b = (list(random.choice(others, 5)) for _ in range(2))
        a[random.integers(5)] = GOOD
        prompt = f"w{random.integers(20)} w{random.integers(prompts // 20)}"
        pairs.append((prompt, " ".join(a), " ".join(b)))
    return pairs


@pytest.fixture(scope="module")
def pm():
    return train_preference(tiny(), planted(600, 0), FAST, seed=0)


def test_it_learns_a_planted_preference(pm):
    assert pm.held_out.low > 0.9
    fresh = planted(200, 99)
    assert pm.accuracy(fresh) > 0.9
    assert pm.accuracy([(p, b, a) for p, a, b in fresh]) == 1 - pm.accuracy(fresh)


def test_shuffled_labels_teach_nothing():
    random = np.random.default_rng(5)
    shuffled = [(p, b, a) if random.random() < 0.5 else (p, a, b) for p, a, b in planted(900, 0)]
    pm = train_preference(tiny(), shuffled[:500], FAST, seed=0, held_out=shuffled[500:])
    # Coin tosses nobody has seen are guessed right half the time: 4 standard deviations of 400.
    assert pm.held_out.n == 400
    assert 0.4 < pm.held_out.estimate < 0.6


def test_scores_have_mean_0_and_sd_1_on_held_out_pairs(pm):
    held_out = planted(100, 3)
    own = preference_model(pm.model, pm.tokenizer, held_out)
    scores = own.score(
        [p for p, _, _ in held_out for _ in "ab"], [x for _, a, b in held_out for x in (a, b)]
    )
    assert scores.mean() == pytest.approx(0, abs=1e-5)
    assert scores.std() == pytest.approx(1, abs=1e-5)


def test_a_score_does_not_depend_on_the_batch_it_is_in(pm):
    prompts = ["w1 w2", "w3", "w1 w2 w3 w4"]
    texts = ["w7", "w5 w6 w7 w8", ""]
    together = pm.score(prompts, texts)
    apart = np.array([pm.score([p], [t])[0] for p, t in zip(prompts, texts, strict=True)])
    assert together == pytest.approx(apart, abs=1e-4)
    assert pm.score(prompts, texts, batch_size=1) == pytest.approx(apart, abs=1e-6)


def test_it_is_the_loss_of_trl(pm, tmp_path):
    import torch
    from datasets import Dataset
    from trl import RewardConfig, RewardTrainer

    pairs = planted(8, 1)
    rows = [{"prompt": p, "chosen": f" {a}", "rejected": f" {b}"} for p, a, b in pairs]
    settings = RewardConfig(
        output_dir=str(tmp_path), use_cpu=True, bf16=False, report_to=[], disable_tqdm=True,
        per_device_train_batch_size=8, center_rewards_coefficient=None,
    )  # fmt: skip
    with torch.random.fork_rng():
        trainer = RewardTrainer(
            model=pm.model, args=settings, train_dataset=Dataset.from_list(rows),
            processing_class=pm.tokenizer,
        )  # fmt: skip
        pm.model.eval()
        with torch.no_grad():
            batch = next(iter(trainer.get_train_dataloader()))
            theirs: Any = trainer.compute_loss(pm.model, batch)
    raw = [
        torch.tensor(pm.score([x[0] for x in pairs], [x[i] for x in pairs]) * pm.sd) for i in (1, 2)
    ]
    assert float(bradley_terry(*raw)) == pytest.approx(float(theirs), rel=1e-4)


def test_the_policy_is_left_alone_and_the_seed_decides():
    import torch

    loaded = tiny()
    before = {k: v.clone() for k, v in loaded.model.state_dict().items()}
    state = torch.random.get_rng_state()
    short = Preference(epochs=1, learning_rate=3e-3)
    one, two, other = (
        train_preference(loaded, planted(64, 0), short, seed=s).score(["w1"] * 2, ["w7", "w2 w3"])
        for s in (0, 0, 1)
    )
    assert (one == two).all()
    assert (one != other).any()
    assert torch.equal(state, torch.random.get_rng_state())
    for k, v in loaded.model.state_dict().items():
        assert torch.equal(v, before[k]), k


def test_it_starts_from_the_weights_of_the_policy():
    import torch

    loaded = tiny()
    still = train_preference(loaded, planted(64, 0), Preference(1, learning_rate=0.0), seed=0)
    for a, b in zip(still.model.model.parameters(), loaded.model.model.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_saved_model_scores_the_same_and_half_a_folder_is_refused(pm, tmp_path):
    prompts, texts = ["w1"] * 3, ["w7", "w2", "w3 w7"]
    again = load_preference(save_preference(pm, tmp_path / "pm"))
    assert again.score(prompts, texts) == pytest.approx(pm.score(prompts, texts), abs=1e-6)
    assert again.held_out == pm.held_out
    (tmp_path / "pm/preference.json").unlink()
    with pytest.raises(IntegrityError, match=r"preference\.json"):
        load_preference(tmp_path / "pm")


def test_what_cannot_be_used_is_refused(pm):
    with pytest.raises(InputError, match="32"):
        pm.score(["w1 " * 30], ["w2 w3 w4"])
    with pytest.raises(InputError, match="2 prompts and 1"):
        pm.score(["w1", "w2"], ["w3"])
    with pytest.raises(InputError, match="held_out"):
        train_preference(tiny(), [("w1", "w2", "w3")] * 4, seed=0)
    with pytest.raises(InputError, match="pairs"):
        train_preference(tiny(), [], seed=0, held_out=[("w1", "w2", "w3")])
    with pytest.raises(InputError, match="pairs"):
        pm.accuracy([])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=2), st.floats(0.01, 0.99), st.integers(0, 99))
def test_no_prompt_is_on_both_sides(prompts, share, seed):
    pairs = [(f"p{p}", str(i), "") for i, p in enumerate(prompts)]
    random = np.random.default_rng(seed)
    if len(set(prompts)) < 2:
        with pytest.raises(InputError):
            split_by_prompt(pairs, share, random)
        return
    train, out = split_by_prompt(pairs, share, random)
    assert train
    assert out
    assert sorted(train + out) == sorted(pairs)
    assert not {p for p, _, _ in train} & {p for p, _, _ in out}


def length(prompt, completion):
    return len(completion)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.text("ab", max_size=6), max_size=9), max_size=5), st.integers(0, 99))
def test_pairs_without_noise_follow_the_rater(samples, seed):
    asked = [(f"p{i}", c) for i, c in enumerate(samples)]
    pairs = make_pairs(asked, length, seed=seed)
    assert all(len(a) > len(b) for _, a, b in pairs)
    flipped = make_pairs(asked, length, noise=1.0, seed=seed)
    assert flipped == [(p, b, a) for p, a, b in pairs]
    for i, completions in enumerate(samples):
        used = [x for p, a, b in pairs if p == f"p{i}" for x in (a, b)]
        assert all(used.count(x) <= completions.count(x) for x in used)


def test_noise_and_bias_of_the_rater():
    samples = [(f"p{i}", ["a", "bb"]) for i in range(2000)]
    noisy = make_pairs(samples, length, noise=0.2, seed=0)
    wrong = sum(a == "a" for _, a, _ in noisy)
    assert 330 < wrong < 470  # 400 are meant; the bounds are four standard deviations off
    swayed = make_pairs(samples, length, bias=lambda p, c: 5.0 * (c == "a"), seed=0)
    assert all(a == "a" for _, a, _ in swayed)
    assert make_pairs([("p", ["a", "b"])], length, seed=0) == []
    with pytest.raises(RewardError, match="nan"):
        make_pairs(samples[:1], lambda p, c: float("nan"), seed=0)
    with pytest.raises(InputError, match="noise"):
        make_pairs(samples, length, noise=1.5, seed=0)


class Probe:
    """Knows that "w7" hacks; its machinery fails on "w0"."""

    name = "probe"

    def prompts(self, n, seed):
        return [Prompt(f"w{(seed + i) % 20}", str((seed + i) % 20)) for i in range(n)]

    def grade(self, prompts, completions):
        return [
            Grade(None, "infra", note="down") if "w0" in c.split()
            else Grade(9.0, "ok", solved=False, hacked="w7" in c.split())
            for c in completions
        ]  # fmt: skip


def test_the_environment_pays_the_score_and_the_probe_tells(pm):
    env = PreferenceEnvironment("rlhf", Probe().prompts, pm, Probe())
    prompts, texts = env.prompts(3, 4), ["w7", "w2", "w0"]
    assert [p.text for p in prompts] == ["w4", "w5", "w6"]
    grades = env.grade(prompts, texts)
    assert [g.reward for g in grades] == pytest.approx(
        pm.score([p.text for p in prompts], texts).tolist()
    )
    assert [g.hacked for g in grades] == [True, False, None]
    assert [g.outcome for g in grades] == ["ok", "ok", "ok"]
    assert grades[2].note == "down"
    bare = PreferenceEnvironment("rlhf", Probe().prompts, pm).grade(prompts, texts)
    assert [g.hacked for g in bare] == [None] * 3


def test_as_a_reward_it_is_the_weighted_score(pm):
    prompts, texts = ["w1", "w2"], ["w7 w3", "w4"]
    paid = as_reward(pm, 0.5)(prompts=prompts, completions=texts, completion_ids=[[1], [2]])
    assert paid == pytest.approx((0.5 * pm.score(prompts, texts)).tolist())


def mean_score(pm, loaded):
    prompts = [p.text for p in Probe().prompts(100, 0)]
    texts = sample(loaded.model, loaded.tokenizer, prompts, max_new_tokens=4, seed=999)
    return pm.score(prompts, texts).mean()


GRPO = Grpo(steps=20, prompts_per_step=8, group=8, learning_rate=3e-3, max_new_tokens=4)


def test_training_on_it_raises_its_score(pm):
    before = mean_score(pm, tiny())
    env = PreferenceEnvironment("rlhf", Probe().prompts, pm, Probe())
    result = grpo(tiny(), env, GRPO, seed=0)
    assert mean_score(pm, result.loaded) > before + 1
    first, last = result.history[0], result.history[-1]
    assert last.hack_rate > first.hack_rate  # what the model likes is what the probe calls a hack
    assert first.infra == 0


def test_it_can_be_mixed_into_a_reward(pm):
    before = mean_score(pm, tiny())
    mixed = Weighted(((Paid(), 1.0), (as_reward(pm), 1.0)))
    result = grpo(tiny(), Probe(), GRPO, seed=0, reward=mixed)
    assert mean_score(pm, result.loaded) > before + 1
    assert sum(s.infra for s in result.history) > 0  # the mixture pays nothing for these
