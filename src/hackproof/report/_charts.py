"""The charts as Vega-Lite: plain dicts, so that the same run gives the same bytes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hackproof.experiment.curves import Curve, by_seed, final

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
MAX_POINTS = 120
"""Pressures per panel; longer courses of training are thinned evenly, ends kept."""
MAX_SEEDS = 30
"""Seeds drawn as thin lines; the interval is over all of them."""
ROLES = ("proxy", "true")


@dataclass(frozen=True)
class Theme:
    """Colours and font of a chart."""

    proxy: str
    true: str
    ink: str
    muted: str
    grid: str
    good: str
    bad: str
    warn: str
    font: str


FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
PAGE = Theme(
    "var(--proxy)", "var(--true)", "var(--ink)", "var(--muted)", "var(--grid)", "var(--good)",
    "var(--bad)", "var(--warn)", font=FONT,
)  # fmt: skip
"""Follows the page: light, dark and print."""
PAPER = Theme(
    "#b84a00", "#0063a6", "#1b1f24", "#5a6270", "#e6e8eb", "#0b6b4f", "#a3123a", "#7a5200",
    font="Helvetica, Arial, sans-serif",
)  # fmt: skip
"""For figures on white."""

Domains = Mapping[tuple[str, str], tuple[float, float]]
"""Range of values by (arm, role)."""


def series(frame: pd.DataFrame, line: Curve, role: str) -> list[dict[str, Any]]:
    """Return the rows behind one role of a panel: per seed (`value`) and over seeds (`mean`)."""
    rows = frame[frame["arm"] == line.arm]
    rows = final(rows) if line.pressure == "level" else rows[rows["level"] == rows["level"].max()]
    table = by_seed(rows, line.pressure, role, line.condition)
    points = thinned(line.points)
    found = []
    for point in points:
        over = getattr(point, role)
        row = {"p": point.pressure, "role": role, "mean": over.estimate, "n": over.n}
        if math.isfinite(over.low):
            row |= {"low": over.low, "high": over.high}
        found.append(row)
    for seed in list(table.columns)[:MAX_SEEDS]:
        values = table[seed].dropna()
        found += [
            {"p": p.pressure, "role": role, "seed": int(seed), "value": float(values[p.pressure])}
            for p in points
            if p.pressure in values.index
        ]
    return found


def thinned(points: Sequence[Any]) -> list[Any]:
    """Return at most MAX_POINTS of the points, evenly, with the first and the last."""
    if len(points) <= MAX_POINTS:
        return list(points)
    step = (len(points) - 1) / (MAX_POINTS - 1)
    return [points[round(i * step)] for i in range(MAX_POINTS)]


def domain(rows: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """Return the range to draw: every seed, and of very wide intervals only the beginning."""
    values = [v for r in rows for v in (r.get("value"), r.get("mean")) if v is not None]
    low, high = min(values), max(values)
    reach = (high - low) * 0.75 or abs(high) * 0.1 or 1.0
    low = max(low - reach, min([low, *(r["low"] for r in rows if "low" in r)]))
    high = min(high + reach, max([high, *(r["high"] for r in rows if "high" in r)]))
    if low == high:
        low, high = low - reach, high + reach
    return low, high


def shared_domains(
    ranges: Domains, metrics: Mapping[tuple[str, str], str]
) -> tuple[Domains, list[str]]:
    """Give panels of one metric one scale, unless that would flatten one of them.

    Args:
        ranges: Range of the values by (arm, role).
        metrics: Name of the metric by (arm, role).

    Returns:
        The ranges to draw, and the metrics that keep a scale per panel.
    """
    found, own = dict(ranges), []
    for name in sorted(set(metrics.values())):
        keys = [k for k in ranges if metrics[k] == name]
        low, high = min(ranges[k][0] for k in keys), max(ranges[k][1] for k in keys)
        if all(ranges[k][1] - ranges[k][0] >= 0.15 * (high - low) for k in keys):
            found |= dict.fromkeys(keys, (low, high))
        else:
            own.append(name)
    return found, own


def panel(
    frame: pd.DataFrame,
    line: Curve,
    *,
    x_title: str,
    log: bool,
    domains: Domains,
    theme: Theme,
    height: int = 250,
) -> dict[str, Any]:
    """Return one arm's panel: proxy on the left scale, true reward on the right one."""
    x = _x(line, x_title, log)
    layers = [
        {
            "data": {"values": series(frame, line, role)},
            "layer": _marks(x, _y(role, domains[line.arm, role], theme), role, theme),
        }
        for role in ROLES
    ]
    layers += _rule(line, x, theme)
    return {"height": height, "layer": layers, "resolve": {"scale": {"y": "independent"}}}


