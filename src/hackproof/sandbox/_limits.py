"""Resource limits of one process, and what a run's processes use together.

This file is read by the worker as well and imports nothing of hackproof's.
"""

from __future__ import annotations

import os
import resource
from contextlib import suppress

from ._protocol import Bounds

Pair = tuple[int, tuple[int, int]]  # a kind of limit, and its soft and hard value
Pairs = list[Pair]

_MIB = 1 << 20
_KINDS = (
    resource.RLIMIT_CORE,
    resource.RLIMIT_MEMLOCK,
    resource.RLIMIT_MSGQUEUE,
    resource.RLIMIT_SIGPENDING,
    resource.RLIMIT_FSIZE,
    resource.RLIMIT_NOFILE,
    resource.RLIMIT_NPROC,
    resource.RLIMIT_CPU,
    resource.RLIMIT_AS,
)
# what this process was given; looked up once, as a fork pays for every page that it touches
_HARD = {kind: resource.getrlimit(kind)[1] for kind in _KINDS}


def cpu_limit(bounds: Bounds) -> int:
    """Return whole CPU seconds."""
    return max(1, -int(-bounds.cpu_seconds // 1))


def apply_fixed() -> None:
    """Set the limits that no run changes, once, in the worker."""
    resource.setrlimit(*_limit(resource.RLIMIT_CORE, 0))
    resource.setrlimit(*_limit(resource.RLIMIT_MEMLOCK, 0))
    resource.setrlimit(*_limit(resource.RLIMIT_MSGQUEUE, 0))
    resource.setrlimit(*_limit(resource.RLIMIT_SIGPENDING, 256))


def of_run(bounds: Bounds, inherited_bytes: int, others: int) -> Pairs:
    """Return what `resource.setrlimit` is to be given in a run's process, hard and soft alike.

    Args:
        bounds: The run's limits.
        inherited_bytes: Address space of the interpreter that this process was forked from.
        others: Processes of the same user namespace that are not the run's.
    """
    return [
        _limit(resource.RLIMIT_FSIZE, bounds.disk_mib * _MIB),
        _limit(resource.RLIMIT_NOFILE, bounds.open_files),
        _limit(resource.RLIMIT_NPROC, bounds.processes + others),
        _limit(resource.RLIMIT_CPU, cpu_limit(bounds)),
        _limit(resource.RLIMIT_AS, inherited_bytes + bounds.memory_mib * _MIB),
    ]


def _limit(kind: int, value: int) -> Pair:
    hard = _HARD[kind]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)  # an outer limit that is lower stays
    return kind, (value, value)


def address_space(proc: int) -> int:
    """Return this process's address space in bytes, from a descriptor of /proc."""
    return int(_read(proc, "self/statm").split()[0]) * resource.getpagesize()


class Meter:
    """Adds up the memory of the processes that descend from this one.

    It needs /proc with `children` files (CONFIG_PROC_CHILDREN), through a descriptor that
    no run may hold.
    """

    def __init__(self, proc: int) -> None:
        self._proc = proc
        self._self = os.readlink("self", dir_fd=proc)
        self._children(self._self)  # raises where there are no such files
        self._own = self._resident(self._self)

    def descendants_mib(self) -> float:
        """Return resident anonymous and shared memory beyond what was inherited, in MiB.

        A page that several processes share counts for each of them.
        """
        total, waiting = 0, self._children(self._self)
        for _ in range(4096):  # a bound, whatever the processes do meanwhile
            if not waiting:
                break
            pid = waiting.pop()
            with suppress(OSError, ValueError):
                total += max(0, self._resident(pid) - self._own)
                waiting += self._children(pid)
        return total / 1024

    def _children(self, pid: str) -> list[str]:
        found = []
        for task in self._tasks(pid):
            found += _read(self._proc, f"{pid}/task/{task}/children").decode().split()
        return found

    def _tasks(self, pid: str) -> list[str]:
        fd = os.open(f"{pid}/task", os.O_RDONLY | os.O_DIRECTORY, dir_fd=self._proc)
        try:
            return os.listdir(fd)
        finally:
            os.close(fd)

    def _resident(self, pid: str) -> int:
        kib = 0
        for line in _read(self._proc, f"{pid}/status").split(b"\n"):
            if line.startswith((b"RssAnon:", b"RssShmem:")):
                kib += int(line.split()[1])
        return kib


def _read(proc: int, path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
    try:
        return os.read(fd, 1 << 16)
    finally:
        os.close(fd)
