"""The system calls that Python has no function for, through the C library.

Raises OSError with the call's name as its file name. This file is read by the worker as
well and imports nothing of hackproof's.

Source: the manual pages clone(2), mount(2), mount_setattr(2), pivot_root(2), prctl(2),
capabilities(7), user_namespaces(7).
"""

from __future__ import annotations

import _signal  # pyright: ignore[reportMissingImports]  # signal makes enumerations, slowly
import ctypes
import mmap
import os
from ctypes import c_int, c_long, c_ulong, c_void_p

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_NOSUID, MS_NODEV = 0x2, 0x4
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
MNT_DETACH = 2

MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC = 1, 2, 4, 8
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4
_PR_GET_SECCOMP, _PR_CAPBSET_READ, _PR_CAPBSET_DROP = 21, 23, 24
_PR_SET_NO_NEW_PRIVS, _PR_GET_NO_NEW_PRIVS = 38, 39

# pivot_root, capset, capget, mount_setattr: they differ only for the older three
_NUMBERS = {
    "x86_64": {"pivot_root": 155, "capget": 125, "capset": 126, "mount_setattr": 442},
    "aarch64": {"pivot_root": 41, "capget": 90, "capset": 91, "mount_setattr": 442},
}

MACHINE = os.uname().machine
# PyDLL keeps the interpreter's lock: the calls are short, and one of them follows a fork.
_LIBC = ctypes.PyDLL(None, use_errno=True)


def _checked(result: int, call: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), call)
    return result


def syscall(number: int, *arguments: int, call: str) -> int:
    """Make a system call with integer (or address) arguments."""
    return _checked(_LIBC.syscall(c_long(number), *[c_long(each) for each in arguments]), call)


def unshare(flag: int, name: str) -> None:
    """Leave the namespaces of `flag` for new ones (pid: from the next child on)."""
    _checked(_LIBC.unshare(c_int(flag)), f"unshare({name})")


def setns(fd: int, flag: int) -> None:
    """Enter the namespaces `flag` of the process that the pidfd stands for."""
    _checked(_LIBC.setns(c_int(fd), c_int(flag)), "setns")


_CLONE_VM, _CLONE_FS, _CLONE_FILES, _SIGCHLD = 0x100, 0x200, 0x400, 17
_STACK_BYTES = 65536
_LIBC.clone.argtypes = (c_void_p, c_void_p, c_int, c_void_p)


class Init:
    """Makes pid namespaces whose process 1 does nothing but wait for its death.

    That process shares this one's memory and only calls the C library's `pause`, so that it
    costs no fork. Signals from inside its namespace do nothing to it, as long as this
    process has no signal handlers; when it is killed from here, the kernel kills all others
    in the namespace. Only one lives at a time.
    """

    def __init__(self) -> None:
        self._stack = mmap.mmap(-1, _STACK_BYTES)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self._stack))
        self._top = start + _STACK_BYTES - 64  # it grows down; aligned to 16 bytes
        self._pause = ctypes.cast(_LIBC.pause, c_void_p)
        self._outside = os.pidfd_open(os.getpid())

    def start(self) -> int:
        """Start one; children of this process are born into its namespace. Return its pid."""
        flags = _CLONE_VM | _CLONE_FS | _CLONE_FILES | CLONE_NEWPID | _SIGCHLD
        # ignored there, so that orphans of a run are reaped and do not fill its limit
        _signal.signal(_signal.SIGCHLD, _signal.SIG_IGN)
        try:
            pid = _checked(_LIBC.clone(self._pause, self._top, flags, None), "clone(pid)")
        finally:
            _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
        fd = os.pidfd_open(pid)
        set_dumpable(True)  # setns asks whether this process may look into that one
        try:
            setns(fd, CLONE_NEWPID)
        finally:
            set_dumpable(False)
            os.close(fd)
        return pid

    def leave(self) -> None:
        """Have later children be born outside again."""
        setns(self._outside, CLONE_NEWPID)


def mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    """Mount, or bind, `source` at `target`."""
    result = _LIBC.mount(
        os.fsencode(source),
        os.fsencode(target),
        kind.encode() if kind else None,
        c_ulong(flags),
        options.encode() if options else None,
    )
    _checked(result, f"mount({target})")


