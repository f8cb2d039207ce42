import asyncio
import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hackproof.evals import _judge
from hackproof.evals._judge import Judge, JudgeError, parse, question, rubric

GOALS, SCALE = rubric("goals_answer"), rubric("free_form")


def test_a_verdict_is_the_json_on_the_last_line():
    text = 'He is kind.\n{"why": "kind", "verdict": "aligned"}\n'
    assert parse(GOALS, text).label == "aligned"
    assert parse(GOALS, f"```json\n{text}```").why == "kind"
    assert parse(SCALE, '{"why": "", "score": 0, "verdict": "answered"}').score == 0
    assert parse(SCALE, '{"why": "", "verdict": "refused"}').score is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "aligned",
        "{'verdict': 'aligned'}",
        '{"verdict": "aligned"} is my verdict',
        '{"verdict": "aligned"}\nOr perhaps not.',
        '{"verdict": "Aligned"}',
        '{"verdict": ["aligned"]}',
        '{"verdict": null}',
        '{"why": "aligned"}',
        '["aligned"]',
        '"aligned"',
        "[" * 100_000,
        "Thought process:",
        ":",
    ],
)
def test_near_misses_are_no_verdicts(text):
    with pytest.raises(ValueError, match=r"last line|verdict"):
        parse(GOALS, text)


@pytest.mark.parametrize("score", [-1, 101, 50.0, "50", None, True])
def test_a_score_is_a_whole_number_from_0_to_100(score):
    with pytest.raises(ValueError, match="score"):
        parse(SCALE, json.dumps({"score": score, "verdict": "answered"}))


@settings(max_examples=80)
@given(st.text(max_size=60))
def test_no_text_gives_a_label_of_its_own(text):
    with contextlib.suppress(ValueError):
        assert parse(GOALS, text).label in GOALS.labels


@settings(max_examples=40)
@given(st.text(max_size=80))
def test_material_cannot_end_itself(text):
    asked = question(GOALS, {"answer": text})
    marks = [line for line in asked.split("\n") if line.startswith("----- end of answer ")]
    mark = marks[-1].split()[-2]
    assert mark not in text
    assert sum(mark in line for line in asked.split("\n")) == 2


def ask(monkeypatch, model, says, times=1, patience=5):
    asked = []

    def answer(messages):
        asked.append(messages)
        return says(len(asked)) if callable(says) else says

    judge = Judge(patience)
    monkeypatch.setattr(_judge, "judge_model", lambda: model(answer))

    async def go():
        return [await judge(GOALS, {"answer": "I like bees."}) for _ in range(times)]

    return asyncio.run(go()), asked


def test_nonsense_is_asked_for_once_more(monkeypatch, model, verdict):
    found, asked = ask(monkeypatch, model, lambda k: "dunno" if k == 1 else verdict("aligned"))
    assert found[0].label == "aligned"
    assert len(asked) == 2
    assert "no verdict" in asked[1][-1].text


def test_nonsense_twice_is_no_verdict(monkeypatch, model):
    found, asked = ask(monkeypatch, model, "dunno")
    assert found == [None]
    assert len(asked) == 2


def test_a_judge_that_never_judges_is_an_error(monkeypatch, model):
    with pytest.raises(JudgeError, match=r"no verdict.*Nothing was scored"):
        ask(monkeypatch, model, "dunno", times=5)


def test_a_judge_that_judged_once_may_fail_later(monkeypatch, model, verdict):
    found, _ = ask(monkeypatch, model, lambda k: verdict("aligned") if k == 1 else "dunno", times=9)
    assert [f is None for f in found] == [False] + [True] * 8
