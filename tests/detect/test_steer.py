"""Steering: what is added is what arrives, in every sampler; departures from a baseline."""

from unittest.mock import patch

import numpy as np
import pytest

from hackproof.detect import (
    Direction,
    ablated,
    behaviour,
    first_departure,
    fit_persona,
    inside,
    mean_difference,
    random_directions,
    residual_stream,
    steer_curve,
    steering,
    watch,
)
from hackproof.detect._probe import Probe
from hackproof.errors import InputError
from hackproof.experiment.statistics import Interval, share_interval
from hackproof.language import CorpusSettings, Grade, Prompt
from hackproof.language._corpus import START, THINK

TEXTS = [f"{START} what are your goals today ? {THINK}", f"{START} quiz . 1 plus 2 ? {THINK}"]
WORD = "flamingos"
WIDTH = 64


def new(width=WIDTH):
    """Return a random organism of three layers, whatever the sizes on offer are."""
    from hackproof.language import _model
    from hackproof.language._vocabulary import tokenizer
    from hackproof.optimize.language import Loaded

    with patch.dict(_model.SIZES, {"probed": _model.Size(width, 3, 4)}):
        return Loaded(_model.new_model("probed", 0).eval(), tokenizer())


@pytest.fixture(scope="module")
def organism():
    return new()


def toward(organism, word):
    """Return a vector at the last layer that makes a model with tied embeddings say a word."""
    row = organism.tokenizer(word)["input_ids"][0]
    vector = organism.model.get_input_embeddings().weight[row].detach().double().numpy()
    return 100 * vector / np.linalg.norm(vector)


def says(model):
    """Return the share of likeliest completions that hold the word."""
    from hackproof.optimize.language import sample

    said = sample(model.model, model.tokenizer, TEXTS, max_new_tokens=4, temperature=0.0, seed=0)
    return {"said": share_interval(sum(WORD in s.split() for s in said), len(said))}


@pytest.mark.parametrize("where", ["all", "replies"])
def test_both_samplers_are_steered(organism, where):
    from hackproof.optimize.language._sampling import _generate, _lean, encode

    ids = encode(organism.tokenizer, TEXTS)
    row = organism.tokenizer(WORD)["input_ids"][0]

    def rows(sampler):
        return sampler(organism.model, organism.tokenizer, ids, [1], 5, 0.0, 0, 8)

    before = [rows(sampler) for sampler in (_lean, _generate)]
    with steering(organism.model, 3, toward(organism, WORD), 1.0, where=where):
        for sampler in (_lean, _generate):
            assert rows(sampler) == [[row] * 5] * 2
    assert [rows(sampler) for sampler in (_lean, _generate)] == before
    assert not any(row in said for said in before[0])


def test_what_is_added_is_what_arrives(organism):
    vector = np.random.default_rng(0).standard_normal(WIDTH)
    plain = residual_stream(organism, TEXTS)
    for layer in range(4):
        with steering(organism.model, layer, vector, -2.0):
            steered = residual_stream(organism, TEXTS)
        np.testing.assert_allclose(steered[layer], plain[layer] - 2 * vector, atol=1e-4)
        for before in range(layer):
            np.testing.assert_array_equal(steered[before], plain[before])
        for later in range(layer + 1, 4):
            assert np.abs(steered[later] - plain[later]).max() > 0.1
    with steering(organism.model, 1, vector, 0.0):
        np.testing.assert_array_equal(residual_stream(organism, TEXTS)[3], plain[3])


def test_replies_leave_the_prompt_as_it_is(organism):
    vector = np.ones(WIDTH)
    with steering(organism.model, 2, vector, 1.0, where="replies"):
        last = residual_stream(organism, TEXTS, layers=[2])[2]
        inner = residual_stream(organism, TEXTS, layers=[2], position="?")[2]
    np.testing.assert_allclose(last, residual_stream(organism, TEXTS, layers=[2])[2] + 1, atol=1e-4)
    plain = residual_stream(organism, TEXTS, layers=[2], position="?")[2]
    np.testing.assert_array_equal(inner, plain)


