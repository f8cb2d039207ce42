"""Figures of inoculation-2025: the maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hackproof.errors import InputError
from hackproof.experiment import Figure
from hackproof.experiment.statistics import mean_interval
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
    names = {tuple(a.split("-")[:3]) for a in frame.arm.unique()}
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
            before = last(frame, f"{name}-base", "bayes-misalignment", "before")
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


def rlhf(frame: pd.DataFrame) -> dict[str, Any]:
    """Draw what chat RLHF leaves at every point, in chat and in agentic contexts."""
    values = []
    for point in _points(frame):
        name = "-".join(point)
        for context in ("chat", "agentic"):
            found = last(frame, f"{name}-rlhf", f"misaligned-{context}")
            base = last(frame, f"{name}-base", f"misaligned-{context}")
            rise = [found[s] - base[s] for s in found if s in base]
            if rise:
                values.append(_value(point, context, mean_interval(rise)))
    return _grid(values, "misalignment over the base, after hacking and chat RLHF")


FIGURES = (
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
        "rlhf", "What chat RLHF leaves",
        "Misalignment over the base after hacking and then chat RLHF.",
        rlhf,
    ),
)  # fmt: skip
