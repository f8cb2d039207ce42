"""wen-2024: programs, time to check, the reward model, the gradient, the audit of the gap."""

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hackproof
from hackproof.audit import gap
from hackproof.errors import InputError
from hackproof.experiment import Cell
from hackproof.studies import _wen_policy as policies
from hackproof.studies import _wen_programs as programs
from hackproof.studies import wen_2024
from hackproof.studies._wen_cell import Labels, answered

MEANING = np.arange(8)  # word i means operation i
HONEST, BY_HEART, IDLE = (programs.SHAPES.index(s) for s in ((0, 0), (1, 0), (0, 4)))
HIDDEN = programs.SHAPES.index((1, 4))
SMALL = wen_2024.STUDY.at("smoke").settings


def one(words, chain, shape, length=None):
    pad = [0] * programs.LONGEST
    tasks = programs.Tasks(
        np.array([[*words, *pad][: programs.LONGEST]]), np.array([length or len(words)]), MEANING,
        np.array([[1, 2, 3, 4]]),
    )  # fmt: skip
    return tasks, programs.Programs(
        np.array([[*chain, *pad][: programs.LONGEST]]), np.array([shape])
    )


def says(tasks, answers, time, seed=0):
    return bool(programs.approved(tasks, answers, time, np.random.default_rng(seed))[0])


def test_programs_are_python_that_returns_what_is_said():
    rng = np.random.default_rng(3)
    tasks = programs.draw_tasks(rng, 200, MEANING)
    policy = policies.first_policy(rng, MEANING, 0.5, 0.1)
    answers = policies.write(rng, policy, tasks)
    x = np.broadcast_to(np.arange(-20, 21), (200, 41))
    found = programs.returned(tasks, answers, x)
    for i in range(200):
        _, text = programs.text(tasks, answers, i)
        scope: dict = {}
        exec(text, scope)  # our own lines, made by this file's operations
        assert [scope["f"](int(v)) for v in x[i]] == list(found[i]), text
        assert len(text.splitlines()) <= programs.LIMIT + 2


def test_time_buys_the_checks_in_order():
    plus, absolute, minus = 0, 3, 1
    wrong = one([plus, plus], [plus, minus], HONEST)
    assert says(*wrong, 0)
    assert not says(*wrong, 1)
    heart = one([plus, plus], [minus, minus], BY_HEART)
    assert says(*heart, 5)  # examples, and the line with the name
    assert not says(*heart, 6)
    hidden = one([plus, plus], [minus, minus], HIDDEN)
    assert says(*hidden, 9)
    assert not says(*hidden, 10)
    # abs does nothing to the examples: only inputs of the evaluator's own tell.
    subtle = one([plus, absolute], [plus, plus + 4], HONEST)
    subtle[1].chain[0, 1] = 4  # at least 4, which 1 + 3 and more are
    assert not programs.right(*subtle)[0]
    assert says(*subtle, 8)
    assert not any(says(*subtle, 200, seed) for seed in range(5))
    right = one([plus, absolute], [plus, absolute], IDLE)
    assert all(says(*right, t) for t in (0, 4, 8, 64, 200))


def test_what_is_beyond_the_limit_is_not_written():
    six = one([0] * 6, [0] * 6, HONEST)
    assert programs.right(*six)[0]
    crowded = one([0] * 6, [0] * 6, BY_HEART)
    assert programs.written(*crowded)[0] == programs.LIMIT - programs.EXAMPLES
    assert not programs.right(*crowded)[0]
    assert says(*crowded, 4)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_more_time_never_approves_what_less_refused(seed):
    rng = np.random.default_rng(seed)
    tasks = programs.draw_tasks(rng, 40, MEANING)
    answers = policies.write(rng, policies.first_policy(rng, MEANING, 0.3, 0.2), tasks)
    said = [programs.approved(tasks, answers, t, np.random.default_rng(7)) for t in range(0, 90, 3)]
    assert said[0].all()
    for less, more in pairwise(said):
        assert not (more & ~less).any()
    honest = programs.parts(answers)[0] == 0
    assert said[-1][honest & programs.right(tasks, answers)].all()


