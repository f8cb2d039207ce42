"""The sections that say what came out: verdicts, curves, other measures, claims."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from hackproof.experiment.curves import Curve
from hackproof.experiment.statistics import Interval
from hackproof.report import _charts, _html
from hackproof.report import _format as fmt
from hackproof.report._facts import OUTCOMES, VERDICTS, Change, Facts
from hackproof.report._format import escape
from hackproof.report._html import Section

MANY = 8
"""Tables of other measures that are shown at once; more are folded away."""


def alerts(facts: Facts) -> str:
    """Return what must be known before anything else is read."""
    boxes = []
    cells, failed = facts.cells, facts.failed
    if failed:
        items = "".join(_failure(c) for c in failed[:20])
        more = f"<li>and {len(failed) - 20} more</li>" if len(failed) > 20 else ""
        boxes.append(
            f'<div class="alert bad"><p><b>{len(failed)} of {fmt.count(len(cells), "cell")} failed.'
            f"</b> What follows is computed without them.</p><ul>{items}{more}</ul></div>"
        )
    status = facts.info.get("status")
    absent = [c for c in cells if c.get("status") not in ("done", "failed")]
    if status == "running":
        boxes.append(
            '<div class="alert"><p><b>This run is not finished.</b> It shows the cells that are '
            "done so far; claims are judged at the end. The same command continues it.</p></div>"
        )
    elif absent:
        boxes.append(
            f'<div class="alert"><p><b>{len(absent)} of {fmt.count(len(cells), "cell")} '
            f"{'has' if len(absent) == 1 else 'have'} not run.</b> The same command continues "
            "the run.</p></div>"
        )
    if facts.info.get("scale") == "smoke":
        boxes.append(
            '<div class="alert"><p><b>Smoke scale.</b> It shows that everything runs; its numbers '
            "assert nothing.</p></div>"
        )
    if warnings := facts.info.get("warnings"):
        items = "".join(f"<li>{escape(w)}</li>" for w in warnings)
        title = fmt.count(len(warnings), "warning")
        boxes.append(f'<div class="alert"><p><b>{title}</b></p><ul>{items}</ul></div>')
    return "\n".join(boxes)


def _failure(cell: Mapping[str, Any]) -> str:
    reason = str(cell.get("reason") or "no reason recorded").strip()
    last = reason.splitlines()[-1] if reason else ""
    more = ""
    if "\n" in reason:
        more = f"<details><summary>Traceback</summary><pre>{escape(reason)}</pre></details>"
    return f"<li><code>{escape(cell['id'])}</code> {escape(last)}{more}</li>"


def verdicts(facts: Facts) -> Section:
    """Return each arm's verdict with the two changes it rests on."""
    rows = [_verdict_row(facts, arm) for arm in facts.arms]
    rule = (
        "An arm <em>hacks</em> when the proxy rises and the true reward falls, both beyond their "
        "95% intervals; it <em>hacks late</em> when they part after a peak of the true reward; it "
        "<em>improves</em> when both rise."
    )
    html = (
        f"<p>{_tally([v for v, _ in facts.verdicts.values()])}, {_span(facts)}{_also(facts)}.</p>\n"
        f'<ul class="verdicts">\n{chr(10).join(rows)}\n</ul>\n<p class="note">{rule}</p>'
    )
    return Section("verdicts", "Does it hack?", html, "Verdicts")


_VERBS = {
    "hacks": ("hacks", "hack"),
    "hacks late": ("hacks late", "hack late"),
    "improves": ("improves", "improve"),
    "inconclusive": ("is inconclusive", "are inconclusive"),
    "one point": ("has one point", "have one point"),
    "no pair": ("is not measured", "are not measured"),
}


def _also(facts: Facts) -> str:
    """Say what the arms do in the course of training, where the verdicts are over levels."""
    if facts.pressure != "level" or not facts.by_step:
        return ""
    text = _tally([line.verdict for line in facts.by_step.values()])
    return f"; {text[0].lower()}{text[1:]} in the course of training"


def _tally(found: Sequence[str]) -> str:
    """Say in one sentence what the arms do."""
    parts = [f"{n} {_VERBS[v][n > 1]}" for v in VERDICTS if (n := found.count(v))]
    if len(found) == 1:
        return f"The one arm {_VERBS[found[0]][0]}"
    joined = ", ".join(parts[:-1]) + (" and " if len(parts) > 1 else "") + "".join(parts[-1:])
    return f"Of {fmt.count(len(found), 'arm')}, {joined}" if found else "Nothing is measured yet"


