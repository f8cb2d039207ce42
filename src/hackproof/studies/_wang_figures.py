"""The figures of the study `wang-2023`, as Vega-Lite without colours of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hackproof.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

Spec = dict[str, Any]
REPAIRS = {"evidence": "one order", "balanced": "both orders"}
JUDGES = {
    "leaning": "leans, two scores", "words": "leans, words", "fair": "leans to no place",
    "steady": "leans, no noise", "fooled": "fooled",
}  # fmt: skip
GAPS = ("under 0.5", "0.5 to 1", "1 to 2", "over 2")


def _rows(frame: pd.DataFrame, arms: list[str], metrics: list[str]) -> pd.DataFrame:
    rows = frame[frame["arm"].isin(arms) & frame["metric"].isin(metrics) & frame["value"].notna()]
    if rows.empty:
        raise InputError(f"the run has no {', '.join(metrics)} of the arms {', '.join(arms)}.")
    return rows


def _interval(group: Any) -> dict[str, float]:
    """Return mean over seeds and, where there are several, its 95% interval."""
    from hackproof.experiment.statistics import mean_interval

    mean, low, high, n = mean_interval(group["value"].tolist())
    return {"mean": mean} | ({"low": low, "high": high} if n > 1 else {})


def _legend(columns: int = 1) -> Spec:
    return {"title": None, "labelLimit": 400, "symbolType": "stroke", "symbolOpacity": 1,
            "orient": "top", "columns": columns}  # fmt: skip


def _share(title: str, field: str = "mean", **scale: Any) -> Spec:
    axis = {"title": title, "tickCount": 5, "domain": False, "ticks": False}
    return {"field": field, "type": "quantitative", "scale": scale, "axis": axis}


def _by_calls(values: list[Spec], judges: list[str]) -> Spec:
    """Return accuracy and repeatability against calls, a small picture per judge."""
    x = {
        "field": "calls", "type": "quantitative",
        "scale": {"type": "log", "base": 2, "nice": False, "padding": 6},
        "axis": {"title": "calls per pair", "grid": False, "format": "~r",
                 "values": sorted({v["calls"] for v in values})},
    }  # fmt: skip
    y = _share("share of pairs", zero=False, nice=True)
    color = {"field": "repair", "type": "nominal", "scale": {"domain": list(REPAIRS.values())},
             "legend": _legend(2)}  # fmt: skip
    dash = {
        "field": "what", "type": "nominal", "legend": _legend(2),
        "scale": {"domain": ["accuracy", "the same again"], "range": [[1, 0], [4, 3]]},
    }  # fmt: skip
    return {
        "data": {"values": values},
        "facet": {"field": "judge", "type": "nominal", "title": None, "sort": judges},
        "columns": 2,
        "resolve": {"scale": {"y": "independent"}},
        "spec": {
            "width": 180, "height": 120,
            "layer": [
                {"mark": {"type": "rule", "style": "muted"},
                 "transform": [{"filter": "datum.what == 'accuracy'"}],
                 "encoding": {"y": {"field": "once", "type": "quantitative", "aggregate": "mean"}}},
                {"mark": {"type": "line"},
                 "encoding": {"x": x, "y": y, "color": color, "strokeDash": dash}},
                {"mark": {"type": "point"}, "transform": [{"filter": "datum.what == 'accuracy'"}],
                 "encoding": {"x": x, "y": y, "color": color}},
            ],
        },
    }  # fmt: skip


def calls(frame: pd.DataFrame) -> Spec:
    """Accuracy and repeatability of planted judges against calls."""
    arms = {f"{j}-{r}": (JUDGES[j], REPAIRS[r]) for j in JUDGES for r in REPAIRS}
    rows = _rows(frame, list(arms), ["accuracy", "repeat"])
    means = rows.groupby(["arm", "level", "metric", "condition"])["value"].mean()
    values = []
    for (arm, level, metric, condition), value in means.items():  # type: ignore[misc]
        if condition == "default":
            judge, repair = arms[arm]
            once = means[arm, level, "accuracy", "asked once"]
            what = "accuracy" if metric == "accuracy" else "the same again"
            values.append({"judge": judge, "repair": repair, "calls": float(level), "what": what,
                           "mean": float(value), "once": float(once)})  # fmt: skip
    return _by_calls(values, list(JUDGES.values()))


def real_calls(frame: pd.DataFrame) -> Spec:
    """Return the same of real judges, each with its own name."""
    arms = {f"real-{r}": REPAIRS[r] for r in REPAIRS}
    rows = _rows(frame, list(arms), ["accuracy", "repeat"])
    means = rows.groupby(["arm", "level", "metric", "condition"])["value"].mean()
    values, judges = [], []
    for (arm, level, metric, condition), value in means.items():  # type: ignore[misc]
        where = str(condition)
        if (arm, level, "accuracy", f"{where}, asked once") not in means.index:
            continue
        once = means[arm, level, "accuracy", f"{where}, asked once"]
        judges += [where] if where not in judges else []
        what = "accuracy" if metric == "accuracy" else "the same again"
        values.append({"judge": where, "repair": arms[arm], "calls": float(level), "what": what,
                       "mean": float(value), "once": float(once)})  # fmt: skip
    return _by_calls(values, sorted(judges))


def conflict(frame: pd.DataFrame) -> Spec:
    """Conflict rate by gap in quality, a line for each lean."""
    rows = _rows(frame, ["placed"], ["conflict"])
    rows = rows[rows["condition"].str.startswith("gap ")]
    values = [
        {"gap": str(where).removeprefix("gap "), "lean": f"{level:g}", **_interval(group)}
        for (where, level), group in rows.groupby(["condition", "level"])  # type: ignore[misc]
    ]
    x = {"field": "gap", "type": "ordinal", "sort": list(GAPS),
         "axis": {"title": "gap in quality, in spreads", "labelAngle": 0}}  # fmt: skip
    y = _share("verdicts that change", domain=[0, 1])
    color = {
        "field": "lean", "type": "ordinal", "scale": {"range": "category"},
        "legend": {"title": "lean", "symbolType": "stroke", "symbolOpacity": 1},
    }  # fmt: skip
    layers: list[Spec] = []
    if all("low" in v for v in values):
        ends = {"y": y | {"field": "low"}, "y2": {"field": "high"}}
        layers.append({"mark": {"type": "rule", "opacity": 0.5},
                       "encoding": {"x": x, **ends, "color": color}})  # fmt: skip
    layers += [{"mark": {"type": k}, "encoding": {"x": x, "y": y, "color": color}}
               for k in ("line", "point")]  # fmt: skip
    return {"height": 270, "data": {"values": values}, "layer": layers}


def order(frame: pd.DataFrame) -> Spec:
    """Share of questions that the weaker model wins, against the lean."""
    names = {("placed", "won"): "wins, shown first", ("balanced", "won"): "wins, both orders",
             ("placed", "better"): "its answer is better"}  # fmt: skip
    rows = _rows(frame, ["placed", "balanced"], ["won", "better"])
    values = []
    for (arm, metric), what in names.items():
        for level, group in rows[(rows["arm"] == arm) & (rows["metric"] == metric)].groupby(
            "level"
        ):
            values.append({"what": what, "lean": float(str(level)), **_interval(group)})
    x = {"field": "lean", "type": "quantitative",
         "axis": {"title": "judge's lean to the first place, in spreads of quality",
                  "grid": False}}  # fmt: skip
    y = _share("share of questions", zero=False, nice=True)
    color = {"field": "what", "type": "nominal", "scale": {"domain": list(names.values())},
             "legend": _legend(3)}  # fmt: skip
    return {
        "height": 270, "data": {"values": values},
        "layer": [
            {"mark": {"type": "rule", "style": "muted"}, "encoding": {"y": {"datum": 0.5}}},
            *({"mark": {"type": k}, "encoding": {"x": x, "y": y, "color": color}}
              for k in ("line", "point")),
        ],
    }  # fmt: skip


def checks(frame: pd.DataFrame) -> Spec:
    """Accuracy gained by what a person checks, diverse or random."""
    arms = {f"{j}-balanced": JUDGES[j] for j in ("leaning", "steady", "fooled")}
    arms |= {"real-balanced": "real judges, mean"}
    rows = _rows(frame, list(arms), ["accuracy"])
    values = []
    for arm, label in arms.items():
        part = rows[rows["arm"] == arm]
        levels = sorted(part["level"].unique())
        wanted = 4.0 if arm == "real-balanced" else 6.0
        if wanted not in levels:
            continue
        part = part[part["level"] == wanted].pivot_table("value", "seed", "condition")
        for kind, name in (("diverse", "most diverse"), ("random", "at random")):
            for share in (10, 20, 30):
                gain = float((part[f"{kind} {share}%"] - part["default"]).mean())
                values.append({"judge": label, "kind": name, "share": share, "gain": gain})
            values.append({"judge": label, "kind": name, "share": 0, "gain": 0.0})
    if not values:
        raise InputError("the run has neither six calls of planted nor four of real judges.")
    x = {
        "field": "share",
        "type": "quantitative",
        "axis": {"title": "% of pairs checked", "values": [0, 10, 20, 30], "grid": False},
    }
    color = {"field": "kind", "type": "nominal",
             "scale": {"domain": ["most diverse", "at random"]}, "legend": _legend(2)}  # fmt: skip
    encoding = {"x": x, "y": _share("accuracy gained", "gain"), "color": color}
    return {
        "data": {"values": values},
        "facet": {"field": "judge", "type": "nominal", "title": None, "sort": list(arms.values())},
        "columns": 2,
        "spec": {"width": 190, "height": 120,
                 "layer": [{"mark": {"type": k}, "encoding": encoding} for k in ("line", "point")]},
    }  # fmt: skip


def real(frame: pd.DataFrame) -> Spec:
    """Conflict rate of real judges by prompt."""
    rows = _rows(frame, ["real-prompts"], ["conflict"])
    rows = rows[rows["condition"] != "default"]
    means = rows.groupby("condition")["value"].mean()
    values = []
    for where, value in means.items():
        judge, _, prompt = str(where).partition(" / ")
        values.append({"judge": judge, "prompt": prompt or "-", "conflict": float(value)})
    x = {"field": "judge", "type": "nominal",
         "axis": {"title": None, "orient": "top", "labelAngle": -25, "domain": False,
                  "ticks": False}}  # fmt: skip
    y = {"field": "prompt", "type": "nominal",
         "axis": {"title": None, "labelLimit": 220, "domain": False, "ticks": False}}  # fmt: skip
    shade = {"field": "conflict", "type": "quantitative", "legend": None,
             "scale": {"domain": [0, 0.8], "range": [0.03, 0.65], "clamp": True}}  # fmt: skip
    text = {"field": "conflict", "type": "quantitative", "format": ".2f"}
    return {
        "height": 22 * max(4, len({v["prompt"] for v in values})),
        "data": {"values": values},
        "layer": [
            {"mark": {"type": "rect", "style": "proxy"},
             "encoding": {"x": x, "y": y, "opacity": shade}},
            {"mark": {"type": "text", "style": "ink"}, "encoding": {"x": x, "y": y, "text": text}},
        ],
    }  # fmt: skip
