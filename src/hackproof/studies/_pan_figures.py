"""Figures of the studies of Pan et al.: the map, the share of seeds that hack, correlations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hackproof.errors import InputError
from hackproof.experiment.curves import final
from hackproof.experiment.statistics import mean_interval, share_interval
from hackproof.experiment.transitions import transition

if TYPE_CHECKING:
    import pandas as pd

Labels = Mapping[str, str]
CONDITIONS = ("random", "early", "late")


def shares(
    frame: pd.DataFrame,
    labels: Labels,
    axes: Mapping[str, str],
    metric: str = "hacks",
    above: float = 0.5,
) -> dict[str, Any]:
    """Draw the share of seeds whose `metric` is above a threshold, against the level.

    Args:
        frame: The run's measurements.
        labels: Label by arm, in order; arms that were not run are left out.
        axes: What is written beside the axis of an arm.
        metric: A probe.
        above: The threshold.
    """
    panels = []
    for arm, label in labels.items():
        table = outcomes(frame, arm, metric, above)
        if table is None:
            continue
        points = []
        for level, row in table.iterrows():
            known = row.dropna()
            share = share_interval(int(known.sum()), len(known))
            points.append({"level": _name(level), "share": share.estimate, "low": share.low,
                           "high": share.high, "seeds": share.n})  # fmt: skip
        panels.append(_share_panel(points, label, axes[arm], _change(table)))
    if not panels:
        raise InputError("no arm of this figure was run.")
    return {"concat": panels, "columns": 3, "spacing": 34}


def outcomes(frame: pd.DataFrame, arm: str, metric: str, above: float) -> pd.DataFrame | None:
    """Return 0 or 1 by level (rows, rising) and seed (columns), or None where there is nothing."""
    rows: Any = final(frame[frame["arm"] == arm])
    rows = rows[(rows["metric"] == metric) & rows["value"].notna()]
    if rows.empty:
        return None
    table = rows.pivot_table("value", "level", "seed").sort_index()
    return (table > above).astype(float).where(table.notna())


def _change(table: pd.DataFrame) -> str:
    """Say where the share changes."""
    if len(table) < 2 or table.stack().nunique() < 2:  # pyright: ignore
        return "the same at every level"
    found = transition([float(x) for x in table.index], table.to_numpy())
    if found.p_value > 0.05:
        return f"no change point (p = {found.p_value:.2g})"
    return (
        f"changes after {_name(found.after)} [{_name(found.low)}, {_name(found.high)}], "
        f"p = {found.p_value:.2g}"
    )


def _share_panel(points: list[dict[str, Any]], label: str, axis: str, said: str) -> dict[str, Any]:
    order = [p["level"] for p in points]
    x = {"field": "level", "type": "ordinal", "sort": order, "title": axis,
         "axis": {"labelAngle": 0, "grid": False}}  # fmt: skip
    y: dict[str, Any] = {
        "type": "quantitative",
        "scale": {"domain": [0, 1]},
        "axis": {"title": "share of seeds", "tickCount": 5, "domain": False, "ticks": False},
    }
    tooltip = [{"field": f} for f in ("level", "share", "low", "high", "seeds")]
    return {
        "title": {"text": label, "subtitle": said, "fontSize": 12},
        "width": 210,
        "height": 130,
        "data": {"values": points},
        "layer": [
            {
                "mark": {"type": "rule", "style": "true"},
                "encoding": {"x": x, "y": y | {"field": "low"}, "y2": {"field": "high"}},
            },
            {
                "mark": {"type": "line", "style": "true"},
                "encoding": {"x": x, "y": y | {"field": "share"}},
            },
            {
                "mark": {"type": "point", "style": "true", "filled": True, "size": 50},
                "encoding": {"x": x, "y": y | {"field": "share"}, "tooltip": tooltip},
            },
        ],
    }


def correlation(frame: pd.DataFrame, labels: Labels) -> dict[str, Any]:
    """Draw proxy-true correlation per step under random, early and late policies.

    Beside it, what it is asked to predict: whether the trained policy hacks.
    """
    rows: Any = frame[(frame["metric"] == "correlation") & frame["value"].notna()]
    last = final(frame)
    hacked = set(last[(last["metric"] == "hacks") & (last["value"] == 1)]["cell"])
    values = []
    for arm, label in labels.items():
        for condition in CONDITIONS:
            here = rows[(rows["arm"] == arm) & (rows["condition"] == condition)]
            for ends, group in (("hacks", True), ("does not", False)):
                chosen = here[here["cell"].isin(hacked) == group]["value"].tolist()
                if chosen:
                    m = mean_interval(chosen)
                    # One policy has no interval: its ends are the point.
                    low, high = (m.low, m.high) if len(chosen) > 1 else (m.estimate, m.estimate)
                    values.append({"arm": label, "policy": condition, "mean": m.estimate,
                                   "low": max(low, -1.0), "high": min(high, 1.0), "n": m.n,
                                   "the trained policy": ends})  # fmt: skip
    if not values:
        raise InputError("no arm of this figure was run.")
    x: dict[str, Any] = {
        "type": "quantitative",
        "scale": {"domain": [-1, 1]},
        "axis": {"title": "correlation of proxy and true reward, per step", "tickCount": 5},
    }
    y = {"field": "policy", "type": "nominal", "sort": list(CONDITIONS), "title": None}
    offset = {"field": "the trained policy", "type": "nominal"}
    tooltip = [{"field": f} for f in ("arm", "policy", "the trained policy", "mean", "n")]
    color = {"field": "the trained policy", "type": "nominal", "legend": {"orient": "top"}}
    return {
        "data": {"values": values},
        "facet": {"field": "arm", "type": "nominal", "title": None, "sort": list(labels.values())},
        "columns": 3,
        "spec": {
            "width": 210,
            "height": 90,
            "layer": [
                {
                    "mark": {"type": "rule", "strokeWidth": 2},
                    "encoding": {"x": x | {"field": "low"}, "x2": {"field": "high"}, "y": y,
                                 "yOffset": offset, "color": color},
                },
                {
                    "mark": {"type": "point", "filled": True, "size": 45, "opacity": 1},
                    "encoding": {"x": x | {"field": "mean"}, "y": y, "yOffset": offset,
                                 "color": color, "tooltip": tooltip},
                },
            ],
        },
    }  # fmt: skip


def _name(level: Any) -> str:
    return f"{float(level):g}"


def axis_labels(arms: Sequence[Any], own: str) -> dict[str, str]:
    """Return what is written beside each arm's axis."""
    return {a.name: own if a.axis is None else a.axis.label for a in arms}
