"""An audit's report as text, JSON and SARIF."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any
from urllib.parse import quote

from hackproof.audit._finding import STATUSES, Check, Finding
from hackproof.audit._report import Audit, Table, exit_code, finite

SHOWN = 24
"""Rows of a table that the text shows."""
LEVELS = {"PROVEN": "error", "UNDECIDED": "note", "ADVISORY": "warning"}
SARIF = "https://json.schemastore.org/sarif-2.1.0.json"


def headline(audit: Audit) -> str:
    """Return what was found, in one line."""
    total = {s: sum(f.status == s for f in audit.findings) for s in STATUSES}
    words = ", ".join(f"{n} {s}" for s, n in total.items() if n) or "no findings"
    missing = [c for c in audit.checks if not c.ran]
    head = f"{audit.target}: {words}"
    return head + (f"; {len(missing)} of {len(audit.checks)} checks did not run" if missing else "")


def lines(audit: Audit) -> list[str]:
    """Return the report for people: findings first, then tables, then what was not run."""
    out = [headline(audit), *(f"{k}: {cell(v)}" for k, v in audit.facts.items())]
    if audit.dropped:
        out.append("not used: " + "; ".join(f"{n:,} {why}" for why, n in audit.dropped.items()))
    out += finding_lines(audit.sorted_findings())
    for table in audit.tables:
        if table.rows:
            out += ["", *_table(table)]
    return [*out, "", *check_lines(audit.checks)]


def finding_lines(findings: Sequence[Finding]) -> list[str]:
    """Return findings for people; what several share is said once, after the last of them."""
    out = []
    for i, f in enumerate(findings):
        out += ["", f"{f.status} {f.rule}: {f.claim}"]
        if f.reproducer:
            out += ["  reproduce:", *(f"    {line}" for line in f.reproducer.splitlines())]
        if i + 1 == len(findings) or advice(findings[i + 1]) != advice(f):
            out += [f"  fix: {f.fix}", f"  cannot see: {f.blind_spots}", f"  source: {f.source}"]
    return out


def advice(f: Finding) -> tuple[str, str, str, str]:
    """Return what a finding shares with others of its kind."""
    return f.rule, f.fix, f.blind_spots, f.source


def check_lines(checks: tuple[Check, ...]) -> list[str]:
    """Return which checks ran."""
    out = ["checks:"]
    for c in checks:
        state = "ran" if c.ran else "DID NOT RUN"
        out.append(f"  {c.name}: {state}{f' ({c.why})' if c.why else ''}")
    return out


def _table(table: Table) -> list[str]:
    names = table.shown
    rows = [[entry(row, n) for n in names] for row in table.rows[:SHOWN]]
    heads = [n.replace("_", " ") for n in names]
    widths = [max(len(r[i]) for r in [heads, *rows]) for i in range(len(names))]
    numeric = [_numeric(table, n) for n in names]

    def line(cells: list[str]) -> str:
        padded = [
            c.rjust(w) if number else c.ljust(w)
            for c, w, number in zip(cells, widths, numeric, strict=True)
        ]
        return "  " + "  ".join(padded).rstrip()

    out = [f"{table.title}:", line(heads), *(line(r) for r in rows)]
    if (more := len(table.rows) - SHOWN) > 0:
        out.append(f"  and {more} more rows: --json FILE has them all")
    return out + ([f"  {table.note}"] if table.note else [])


def _numeric(table: Table, name: str) -> bool:
    values = [r.get(name) for r in table.rows]
    return all(v is None or isinstance(v, int | float) for v in values)


def entry(row: Mapping[str, Any], name: str) -> str:
    """Return an entry as people read it: with its interval, where the row has one."""
    value, low, high = row.get(name), row.get(f"{name}_low"), row.get(f"{name}_high")
    if value is None or low is None or high is None:
        return cell(value)
    return f"{value:.2f} [{low:.2f}, {high:.2f}]"


def cell(value: Any) -> str:
    """Return a value as people read it."""
    if value is None or value != value:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 0.01 or abs(value) >= 1000 else f"{value:.3f}"
    return str(value)


def as_json(audit: Audit, fail_on: str) -> dict[str, Any]:
    """Return the report as JSON values; tables under their names."""
    return finite({
        "audit": audit.kind,
        "target": audit.target,
        "hackproof": metadata.version("hackproof"),
        "complete": audit.complete,
        "exit_code": exit_code(audit.findings, audit.complete, fail_on),
        "facts": dict(audit.facts),
        "dropped": dict(audit.dropped),
        "checks": [vars(c) for c in audit.checks],
        "findings": [f.row() for f in audit.sorted_findings()],
        **{t.name: [dict(r) for r in t.rows] for t in audit.tables},
        **audit.values,
    })  # fmt: skip


def as_sarif(kind: str, target: str, findings: list[Finding], checks: tuple[Check, ...]) -> Any:
    """Return findings as a SARIF 2.1.0 log, which code hosts show beside a change.

    A check that did not run is a notification, and the run is then not a successful one.
    """
    rules = {f.rule: f for f in findings}
    where = {"physicalLocation": {"artifactLocation": {"uri": quote(target, safe="/:")}}}
    return {
        "$schema": SARIF,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "hackproof",
                "version": metadata.version("hackproof"),
                "rules": [
                    {
                        "id": rule,
                        "shortDescription": {"text": rule.replace("-", " ")},
                        "help": {"text": f"{f.fix} Cannot see: {f.blind_spots}"},
                        "properties": {"source": f.source},
                    }
                    for rule, f in rules.items()
                ],
            }},
            "invocations": [{
                "executionSuccessful": all(c.ran for c in checks),
                "toolExecutionNotifications": [
                    {"level": "warning", "message": {"text": f"{c.name} did not run: {c.why}"}}
                    for c in checks if not c.ran
                ],
            }],
            "results": [
                {
                    "ruleId": f.rule,
                    "ruleIndex": list(rules).index(f.rule),
                    "level": LEVELS[f.status],
                    "message": {"text": f.claim},
                    "locations": [where],
                    "properties": {"status": f.status, "audit": kind, "fix": f.fix,
                                   "reproducer": f.reproducer},
                }
                for f in findings
            ],
        }],
    }  # fmt: skip
