"""The file system that runs see: read-only, and only what a Python program needs.

System directories, the standard library and the packages that were preloaded are bound in;
every other installed package, /home, /proc, /sys and the caller's files are not there.

This file is read by the worker as well and imports nothing of hackproof's.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import suppress

from . import _linux

OUTER = "/sandbox"
BOX = f"{OUTER}/run"  # where each run's private file system is mounted
TMP, HOME = f"{BOX}/tmp", f"{BOX}/home"
USER = 1000  # the user, and the group, that a run sees itself as

_BASE = "/tmp"  # every system has it; what lies below stays reachable below the old root
_OLD = "/.old"
_SYSTEM = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32")
_ETC = ("ld.so.cache", "alternatives", "localtime")
_DEVICES = ("null", "zero", "full", "random", "urandom")
_FLAGS = _linux.MS_NOSUID | _linux.MS_NODEV
_LOCKED = _linux.MOUNT_ATTR_RDONLY | _linux.MOUNT_ATTR_NOSUID | _linux.MOUNT_ATTR_NODEV


def library() -> list[str]:
    """Return the directories of the standard library."""
    return [each for each in sys.path if each and "-packages" not in each]


def build(hidden: Iterable[str], packages: Iterable[str]) -> None:
    """Put this mount namespace on a read-only root of chosen parts.

    Args:
        hidden: Directories of installed packages, which are covered.
        packages: Files and directories that are shown all the same.

    Raises:
        OSError: The kernel or an outer sandbox forbids a step; `filename` names it.
    """
    prefix = os.path.realpath(sys.base_prefix)
    _linux.mount("none", "/", None, _linux.MS_REC | _linux.MS_PRIVATE)
    flags = _linux.MS_NOSUID | _linux.MS_NODEV
    _linux.mount("tmpfs", _BASE, "tmpfs", flags, "mode=755,size=4m")
    os.mkdir(_BASE + _OLD)
    _linux.pivot_root(_BASE, _BASE + _OLD)
    os.chdir("/")
    for name in _SYSTEM:
        _show_system(name)
    _write_etc()
    if prefix not in ("/", "/usr"):
        _show(prefix)
        if prefix != sys.base_prefix:
            os.makedirs(os.path.dirname(sys.base_prefix), exist_ok=True)
            os.symlink(prefix, sys.base_prefix)
    for each in hidden:
        if os.path.isdir(each):
            _linux.mount("tmpfs", each, "tmpfs", flags, "mode=755,size=1m")
    for each in packages:
        _show(each)
    for each in (BOX, "/dev", "/var"):
        os.makedirs(each, 0o755, exist_ok=True)
    for each in ("/tmp", "/var/tmp", "/dev/shm"):
        # Packages may lie below one of these, which then is a read-only directory.
        if not os.path.lexists(each):
            os.symlink(TMP, each)
    for name in _DEVICES:
        _write(f"/dev/{name}", "")
        _linux.mount(f"{_OLD}/dev/{name}", f"/dev/{name}", None, _linux.MS_BIND)
    _linux.umount(_OLD)
    os.rmdir(_OLD)
    _linux.restrict_mount("/", _LOCKED, below=True)
    for name in _DEVICES:
        noexec, nodev = _linux.MOUNT_ATTR_NOEXEC, _linux.MOUNT_ATTR_NODEV
        _linux.restrict_mount(f"/dev/{name}", noexec, clear=nodev)


def mount_box(disk_mib: int) -> None:
    """Mount a new private file system for one run."""
    options = f"mode=700,size={disk_mib}m,nr_inodes={1024 + 64 * disk_mib}"
    _linux.mount("tmpfs", BOX, "tmpfs", _FLAGS, options)


def fill_box(box: str) -> None:
    """Make a run's directories: for its files, for temporary ones, and its home."""
    for each in ("work", "tmp", "home"):
        os.mkdir(f"{box}/{each}", 0o700)


def empty(folder: str) -> None:
    """Delete all that a folder holds, however deep and whatever its modes; no links followed.

    For a process that does nothing else: it changes its working directory.
    """
    os.chmod(folder, 0o700)
    os.chdir(folder)
    inside: list[str] = []
    while True:
        below = ""
        with os.scandir() as entries:
            for each in entries:
                if each.is_dir(follow_symlinks=False):
                    below = each.name
                    break
                os.unlink(each.name)
        if below:
            os.chmod(below, 0o700)
            os.chdir(below)
            inside.append(below)
        elif inside:
            os.chdir("..")
            os.rmdir(inside.pop())
        else:
            return


def _show_system(name: str) -> None:
    old = f"{_OLD}/{name}"
    if os.path.islink(old):
        os.symlink(os.readlink(old), f"/{name}")
    elif os.path.isdir(old):
        _show(f"/{name}")


def _show(path: str) -> None:
    """Bind a file or directory of the old root to its own place; links are not followed."""
    old = _OLD + path
    if os.path.isdir(old):
        os.makedirs(path, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if not os.path.lexists(path):
            _write(path, "")
    _linux.mount(old, path, None, _linux.MS_BIND | _linux.MS_REC)


def _write_etc() -> None:
    os.mkdir("/etc", 0o755)
    _write("/etc/passwd", f"sandbox:x:{USER}:{USER}::{HOME}:/bin/sh\n")
    _write("/etc/group", f"sandbox:x:{USER}:\n")
    for name in _ETC:
        with suppress(OSError):
            _show(f"/etc/{name}")


def _write(path: str, text: str) -> None:
    with open(path, "x") as file:
        file.write(text)
