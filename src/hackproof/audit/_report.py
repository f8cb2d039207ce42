"""What every audit of an evaluator returns: findings, checks, tables, and what was not used."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hackproof.audit._finding import STATUSES, Check, Finding


@dataclass(frozen=True)
class Table:
    """Numbers of one kind; rows are mappings with the same keys."""

    name: str
    """Its key in JSON."""
    title: str
    rows: tuple[Mapping[str, Any], ...]
    note: str = ""
    columns: tuple[str, ...] = ()
    """Which columns people are shown, in order; all where empty. JSON has all."""

    @property
    def shown(self) -> tuple[str, ...]:
        """Return the columns that people are shown; a number's interval is shown beside it."""
        if self.columns or not self.rows:
            return self.columns
        ends = {f"{n}_{end}" for n in self.rows[0] for end in ("low", "high")}
        return tuple(n for n in self.rows[0] if n not in ends)


@dataclass(frozen=True)
class Audit:
    """One audit's report, in the form that text, JSON, SARIF and the page are made from."""

    kind: str
    """judge, preferences, reward-model, gap or loop."""
    target: str
    """A file, or what was asked."""
    facts: Mapping[str, Any]
    """Counts and settings, one line each."""
    tables: tuple[Table, ...]
    findings: tuple[Finding, ...]
    checks: tuple[Check, ...]
    dropped: Mapping[str, int] = field(default_factory=dict)
    """Rows that were read and not used, by reason."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """More keys of the JSON."""

    @property
    def complete(self) -> bool:
        """Whether every check that was asked for ran."""
        return all(c.ran for c in self.checks)

    def table(self, name: str) -> Table:
        """Return a table by name."""
        return next(t for t in self.tables if t.name == name)

    def sorted_findings(self) -> list[Finding]:
        """Return the findings, the surest first, those of a rule together."""
        rules = list(dict.fromkeys(f.rule for f in self.findings))
        return sorted(self.findings, key=lambda f: (STATUSES.index(f.status), rules.index(f.rule)))


def exit_code(findings: Sequence[Finding], complete: bool, fail_on: str) -> int:
    """Return 1 where a finding is at least as sure as `fail_on`, 2 where a check did not run.

    Args:
        findings: What was found.
        complete: Whether every check that was asked for ran.
        fail_on: proven, undecided (proven too), advisory (every finding) or never.
    """
    counted = {"proven": STATUSES[:1], "undecided": STATUSES[:2], "advisory": STATUSES, "never": ()}
    if any(f.status in counted[fail_on] for f in findings):
        return 1
    return 0 if complete else 2


def finite(value: Any) -> Any:
    """Return JSON values; numbers that are not finite are null."""
    if isinstance(value, Mapping):
        return {str(k): finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [finite(v) for v in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
