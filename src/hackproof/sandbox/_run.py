"""One run, from the fork in the worker to the submission's own code, and what comes after.

This file is read by the worker as well and imports nothing of hackproof's.
"""

from __future__ import annotations

import gc
import marshal
import os
import resource
import stat
from contextlib import suppress
from typing import Any, NamedTuple, NoReturn

from . import _child, _landlock, _limits, _linux, _protocol, _root, _seccomp, _selftest

_CLAIMS, _FIRST_FREE = 3, 4
FREE_FROM = 8  # the worker keeps lower descriptors taken, so that received ones are higher
MOST_FDS = 256


class Fds(NamedTuple):
    """What comes with a request, in the order of the message."""

    request: int
    stdin: int
    stdout: int
    stderr: int
    report: int
    claims: int


class Setting(NamedTuple):
    """What the worker knows and every run needs."""

    namespaces: bool
    box: str  # the directory of a run's private files
    ruleset: int  # a descriptor of Landlock's rules, -1 without
    filter: _seccomp.Filter
    warm: _child.Warm
    inherited: int  # bytes of the worker's address space
    others: int  # processes of the user namespace besides the run's


def begin(setting: Setting, bounds: _protocol.Bounds, limits: _limits.Pairs, fds: Fds) -> NoReturn:
    """Become the run's main process, just after the fork; never returns."""
    try:
        os.setsid()
        request = _read_request(fds.request)
        work = f"{setting.box}/work"
        if setting.namespaces:
            _linux.unshare(_linux.CLONE_NEWNS, "mount")
        os.chdir(work)
        _write_files(request["files"])
        _isolate(setting, limits)
        os.write(fds.report, _protocol.STARTED)
        _take(fds)
    except BaseException as error:
        with suppress(BaseException):
            os.write(
                fds.report, _protocol.FAILED + f"{type(error).__name__}: {error}".encode()[:2000]
            )
        os._exit(1)
    try:
        gc.enable()
        if request["kind"] == "run":
            _child.program(setting.warm, request, work, _CLAIMS)
        if request["kind"] == "call":
            _child.call(setting.warm, request, work, _CLAIMS)
        _selftest.answer(setting.namespaces, bounds, _CLAIMS)
    finally:
        os._exit(1)


def _read_request(fd: int) -> dict[str, Any]:
    size = os.fstat(fd).st_size
    data = os.pread(fd, size, 0)
    if len(data) != size:
        raise OSError("the request was read in part")
    return marshal.loads(data)


def _write_files(files: dict[str, bytes]) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    for name, blob in files.items():
        if "/" in name:
            os.makedirs(os.path.dirname(name), exist_ok=True)
        fd = os.open(name, flags, 0o600)
        if blob and os.write(fd, blob) != len(blob):
            raise OSError(f"{name} was written in part")
        os.close(fd)


def _isolate(setting: Setting, limits: _limits.Pairs) -> None:
    """Give up what is left; `no_new_privileges` was already set by the worker."""
    for kind, pair in limits:
        resource.setrlimit(kind, pair)
    if setting.ruleset >= 0:
        _landlock.restrict(setting.ruleset)
    if setting.namespaces:
        _linux.drop_capabilities()
        setting.filter.install()
    else:
        _linux.die_with_parent()
        alone = _seccomp.program(_linux.MACHINE, alone=os.getpid())
        _seccomp.Filter(alone).install()


def _take(fds: Fds) -> None:
    """Put the run's descriptors at 0 to 3 and close every other one."""
    for place, fd in enumerate((fds.stdin, fds.stdout, fds.stderr, fds.claims)):
        os.dup2(fd, place, inheritable=place < _CLAIMS)
    os.closerange(_FIRST_FREE, MOST_FDS)


def finish(setting: Setting, bounds: _protocol.Bounds, fds: Fds) -> NoReturn:
    """Send the collected files of a run whose processes are all dead, and end this process.

    A forked process does this, so that the worker's memory never holds what a run left.
    """
    try:
        if setting.namespaces:
            _linux.drop_capabilities()
        if bounds.collects:
            request = _read_request(fds.request)
            _send_files(f"{setting.box}/work", request["collect"], bounds, fds.report)
        if not setting.namespaces:
            _root.empty(setting.box)
            os.rmdir(setting.box)
    finally:
        os._exit(0)


def _send_files(work: str, names: list[str], bounds: _protocol.Bounds, report: int) -> None:
    left = bounds.disk_mib << 20
    found, parts = [], [b"", b""]
    for name in names:
        content = _collect(work, name, left)
        if content is not None:
            left -= len(content)
            found.append((name, len(content)))
            parts.append(content)
    parts[1] = marshal.dumps(found)
    parts[0] = _protocol.LENGTH.pack(len(parts[1]))
    for part in parts:
        rest = memoryview(part)
        while rest:
            rest = rest[os.write(report, rest) :]


def _collect(work: str, name: str, most: int) -> bytes | None:
    """Return a regular file's content, or None; no link on the way to it is followed."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    *folders, last = name.split("/")
    opened = []
    try:
        opened.append(os.open(work, flags | os.O_DIRECTORY))
        for each in folders:
            opened.append(os.open(each, flags | os.O_DIRECTORY, dir_fd=opened[-1]))
        opened.append(os.open(last, flags, dir_fd=opened[-1]))
        about = os.fstat(opened[-1])
        if not stat.S_ISREG(about.st_mode) or about.st_size > most:
            return None
        content = b""
        while len(content) < about.st_size:
            part = os.read(opened[-1], about.st_size - len(content))
            if not part:
                break
            content += part
        return content
    except OSError:
        return None
    finally:
        for fd in opened:
            os.close(fd)
