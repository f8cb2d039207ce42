"""Change points of a share: known steps, the rate of false alarms, bad input."""

from __future__ import annotations

import numpy as np
import pytest

from hackproof.errors import InputError
from hackproof.experiment.transitions import transition

LEVELS = (4.0, 8.0, 32.0, 64.0, 128.0)


def test_a_clean_step_is_found_where_it_is():
    outcomes = np.repeat([[0], [0], [1], [1], [1]], 10, axis=1)
    found = transition(LEVELS, outcomes)
    assert (found.after, found.until) == (8.0, 32.0)
    assert (found.low, found.high) == (8.0, 8.0)
    assert found.before.estimate == 0
    assert found.beyond.estimate == 1
    assert found.p_value < 0.01


def test_a_fall_is_found_as_well_as_a_rise():
    outcomes = np.repeat([[1], [1], [1], [1], [0]], 10, axis=1)
    assert transition(LEVELS, outcomes).after == 64.0


def test_seeds_that_never_differ_say_nothing():
    outcomes = np.tile([0, 1], (5, 5))
    assert transition(LEVELS, outcomes).p_value == 1.0


def test_a_missing_cell_is_left_out():
    outcomes = np.repeat([[0.0], [0.0], [1.0], [1.0], [1.0]], 10, axis=1)
    outcomes[0, 0] = np.nan
    found = transition(LEVELS, outcomes)
    assert found.after == 8.0
    assert found.before.n == 19


def test_false_alarms_keep_the_level():
    rng = np.random.default_rng(1)
    alarms = sum(
        transition(LEVELS, rng.integers(0, 2, (5, 10)), resamples=200, seed=i).p_value <= 0.05
        for i in range(200)
    )
    # At most 10 are expected; 19 or more of 200 come once in about 170 tries (binomial, 0.05).
    assert alarms <= 18


def test_the_interval_covers_a_noisy_step():
    rng = np.random.default_rng(2)
    chances = np.array([0.1, 0.1, 0.8, 0.8, 0.8])
    covered = 0
    for i in range(60):
        outcomes = rng.random((5, 10)) < chances[:, None]
        found = transition(LEVELS, outcomes, resamples=300, seed=i)
        covered += found.low <= 8.0 <= found.high
    assert covered >= 51


@pytest.mark.parametrize(
    ("levels", "outcomes", "said"),
    [
        ((1.0,), [[0, 1]], "at least 2 levels"),
        ((2.0, 1.0), [[0], [1]], "must rise"),
        ((1.0, 2.0), [[0], [2]], "neither 0 nor 1"),
        ((1.0, 2.0), [[], []], "levels, seeds"),
    ],
)
def test_bad_input_is_named(levels, outcomes, said):
    with pytest.raises(InputError, match=said):
        transition(levels, outcomes)
