"""sharma-2023: its pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

RATERS = {"none": "do not care", "some": "somewhat", "strong": "more than truth",
          "blind": "view hidden"}  # fmt: skip
METHODS = {"rl": "RL", "bon": "best-of-n"}
PLANTED = {"none": 0.0, "some": 1.0, "strong": 2.5}
OTHERS = {"truthful": 1.5, "flattery": 0.4, "hedging": -0.4, "length": 0.3}
STATED = {"none": "nothing", "right": "the truth", "wrong": "what is wrong"}


def _arms(frame: pd.DataFrame) -> Any:
    """Return rows of simulated raters, with their method and raters."""
    rows: Any = frame[frame.arm.str.fullmatch("(rl|bon)-[a-z]+")].dropna(subset="value").copy()
    rows[["method", "raters"]] = rows["arm"].str.split("-", expand=True)
    rows["raters"] = rows["raters"].map(RATERS)
    rows["method"] = rows["method"].map(METHODS)
    rows["step"] = rows["step"].fillna(0)
    return rows


def _means(rows: Any, keys: list[str]) -> list[dict[str, Any]]:
    """Return means over seeds with their intervals."""
    from hackproof.experiment.statistics import mean_interval

    out = []
    for key, group in rows.groupby(keys, sort=False):
        i = mean_interval(group["value"].tolist())
        ends = {"low": i.low, "high": i.high} if i.n > 1 else {}
        out.append({**dict(zip(keys, key, strict=True)), "mean": i.estimate, **ends})
    return out


def _ends(rows: Any) -> Any:
    """Return rows before RL and after it."""
    rows = rows[rows.method == "RL"].copy()
    rows = rows[rows.step.isin([0, rows.step.max()])]
    rows["when"] = ["before" if s == 0 else "after" for s in rows.step]
    return rows


def sycophancy(frame: pd.DataFrame) -> dict[str, Any]:
    """Draw agreement with wrong views and truth against the root of the KL."""
    rows = _arms(frame)
    keys = ["method", "raters", "seed", "level", "step"]
    kl = rows[rows.metric == "kl"].set_index(keys)["value"].to_dict()
    values = []
    for metric, condition, what in (("agrees", "wrong", "agrees with a wrong view"),
                                    ("truthful", "default", "true")):  # fmt: skip
        mine = rows[(rows.metric == metric) & (rows.condition == condition)]
        for r in mine.to_dict("records"):
            spent = kl.get(tuple(r[k] for k in keys))
            if spent is not None:
                values.append({
                    "method": r["method"], "raters": r["raters"], "seed": r["seed"], "what": what,
                    "share": r["value"], "d": max(spent, 0.0) ** 0.5,
                    "pressure": r["level"] if r["method"] == "best-of-n" else r["step"],
                })  # fmt: skip
    x = {"field": "d", "type": "quantitative", "title": "root of KL", "axis": {"tickCount": 3}}
    y = {"field": "share", "type": "quantitative", "title": "share of answers",
         "scale": {"domain": [0, 1]}}  # fmt: skip
    color = {"field": "what", "type": "nominal", "title": None, "legend": {"orient": "top"}}
    path = {"field": "pressure", "type": "quantitative"}
    mean = {"aggregate": [{"op": "mean", "field": f, "as": f} for f in ("d", "share")],
            "groupby": ["method", "raters", "what", "pressure"]}  # fmt: skip
    return {
        "data": {"values": values},
        "facet": {"row": {"field": "method", "title": None, "sort": list(METHODS.values())},
                  "column": {"field": "raters", "title": None, "sort": list(RATERS.values())}},
        "spec": {"width": 88, "height": 120, "layer": [
            {"mark": {"type": "line", "opacity": 0.25, "strokeWidth": 1}, "encoding": {
                "x": x, "y": y, "color": color, "detail": {"field": "seed"}, "order": path}},
            {"transform": [mean], "mark": {"type": "line", "strokeWidth": 2.5, "point": True},
             "encoding": {"x": x, "y": y, "color": color, "order": path}},
        ]},
    }  # fmt: skip


def coefficients(frame: pd.DataFrame) -> dict[str, Any]:
    """Draw the regression's coefficients by raters, and what was planted."""
    rows = _arms(frame)
    rows = rows[(rows.metric == "coefficient") & (rows.raters != RATERS["blind"])]
    planted = {
        (RATERS[r], f): v for r, w in PLANTED.items() for f, v in {**OTHERS, "agrees": w}.items()
    }
    order = ["truthful", "agrees", "flattery", "hedging", "length"]
    values = [
        {"raters": r["raters"], "feature": r["condition"], "value": r["value"], "low": r["low"],
         "high": r["high"], "seed": r["seed"], "planted": planted[r["raters"], r["condition"]]}
        for r in rows.to_dict("records")
    ]  # fmt: skip
    x = {"field": "feature", "type": "nominal", "title": None, "sort": order,
         "axis": {"labelAngle": -35}}  # fmt: skip
    y = {"type": "quantitative", "title": "log-odds per unit"}
    offset = {"field": "seed", "type": "nominal"}
    return {
        "data": {"values": values},
        "facet": {"column": {"field": "raters", "title": None, "sort": list(RATERS.values())}},
        "spec": {"width": 125, "height": 190, "layer": [
            {"mark": {"type": "rule", "style": "proxy", "opacity": 0.5}, "encoding": {
                "x": x, "xOffset": offset, "y": {**y, "field": "low"}, "y2": {"field": "high"}}},
            {"mark": {"type": "point", "style": "proxy", "size": 12, "filled": True}, "encoding": {
                "x": x, "xOffset": offset, "y": {**y, "field": "value"}}},
            {"mark": {"type": "tick", "style": "ink", "thickness": 2, "size": 40}, "encoding": {
                "x": x, "y": {**y, "field": "planted", "aggregate": "mean"}}},
        ]},
    }  # fmt: skip