def page_spec(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return a panel as a chart of its own that is as wide as its box."""
    return {
        "$schema": SCHEMA,
        "width": "container",
        "autosize": {"type": "fit", "contains": "padding"},
        **spec,
        "config": config(PAGE),
    }


def config(theme: Theme) -> dict[str, Any]:
    """Return what all charts share."""
    return {
        "background": "transparent",
        "font": theme.font,
        "view": {"stroke": None},
        "aria": False,
        "axis": {
            "labelColor": theme.muted,
            "labelFontSize": 11,
            "titleColor": theme.muted,
            "titleFontSize": 11.5,
            "titleFontWeight": 500,
            "domainColor": theme.grid,
            "tickColor": theme.grid,
            "gridColor": theme.grid,
            "tickSize": 4,
            "labelPadding": 4,
        },
        "title": {"color": theme.ink, "fontSize": 13.5, "fontWeight": 600, "anchor": "start"},
    }


def _x(line: Curve, title: str, log: bool) -> dict[str, Any]:
    """Return the x encoding; few levels are the ticks themselves."""
    at = [p.pressure for p in line.points]
    scale: dict[str, Any] = {"type": "linear", "zero": False, "nice": False, "padding": 10}
    if log and min(at) > 0:
        scale = {"type": "log", "nice": False, "padding": 10}
    elif log and max(at) > 0:
        scale |= {"type": "symlog", "constant": min(a for a in at if a > 0)}
    axis: dict[str, Any] = {"title": title, "grid": False, "labelOverlap": "greedy", "format": "~s"}
    if max(abs(a) for a in at) < 1:
        axis["format"] = ",.6~g"
    if len(at) <= 8 and line.pressure == "level":
        axis["values"] = at
    else:
        axis["tickCount"] = 5
    return {"field": "p", "type": "quantitative", "scale": scale, "axis": axis}


def _y(role: str, limits: tuple[float, float], theme: Theme) -> dict[str, Any]:
    color = getattr(theme, role)
    return {
        "type": "quantitative",
        "scale": {"domain": list(limits), "nice": 5, "zero": False},
        "axis": {
            "title": "proxy reward" if role == "proxy" else "true reward",
            "orient": "left" if role == "proxy" else "right",
            "titleColor": color,
            "labelColor": color,
            "tickCount": 5,
            "format": "~s" if max(map(abs, limits)) >= 1000 else ",.6~g",
            "grid": role == "proxy",
            "domain": False,
            "ticks": False,
            "titlePadding": 6,
        },
    }


def _marks(x: dict, y: dict, role: str, theme: Theme) -> list[dict[str, Any]]:
    """Return band, seeds, mean and points of one role."""
    color = getattr(theme, role)
    dash = {"strokeDash": [1, 0]} if role == "proxy" else {"strokeDash": [6, 3]}
    title = "proxy reward" if role == "proxy" else "true reward"
    label = x["axis"]["title"]
    tooltip = [
        {"field": "p", "type": "quantitative", "title": label, "format": ",.6~g"},
        {"field": "mean", "type": "quantitative", "title": title, "format": ",.4~g"},
        {"field": "low", "type": "quantitative", "title": "95% from", "format": ",.4~g"},
        {"field": "high", "type": "quantitative", "title": "95% to", "format": ",.4~g"},
        {"field": "n", "type": "quantitative", "title": "seeds"},
    ]
    over, seeds = [{"filter": "isValid(datum.mean)"}], [{"filter": "isValid(datum.value)"}]
    banded = [{"filter": "isValid(datum.low)"}]
    return [
        {
            "transform": banded,
            "mark": {"type": "area", "color": color, "opacity": 0.17, "clip": True},
            "encoding": {"x": x, "y": {"field": "low", **y}, "y2": {"field": "high"}},
        },
        {
            "transform": seeds,
            "mark": {"type": "line", "color": color, "strokeWidth": 0.8, "opacity": 0.45} | dash,
            "encoding": {
                "x": x,
                "y": {"field": "value", **y},
                "detail": {"field": "seed", "type": "nominal"},
            },
        },
        {
            "transform": over,
            "mark": {"type": "line", "color": color, "strokeWidth": 2.4} | dash,
            "encoding": {"x": x, "y": {"field": "mean", **y}},
        },
        {
            "transform": over,
            "mark": {
                "type": "point",
                "color": color,
                "filled": True,
                "opacity": 1,
                "size": 46,
                "shape": "circle" if role == "proxy" else "diamond",
            },
            "encoding": {"x": x, "y": {"field": "mean", **y}, "tooltip": tooltip},
        },
    ]


def _rule(line: Curve, x: dict, theme: Theme) -> list[dict[str, Any]]:
    """Return the vertical rule where proxy and true reward part, with its words."""
    if line.parts_at is None:
        # A blank in the words' place: panels side by side keep one height.
        blank = {"type": "text", "text": "\N{NO-BREAK SPACE}", "baseline": "bottom", "dy": -4}
        at = {"values": [{"p": line.points[0].pressure}]}
        return [{"data": at, "mark": blank, "encoding": {"x": x, "y": {"value": 0}}}]
    data = {"values": [{"p": line.parts_at}]}
    place = [p.pressure for p in line.points].index(line.parts_at)
    right = place > (len(line.points) - 1) / 2
    return [
        {
            "data": data,
            "mark": {"type": "rule", "color": theme.ink, "strokeWidth": 1.2, "strokeDash": [2, 3]},
            "encoding": {"x": x},
        },
        {
            "data": data,
            "mark": {
                "type": "text",
                "text": "they part here",
                "align": "right" if right else "left",
                "baseline": "bottom",
                "dx": 0,
                "dy": -4,
                "color": theme.ink,
                "fontSize": 11,
                "fontWeight": 600,
            },
            "encoding": {"x": x, "y": {"value": 0}},
        },
    ]
