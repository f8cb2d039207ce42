from __future__ import annotations

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hackproof.language._code_values import is_plain, same, tagged

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
KEYS = st.booleans() | st.integers() | st.text()
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner) | st.lists(inner).map(tuple) | st.sets(KEYS) | st.dictionaries(KEYS, inner)
    ),
    max_leaves=10,
)


@settings(deadline=None)
@given(VALUES)
def test_a_value_is_the_same_as_its_copy(value):
    assert same(value, copy.deepcopy(value))
    assert tagged(value) == tagged(copy.deepcopy(value))
    hash(tagged(value))


@settings(deadline=None)
@given(VALUES, VALUES)
def test_same_is_symmetric_and_follows_equality(a, b):
    assert same(a, b) == same(b, a)
    if same(a, b):
        assert tagged(a) == tagged(b) or a == b or _holds_float(a) or _holds_float(b)


def _holds_float(value) -> bool:
    return "." in repr(value) or "e" in repr(value)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (1, 1.0, True),
        (True, 1, True),
        (0.1 + 0.2, 0.3, True),
        (0.3, 0.3001, False),
        ([1, 2], (1, 2), False),
        ([[1], 2], [(1,), 2], False),
        ({1, 2}, {2, 1}, True),
        ({"a": [0.1 + 0.2]}, {"a": [0.3]}, True),
        ({"a": 1}, {"b": 1}, False),
        ("1", 1, False),
        (None, 0, False),
        (float("inf"), 10**400, False),
        (float("inf"), 1.0, False),
        ([1], [1, 2], False),
    ],
)
def test_same_tells_containers_by_type_and_numbers_by_value(a, b, expected):
    assert same(a, b) is expected
    assert same(b, a) is expected


def test_tagged_tells_equal_values_of_different_types_apart():
    assert len({tagged(v) for v in (1, 1.0, True, "1", (1,), [1])}) == 6


@pytest.mark.parametrize("value", [object(), float("nan"), float("inf"), 1j, b"x", [1, {2: 3j}]])
def test_what_is_not_plain(value):
    assert not is_plain(value)


def test_a_subclass_is_not_plain():
    class Sub(list):
        pass

    assert not is_plain(Sub())
    assert not is_plain([Sub()])


def test_depth_is_bounded():
    deep: list = []
    for _ in range(50):
        deep = [deep]
    assert not is_plain(deep)
