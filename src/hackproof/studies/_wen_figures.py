"""Figures of wen-2024."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hackproof.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

WHAT = {"approval": "approved", "correctness": "right", "human_error": "misjudged"}


def three(frame: pd.DataFrame, labels: Mapping[str, str]) -> dict[str, Any]:
    """Draw the shares of answers that are approved, right and misjudged, by step."""
    rows = frame[(frame.condition == "default") & frame.metric.isin(list(WHAT))]
    values = [
        {"step": r["level"], "share": r["value"], "what": WHAT[r["metric"]], "seed": r["seed"],
         "arm": labels[r["arm"]]}
        for r in rows.to_dict("records") if r["arm"] in labels
    ]  # fmt: skip
    if not values:
        raise InputError("no arm of this figure was run.")
    x = {"field": "step", "type": "quantitative", "title": "policy gradient steps"}
    y = {"field": "share", "type": "quantitative", "title": "share of answers",
         "scale": {"domain": [0, 1]}}  # fmt: skip
    color = {"field": "what", "type": "nominal", "title": None, "sort": list(WHAT.values()),
             "legend": {"orient": "top"}}  # fmt: skip
    return {
        "data": {"values": values},
        "facet": {"field": "arm", "title": None, "sort": list(labels.values())},
        "columns": 3,
        "spec": {"width": 220, "height": 150, "layer": [
            {"mark": {"type": "line", "opacity": 0.2, "strokeWidth": 1}, "encoding": {
                "x": x, "y": y, "color": color, "detail": {"field": "seed"}}},
            {"mark": {"type": "line", "strokeWidth": 2.5}, "encoding": {
                "x": x, "y": {**y, "aggregate": "mean"}, "color": color}},
        ]},
    }  # fmt: skip


def looks(frame: pd.DataFrame, labels: Mapping[str, str], times: Sequence[int]) -> dict[str, Any]:
    """Draw, after training, approval by how much time the evaluator has, and what is right."""
    end = frame[frame.level == frame.level.max()]
    values = []
    for arm, label in labels.items():
        rows = end[end.arm == arm]
        right = rows[rows.metric == "correctness"].groupby("seed")["value"].last()
        for time in times:
            said = rows[(rows.metric == "approval") & (rows.condition == f"time-{time}")]
            values += [
                {"arm": label, "time": time, "approved": r["value"], "right": right[r["seed"]],
                 "seed": r["seed"]}
                for r in said.to_dict("records") if r["seed"] in right
            ]  # fmt: skip
    if not values:
        raise InputError("no arm of this figure was run.")
    x = {"field": "time", "type": "ordinal", "title": "units of time to judge",
         "axis": {"labelAngle": 0}}  # fmt: skip
    y = {"type": "quantitative", "title": "share of answers", "scale": {"domain": [0, 1]}}
    return {
        "data": {"values": values},
        "facet": {"field": "arm", "title": None, "sort": list(labels.values())},
        "columns": 3,
        "spec": {"width": 220, "height": 150, "layer": [
            {"mark": {"type": "line", "style": "true", "strokeDash": [5, 4]}, "encoding": {
                "x": x, "y": {**y, "field": "right", "aggregate": "mean"}}},
            {"mark": {"type": "line", "point": True}, "encoding": {
                "x": x, "y": {**y, "field": "approved", "aggregate": "mean"}}},
            {"mark": {"type": "point", "size": 10, "opacity": 0.4}, "encoding": {
                "x": x, "y": {**y, "field": "approved"}}},
        ]},
    }  # fmt: skip
