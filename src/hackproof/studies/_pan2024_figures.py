"""Figures of pan-2024."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hackproof.errors import InputError
from hackproof.experiment.statistics import mean_interval
from hackproof.studies._pan2024_arms import BY_NAME, ENTRIES
from hackproof.studies._pan2024_claims import gap

if TYPE_CHECKING:
    import pandas as pd

SCORES = {"judge": "judge", "gold": "gold"}
COURSES = ("shared", "separate", "small-shared", "other-judge", "careful", "people")


def _points(frame: pd.DataFrame, arm: str, metric: str) -> list[dict[str, Any]]:
    """Return mean and interval over seeds by round."""
    rows = frame[(frame["arm"] == arm) & (frame["metric"] == metric)]
    out = []
    for level, group in rows.groupby("level"):
        i = mean_interval(group["value"].tolist())
        known = i.n > 1
        out.append({"round": float(level), "score": i.estimate,  # pyright: ignore
                    "low": i.low if known else i.estimate,
                    "high": i.high if known else i.estimate, "seeds": i.n})  # fmt: skip
    return out


def courses(frame: pd.DataFrame) -> dict[str, Any]:
    """Draw the judge's and the gold score against rounds, an arm a panel."""
    panels = []
    x = {"field": "round", "type": "quantitative", "title": "round", "axis": {"grid": False}}
    y = {"type": "quantitative", "scale": {"domain": [0, 1]}, "title": None,
         "axis": {"tickCount": 5, "domain": False, "ticks": False}}  # fmt: skip
    color = {"field": "what", "type": "nominal", "title": None, "sort": list(SCORES),
             "legend": {"orient": "top"}}  # fmt: skip
    for arm in COURSES:
        values = [{**p, "what": name} for metric, name in SCORES.items()
                  for p in _points(frame, arm, metric)]  # fmt: skip
        if not values:
            continue
        panels.append({
            "title": {"text": BY_NAME[arm].label, "fontSize": 12, "limit": 230},
            "width": 210, "height": 150, "data": {"values": values},
            "layer": [
                {"mark": {"type": "area", "opacity": 0.2}, "encoding": {
                    "x": x, "y": {"field": "low", **y}, "y2": {"field": "high"}, "color": color}},
                {"mark": {"type": "line", "point": True}, "encoding": {
                    "x": x, "y": {"field": "score", **y}, "color": color,
                    "tooltip": [{"field": f} for f in ("round", "what", "score", "low", "high",
                                                       "seeds")]}},
            ],
        })  # fmt: skip
    if not panels:
        raise InputError("no arm of this figure was run.")
    return {"concat": panels, "columns": 3, "spacing": 30}


def gaps(frame: pd.DataFrame) -> dict[str, Any]:
    """Draw by arm how far the judge's score has risen over the gold score."""
    means, seeds, labels = [], [], []
    for entry in ENTRIES:
        if entry.posts or not (found := gap(entry.name)(frame)):
            continue
        i = mean_interval(list(found.values()))
        labels.append(entry.label)
        means.append({"arm": entry.label, "gap": i.estimate,
                      "low": i.low if i.n > 1 else i.estimate,
                      "high": i.high if i.n > 1 else i.estimate, "seeds": i.n})  # fmt: skip
        seeds += [{"arm": entry.label, "gap": v} for v in found.values()]
    if not means:
        raise InputError("no arm of this figure was run.")
    y = {"field": "arm", "type": "nominal", "title": None, "sort": labels,
         "axis": {"labelLimit": 320, "grid": True, "ticks": False, "domain": False}}  # fmt: skip
    x = {"field": "gap", "type": "quantitative", "title": "judge's change less gold's change"}
    return {
        "width": 440,
        "height": {"step": 24},
        "layer": [
            {"data": {"values": [{"zero": 0}]}, "mark": {"type": "rule", "style": "ink"},
             "encoding": {"x": {"field": "zero", "type": "quantitative"}}},
            {"data": {"values": seeds}, "mark": {"type": "point", "style": "muted", "size": 12},
             "encoding": {"x": x, "y": y}},
            {"data": {"values": means}, "mark": {"type": "rule", "style": "proxy"}, "encoding": {
                "x": {**x, "field": "low"}, "x2": {"field": "high"}, "y": y}},
            {"data": {"values": means}, "mark": {"type": "point", "filled": True, "size": 70,
                                                 "style": "proxy"},
             "encoding": {"x": x, "y": y, "tooltip": [{"field": f} for f in (
                 "arm", "gap", "low", "high", "seeds")]}},
        ],
    }  # fmt: skip


def posts(frame: pd.DataFrame) -> dict[str, Any]:
    """Draw harm against engagement, a line an arm, a dot a round."""
    values = []
    for entry in ENTRIES:
        if not entry.posts:
            continue
        read = _points(frame, entry.name, "strength")
        harm = {p["round"]: p for p in _points(frame, entry.name, "harm")}
        values += [{"arm": entry.label, "round": p["round"], "strength": p["score"],
                    "harm": harm[p["round"]]["score"], "low": harm[p["round"]]["low"],
                    "high": harm[p["round"]]["high"]} for p in read]  # fmt: skip
    if not values:
        raise InputError("no arm of this figure was run.")
    x = {"field": "strength", "type": "quantitative",
         "title": "how much it is read (Bradley-Terry strength over the first post)"}  # fmt: skip
    y = {"type": "quantitative", "title": "share of words that are abuse", "scale": {"zero": True}}
    color = {"field": "arm", "type": "nominal", "title": None,
             "legend": {"orient": "top", "columns": 1, "labelLimit": 400}}  # fmt: skip
    return {
        "height": 280,
        "data": {"values": values},
        "layer": [
            {"mark": {"type": "rule", "opacity": 0.4}, "encoding": {
                "x": x, "y": {"field": "low", **y}, "y2": {"field": "high"}, "color": color}},
            {"mark": {"type": "line", "point": True}, "encoding": {
                "x": x, "y": {"field": "harm", **y}, "color": color, "order": {"field": "round"},
                "tooltip": [{"field": f} for f in ("arm", "round", "strength", "harm")]}},
        ],
    }  # fmt: skip
