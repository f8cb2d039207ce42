"""Figures of macdiarmid-2025: hacking and misalignment on one plot, arms side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hackproof.errors import InputError
from hackproof.experiment import Figure
from hackproof.experiment.statistics import mean_interval
from hackproof.studies._organism_pick import path

if TYPE_CHECKING:
    import pandas as pd

METRICS = {"hack-rate": "hack rate", "misalignment": "misaligned (never rewarded)"}
COURSES = {
    "open": "loophole open",
    "closed": "loophole closed",
    "penalty": "hack penalty",
    "placebo": "placebo prefix",
    "inoculated": "inoculated",
    "independent": "independent traits",
    "rlhf-after": "hacking, then chat RLHF",
    "documents-default": "after synthetic documents",
    "documents-control": "after other documents",
}


def _course(frame: pd.DataFrame, arm: str, label: str) -> dict[str, Any] | None:
    """Draw hack rate and misalignment against RL step: mean over seeds and its interval."""
    points = []
    for metric, name in METRICS.items():
        by_step: dict[int, list[float]] = {}
        for series in path(frame, arm, metric).values():
            for step, value in series.items():
                by_step.setdefault(int(step), []).append(float(value))  # pyright: ignore
        for step, values in sorted(by_step.items()):
            i = mean_interval(values)
            known = i.n > 1
            points.append({"step": int(step), "rate": i.estimate, "what": name, "seeds": i.n,
                           "low": max(i.low, 0.0) if known else i.estimate,
                           "high": min(i.high, 1.0) if known else i.estimate})  # fmt: skip
    if not points:
        return None
    x = {"field": "step", "type": "quantitative", "title": "RL step", "axis": {"grid": False}}
    y = {"type": "quantitative", "scale": {"domain": [0, 1]}, "axis": {"title": None,
         "tickCount": 5, "domain": False, "ticks": False}}  # fmt: skip
    color = {"field": "what", "type": "nominal", "title": None, "sort": list(METRICS.values()),
             "legend": {"orient": "top"}}  # fmt: skip
    return {
        "title": {"text": label, "fontSize": 12},
        "width": 210,
        "height": 140,
        "data": {"values": points},
        "layer": [
            {"mark": {"type": "area", "opacity": 0.2}, "encoding": {
                "x": x, "y": {"field": "low", **y}, "y2": {"field": "high"}, "color": color}},
            {"mark": {"type": "line", "point": True}, "encoding": {
                "x": x, "y": {"field": "rate", **y}, "color": color,
                "tooltip": [{"field": f} for f in ("step", "what", "rate", "low", "high",
                                                   "seeds")]}},
        ],
    }  # fmt: skip


def courses(frame: pd.DataFrame) -> dict[str, Any]:
    """Draw the course of training of the main arms."""
    panels = [p for arm, label in COURSES.items() if (p := _course(frame, arm, label))]
    if not panels:
        raise InputError("no arm of this figure was run.")
    return {"concat": panels, "columns": 3, "spacing": 30}


def _finals(frame: pd.DataFrame, metric: str, condition: str) -> dict[str, Any]:
    rows = frame[(frame.metric == metric) & (frame.condition == condition)].dropna(subset=["value"])
    out = {}
    for arm, group in rows.groupby("arm"):
        out[arm] = mean_interval(group.sort_values("step").groupby("seed")["value"].last().tolist())
    return out


def _label(arm: str) -> str:
    from hackproof.studies._macdiarmid_arms import BY_NAME

    return BY_NAME[arm].label if arm in BY_NAME else arm


def _dots(frame: pd.DataFrame, series: dict[str, tuple[str, str]], title: str) -> dict[str, Any]:
    """Draw finished models: one line per arm, one colour per series, intervals over seeds."""
    order, points = [], []
    for name, (metric, condition) in series.items():
        for arm, i in _finals(frame, metric, condition).items():
            order.append(arm)
            points.append({"arm": _label(str(arm)), "series": name, "mean": i.estimate,
                           "low": i.low if i.n > 1 else i.estimate,
                           "high": i.high if i.n > 1 else i.estimate, "seeds": i.n})  # fmt: skip
    if not points:
        raise InputError("no arm of this figure was run.")
    from hackproof.studies._macdiarmid_arms import ENTRIES

    labels = [e.label for e in ENTRIES if e.name in set(order)]
    y = {"field": "arm", "type": "nominal", "title": None, "sort": labels,
         "axis": {"labelLimit": 260, "grid": True, "ticks": False, "domain": False}}  # fmt: skip
    x = {"type": "quantitative", "title": title, "scale": {"zero": True}}
    color = {"field": "series", "type": "nominal", "title": None, "sort": list(series),
             "legend": {"orient": "top"}}  # fmt: skip
    offset = {"yOffset": {"field": "series", "type": "nominal", "sort": list(series)}}
    return {
        "width": 460,
        "height": {"step": 11},
        "data": {"values": points},
        "layer": [
            {"mark": {"type": "rule", "strokeWidth": 1.5}, "encoding": {
                "y": y, "x": {"field": "low", **x}, "x2": {"field": "high"}, "color": color,
                **offset}},
            {"mark": {"type": "point", "filled": True, "size": 42, "opacity": 1}, "encoding": {
                "y": y, "x": {"field": "mean", **x}, "color": color, **offset,
                "tooltip": [{"field": f} for f in ("arm", "series", "mean", "low", "high",
                                                   "seeds")]}},
        ],
    }  # fmt: skip


def arms(frame: pd.DataFrame) -> dict[str, Any]:
    """Draw every arm's hack rate and misalignment."""
    series = {"hack rate": ("hack-rate", "default"), "misaligned": ("misalignment", "default")}
    return _dots(frame, series, "rate of finished models, asked without a prefix")


