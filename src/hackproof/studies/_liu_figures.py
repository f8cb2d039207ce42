"""The figures of the study `liu-2023`, as Vega-Lite without colours of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hackproof.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

Spec = dict[str, Any]
KINDS = {"free": "without a reference", "precision": "text given a reference",
         "recall": "reference given the text", "reference": "mean of the last two"}  # fmt: skip
RELATIONS = {"own": "own : other families", "twin": "twin : other families",
             "model": "own : twin"}  # fmt: skip
ARMS = {"own-free": "own score", "own-reference": "own, with a reference",
        "own-recall": "own, reference given the text", "others-free": "other families' scores",
        "alike-own-free": "own, styles alike"}  # fmt: skip


def _rows(frame: pd.DataFrame, arms: list[str], metrics: list[str]) -> pd.DataFrame:
    rows = frame[frame["arm"].isin(arms) & frame["metric"].isin(metrics) & frame["value"].notna()]
    if rows.empty:
        raise InputError(f"the run has no {', '.join(metrics)} of the arms {', '.join(arms)}.")
    return rows


def heat_map(frame: pd.DataFrame) -> Spec:
    """Standardised scores of generators by evaluators, without and with a reference."""
    rows = _rows(frame, ["map"], ["map", "gold"])
    means = rows.groupby(["metric", "condition"])["value"].mean()
    gold = {str(k): float(v) for k, v in means["gold"].items()}
    names = sorted(gold)
    centre = sum(gold.values()) / len(gold)
    spread = (sum((v - centre) ** 2 for v in gold.values()) / len(gold)) ** 0.5 or 1.0
    values = []
    for kind in ("free", "reference"):
        for of in names:
            values += [
                {"kind": KINDS[kind] if kind == "free" else "with a reference", "evaluator": by,
                 "generator": of, "score": float(means["map", f"{kind}, {by} of {of}"])}
                for by in names
            ]  # fmt: skip
            values.append({"kind": KINDS[kind] if kind == "free" else "with a reference",
                           "evaluator": "gold", "generator": of,
                           "score": (gold[of] - centre) / spread})  # fmt: skip
    x = {
        "field": "generator",
        "type": "nominal",
        "sort": names,
        "axis": {"title": "who wrote", "labelAngle": 0, "domain": False, "ticks": False},
    }
    y = {"field": "evaluator", "type": "nominal", "sort": [*names, "gold"],
         "axis": {"title": "who scores", "domain": False, "ticks": False}}  # fmt: skip
    shade = {"field": "score", "type": "quantitative", "legend": None,
             "scale": {"domain": [-1.6, 1.6], "range": [0.02, 0.75], "clamp": True}}  # fmt: skip
    text = {"field": "score", "type": "quantitative", "format": ".1f"}
    return {
        "data": {"values": values},
        "facet": {"field": "kind", "type": "nominal", "title": None,
                  "sort": [KINDS["free"], "with a reference"]},
        "columns": 2,
        "spec": {
            "width": 230, "height": 230,
            "layer": [
                {"mark": {"type": "rect", "style": "proxy"},
                 "encoding": {"x": x, "y": y, "opacity": shade}},
                {"mark": {"type": "text", "style": "ink"},
                 "encoding": {"x": x, "y": y, "text": text}},
            ],
        },
    }  # fmt: skip


def lean(frame: pd.DataFrame) -> Spec:
    """Leans with intervals by kind of score and relation, styles apart and alike."""
    from hackproof.experiment.statistics import mean_interval

    arms = {"map": "styles differ", "alike-map": "styles alike"}
    rows = _rows(frame, list(arms), ["lean"])
    values = []
    for (arm, where), group in rows.groupby(["arm", "condition"]):  # type: ignore[misc]
        kind, relation = str(where).split(", ")
        mean, low, high, n = mean_interval(group["value"].tolist())
        value = {"arm": arms[str(arm)], "kind": KINDS[kind], "what": RELATIONS[relation],
                 "mean": mean}  # fmt: skip
        values.append(value | ({"low": low, "high": high} if n > 1 else {}))
    kinds, whats = list(KINDS.values()), list(RELATIONS.values())
    y = {"field": "kind", "type": "nominal", "sort": kinds,
         "axis": {"title": None, "labelLimit": 200, "domain": False, "ticks": False}}  # fmt: skip
    x = {"type": "quantitative", "axis": {"title": "lean, quality held fixed", "tickCount": 5}}
    shift = {"field": "what", "type": "nominal", "sort": whats}
    color = {
        "field": "what",
        "type": "nominal",
        "scale": {"domain": whats},
        "legend": {"title": None, "labelLimit": 300, "orient": "top", "columns": 3},
    }
    place = {"y": y, "yOffset": shift, "color": color}
    return {
        "data": {"values": values},
        "facet": {"field": "arm", "type": "nominal", "title": None, "sort": list(arms.values())},
        "columns": 1,
        "spec": {
            "width": 300, "height": 150,
            "layer": [
                {"mark": {"type": "rule", "style": "grid"}, "encoding": {"x": {"datum": 0}}},
                {"mark": {"type": "rule", "strokeWidth": 2},
                 "transform": [{"filter": "isValid(datum.low)"}],
                 "encoding": {"x": x | {"field": "low"}, "x2": {"field": "high"}, **place}},
                {"mark": {"type": "point"}, "encoding": {"x": x | {"field": "mean"}, **place}},
            ],
        },
    }  # fmt: skip


def choice(frame: pd.DataFrame) -> Spec:
    """Share of one's family among the chosen, and how right the choice is, against n."""
    rows = _rows(frame, list(ARMS), ["family_share", "gold"])
    names = {"family_share": "written by one's family", "gold": "how right"}
    means = rows.groupby(["arm", "metric", "level"])["value"].mean().reset_index()
    values = [
        {"arm": ARMS[r["arm"]], "what": names[r["metric"]], "n": float(r["level"]),
         "value": float(r["value"])}
        for r in means.to_dict("records")
    ]  # fmt: skip
    ticks = sorted({v["n"] for v in values})
    x = {"field": "n", "type": "quantitative",
         "scale": {"type": "log", "base": 2, "nice": False, "padding": 6},
         "axis": {"title": "texts to choose from", "grid": False, "format": "~r",
                  "values": ticks}}  # fmt: skip
    y = {"field": "value", "type": "quantitative", "scale": {"zero": False, "nice": True},
         "axis": {"title": None, "tickCount": 5, "domain": False, "ticks": False}}  # fmt: skip
    color = {"field": "arm", "type": "nominal", "scale": {"domain": list(ARMS.values())},
             "legend": {"title": None, "labelLimit": 400, "orient": "top", "columns": 2,
                        "symbolType": "stroke", "symbolOpacity": 1}}  # fmt: skip
    encoding = {"x": x, "y": y, "color": color}
    return {
        "data": {"values": values},
        "facet": {"field": "what", "type": "nominal", "title": None, "sort": list(names.values())},
        "columns": 2,
        "resolve": {"scale": {"y": "independent"}},
        "spec": {"width": 260, "height": 200,
                 "layer": [{"mark": {"type": k}, "encoding": encoding} for k in ("line", "point")]},
    }  # fmt: skip