def _span(facts: Facts) -> str:
    """Say between which pressures the changes are."""
    lines = [line for _, line in facts.verdicts.values() if line]
    ends = {(x.points[0].pressure, x.points[-1].pressure) for x in lines if len(x.points) > 1}
    if not ends:
        return "at a single level"
    label = escape(facts.pressure_label(facts.pressure))
    if len(ends) > 1:
        return f"from the least to the most {label}"
    first, last = min(ends)
    return f"between {label} {fmt.number(first)} and {fmt.number(last)}"


def _verdict_row(facts: Facts, arm: Mapping[str, Any]) -> str:
    verdict, line = facts.verdicts[arm["name"]]
    kind = arm.get("kind", "none")
    under = line.condition if line else "default"
    about = [
        f"Kind: {kind}." if kind != "none" else "",
        f"Followed under {under}." if under != "default" else "",
        str(arm.get("note") or ""),
    ]
    note = f'<p class="note">{escape(" ".join(filter(None, about)))}</p>' if any(about) else ""
    if line is None:
        body = '<p class="changes">It has no proxy and true reward measured side by side.</p>'
    else:
        body = f'<dl class="changes">{_pair(facts, arm, line)}</dl>'
    return (
        f'<li class="{verdict.replace(" ", "-")}"><div class="who">'
        f"<h3>{escape(arm.get('label') or arm['name'])}</h3>{_html.verdict_badge(verdict)}</div>"
        f"{body}{_in_training(facts, arm)}{note}</li>"
    )


def _in_training(facts: Facts, arm: Mapping[str, Any]) -> str:
    """Return the verdict over the course of training, where the one above is over levels."""
    line = facts.by_step.get(arm["name"]) if facts.pressure == "level" else None
    if line is None or len(line.points) < 2:
        return ""
    texts = []
    for role, change in (("proxy", line.proxy_change), ("true", line.true_change)):
        unit = fmt.unit(facts.metric(arm, role)[1])
        texts.append(f"{role} {escape(fmt.interval(*change[:3], signed=True) + unit)}")
    badge = _html.verdict_badge(line.verdict)
    return f'<p class="training">In the course of training: {badge} {", ".join(texts)}</p>'


def _pair(facts: Facts, arm: Mapping[str, Any], line: Curve) -> str:
    """Return both rewards' changes, or their values where there is one point."""
    parts = []
    for role, change in (("proxy", line.proxy_change), ("true", line.true_change)):
        name, unit = facts.metric(arm, role)
        if line.verdict != "one point":
            value = _html.change(change, unit)
        else:
            value = _html.value(getattr(line.points[0], role), unit)
        parts.append(
            f'<div class="{role}"><dt>{_html.swatch(role)} {role}: {escape(name)}</dt>'
            f"<dd>{value}</dd></div>"
        )
    if line.parts_at is not None:
        label = escape(facts.pressure_label(line.pressure, arm))
        parts.append(
            f"<div><dt>they part at</dt><dd><b>{fmt.number(line.parts_at)}</b> "
            f'<span class="ci">{label}</span></dd></div>'
        )
    return "".join(parts)


def curves(facts: Facts, pressure: str, charts: dict[str, dict[str, Any]]) -> Section | None:
    """Return one panel per arm, and put its chart into `charts`; None where there is none."""
    lines = facts.by_level if pressure == "level" else facts.by_step
    if not lines:
        return None
    arms = [a for a in facts.arms if a["name"] in lines]
    specs, own = panels(facts, pressure, [a["name"] for a in arms], _charts.PAGE)
    cards = []
    for arm in arms:
        ident = f"{pressure}-{arm['name']}"
        charts[ident] = _charts.page_spec(specs[arm["name"]])
        cards.append(_card(facts, arm, lines[arm["name"]], ident))
    count = "one" if len(cards) == 1 else "two" if len(cards) in (2, 4) else "many"
    scales = ""
    if own and len(arms) > 1:
        names = ", ".join(f"<code>{escape(n)}</code>" for n in own)
        scales = f" Scales differ between panels for {names}."
    label = escape(facts.pressure_label(pressure))
    after = "the trained policy's" if pressure == "level" else "each checkpoint's"
    top = ""
    if pressure == "step" and len({c["level"] for c in facts.cells}) > 1:
        top = f" At the highest {escape(facts.pressure_label('level'))}."
    html = (
        f'<p class="legend"><span>{_html.swatch("proxy")} proxy, left scale</span>'
        f"<span>{_html.swatch('true')} true reward, right scale</span>"
        "<span>thick: mean of the seeds; thin: one seed; band: 95% interval</span></p>\n"
        f'<p class="note">Each point is {after} mean over seeds against {label}.{top}{scales}</p>\n'
        f'<div class="panels {count}">\n{chr(10).join(cards)}\n</div>\n'
        '<noscript><p class="note">The charts need JavaScript; the table below holds the same '
        "numbers.</p></noscript>\n"
        f"<details><summary>The numbers behind these curves</summary>{_numbers(facts, lines)}"
        "</details>"
    )
    if pressure == "level":
        return Section("curve", "The hacking curve", html)
    return Section("training", "In the course of training", html, "Training")


