"""Landlock: file access by path, TCP, signals and abstract sockets, ruled by the process itself.

Source: landlock(7); the kernel's Documentation/userspace-api/landlock.rst.
"""

from __future__ import annotations

import ctypes
import os
import struct

from . import _linux

_CREATE, _ADD, _RESTRICT = 444, 445, 446  # the same on every processor
_VERSION_FLAG, _PATH_BENEATH = 1, 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_MAKE_DEVICES = (1 << 6) | (1 << 11)  # character and block devices
READ = EXECUTE | READ_FILE | READ_DIR

# the newest right of each version of the interface: 1 make symlinks, 2 refer, 3 truncate,
# 5 ioctl on devices
_ALL_FILES = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
_ALL_FILES_5 = (1 << 16) - 1
TRUNCATE = 3  # the first version that keeps files from being emptied
_ALL_TCP, _ALL_SCOPES = 3, 3  # bind and connect; abstract sockets and signals


def version() -> int:
    """Return the version of the kernel's interface, 0 where there is none."""
    try:
        return _linux.syscall(_CREATE, 0, 0, _VERSION_FLAG, call="landlock_create_ruleset")
    except OSError:
        return 0


def everything(abi: int) -> int:
    """Return all rights on files that a version knows."""
    return _ALL_FILES.get(abi, _ALL_FILES_5)


def ruleset(rules: dict[str, int], abi: int) -> int:
    """Return a descriptor of rules: the rights below each path, and no others.

    TCP, signals out of the process's own domain and abstract sockets are refused where the
    version knows them (4 and 6). A rule also holds for what is mounted below its path later.

    Raises:
        OSError: A path cannot be opened or the kernel refuses.
    """
    handled = everything(abi)
    words = [handled]
    if abi >= 4:
        words.append(_ALL_TCP)
    if abi >= 6:
        words.append(_ALL_SCOPES)
    request = ctypes.create_string_buffer(struct.pack(f"={len(words)}Q", *words), 8 * len(words))
    address, size = ctypes.addressof(request), ctypes.sizeof(request)
    fd = _linux.syscall(_CREATE, address, size, 0, call="landlock_create_ruleset")
    for path, rights in rules.items():
        _allow(fd, path, rights & handled)
    return fd


def restrict(fd: int) -> None:
    """Hold this process and its children to a ruleset; needs no_new_privs."""
    _linux.syscall(_RESTRICT, fd, 0, call="landlock_restrict_self")


def inside(abi: int) -> int:
    """Return the rights that a run has in its own directory: all but making devices."""
    return everything(abi) & ~_MAKE_DEVICES


def _allow(rules: int, path: str, rights: int) -> None:
    # rights on folders mean nothing for a file, and the kernel refuses them
    if not os.path.isdir(path):
        rights &= EXECUTE | WRITE_FILE | READ_FILE
    fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, fd), 12)
        _linux.syscall(
            _ADD, rules, _PATH_BENEATH, ctypes.addressof(rule), 0, call="landlock_add_rule"
        )
    finally:
        os.close(fd)
