"""What goes into a run and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from math import isfinite
from typing import Any

from hackproof.errors import InputError


@dataclass(frozen=True)
class Limits:
    """What one run may use. Every limit is a positive, finite number."""

    seconds: float = 5.0
    """Wall time of the whole run."""

    cpu_seconds: float = 5.0
    """CPU time of each process, rounded up to whole seconds (RLIMIT_CPU)."""

    memory_mib: int = 512
    """Address space that each process may add to the interpreter's, in MiB (RLIMIT_AS).

    The memory of all processes of a run together is held to the same figure by sampling.
    """

    processes: int = 16
    """Processes and threads at one time, the main one included."""

    output_bytes: int = 65536
    """Bytes kept of each of stdout and stderr; the rest is dropped, and `truncated` is set."""

    disk_mib: int = 16
    """Size of the private file system, in MiB; also the largest file and the most collected."""

    open_files: int = 64
    """File descriptors that each process may hold (RLIMIT_NOFILE)."""

    claim_bytes: int = 1 << 20
    """Bytes of all claims of one `call` together; later claims are missing."""

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            whole = each.type == "int"
            if (
                isinstance(value, bool)
                or not isinstance(value, int if whole else (int, float))
                or not isfinite(value)
                or value <= 0
            ):
                wanted = "a positive whole number" if whole else "a positive number"
                raise InputError(f"Limits.{each.name} is {value!r}; give {wanted}.")
        if self.open_files < 16:
            raise InputError(f"Limits.open_files is {self.open_files}; Python needs at least 16.")


@dataclass(frozen=True)
class Claim:
    """What the submission says that the function returned for one input.

    It is the submission's word: the code that wrote it ran beside the submission.
    """

    status: str
    """"value", "error" (it raised), "unserialisable" or "missing" (it never answered)."""

    value: Any = None
    """Plain data: None, bool, int, float, str, list, tuple, dict and set, each of exactly
    that type. Floats are finite."""

    error: str = ""
    """The exception's type and message, or why there is no value; truncated."""


@dataclass(frozen=True)
class Result:
    """How a run ended. None of it says whether the submission is right."""

    status: str
    """"exited", "signalled", "timeout", "memory" or "infra".

    "infra" is a failure of the sandbox and says nothing about the submission.
    """

    exit_code: int | None = None
    """0 to 255 where the main process exited."""

    signal: int | None = None
    """The signal that ended the main process."""

    stdout: str = ""
    """UTF-8, with U+FFFD for what is not."""

    stderr: str = ""
    """UTF-8, with U+FFFD for what is not."""

    truncated: bool = False
    """Whether output was dropped."""

    files: Mapping[str, bytes] = field(default_factory=dict)
    """The collected files that were present, regular and within the limits."""

    seconds: float = 0.0
    """Wall time, from the fork to the end of the last process."""

    reason: str = ""
    """For "infra", "timeout" and "memory": what happened."""

    claims: tuple[Claim, ...] = ()
    """For `call`: one per input, in their order."""

    cpu_seconds: float = 0.0
    """CPU time of the run's processes."""


@dataclass(frozen=True)
class Isolation:
    """How strongly runs are kept apart from this machine and from each other."""

    strength: str
    """"strong", "partial" or "none"."""

    features: Mapping[str, bool]
    """What was put up and then tested from within a run."""

    missing: Mapping[str, str]
    """For each feature that is absent, why."""

    def describe(self) -> str:
        """Return the strength and one line per feature."""
        lines = [f"isolation: {self.strength}"]
        for name, present in self.features.items():
            why = "" if present else f": {self.missing.get(name, 'unknown')}"
            lines.append(f"  {'yes' if present else 'no '} {name}{why}")
        return "\n".join(lines)
