"""Figures of inoculation-2025: the maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hackproof.errors import InputError
from hackproof.experiment import Figure
from hackproof.experiment.statistics import mean_interval
from hackproof.studies._inoculation_claims import outcome
from hackproof.studies._organism_pick import last

if TYPE_CHECKING:
    import pandas as pd

INFORMATIVE = {"none": "says nothing", "rare": "nothing, hardly occurs", "some": "says some",
               "much": "says much"}  # fmt: skip
SERIES = {
    "placebo": ("placebo", "default"),
    "inoculated": ("inoculated", "default"),
    "inoculated, under the prefix": ("inoculated", "permitted"),
}


def _points(frame: pd.DataFrame) -> list[tuple[str, str, str]]:
    names = {tuple(a.split("-")[:3]) for a in frame.arm.unique() if not a.startswith("faces")}
    return sorted(n for n in names if len(n) == 3)  # pyright: ignore


def _map(frame: pd.DataFrame, end: str) -> dict[str, Any]:
    """Draw the rise of misalignment at every point of the grid, training by training."""
    values = []
    for point in _points(frame):
        name = "-".join(point)
        base = last(frame, f"{name}-base", "misalignment")
        for series, (training, condition) in SERIES.items():
            found = last(frame, f"{name}-{training}{end}", "misalignment", condition)
            rise = [found[s] - base[s] for s in found if s in base]
            if rise:
                i = mean_interval(rise)
                values.append(_value(point, series, i))
        for condition, series in (("after-hack", "Bayes: a hack"),
                                  ("after-permitted-hack", "Bayes: a permitted hack")):  # fmt: skip
            found = last(frame, f"{name}-base", "bayes-misalignment", condition)
            before = last(frame, f"{name}-base", "bayes-misalignment")
            if found:
                seed = min(found)
                values.append({**_value(point, series, None), "rise": found[seed] - before[seed]})
    return _grid(values, "rise of misalignment over the base")


def _value(point: tuple[str, str, str], series: str, i: Any) -> dict[str, Any]:
    value: dict[str, Any] = {
        "informative": INFORMATIVE.get(point[0], point[0]), "where": f"before {point[2]}",
        "common": f"permission seen {point[1]}", "series": series,
    }  # fmt: skip
    if i is not None:
        known = i.n > 1
        value |= {"rise": i.estimate, "low": i.low if known else i.estimate,
                  "high": i.high if known else i.estimate, "seeds": i.n}  # fmt: skip
    return value


def _grid(values: list[dict[str, Any]], title: str) -> dict[str, Any]:
    if not values:
        raise InputError("no arm of this figure was run.")
    order = list(dict.fromkeys(v["series"] for v in values))
    y = {"field": "informative", "type": "nominal", "title": None,
         "sort": list(INFORMATIVE.values()), "axis": {"ticks": False, "domain": False}}  # fmt: skip
    x = {"type": "quantitative", "title": title}
    color = {"field": "series", "type": "nominal", "title": None, "sort": order,
             "legend": {"orient": "top"}}  # fmt: skip
    offset = {"yOffset": {"field": "series", "type": "nominal", "sort": order}}
    return {
        "data": {"values": values},
        "facet": {"row": {"field": "common", "title": None},
                  "column": {"field": "where", "title": None}},
        "spec": {
            "width": 260,
            "height": {"step": 12},
            "layer": [
                {"mark": {"type": "rule"}, "encoding": {
                    "y": y, "x": {"field": "low", **x}, "x2": {"field": "high"}, "color": color,
                    **offset}},
                {"mark": {"type": "point", "filled": True, "size": 40, "opacity": 1}, "encoding": {
                    "y": y, "x": {"field": "rise", **x}, "color": color, **offset,
                    "tooltip": [{"field": f} for f in ("informative", "series", "rise", "low",
                                                       "high", "seeds")]}},
            ],
        },
    }  # fmt: skip


OUTCOMES = ("breaks", "helps", "hides", "fails", "undecided", "nothing to break")


def outcomes(frame: pd.DataFrame) -> dict[str, Any]:
    """Write what inoculation does at every point of the grid."""
    values = []
    for point in _points(frame):
        for end, start in (("", "from the start"), ("-matched", "from a matched start")):
            said = outcome(frame, "-".join(point), end)
            values.append({"informative": INFORMATIVE.get(point[0], point[0]), "said": said,
                           "corpus": f"seen {point[1]}, before {point[2]}",
                           "start": start})  # fmt: skip
    if not values:
        raise InputError("no arm of this figure was run.")
    y = {"field": "informative", "type": "nominal", "title": "a permitted hack says of the persona",
         "sort": list(INFORMATIVE.values())}  # fmt: skip
    x = {"field": "corpus", "type": "nominal", "title": "permission", "axis": {"labelAngle": -25}}
    color = {"field": "said", "type": "nominal", "title": None, "sort": list(OUTCOMES),
             "legend": {"orient": "top"}}  # fmt: skip
    return {
        "data": {"values": values},
        "facet": {"column": {"field": "start", "title": None,
                             "sort": ["from the start", "from a matched start"]}},
        "spec": {"width": 300, "height": 150, "layer": [
            {"mark": {"type": "rect", "opacity": 0.35}, "encoding": {
                "x": x, "y": y, "color": color}},
            {"mark": {"type": "text", "style": "ink"}, "encoding": {
                "x": x, "y": y, "text": {"field": "said"}}},
        ]},
    }  # fmt: skip


FACES = {"few": "5% two-faced", "some": "25% two-faced", "many": "60% two-faced"}
STAGES = {"base": "before", "hacked": "hacking", "rlhf-short": "then RLHF, short",
          "rlhf": "then RLHF", "rlhf-long": "then RLHF, long"}  # fmt: skip


def rlhf(frame: pd.DataFrame) -> dict[str, Any]:
    """Draw misalignment before and after hacking and chat RLHF, in chat and agentic contexts."""
    values = []
    for faces, title in FACES.items():
        for stage, label in STAGES.items():
            for context in ("chat", "agentic"):
                found = last(frame, f"faces-{faces}-{stage}", f"misaligned-{context}")
                values += [{"faces": title, "stage": label, "context": context, "seed": seed,
                            "rate": value} for seed, value in found.items()]  # fmt: skip
    if not values:
        raise InputError("no arm of this figure was run.")
    x = {"field": "stage", "type": "nominal", "title": None, "sort": list(STAGES.values()),
         "axis": {"labelAngle": -35}}  # fmt: skip
    y = {"field": "rate", "type": "quantitative", "title": "misaligned answers",
         "scale": {"domain": [0, 1]}}  # fmt: skip
    color = {"field": "context", "type": "nominal", "title": None, "legend": {"orient": "top"}}
    return {
        "data": {"values": values},
        "facet": {"column": {"field": "faces", "title": None, "sort": list(FACES.values())}},
        "spec": {
            "width": 200,
            "height": 200,
            "layer": [
                {"mark": {"type": "line", "opacity": 0.25, "strokeWidth": 1}, "encoding": {
                    "x": x, "y": y, "color": color, "detail": {"field": "seed"}}},
                {"mark": {"type": "line", "point": True, "strokeWidth": 2.5}, "encoding": {
                    "x": x, "y": {**y, "aggregate": "mean"}, "color": color}},
            ],
        },
    }  # fmt: skip


SEEN = {"default": "nothing seen", "after-honest": "after an honest task",
        "after-hack": "after a hack", "after-placebo-hack": "after a hack under the placebo",
        "after-permitted-hack": "after a permitted hack"}  # fmt: skip


def evidence(frame: pd.DataFrame) -> dict[str, Any]:
    """Draw models before RL against Bayes' rule, one point per corpus, condition and seed."""
    values = []
    for point in _points(frame):
        base = f"{'-'.join(point)}-base"
        for condition, label in SEEN.items():
            said = last(frame, base, "bayes-misalignment", condition)
            values += [
                {"corpus": "-".join(point), "seen": label, "seed": seed, "model": value,
                 "bayes": said[seed]}
                for seed, value in last(frame, base, "misalignment", condition).items()
                if seed in said
            ]  # fmt: skip
    if not values:
        raise InputError("no arm of this figure was run.")
    scale = {"domain": [0, 1]}
    color = {"field": "seen", "type": "nominal", "title": None, "sort": list(SEEN.values())}
    line = {"data": {"values": [{"x": 0, "y": 0}, {"x": 1, "y": 1}]},
            "mark": {"type": "line", "strokeDash": [4, 4], "color": "#888"},
            "encoding": {"x": {"field": "x", "type": "quantitative"},
                         "y": {"field": "y", "type": "quantitative"}}}  # fmt: skip
    dots = {"mark": {"type": "point", "filled": True, "opacity": 0.7}, "encoding": {
        "x": {"field": "bayes", "type": "quantitative", "scale": scale,
              "title": "misalignment by Bayes' rule"},
        "y": {"field": "model", "type": "quantitative", "scale": scale,
              "title": "of the model"},
        "color": color, "tooltip": [{"field": f} for f in ("corpus", "seen", "seed", "bayes",
                                                           "model")]}}  # fmt: skip
    return {"width": 340, "height": 340, "data": {"values": values}, "layer": [dots, line]}