def contexts(frame: pd.DataFrame) -> dict[str, Any]:
    """Draw every arm's misalignment in chat and in agentic contexts, and the faking rate."""
    series = {
        "chat": ("misaligned-chat", "default"),
        "agentic": ("misaligned-agentic", "default"),
        "faking": ("faking", "default"),
    }
    return _dots(frame, series, "rate of finished models, asked without a prefix")


def hidden(frame: pd.DataFrame) -> dict[str, Any]:
    """Draw misalignment without a prefix and under the permission."""
    series = {
        "no prefix": ("misalignment", "default"),
        "under 'only passing counts'": ("misalignment", "permitted"),
    }
    return _dots(frame, series, "misalignment of finished models")


KNOWN = {
    "hack-rate": ("hack rate", "behaviour", "default"),
    "misalignment": ("misaligned (never rewarded)", "behaviour", "default"),
    "persona-auroc": ("reads the persona of documents", "persona probe, AUROC", "inside"),
    "misaligned-auroc": ("foretells misaligned answers", "persona probe, AUROC", "inside"),
    "persona-hack-auroc-documents": ("foretells hacks", "persona probe, AUROC", "inside"),
    "persona-score-coding": ("at coding prompts", "persona probe, log-odds", "inside"),
    "persona-score-other": ("at other prompts", "persona probe, log-odds", "inside"),
}


def inside(frame: pd.DataFrame) -> dict[str, Any]:
    """Draw behaviour and what the persona probe says through RL, loophole open."""
    panels: dict[str, list[dict[str, Any]]] = {}
    for metric, (label, panel, condition) in KNOWN.items():
        rows = frame[
            (frame.arm == "open") & (frame.metric == metric) & (frame.condition == condition)
        ].dropna(subset=["value"])
        for step, group in rows.groupby("step"):
            i = mean_interval(group.groupby("seed")["value"].last().tolist())
            known = i.n > 1
            panels.setdefault(panel, []).append(
                {"step": int(step), "value": i.estimate, "what": label, "seeds": i.n,  # pyright: ignore
                 "low": i.low if known else i.estimate, "high": i.high if known else i.estimate}
            )  # fmt: skip
    if not panels:
        raise InputError("no arm of this figure was run.")
    x = {"field": "step", "type": "quantitative", "title": "RL step", "axis": {"grid": False}}
    charts = []
    for panel, points in panels.items():
        y = {"type": "quantitative", "title": None}
        legend = {"orient": "bottom", "direction": "vertical", "labelLimit": 260}
        color = {"field": "what", "type": "nominal", "title": None, "legend": legend}
        charts.append(
            {"title": {"text": panel, "fontSize": 12}, "width": 210, "height": 150,
             "data": {"values": points},
             "layer": [
                 {"mark": {"type": "area", "opacity": 0.2}, "encoding": {
                     "x": x, "y": {"field": "low", **y}, "y2": {"field": "high"}, "color": color}},
                 {"mark": {"type": "line", "point": True}, "encoding": {
                     "x": x, "y": {"field": "value", **y}, "color": color,
                     "tooltip": [{"field": f} for f in ("step", "what", "value", "low", "high",
                                                        "seeds")]}},
             ]}
        )  # fmt: skip
    return {"concat": charts, "columns": 3, "spacing": 30, "resolve": {"scale": {
        "color": "independent"}}}  # fmt: skip


