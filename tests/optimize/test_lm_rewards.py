"""Rewards on grades: the classifier's precision and recall, sums, sign, order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hackproof.errors import InputError
from hackproof.language._environment import Grade
from hackproof.optimize.language import Negated, Paid, Penalty, Shuffled, Weighted


def call(reward, grades, step=0, texts=None):
    n = len(grades)
    texts = texts or [f"text {i}" for i in range(n)]
    tasks = [f"task {i}" for i in range(n)]
    return reward(
        prompts=["p"] * n, completions=texts, completion_ids=[[1]] * n, grades=grades, task=tasks,
        info=[{}] * n, step=step, trainer_state=None,
    )  # fmt: skip


def truth(n, base_rate):
    return [Grade(1.0, "ok", hacked=i < base_rate * n) for i in range(n)]


@pytest.mark.parametrize(
    ("precision", "recall", "base_rate"), [(0.9, 0.9, 0.5), (0.7, 0.5, 0.2), (1.0, 0.4, 0.5)]
)
def test_precision_and_recall_are_what_was_asked(precision, recall, base_rate):
    n = 20_000
    grades = truth(n, base_rate)
    reward = Penalty(precision=precision, recall=recall, weight=2.0, base_rate=base_rate)
    flagged = [paid == -1.0 for paid in call(reward, grades)]
    right = sum(f for f, grade in zip(flagged, grades, strict=True) if grade.hacked)
    assert right / (base_rate * n) == pytest.approx(recall, abs=0.02)
    assert right / sum(flagged) == pytest.approx(precision, abs=0.02)


def test_at_another_base_rate_the_rates_stay_and_the_precision_moves():
    reward = Penalty(precision=0.9, recall=0.9)
    grades = truth(20_000, 0.1)
    flagged = [paid == 0.0 for paid in call(reward, grades)]
    right = sum(f for f, grade in zip(flagged, grades, strict=True) if grade.hacked)
    rate = reward.false_positive_rate
    assert rate == pytest.approx(0.1)
    assert right / sum(flagged) == pytest.approx(0.09 / (0.09 + rate * 0.9), abs=0.03)


def test_a_flag_is_the_classifier_s_and_not_the_call_s():
    reward = Penalty(precision=0.7, recall=0.5)
    grades = truth(200, 0.5)
    assert call(reward, grades) == call(reward, grades, step=7)
    assert call(reward, grades) != call(Penalty(precision=0.7, recall=0.5, seed=1), grades)
    other = call(reward, grades, texts=[f"other {i}" for i in range(200)])
    assert call(reward, grades) != other


def test_before_its_start_and_without_truth_nothing_is_flagged():
    reward = Penalty(recall=1.0, weight=3.0, start_step=5)
    grades = [Grade(1.0, "ok", hacked=True), Grade(0.5, "ok"), Grade(None, "infra", hacked=True)]
    assert call(reward, grades, step=4) == [1.0, 0.5, None]
    assert call(reward, grades, step=5) == [-2.0, 0.5, None]


@pytest.mark.parametrize(
    "odd", [{"precision": 0.0}, {"recall": 1.1}, {"base_rate": 1.0}, {"precision": 0.1}]
)
def test_a_classifier_that_cannot_be_is_refused(odd):
    with pytest.raises(InputError):
        Penalty(**odd)


def test_sums_count_what_applies():
    def other(*, completions, **columns):
        return [None, 10.0, None]

    grades = [Grade(1.0, "ok"), Grade(2.0, "ok"), Grade(None, "infra")]
    reward = Weighted(((Paid(), 1.0), (other, 0.5)))
    assert call(reward, grades) == [1.0, 7.0, None]
    assert call(Negated(reward), grades) == [-1.0, -7.0, None]
    assert call(Penalty(weight=1.0, base=reward), grades) == [1.0, 7.0, None]
    assert call(Weighted(()), grades) == [None, None, None]


def test_a_reward_of_another_length_is_refused():
    with pytest.raises(InputError, match="1 numbers for 2 completions"):
        call(Negated(lambda **_: [1.0]), [Grade(1.0, "ok")] * 2)


@given(
    st.lists(st.one_of(st.none(), st.integers(-9, 9).map(float)), max_size=20), st.integers(0, 9)
)
def test_shuffling_keeps_the_rewards_and_who_has_none(paid, step):
    grades = [Grade(reward, "ok") for reward in paid]
    dealt = call(Shuffled(seed=3), grades, step=step)
    assert sorted(r for r in dealt if r is not None) == sorted(r for r in paid if r is not None)
    assert [r is None for r in dealt] == [r is None for r in paid]
    assert dealt == call(Shuffled(seed=3), grades, step=step)


def test_shuffling_moves_rewards():
    grades = [Grade(float(i), "ok") for i in range(50)]
    dealt = call(Shuffled(), grades)
    assert sum(a == b.reward for a, b in zip(dealt, grades, strict=True)) < 10
    assert dealt != call(Shuffled(), grades, step=1)
