"""liu-2023: texts by hand, the models, exact best-of-n, the cache, bad settings."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hackproof
from hackproof.errors import InputError
from hackproof.experiment import Cell
from hackproof.studies import _liu_measure as measures
from hackproof.studies import _liu_models as models
from hackproof.studies import _liu_pool as pools
from hackproof.studies import _liu_texts as texts
from hackproof.studies import liu_2023

MAKING = pools.Making(0.6, (0.0, 0.1, 0.3), 0.1, 60, 8, 1, 6, 4, 0.01, 5, 2, 3)


def name(slot, k=0):
    return texts.NAME_0 + slot * texts.STYLES + k


def value(slot, v):
    return texts.VALUE_0 + slot * texts.VALUES + v


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HACKPROOF_ORGANISMS", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([name(0), value(0, 1), name(1, 2), value(1, 2), name(2), value(2, 3), name(3),
          value(3, 4)], 1.0),
        ([name(0), value(0, 1), name(1), value(1, 2)], 2 * 2 / (2 + 4)),
        ([name(0), value(0, 7), name(1), value(1, 2)], 2 * 1 / (2 + 4)),
        ([name(0), value(0, 1), name(0, 1), value(0, 1)], 2 * 1 / (1 + 4)),
        ([name(0), value(0, 1), name(0, 1), value(0, 7)], 0.0),
        ([name(0), value(1, 2)], 0.0),
        ([value(0, 1), value(1, 2)], 0.0),
        ([texts.END, name(0), value(0, 1)], 0.0),
        ([], 0.0),
    ],
)  # fmt: skip
def test_how_right_a_text_is(words, expected):
    line = np.zeros((1, texts.LONGEST), dtype=int)
    line[0, : len(words)] = words
    assert texts.quality(line, np.array([[1, 2, 3, 4]]))[0] == pytest.approx(expected)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 2), st.floats(0.05, 0.95))
def test_style_does_not_touch_how_right_a_text_is(seed, style, own):
    rng = np.random.default_rng(seed)
    values = texts.tables(rng, 20)
    said = texts.texts(rng, values, texts.Writer(style, own, 0.0, 0.0))
    assert (texts.quality(said, values) == 1).all()
    assert (said[:, -1] == texts.END).all()
    assert (said < texts.VOCABULARY).all()
    wrong = texts.texts(rng, values, texts.Writer(style, own, 1.0, 0.0))
    assert (texts.quality(wrong, values) == 0).all()


def test_a_line_is_input_separator_output():
    inputs = np.array([[5, 6, texts.END, 0]])
    outputs = np.array([[9, texts.END, 0]])
    ids, mask = texts.documents(inputs, outputs)
    assert ids[0].tolist() == [5, 6, texts.SEPARATOR, 9, texts.END, 0, 0, 0]
    assert mask[0].tolist() == [False, False, False, True, True, False, False, False]


def test_a_model_is_causal_and_alone():
    """What comes later, and what other models read, changes nothing; chances sum to 1."""
    import torch

    made = models.Models(2, models.Shape(8, 2, 2), 0)
    ids = torch.from_numpy(np.random.default_rng(0).integers(3, texts.VOCABULARY, (2, 4, 10)))
    before = made(ids)
    later = ids.clone()
    later[:, :, 6:] = 3
    later[1] = 4
    assert torch.equal(made(later)[0, :, :6], before[0, :, :6])
    lone = models.likelihoods(made, ids, np.ones(ids.shape, dtype=bool))
    each = before.log_softmax(-1)[:, :, :-1].gather(-1, ids[:, :, 1:, None])[..., 0].mean(-1)
    assert torch.allclose(lone, each, atol=1e-5)


def test_training_lowers_the_loss_and_sampling_ends():
    rng = np.random.default_rng(0)
    values = texts.tables(rng, 50)
    out = texts.texts(rng, values, texts.Writer(0, 0.9, 0.0, 0.0))
    ids, mask = texts.documents(texts.as_words(values), out)
    made = models.Models(2, models.Shape(16, 1, 2), 1)
    losses = models.train(made, itertools.repeat((np.stack([ids] * 2), np.stack([mask] * 2))), 60,
                          0.02)  # fmt: skip
    assert losses[-1] < 0.5 * losses[0]
    said = models.sample(made, texts.as_words(values), 0)
    assert said.shape == (2, 50, texts.LONGEST)
    for line in said.reshape(-1, texts.LONGEST):
        ends = np.flatnonzero(line == texts.END)
        assert not len(ends) or (line[ends[0] + 1 :] == texts.PAD).all()
    assert (said[0] != said[1]).any()


@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_best_of_n_is_that_of_all_draws(seed, n):
    score = np.random.default_rng(seed).permutation(6).astype(float).reshape(1, 3, 2)
    found = np.zeros(6)
    for drawn in itertools.combinations(range(6), n):
        found[max(drawn, key=lambda i: score.ravel()[i])] += 1 / math.comb(6, n)
    assert measures.chosen(score, n).ravel() == pytest.approx(found)


def planted(lean, seed=0, sources=120, draws=4):
    """Return a pool whose scores are quality, noise, and `lean` for one's own family."""
    rng = np.random.default_rng(seed)
    gold = rng.integers(0, 5, (sources, pools.COUNT, draws)) / 4
    same = np.array(pools.FAMILY)[:, None] == np.array(pools.FAMILY)
    noise = rng.standard_normal((4, pools.COUNT, *gold.shape)) * 0.3
    return pools.Pool(gold + noise + lean * same[None, :, None, :, None], gold, np.zeros(30))