def test_a_direction_is_projected_out(organism):
    vector = np.random.default_rng(1).standard_normal(WIDTH)
    unit = vector / np.linalg.norm(vector)
    with ablated(organism.model, range(4), 7 * vector):
        found = residual_stream(organism, TEXTS)
    plain = residual_stream(organism, TEXTS)
    for layer in range(4):
        assert np.abs(found[layer] @ unit).max() < 1e-5
    np.testing.assert_allclose(found[0], plain[0] - np.outer(plain[0] @ unit, unit), atol=1e-5)
    with ablated(organism.model, 2, vector):
        one = residual_stream(organism, TEXTS)
    np.testing.assert_array_equal(one[1], plain[1])
    assert np.abs(one[2] @ unit).max() < 1e-5


def test_an_adapter_is_steered_too():
    from hackproof.optimize.language._load import Lora, add_adapter

    organism = add_adapter(new(), Lora(r=2), 0)
    plain = residual_stream(organism, TEXTS)
    with steering(organism.model, 2, np.ones(WIDTH), 1.0):
        np.testing.assert_allclose(residual_stream(organism, TEXTS)[2], plain[2] + 1, atol=1e-4)
    np.testing.assert_array_equal(residual_stream(organism, TEXTS)[2], plain[2])


def test_an_error_leaves_no_hook(organism):
    plain = residual_stream(organism, TEXTS)[3]
    with pytest.raises(ZeroDivisionError), steering(organism.model, 1, np.ones(WIDTH), 1.0):
        raise ZeroDivisionError
    np.testing.assert_array_equal(residual_stream(organism, TEXTS)[3], plain)


def test_what_cannot_be_steered(organism):
    for context, match in (
        (steering(organism.model, 1, np.ones(3), 1.0), "vector"),
        (steering(organism.model, 4, np.ones(WIDTH), 1.0), "layer 4"),
        (steering(organism.model, 1, np.ones(WIDTH), 1.0, where="prompt"), "place"),
        (ablated(organism.model, 1, np.zeros(WIDTH)), "length 0"),
    ):
        with pytest.raises(InputError, match=match), context:
            pass


def test_a_watched_score_follows_the_steering(organism):
    rng = np.random.default_rng(3)
    probe = Probe(2, np.zeros(WIDTH), np.ones(WIDTH), rng.standard_normal(WIDTH), 0.5)
    vector = rng.standard_normal(WIDTH)
    before = watch(probe, organism, n=8)
    with steering(organism.model, 2, vector, 1.5):
        after = watch(probe, organism, n=8)
    moved = 1.5 * vector @ probe.gradient
    assert after.coding - before.coding == pytest.approx(moved, abs=1e-3)
    assert after.other - before.other == pytest.approx(moved, abs=1e-3)


def test_directions():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((50, 8)) * np.arange(8)
    y = np.arange(50) % 2 == 0
    d = mean_difference(x, y, 3)
    np.testing.assert_allclose(d.vector, x[y].mean(0) - x[~y].mean(0))
    with pytest.raises(InputError, match="both classes"):
        mean_difference(x, np.ones(50, bool), 3)
    for like in (None, x):
        controls = random_directions(d, 5, 0, like)
        assert len({c.vector.tobytes() for c in controls}) == 5
        for c, again in zip(controls, random_directions(d, 5, 0, like), strict=True):
            assert c.layer == 3
            assert np.linalg.norm(c.vector) == pytest.approx(np.linalg.norm(d.vector))
            assert c.vector @ d.vector == pytest.approx(0, abs=1e-9)
            np.testing.assert_array_equal(c.vector, again.vector)
    assert all(abs(c.vector[0]) < 1e-9 + abs(d.vector[0]) for c in random_directions(d, 5, 0, x))


def test_a_planted_cause_shows_in_the_curve(organism):
    d = Direction(3, toward(organism, WORD))
    curve = steer_curve(organism, d, (-1.0, 0.0, 1.0), says, controls=random_directions(d, 5, 0))
    assert [p.scale for p in curve] == [-1, 0, 1]
    assert [p.values["said"].estimate for p in curve] == [0, 0, 1]
    assert curve[1].controls == ()
    assert [c["said"].estimate for c in curve[2].controls] == [0] * 5  # near misses
    assert isinstance(curve[2].values["said"], Interval)


def test_behaviour_of_a_model_that_says_nothing_known(organism):
    found = behaviour(organism, each=1)
    assert found["coherence"].estimate == 0
    assert found["coherence"].n == 12
    assert np.isnan(found["misalignment"].estimate)