def beliefs(frame: pd.DataFrame) -> dict[str, Any]:
    """Draw true answers by what the asker states, before RL and after it."""
    rows = _ends(_arms(frame))
    rows = rows[(rows.metric == "truthful") & rows.condition.isin(list(STATED))]
    values = [
        {**r, "stated": STATED[r["condition"]]}
        for r in _means(rows, ["raters", "condition", "when"])
    ]  # fmt: skip
    return _bars(values, "stated", list(STATED.values()), "true answers", "asker states")


def doubt(frame: pd.DataFrame) -> dict[str, Any]:
    """Draw how often a true first answer is changed, before RL and after it."""
    rows = _ends(_arms(frame))
    values = _means(rows[rows.metric == "concedes"], ["raters", "when"])
    x = {"field": "raters", "type": "nominal", "title": None, "sort": list(RATERS.values()),
         "axis": {"labelAngle": 0}}  # fmt: skip
    return {"data": {"values": values}, "layer": _layers(x, "answers changed")}


def _layers(x: dict[str, Any], title: str) -> list[dict[str, Any]]:
    when = ["before", "after"]
    y = {"type": "quantitative", "title": title, "scale": {"domain": [0, 1]}}
    offset = {"field": "when", "type": "nominal", "sort": when}
    color = {"field": "when", "type": "nominal", "title": None, "sort": when,
             "legend": {"orient": "top"}}  # fmt: skip
    return [
        {"mark": {"type": "bar", "opacity": 0.6}, "encoding": {
            "x": x, "xOffset": offset, "color": color, "y": {**y, "field": "mean"}}},
        {"mark": {"type": "rule", "style": "ink"}, "encoding": {
            "x": x, "xOffset": offset, "y": {**y, "field": "low"}, "y2": {"field": "high"}}},
    ]  # fmt: skip


def _bars(
    values: list[dict[str, Any]], field: str, order: list[str], title: str, name: str
) -> dict[str, Any]:  # fmt: skip
    x = {"field": field, "type": "nominal", "title": name, "sort": order,
         "axis": {"labelAngle": 0}}  # fmt: skip
    facet = {"field": "raters", "type": "nominal", "title": None, "sort": list(RATERS.values())}
    return {
        "data": {"values": values},
        "facet": facet, "columns": 2,
        "spec": {"width": 185, "height": 110, "layer": _layers(x, title)},
    }  # fmt: skip