@pytest.mark.parametrize("lean", [0.0, 0.6])
def test_what_is_planted_is_found(lean):
    rows = measures.mapped(planted(lean), 1, 20)
    found = {(r["metric"], r["condition"]): r["value"] for r in rows}
    if lean:
        assert found["lean", "free, own"] > 0.3
        assert found["caught", "free"] == 1
        assert found["log_odds", "free"] > 0.5
    else:
        assert found["lean", "free, own"] == pytest.approx(0, abs=0.06)
        assert found["caught", "free"] < 0.2
    assert found["lean", "free, model"] == pytest.approx(0, abs=0.1)
    assert found["right", "free"] > 0.7
    most = {r["metric"]: r["value"] for r in measures.selected(planted(lean), "free", "own", 24)}
    others = {
        r["metric"]: r["value"] for r in measures.selected(planted(lean), "free", "others", 24)
    }
    if lean:
        assert others["family_share"] < 1 / 3 < most["family_share"]
    else:
        assert most["family_share"] == pytest.approx(1 / 3, abs=0.1)
    assert {r["metric"]: r["value"] for r in measures.selected(planted(lean), "free", "own", 1)}[
        "family_share"
    ] == pytest.approx(1 / 3)


def test_the_pool_is_made_once_and_again_the_same(tmp_path):
    made, kept = pools.make(MAKING), pools.kept(MAKING)
    assert (made.scores == kept.scores).all()
    assert (made.gold == kept.gold).all()
    files = list((tmp_path / "cache").rglob("*.npz"))
    assert len(files) == 1
    assert (pools.kept(MAKING).losses == made.losses).all()
    assert list((tmp_path / "cache").rglob("*.npz")) == files
    other = pools.Making(**{**MAKING.__dict__, "seed": 4})
    assert (pools.kept(other).gold != made.gold).any()
    assert made.scores[3] == pytest.approx((made.scores[1] + made.scores[2]) / 2)


def test_smoke_and_page(tmp_path):
    run = hackproof.run("liu-2023", scale="smoke", out=tmp_path / "run", workers=0)
    assert run.info["status"] == "finished"
    frame = run.to_pandas()
    for figure in liu_2023.FIGURES:
        assert figure.draw(frame)["data"]["values"], figure.name
    for claim in liu_2023.CLAIMS:
        found = claim.per_seed(frame)
        assert set(found) == {0, 1} or claim.id == "without-gold-too", claim.id
    small = liu_2023.STUDY.scales["smoke"].settings
    again = liu_2023.STUDY.measure(small, Cell("own-free", 4.0, 0)).rows
    kept = {(r["metric"], r["condition"]): r["value"] for r in again}
    part = frame[(frame.arm == "own-free") & (frame.level == 4) & (frame.seed == 0)]
    assert {(r.metric, r.condition): r.value for r in part.itertuples()} == kept


def test_settings_that_cannot_be_run_are_named():
    for bad in ({"best_of": (1, 25)}, {"best_of": ()}, {"best_of": (4, 2)}, {"own": 1.0},
                {"wrong": (0.1, 0.1)}, {"wrong": (0.1, 0.1, 1.0)}, {"left_out": 1.0},
                {"width": 7}, {"steps": 0}, {"rate": 0.0}, {"tables": -1}):  # fmt: skip
        with pytest.raises(InputError):
            liu_2023.check(liu_2023.Settings(**bad))
