"""The runs below a folder: found, summed up, and listed on one page."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from hackproof.errors import HackproofError, InputError
from hackproof.record import Run
from hackproof.report import _format as fmt
from hackproof.report import _html
from hackproof.report._facts import OUTCOMES, VERDICTS, Facts
from hackproof.report._format import escape


@dataclass(frozen=True)
class RunSummary:
    """One run, as the index lists it."""

    path: Path
    """The folder."""
    name: str
    """The folder, from the one that was searched."""
    written: float
    """When its tables were last written, in seconds since 1970."""
    study: str = ""
    title: str = ""
    scale: str = ""
    status: str = ""
    cells: int = 0
    failed: int = 0
    seeds: int = 0
    verdicts: Mapping[str, int] = field(default_factory=dict)
    """How many arms have which verdict."""
    claims: Mapping[str, int] = field(default_factory=dict)
    """How many claims have which outcome."""
    problem: str = ""
    """Why it cannot be read; empty where it can."""

    @property
    def id(self) -> str:
        """Name in the index's addresses: hex only, whatever the folder is called."""
        return identifier(self.name)

    @property
    def date(self) -> str:
        """When it was written, in UTC."""
        return datetime.fromtimestamp(self.written, UTC).strftime("%Y-%m-%d %H:%M")


def index(folder: str | Path) -> list[RunSummary]:
    """Return the runs below a folder, newest first.

    A run that cannot be read is listed with its problem. Folders that are links are not
    followed, and nothing is looked for inside a run.

    Raises:
        InputError: there is no such folder.
    """
    found = [summary(path, name) for name, path in runs(folder).items()]
    return sorted(found, key=lambda s: (-s.written, s.name))


def runs(folder: str | Path) -> dict[str, Path]:
    """Return the folders below a folder that hold a run.json, by name.

    Raises:
        InputError: there is no such folder.
    """
    root = Path(folder)
    if not root.is_dir():
        raise InputError(f"there is no folder {root}.")
    found = {}
    for place, folders, names in os.walk(root):
        if "run.json" in names:
            path = Path(place)
            found[root.resolve().name if path == root else str(path.relative_to(root))] = path
            folders.clear()
        folders[:] = sorted(f for f in folders if not f.startswith("."))
    return found


def identifier(name: str) -> str:
    """Return a run's name in the index's addresses."""
    return hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()[:16]


def summary(path: Path, name: str) -> RunSummary:
    """Sum up one run; whatever is wrong with it is said, never raised."""
    try:
        written = _written(path)
        facts = Facts(Run.load(path))
        return RunSummary(
            path,
            name,
            written,
            study=str(facts.study.get("name", "")),
            title=str(facts.study.get("title", "")),
            scale=str(facts.info.get("scale", "")),
            status=str(facts.info.get("status", "")),
            cells=len(facts.cells),
            failed=len(facts.failed),
            seeds=len({c["seed"] for c in facts.cells}),
            verdicts=Counter(v for v, _ in facts.verdicts.values()),
            claims=Counter(r["outcome"] for r in facts.claims),
        )
    except HackproofError as error:
        problem = str(error)
    except Exception as error:  # a run of any other shape must not take the index down
        problem = f"run.json or a table has another shape: {type(error).__name__}: {error}"
    return RunSummary(path, name, _written(path), problem=problem)


def _written(path: Path) -> float:
    """Return when the tables were written; writing the page does not make a run newer."""
    for name in ("measurements.parquet", "run.json"):
        try:
            return (path / name).stat().st_mtime
        except OSError:
            continue
    return 0.0


def index_page(summaries: Sequence[RunSummary]) -> str:
    """Return the index as HTML."""
    from hackproof.report._page import shell

    head = ("Run", "Written (UTC)", "Scale", "Status", "#Seeds", "Arms", "Claims")
    rows = [_row(s) for s in summaries]
    body = (
        _html.table(head, rows, "Runs", "runs")
        if rows
        else ("<p>There are no runs here yet. <code>hackproof run</code> makes one.</p>")
    )
    return shell(
        "Runs",
        f'<header><p class="kicker"><b>hackproof</b></p><h1>Runs</h1>'
        f'<p class="lead">{fmt.count(len(summaries), "run")}, newest first.</p></header>'
        f"<main><section>{body}</section></main>",
    )


def _row(s: RunSummary) -> tuple[str, ...]:
    if s.problem:
        about = f'{escape(s.name)}<span class="sub">{escape(s.problem)}</span>'
        return (about, s.date, "", _html.badge("cannot be read", "hacks"), "", "", "")
    about = (
        f'<a href="/run/{s.id}/report.html">{escape(s.title or s.study or s.name)}</a>'
        f'<span class="sub">{escape(s.study)} · {escape(s.name)}</span>'
    )
    status = escape(s.status)
    if s.failed:
        status += f'<span class="sub">{s.failed:,} of {fmt.count(s.cells, "cell")} failed</span>'
    arms = [
        _html.badge(f"{n} {VERDICTS[v].lower()}", v) for v in VERDICTS if (n := s.verdicts.get(v))
    ]
    claims = [_html.badge(f"{n} {o}", o) for o in OUTCOMES if (n := s.claims.get(o))]
    return (
        about, s.date, escape(s.scale), status, f"{s.seeds:,}",
        f'<div class="badges">{"".join(arms)}</div>',
        f'<div class="badges">{"".join(claims) or fmt.NONE}</div>',
    )  # fmt: skip
