"""What the caller and the worker say to each other, and on which machines they can.

Nothing here needs Linux, so that asking does no harm elsewhere. This file is read by the
worker as well and imports nothing of hackproof's.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

STARTED, FAILED = b"S", b"E"  # the first byte of a run's report
OUT_OF_MEMORY = b"M"  # what a program writes to the claims for an uncaught MemoryError
LENGTH = struct.Struct("=I")  # the length of the list that collected files begin with
TIME, MEMORY = 1, 2  # what a run was ended by

_BOUNDS = struct.Struct("=dd5q")
_REPLY = struct.Struct("=iidd")


class Bounds(NamedTuple):
    """What the worker learns of a run: its limits, as they cross the socket."""

    seconds: float
    cpu_seconds: float
    memory_mib: int
    processes: int
    disk_mib: int
    open_files: int
    collects: int  # 1 where files are asked for afterwards

    def pack(self) -> bytes:
        """Return the message."""
        return _BOUNDS.pack(*self)

    @classmethod
    def unpack(cls, message: bytes) -> Bounds:
        """Return the limits of a message."""
        return cls(*_BOUNDS.unpack(message))


class Reply(NamedTuple):
    """What the worker says of a run."""

    ended_by: int  # 0 itself, or TIME or MEMORY
    status: int  # as of waitpid
    seconds: float
    cpu_seconds: float

    def pack(self) -> bytes:
        """Return the message."""
        return _REPLY.pack(*self)

    @classmethod
    def unpack(cls, message: bytes) -> Reply:
        """Return the reply of a message."""
        return cls(*_REPLY.unpack(message))


def supported() -> str:
    """Return "", or why this machine's system calls are not known here."""
    import platform  # the worker does without

    if platform.system() != "Linux":
        return f"{platform.system()} is not Linux"
    if platform.machine() not in ("x86_64", "aarch64"):
        return f"the processor {platform.machine()} is not x86_64 or aarch64"
    return ""