def test_the_gradient_is_that_of_the_expected_reward_less_the_divergence():
    """REINFORCE with much data, against differences of the exact value: one word, one length."""
    rng = np.random.default_rng(0)
    meaning = np.array([2])
    start = policies.first_policy(rng, meaning, 0.0, 0.25)

    def reward(tasks, answers):
        return (answers.chain[:, 0] == 2) + 0.5 * programs.parts(answers)[0]

    def value(policy, kl):
        p, q = policies.softmax(policy.words), policies.softmax(start.words)
        s, t = policies.softmax(policy.shape), policies.softmax(start.shape)
        heart = np.array([h for h, _ in programs.SHAPES])
        paid = policy.operations()[0, 2] + 0.5 * (s @ heart).mean()
        away = policies.MEAN_LENGTH * (p * np.log(p / q)).sum() + (s * np.log(s / t)).sum(1).mean()
        return paid - kl * away

    moved = dataclasses.replace(start, words=start.words + 0.3, shape=start.shape)
    moved.words[0, 1] += 1.0
    after = policies.train(
        np.random.default_rng(1), start, meaning, reward, steps=1, batch=200_000, rate=1e-3, kl=0.2
    )
    scale_words, scale_shape = policies.MEAN_LENGTH, 1 / programs.LENGTHS
    got = [(after.words - start.words) / 1e-3 * scale_words,
           (after.shape - start.shape) / 1e-3 * scale_shape]  # fmt: skip
    for name, found in zip(("words", "shape"), got, strict=True):
        table = getattr(start, name)
        for place in ((0, 2), (0, 0)):
            up, down = table.copy(), table.copy()
            up[place] += 1e-4
            down[place] -= 1e-4
            slope = (value(dataclasses.replace(start, **{name: up}), 0.2)
                     - value(dataclasses.replace(start, **{name: down}), 0.2)) / 2e-4  # fmt: skip
            assert found[place] == pytest.approx(slope, abs=0.006)


def test_a_reward_model_learns_the_labels():
    rng = np.random.default_rng(5)
    tasks = programs.draw_tasks(rng, 3000, MEANING)
    answers = policies.write(rng, policies.first_policy(rng, MEANING, 0.5, 0.2), tasks)
    right = programs.right(tasks, answers)
    model = policies.train_reward_model(tasks, answers, right, 1.0)
    score = model(tasks, answers)
    assert score.mean() == pytest.approx(0, abs=1e-9)
    assert score[right].mean() > score[~right].mean() + 0.5


def test_a_cell_is_pure_and_before_training_the_reward_model_does_not_matter():
    a, b = (wen_2024.STUDY.measure(SMALL, Cell("time-8", 3.0, 1)) for _ in range(2))
    assert a == b
    first = [wen_2024.STUDY.measure(SMALL, Cell(arm, 0.0, 1)) for arm in ("time-8", "time-64")]
    right = [{r["metric"]: r["value"] for r in c.rows}["correctness"] for c in first]
    assert right[0] == right[1]


def test_the_audit_of_the_gap_finds_it(tmp_path):
    import pandas as pd

    made = wen_2024.Settings(seed_offset=1000, steps=(0, 80))
    for time, expected in ((wen_2024.SHORT, True), (wen_2024.LONG, False)):
        tables = [answered(made, Labels(time), s, 1000).table(s) for s in made.steps]
        path = tmp_path / f"{time}.csv"
        pd.concat(tables).to_csv(path, index=False)
        rules = {f.rule for f in gap(path).findings}
        assert ("gap-false-positives" in rules) == expected


@pytest.mark.parametrize(
    "bad", [{"labels": 2}, {"known": 1.5}, {"slip": 1.0}, {"steps": (0,)}, {"steps": (5, 1)},
            {"rate": 0.0}, {"kl": -1.0}, {"decay": 0.0}, {"times": (0, 4)}, {"times": (4, 4)}],
)  # fmt: skip
def test_bad_settings(bad):
    with pytest.raises(InputError):
        wen_2024.check(dataclasses.replace(wen_2024.Settings(), **bad))


def test_smoke_and_page(tmp_path):
    run = hackproof.run("wen-2024", scale="smoke", out=tmp_path / "run", workers=0)
    assert run.info["status"] == "finished"
    for figure in wen_2024.FIGURES:
        assert figure.draw(run.to_pandas())["data"]["values"]


def test_the_time_of_evaluators_is_a_setting(tmp_path):
    settings = dataclasses.replace(
        wen_2024.STUDY.scales["smoke"].settings, times=(2, 6), steps=(0, 2)
    )
    assert {a.name for a in wen_2024.arms(settings)} >= {"time-2", "time-6"}
    made = wen_2024.measure(settings, Cell("time-6", 2.0, 0)).rows
    assert {r.get("condition", "default") for r in made} == {"default", "time-2", "time-6"}
