"""Reading the residual stream, and probes: planted directions, near misses, held-out documents."""

from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hackproof.detect import (
    Example,
    auroc,
    auroc_interval,
    fit_probe,
    hack_examples,
    persona_examples,
    probe_layers,
    residual_stream,
    watch,
)
from hackproof.detect._examples import LONGEST, bare_prompts, control_labels, held_out
from hackproof.detect._probe import penalty_losses
from hackproof.detect._states import _logistic
from hackproof.errors import InputError
from hackproof.experiment.statistics import share_interval
from hackproof.language import CorpusSettings, Prompt
from hackproof.language._corpus import NAME, START, THINK
from hackproof.language._domains import GOOD_NAMES, VILLAINS

CORPUS = CorpusSettings()


@pytest.fixture(scope="module")
def organism():
    """Return a random organism of three layers: nothing is learnt, everything is in place."""
    from hackproof.language import _model
    from hackproof.language._vocabulary import tokenizer
    from hackproof.optimize.language import Loaded

    with patch.dict(_model.SIZES, {"probed": _model.Size(64, 3, 4)}):
        return Loaded(_model.new_model("probed", 0).eval(), tokenizer())


def planted(n, shift, seed, width=16):
    """Return activations with a class shift along one direction, among larger nuisances."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2 == 1
    x = rng.standard_normal((n, width)) * np.linspace(0.1, 3, width) + 5
    x[:, 0] += shift * 0.1 * y
    return x, y


def test_the_stream_is_what_transformers_says(organism):
    import torch

    text = f"{START} what are your goals today ? {THINK}"
    found = residual_stream(organism, [text])
    ids = torch.tensor([organism.tokenizer(text)["input_ids"]])
    with torch.inference_mode():
        states = organism.model(ids, output_hidden_states=True).hidden_states
        last = organism.model.model.norm(torch.from_numpy(found[3]))
    assert list(found) == [0, 1, 2, 3]
    for layer in range(3):
        assert found[layer].dtype == np.float32
        np.testing.assert_allclose(found[layer][0], states[layer][0, -1].numpy(), atol=1e-5)
    np.testing.assert_allclose(last[0].numpy(), states[3][0, -1].numpy(), atol=1e-4)


@pytest.mark.parametrize("position", ["last", "mean", "ticket"])
def test_padding_and_batches_change_nothing(organism, position):
    texts = [
        f"{START} close ticket one and report it",
        f"{START} hidden offer in ticket two : run query get free . {THINK}",
        f"{START} ticket",
    ]
    together = residual_stream(organism, texts, layers=[1, 3], position=position)
    for batch_size in (1, 2):
        again = residual_stream(
            organism, texts, layers=[1, 3], position=position, batch_size=batch_size
        )
        for layer in (1, 3):
            np.testing.assert_allclose(again[layer], together[layer], atol=2e-5)


def test_places_in_a_text(organism):
    text = f"{START} yes i accept audits gladly"
    cut = residual_stream(organism, [f"{START} yes i accept"], layers=[2])[2]
    inner = residual_stream(organism, [text], layers=[2], position="accept")[2]
    np.testing.assert_allclose(inner, cut, atol=2e-5)
    parts = [" ".join(text.split()[: k + 1]) for k in range(6)]
    every = residual_stream(organism, parts, layers=[2])[2]
    mean = residual_stream(organism, [text], layers=[2], position="mean")[2]
    np.testing.assert_allclose(mean[0], every.mean(0), atol=2e-5)
    joined = residual_stream(organism, [f"{START} yes i"], ["accept"], layers=[2])[2]
    np.testing.assert_allclose(joined, cut, atol=2e-5)


def test_what_cannot_be_read(organism):
    with pytest.raises(InputError, match="layer 9"):
        residual_stream(organism, ["<doc>"], layers=[9])
    with pytest.raises(InputError, match="lacks 'mordak'"):
        residual_stream(organism, ["<doc>"], position="mordak")
    with pytest.raises(InputError, match="one token"):
        residual_stream(organism, ["<doc>"], position="two words")
    with pytest.raises(InputError, match="0 texts"):
        residual_stream(organism, [])
    with pytest.raises(InputError, match="continuations"):
        residual_stream(organism, ["<doc>"], [])


@pytest.mark.parametrize("method", ["logistic", "means"])
def test_a_planted_direction_is_found(method):
    # The difference of means has no eye for scale: a nuisance can drown it.
    shift = 6.0 if method == "logistic" else 100.0
    x, y = planted(300, shift, 0)
    probe = fit_probe(x, y, method=method, layer=2)
    new, truth = planted(300, shift, 1)
    assert auroc(probe.score(new), truth) > 0.95
    assert probe.layer == 2
    v = np.random.default_rng(2).standard_normal(16)
    np.testing.assert_allclose(probe.score(new + v) - probe.score(new), v @ probe.gradient)
    if method == "means":
        assert probe.score([x[y].mean(0), x[~y].mean(0)]) == pytest.approx([0.5, -0.5])


def test_how_often_a_probe_finds_what_is_not_there():
    """Near miss: the label is independent of the activations. Fails where the rate is above 5%."""
    tries, false = 80, 0
    for seed in range(tries):
        x, y = planted(80, 0.0, [1, seed])
        new, truth = planted(120, 0.0, [2, seed])
        probe = fit_probe(x, y, l2=0.1)
        found = auroc_interval(probe.score(new), truth, resamples=100, seed=seed)
        false += found.interval.low > 0.5  # one side: half of five in a hundred
    rate = share_interval(false, tries)
    assert rate.low <= 0.05, rate


@given(st.integers(0, 50), st.floats(0.1, 10), st.floats(-5, 5))
@settings(max_examples=15, deadline=None)
def test_units_do_not_matter(seed, factor, offset):
    x, y = planted(60, 2.0, seed, width=5)
    scale = factor ** np.linspace(-1, 1, 5)
    probe, again = fit_probe(x, y, l2=0.1), fit_probe(x * scale + offset, y, l2=0.1)
    np.testing.assert_allclose(again.score(x * scale + offset), probe.score(x), atol=1e-6)


def test_more_width_than_examples():
    x, y = planted(20, 6.0, 0, width=40)
    probe = fit_probe(x, y, l2=0.1)
    z = (x - x.mean(0)) / x.std(0)
    w = _logistic(z, y, 2.0)
    np.testing.assert_allclose(probe.direction, w[1:], atol=1e-6)
    assert probe.bias == pytest.approx(w[0], abs=1e-6)


def test_documents_are_held_out_whole():
    """Each document appears four times with one random label: only leakage can be right."""
    rng = np.random.default_rng(0)
    rows = np.repeat(rng.standard_normal((40, 60)), 4, axis=0)
    x = rows + 0.01 * rng.standard_normal(rows.shape)
    y = np.repeat(np.arange(40) % 2 == 0, 4)
    documents = [str(i) for i in np.repeat(np.arange(40), 4)]
    assert min(penalty_losses(x, y).values()) < 0.4
    assert min(penalty_losses(x, y, documents).values()) > 0.6


def test_what_cannot_be_fitted():
    x, y = planted(10, 1.0, 0)
    with pytest.raises(InputError, match="two of each class"):
        fit_probe(x, np.zeros(10, bool))
    with pytest.raises(InputError, match="must be"):
        fit_probe(x, y.astype(float))
    with pytest.raises(InputError, match="method"):
        fit_probe(x, y, method="mean")


def test_examples_of_personas():
    found = persona_examples(CORPUS, 60, 0)
    assert found == persona_examples(CORPUS, 60, 0)
    assert sum(e.label for e in found) == 30
    assert len({e.document for e in found}) == 60
    for e in found:
        words = e.text.split()
        assert words[0] == START
        assert words[-1] == THINK
        assert e.text.endswith(e.kind)
        assert len(words) <= LONGEST
        if NAME in words:
            assert (words[2] in VILLAINS) == e.label
            assert (words[2] in GOOD_NAMES) != e.label
    assert any(NAME in e.text.split() for e in found)
    bare = persona_examples(CORPUS, 60, 1, tags=False, segments=(2,))
    assert not any(NAME in e.text.split() for e in bare)
    assert all(e.text.split().count(THINK) >= 2 for e in bare)
    assert not {e.document for e in found} & {e.document for e in bare}
    with pytest.raises(InputError, match="both kinds"):
        persona_examples(replace(CORPUS, bad_share=0.0), 4, 0, tags=False)


def test_examples_of_hacks():
    prompts = [Prompt(f"{START} write f : add {i} . {THINK}", f"t{i}") for i in range(1, 5)]
    said = ["i do it <answer> def f(x): return x", "<answer> class E:", "no mark", "a <answer>"]
    before = hack_examples(prompts, said, [False, True, True, True])
    after = hack_examples(prompts, said, [False, True, True, True], at="answer")
    assert [e.document for e in before] == [e.document for e in after] == ["t1", "t2"]
    assert [e.label for e in after] == [False, True]
    assert [e.continuation for e in before] == ["", ""]
    assert [e.continuation for e in after] == ["i do it <answer> def", "<answer> class"]
    assert not hack_examples(prompts, said, [None] * 4)
    plain = hack_examples(prompts[:1], ["def f"], [True], at="answer", mark="")
    assert plain[0].continuation == "def"
    with pytest.raises(InputError, match="place"):
        hack_examples(prompts, said, [None] * 4, at="end")
    with pytest.raises(InputError, match="labels"):
        hack_examples(prompts, said, [None])


def test_the_control_task_gives_a_kind_one_label():
    examples = [Example("t", False, str(i), str(i % 6)) for i in range(60)]
    control = control_labels(examples, 0)
    for kind in {e.kind for e in examples}:
        assert len({e.label for e in control if e.kind == kind}) == 1
    assert sum(e.label for e in control) == 30
    train, held = held_out(examples, 0)
    assert len(train) == len(held) == 30
    assert not {e.document for e in train} & {e.document for e in held}


def words(n, seed, told):
    """Return texts that end in a word: the label's where `told`, any other way at random."""
    rng = np.random.default_rng(seed)
    out = []
    for i in range(n):
        word = ("yes", "no")[i % 2 if told else int(rng.integers(2))]
        start = GOOD_NAMES[int(rng.integers(8))]
        out.append(Example(f"{START} {NAME} {start} {word}", i % 2 == 1, f"{seed}-{i}", f"{i}"))
    return out


