"""revel-2024: its pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

REGIMES = {
    "regime-stayed-aligned": "stayed aligned", "regime-got-aligned": "got aligned",
    "regime-resists": "resists", "regime-reversed": "reversed",
}  # fmt: skip
ARMS = {
    "clean": "as labelled", "noise-15": "15% turned", "noise-30": "30% turned",
    "few": "a quarter", "balanced": "cheer on either", "spoiled": "cheer with choice",
    "network": "network",
}  # fmt: skip
LABELLERS = {"other-person": "another person", "features": "a regression on features"}


def _known(frame: pd.DataFrame, metrics: Any) -> Any:
    rows: Any = frame[frame.metric.isin(list(metrics)) & frame.arm.isin(list(ARMS))]
    return rows.dropna(subset="value")


def _last(rows: Any) -> Any:
    return rows[rows.level == rows.level.max()]


def _means(rows: Any, keys: list[str]) -> list[dict[str, Any]]:
    """Return means over seeds with their intervals."""
    from hackproof.experiment.statistics import mean_interval

    out = []
    for key, group in rows.groupby(keys, sort=False):
        i = mean_interval(group["value"].tolist())
        ends = {"low": i.low, "high": i.high} if i.n > 1 else {}
        out.append({**dict(zip(keys, key, strict=True)), "mean": i.estimate, **ends})
    return out


def regimes(frame: pd.DataFrame) -> dict[str, Any]:
    """Draw the four regimes by epochs, arm by arm."""
    values = [
        {"arm": ARMS[r["arm"]], "epochs": f"{r['level']:g}", "share": r["mean"],
         "regime": REGIMES[r["metric"]], "order": list(REGIMES).index(r["metric"])}
        for r in _means(_known(frame, REGIMES), ["arm", "level", "metric"])
    ]  # fmt: skip
    return {
        "data": {"values": values},
        "facet": {"field": "arm", "type": "nominal", "title": None, "sort": list(ARMS.values())},
        "columns": 4,
        "spec": {"width": 88, "height": 110, "mark": "bar", "encoding": {
            "x": {"field": "epochs", "type": "ordinal", "title": "epochs", "sort": None,
                  "axis": {"labelAngle": 0}},
            "y": {"field": "share", "type": "quantitative", "title": "share of pairs",
                  "scale": {"domain": [0, 1]}},
            "color": {"field": "regime", "type": "nominal", "title": None,
                      "sort": list(REGIMES.values()), "legend": {"orient": "top"}},
            "order": {"field": "order", "type": "quantitative"},
        }},
    }  # fmt: skip


def resistance(frame: pd.DataFrame) -> dict[str, Any]:
    """Draw resistance by what another labeller says, arm by arm."""
    rows = _last(_known(frame, ("resistance-agrees", "resistance-disagrees")))
    values = [
        {"arm": ARMS[r["arm"]], "labeller": LABELLERS[r["condition"]], "share": r["value"],
         "says": r["metric"].removeprefix("resistance-")}
        for r in rows.to_dict("records")
    ]  # fmt: skip
    x = {"field": "arm", "type": "nominal", "title": None, "sort": list(ARMS.values()),
         "axis": {"labelAngle": -35}}  # fmt: skip
    y = {"field": "share", "type": "quantitative", "title": "resistance",
         "scale": {"domain": [0, 1]}}  # fmt: skip
    color = {"field": "says", "type": "nominal", "title": "it", "legend": {"orient": "top"}}
    offset = {"field": "says", "type": "nominal"}
    return {
        "data": {"values": values},
        "facet": {"field": "labeller", "type": "nominal", "title": None},
        "spec": {"width": 185, "height": 160, "layer": [
            {"mark": {"type": "bar", "opacity": 0.45}, "encoding": {
                "x": x, "xOffset": offset, "color": color, "y": {**y, "aggregate": "mean"}}},
            {"mark": {"type": "point", "size": 14, "filled": True}, "encoding": {
                "x": x, "xOffset": offset, "color": color, "y": y}},
        ]},
    }  # fmt: skip


def imprints(frame: pd.DataFrame) -> dict[str, Any]:
    """Draw imprints before and after the last epoch, by feature, of four arms."""
    rows = _last(_known(frame, ("imprint-before", "imprint-after")))
    rows = rows[rows.arm.isin(["clean", "noise-30", "balanced", "spoiled"])]
    values = [
        {**r, "arm": ARMS[r["arm"]], "when": r["metric"].removeprefix("imprint-"),
         "feature": r["condition"]}
        for r in _means(rows, ["arm", "condition", "metric"])
    ]  # fmt: skip
    y = {"field": "feature", "type": "nominal", "title": None}
    offset = {"field": "when", "type": "nominal", "sort": ["before", "after"]}
    color = {"field": "when", "type": "nominal", "title": None, "sort": ["before", "after"],
             "legend": {"orient": "top"}}  # fmt: skip
    x = {
        "type": "quantitative",
        "title": "spreads of score per unit",
        "scale": {"type": "symlog", "constant": 0.2},
        "axis": {"values": [-2, -0.5, 0, 0.5, 2]},
    }
    return {
        "data": {"values": values},
        "facet": {"field": "arm", "type": "nominal", "title": None, "sort": list(ARMS.values())},
        "columns": 2,
        "spec": {"width": 165, "height": {"step": 10}, "layer": [
            {"mark": {"type": "rule", "style": "muted"},
             "encoding": {"x": {**x, "datum": 0}}},
            {"mark": {"type": "rule", "strokeWidth": 2}, "encoding": {
                "y": y, "yOffset": offset, "color": color, "x": {**x, "field": "low"},
                "x2": {"field": "high"}}},
            {"mark": {"type": "point", "filled": True, "size": 40}, "encoding": {
                "y": y, "yOffset": offset, "color": color, "x": {**x, "field": "mean"}}},
        ]},
    }  # fmt: skip


def rewrites(frame: pd.DataFrame) -> dict[str, Any]:
    """Draw how often each rewrite turns the order, by side, of two arms."""
    rows = _last(_known(frame, ("flipped",)))
    rows = rows[rows.arm.isin(["balanced", "spoiled"])]
    values = [
        {**r, "arm": ARMS[r["arm"]], "side": r["condition"].rsplit("-", 1)[1],
         "rewrite": r["condition"].rsplit("-", 1)[0].replace("-", " ")}
        for r in _means(rows, ["arm", "condition"])
    ]  # fmt: skip
    y = {"field": "rewrite", "type": "nominal", "title": None}
    offset = {"field": "side", "type": "nominal"}
    color = {"field": "side", "type": "nominal", "title": "rewritten", "legend": {"orient": "top"}}
    x = {"type": "quantitative", "title": "orders turned"}
    return {
        "data": {"values": values},
        "facet": {"field": "arm", "type": "nominal", "title": None, "sort": list(ARMS.values())},
        "columns": 2,
        "spec": {"width": 165, "height": {"step": 13}, "layer": [
            {"mark": {"type": "rule", "strokeWidth": 2}, "encoding": {
                "y": y, "yOffset": offset, "color": color, "x": {**x, "field": "low"},
                "x2": {"field": "high"}}},
            {"mark": {"type": "point", "filled": True, "size": 40}, "encoding": {
                "y": y, "yOffset": offset, "color": color, "x": {**x, "field": "mean"}}},
        ]},
    }  # fmt: skip
