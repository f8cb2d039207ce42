import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hackproof.errors import InputError
from hackproof.theory import (
    TabularMDP,
    occupancy,
    optimal_actions,
    optimal_policy,
    policy_return,
    q_values,
    return_range,
)


def random_mdp(seed, S=4, A=3, gamma=0.9):
    rng = np.random.default_rng(seed)
    P = rng.dirichlet(np.ones(S), (S, A)) * rng.choice([1.0, 0.7], (S, A, 1))  # some terminate
    return TabularMDP(P, rng.normal(size=(S, A)), gamma, rng.dirichlet(np.ones(S)))


def deterministic(mdp):
    S, A = mdp.R.shape
    return [np.array(p) for p in itertools.product(range(A), repeat=S)]


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_planning_is_enumeration(seed):
    mdp = random_mdp(seed)
    best = max(policy_return(mdp, p) for p in deterministic(mdp))
    assert policy_return(mdp, optimal_policy(mdp)) == pytest.approx(best, abs=1e-9)


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_occupancy_obeys_the_flow_equations_and_prices_the_return(seed):
    mdp = random_mdp(seed)
    rng = np.random.default_rng(seed + 1)
    pi = rng.dirichlet(np.ones(3), 4)
    eta = occupancy(mdp, pi)
    inflow = mdp.mu0 + mdp.gamma * np.einsum("sa,sat->t", eta, mdp.P)
    np.testing.assert_allclose(eta.sum(1), inflow, atol=1e-10)
    v0 = mdp.mu0 @ (pi * q_values(mdp, pi)).sum(1)
    assert (eta * mdp.R).sum() == pytest.approx(v0, abs=1e-9)


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_the_range_is_that_of_all_optimal_policies(seed):
    rng = np.random.default_rng(seed)
    mdp = random_mdp(seed)
    # Ties are the point: a reward of small whole numbers has many.
    mdp = TabularMDP(
        np.eye(4)[rng.integers(0, 4, (4, 3))], rng.integers(0, 2, (4, 3)), 0.5, mdp.mu0
    )
    other = rng.normal(size=(4, 3))
    # Optimal in every state, as `optimal_actions` means it, also in states never reached.
    allowed = optimal_actions(mdp)
    values = [
        policy_return(mdp, p, other) for p in deterministic(mdp) if allowed[np.arange(4), p].all()
    ]
    assert return_range(mdp, other) == pytest.approx((min(values), max(values)), abs=1e-8)


def test_occupancy_sums_to_the_horizon():
    mdp = TabularMDP(np.ones((1, 2, 1)), np.zeros((1, 2)), 0.9, np.ones(1))
    assert occupancy(mdp, np.array([0])).sum() == pytest.approx(10)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"P": np.full((2, 1, 2), 0.6)}, r"P\[0, 0\] sums to 1\.2"),
        ({"P": np.array([[[1.5, -0.5]], [[1, 0]]])}, r"P\[0, 0, 1\] is -0\.5"),
        ({"R": np.array([[np.nan], [0]])}, r"R\[0, 0\] is nan"),
        ({"gamma": 1.0}, "gamma is 1.0"),
        ({"mu0": np.array([0.5, 0.4])}, "mu0 sums to 0.9"),
        ({"R": np.zeros((3, 1))}, "needs P"),
    ],
)
def test_bad_input_is_named(change, words):
    fine = {
        "P": np.full((2, 1, 2), 0.5),
        "R": np.zeros((2, 1)),
        "gamma": 0.9,
        "mu0": np.array([1.0, 0]),
    }
    with pytest.raises(InputError, match=words):
        TabularMDP(**(fine | change))


def test_a_policy_of_another_shape_is_named():
    with pytest.raises(InputError, match="a policy is"):
        policy_return(random_mdp(0), np.zeros((2, 2)))
