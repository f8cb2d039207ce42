"""Every error that hackproof raises on purpose.

A message says what was wrong, where, and what to do. The command line turns each
into one line on stderr and the exit code of its class; a traceback means a bug.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class HackproofError(Exception):
    """Base class; the command line exits with `exit_code`."""

    exit_code = 2


class InputError(HackproofError, ValueError):
    """A name, a number or a file from the user is not usable."""


class RunError(HackproofError):
    """A run's folder cannot be read, written or continued."""


class IntegrityError(RunError):
    """A file of a run is not what the run recorded of it."""


class SchemaError(HackproofError, ValueError):
    """A table does not have the columns, types or values of its schema."""


class RewardError(HackproofError, ArithmeticError):
    """A reward function returned something that is not a finite number."""


class SandboxError(HackproofError, RuntimeError):
    """Code cannot be run in the isolation that was asked for."""


class MissingExtraError(HackproofError, ImportError):
    """An optional dependency is needed and is not installed."""


def unknown(kind: str, name: str, known: Iterable[str]) -> InputError:
    """Return the error for a name nobody knows, with the nearest known ones.

    Args:
        kind: What was looked up, in the singular ("study", "reward").
        name: What the user wrote.
        known: The names that exist.
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    listing = ", ".join(names) if names else "none"
    return InputError(f"unknown {kind} {name!r}.{hint} Known: {listing}.")
