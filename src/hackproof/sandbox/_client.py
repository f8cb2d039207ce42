"""The caller's side of the worker: starting it, sending a run, reading with bounds."""

from __future__ import annotations

import marshal
import os
import select
import shutil
import site
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
import weakref
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from hackproof.errors import SandboxError
from hackproof.sandbox import _protocol

START_SECONDS = 60.0  # preloading torch on a busy machine takes a while
GRACE = 10.0  # seconds that the worker has beyond a run's own before it counts as dead
_CHUNK = 1 << 16
_PACKAGE = "_hackproof_worker"
_BOOT = (
    "import sys, types\n"
    f"package = sys.modules[{_PACKAGE!r}] = types.ModuleType({_PACKAGE!r})\n"
    "package.__path__ = [sys.argv[1]]\n"
    f"from {_PACKAGE}._worker import main\n"
    "main(int(sys.argv[2]))\n"
)
_ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "PYTHONUTF8": "1",
    # no secret, and sets come out in the same order in every run
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "MALLOC_ARENA_MAX": "2",
    # or each run would look up anew what it calls of the C library
    "LD_BIND_NOW": "1",
    # a worker with threads could not make a user namespace
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}


class RunFailedError(Exception):
    """The worker could not start a run, and is still there."""


class WorkerDiedError(Exception):
    """The worker is gone; the run that it had is lost."""


@dataclass(frozen=True)
class Answer:
    """What came back from one run, all of it bounded."""

    reply: _protocol.Reply
    report: bytes  # of the run's first process
    claims: bytes
    stdout: bytes
    stderr: bytes
    truncated: bool


class Worker:
    """A worker process and the socket to it; `greeting` is what it said of its set-up."""

    def __init__(self, profile: str, preload: Sequence[str]) -> None:
        box = tempfile.mkdtemp(prefix="hackproof-") if profile == "fallback" else ""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        executable = getattr(sys, "_base_executable", sys.executable)
        with theirs:
            process = _spawn(executable, theirs.fileno())
        self._control, self._process, self._broken, self.box = ours, process, False, box
        self._close = weakref.finalize(self, _end, os.getpid(), process, ours, box)
        config = {
            "profile": profile,
            "preload": list(preload),
            "path": [os.path.realpath(each) for each in sys.path if each],
            "hidden": hidden_directories(),
            "box": box,
        }
        try:
            ours.send(marshal.dumps(config))
            ours.settimeout(START_SECONDS)
            self.greeting: dict[str, Any] = marshal.loads(ours.recv(1 << 20))
        except (OSError, ValueError, EOFError, TypeError):
            self.greeting = {}
        if not self.greeting:
            self.close()
            self.greeting = {"failed": "start", "reason": "the worker ended, or did not answer"}

    @property
    def pid(self) -> int:
        """The process id of the worker's outermost process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it can be given a run."""
        return not self._broken and self._close.alive and self._process.poll() is None

    def close(self) -> None:
        """End the worker and everything in it."""
        self._broken = True
        self._close()

    def run(
        self, request: Mapping[str, Any], stdin: bytes, bounds: _protocol.Bounds, most: Most
    ) -> Answer:
        """Send one run and read what it gives.

        Raises:
            RunFailedError: The worker could not start it.
            WorkerDiedError: No answer came; the worker has been ended.
        """
        theirs: list[int] = []
        ours: dict[int, Stream] = {}
        try:
            theirs.append(_memory_file(marshal.dumps(dict(request))))
            theirs.append(_memory_file(stdin) if stdin else os.open("/dev/null", os.O_RDONLY))
            for kept in most:
                reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
                os.set_blocking(writing, True)
                ours[reading] = Stream(kept)
                theirs.append(writing)
            socket.send_fds(self._control, [bounds.pack()], theirs)
            while theirs:
                os.close(theirs.pop())
            # without files to collect the report is short, and need not wake this process
            awaited = [
                fd
                for fd, end in zip(ours, Most._fields, strict=True)
                if bounds.collects or end != "report"
            ]
            reply = self._read(ours, awaited, time.monotonic() + bounds.seconds + GRACE)
        except RunFailedError:
            raise
        except (OSError, ValueError) as error:
            self.close()
            raise WorkerDiedError(f"{type(error).__name__}: {error}") from None
        except BaseException:  # interrupted: what the worker sends next belongs to no one
            self.close()
            raise
        finally:
            for fd in (*theirs, *ours):
                os.close(fd)
        stdout, stderr, report, claims = ours.values()
        return Answer(
            reply,
            bytes(report.kept),
            bytes(claims.kept),
            bytes(stdout.kept),
            bytes(stderr.kept),
            stdout.dropped or stderr.dropped,
        )

    def _read(
        self, streams: dict[int, Stream], awaited: Iterable[int], deadline: float
    ) -> _protocol.Reply:
        """Read all streams to their ends, `awaited` ones as they fill, and the worker's reply."""
        control = self._control.fileno()
        poll = select.poll()
        for fd in (control, *awaited):
            poll.register(fd, select.POLLIN)
        scrap = bytearray(_CHUNK)
        reply = None
        while reply is None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("the worker did not answer in time")
            for fd, _ in poll.poll(left * 1000):
                if fd == control:
                    reply = _reply(self._control.recv(1 << 16))
                elif not streams[fd].read(fd, scrap):
                    poll.unregister(fd)
        # The run's processes are dead, so what the pipes hold is all. Their ends are not
        # waited for: a fork of the caller's in another thread may hold a copy.
        for fd in streams:
            poll.register(fd, select.POLLIN)
        poll.unregister(control)
        while ready := poll.poll(0):
            for fd, _ in ready:
                if not streams[fd].read(fd, scrap):
                    poll.unregister(fd)
        return reply