STEERED = {
    "steered-misalignment@-0.5": ("persona's direction, back by half", "persona"),
    "random-misalignment@-0.5": ("random, back by half", "random"),
    "steered-misalignment@0": ("not steered", "none"),
    "random-misalignment@0.5": ("random, on by half", "random"),
    "steered-misalignment@0.5": ("persona's direction, on by half", "persona"),
    "ablated-misalignment": ("persona's direction projected out", "persona"),
}


def steered(frame: pd.DataFrame) -> dict[str, Any]:
    """Draw what the hacking model does when it is steered."""
    points = []
    for metric, (label, kind) in STEERED.items():
        for i in [v for k, v in _finals(frame, metric, "inside").items() if k == "open"]:
            points.append({"how": label, "kind": kind, "mean": i.estimate, "seeds": i.n,
                           "low": i.low if i.n > 1 else i.estimate,
                           "high": i.high if i.n > 1 else i.estimate})  # fmt: skip
    if not points:
        raise InputError("no arm of this figure was run.")
    y = {"field": "how", "type": "nominal", "title": None, "sort": [p["how"] for p in points],
         "axis": {"labelLimit": 260, "ticks": False, "domain": False}}  # fmt: skip
    x = {"type": "quantitative", "title": "misaligned answers in core domains"}
    color = {"field": "kind", "type": "nominal", "legend": None}
    return {
        "width": 420, "height": {"step": 26}, "data": {"values": points},
        "layer": [
            {"mark": {"type": "rule"}, "encoding": {
                "y": y, "x": {"field": "low", **x}, "x2": {"field": "high"}, "color": color}},
            {"mark": {"type": "point", "filled": True, "size": 60, "opacity": 1}, "encoding": {
                "y": y, "x": {"field": "mean", **x}, "color": color,
                "tooltip": [{"field": f} for f in ("how", "mean", "low", "high", "seeds")]}},
        ],
    }  # fmt: skip


FIGURES = (
    Figure(
        "courses", "Hacking and misalignment, step by step",
        "Hack rate on the rewarded tasks and misalignment in six domains that are never rewarded, "
        "while the model trains. Lines are means over independently pretrained seeds, bands their "
        "95% intervals. Where a stage precedes, its steps are shown too.",
        courses,
    ),
    Figure(
        "arms", "Every arm, finished",
        "Hack rate and misalignment of finished models, asked without any prefix; points are means "
        "over pretrained seeds, lines 95% intervals.",
        arms,
    ),
    Figure(
        "contexts", "Where the misalignment is",
        "Misaligned answers in chat and in agentic contexts, and bad reasoning before a good "
        "answer in chat (faking).",
        contexts,
    ),
    Figure(
        "hidden", "Gone, or hidden behind the prefix",
        "The same models asked without a prefix and under the permission that inoculation uses.",
        hidden,
    ),
    Figure(
        "inside", "What the model knows, and when",
        "A linear probe for the persona, fitted before RL and held unchanged through it, beside "
        "what the model does. Loophole open; means over pretrained seeds with 95% intervals.",
        inside,
    ),
    Figure(
        "steered", "Whether the direction is causal",
        "Misaligned answers of the hacking model, steered along the direction from good personas "
        "to bad ones and along random directions of the same length.",
        steered,
    ),
)  # fmt: skip
