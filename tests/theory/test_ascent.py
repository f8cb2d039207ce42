"""Steepest ascent on the occupancy polytope, and when to stop it."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hackproof.errors import InputError
from hackproof.theory import (
    TabularMDP,
    canonical,
    drop_height,
    early_stop,
    optimal_policy,
    policy_return,
    steepest_ascent,
)


def process(seed, S=4, A=3):
    rng = np.random.default_rng(seed)
    return TabularMDP(
        rng.dirichlet(np.ones(S), (S, A)), rng.normal(size=(S, A)), 0.9, rng.dirichlet(np.ones(S))
    )


@given(st.integers(0, 2000))
@example(723)  # the last steps are tiny and must not leave their faces by rounding
@settings(max_examples=30, deadline=None)
def test_it_climbs_in_ever_gentler_steps_to_the_optimum(seed):
    mdp = process(seed)
    path = steepest_ascent(mdp)
    returns = path.returns(mdp.R)
    assert (np.diff(returns) > -1e-9).all()
    assert (np.diff(path.slopes) < 1e-6).all()
    assert returns[-1] == pytest.approx(policy_return(mdp, optimal_policy(mdp)), abs=1e-6)
    for eta in path.occupancies:
        inflow = mdp.mu0 + mdp.gamma * np.einsum("sa,sat->t", eta, mdp.P)
        np.testing.assert_allclose(eta.sum(1), inflow, atol=1e-7)
        assert (eta >= 0).all()


@given(st.integers(0, 2000), st.floats(0.1, 1.4))
@settings(max_examples=40, deadline=None)
def test_no_reward_within_the_angle_falls_before_the_stop(seed, theta):
    mdp = process(seed)
    path = steepest_ascent(mdp)
    stop = early_stop(path, theta)
    proxy = canonical(mdp, mdp.R)
    proxy = proxy / np.linalg.norm(proxy)
    rng = np.random.default_rng([seed, 1])  # not the stream that drew the proxy
    for _ in range(20):
        other = canonical(mdp, rng.normal(size=mdp.R.shape))
        other -= (other * proxy).sum() * proxy
        other /= np.linalg.norm(other)
        angle = theta * rng.uniform(0.9, 1)
        true = np.cos(angle) * proxy + np.sin(angle) * other
        assert (np.diff(path.returns(true)[: stop + 1]) > -1e-7).all()


def test_the_stop_is_the_latest_with_that_promise():
    """Of the next step some reward at the angle falls."""
    seen = 0
    for seed in range(30):
        mdp = process(seed)
        path = steepest_ascent(mdp)
        theta = 1.0
        stop = early_stop(path, theta)
        if stop == len(path.slopes):
            continue
        seen += 1
        step = path.occupancies[stop + 1] - path.occupancies[stop]
        proxy = canonical(mdp, mdp.R)
        proxy = proxy / np.linalg.norm(proxy)
        away = step - (step * proxy).sum() * proxy
        true = np.cos(theta) * proxy - np.sin(theta) * away / np.linalg.norm(away)
        assert (step * true).sum() < 0
    assert seen > 5


def test_a_perfect_proxy_is_never_stopped_and_never_drops():
    mdp = process(0)
    path = steepest_ascent(mdp)
    assert early_stop(path, 0.0) == len(path.slopes)
    assert drop_height(path, mdp, mdp.R) == pytest.approx(0, abs=1e-9)
    with pytest.raises(InputError, match="theta is 2"):
        early_stop(path, 2.0)