def panels(
    facts: Facts, pressure: str, arms: list[str], theme: _charts.Theme
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Return the panels of some arms, on scales that can be compared where that is possible."""
    lines = facts.by_level if pressure == "level" else facts.by_step
    described = {a["name"]: a for a in facts.arms}
    keys = [(arm, role) for arm in arms for role in _charts.ROLES]
    ranges = {
        (arm, role): _charts.domain(_charts.series(facts.frame, lines[arm], role))
        for arm, role in keys
    }
    metrics = {(arm, role): facts.metric(described[arm], role)[0] for arm, role in keys}
    domains, own = _charts.shared_domains(ranges, metrics)
    specs = {
        arm: _charts.panel(
            facts.frame,
            lines[arm],
            x_title=facts.pressure_label(pressure, described[arm]),
            log=bool(facts.axis(described[arm]).get("log")) and pressure == "level",
            domains=domains,
            theme=theme,
        )
        for arm in arms
    }
    return specs, own


def _card(facts: Facts, arm: Mapping[str, Any], line: Curve, ident: str) -> str:
    names = {role: facts.metric(arm, role) for role in _charts.ROLES}
    label = str(arm.get("label") or arm["name"])
    parts = ""
    if line.parts_at is not None:
        parts = f" They part at {fmt.number(line.parts_at)}."
    words = (
        f"Line chart of {label} against {facts.pressure_label(line.pressure, arm)}, from "
        f"{fmt.number(line.points[0].pressure)} to {fmt.number(line.points[-1].pressure)}. "
        f"Proxy {names['proxy'][0]} changes by {_plain(line.proxy_change, names['proxy'][1])}; "
        f"true reward {names['true'][0]} by {_plain(line.true_change, names['true'][1])}.{parts}"
    )
    legend = " ".join(
        f'<span class="{role}">{_html.swatch(role)} {escape(name)}{_in(unit)}</span>'
        for role, (name, unit) in names.items()
    )
    return (
        f'<figure class="panel"><figcaption><h3>{escape(label)}</h3>'
        f"{_html.verdict_badge(line.verdict)}<p>{legend}</p></figcaption>"
        f'<div class="chart" data-chart="{escape(ident)}" role="img" aria-label="{escape(words)}">'
        "</div></figure>"
    )


def _in(unit: str) -> str:
    return f" ({escape(unit)})" if unit not in ("", "1") else ""


def _plain(interval: Interval, unit: str) -> str:
    return fmt.interval(*interval[:3], signed=True) + fmt.unit(unit)


def _numbers(facts: Facts, lines: Mapping[str, Curve]) -> str:
    labels = {a["name"]: a.get("label") or a["name"] for a in facts.arms}
    rows = [
        (
            escape(labels[line.arm]),
            fmt.number(p.pressure),
            fmt.interval(*p.proxy[:3]),
            fmt.interval(*p.true[:3]),
            f"{p.true.n:,}",
        )
        for line in lines.values()
        for p in _charts.thinned(line.points)
    ]
    label = facts.pressure_label(next(iter(lines.values())).pressure)
    head = ("Arm", f"#{label}", "#Proxy [95%]", "#True reward [95%]", "#Seeds")
    return _html.table(head, rows, "Numbers behind the curves")


def beyond(facts: Facts) -> Section | None:
    """Return what was measured beside the two rewards, first pressure to last."""
    groups = (
        ("Probes: ground truths that no reward saw", facts.changes("probe")),
        ("Human ratings", facts.changes("human")),
        ("Detectors", facts.changes("detector")),
        ("The proxy under other conditions", facts.changes("proxy", other_conditions=True)),
        ("The true reward under other conditions", facts.changes("true", other_conditions=True)),
    )
    shown = [(title, changes) for title, changes in groups if changes]
    if not shown:
        return None
    html = "\n".join(f"<h3>{title}</h3>\n{_changes(facts, changes)}" for title, changes in shown)
    return Section("probes", "What else changed", html)


def _changes(facts: Facts, changes: list[Change]) -> str:
    """Return one small table per metric and condition."""
    labels = {a["name"]: a.get("label") or a["name"] for a in facts.arms}
    blocks = []
    for (metric, condition), found in groupby(changes, lambda c: (c.metric, c.condition)):
        group = list(found)
        span = _html.reach((c.change for c in group), 0.0)
        rows = [
            (
                escape(labels.get(c.arm, c.arm)),
                fmt.interval(*c.first[:3]),
                fmt.interval(*c.last[:3]),
                fmt.interval(*c.change[:3], signed=True),
                _html.whisker(c.change.low, c.change.high, c.change.estimate, 0.0, span),
            )
            for c in group
        ]
        under = "" if condition == "default" else f" · {escape(condition)}"
        unit = _in(group[0].unit)
        head = ("Arm", "#First", "#Last", "#Change", "95% interval, line at 0")
        name = f"{metric} by arm"
        blocks.append(
            f'<div class="measure"><h4><code>{escape(metric)}</code>{unit}{under}</h4>'
            f"{_html.table(head, rows, name, 'compact')}</div>"
        )
    html = f'<div class="measures">{"".join(blocks)}</div>'
    if len(blocks) <= MANY:
        return html
    # A study that probes much would push its claims and figures off the page.
    title = f"{len(blocks)} measures, first pressure to last"
    return f"<details><summary>{title}</summary>{html}</details>"


def claims(facts: Facts) -> Section:
    """Return the claims with their outcomes, all four given the same weight."""
    rows = facts.claims
    if not rows:
        running = facts.info.get("status") == "running"
        text = "Claims are judged when the run ends." if running else "This run makes no claims."
        return Section("claims", "Claims", f"<p>{text}</p>")
    tiles = "".join(
        f'<li class="{o.replace(" ", "-")}"><b>{sum(r["outcome"] == o for r in rows)}</b>'
        f"{_html.badge(o, o)}</li>"
        for o in OUTCOMES
    )
    head = ("Claim", "Outcome", "#Estimate [95%]", "Claimed", "Against the margin", "#n")
    html = (
        f'<ul class="tiles">{tiles}</ul>\n'
        '<p class="note">Reproduced: the interval over seeds lies wholly beyond the margin. Not '
        "reproduced: wholly short of it. Underpowered: it contains the margin. Not asserted: the "
        "source was not read first-hand, or the scale asserts nothing.</p>\n"
        + _html.table(head, _claim_rows(rows), "Claims and their outcomes", "claims stack")
    )
    return Section("claims", "What the source claims", html, "Claims")


def _claim_rows(rows: Any) -> Iterator[tuple[str, ...]]:
    for r in rows:
        ends = [math.nan if r[k] is None else r[k] for k in ("estimate", "low", "high")]
        values = Interval(ends[0], ends[1], ends[2], r["n"])
        missing = f'<br><span class="sub">{r["n_missing"]} missing</span>' if r["n_missing"] else ""
        note = f'<span class="sub">{escape(r["note"])}</span>' if r["note"] else ""
        about = (
            f'{escape(r["statement"])}<span class="sub">{escape(r["estimand"])}</span>'
            f'<span class="sub">{fmt.linked(r["source"])} ({escape(r["provenance"])})</span>'
        )
        span = _html.reach([values], r["margin"])
        yield (
            about,
            f"{_html.badge(r['outcome'], r['outcome'])}{note}",
            fmt.interval(*values[:3]),
            f"{escape(r['direction'])} {fmt.number(r['margin'])}",
            _html.whisker(values.low, values.high, values.estimate, r["margin"], span),
            f"{r['n']:,}{missing}",
        )


def reading(facts: Facts) -> Section | None:
    """Return what the study says of its own result."""
    paragraphs = facts.study.get("reading") or []
    if not paragraphs:
        return None
    html = "\n".join(
        f"<h3>{escape(title)}</h3>"
        + "".join(f"<p>{fmt.linked(p)}</p>" for p in str(text).split("\n\n"))
        for title, text in paragraphs
    )
    return Section("reading", "What this shows and what it does not", html, "Reading")


def caveats(facts: Facts) -> Section | None:
    """Return what must be kept in mind beside the result."""
    items = [str(c) for c in facts.study.get("caveats") or []]
    if not items:
        return None
    return Section(
        "caveats", "Caveats", "<ul>" + "".join(f"<li>{fmt.linked(c)}</li>" for c in items) + "</ul>"
    )
