"""An audit's report as one HTML page."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from hackproof.audit._finding import Finding
from hackproof.audit._output import cell, entry, headline
from hackproof.audit._report import Audit, Table
from hackproof.report._format import escape
from hackproof.report._html import Section, badge, table
from hackproof.report._page import shell

BADGES = {"PROVEN": "hacks", "UNDECIDED": "inconclusive", "ADVISORY": "hacks-late"}
"""Which of the page's badges a status looks like."""
SHOWN = 400
"""Rows of a table on the page."""


def page(audit: Audit) -> str:
    """Return the report as one HTML document that opens from disk, with no network."""
    sections = [_findings(audit), *map(_table, audit.tables), _checks(audit)]
    body = "\n".join(
        f'<section id="{s.id}"><h2>{escape(s.title)}</h2>\n{s.html}\n</section>'
        for s in sections
        if s is not None
    )
    facts = "".join(
        f"<div><dt>{escape(k)}</dt><dd>{escape(cell(v))}</dd></div>"
        for k, v in {
            **audit.facts,
            **{f"not used: {k}": v for k, v in audit.dropped.items()},
        }.items()
    )
    top = (
        f'<header>\n<p class="kicker"><b>hackproof audit {escape(audit.kind)}</b></p>\n'
        f"<h1>{escape(Path(audit.target).name)}</h1>\n"
        f'<p class="lead">{escape(headline(audit).split(": ", 1)[-1])}.</p>\n</header>\n'
        f'<dl class="pairs">{facts}</dl>'
    )
    foot = f"<footer><p>Made by hackproof {metadata.version('hackproof')}.</p></footer>"
    title = escape(f"{audit.kind} audit of {Path(audit.target).name}")
    return shell(title, f"{top}\n<main>\n{body}\n</main>\n{foot}")


def _findings(audit: Audit) -> Section:
    found = audit.sorted_findings()
    html = "\n".join(map(_finding, found)) or "<p>No findings.</p>"
    return Section("findings", "Findings", html)


def _finding(f: Finding) -> str:
    shown = f'<pre class="command">{escape(f.reproducer)}</pre>' if f.reproducer else ""
    pairs = {"What to do": f.fix, "What this cannot see": f.blind_spots, "Source": f.source}
    return (
        f"<article>\n<h3>{badge(f.status, BADGES[f.status])} <code>{escape(f.rule)}</code></h3>\n"
        f'<p>{escape(f.claim)}</p>\n<dl class="pairs">'
        + "".join(f"<div><dt>{k}</dt><dd>{escape(v)}</dd></div>" for k, v in pairs.items())
        + f"</dl>\n{shown}\n</article>"
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
