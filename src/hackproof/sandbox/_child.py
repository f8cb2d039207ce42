"""The process in which a submission runs: forked from the warm interpreter, never exec'd.

It holds its own files, the inputs and nothing else that a submission could want: no expected
value, no descriptor but 0 to 2 and the one for claims, no other run's memory.

This file is read by the worker as well and imports nothing of hackproof's.
"""

from __future__ import annotations

import _signal  # pyright: ignore[reportMissingImports]
import atexit
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from types import ModuleType
from typing import Any, NoReturn

from . import _encoding, _protocol

_LONGEST_ERROR = 500


class Warm:
    """What the worker works out once and each run's process then does, at little cost."""

    def __init__(self) -> None:
        package = __name__.partition(".")[0]
        own = [each for each in sys.modules if each.partition(".")[0] == package]
        self._own = [sys.modules.pop(each) for each in own]  # they live on, out of sight
        libraries = [sys.modules.get(each) for each in ("random", "numpy.random", "torch")]
        self._seeds = [getattr(each, "seed", None) for each in libraries]

    def refresh(self) -> None:
        """Take interrupts as an interpreter does, and new seeds where libraries keep one."""
        _signal.signal(_signal.SIGINT, _signal.default_int_handler)
        for seed in self._seeds:
            if seed is not None:
                with suppress(Exception):
                    seed()


def program(warm: Warm, request: Mapping[str, Any], work: str, claims: int) -> NoReturn:
    """Run `argv[0]` as `python argv[0] ...` would, and end the process."""
    argv = request["argv"]
    source = request["files"][argv[0]]
    path = os.path.join(work, argv[0])
    sys.argv = [path, *argv[1:]]
    sys.path.insert(0, os.path.dirname(path))
    module = _module("__main__", path)
    warm.refresh()
    with _ending(claims):
        exec(compile(source, path, "exec", dont_inherit=True), module.__dict__)
    _finish(0)


def call(warm: Warm, request: Mapping[str, Any], work: str, claims: int) -> NoReturn:
    """Import the source as the module `submission`, call its function, write a claim per input."""
    path = os.path.join(work, "submission.py")
    function, source, inputs = request["function"], request["source"], request["inputs"]
    sys.argv = [path]
    sys.path.insert(0, work)
    module = _module("submission", path)
    warm.refresh()
    with _ending(claims):
        exec(compile(source, path, "exec", dont_inherit=True), module.__dict__)
        for line in inputs:
            _write(claims, _answer(module, function, line))
    _finish(0)


def _answer(module: ModuleType, function: str, line: bytes) -> bytes:
    """Return the claim of one call; each call gets arguments of its own."""
    arguments = _encoding.decode(line)
    try:
        value = getattr(module, function)(*arguments)
    except SystemExit:
        raise
    except BaseException as error:
        return _encoding.encode(("e", _describe(error)))
    try:
        return _encoding.encode(("v", value))
    except _encoding.NotPlainError as error:
        return _encoding.encode(("u", str(error)[:_LONGEST_ERROR]))


def _exit_status(code: int) -> int:
    """Return the status that Python ends with: one that fits no C long is 255."""
    return code & 0xFF if -(2**63) <= code < 2**63 else 255


def _describe(error: BaseException) -> str:
    """Return the type and the message, which a submission's class may refuse to give."""
    try:
        text = f"{type(error).__name__}: {error}"
    except BaseException:
        text = type(error).__name__
    return str(text)[:_LONGEST_ERROR]


def _write(fd: int, line: bytes) -> None:
    rest = memoryview(line + b"\n")
    while rest:
        rest = rest[os.write(fd, rest) :]


def _module(name: str, path: str) -> ModuleType:
    module = ModuleType(name)
    module.__file__ = path
    module.__dict__["__builtins__"] = sys.modules["builtins"]
    sys.modules[name] = module
    return module


class _ending:
    """Ends the process as the interpreter would for an exception that nobody caught."""

    def __init__(self, claims: int) -> None:
        self._claims = claims

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is None:
            return
        if isinstance(error, SystemExit):
            code = error.code
            if code is not None and not isinstance(code, int):
                with suppress(BaseException):
                    print(code, file=sys.stderr)
                code = 1
            _finish(_exit_status(int(code or 0)))
        if isinstance(error, MemoryError):
            with suppress(BaseException):
                os.write(self._claims, _protocol.OUT_OF_MEMORY)
        with suppress(BaseException):
            error.__traceback__ = trace.tb_next  # without this file's frame
            sys.excepthook(kind, error, trace.tb_next)
        _finish(1)


def _finish(code: int) -> NoReturn:
    """Join threads, run exit handlers, flush, and leave without tearing the interpreter down."""
    try:
        threading: Any = sys.modules.get("threading")
        if threading is not None:
            threading._shutdown()
        atexit._run_exitfuncs()
    except SystemExit as error:
        code = _exit_status(int(error.code)) if isinstance(error.code, int) else code
    except BaseException:
        code = code or 1
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(BaseException):
                stream.flush()
        os._exit(code)