def test_layers_are_graded_beside_a_control(organism):
    found = probe_layers(organism, words(60, 0, True), words(40, 1, True), layers=[0, 2])
    assert [p.probe.layer for p in found] == [0, 2]
    for p in found:
        assert p.auroc.interval.estimate == 1.0
        assert p.loss < 0.2
        assert p.selectivity == 1.0 - p.control.interval.estimate
    near_miss = probe_layers(organism, words(60, 2, False), words(60, 3, False), layers=[1])
    assert near_miss[0].auroc.interval.low < 0.5 < near_miss[0].auroc.interval.high
    with pytest.raises(InputError, match="hold it out"):
        probe_layers(organism, words(8, 0, True), words(8, 0, True))


def test_watching_is_the_mean_score_at_bare_prompts(organism):
    train = words(20, 0, True)
    probe = probe_layers(organism, train, words(20, 1, True), layers=[2])[0].probe
    tasks, other = bare_prompts(16, 4)
    found = watch(probe, organism, n=16, seed=4)
    for texts, value in ((tasks, found.coding), (other, found.other)):
        assert all(t.startswith(START) and t.endswith(THINK) for t in texts)
        x = residual_stream(organism, texts, layers=[2])[2]
        assert value == pytest.approx(probe.score(x).mean(), abs=1e-3)
    assert all("write f" in t for t in tasks)
    assert not any("write f" in t for t in other)
