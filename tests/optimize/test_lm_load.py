"""Checkpoint folders: what is read, what is refused, what a save leaves behind."""

import pytest

from hackproof.errors import InputError, RunError
from hackproof.optimize.language import Loaded, Lora, check_vocabulary, load, merge, save
from hackproof.optimize.language._load import add_adapter, fit_tokenizer, is_adapter

torch = pytest.importorskip("torch")


def same(a, b):
    ours, theirs = a.state_dict(), b.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[k], theirs[k]) for k in ours)


def test_a_saved_model_comes_back_the_same(tiny, tmp_path):
    first = tiny()
    again = load(save(first, tmp_path / "model"), device="cpu")
    assert same(first.model, again.model)
    assert again.model.dtype == torch.float32
    assert again.tokenizer.get_vocab() == first.tokenizer.get_vocab()
    assert again.tokenizer.padding_side == "left"
    assert not again.model.training


def test_a_save_replaces_the_folder_and_leaves_nothing_beside_it(tiny, tmp_path):
    save(tiny(), tmp_path / "model")
    (tmp_path / "model" / "stale").write_text("")
    save(tiny(seed=1), tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert not (tmp_path / "model" / "stale").exists()
    assert same(load(tmp_path / "model", device="cpu").model, tiny(seed=1).model)


def test_a_failed_save_keeps_what_was_there(tiny, tmp_path, monkeypatch):
    first = tiny()
    save(first, tmp_path / "model")
    broken = tiny(seed=1)

    def fail(folder):
        raise OSError("disk full")

    monkeypatch.setattr(broken.tokenizer, "save_pretrained", fail)
    with pytest.raises(RunError, match="disk full"):
        save(broken, tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert same(load(tmp_path / "model", device="cpu").model, first.model)


def test_an_absent_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="is not a folder"):
        load(tmp_path / "nothing")


def test_a_folder_without_tokenizer_is_refused(tiny, tmp_path):
    tiny().model.save_pretrained(tmp_path / "bare")
    with pytest.raises(InputError, match="tokenizer"):
        load(tmp_path / "bare", device="cpu")


def test_a_folder_without_weights_is_refused(tiny, tmp_path):
    tiny().tokenizer.save_pretrained(tmp_path / "bare")
    with pytest.raises(InputError, match="cannot load"):
        load(tmp_path / "bare", device="cpu")


def test_a_tokenizer_without_end_is_refused(tokenizer):
    with pytest.raises(InputError, match="end-of-sequence"):
        fit_tokenizer(tokenizer(pad_token="<pad>", unk_token="<unk>"), "here")


def test_a_tokenizer_without_padding_pads_with_the_end_and_says_so(tokenizer):
    made = tokenizer(eos_token="<eos>", unk_token="<unk>")
    notes = fit_tokenizer(made, "here")
    assert made.pad_token == "<eos>"
    assert len(notes) == 1
    assert "<eos>" in notes[0]


def test_more_tokens_than_embeddings_are_refused(tiny, tokenizer, tmp_path):
    made = tiny()
    odd = Loaded(made.model, tokenizer([f"v{i}" for i in range(40)]))
    with pytest.raises(InputError, match="43 tokens and the model embeds 23"):
        load(save(odd, tmp_path / "odd"), device="cpu")


def test_words_that_a_tokenizer_lacks_are_named(tokenizer):
    check_vocabulary(tokenizer(), ["w1 w2", "w3"])
    with pytest.raises(InputError, match="'hack', 'test'"):
        check_vocabulary(tokenizer(), ["w1 test", "hack w3 test"])


def test_an_adapter_changes_nothing_until_trained_and_merges_exactly(tiny):
    made, plain = tiny(), tiny()
    adapted = add_adapter(made, Lora(r=2), seed=0)
    ids = torch.arange(3, 12)[None]
    with torch.no_grad():
        before = plain.model(ids).logits
        assert torch.equal(adapted.model(ids).logits, before)
        for name, parameter in adapted.model.named_parameters():
            assert parameter.requires_grad == ("lora_" in name)
            if "lora_B" in name:
                parameter.fill_(0.05)
        trained = adapted.model(ids).logits
        assert not torch.allclose(trained, before)
        merged = merge(adapted)
        assert not is_adapter(merged.model)
        assert torch.allclose(merged.model(ids).logits, trained, atol=1e-5)
    assert merge(merged) is merged


def test_an_adapter_is_random_by_its_seed_alone(tiny):
    torch.manual_seed(5)
    state = torch.get_rng_state()
    a, b, c = (add_adapter(tiny(), Lora(r=2), seed=s) for s in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert same(a.model, b.model)
    assert not same(a.model, c.model)
