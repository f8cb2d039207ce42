"""Correlated proxies, chi-squared regularisation, and the rewards that fit a policy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hackproof.errors import InputError
from hackproof.theory import (
    TabularMDP,
    chi2_regularised_policy,
    fitting_rewards,
    occupancy,
    optimal_policy,
    policy_return,
    proxy_correlation,
    true_gain_bound,
)


def process(seed, S=4, A=3):
    rng = np.random.default_rng(seed)
    mdp = TabularMDP(
        rng.dirichlet(np.ones(S), (S, A)), rng.normal(size=(S, A)), 0.9, rng.dirichlet(np.ones(S))
    )
    return mdp, rng.dirichlet(np.ones(A), S), rng


@given(st.integers(0, 3000))
@settings(max_examples=60, deadline=None)
def test_the_true_gain_is_never_below_its_bound(seed):
    mdp, reference, rng = process(seed)
    true = mdp.R + rng.uniform(0.1, 3) * rng.normal(size=mdp.R.shape)
    if proxy_correlation(mdp, reference, mdp.R, true).r <= 0.01:
        return
    for _ in range(5):
        policy = rng.dirichlet(np.ones(3) * 0.5, 4)
        gain = policy_return(mdp, policy, true) - policy_return(mdp, reference, true)
        bound = true_gain_bound(mdp, reference, policy, mdp.R, true)
        assert gain * (1 - mdp.gamma) >= bound - 1e-9


@pytest.mark.parametrize("seed", range(8))
def test_no_policy_beats_the_regularised_one(seed):
    mdp, reference, rng = process(seed)
    found = chi2_regularised_policy(mdp, reference, 0.5)
    mu = occupancy(mdp, reference) * (1 - mdp.gamma)
    np.testing.assert_allclose(
        occupancy(mdp, found.policy) * (1 - mdp.gamma), found.occupancy, atol=1e-6
    )

    def objective(policy):
        eta = occupancy(mdp, policy) * (1 - mdp.gamma)
        return (eta * mdp.R).sum() - 0.5 * np.sqrt(((eta - mu) ** 2 / mu).sum())

    assert found.gap < 1e-6
    assert objective(found.policy) == pytest.approx(found.objective, abs=1e-5)
    for _ in range(200):
        other = rng.dirichlet(np.ones(3) * 0.5, 4)
        near = 0.8 * found.policy + 0.2 * other
        assert max(objective(other), objective(near)) <= found.objective + 1e-6


def test_no_penalty_is_the_optimum_and_a_great_one_the_reference():
    mdp, reference, _ = process(3)
    best = policy_return(mdp, optimal_policy(mdp)) * (1 - mdp.gamma)
    assert chi2_regularised_policy(mdp, reference, 0.0).objective == pytest.approx(best, abs=1e-6)
    kept = chi2_regularised_policy(mdp, reference, 1e3)
    np.testing.assert_allclose(
        kept.occupancy, occupancy(mdp, reference) * (1 - mdp.gamma), atol=1e-3
    )


def test_a_reference_that_misses_a_pair_is_refused():
    mdp, _, _ = process(0)
    with pytest.raises(InputError, match="never takes action 1"):
        chi2_regularised_policy(mdp, np.eye(3)[[0, 0, 0, 0]], 1.0)


@given(st.integers(0, 2000))
@settings(max_examples=40, deadline=None)
def test_the_cone_holds_exactly_the_rewards_that_fit(seed):
    mdp, _, rng = process(seed)
    policy = optimal_policy(mdp)
    G = fitting_rewards(mdp, policy)
    assert (G @ mdp.R.ravel() <= 1e-9).all()
    potential = rng.normal(size=4)
    shaped = mdp.R + mdp.gamma * mdp.P @ potential - potential[:, None]
    assert (G @ shaped.ravel() <= 1e-9).all()
    other = rng.normal(size=mdp.R.shape)
    fits = (G @ other.ravel() <= 1e-9).all()
    learned = TabularMDP(mdp.P, other, mdp.gamma, mdp.mu0)
    assert fits == bool((optimal_policy(learned) == policy).all())