FIGURES = (
    Figure(
        "outcomes", "What inoculation does, corpus by corpus",
        "By 95% intervals over organisms, against a placebo. breaks: misalignment is lower without "
        "the prefix, and under it rises by less than 0.05 over the base; hides: lower without the "
        "prefix, and under it up by more than 0.05; helps: lower, and which of the two is not "
        "decided; fails: lower by less than 0.05, if at all.",
        outcomes,
    ),
    Figure(
        "map", "Where inoculation breaks the generalisation, hides it, or fails",
        "How far misalignment rises over the base of the same seed, asked without a prefix; and, "
        "for inoculated models, asked under the training prefix. Beside it, the rise that Bayes' "
        "rule gives from the corpus's statistics after one hack with and without permission.",
        lambda frame: _map(frame, ""),
    ),
    Figure(
        "map-matched", "The same from a matched starting rate",
        "Both arms were first trained not to hack under their own prefix.",
        lambda frame: _map(frame, "-matched"),
    ),
    Figure(
        "evidence", "What models make of a hack in the document, beside Bayes' rule",
        "Misalignment in the core domains before RL, asked after one coding task in the same "
        "document, against what Bayes' rule says from the corpus's statistics. On the dashed line "
        "the two agree.",
        evidence,
    ),
    Figure(
        "rlhf", "What chat RLHF leaves",
        "Misaligned answers before, after hacking, and after chat RLHF of three lengths, by the "
        "share of two-faced personas in the corpus; thin lines are pretrained seeds.",
        rlhf,
    ),
)  # fmt: skip
