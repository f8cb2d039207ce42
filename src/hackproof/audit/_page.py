"""An audit's report as one HTML page."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from itertools import groupby
from pathlib import Path
from typing import Any

from hackproof.audit._finding import Finding
from hackproof.audit._output import advice, cell, entry, headline
from hackproof.audit._report import Audit, Table
from hackproof.report._format import escape
from hackproof.report._html import Section, badge, table
from hackproof.report._page import shell

BADGES = {"PROVEN": "hacks", "UNDECIDED": "inconclusive", "ADVISORY": "hacks-late"}
"""Which of the page's badges a status looks like."""
SHOWN = 400
"""Rows of a table on the page."""


STYLE = """<style>
.facts { margin-top: 14px; font-size: .9375rem; }
.facts div { display: grid; grid-template-columns: 12em 1fr; gap: 0 20px; padding: 3px 0; }
.facts dt { color: var(--muted); }
.rule { border-top: 1px solid var(--line); padding: 18px 0 6px; }
.rule ul { list-style: none; padding: 0; margin: 12px 0; }
.rule li { display: grid; grid-template-columns: 8.5em 1fr; gap: 6px 14px; padding: 7px 0; }
.rule li > div { min-width: 0; }
.rule summary { color: var(--link); cursor: pointer; font-size: .875rem; width: fit-content; }
.rule pre { margin-top: 6px; }
@media (max-width: 640px) {
  .rule li, .facts div { grid-template-columns: 1fr; }
}
</style>
"""


def page(audit: Audit) -> str:
    """Return the report as one HTML document that opens from disk, with no network."""
    sections = [_findings(audit), *map(_table, audit.tables), _checks(audit)]
    shown = [s for s in sections if s is not None]
    body = "\n".join(
        f'<section id="{s.id}"><h2>{escape(s.title)}</h2>\n{s.html}\n</section>' for s in shown
    )
    links = "".join(f'<li><a href="#{s.id}">{escape(s.title)}</a></li>' for s in shown)
    lost = {f"not used: {k}": v for k, v in audit.dropped.items()}
    name = Path(audit.target).name
    top = (
        f'{STYLE}<header>\n<p class="kicker"><b>hackproof audit {escape(audit.kind)}</b></p>\n'
        f"<h1>{escape(name)}</h1>\n"
        f'<p class="lead">{escape(headline(audit).removeprefix(audit.target + ": "))}.</p>\n'
        f"{_pairs({**audit.facts, **lost})}\n</header>\n"
        f'<nav aria-label="On this page"><ul>{links}</ul></nav>'
    )
    foot = f"<footer><p>Made by hackproof {metadata.version('hackproof')}.</p></footer>"
    return shell(escape(f"{audit.kind} audit of {name}"), f"{top}\n<main>\n{body}\n</main>\n{foot}")


def _pairs(values: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<div><dt>{escape(k)}</dt><dd>{escape(cell(v))}</dd></div>" for k, v in values.items()
    )
    return f'<dl class="facts">{rows}</dl>'


def _findings(audit: Audit) -> Section:
    found = audit.sorted_findings()
    groups = [list(g) for _, g in groupby(found, key=advice)]
    return Section("findings", "Findings", "\n".join(map(_rule, groups)) or "<p>None.</p>")


def _rule(found: list[Finding]) -> str:
    """Return the findings of one rule: each claim, then once what they share."""
    f = found[0]
    claims = "".join(
        f"<li><div>{badge(x.status, BADGES[x.status])}</div><div><p>{escape(x.claim)}</p>"
        + (
            f"<details><summary>See it for yourself</summary>"
            f'<pre class="command">{escape(x.reproducer)}</pre></details>'
            if x.reproducer
            else ""
        )
        + "</div></li>"
        for x in found
    )
    shared = {"What to do": f.fix, "What this cannot see": f.blind_spots, "Source": f.source}
    return (
        f'<article class="rule">\n<h3><code>{escape(f.rule)}</code></h3>\n<ul>{claims}</ul>\n'
        f"{_pairs(shared)}\n</article>"
    )


def _table(t: Table) -> Section | None:
    if not t.rows:
        return None
    heads = []
    for name in t.shown:
        number = all(isinstance(r.get(name), int | float | None) for r in t.rows)
        heads.append(("#" if number else "") + name.replace("_", " "))
    rows = [[escape(entry(r, n)) for n in t.shown] for r in t.rows[:SHOWN]]
    more = len(t.rows) - SHOWN
    note = t.note + (f" {more} more rows are in the JSON." if more > 0 else "")
    below = f'\n<p class="note">{escape(note.strip())}</p>' if note.strip() else ""
    return Section(t.name, t.title, table(heads, rows, t.title) + below)


def _checks(audit: Audit) -> Section:
    rows = [
        [escape(c.name), "ran" if c.ran else "<b>did not run</b>", escape(c.why)]
        for c in audit.checks
    ]
    return Section("checks", "Checks", table(["check", "state", "note"], rows, "Checks"))
