"""The persistent worker: a warm interpreter that forks once per run.

It never sees what it runs. A request arrives as descriptors, which the forked process reads;
the worker itself reads six numbers. So one run cannot find another's source, inputs or
output in the memory it is forked from.

The worker's own files import nothing of hackproof's: it is started from this folder alone,
so that a submission finds no module of the caller's project in its interpreter.
"""

from __future__ import annotations

import _socket  # `socket` brings much that makes every fork slower
import fcntl
import gc
import importlib
import marshal
import os
import resource
import select
import signal
import struct
import sys
import time
from contextlib import suppress
from typing import Any, NoReturn

from . import _child, _landlock, _limits, _linux, _protocol, _root, _run, _seccomp

_FDS = struct.Struct("=6i")  # of a request
_TICK = 0.2  # seconds between two looks at the memory of a run
_KINDS = ("user", "mnt", "pid_for_children", "net", "ipc", "uts")


def main(fd: int) -> NoReturn:
    """Set up, say over the socket `fd` how it went, then serve until it closes."""
    nothing = os.open("/dev/null", os.O_RDWR)
    for place in range(3, _run.FREE_FROM):
        if place != fd:
            os.dup2(nothing, place)
    control = _socket.socket(fileno=fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _run.FREE_FROM))
    os.dup2(nothing, fd)
    try:
        config = marshal.loads(control.recv(1 << 20))
        packages = _preload(config)
        worker = _Worker(control, config["profile"] == "namespaces", config, packages)
    except BaseException as error:
        with suppress(BaseException):
            where = getattr(error, "filename", None) or type(error).__name__
            what = getattr(error, "strerror", None) or str(error)
            step = "preload" if isinstance(error, _PreloadError) else "set-up"
            control.send(marshal.dumps({"failed": step, "reason": f"{where}: {what}"}))
        os._exit(1)
    worker.serve()


def _settle(home: str) -> None:
    """Give this process, and so its forks, what no run changes."""
    os.environ.clear()
    os.environ.update({"PATH": "/usr/bin:/bin", "HOME": home, "LANG": "C.UTF-8"})
    os.chdir("/")
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        # a handler would run in the first process of a run, which shares this one's memory
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (_run.MOST_FDS, hard))
    _limits.apply_fixed()
    _linux.no_new_privileges()
    _linux.set_dumpable(False)


class _PreloadError(Exception):
    pass


def _preload(config: Any) -> list[str]:
    """Import what the caller named; return the files and folders that it came from."""
    library = _root.library()
    sys.path[:] = library + [each for each in config["path"] if each not in library]
    for name in config["preload"]:
        try:
            importlib.import_module(name)
        except Exception as error:
            raise _PreloadError(f"{name}: {type(error).__name__}: {error}") from None
    tops = {name.partition(".")[0] for name in sys.modules} if config["preload"] else set()
    tops -= {"__main__", __name__.partition(".")[0], *sys.stdlib_module_names}
    found = set()
    for name in sorted(tops):
        module = sys.modules.get(name)
        places = list(getattr(module, "__path__", None) or [getattr(module, "__file__", None)])
        found.update(os.path.realpath(each) for each in places if each)
        found.update(f"{each}.libs" for each in places if each and os.path.isdir(f"{each}.libs"))
    packages = sorted(each for each in found if os.path.exists(each))
    parents = {os.path.dirname(each) for each in packages}
    sys.path[:] = library + [each for each in config["path"] if each in parents - set(library)]
    sys.path_importer_cache.clear()
    return packages