def umount(target: str) -> None:
    """Take a mount, and all below it, out of sight."""
    _checked(_LIBC.umount2(os.fsencode(target), c_int(MNT_DETACH)), f"umount({target})")


class _MountAttr(ctypes.Structure):
    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


def restrict_mount(target: str, attributes: int, *, clear: int = 0, below: bool = False) -> None:
    """Set and clear MOUNT_ATTR flags on a mount, and on all below it."""
    request = _MountAttr(attr_set=attributes, attr_clr=clear)
    path = ctypes.create_string_buffer(os.fsencode(target))
    syscall(
        _NUMBERS[MACHINE]["mount_setattr"],
        _AT_FDCWD,
        ctypes.addressof(path),
        _AT_RECURSIVE if below else 0,
        ctypes.addressof(request),
        ctypes.sizeof(request),
        call=f"mount_setattr({target})",
    )


def pivot_root(new: str, old: str) -> None:
    """Make `new` the root file system and put the former one at `old`."""
    first = ctypes.create_string_buffer(os.fsencode(new))
    second = ctypes.create_string_buffer(os.fsencode(old))
    number = _NUMBERS[MACHINE]["pivot_root"]
    syscall(number, ctypes.addressof(first), ctypes.addressof(second), call="pivot_root")


def prctl(option: int, *arguments: int, call: str) -> int:
    """Call prctl with up to four integers."""
    words = [c_ulong(each) for each in (*arguments, 0, 0, 0, 0)[:4]]
    return _checked(_LIBC.prctl(c_int(option), *words), f"prctl({call})")


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent dies."""
    prctl(_PR_SET_PDEATHSIG, 9, call="PR_SET_PDEATHSIG")


def set_dumpable(on: bool) -> None:
    """Say whether processes of the same user may look into this one."""
    prctl(_PR_SET_DUMPABLE, int(on), call="PR_SET_DUMPABLE")


def no_new_privileges() -> None:
    """Give up gaining privileges by exec, for good."""
    prctl(_PR_SET_NO_NEW_PRIVS, 1, call="PR_SET_NO_NEW_PRIVS")


def has_no_new_privileges() -> bool:
    """Tell whether `no_new_privileges` was called."""
    return prctl(_PR_GET_NO_NEW_PRIVS, call="PR_GET_NO_NEW_PRIVS") == 1


def seccomp_mode() -> int:
    """Return 0 without seccomp, 2 with a filter."""
    return prctl(_PR_GET_SECCOMP, call="PR_GET_SECCOMP")


def drop_bounding_set() -> None:
    """Take every capability out of what exec could give."""
    for capability in range(64):
        try:
            prctl(_PR_CAPBSET_DROP, capability, call="PR_CAPBSET_DROP")
        except OSError:  # the first number that this kernel does not know
            if capability < 38:
                raise
            return


class _CapHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", c_int))


_CAP_VERSION_3 = 0x20080522


# made once: a fork pays for every page that it touches
_HEADER = _CapHeader(version=_CAP_VERSION_3, pid=0)
_EMPTY = (ctypes.c_uint32 * 6)()
_CAPSET = (c_long(_NUMBERS.get(MACHINE, {}).get("capset", -1)), ctypes.byref(_HEADER), _EMPTY)


def drop_capabilities() -> None:
    """Empty the effective, permitted and inheritable sets, and with them the ambient one."""
    _checked(_LIBC.syscall(*_CAPSET), "capset")


def capabilities() -> tuple[int, ...]:
    """Return the six words of effective, permitted and inheritable capabilities."""
    header = _CapHeader(version=_CAP_VERSION_3, pid=0)
    words = (ctypes.c_uint32 * 6)()
    number = _NUMBERS[MACHINE]["capget"]
    syscall(number, ctypes.addressof(header), ctypes.addressof(words), call="capget")
    return tuple(words)


def bounding_set_is_empty() -> bool:
    """Tell whether exec can give no capability."""
    return not any(
        _LIBC.prctl(c_int(_PR_CAPBSET_READ), c_ulong(each), c_ulong(0), c_ulong(0), c_ulong(0)) == 1
        for each in range(64)
    )
