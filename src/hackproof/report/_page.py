"""The page of a run: one HTML file that opens from disk, with no network."""

from __future__ import annotations

import functools
import hashlib
import json
from importlib import metadata, resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hackproof.record import Run, files
from hackproof.record.run import pretty
from hackproof.report import _arms, _own, _provenance, _results, _transcripts
from hackproof.report._facts import Facts
from hackproof.report._format import count, escape

if TYPE_CHECKING:
    from hackproof.experiment import Study

POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; "
    "img-src data:; base-uri 'none'; form-action 'none'"
)
"""Nothing is fetched, whatever a run's strings say. Vega compiles expressions: unsafe-eval."""


def render(run: Run, study: Study | None = None) -> str:
    """Return the run's page.

    Args:
        run: Finished, partial or still running; with or without claims.
        study: What draws the study's own figures; the one installed under its name where None.

    Raises:
        IntegrityError: a table of the run is cut short.
    """
    facts = Facts(run)
    charts: dict[str, dict[str, Any]] = {}
    sections = [
        _results.verdicts(facts),
        _arms.arms(facts),
        _results.curves(facts, "level", charts),
        _results.curves(facts, "step", charts),
        _results.beyond(facts),
        _results.claims(facts),
        _own.own(facts, charts, study),
        _transcripts.transcripts(facts),
        _results.reading(facts),
        _results.caveats(facts),
        _provenance.settings(facts),
        _provenance.cost(facts),
        _provenance.provenance(facts),
    ]
    shown = [s for s in sections if s is not None]
    body = "\n".join(
        f'<section id="{s.id}" aria-labelledby="{s.id}-h">\n<h2 id="{s.id}-h">{escape(s.title)}'
        f"</h2>\n{s.html}\n</section>"
        for s in shown
    )
    links = "".join(f'<li><a href="#{s.id}">{escape(s.short or s.title)}</a></li>' for s in shown)
    top = (
        f"{_header(facts)}\n{_results.alerts(facts)}\n"
        f'<nav aria-label="On this page"><ul>{links}</ul></nav>'
    )
    title = escape(facts.study.get("title") or facts.study.get("name") or "A run")
    return shell(title, f"{top}\n<main>\n{body}\n</main>\n{_footer(facts)}", _scripts(charts))


def write(run: Run, study: Study | None = None) -> Path:
    """Write RUN/report.html, note its SHA-256 in run.json, and return its path.

    Args:
        run: The run.
        study: As for `render`.

    Raises:
        RunError: the folder cannot be written.
    """
    page = render(run, study).encode()
    path = run.path / "report.html"
    files.write_file(path, page)
    info = dict(Run.load(run.path).info) | {"report": hashlib.sha256(page).hexdigest()}
    files.write_file(run.path / "run.json", pretty(info))
    return path


def shell(title: str, body: str, scripts: str = "") -> str:
    """Return a whole HTML document.

    Args:
        title: Escaped.
        body: HTML.
        scripts: HTML that comes last.
    """
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        '<meta name="referrer" content="no-referrer">\n'
        '<link rel="icon" href="data:,">\n'
        f"<title>{title}</title>\n<style>\n{asset('_page.css')}</style>\n</head>\n<body>\n"
        f'<div class="page">\n{body}\n</div>\n{scripts}</body>\n</html>\n'
    )


def asset(name: str) -> str:
    """Return a text file of this package."""
    return resources.files("hackproof.report").joinpath(name).read_text(encoding="utf-8")


@functools.cache
def bundle() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script; takes some seconds, once."""
    import vl_convert

    def make() -> str:
        return vl_convert.javascript_bundle("window.vegaEmbed=vegaEmbed;")

    code = files.cached(f"vega-{metadata.version('vl-convert-python')}.js", make)
    if "</script" in code.lower() or "<!--" in code:
        code = code.replace("</script", "<\\/script").replace("<!--", "<\\!--")
    return code


def _scripts(charts: dict[str, dict[str, Any]]) -> str:
    if not charts:
        return ""
    specs = json.dumps(charts, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return (
        f"<script>(()=>{{{bundle()}}})();</script>\n"
        f'<script type="application/json" id="charts">{specs}</script>\n'
        f"<script>\n{asset('_page.js')}</script>\n"
    )


def _header(facts: Facts) -> str:
    """Return title, question, papers and the line that says what kind of run this is."""
    study, info = facts.study, facts.info
    name = str(study.get("name", ""))
    seeds = len({c["seed"] for c in facts.cells})
    kicker = [
        f"<b>{escape(name)}</b>",
        f"{escape(info.get('scale', 'unknown'))} scale",
        count(len(facts.arms), "arm"),
        count(seeds, "seed"),
        escape(info.get("status", "unknown")),
    ]
    papers = [_paper(p) for p in study.get("papers") or []]
    source = f'<p class="papers">{"<br>".join(papers)}</p>' if papers else ""
    cause = study.get("cause")
    why = f" Why it can be hacked: {escape(cause)}." if cause and cause != "none" else ""
    question = escape(study.get("question") or "")
    lead = f'<p class="lead">{question}</p>' if question else ""
    return (
        f'<header>\n<p class="kicker">{" <i>·</i> ".join(kicker)}</p>\n'
        f"<h1>{escape(study.get('title') or name or 'A run')}</h1>\n{lead}\n{source}"
        f"{f'<p class=papers>{why.strip()}</p>' if why else ''}\n</header>"
    )


def _paper(paper: Any) -> str:
    title, url = str(paper.get("title", "")), str(paper.get("url", ""))
    if url.startswith(("https://", "http://")):
        return f'<a href="{escape(url)}" rel="noreferrer">{escape(title or url)}</a>'
    return escape(f"{title} {url}".strip())


def _footer(facts: Facts) -> str:
    version = escape(facts.info.get("hackproof", ""))
    return (
        f"<footer><p>Made by hackproof {version} from the run's own tables. The proxy is the "
        "reward that was optimised; the true reward is what was meant. Intervals are 95% over "
        "independent seeds.</p></footer>"
    )
