"""pan-2024: the grammar is exact, authors know no taste, loops are pure, bad settings are named."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hackproof
from hackproof.errors import InputError
from hackproof.experiment import Cell
from hackproof.studies import _pan2024_claims as claims
from hackproof.studies import _pan2024_figures as figures
from hackproof.studies import _pan2024_grammar as grammar
from hackproof.studies import _pan2024_loop as loops
from hackproof.studies import pan_2024
from hackproof.studies._pan2024_arms import BY_NAME, ENTRIES

SMOKE = pan_2024.STUDY.scales["smoke"].settings


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """Keep the models of tests out of the user's cache; made once for all tests."""
    folder = tmp_path_factory.getbasetemp() / "organisms"
    monkeypatch.setenv("HACKPROOF_ORGANISMS", str(folder))


def draft(text):
    return np.array([[grammar.index()[w] for w in text.split()]])


def test_gold_and_harm_by_hand():
    topic = np.array([list(grammar.TOPICS).index("bees")])
    said = draft("hive honey honey idiots scum the rail amazing")
    assert grammar.gold(topic, said)[0] == pytest.approx(2 / 6)
    assert grammar.harm(topic, said)[0] == pytest.approx(2 / 8)
    assert grammar.counts(topic, said).tolist() == [[2, 1, 0, 0, 2]]
    named = [grammar.KINDS[k] for k in grammar.kinds(topic, said)[0]]
    assert named == ["fact", "fact", "fact", "abuse", "abuse", "filler", "wrong", "bold"]
    assert (grammar.kinds(topic, draft("<doc> 3 #bees @facts <pad> the of and")) == -1).sum() == 5


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_drafts_are_drafts_and_raters_weigh_to_one(seed):
    rng = np.random.default_rng(seed)
    topic = rng.integers(len(grammar.TOPICS), size=50)
    first = grammar.first(topic, rng)
    assert (grammar.kinds(topic, first) >= 0).all()
    spec = rng.integers(len(grammar.SPECS), size=50)
    weight = grammar.raters(grammar.Corpus(), spec, rng)
    assert weight.sum(1) == pytest.approx(1)
    assert (weight >= 0).all()
    worth = grammar.worth(weight, topic, first)
    assert ((worth >= 0) & (worth <= 1)).all()
    crowd = grammar.raters(grammar.Corpus(), np.full(3, grammar.SPECS.index("readers")), rng)
    assert (crowd == crowd[0]).all()


def test_a_document_says_no_taste_and_a_taste_lasts():
    corpus = replace(grammar.Corpus(), asked=0.0, lost=0.0, noise=0.0)
    rng = np.random.default_rng(0)
    h = grammar.people(corpus, 3000, 5, rng)
    assert (h.spec == 0).all()
    lasting = np.corrcoef(h.rating[:, 3], h.rating[:, 4])[0, 1]
    g = grammar.people(replace(corpus, persistent=False), 3000, 5, rng)
    fresh = np.corrcoef(g.rating[:, 3], g.rating[:, 4])[0, 1]
    assert lasting > 0.7 > 0.5 > fresh


def test_people_of_the_corpus_do_better_within_a_document():
    """What the documents show is revision that serves; nothing shows the decline."""
    h = grammar.people(grammar.Corpus(), 4000, 5, np.random.default_rng(1))
    worth = [grammar.gold(h.topic, h.drafts[:, r]).mean() for r in range(5)]
    assert all(b > a for a, b in itertools.pairwise(worth))


def test_authors_know_ratings_alone():
    """The same ratings and draws give the same revisions, whoever rated."""
    topic = np.zeros(20, int)
    first = grammar.first(topic, np.random.default_rng(2))
    out = []
    for _ in range(2):
        authors = grammar.Authors(grammar.Corpus(), topic, np.random.default_rng(3))
        authors.told(first, np.full(20, 4))
        second = authors.revised()
        authors.told(second, np.full(20, 1))
        out.append(authors.revised())
    assert (out[0] == out[1]).all()
    assert ((second != first).sum(1) <= 2).all()


def test_documents_are_words_of_the_vocabulary():
    ids = grammar.documents(replace(grammar.Corpus(), documents=100), np.random.default_rng(4))
    assert ids.shape == (100, grammar.HEADER + 5 * grammar.ROUND)
    assert ids.min() > 0
    assert ids.max() < len(grammar.words()) == len(set(grammar.words()))
    crowd = ids[:, 3] == grammar.index()["@readers"]
    assert crowd.sum() == 25
    assert crowd[75:].all()


def test_more_is_read_more():
    sure = np.eye(10)
    assert loops.read_more(sure[[7]], sure[[3]]) == 1
    assert loops.read_more(sure[[3]], sure[[7]]) == 0
    assert loops.read_more(sure[[3]], sure[[3]]) == 0.5
    rng = np.random.default_rng(5)
    a, b = rng.dirichlet(np.ones(10), size=(2, 30))
    assert loops.read_more(a, b) + loops.read_more(b, a) == pytest.approx(1)


