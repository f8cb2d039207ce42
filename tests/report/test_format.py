from __future__ import annotations

import math

import pytest

from hackproof.report import _format as fmt
from hackproof.report._format import MINUS, NONE, TIMES


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (1, "1"), (12.345, "12.3"), (1234.5, "1,234"), (-0.5, MINUS + "0.5"),
        (1_234_567, "1,234,567"), (3e-4, f"3.00{TIMES}10⁻⁴"), (2.5e12, f"2.50{TIMES}10¹²"),
        (None, NONE), (math.nan, NONE),
    ],
)  # fmt: skip
def test_numbers(value, text):
    assert fmt.number(value) == text


def test_signed_numbers():
    assert fmt.number(2, signed=True) == "+2"
    assert fmt.number(0, signed=True) == "0"


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ((12.3, 11.1, 13.4), "12.3 [11.1, 13.4]"),
        ((1000, 999.2, 1000.8), "1,000.0 [999.2, 1,000.8]"),
        ((0.3, 0.3 - 1e-17, 0.3), "0.300 [0.300, 0.300]"),
        ((1.0, math.nan, math.nan), "1"),
        ((math.nan, 0, 0), NONE),
        ((-0.001, -1.5, 1.4), f"0.00 [{MINUS}1.50, 1.40]"),
        ((0, 0, 0), "0 [0, 0]"),
    ],
)
def test_intervals_share_their_decimals(values, text):
    assert fmt.interval(*values) == text


def test_links_are_only_addresses():
    found = fmt.linked('see https://a.org/x?y="><script> and javascript:alert(1).')
    assert "<script>" not in found
    assert found.count("<a ") == 1
    assert 'href="https://a.org/x?y="' in found


def test_durations():
    assert [fmt.duration(s) for s in (0.5, 90, 600, 36_000)] == ["0.5 s", "90 s", "10 min", "10 h"]
