import dataclasses

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hackproof.experiment import Claim
from hackproof.experiment.claims import judge, verdict


def claim(values, provenance="read", direction=">", margin=0.0):
    return Claim(
        "c", "s", "src", provenance, "e", lambda f: dict(enumerate(values)), direction, margin
    )


FRAME = pd.DataFrame()


@pytest.mark.parametrize(
    ("values", "direction", "margin", "outcome"),
    [
        ([1.0, 1.1, 0.9], ">", 0, "reproduced"),
        ([-1.0, -1.1, -0.9], ">", 0, "not reproduced"),
        ([1.0, -1.1, 0.2], ">", 0, "underpowered"),
        ([1.0, 1.1, 0.9], "<", 0, "not reproduced"),
        ([1.0, 1.1, 0.9], "<", 2, "reproduced"),
        ([1.0, 1.1, 0.9], ">", 2, "not reproduced"),
        ([0.0, 0.0, 0.0], ">", 0, "not reproduced"),  # exactly the margin is not beyond it
    ],
)
def test_outcomes(values, direction, margin, outcome):
    row = judge(claim(values, direction=direction, margin=margin), FRAME, range(3), "cpu")
    assert row["outcome"] == outcome
    assert row["n"] == 3


@pytest.mark.parametrize("provenance", ["recalled", "second-hand"])
def test_hearsay_is_shown_and_not_asserted(provenance):
    row = judge(claim([1.0, 1.1], provenance), FRAME, range(2), "cpu")
    assert row["outcome"] == "not asserted"
    assert row["estimate"] == pytest.approx(1.05)


def test_a_share_has_its_own_interval():
    made = dataclasses.replace(claim([1.0] * 9 + [0.0], margin=0.5), share=True)
    row = judge(made, FRAME, range(10), "cpu")
    assert (row["estimate"], row["outcome"]) == (0.9, "reproduced")
    assert row["high"] < 1


def test_smoke_asserts_nothing():
    assert judge(claim([1.0, 1.1]), FRAME, range(2), "smoke")["outcome"] == "not asserted"


def test_missing_seeds_are_counted_and_strangers_left_out():
    row = judge(claim([1.0, float("nan"), 1.0, 99.0]), FRAME, range(3), "cpu")
    assert (row["n"], row["n_missing"]) == (2, 1)
    assert row["estimate"] == 1.0
    assert "1 of 3 seeds are missing" in row["note"]


def test_one_seed_is_underpowered():
    assert judge(claim([1.0]), FRAME, range(1), "cpu")["outcome"] == "underpowered"


@given(st.floats(-5, 5), st.floats(0, 5), st.floats(-5, 5))
def test_mirrored_claims_have_mirrored_outcomes(low, width, margin):
    high = low + width
    assert verdict(low, high, ">", margin) == verdict(-high, -low, "<", -margin)
