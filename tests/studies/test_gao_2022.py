"""gao-2022: exact policies, the models, real pairs, bad settings."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hackproof
from hackproof.errors import InputError
from hackproof.experiment import Cell
from hackproof.studies import _gao_models as models
from hackproof.studies import gao_2022

SMALL = gao_2022.Settings(pairs=60, labels=60, cases=2)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(1.0, 40.0), st.sampled_from(["best-of-n", "rl"]))
def test_policies_are_distributions_and_their_kl_is_what_was_asked(seed, part, method):
    proxy = np.random.default_rng(seed).standard_normal(80)
    target = part / 40 * 0.9 * np.log(80)
    policy = models.at_kl(proxy, method, target)
    assert policy.min() >= 0
    assert policy.sum() == pytest.approx(1)
    assert models.kl(policy) == pytest.approx(target, abs=1e-6)
    assert policy @ proxy > proxy.mean()


def test_best_of_n_is_that_of_n_draws():
    proxy = np.array([0.3, 2.0, -1.0, 0.7])
    draws = np.random.default_rng(0).integers(4, size=(200_000, 3))
    best = draws[np.arange(len(draws)), proxy[draws].argmax(1)]
    assert models.best_of_n(proxy, 3) == pytest.approx(np.bincount(best) / len(draws), abs=0.005)
    assert models.best_of_n(proxy, 1) == pytest.approx(0.25)


def test_rl_is_the_best_policy_of_its_kl():
    """No other policy with as little KL has a higher proxy score."""
    rng = np.random.default_rng(1)
    proxy = rng.standard_normal(30)
    policy = models.tilted(proxy, 1.5)
    for _ in range(200):
        other = policy * np.exp(0.3 * rng.standard_normal(30))
        other /= other.sum()
        assert other @ proxy <= policy @ proxy or models.kl(other) > models.kl(policy)
    assert models.at_kl(proxy, "best-of-n", 1.0) @ proxy <= models.at_kl(proxy, "rl", 1.0) @ proxy


def test_a_reward_model_learns_who_was_chosen():
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((2, 2000, 5))
    taste = np.array([1.0, -1.0, 0.5, 0.0, 0.0])
    first = rng.random(2000) < 1 / (1 + np.exp((y - x) @ taste))
    w = models.trained(np.where(first[:, None], x, y), np.where(first[:, None], y, x), 1.0)
    assert w == pytest.approx(taste, abs=0.2)


def test_a_cell_is_pure_and_the_start_is_nought():
    a, b = (gao_2022.STUDY.measure(SMALL, Cell("bon-small-few", 0.0, 3)) for _ in range(2))
    assert a == b
    values = {r["metric"]: r["value"] for r in a.rows}
    assert values["gold"] == pytest.approx(0, abs=1e-9)
    assert values["kl"] == pytest.approx(0, abs=1e-9)
    other = gao_2022.STUDY.measure(SMALL, Cell("bon-small-few", 1.0, 3))
    assert {r["metric"]: r["value"] for r in other.rows}["proxy"] > 0.5


def test_on_real_pairs(data):
    path = str(data / "hh_rlhf/harmless_base_test_even.jsonl.gz")
    made = models.pool(path, 0, 0)
    assert len(made.chosen) == len(made.rejected) == 1156
    one = models.scored(path, 0, 0, 4.0, 300, 1.0, 0.5)
    assert 0.5 < one.agreement < 1
    assert one.gold.mean() == pytest.approx(0, abs=1e-9)


def test_smoke_and_page(tmp_path):
    run = hackproof.run("gao-2022", scale="smoke", out=tmp_path / "run", workers=0)
    assert run.info["status"] == "finished"
    assert gao_2022.FIGURES[0].draw(run.to_pandas())["data"]["values"]
    for claim in gao_2022.CLAIMS:
        assert set(claim.per_seed(run.to_pandas())) == {0, 1}


def test_settings_that_cannot_be_run_are_named():
    for bad in ({"distances": (0.0, 1.0)}, {"distances": (1.0, 0.0, 2.0, 3.0)}, {"pairs": 3},
                {"cases": 0}, {"decay": 0.0}):  # fmt: skip
        with pytest.raises(InputError):
            gao_2022.check(gao_2022.Settings(**bad))
    with pytest.raises(InputError, match="no best-of-n policy"):
        models.at_kl(np.arange(4.0), "best-of-n", 5.0)
    with pytest.raises(InputError):
        models.pool("/nowhere.jsonl", 0, 0)
