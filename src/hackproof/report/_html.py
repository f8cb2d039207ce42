"""The pieces of HTML that sections are made of."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hackproof.experiment.statistics import Interval
from hackproof.report import _format as fmt
from hackproof.report._facts import VERDICTS
from hackproof.report._format import escape


@dataclass(frozen=True)
class Section:
    """One part of the page."""

    id: str
    title: str
    html: str
    short: str = ""
    """What the list at the top says, where the title is long."""


def table(head: Sequence[str], rows: Iterable[Sequence[str]], label: str, kind: str = "") -> str:
    """Return a table in a box of its own that scrolls; cells are HTML.

    Args:
        head: Column titles; one that starts with `#` heads a column of numbers.
        rows: Cells; the first of a row names it.
        label: What a screen reader calls the table.
        kind: More CSS classes.
    """
    top = "".join(
        f'<th scope="col"{_num(h.startswith("#"))}>{escape(h.lstrip("#"))}</th>' for h in head
    )
    lines = []
    for row in rows:
        first, *rest = row
        cells = "".join(
            f'<td{_num(h.startswith("#"))} data-label="{escape(h.lstrip("#"))}">{c}</td>'
            for c, h in zip(rest, head[1:], strict=True)
        )
        lines.append(f'<tr><th scope="row">{first}</th>{cells}</tr>')
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(label)}">'
        f'<table class="{kind}"><thead><tr>{top}</tr></thead>\n<tbody>'
        + "\n".join(lines)
        + "</tbody></table></div>"
    )


def _num(numeric: bool) -> str:
    return ' class="num"' if numeric else ""


def verdict_badge(verdict: str) -> str:
    """Return a verdict as a badge: words first, colour second."""
    return badge(VERDICTS[verdict], verdict)


def badge(text: str, kind: str) -> str:
    """Return a badge; its mark is a shape, so that colour is never all there is."""
    mark = '<i aria-hidden="true"></i>'
    return f'<span class="badge {kind.replace(" ", "-")}">{mark}{escape(text)}</span>'


def whisker(low: float, high: float, estimate: float, at: float, reach: tuple[float, float]) -> str:
    """Return an interval as a small picture beside the value it is held against.

    Args:
        low: Lower end; NaN draws the estimate alone.
        high: Upper end.
        estimate: The dot.
        at: Where the reference line stands: zero, or a claim's margin.
        reach: What the picture's left and right edges stand for.
    """
    if not math.isfinite(estimate) or reach[0] == reach[1]:
        return ""

    def x(value: float) -> str:
        share = (value - reach[0]) / (reach[1] - reach[0])
        return f"{4 + 112 * min(max(share, 0), 1):.1f}"

    bar = ""
    if math.isfinite(low) and math.isfinite(high):
        bar = f'<line class="w" x1="{x(low)}" x2="{x(high)}" y1="9" y2="9"/>'
    return (
        '<svg class="whisker" viewBox="0 0 120 18" width="120" height="18" aria-hidden="true">'
        f'<line class="z" x1="{x(at)}" x2="{x(at)}" y1="1" y2="17"/>{bar}'
        f'<circle cx="{x(estimate)}" cy="9" r="3.6"/></svg>'
    )


def reach(intervals: Iterable[Interval], at: float) -> tuple[float, float]:
    """Return the range that holds some intervals and a reference value."""
    values = [at]
    for i in intervals:
        values += [v for v in (i.estimate, i.low, i.high) if math.isfinite(v)]
    pad = (max(values) - min(values)) * 0.04
    return min(values) - pad, max(values) + pad


def change(interval: Interval, unit: str = "1") -> str:
    """Return a change with its interval and unit."""
    return value(interval, unit, signed=True)


def value(interval: Interval, unit: str = "1", *, signed: bool = False) -> str:
    """Return an estimate with its unit, and its interval beside it in lighter type."""
    estimate, _, ends = fmt.interval(*interval[:3], signed=signed).partition(" ")
    written = estimate if estimate == fmt.NONE else estimate + fmt.unit(unit)
    return f"<b>{escape(written)}</b>" + (f' <span class="ci">{ends}</span>' if ends else "")


def swatch(role: str) -> str:
    """Return the line and mark of a role, as the charts draw them."""
    mark = (
        '<circle cx="12" cy="6" r="3.6"/>'
        if role == "proxy"
        else '<path d="M12 1.6 16 6l-4 4.4L8 6z"/>'
    )
    return (
        f'<svg class="swatch {role}" viewBox="0 0 24 12" width="24" height="12" aria-hidden="true">'
        f'<line x1="0" x2="24" y1="6" y2="6"/>{mark}</svg>'
    )