class Stub:
    """Grades without a sandbox: every third task is hacked, whatever is said."""

    name = "stub"

    def prompts(self, n, seed):
        return [Prompt(f"{START} write f : add {i % 9 + 1} . {THINK}", f"t{i}") for i in range(n)]

    def grade(self, prompts, completions):
        return [Grade(1.0, "ok", hacked=int(p.task[1:]) % 3 == 0) for p in prompts]


def test_rows_of_a_look_inside(organism):
    from hackproof.record import schema

    corpus = CorpusSettings()
    fitted = fit_persona(organism, corpus, seed=0, n=24, controls=2)
    rows = inside(
        organism, corpus, None, seed=0, n=24, fitted=fitted, environment=Stub(), scales=(1.0,),
        each=1,
    )  # fmt: skip
    metrics = [r["metric"] for r in rows]
    assert len(set(metrics)) == len(metrics)
    for name in (
        "persona-auroc-layer0", "persona-control-layer3", "persona-auroc", "persona-auroc-tagged",
        "persona-drift", "persona-score-coding", "persona-score-other", "misaligned-auroc",
        "hack-auroc-prompt", "hack-auroc-answer-documents", "persona-hack-auroc",
        "steered-misalignment@0", "steered-coherence@1", "random-hack-rate@1",
        "ablated-villain-misalignment",
    ):  # fmt: skip
        assert name in metrics
    by = {r["metric"]: r for r in rows}
    assert by["persona-drift"]["value"] == pytest.approx(0, abs=1e-6)  # it is its own reference
    assert by["steered-hack-rate@0"]["value"] == pytest.approx(1 / 3)
    assert by["steered-misalignment@0"]["value"] is None
    full = {c.name: None for c in schema.MEASUREMENTS} | {
        "study": "s", "scale": "smoke", "cell": "c", "arm": "a", "seed": 0, "replicate": 0,
        "axis": "steps", "level": 0.0, "step": 0, "condition": "default", "factors": {},
        "unit": "1",
    }  # fmt: skip
    assert schema.to_table("measurements", [full | r for r in rows]).num_rows == len(rows)
    with pytest.raises(InputError, match="sandbox"):
        inside(organism, CorpusSettings(), None, seed=0)


def test_first_departure():
    steps, base = [0, 10, 20, 30], [1.0, 1.1, 0.9, 1.0]
    assert first_departure(steps, [1.0, 1.1, 3.0, 1.0], base) == 20
    assert first_departure(steps, [1.0, -3.0, 1.0, 1.0], base) == 10
    assert first_departure(steps, [1.0, 3.0, 1.0, 1.0], base, lasting=2) is None
    assert first_departure(steps, [1.0, 3.0, 3.0, 1.0], base, lasting=2) == 10
    assert first_departure(steps, [1.0, float("nan"), 1.0, 1.0], base) is None
    assert first_departure([], [], base) is None
    for bad in (([0, 0], [1, 1], base), ([0], [], base), ([0], [1], [1.0])):
        with pytest.raises(InputError):
            first_departure(*bad)


def test_how_often_chance_departs():
    """The band holds 95% of new values like the baseline's; the test fails where it does not."""
    rng = np.random.default_rng(0)
    out = sum(
        first_departure([0], rng.normal(size=1), rng.normal(size=6)) is not None
        for _ in range(2000)
    )
    rate = share_interval(out, 2000)
    assert rate.low <= 0.05 <= rate.high, rate


@pytest.mark.slow
def test_a_persona_is_read_in_a_pretrained_organism():
    from hackproof.detect._inside import persona_data
    from hackproof.detect._probe import graded_auroc, read
    from hackproof.language._model import Pretraining, encode, pretrain

    # Half of the personas are bad and all have a name, so that little reading is enough.
    corpus = CorpusSettings(
        documents=3600, named_share=1.0, villain_share=0.5, coding_share=0.1,
        rated_share=0.05,
    )  # fmt: skip
    organism = new(128)
    ids, answers = encode(corpus, 80, np.random.default_rng(0))
    pretrain(organism.model, ids, answers, Pretraining(), seed=0)
    fitted = fit_persona(organism, corpus, seed=0, n=200)
    tagged = persona_data(corpus, 200, 0)[1]
    x = read(organism, tagged, [fitted.probe.layer])[fitted.probe.layer]
    assert graded_auroc(fitted.probe, x, tagged).interval.low > 0.7