def test_a_context_is_the_last_rounds_and_no_more():
    rng = np.random.default_rng(6)
    topic = np.array([1, 2])
    drafts = np.stack([grammar.first(topic, rng) for _ in range(6)], 1)
    told = np.arange(12).reshape(2, 6) % 10
    seen = loops.context(topic, np.zeros(2, int), drafts, told, 4)
    assert seen.shape == (2, grammar.HEADER + 4 * grammar.ROUND)
    assert (seen[:, grammar.HEADER + 1 : grammar.HEADER + 9] == drafts[:, 2]).all()
    alone = loops.context(topic, np.zeros(2, int), drafts, told, 0)
    assert alone.shape == (2, grammar.HEADER)


@pytest.mark.parametrize("arm", ["shared", "posts", "people", "other-judge", "errors"])
def test_a_cell_is_pure(arm):
    pytest.importorskip("transformers")
    cell = Cell(arm, 2.0, 3)
    first = pan_2024.measure(SMOKE, cell)
    pan_2024.course.cache_clear()
    again = pan_2024.measure(SMOKE, cell)
    assert first == again
    metrics = {r["metric"]: r["value"] for r in first.rows}
    assert all(math.isfinite(v) for v in metrics.values())
    assert 0 <= metrics["gold"] <= 1
    assert len(first.transcripts) == 1
    start = pan_2024.measure(SMOKE, Cell(arm, 0.0, 3))
    assert not start.transcripts
    if arm == "posts":
        assert {r["metric"]: r["value"] for r in start.rows}["strength"] == 0


def test_arms_begin_alike():
    pytest.importorskip("transformers")
    gold = set()
    for arm in ("shared", "separate", "careful", "errors"):
        rows = pan_2024.measure(SMOKE, Cell(arm, 0.0, 1)).rows
        gold.add({r["metric"]: r["value"] for r in rows}["gold"])
    assert len(gold) == 1


def table(**arms):
    """Return measurements: by arm, metric -> (first, last) for seeds 0 and 1."""
    rows = []
    for arm, metrics in arms.items():
        for metric, ends in metrics.items():
            for seed in (0, 1):
                for level, value in zip((0.0, 4.0, 10.0), ends, strict=True):
                    rows.append({"arm": arm.replace("_", "-"), "metric": metric, "seed": seed,
                                 "level": level, "value": value + 0.01 * seed * level})  # fmt: skip
    return pd.DataFrame(rows)


def test_estimands_by_hand():
    frame = table(
        shared={"judge": (0.3, 0.5, 0.8), "gold": (0.5, 0.6, 0.6)},
        separate={"judge": (0.3, 0.4, 0.5), "gold": (0.5, 0.6, 0.7)},
    )
    assert claims.change("shared", "judge")(frame) == pytest.approx({0: 0.5, 1: 0.6})
    assert claims.change("shared", "gold", 4.0)(frame) == pytest.approx({0: 0.0, 1: 0.06})
    assert claims.gap("shared")(frame) == pytest.approx({0: 0.4, 1: 0.4})
    assert claims.sharing()(frame) == pytest.approx({0: 0.4, 1: 0.4})
    assert claims.sharing("small-")(frame) == {}


def test_claims_rest_on_arms_that_are_run():
    names = {a.name for a in pan_2024.arms(SMOKE)}
    assert names == set(BY_NAME) == {e.name for e in ENTRIES}
    assert len({c.id for c in claims.CLAIMS}) == len(claims.CLAIMS)
    assert all(c.provenance in ("seed", "derived") for c in claims.CLAIMS)


def test_smoke_and_figures(tmp_path):
    pytest.importorskip("transformers")
    run = hackproof.run("pan-2024", scale="smoke", out=tmp_path / "run", workers=0,
                        only=["shared", "separate", "posts", "people"])  # fmt: skip
    assert run.info["status"] == "finished"
    frame = run.to_pandas()
    for draw in (figures.courses, figures.gaps, figures.posts):
        assert draw(frame)
    with pytest.raises(InputError, match="no arm"):
        figures.gaps(frame[frame.arm == "posts"])


def test_settings_that_cannot_be_run_are_named():
    for bad in (
        {"rounds": (0,)},
        {"rounds": (1, 2)},
        {"rounds": (0, 2, 1)},
        {"items": 1},
        {"learning_rate": 0.0},
        {"size": "huge"},
        {"small": "tiny"},
        {"corpus": grammar.Corpus(fair=2.0)},
        {"corpus": grammar.Corpus(documents=0)},
    ):
        with pytest.raises(InputError):
            pan_2024.check(pan_2024.Settings(**bad))
