from __future__ import annotations

import gzip
import json

import pytest

from hackproof.errors import InputError
from hackproof.language._code_files import read_problems

OWN = {
    "id": "double",
    "text": "Double a number.",
    "function": "double",
    "tests": [[[2], 4], [[5], 10]],
    "reference": "def double(x):\n    return 2 * x",
}
MXEVAL = {
    "task_id": "MBPP/1",
    "entry_point": "double",
    "description": "Double a number.",
    "prompt": "def double(x):\n",
    "canonical_solution": "    return 2 * x",
    "test": "def check(candidate):\n    assert candidate(2) == 4\n    assert candidate(-5)==-10\n",
}
MBPP = {
    "task_id": 7,
    "text": "Double a number.",
    "code": "def help(x):\n    return x\n\ndef double(x):\n    return 2 * help(x)",
    "test_list": ["assert double(2) == 4", "assert double(5) == 10"],
}


def written(path, *records):
    lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


@pytest.fixture
def file(tmp_path):
    return tmp_path / "problems.jsonl"


@pytest.mark.parametrize("record", [OWN, MXEVAL, MBPP])
def test_schemas(file, record):
    (problem,), left_out = read_problems(written(file, record))
    assert not left_out
    assert problem.function == "double"
    assert problem.text == "Double a number."
    assert problem.tests[0] == ((2,), 4)
    assert len(problem.tests) == 2
    scope: dict = {}
    exec(problem.reference, scope)
    assert scope["double"](4) == 8


def test_gzip_is_read_whatever_the_name(file):
    file.write_bytes(gzip.compress(json.dumps(OWN).encode()))
    assert read_problems(file)[0][0].id == "double"


def test_literals_hold_tuples_and_sets(file):
    record = {**OWN, "tests": [["[(1, 2), {3}]", "{(1, 2)}"]], "literals": True}
    (problem,), _ = read_problems(written(file, record))
    assert problem.tests == ((((1, 2), {3}), {(1, 2)}),)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"test": "assert candidate(2) < 5"}, "is not `f"),
        ({"test": "assert candidate(2) == f(4)"}, "else than literals"),
        ({"test": "assert candidate(x=2) == 4"}, "is not `f"),
        ({"test": "assert other(2) == 4"}, "is not `f"),
        ({"test": "assert candidate(2) == 1e999"}, "plain, finite"),
        ({"test": "assert candidate(2) == 2j"}, "plain, finite"),
        ({"test": "assert candidate(2) == 4\nassert candidate(2, 3) == 4"}, "numbers of arguments"),
        ({"test": "pass"}, "no tests"),
        ({"test": "assert (("}, "does not parse"),
        ({"canonical_solution": "return ("}, "does not parse"),
        ({"entry_point": "not a name"}, "not a function's name"),
    ],
)
def test_what_is_left_out_is_counted_with_its_reason(file, change, reason):
    problems, left_out = read_problems(written(file, OWN, {**MXEVAL, **change}))
    assert [p.id for p in problems] == ["double"]
    assert list(left_out) == ["MBPP/1"]
    assert reason in left_out["MBPP/1"]


def test_tests_are_parsed_and_never_run(file, tmp_path):
    trap = tmp_path / "trap"
    test = f"assert candidate(open({str(trap)!r}, 'w')) == 4"
    assert read_problems(written(file, {**MXEVAL, "test": test}))[1]
    assert not trap.exists()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", ["line 2", "not JSON"]),
        ("[1]", ["line 2", "JSON object"]),
        ('{"name": 1}', ["line 2", "no known schema"]),
        (json.dumps({**OWN, "id": "b", "tests": "x"}), ["line 2", "field tests"]),
        (json.dumps({**OWN, "id": "b", "text": 3}), ["line 2", "field text"]),
        (json.dumps({"id": "b", "text": ""}), ["line 2", "field function", "required"]),
        (json.dumps(OWN), ["line 2", "'double'", "ids must differ"]),
        ("[" * 100_000, ["line 2", "not JSON"]),
    ],
)
def test_a_bad_line_is_named(file, line, words):
    with pytest.raises(InputError) as error:
        read_problems(written(file, OWN, line))
    for word in words:
        assert word in str(error.value)
    assert len(str(error.value)) < 600


def test_no_file_and_no_text(tmp_path, file):
    with pytest.raises(InputError, match="cannot read"):
        read_problems(tmp_path / "none.jsonl")
    file.write_bytes(b"\x1f\x8bnot gzip")
    with pytest.raises(InputError, match="cannot read"):
        read_problems(file)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="cannot read"):
        read_problems(file)
    file.write_text("\n\n")
    with pytest.raises(InputError, match="no problem"):
        read_problems(file)


def test_the_real_file(data):
    path = data / "code_mbpp/problems.jsonl.gz"
    if not path.exists():
        pytest.skip("the data folder has no code_mbpp")
    problems, left_out = read_problems(path)
    assert len(problems) == 482
    assert len(left_out) == 5