class _Worker:
    """Holds the control socket and what each run is given."""

    def __init__(
        self, control: _socket.socket, namespaces: bool, config: Any, packages: list[str]
    ) -> None:
        self._control = control
        self._namespaces = namespaces
        self._proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        missing: dict[str, str] = {}
        if namespaces:
            self._enter(config["hidden"], packages)
            box, outer, readable = _root.BOX, _root.OUTER, ["/"]
            _linux.drop_bounding_set()
        else:
            outer, readable = config["box"], _readable(packages)
            box = f"{outer}/run"
            if os.geteuid() == 0:
                _become_ordinary(outer)
        self._meter = self._make_meter(missing)
        _settle(f"{box}/home")
        abi = _landlock.version()
        if not namespaces and abi < _landlock.TRUNCATE:
            raise OSError(0, f"version {abi} of it cannot protect files", "Landlock")
        rules = dict.fromkeys(readable, _landlock.READ)
        rules["/dev/null"] = _landlock.READ_FILE | _landlock.WRITE_FILE
        rules[outer] = _landlock.inside(abi)
        self._setting = _run.Setting(
            namespaces=namespaces,
            box=box,
            ruleset=_landlock.ruleset(rules, abi) if abi else -1,
            filter=_seccomp.Filter(_seccomp.program(_linux.MACHINE)),
            warm=_child.Warm(),
            inherited=_limits.address_space(self._proc),
            # elsewhere all processes of the user count, whatever their number
            others=3 if namespaces else 1 << 20,
        )
        self._init = _linux.Init()
        gc.collect()
        gc.freeze()
        gc.disable()
        features = {f"{name.partition('_')[0]}_namespace": namespaces for name in _KINDS}
        control.send(marshal.dumps({"features": features, "missing": missing}))

    def _enter(self, hidden: list[str], packages: list[str]) -> None:
        """Go into namespaces of our own; the process that returns is another than entered."""
        before = self._namespace_numbers()
        built = False
        if os.geteuid() == 0:
            # the interpreter may lie where only root can go: bind it before giving root up
            with suppress(PermissionError):
                _linux.unshare(_linux.CLONE_NEWNS, "mount")
                built = True
            if built:
                _root.build(hidden, packages)
            _become_ordinary()
        uid, gid = os.geteuid(), os.getegid()
        _linux.unshare(_linux.CLONE_NEWUSER, "user")
        _linux.set_dumpable(True)  # or /proc/self is root's
        for name, text in (
            ("setgroups", "deny"),
            ("gid_map", f"{_root.USER} {gid} 1"),
            ("uid_map", f"{_root.USER} {uid} 1"),
        ):
            self._write_proc(f"self/{name}", text)
        _linux.unshare(_linux.CLONE_NEWNS, "mount")
        if not built:
            _root.build(hidden, packages)
        _linux.unshare(_linux.CLONE_NEWNET, "network")
        _linux.unshare(_linux.CLONE_NEWIPC, "ipc")
        _linux.unshare(_linux.CLONE_NEWUTS, "uts")
        _linux.unshare(_linux.CLONE_NEWPID, "pid")
        after = self._namespace_numbers()
        same = [name for name in _KINDS if before[name] == after[name]]
        if same:
            raise OSError(0, "the kernel did not make them", f"namespaces {same}")
        pid = os.fork()
        if pid:
            self._control.close()
            os.waitpid(pid, 0)
            os._exit(0)
        _linux.die_with_parent()
        if [name for _, name in _socket.if_nameindex()] != ["lo"]:
            raise OSError(0, "it has interfaces besides lo", "network namespace")

    def _namespace_numbers(self) -> dict[str, int]:
        numbers: dict[str, int] = dict.fromkeys(_KINDS, 0)
        for name in _KINDS:
            with suppress(FileNotFoundError):  # a pid namespace that has no process yet
                numbers[name] = os.stat(f"self/ns/{name}", dir_fd=self._proc).st_ino
        return numbers

    def _write_proc(self, path: str, text: str) -> None:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC, dir_fd=self._proc)
        try:
            os.write(fd, text.encode())
        except OSError as error:
            error.filename = f"/proc/{path}"
            raise
        finally:
            os.close(fd)

    def _make_meter(self, missing: dict[str, str]) -> _limits.Meter | None:
        try:
            return _limits.Meter(self._proc)
        except OSError as error:
            missing["total_memory"] = (
                f"/proc does not list children ({error.strerror}); each process is still limited"
            )
            return None

    def serve(self) -> NoReturn:
        """Answer requests until the socket closes."""
        while True:
            space, flags = _socket.CMSG_SPACE(_FDS.size), _socket.MSG_CMSG_CLOEXEC
            message, extra, _, _ = self._control.recvmsg(256, space, flags)
            if not message:
                os._exit(0)
            fds = _FDS.unpack(extra[0][2])
            try:
                reply = self._run(_protocol.Bounds.unpack(message), _run.Fds(*fds)).pack()
            except OSError as error:
                reply = f"!{error.filename or 'fork'}: {error.strerror}".encode()
            self._control.send(reply)  # first, or each end of a pipe would wake the caller
            for fd in fds:
                os.close(fd)

    def _run(self, bounds: _protocol.Bounds, fds: _run.Fds) -> _protocol.Reply:
        began = time.monotonic()
        if self._namespaces:
            _root.mount_box(bounds.disk_mib)
        else:
            os.mkdir(self._setting.box, 0o700)
        try:
            _root.fill_box(self._setting.box)
            reply = self._fork(bounds, fds, began)
            if bounds.collects or not self._namespaces:
                self._finish(bounds, fds)
        finally:
            if self._namespaces:
                _linux.umount(_root.BOX)
        return reply

    def _fork(self, bounds: _protocol.Bounds, fds: _run.Fds, began: float) -> _protocol.Reply:
        first = self._init.start() if self._namespaces else 0
        try:
            # all before the fork: after it, each page that is written costs a fault
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            limits = _limits.of_run(bounds, self._setting.inherited, self._setting.others)
            poll = select.poll()
            poll.register(self._control.fileno(), select.POLLIN)
            pid = os.fork()
            if pid == 0:
                _run.begin(self._setting, bounds, limits, fds)
            ended_by = self._watch(pid, poll, bounds, began)
            _, status = os.waitpid(pid, 0)  # wait4 would import `resource` each time
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
        finally:
            if first:  # and with it every process of the run
                os.kill(first, signal.SIGKILL)
                os.waitpid(first, 0)
                self._init.leave()
        cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        return _protocol.Reply(ended_by, status, time.monotonic() - began, cpu)

    def _finish(self, bounds: _protocol.Bounds, fds: _run.Fds) -> None:
        pid = os.fork()
        if pid == 0:
            _run.finish(self._setting, bounds, fds)
        os.waitpid(pid, 0)

    def _watch(self, pid: int, poll: select.poll, bounds: _protocol.Bounds, began: float) -> int:
        """Wait for a run's main process; kill it for too much time or memory, and say which."""
        end = os.pidfd_open(pid)
        poll.register(end, select.POLLIN)
        deadline = began + bounds.seconds
        killed = 0
        try:
            while True:
                left = deadline - time.monotonic()
                wait = _TICK if killed else max(0.0, min(_TICK, left))
                ready = [fd for fd, _ in poll.poll(wait * 1000)]
                if end in ready:
                    return killed
                if ready:  # the caller is gone, or breaks the protocol
                    os._exit(1)
                if not killed:
                    killed = self._excess(bounds, deadline)
                    if killed:
                        os.kill(pid, signal.SIGKILL)
        finally:
            os.close(end)

    def _excess(self, bounds: _protocol.Bounds, deadline: float) -> int:
        if time.monotonic() >= deadline:
            return _protocol.TIME
        if self._meter and self._meter.descendants_mib() > bounds.memory_mib:
            return _protocol.MEMORY
        return 0


def _become_ordinary(folder: str = "") -> None:
    """Take a user id that no one has, and give `folder` to it, so that the limits bind.

    The kernel exempts the real root from RLIMIT_NPROC. Where an outer user namespace maps
    fewer users, it is 65534.
    """
    os.setgroups([])
    uid = 0x60000000 + int.from_bytes(os.urandom(3), "little")
    try:
        os.setresgid(uid, uid, uid)
    except OSError:
        uid = 65534
        os.setresgid(uid, uid, uid)
    if folder:
        os.chown(folder, uid, uid)
    os.setresuid(uid, uid, uid)


def _readable(packages: list[str]) -> list[str]:
    """Return what a run may read where there is no root file system of its own."""
    paths = ["/usr", "/bin", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/localtime"]
    paths += ["/dev/zero", "/dev/random", "/dev/urandom", sys.base_prefix, *packages]
    return [each for each in paths if os.path.exists(each)]
