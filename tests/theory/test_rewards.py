"""Distances between rewards, and hackable pairs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hackproof.errors import InputError
from hackproof.theory import (
    TabularMDP,
    canonical,
    dard,
    epic,
    hackable,
    occupancy,
    policy_return,
    projected_angle,
    simplifiable,
    starc,
)


def process(seed, S=4, A=3):
    rng = np.random.default_rng(seed)
    mdp = TabularMDP(
        rng.dirichlet(np.ones(S), (S, A)), rng.normal(size=(S, A)), 0.9, rng.dirichlet(np.ones(S))
    )
    return mdp, rng


def shaped(mdp, R, potential, factor):
    return factor * R + mdp.gamma * mdp.P @ potential - potential[:, None]


@given(st.integers(0, 1000), st.floats(0.1, 10))
@settings(max_examples=30, deadline=None)
def test_shaping_and_scale_are_no_distance(seed, factor):
    mdp, rng = process(seed)
    other = shaped(mdp, mdp.R, rng.normal(size=4), factor)
    assert starc(mdp, mdp.R, other) == pytest.approx(0, abs=1e-7)
    assert projected_angle(mdp, mdp.R, other) == pytest.approx(0, abs=1e-7)
    policy = rng.dirichlet(np.ones(3), 4)
    assert starc(mdp, mdp.R, other, policy=policy) == pytest.approx(0, abs=1e-7)
    assert starc(mdp, mdp.R, -mdp.R) == pytest.approx(1)


@given(st.integers(0, 1000), st.floats(0.1, 10))
@settings(max_examples=30, deadline=None)
def test_epic_and_dard_ignore_shaping_of_transitions(seed, factor):
    mdp, rng = process(seed)
    R, potential = rng.normal(size=(4, 3, 4)), rng.normal(size=4)
    other = factor * R + mdp.gamma * potential[None, None, :] - potential[:, None, None]
    assert epic(R, other, mdp.gamma) == pytest.approx(0, abs=1e-6)
    assert dard(mdp, R, other) == pytest.approx(0, abs=1e-6)
    assert epic(R, -R, mdp.gamma) == pytest.approx(1)
    assert dard(mdp, R, -R) == pytest.approx(1)


def test_epic_by_hand():
    """Two states, no discount: the canonical form is R less its row's mean."""
    R = np.array([[[1.0, 0.0]], [[0.0, 0.0]]])
    other = np.array([[[0.0, 1.0]], [[0.0, 0.0]]])
    # Canonical: (1/2, -1/2, 0, 0) and its negative: correlation -1.
    assert epic(R, other, 0.0) == pytest.approx(1)


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_the_canonical_form_orders_policies_as_the_reward_does(seed):
    mdp, rng = process(seed)
    form = canonical(mdp, mdp.R)
    policies = rng.dirichlet(np.ones(3), (6, 4))
    gaps = [policy_return(mdp, p) - policy_return(mdp, p, form) for p in policies]
    assert np.ptp(gaps) == pytest.approx(0, abs=1e-9)  # a constant apart


def test_a_trivial_reward_has_no_angle():
    mdp, _ = process(0)
    with pytest.raises(InputError, match="trivial"):
        projected_angle(mdp, mdp.R, np.ones((4, 3)))


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_a_pair_over_all_policies_is_hackable_unless_equivalent(seed):
    mdp, rng = process(seed)
    hack = hackable(mdp, rng.normal(size=(4, 3)))
    assert hack is not None
    assert hack.first_change > 0 > hack.second_change
    for eta in (hack.before, hack.after):
        inflow = mdp.mu0 + mdp.gamma * np.einsum("sa,sat->t", eta, mdp.P)
        np.testing.assert_allclose(eta.sum(1), inflow, atol=1e-7)
    assert hackable(mdp, shaped(mdp, mdp.R, rng.normal(size=4), 2.0)) is None
    assert hackable(mdp, np.ones((4, 3))) is None


@given(st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_over_a_finite_set_it_is_what_all_pairs_say(seed):
    rng = np.random.default_rng(seed)
    mdp = TabularMDP(np.eye(3)[rng.integers(0, 3, (3, 2))], rng.integers(0, 2, (3, 2)), 0.5,
                     np.ones(3) / 3)  # fmt: skip
    other = rng.integers(0, 2, (3, 2)).astype(float)
    policies = [np.array(p) for p in rng.integers(0, 2, (5, 3))]
    J1 = [policy_return(mdp, p) for p in policies]
    J2 = [policy_return(mdp, p, other) for p in policies]
    truth = any(J1[i] < J1[j] - 1e-9 and J2[i] > J2[j] + 1e-9 for i in range(5) for j in range(5))
    hack = hackable(mdp, other, policies)
    assert (hack is not None) == truth
    if hack is not None:
        assert hack.first_change > 0 > hack.second_change


def test_simplifications_by_hand():
    """One state, three actions of rewards 0, 1, 2: two of them can be tied."""
    mdp = TabularMDP(np.zeros((1, 3, 1)), np.array([[0.0, 1.0, 2.0]]), 0.0, np.ones(1))
    arms = [np.array([a]) for a in range(3)]
    assert simplifiable(mdp, arms)
    assert not simplifiable(mdp, arms[:2])  # only the trivial reward ties two arms
    assert occupancy(mdp, arms[0])[0].tolist() == [1, 0, 0]
