import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from hackproof.experiment.statistics import mean_interval, share_interval


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30))
def test_the_mean_interval_is_scipys(values):
    got = mean_interval(values)
    spread = np.std(values, ddof=1)
    mean, error = np.mean(values), spread / math.sqrt(len(values))
    low, high = stats.t.interval(0.95, len(values) - 1, mean, error) if spread else (mean, mean)
    np.testing.assert_allclose([got.low, got.high], [low, high], rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize(("k", "n"), [(0, 5), (5, 5), (3, 7), (1, 100)])
def test_the_share_interval_is_scipys(k, n):
    exact = stats.binomtest(k, n).proportion_ci(0.95, "exact")
    got = share_interval(k, n)
    np.testing.assert_allclose([got.low, got.high], [exact.low, exact.high], atol=1e-12)


def test_coverage_of_the_mean_interval():
    rng = np.random.default_rng(0)
    hits = sum(
        got.low <= 0 <= got.high
        for got in (mean_interval(x.tolist()) for x in rng.normal(size=(2000, 5)))
    )
    low, high = stats.binom.interval(0.999, 2000, 0.95)
    assert low <= hits <= high


def test_few_values():
    assert math.isnan(mean_interval([]).estimate)
    assert mean_interval([2.0])[:1] == (2.0,)
    assert math.isnan(mean_interval([2.0]).low)
    assert mean_interval([0.0, 0.0])[:3] == (0.0, 0.0, 0.0)
