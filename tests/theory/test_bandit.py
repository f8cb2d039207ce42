"""Bandits under a KL penalty."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from hackproof.errors import InputError
from hackproof.theory import Bandit, kl_bandit_radius, rlhf_unsafe_condition


def bandit(seed, S=1, A=4):
    rng = np.random.default_rng(seed)
    made = Bandit(
        rng.normal(size=(S, A)), rng.dirichlet(np.ones(S)), rng.dirichlet(np.ones(A), S),
        rng.uniform(0.2, 1.5),
    )  # fmt: skip
    return made, rng.dirichlet(np.ones(S * A)).reshape(S, A), rng


def searched(b, D, L, rng, starts=30):
    """Return the cheapest bad reward that a local search finds; x = up - down, both >= 0."""
    n, best = b.R.size, np.inf
    weights = np.concatenate([D.ravel(), D.ravel()]) / np.ptp(b.R)

    def slack(x):
        return b.regret(b.optimum(b.R + (x[:n] - x[n:]).reshape(b.R.shape))) - L

    for _ in range(starts):
        found = minimize(
            lambda x: weights @ x, rng.exponential(size=2 * n), method="SLSQP",
            bounds=[(0, 20)] * (2 * n), constraints={"type": "ineq", "fun": slack},
            options={"maxiter": 500},
        )  # fmt: skip
        if slack(found.x) > -1e-7:
            best = min(best, weights @ found.x)
    return best


def realises(b, D, L, radius):
    """Whether the radius' reward errs by that much and is bad."""
    error = (D * np.abs(radius.reward - b.R)).sum() / np.ptp(b.R)
    return b.regret(b.optimum(radius.reward)) >= L - 1e-9 and error <= radius.upper + 1e-9


@pytest.mark.parametrize("seed", range(12))
def test_no_search_beats_one_contexts_radius(seed):
    b, D, rng = bandit(seed)
    if b.regret(b.optimum(b.R)) >= 0.6:
        return
    radius = kl_bandit_radius(b, D, 0.6)
    assert radius.lower == radius.upper
    found = searched(b, D, 0.6, rng)
    assert realises(b, D, 0.6, radius)
    assert radius.upper <= found + 1e-6
    assert radius.upper >= 0.99 * found - 1e-5  # and the search comes to it


@pytest.mark.parametrize("seed", range(4))
def test_several_contexts_are_bracketed_and_no_search_is_below(seed):
    b, D, rng = bandit(seed + 50, S=2, A=3)
    if b.regret(b.optimum(b.R)) >= 0.6:
        return
    coarse, fine = (kl_bandit_radius(b, D, 0.6, grid=g) for g in (20, 200))
    assert coarse.lower <= fine.lower + 1e-12 <= fine.upper + 2e-12 <= coarse.upper + 1e-9
    assert realises(b, D, 0.6, fine)
    assert fine.lower <= searched(b, D, 0.6, rng, 12) + 1e-6


def test_what_is_already_bad_needs_no_error():
    b, D, _ = bandit(0)
    already = b.regret(b.optimum(b.R))
    assert kl_bandit_radius(b, D, already * 0.99).upper == 0


@given(st.integers(0, 3000), st.floats(0.05, 0.95), st.floats(0.001, 2))
@settings(max_examples=80, deadline=None)
def test_theorem_61s_witness_is_bad_and_its_condition_is_never_wrong(seed, L, eps):
    b, _, _ = bandit(seed, S=1 + seed % 3)
    found = rlhf_unsafe_condition(b, eps, L)
    if found.reward is None:
        assert not found.unsafe
        return
    assert b.regret(b.optimum(found.reward)) >= L - 1e-9
    if found.closed_form:
        assert found.unsafe
    assert found.unsafe == (found.error <= eps)


def test_a_rare_bad_answer_makes_reference_data_unsafe():
    R = np.array([[1.0, 0.0]])
    errors = []
    for rare in (1e-2, 1e-4, 1e-8):
        b = Bandit(R, np.ones(1), np.array([[1 - rare, rare]]), 0.5)
        errors.append(rlhf_unsafe_condition(b, 0.01, 0.5).error)
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-5


def test_bad_input_is_named():
    with pytest.raises(InputError, match=r"reference\[0\]"):
        Bandit(np.array([[1.0, 0.0]]), np.ones(1), np.array([[1.0, 0.0]]), 1.0)
    with pytest.raises(InputError, match="lambda"):
        Bandit(np.array([[1.0, 0.0]]), np.ones(1), np.array([[0.5, 0.5]]), 0.0)
