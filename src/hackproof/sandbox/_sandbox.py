"""`Sandbox` and `probe`: what callers use."""

from __future__ import annotations

import marshal
import os
import signal
import threading
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from hackproof.errors import InputError, SandboxError
from hackproof.sandbox import _client, _encoding, _protocol
from hackproof.sandbox._types import Claim, Isolation, Limits, Result

REQUIRED = (
    "user_namespace",
    "mnt_namespace",
    "pid_namespace",
    "net_namespace",
    "ipc_namespace",
    "read_only_root",
    "private_disk",
    "own_processes",
    "no_new_privileges",
    "no_capabilities",
    "seccomp",
    "resource_limits",
    "not_dumpable",
    "clean_environment",
)
"""What "strong" needs. Landlock is a second wall, put up wherever the kernel has it."""

REQUIRED_IN_PART = (
    "landlock",
    "no_new_privileges",
    "no_capabilities",
    "seccomp",
    "resource_limits",
    "not_dumpable",
    "clean_environment",
)
"""What "partial" needs; with less, nothing is run."""

OPTIONAL = ("uts_namespace", "landlock", "total_memory")
FEATURES = (*REQUIRED, *OPTIONAL)

_DEFAULT = Limits()
CPU_LIMIT_SEEN = 0.5
"""Share of the CPU limit from which a SIGKILL is taken for the kernel's. The kernel checks the
limit by ticks and reports the time by another clock: where a host shares its processors the two
were seen to differ by a quarter. A submission that kills itself so late is called a timeout."""
_TEST_LIMITS = Limits(seconds=10, cpu_seconds=5, memory_mib=64, processes=4, disk_mib=2)
_ADVICE = (
    "Turn on unprivileged user namespaces (sysctl user.max_user_namespaces above 0, "
    "kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0), or in "
    "a container allow unshare, mount and pivot_root in its seccomp profile"
)


