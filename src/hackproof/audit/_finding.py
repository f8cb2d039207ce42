"""What every audit says."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

UNKNOWN = "not known"
"""Kind or cause that an audit from outside cannot tell."""
STATUSES = ("PROVEN", "UNDECIDED", "ADVISORY")
"""From the surest on."""


@dataclass(frozen=True)
class Finding:
    """A row of `hackproof.record`'s findings table."""

    rule: str
    target: str
    claim: str
    status: str
    """PROVEN: the reproducer was run anew and gave the same. ADVISORY: a statistic, or a
    judgement that is the reader's. UNDECIDED: it did not replay."""
    source: str
    blind_spots: str
    fix: str
    reproducer: str | None = None
    kind: str = UNKNOWN
    cause: str = UNKNOWN

    def row(self) -> dict[str, Any]:
        """Return it as `record.to_table("findings", ...)` takes it."""
        return asdict(self)


@dataclass(frozen=True)
class Check:
    """One check: whether it ran, and what it found."""

    name: str
    ran: bool
    why: str = ""
    """Why it did not run, or ran in part."""
