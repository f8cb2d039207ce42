"""`hackproof audit KIND ...`: before training, is the reward what it is meant to be?"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hackproof.cli._common import console
from hackproof.errors import InputError, unknown

if TYPE_CHECKING:
    from hackproof.audit import Audit

KINDS = {
    "reward": "ENV             what the reward of a Gymnasium environment pays for",
    "judge": "JUDGE|FILE       what a judge's verdicts follow beside quality",
    "preferences": "FILE       what preference data teaches, and what was learnt from it",
    "reward-model": "FILE      how far a learned reward may be optimised",
    "gap": "FILE               what is right and what is approved, along training",
    "loop": "FILE|--model NAME  what a model that writes and judges in rounds comes to please",
}
"""What can be audited, each by cli/_audit_KIND.py."""


@dataclass(frozen=True, kw_only=True)
class Output:
    """Flags that every audit has."""

    fail_on: Literal["proven", "undecided", "advisory", "never"] = "proven"
    """From which findings on the exit code is 1."""
    json: str | None = None
    """Write JSON to this file; with no file, or -, print it instead of the text."""
    sarif: str | None = None
    """Write SARIF to this file, which code hosts show beside a change; - prints it."""
    html: str | None = None
    """Write a page to this file."""


EXIT = (
    "\n\nExit code: 0 every check ran and found nothing; 1 findings from --fail-on on; 2 a check "
    "did not run, or bad input."
)


def command(words: list[str]) -> int:
    """Hackproof audit KIND: 0 nothing found, 1 findings, 2 a check did not run."""
    if not words or words[0] not in KINDS:
        if words and words[0] not in ("-h", "--help"):
            raise unknown("kind of audit", words[0], KINDS)
        listing = "\n".join(f"  hackproof audit {k} {v}" for k, v in KINDS.items())
        print(f"usage:\n{listing}\n\nhackproof audit KIND --help: its flags")
        return 0 if words else 2
    module = import_module(f"hackproof.cli._audit_{words[0].replace('-', '_')}")
    return module.command(bare_json(words[1:]))


def bare_json(words: Sequence[str]) -> list[str]:
    """Return the words with `--json` alone written as `--json -`, which prints."""
    out = []
    for i, word in enumerate(words):
        out.append(word)
        if word == "--json" and (i + 1 == len(words) or words[i + 1].startswith("--")):
            out.append("-")
    return out


def show(
    text: Sequence[str],
    made: dict[str, tuple[str | None, Callable[[], Any]]],
) -> None:
    """Print a report, and write it in the other formats that were asked for.

    Args:
        text: The report for people.
        made: By format: where to (a path, `-` to print it instead of the text, or None), and what
            makes it: JSON values, or text.

    Raises:
        InputError: a file that cannot be written.
    """
    quiet = False
    for where, make in made.values():
        if where is None:
            continue
        value = make()
        body = value if isinstance(value, str) else json.dumps(value, indent=2, allow_nan=False)
        if where == "-":
            print(body)
            quiet = True
            continue
        try:
            Path(where).write_text(body + "\n", encoding="utf-8")
        except OSError as error:
            raise InputError(f"{where} cannot be written: {error.strerror}.") from None
    if not quiet:
        out = console()
        for line in text:
            out.print(line, highlight=False, markup=False, soft_wrap=True)


def report(audit: Audit, output: Output) -> int:
    """Show an audit as its flags say; return the exit code."""
    from hackproof.audit._output import as_json, as_sarif, lines
    from hackproof.audit._page import page
    from hackproof.audit._report import exit_code

    found, checks = audit.sorted_findings(), audit.checks
    show(lines(audit), {
        "json": (output.json, lambda: as_json(audit, output.fail_on)),
        "sarif": (output.sarif, lambda: as_sarif(audit.kind, audit.target, found, checks)),
        "html": (output.html, lambda: page(audit)),
    })  # fmt: skip
    return exit_code(audit.findings, audit.complete, output.fail_on)


def pairs(entries: Sequence[str], flag: str) -> dict[str, str]:
    """Return NAME=VALUE entries as a mapping.

    Raises:
        InputError: an entry without =, or a name twice.
    """
    out: dict[str, str] = {}
    for entry in entries:
        name, equals, value = entry.partition("=")
        if not equals or not name or not value:
            raise InputError(f"{flag} {entry}: write NAME=VALUE.")
        if name in out:
            raise InputError(f"{flag} names {name!r} twice.")
        out[name] = value
    return out
