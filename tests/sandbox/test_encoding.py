"""The encoding of plain data: exact types both ways, and hostile lines."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hackproof.sandbox import _encoding
from hackproof.sandbox._encoding import NotPlainError, decode, encode

ATOMS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**4000), 10**4000)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters())
)
HASHABLE = st.recursive(ATOMS, lambda inner: st.lists(inner, max_size=3).map(tuple), max_leaves=5)
PLAIN = st.recursive(
    ATOMS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.sets(HASHABLE, max_size=4)
        | st.dictionaries(HASHABLE, inner, max_size=4)
    ),
    max_leaves=20,
)


def shape(value):
    """Return a form in which 1, 1.0 and True, or [1] and (1,), are told apart."""
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [shape(each) for each in value]
    if isinstance(value, set):
        return "set", sorted(repr(shape(each)) for each in value)
    if isinstance(value, dict):
        return "dict", [(shape(key), shape(each)) for key, each in value.items()]
    return type(value).__name__, repr(value)


@given(PLAIN)
def test_what_is_written_is_read_with_exact_types(value):
    line = encode(value)
    assert b"\n" not in line
    assert shape(decode(line)) == shape(value)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(line):
    try:
        value = decode(line)
    except NotPlainError:
        return
    assert shape(decode(encode(value))) == shape(value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from("ltsdx") | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(JSON)
def test_any_json_is_read_or_refused(value):
    try:
        found = decode(json.dumps(value).encode())
    except NotPlainError:
        return
    assert shape(decode(encode(found))) == shape(found)


class Odd(int): ...


class Words(str): ...


@pytest.mark.parametrize(
    "value",
    [
        Odd(1),
        Words("a"),
        [Odd(1)],
        {Words("a"): 1},
        b"bytes",
        1j,
        float("nan"),
        [float("inf")],
        frozenset(),
        object(),
        len,
        2 ** (_encoding.MAX_BITS + 1),
    ],
)
def test_other_types_are_not_written(value):
    with pytest.raises(NotPlainError):
        encode(value)


def nested(levels: int):
    value = 1
    for _ in range(levels):
        value = [value]
    return value


def test_depth_is_bounded_on_both_sides():
    most = _encoding.MAX_DEPTH - 1
    assert shape(decode(encode(nested(most)))) == shape(nested(most))
    with pytest.raises(NotPlainError, match="levels"):
        encode(nested(most + 1))
    with pytest.raises(NotPlainError, match="levels"):
        decode(b'["l",' * (most + 1) + b"1" + b"]" * (most + 1))
    with pytest.raises(NotPlainError):
        decode(b"[" * 10**6)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"NaN",
        b"-Infinity",
        b"1e999",
        b"[]",
        b"{}",
        b"[1]",
        b'["x",1]',
        b'["d",1]',
        b'["d",["l"],1]',
        b'["s",["l"]]',
        b'["s",1,true]',
        b'["d",1,2,1.0,3]',
        b"9" * 5000,
        b"1 2",
        b'"\xff"',
        b'"\\x"',
    ],
)
def test_lines_that_nobody_wrote_are_refused(line):
    with pytest.raises(NotPlainError):
        decode(line)


def test_shared_parts_cannot_multiply():
    value = 1
    for _ in range(60):
        value = (value, value)
    with pytest.raises(NotPlainError, match="parts"):
        encode(value)