class Sandbox:
    """Runs untrusted Python programs and functions, each in an isolation of its own.

    One warm worker process forks once per run. The object may be shared by threads, whose
    runs then follow each other. Use it as a context manager, or call `close`.

    Args:
        limits: For every run that brings none of its own.
        preload: Modules that the worker imports once. A submission can import the standard
            library and the packages that these brought in, no others.
        require: The least isolation that will do: "strong", or, as an explicit choice,
            "partial".

    Raises:
        SandboxError: This machine does not give the isolation that is required, or a module
            cannot be preloaded.
    """

    isolation: Isolation

    def __init__(
        self,
        limits: Limits = _DEFAULT,
        *,
        preload: Sequence[str] = (),
        require: str = "strong",
    ) -> None:
        if require not in ("strong", "partial"):
            raise InputError(f"require is {require!r}; give 'strong' or 'partial'.")
        self._limits, self._preload, self._require = limits, tuple(preload), require
        self._lock, self._closed, self._owner = threading.Lock(), False, os.getpid()
        self._worker, self.isolation = _start(self._preload, require)
        if self.isolation.strength != "strong":
            warnings.warn(
                f"the sandbox is only partly isolated.\n{self.isolation.describe()}",
                RuntimeWarning,
                stacklevel=2,
            )

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the worker; later runs raise. A second call does nothing."""
        self._closed = True
        if self._worker is not None:
            self._worker.close()

    def run(
        self,
        files: Mapping[str, str | bytes],
        argv: Sequence[str] = ("main.py",),
        *,
        stdin: str = "",
        collect: Sequence[str] = (),
        limits: Limits | None = None,
    ) -> Result:
        """Run `argv[0]`, one of the files, as `python argv[0] ...` would.

        Args:
            files: Content by relative path; they lie in the working directory.
            argv: The program and its arguments.
            stdin: What the program can read.
            collect: Relative paths of files that are returned if the program left them.
            limits: Instead of the sandbox's own.

        Raises:
            InputError: A path is not relative and plain, or the files do not fit the disk.
            SandboxError: The sandbox is closed, or its worker cannot be started again.
        """
        limits = limits or self._limits
        contents = {_path(name): _bytes(content) for name, content in files.items()}
        _check_files(contents, limits)
        if not argv or _path(argv[0]) not in contents:
            raise InputError(f"argv[0] is not one of the files: {list(argv)[:1]}.")
        header = {
            "kind": "run",
            "files": contents,
            "argv": [_path(argv[0]), *(_argument(each) for each in argv[1:])],
            "collect": [_path(each) for each in collect],
        }
        return self._send(header, _bytes(stdin), limits, bool(collect))[0]

    def call(
        self,
        source: str,
        function: str,
        inputs: Sequence[Sequence[Any]],
        *,
        limits: Limits | None = None,
    ) -> Result:
        """Import the source as a module and call its function once for each input.

        The calls follow each other in one process. The submission sees the inputs, never an
        expected value, and what comes back is data that our own reader has parsed.

        Args:
            source: A Python module; its name is `submission`.
            function: The name of a function in it.
            inputs: For each call the positional arguments, of plain data.
            limits: Instead of the sandbox's own.

        Raises:
            InputError: An argument is not plain data, or the source does not fit the disk.
            SandboxError: The sandbox is closed, or its worker cannot be started again.
        """
        limits = limits or self._limits
        contents = {"submission.py": _bytes(source)}
        _check_files(contents, limits)
        lines = [_input(each, number) for number, each in enumerate(inputs)]
        header = {
            "kind": "call",
            "files": contents,
            "function": function,
            "source": contents["submission.py"],
            "inputs": lines,
        }
        result, claims = self._send(header, b"", limits)
        return _with_claims(result, claims, len(lines))

    def _send(
        self, request: Mapping[str, Any], stdin: bytes, limits: Limits, collects: bool = False
    ) -> tuple[Result, bytes]:
        with self._lock:
            if self._closed:
                raise SandboxError("the sandbox is closed; make a new one.")
            if self._worker is None or not self._worker.alive or self._owner != os.getpid():
                # after a fork of the caller's the parent goes on with the worker
                self._owner = os.getpid()
                self._worker, self.isolation = _start(self._preload, self._require)
            return _execute(self._worker, request, stdin, limits, collects=collects)


def probe() -> Isolation:
    """Start a worker, test its isolation from within a run, and return what was found."""
    worker, isolation = _try("namespaces", ())
    if worker is None or isolation.strength != "strong":
        if worker is not None:
            worker.close()
        worker, other = _try("fallback", ())
        isolation = _weaker(isolation, other)
    if worker is not None:
        worker.close()
    return isolation


def _start(preload: Sequence[str], require: str) -> tuple[_client.Worker, Isolation]:
    worker, isolation = _try("namespaces", preload)
    if worker is not None and isolation.strength == "strong":
        return worker, isolation
    if worker is not None:
        worker.close()
    if require == "partial":
        worker, other = _try("fallback", preload)
        isolation = _weaker(isolation, other)
        if worker is not None and isolation.strength == "partial":
            return worker, isolation
        if worker is not None:
            worker.close()
    needed = REQUIRED if require == "strong" else REQUIRED_IN_PART
    lacking = [name for name in needed if not isolation.features[name]]
    why = "; ".join(sorted({isolation.missing[name] for name in lacking}))
    choice = (
        "choose require='partial', which isolates less"
        if require == "strong"
        else "run on another machine: not even partial isolation can be had here"
    )
    raise SandboxError(
        f"this machine does not give {require} isolation; missing: {', '.join(lacking)} ({why}). "
        f"{_ADVICE}; or {choice}."
    )


def _weaker(strong: Isolation, other: Isolation) -> Isolation:
    """Return what the fallback gives, with the reasons why the strong way did not work."""
    missing = {
        name: strong.missing.get(name, why) if name in REQUIRED else why
        for name, why in other.missing.items()
    }
    return Isolation(other.strength, other.features, missing)


def _try(profile: str, preload: Sequence[str]) -> tuple[_client.Worker | None, Isolation]:
    """Start a worker and have it test itself; None where it does not come up."""
    why = _protocol.supported()
    if why:
        return None, _isolation({}, dict.fromkeys(FEATURES, why))
    worker = _client.Worker(profile, preload)
    greeting = worker.greeting
    if "failed" in greeting:
        worker.close()
        if greeting["failed"] == "preload":
            raise SandboxError(f"cannot preload {greeting['reason']}.")
        return None, _isolation({}, dict.fromkeys(FEATURES, greeting["reason"]))
    result, claims = _execute(worker, {"kind": "selftest", "files": {}}, b"", _TEST_LIMITS)
    try:
        tested: dict[str, str] = marshal.loads(claims)
    except (ValueError, EOFError, TypeError):
        reason = f"the self-test gave no answer ({result.status}: {result.reason})"
        worker.close()
        return None, _isolation({}, dict.fromkeys(FEATURES, reason))
    features = {**greeting["features"], **{name: not why for name, why in tested.items()}}
    features["total_memory"] = "total_memory" not in greeting["missing"]
    missing = {**greeting["missing"], **{name: why for name, why in tested.items() if why}}
    return worker, _isolation(features, missing)


def _isolation(features: Mapping[str, bool], missing: Mapping[str, str]) -> Isolation:
    present = {name: features.get(name, False) for name in FEATURES}
    why = {
        name: missing.get(name, "not without namespaces")
        for name, there in present.items()
        if not there
    }
    if all(present[name] for name in REQUIRED):
        strength = "strong"
    elif all(present[name] for name in REQUIRED_IN_PART):
        strength = "partial"
    else:
        strength = "none"
    return Isolation(strength, present, why)


def _execute(
    worker: _client.Worker,
    request: Mapping[str, Any],
    stdin: bytes,
    limits: Limits,
    *,
    collects: bool = False,
) -> tuple[Result, bytes]:
    bounds = _protocol.Bounds(
        float(limits.seconds),
        float(limits.cpu_seconds),
        limits.memory_mib,
        limits.processes,
        limits.disk_mib,
        limits.open_files,
        int(collects),
    )
    most = _client.Most(
        stdout=limits.output_bytes,
        stderr=limits.output_bytes,
        report=(limits.disk_mib << 20) + (1 << 20),
        claims=limits.claim_bytes,
    )
    try:
        answer = worker.run(request, stdin, bounds, most)
    except _client.RunFailedError as error:
        return Result("infra", reason=f"the worker could not start the run: {error}"), b""
    except _client.WorkerDiedError as error:
        return Result("infra", reason=f"the worker died and is started again: {error}"), b""
    return _result(answer, limits), answer.claims


def _result(answer: _client.Answer, limits: Limits) -> Result:
    """Say how a run ended. Once the submission has begun, nothing that it does is "infra"."""
    reply, report = answer.reply, answer.report
    seconds, cpu = reply.seconds, reply.cpu_seconds
    code = os.waitstatus_to_exitcode(reply.status)
    if report[:1] != _protocol.STARTED:
        reason = report[1:].decode(errors="replace") or f"set-up ended with {code}"
        return Result("infra", reason=reason, seconds=seconds, cpu_seconds=cpu)
    status, reason = "exited" if code >= 0 else "signalled", ""
    if reply.ended_by == _protocol.MEMORY:
        status, reason = "memory", f"all processes together passed {limits.memory_mib} MiB"
    elif reply.ended_by == _protocol.TIME:
        status, reason = "timeout", f"more than {limits.seconds} s"
    elif code == -signal.SIGKILL and cpu >= limits.cpu_seconds * CPU_LIMIT_SEEN:
        status, reason = "timeout", f"more than {limits.cpu_seconds} s of CPU time"
    elif code == 1 and answer.claims.endswith(_protocol.OUT_OF_MEMORY):
        status, reason = "memory", "MemoryError"
    return Result(
        status=status,
        exit_code=code if code >= 0 else None,
        signal=-code if code < 0 else None,
        stdout=answer.stdout.decode(errors="replace"),
        stderr=answer.stderr.decode(errors="replace"),
        truncated=answer.truncated,
        files=_read_files(report[1:]),
        seconds=seconds,
        reason=reason,
        cpu_seconds=cpu,
    )


def _read_files(report: bytes) -> dict[str, bytes]:
    """Return the collected files, none where the list was cut short."""
    size = _protocol.LENGTH.size
    if len(report) < size:
        return {}
    (length,) = _protocol.LENGTH.unpack_from(report)
    place = size + length
    files = {}
    for name, count in marshal.loads(report[size:place]):
        files[name] = report[place : place + count]
        place += count
    return files


def _with_claims(result: Result, text: bytes, count: int) -> Result:
    """Return the result with one claim per input."""
    if result.status == "infra":
        return result
    *lines, _ = text.split(b"\n", count)
    claims = [_claim(line) for line in lines]
    how = result.reason or f"exit code {result.exit_code}, signal {result.signal}"
    absent = Claim("missing", error=f"it did not answer ({result.status}: {how})")
    filled = (*claims, *[absent] * (count - len(claims)))
    return Result(**{**result.__dict__, "claims": filled})


def _claim(line: bytes) -> Claim:
    try:
        kind, value = _encoding.decode(line)
    except (_encoding.NotPlainError, TypeError, ValueError) as error:
        return Claim("unserialisable", error=str(error)[:200])
    if kind == "v":
        return Claim("value", value)
    if kind in ("e", "u") and isinstance(value, str):
        return Claim("error" if kind == "e" else "unserialisable", error=value[:500])
    return Claim("unserialisable", error="not a claim")


def _input(arguments: Sequence[Any], number: int) -> bytes:
    try:
        return _encoding.encode(tuple(arguments))
    except _encoding.NotPlainError as error:
        raise InputError(f"input {number} is not plain data: it holds {error}.") from None


def _bytes(content: str | bytes) -> bytes:
    # lone surrogates become bytes that Python refuses as source: the submission's own error
    return content if isinstance(content, bytes) else content.encode(errors="surrogatepass")


def _argument(text: str) -> str:
    if "\0" in text:
        raise InputError("an argument holds a NUL character.")
    return text


def _path(name: str) -> str:
    if "\0" in name or not {"", ".", ".."}.isdisjoint(name.split("/")):
        raise InputError(
            f"{name!r} is not a plain relative path such as 'main.py' or 'data/a.txt'."
        )
    return name


def _check_files(contents: Mapping[str, bytes], limits: Limits) -> None:
    needed = sum(-(-len(each) // 4096) * 4096 for each in contents.values())
    if needed > limits.disk_mib << 20:
        raise InputError(
            f"the files need {needed >> 20} MiB and Limits.disk_mib is {limits.disk_mib}."
        )
    for name in contents:
        parts = name.split("/")
        for count in range(1, len(parts)):
            parent = "/".join(parts[:count])
            if parent in contents:
                raise InputError(f"{parent!r} is given as a file and as a folder.")
