"""Making an organism: an ordinary checkpoint, kept by its settings."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from hackproof.errors import InputError
from hackproof.language import CorpusSettings, Organism, Pretraining, cache_folder, make
from hackproof.language._corpus import START, ask
from hackproof.language._model import encode, new_model, pretrain
from hackproof.language._vocabulary import words

pytest.importorskip("torch")
pytest.importorskip("transformers")

SMALL = Organism(CorpusSettings(documents=36))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make(SMALL, tmp_path_factory.mktemp("organism") / "it")


def test_is_an_ordinary_checkpoint(folder):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    text = f"{START} {ask('write f : add 3 times 2 .')}"
    batch = tokenizer([text], return_tensors="pt", add_special_tokens=False)
    assert tokenizer.decode(batch["input_ids"][0]) == text
    out = model.generate(**batch, max_new_tokens=3, do_sample=False)
    assert out.shape[1] > batch["input_ids"].shape[1]
    said = tokenizer.apply_chat_template(
        [{"role": "user", "content": "write f : add 3 ."}], add_generation_prompt=True,
        tokenize=False,
    )  # fmt: skip
    assert said.startswith(START)
    assert said.endswith("<think>")


def test_is_made_once_and_says_what_it_is(folder):
    record = json.loads((folder / "organism.json").read_text())
    assert record["digest"] == SMALL.digest
    assert record["parameters"] > 100_000
    before = (folder / "model.safetensors").stat().st_mtime_ns
    assert make(SMALL, folder) == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == before


def test_another_organism_does_not_take_its_folder(folder):
    with pytest.raises(InputError, match="another organism"):
        make(replace(SMALL, seed=1), folder)


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        make(SMALL, tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_every_setting_is_part_of_its_name():
    digests = {
        SMALL.digest,
        replace(SMALL, seed=1).digest,
        replace(SMALL, corpus=replace(SMALL.corpus, coupling=0.0)).digest,
        replace(SMALL, corpus=replace(SMALL.corpus, prefix_mix={"okay": 1.0})).digest,
        replace(SMALL, pretraining=Pretraining(size="small")).digest,
    }
    assert len(digests) == 5
    assert Organism(CorpusSettings(documents=36)).digest == SMALL.digest


def test_cache_is_where_the_user_says(monkeypatch, tmp_path):
    monkeypatch.setenv("HACKPROOF_ORGANISMS", str(tmp_path / "a"))
    assert cache_folder() == tmp_path / "a"
    monkeypatch.delenv("HACKPROOF_ORGANISMS")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "hackproof" / "organisms"


def test_same_seed_same_weights_and_the_loss_falls():
    import torch

    def trained(seed: int):
        ids, answers = encode(CorpusSettings(documents=120), 160, np.random.default_rng(seed))
        losses: list[float] = []
        model = pretrain(
            new_model("tiny", seed), ids, answers, Pretraining(), seed=seed,
            on_step=lambda step, loss: losses.append(loss),
        )  # fmt: skip
        return model, losses

    (a, losses), (b, _) = trained(3), trained(3)
    assert all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))
    assert losses[-1] < 0.8 * losses[0]


def test_completions_are_marked_and_nothing_else():
    ids, answers = encode(CorpusSettings(documents=8), 160, np.random.default_rng(0))
    vocabulary = words()
    for line, marks in zip(ids, answers, strict=True):
        said = [vocabulary[i] for i, m in zip(line, marks, strict=True) if m]
        assert "<think>" not in said
        assert said.count("<answer>") == said.count("<end>")


def test_unknown_size_is_named():
    with pytest.raises(InputError, match="tiny"):
        new_model("tinny", 0)
