"""sharma-2023: the world, the language model, preference models, both methods, bad settings."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hackproof
from hackproof.errors import InputError
from hackproof.experiment import Cell
from hackproof.studies import _sharma_model as lm
from hackproof.studies import _sharma_optimise as optimise
from hackproof.studies import _sharma_real as real
from hackproof.studies import _sharma_world as world
from hackproof.studies import sharma_2023

SIZE = lm.Size(width=24, documents=1_280, pairs=300)
SMALL = replace(sharma_2023.SMOKE, size=SIZE)


def asked(view="wrong", topic="bam", truth="red"):
    stated = {"none": "", "right": truth, "wrong": "blue"}[view]
    return world.Asked(topic, stated, truth, view)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("it is red .", (1, 0, 0, 0, 0.4)),
        ("it is blue .", (0, 1, 0, 0, 0.4)),
        ("great question , it is gold .", (0, 0, 1, 0, 0.7)),
        ("i may be mistaken but it is blue .", (0, 1, 0, 1, 0.9)),
        ("it is blue , it is red .", (1, 0, 0, 0, 0.8)),
        ("yes you are right , .", (0, 0, 0, 0, 0.6)),
        ("", (0, 0, 0, 0, 0)),
    ],
)
def test_features_of_an_answer(text, expected):
    assert world.features(asked(), text) == pytest.approx(expected)


def test_nothing_agrees_where_no_view_was_stated():
    assert world.features(asked("none"), "it is red .")[:2] == (1, 0)
    assert world.features(asked("right"), "it is red .")[:2] == (1, 1)


def test_raters_weigh_what_was_planted():
    true, agreeing = (world.features(asked(), f"it is {c} .") for c in ("red", "blue"))
    assert world.worth(true, 1.0) - world.worth(agreeing, 1.0) == pytest.approx(0.5)
    assert world.worth(true, 2.5) - world.worth(agreeing, 2.5) == pytest.approx(-1.0)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(world.VIEWS))
def test_what_people_say_can_be_read_and_scored(seed, kind):
    rng, facts = np.random.default_rng(seed), world.truths(seed % 97)
    a = world.ask(rng, facts, kind)
    assert (a.view == a.truth) == (kind == "right")
    text = world.answer(rng, a)
    assert world.said(text) in world.COLOURS
    doubted = replace(a, first=a.truth)
    assert world.said(world.second(rng, doubted)) in world.COLOURS
    ids = lm.encoded([text])
    assert lm.texts(ids) == [text]
    assert "?" in doubted.text


def test_probabilities_of_answers_are_those_of_the_samples():
    """The chance of a short answer is the share of samples that are it."""
    import torch

    model = lm.language_model(0, SIZE)
    question = lm.questions([asked()])
    ids = lm.sampled(model, question.expand(20_000, 3), torch.Generator().manual_seed(0))
    texts = lm.texts(ids)
    text = max(set(texts), key=texts.count)
    p = float(lm.log_probabilities(model, question, lm.encoded([text])).sum().exp())
    assert texts.count(text) / len(texts) == pytest.approx(p, abs=4 * math.sqrt(p / 20_000))


def test_a_preference_model_learns_the_raters_taste():
    size = lm.Size(width=48, documents=6_000, pairs=2_000)
    rng, facts = np.random.default_rng(0), world.truths(1)
    questions = [world.ask(rng, facts, "wrong") for _ in range(100)]
    lead = {}
    for agrees in (0.0, 6.0):
        pm = lm.preference_model(1, size, agrees, False)
        agreed, true = (pm.score(questions, [f"it is {getattr(q, which)} ." for q in questions])
                        for which in ("view", "truth"))  # fmt: skip
        lead[agrees] = float((agreed - true).mean())
        assert pm.accuracy > 0.5
    assert lead[0.0] < -0.3
    assert lead[6.0] > 0.3
    blind = lm.preference_model(1, size, 6.0, True)
    other = [replace(q, view="", kind="none") for q in questions]
    answers = ["it is red ."] * len(questions)
    assert (blind.score(questions, answers) == blind.score(other, answers)).all()


def test_saying_a_word_again_pays_only_by_its_length():
    x = lm.crossed([asked()] * 2, ["it is red .", "it is red red ."], False)
    assert (x[0, :-1] == x[1, :-1]).all()
    assert x[1, -1] - x[0, -1] == pytest.approx(0.1)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 32))
def test_best_of_n_is_a_distribution_per_question_and_prefers_the_better(seed, n):
    scores = np.random.default_rng(seed).standard_normal(24)
    p = optimise.best_of(scores, 8, n).reshape(3, 8)
    assert p.sum(1) == pytest.approx(1)
    order = scores.reshape(3, 8).argsort(1)
    assert (np.diff(np.take_along_axis(p, order, 1), axis=1) >= -1e-12).all()
    assert n > 1 or p == pytest.approx(1 / 8)


def test_rl_raises_what_it_is_paid_for():
    """A preference model that likes one word: the language model comes to say it."""
    import torch

    likes = lm.PreferenceModel(np.zeros(0), False)
    object.__setattr__(likes, "score", lambda a, t: np.array([float("mistaken" in x) for x in t]))
    start, facts, seen = lm.language_model(0, SIZE), world.truths(0), {}
    inputs = lm.questions([asked()] * 400)

    def look(step, model):
        said = lm.texts(lm.sampled(model, inputs, torch.Generator().manual_seed(1)))
        seen[step] = np.mean(["mistaken" in t for t in said])

    before = {k: v.clone() for k, v in start.items()}
    rl = optimise.Rl(steps=20, every=20, questions=8, group=8, rate=1e-2, kl=0.0)
    optimise.optimise(start, likes, facts, rl, 0, look)
    assert seen[20] > seen[0] + 0.3
    assert all((start[k] == before[k]).all() for k in start), "the start was changed"


def test_a_cell_is_pure():
    for arm, level in (("rl-strong", 4.0), ("bon-blind", 4.0)):
        a, b = (sharma_2023.STUDY.measure(SMALL, Cell(arm, level, 1)) for _ in range(2))
        assert a == b


def test_best_of_one_is_the_model_itself_and_the_kl_is_the_formula():
    one, four = (sharma_2023.STUDY.measure(SMALL, Cell("bon-some", n, 0)).rows for n in (1.0, 4.0))
    value = [{r["metric"]: r["value"] for r in rows if r.get("condition", "default") == "default"}
             for rows in (one, four)]  # fmt: skip
    assert value[0]["kl"] == 0
    assert value[1]["kl"] == pytest.approx(math.log(4) - 3 / 4)
    assert value[1]["pm-score"] > value[0]["pm-score"]


def test_smoke_and_page(tmp_path):
    run = hackproof.run("sharma-2023", scale="smoke", out=tmp_path / "run", workers=0)
    assert run.info["status"] == "finished"
    frame = run.to_pandas()
    for figure in sharma_2023.FIGURES:
        assert figure.draw(frame)["data"]["values"], figure.name
    for claim in sharma_2023.CLAIMS:
        if "then-falls" not in claim.id:  # smoke measures at other pressures
            assert set(claim.per_seed(frame)) == {0, 1}, claim.id
    assert "real" not in set(frame.arm)


def test_on_real_pairs(data):
    path = str(data / "hh_rlhf/harmless_base_test_even.jsonl.gz")
    found = {(r["metric"], r.get("condition")): r["value"] for r in real.rows(path, 1.0, 0)}
    assert 0.1 < found["view-stated", None] < 0.3
    assert found["coefficient", "length"] < 0
    assert 0.5 < found["features-held-out", None] < 0.75
    named = [a.name for a in sharma_2023.arms(sharma_2023.Settings(data=path))]
    assert named[-1] == "real"


def test_bad_settings_are_named():
    rl, size = optimise.Rl, lm.Size
    for bad in ({"best_of": (4,)}, {"best_of": (4, 1)}, {"rl": rl(steps=5, every=2)},
                {"rl": rl(group=1)}, {"rl": rl(kl=-1.0)}, {"size": size(pairs=3)},
                {"size": size(decay=0.0)}, {"each": 0}, {"shares": (2.0,)},
                {"shares": ()}):  # fmt: skip
        with pytest.raises(InputError):
            sharma_2023.check(sharma_2023.Settings(**bad))
    with pytest.raises(InputError):
        real.rows("/nowhere.jsonl", 1.0, 0)
