from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from hackproof.language._code_inputs import new_inputs
from hackproof.language._code_values import is_plain, tagged

SCALARS = st.booleans() | st.integers(-50, 50) | st.floats(-9, 9).map(lambda x: round(x, 2))
VALUES = SCALARS | st.text("ab1 Z-", max_size=6) | st.lists(SCALARS, max_size=5)
SHOWN = st.integers(1, 3).flatmap(
    lambda k: st.lists(st.tuples(*[VALUES] * k), min_size=1, max_size=3)
)


@settings(max_examples=60, deadline=None)
@given(SHOWN, st.integers(0, 3))
def test_new_inputs_are_new_plain_and_repeatable(shown, seed):
    made = new_inputs(shown, 10, str(seed))
    assert made == new_inputs(shown, 10, str(seed))
    keys = [tagged(args) for args in made]
    assert len(set(keys)) == len(keys)
    assert not set(keys) & {tagged(args) for args in shown}
    for args in made:
        assert is_plain(args)
        assert len(args) == len(shown[0])
        for i, value in enumerate(args):
            assert type(value) in {type(base[i]) for base in shown}


def test_types_of_elements_stay():
    made = new_inputs([([1, "a", (2.5, True)],), ([3, "b", (1.5, False)],)], 20, "x")
    assert made
    for (value,) in made:
        assert {type(v) for v in value} <= {int, str, tuple}
        assert all([type(x) for x in v] == [float, bool] for v in value if type(v) is tuple)


def test_what_shown_inputs_have_in_common_stays():
    shown = [([1, 4, 9], 3, "ab-12"), ([2, 3, 5, 8], 4, "cd-34")]
    made = new_inputs(shown, 50, "x")
    assert len(made) == 50
    for items, count, text in made:
        assert items == sorted(items), "sorted stays sorted"
        assert len(set(items)) == len(items), "no repetition stays"
        assert count == len(items), "a count of elements stays one"
        assert 1 <= min(items) <= max(items) <= 9 + 3
        letters, digits = text.split("-")
        assert letters.islower()
        assert digits.isdigit()


def test_sign_stays():
    made = new_inputs([(3, -5), (8, -2)], 30, "x")
    assert made
    assert all(a > 0 and b < 0 for a, b in made)


def test_nothing_to_vary_gives_nothing():
    assert new_inputs([()], 5, "x") == []
    assert new_inputs([], 5, "x") == []
    assert new_inputs([(None,)], 5, "x") == []
