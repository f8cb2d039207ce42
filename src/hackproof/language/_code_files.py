"""Coding problems from a JSONL file: which schemas are read, and what is left out and why.

One JSON object per line, gzipped or not, in one of these schemas; other fields are ignored:

- our own: `{"id", "text", "function", "tests": [[args, expected], ...], "reference"}`, where
  `args` is the list of arguments. JSON has no tuples and no sets; with `"literals": true` both
  `args` and `expected` are strings that hold Python literals, as in `["[(1, 2), 3]", "{1, 2}"]`;
- mxeval's (MBXP, HumanEval): `task_id`, `entry_point`, `prompt`, `canonical_solution`, `test`,
  and `description` where there is one;
- MBPP's: `task_id`, `text` or `prompt`, `code`, `test_list`.

Tests that are given as code are parsed, never run. They must read `assert f(...) == ...` with
literals in both places.
"""

from __future__ import annotations

import ast
import gzip
import json
import keyword
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from hackproof.errors import InputError
from hackproof.language._code_values import is_plain

Test = tuple[tuple[Any, ...], Any]
"""Arguments, and the value expected for them."""


@dataclass(frozen=True)
class Problem:
    """A coding problem as its file gives it."""

    id: str
    text: str
    function: str
    tests: tuple[Test, ...]
    reference: str
    """Source of a solution."""


class _UnreadableError(ValueError):
    """A problem is well formed, but its tests or its reference are not of a form we can use."""


@dataclass(frozen=True)
class _Own:
    id: str | int
    text: str
    function: str
    tests: list[tuple[Any, Any]]
    reference: str
    literals: bool = False

    def problem(self) -> Problem:
        tests = tuple(_own_test(*test, self.literals) for test in self.tests)
        return Problem(str(self.id), self.text, self.function, tests, self.reference)


@dataclass(frozen=True)
class _Mxeval:
    task_id: str | int
    entry_point: str
    prompt: str
    canonical_solution: str
    test: str
    description: str | None = None

    def problem(self) -> Problem:
        reference = self.prompt + self.canonical_solution
        tests = tuple(_asserts(self.test, {"candidate", self.entry_point}))
        text = self.description or self.prompt
        return Problem(str(self.task_id), text, self.entry_point, tests, reference)


@dataclass(frozen=True)
class _Mbpp:
    task_id: str | int
    code: str
    test_list: list[str]
    text: str | None = None
    prompt: str | None = None

    def problem(self) -> Problem:
        defined = {n.name for n in parsed(self.code).body if isinstance(n, ast.FunctionDef)}
        source = "\n".join(self.test_list)
        called = {
            node.func.id
            for node in ast.walk(parsed(source))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        if len(functions := defined & called) != 1:
            raise _UnreadableError("its tests do not call exactly one function of its code")
        (function,) = functions
        tests = tuple(_asserts(source, functions))
        text = self.text or self.prompt or ""
        return Problem(str(self.task_id), text, function, tests, self.code)


SCHEMAS = {"id": _Own, "entry_point": _Mxeval, "test_list": _Mbpp}
"""By the field that tells a schema from the others."""


def read_problems(path: str | Path) -> tuple[list[Problem], dict[str, str]]:
    """Return the problems of a file, and why others of it were left out, by id.

    Raises:
        InputError: the file cannot be read, a line is not JSON, a field is missing or of a
            wrong type, or two problems have one id; the message names line and field.
    """
    problems: dict[str, Problem] = {}
    left_out: dict[str, str] = {}
    for number, line in enumerate(_text(Path(path)).split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        record = _record(line, where)
        name = str(record.id if isinstance(record, _Own) else record.task_id)
        if name in problems or name in left_out:
            raise InputError(f"{where}: the id {name!r} was there before; ids must differ.")
        try:
            problems[name] = _checked(record.problem())
        except _UnreadableError as error:
            left_out[name] = str(error)
    if not problems and not left_out:
        raise InputError(f"{path} holds no problem; expected one JSON object per line.")
    return list(problems.values()), left_out


def _text(path: Path) -> str:
    """Return a file's text, unpacked if it is gzipped, whatever its name."""
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
        return content.decode("utf-8")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read {path}: {reason}.") from None


def _record(line: str, where: str) -> _Own | _Mxeval | _Mbpp:
    """Return a line as a record of its schema."""
    import pydantic

    try:
        content = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{where} is not JSON: {error}.") from None
    if not isinstance(content, dict):
        raise InputError(f"{where} must be a JSON object, not {type(content).__name__}.")
    schema = next((kind for field, kind in SCHEMAS.items() if field in content), None)
    if schema is None:
        raise InputError(f"{where} has none of the fields {', '.join(SCHEMAS)}: no known schema.")
    try:
        return _adapter(schema).validate_json(line, strict=True)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"] if part not in ("str", "int"))
        raise InputError(f"{where}, field {field or '?'}: {first['msg']}.") from None


@cache
def _adapter(schema: type) -> Any:
    """Return pydantic's validator of a schema, which takes milliseconds to make."""
    import pydantic

    return pydantic.TypeAdapter(schema)


def _checked(problem: Problem) -> Problem:
    """Return a problem whose tests are plain data and whose reference parses."""
    if not problem.tests:
        raise _UnreadableError("it has no tests")
    if not problem.function.isidentifier() or keyword.iskeyword(problem.function):
        raise _UnreadableError(f"{problem.function!r} is not a function's name")
    if not all(is_plain(args) and is_plain(expected) for args, expected in problem.tests):
        raise _UnreadableError("a test holds something else than plain, finite data")
    if len({len(args) for args, _ in problem.tests}) > 1:
        raise _UnreadableError("its tests call the function with different numbers of arguments")
    parsed(problem.reference)
    return problem


def _own_test(args: Any, expected: Any, literals: bool) -> Test:
    """Return a test of our own schema."""
    if literals:
        if not (isinstance(args, str) and isinstance(expected, str)):
            raise _UnreadableError("with literals, args and expected must be strings")
        args, expected = _literal(args), _literal(expected)
    if not isinstance(args, list | tuple):
        raise _UnreadableError("args is not a list of arguments")
    return tuple(args), expected


def _asserts(source: str, functions: set[str]) -> Iterator[Test]:
    """Iterate over the tests that a source's asserts state.

    Args:
        source: Python code; every assert in it must be one of the form we read.
        functions: Names under which the function may be called.
    """
    for node in ast.walk(parsed(source)):
        if not isinstance(node, ast.Assert):
            continue
        match node.test:
            case ast.Compare(
                left=ast.Call(func=ast.Name(id=name), args=args, keywords=[]),
                ops=[ast.Eq()],
                comparators=[expected],
            ) if name in functions:
                yield tuple(map(_literal, args)), _literal(expected)
            case other:
                said = ast.unparse(other)[:60]
                raise _UnreadableError(f"a test is not `f(literals) == literal`: {said}")


def _literal(value: ast.expr | str) -> Any:
    """Return what a Python literal stands for."""
    try:
        return ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        said = value if isinstance(value, str) else ast.unparse(value)
        raise _UnreadableError(f"a test holds something else than literals: {said[:60]}") from None


def parsed(source: str) -> ast.Module:
    """Return a source's syntax tree; what Python would warn of in it is not our business."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise _UnreadableError(f"its code does not parse: {error}") from None
