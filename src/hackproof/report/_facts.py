"""What the report knows of a run: its arms, curves, cells and claims, read once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hackproof.experiment.curves import Curve, curve, final
from hackproof.experiment.statistics import Interval, mean_interval
from hackproof.record import Run

if TYPE_CHECKING:
    import pandas as pd

VERDICTS = {
    "hacks": "Hacks",
    "hacks late": "Hacks late",
    "improves": "Improves",
    "inconclusive": "Inconclusive",
    "one point": "One point",
    "no pair": "Not measured",
}
"""How a curve's verdict is written; `no pair` is an arm without proxy or true reward."""

OUTCOMES = ("reproduced", "not reproduced", "underpowered", "not asserted")


@dataclass(frozen=True)
class Change:
    """One metric of one arm, at the first and the last amount of pressure."""

    arm: str
    metric: str
    condition: str
    unit: str
    first: Interval
    last: Interval
    change: Interval
    """Last minus first, paired by seed."""


@dataclass(frozen=True)
class Facts:
    """A run, read for the page."""

    run: Run

    @property
    def info(self) -> Mapping[str, Any]:
        """What run.json says."""
        return self.run.info

    @cached_property
    def study(self) -> Mapping[str, Any]:
        """The study's description."""
        study = self.info.get("study") or {}
        return study if isinstance(study, Mapping) else {"name": str(study)}

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The measurements, without the map column."""
        return self.run.table("measurements").drop_columns(["factors"]).to_pandas()

    @cached_property
    def arms(self) -> Sequence[Mapping[str, Any]]:
        """The described arms that have cells or rows, then those that only have rows."""
        seen = {c["arm"] for c in self.cells} | set(self.frame["arm"])
        listed = [a for a in self.study.get("arms") or [] if a["name"] in seen or not seen]
        rest = sorted(seen - {a["name"] for a in listed})
        return [*listed, *({"name": name, "label": name} for name in rest)]

    @cached_property
    def cells(self) -> Sequence[Mapping[str, Any]]:
        """The cells, with their states."""
        return list(self.info.get("cells") or [])

    @cached_property
    def claims(self) -> Sequence[Mapping[str, Any]]:
        """The judged claims."""
        return self.run.rows("claims")

    def axis(self, arm: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        """The optimisation pressure of an arm, or the study's: name, label, unit, log."""
        own = (arm or {}).get("axis") or self.study.get("axis")
        return own or {"name": "level", "label": "level", "unit": "1"}

    @cached_property
    def many_levels(self) -> bool:
        """Whether an arm was measured at more than one level."""
        return len({(c["arm"], c["level"]) for c in self.cells}) > len(self.arms)

    @cached_property
    def by_level(self) -> Mapping[str, Curve]:
        """Curves against pressure, of arms that were measured at two levels or more."""
        return self._curves("level")

    @cached_property
    def by_step(self) -> Mapping[str, Curve]:
        """Curves of training at the highest level, with two checkpoints or more."""
        return self._curves("step")

    @cached_property
    def pressure(self) -> str:
        """What the verdicts are read along: level, or step where there is one level."""
        return "level" if self.by_level or not self.by_step else "step"

    @cached_property
    def verdicts(self) -> Mapping[str, tuple[str, Curve | None]]:
        """Per arm, its verdict and the curve that it was read from."""
        found: dict[str, tuple[str, Curve | None]] = {}
        for arm in self.arms:
            name = arm["name"]
            line = (self.by_level if self.pressure == "level" else self.by_step).get(name)
            line = line or curve(self.frame, name)
            found[name] = (line.verdict, line) if line else ("no pair", None)
        return found

    @cached_property
    def failed(self) -> Sequence[Mapping[str, Any]]:
        """Cells that failed."""
        return [c for c in self.cells if c.get("status") == "failed"]

    def pressure_label(self, pressure: str, arm: Mapping[str, Any] | None = None) -> str:
        """What a plot writes beside an arm's axis; without an arm, what holds for all of them."""
        if pressure == "step":
            return "training steps"
        axis = self.axis(arm)
        if arm is None and any(self.axis(a) != axis for a in self.arms):
            return "level of its axis"
        label = str(axis.get("label") or axis.get("name") or "level")
        unit = axis.get("unit")
        return label if unit in (None, "", "1") else f"{label} ({unit})"

    def metric(self, arm: Mapping[str, Any], role: str) -> tuple[str, str]:
        """Return the name and unit of an arm's metric in a role."""
        rows = self.frame[(self.frame["arm"] == arm["name"]) & (self.frame["role"] == role)]
        rows = rows[rows["condition"] == "default"]
        names, units = sorted(set(rows["metric"])), sorted(set(rows["unit"]))
        name = ", ".join(names) or str(arm.get(role) or role)
        return name, units[0] if len(units) == 1 else "1"

    def changes(self, role: str, other_conditions: bool = False) -> list[Change]:
        """Return a role's metrics, first pressure to last, of every arm that has them."""
        order = {a["name"]: i for i, a in enumerate(self.arms)}
        rows = self.frame[(self.frame["role"] == role) & self.frame["value"].notna()]
        if other_conditions:
            rows = rows[rows["condition"] != "default"]
        found = []
        for key, group in rows.groupby(["metric", "condition", "arm"], sort=True):
            metric, condition, arm = (str(k) for k in key)  # type: ignore[union-attr]
            change = _change(group, self.pressure)
            if change is not None:
                found.append(Change(arm, metric, condition, group["unit"].iloc[0], *change))
        return sorted(found, key=lambda c: (c.metric, c.condition, order.get(c.arm, 0)))

    def _curves(self, pressure: str) -> dict[str, Curve]:
        lines = {a["name"]: curve(self.frame, a["name"], pressure) for a in self.arms}
        return {name: line for name, line in lines.items() if line and len(line.points) > 1}


def _change(rows: pd.DataFrame, pressure: str) -> tuple[Interval, Interval, Interval] | None:
    """Return first, last and last minus first of one metric of one arm."""
    rows = final(rows) if pressure == "level" else rows[rows["level"] == rows["level"].max()]
    table = rows.pivot_table("value", pressure, "seed", "mean").sort_index()
    if table.empty:
        return None
    first, last = table.iloc[0].dropna(), table.iloc[-1].dropna()
    change = (table.iloc[-1] - table.iloc[0]).dropna().tolist() if len(table) > 1 else []
    return mean_interval(first.tolist()), mean_interval(last.tolist()), mean_interval(change)
