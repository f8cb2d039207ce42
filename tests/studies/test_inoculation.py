"""inoculation-2025: what a point of the grid is said to show, and which arms claims rest on."""

import zlib

import numpy as np
import pandas as pd
import pytest

from hackproof.studies import inoculation_2025 as study
from hackproof.studies._inoculation_claims import outcome
from hackproof.studies._inoculation_figures import FIGURES

POINT = "none-often-code"


def rows(arm, value, metric="misalignment", condition="default", seeds=10, noise=0.01):
    rng = np.random.default_rng(zlib.crc32(f"{arm} {metric} {condition}".encode()))
    return [
        {"arm": arm, "metric": metric, "condition": condition, "step": 40, "seed": s,
         "value": value + noise * rng.standard_normal()}
        for s in range(seeds)
    ]  # fmt: skip


def frame(placebo, inoculated, under, noise=0.01, seeds=10):
    kw = {"noise": noise, "seeds": seeds}
    return pd.DataFrame([
        *rows(f"{POINT}-base", 0.1, **kw),
        *rows(f"{POINT}-base", 0.1, condition="permitted", **kw),
        *rows(f"{POINT}-placebo", placebo, **kw),
        *rows(f"{POINT}-inoculated", inoculated, **kw),
        *rows(f"{POINT}-inoculated", under, condition="permitted", **kw),
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("placebo", "inoculated", "under", "expected"),
    [
        (0.4, 0.1, 0.1, "breaks"),
        (0.4, 0.1, 0.4, "hides"),
        (0.4, 0.1, 0.15, "helps"),
        (0.4, 0.4, 0.4, "fails"),
        (0.4, 0.6, 0.4, "fails"),
        (0.1, 0.1, 0.1, "nothing to break"),
    ],
)
def test_outcomes(placebo, inoculated, under, expected):
    assert outcome(frame(placebo, inoculated, under), POINT) == expected
    assert outcome(frame(placebo, inoculated, under, noise=2.0), POINT) == "undecided"
    assert outcome(frame(placebo, inoculated, under, seeds=2), POINT) == "undecided"
    assert outcome(frame(placebo, inoculated, under).iloc[:20], POINT) == "undecided"


def test_claims_rest_on_the_arms_that_have_all_seeds():
    arms = {a.name: a for a in study.arms(study.STUDY.at("cpu").settings)}
    assert set(arms) >= study.CLAIMED
    assert {n for n, a in arms.items() if a.seeds is None} == study.CLAIMED
    metrics = [("misalignment", c) for c in ("default", "permitted", "after-hack",
               "after-permitted-hack")] + [("bayes-misalignment", c) for c in ("default",
               "after-hack", "after-permitted-hack")] + [
               ("misaligned-agentic", "default"), ("misaligned-chat", "default")]  # fmt: skip
    whole = pd.DataFrame([
        r for arm in study.CLAIMED for metric, condition in metrics
        for r in rows(arm, 0.3, metric, condition, noise=0.1)
    ])  # fmt: skip
    for claim in study.CLAIMS:
        assert len(claim.per_seed(whole)) == 10, claim.id
    used = {a for claim in study.CLAIMS for a in needed(claim, whole)}
    assert study.CLAIMED - used <= {f"{p}-base" for p in ("much-often-code", "rare-often-code")}


def needed(claim, whole):
    """Return the arms without which a claim has no number."""
    return [a for a in study.CLAIMED if not claim.per_seed(whole[whole.arm != a])]


def test_figures_say_when_there_is_nothing_to_draw():
    from hackproof.errors import InputError

    empty = pd.DataFrame(columns=["arm", "metric", "condition", "step", "seed", "value"])
    for figure in FIGURES:
        with pytest.raises(InputError):
            figure.draw(empty)
