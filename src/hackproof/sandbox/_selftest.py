"""What a run tries against its own walls, so that isolation is measured and not assumed.

This file is read by the worker as well and imports nothing of hackproof's.
"""

from __future__ import annotations

import errno
import marshal
import mmap
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from . import _linux, _protocol, _root, _seccomp

# refused by the filter whatever the privileges; tried with arguments that would do no harm
_TRIED = ("ptrace", "process_vm_readv", "mount", "bpf", "keyctl", "userfaultfd", "perf_event_open",
          "io_uring_setup", "shmget", "memfd_create")  # fmt: skip


def answer(namespaces: bool, bounds: _protocol.Bounds, fd: int) -> NoReturn:
    """Write each feature's failure, "" where it holds, as JSON, and end the process."""
    checks: dict[str, Callable[[], str]] = {
        "no_new_privileges": _no_new_privileges,
        "no_capabilities": _no_capabilities,
        "seccomp": _seccomp_holds,
        "landlock": _landlock_holds,
        "resource_limits": lambda: _resource_limits(bounds, namespaces),
        "not_dumpable": lambda: "" if _linux.prctl(3, call="PR_GET_DUMPABLE") == 0 else "dumpable",
        "clean_environment": _clean_environment,
    }
    if namespaces:
        checks["own_processes"] = _own_processes
        checks["read_only_root"] = _read_only_root
        checks["private_disk"] = lambda: _private_disk(bounds)
    found = {}
    for name, check in checks.items():
        try:
            found[name] = check()
        except BaseException as error:
            found[name] = f"the test failed: {type(error).__name__}: {error}"
    os.write(fd, marshal.dumps(found))
    os._exit(0)


def _no_new_privileges() -> str:
    return "" if _linux.has_no_new_privileges() else "the kernel did not keep PR_SET_NO_NEW_PRIVS"


def _no_capabilities() -> str:
    if any(_linux.capabilities()):
        return "the process has capabilities"
    return "" if _linux.bounding_set_is_empty() or os.getuid() else "exec can give capabilities"


def _error_of(number: int, *arguments: int) -> int:
    try:
        _linux.syscall(number, *arguments, call="")
    except OSError as error:
        return error.errno or 0
    return 0


def _seccomp_holds() -> str:
    if _linux.seccomp_mode() != 2:
        return "no filter"
    column = 0 if _linux.MACHINE == "x86_64" else 1
    for name in _TRIED:
        if _error_of(_seccomp.DENIED[name][column], -1, 0, 0, 0) != errno.EPERM:
            return f"{name} is not refused"
    for flag in (_linux.CLONE_NEWUSER, _linux.CLONE_NEWNS):
        with suppress(OSError):
            _linux.unshare(flag, "")
            return "unshare is not refused"
    import socket  # not in the worker, where it would make every fork slower

    for family in (socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK):
        with suppress(OSError):
            socket.socket(family, socket.SOCK_DGRAM).close()
            return f"a socket of {family.name} can be made"
    return ""


def _landlock_holds() -> str:
    """Open a device for writing, which its mode allows and only Landlock refuses."""
    try:
        os.close(os.open("/dev/full", os.O_WRONLY))
    except OSError as error:
        return "" if error.errno == errno.EACCES else f"/dev/full: {error.strerror}"
    return "the kernel has no Landlock, or it is not enabled (lsm= on the kernel's command line)"


def _resource_limits(bounds: _protocol.Bounds, namespaces: bool) -> str:
    with suppress(OSError, MemoryError):
        mmap.mmap(-1, (bounds.memory_mib + 1) << 20).close()
        return "memory is not limited"
    return _process_limit(bounds.processes) if namespaces else _no_fork()


def _no_fork() -> str:
    try:
        pid = os.fork()
    except OSError:
        return ""
    if pid == 0:
        os._exit(0)
    return "fork is not refused"


def _process_limit(most: int) -> str:
    pids = []
    try:
        for _ in range(most + 1):
            pid = os.fork()
            if pid == 0:
                time.sleep(10)
                os._exit(0)
            pids.append(pid)
    except OSError:
        pass
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    if len(pids) != most - 1:
        return f"{len(pids) + 1} processes could be made where {most} are allowed"
    return ""


def _clean_environment() -> str:
    extra = set(os.environ) - {"PATH", "HOME", "LANG"}
    return f"the environment has {sorted(extra)}" if extra else ""


def _own_processes() -> str:
    if os.getppid() != 0 or os.getpid() != 2:
        return "the run is not in a pid namespace of its own"
    for number in (signal.SIGKILL, signal.SIGINT, signal.SIGSTOP):
        with suppress(PermissionError):  # Landlock refuses; otherwise it has no effect
            os.kill(1, number)
    return ""


def _read_only_root() -> str:
    for folder in ("/", "/usr", "/dev", "/etc", os.path.dirname(os.__file__)):
        with suppress(OSError):
            os.mkdir(f"{folder}/.hackproof-self-test")
            return f"{folder} can be written"
    for each in ("/proc", "/sys", "/home", "/root", "/run"):
        if os.path.isdir(each) and not sys.base_prefix.startswith(f"{each}/"):
            return f"{each} can be seen"
    return ""


def _private_disk(bounds: _protocol.Bounds) -> str:
    about = os.statvfs(_root.BOX)
    size = about.f_blocks * about.f_frsize
    if size > bounds.disk_mib << 20:
        return "the private file system is larger than its limit"
    left = [each for each in os.listdir(_root.BOX) if each not in ("work", "tmp", "home")]
    return f"the private file system holds {left}" if left else ""