class Most(NamedTuple):
    """Bytes kept of each stream."""

    stdout: int
    stderr: int
    report: int
    claims: int


class Stream:
    """Keeps the first bytes of a pipe and drops the rest."""

    def __init__(self, most: int) -> None:
        self.kept = bytearray()
        self.dropped = False
        self._most = most

    def read(self, fd: int, scrap: bytearray) -> bool:
        """Read once, into `scrap`; return whether there was anything."""
        try:
            size = os.readv(fd, [scrap])
        except BlockingIOError:
            return False
        room = self._most - len(self.kept)
        self.kept += memoryview(scrap)[: min(size, room)]
        self.dropped |= size > room
        return size > 0


def hidden_directories() -> list[str]:
    """Return where packages are installed for the worker's interpreter."""
    base = sys.base_prefix
    scheme = sysconfig.get_paths(vars={"base": base, "platbase": base})
    found = {scheme["purelib"], scheme["platlib"], *site.getsitepackages([base, sys.base_prefix])}
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for prefix in ("/usr", "/usr/local"):
        found |= {f"{prefix}/lib/{version}/site-packages", f"{prefix}/lib/python3/dist-packages"}
        found.add(f"{prefix}/lib/{version}/dist-packages")
    return sorted(os.path.realpath(each) for each in found if os.path.isdir(each))


def _spawn(executable: str, control: int) -> subprocess.Popen[bytes]:
    """Start the interpreter with the socket and nothing else of ours."""
    here = str(Path(__file__).parent)
    try:
        return subprocess.Popen(
            [executable, "-S", "-s", "-P", "-c", _BOOT, here, str(control)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[control],
            env=_ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )
    except OSError as error:
        raise SandboxError(f"cannot start the interpreter {executable}: {error}.") from error


def _end(owner: int, process: subprocess.Popen[bytes], control: socket.socket, box: str) -> None:
    control.close()
    if os.getpid() != owner:  # a fork of the caller's, which ends first
        return
    process.kill()
    process.wait()
    if box:
        shutil.rmtree(box, ignore_errors=True)


def _reply(message: bytes) -> _protocol.Reply:
    if not message:
        raise OSError("its socket closed")
    if message[:1] == b"!":
        raise RunFailedError(message[1:].decode(errors="replace"))
    return _protocol.Reply.unpack(message)


def _memory_file(content: bytes) -> int:
    """Return a sealed, read-only file in memory, at its beginning."""
    import fcntl  # not on every system

    fd = os.memfd_create("hackproof", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(fd, rest) :]
    os.lseek(fd, 0, os.SEEK_SET)
    seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd
