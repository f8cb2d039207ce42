"""The table of arms: metrics that a study names, one row per arm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hackproof.experiment.statistics import mean_interval
from hackproof.report import _format as fmt
from hackproof.report import _html
from hackproof.report._facts import Facts
from hackproof.report._format import escape
from hackproof.report._html import Section

if TYPE_CHECKING:
    import pandas as pd


def arms(facts: Facts) -> Section | None:
    """Return each arm's metrics as means over seeds; None where the study names none."""
    specs = [str(s) for s in facts.study.get("arm_metrics") or []]
    if not specs:
        return None
    found = {spec: last_rows(facts.frame, spec) for spec in specs}
    seeds = facts.frame.groupby("arm")["seed"].nunique()
    rows = []
    for arm in facts.arms:
        n = int(seeds.get(arm["name"], 0))
        cells = [_cell(found[s][found[s]["arm"] == arm["name"]], n) for s in specs]
        rows.append((_label(arm), f"{n:,}", *cells))
    head = ("Arm", "#Seeds", *(f"#{_title(s, found[s])}" for s in specs))
    where = ""
    if facts.many_levels:
        where = f" and the highest {escape(facts.pressure_label('level'))}"
    note = f"Means over seeds with 95% intervals, each at its last step{where}."
    html = f'{_html.table(head, rows, "Arms", "arms stack")}\n<p class="note">{note}</p>'
    return Section("arms", "Arm by arm", html, "Arms")


def last_rows(frame: pd.DataFrame, spec: str) -> pd.DataFrame:
    """Return the rows of one metric at each arm's highest level and each cell's last step.

    Args:
        frame: The run's measurements.
        spec: `metric` or `metric@condition`; the condition is `default` where it is left out.
    """
    metric, _, condition = spec.partition("@")
    rows = frame[(frame["metric"] == metric) & (frame["condition"] == (condition or "default"))]
    rows = rows[rows["level"] == rows.groupby("arm")["level"].transform("max")]
    return rows[rows["step"] == rows.groupby("cell")["step"].transform("max")]


def _label(arm: Mapping[str, Any]) -> str:
    """Return an arm's label, with its note below it."""
    note = f'<span class="sub">{escape(arm["note"])}</span>' if arm.get("note") else ""
    return escape(arm.get("label") or arm["name"]) + note


def _cell(rows: pd.DataFrame, seeds: int) -> str:
    """Return a mean with its interval, and how many seeds it rests on where not on all."""
    values = rows.dropna(subset=["value"]).groupby("seed")["value"].mean().tolist()
    some = f'<span class="sub">{fmt.count(len(values), "seed")}</span>'
    mean = f"<span>{_html.value(mean_interval(values))}</span>"
    return mean + (some if 0 < len(values) < seeds else "")


def _title(spec: str, rows: pd.DataFrame) -> str:
    """Return a column's title: metric, condition and unit."""
    metric, _, condition = spec.partition("@")
    units = set(rows["unit"])
    unit = fmt.unit(units.pop()) if len(units) == 1 else ""
    return (
        metric + (f" · {condition}" if condition else "") + (f" ({unit.strip()})" if unit else "")
    )
