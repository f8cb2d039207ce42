"""What differs between two runs: settings, surroundings, final values and claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hackproof.experiment.curves import final
from hackproof.experiment.statistics import Interval, mean_interval, welch_interval
from hackproof.record import Run
from hackproof.report import _format as fmt
from hackproof.report._facts import Facts

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

KEY = ("arm", "level", "metric", "role", "condition")


@dataclass(frozen=True)
class Differing:
    """Something that two runs say differently; None where one does not have it."""

    name: str
    a: Any
    b: Any


@dataclass(frozen=True)
class Value:
    """One metric after training, in both runs."""

    arm: str
    level: float
    metric: str
    role: str
    condition: str
    unit: str
    a: Interval
    b: Interval
    difference: Interval
    """b minus a, over seeds."""
    paired: bool
    """Whether seeds were paired; Welch's interval where they were not."""

    @property
    def differs(self) -> bool:
        """Whether the interval of the difference excludes zero."""
        return self.difference.low > 0 or self.difference.high < 0


@dataclass(frozen=True)
class Comparison:
    """Two runs, compared."""

    a: str
    """Name of the first run's folder."""
    b: str
    settings: Sequence[Differing]
    """Study, scale, seeds and settings that differ."""
    surroundings: Sequence[Differing]
    """Versions, machine and code that differ."""
    values: Sequence[Value]
    """Final values of what both measured."""
    only_a: int
    """How many values only the first run has."""
    only_b: int
    claims: Sequence[Differing]
    """Claims whose outcome differs."""


def compare(a: Run, b: Run) -> Comparison:
    """Compare two runs.

    Seeds are paired where both runs are of one study and measured a value on the same
    seeds; otherwise the difference has Welch's interval.

    Args:
        a: The first run.
        b: The second run; differences are b minus a.

    Raises:
        IntegrityError: a table is cut short.
    """
    there, here = Facts(a), Facts(b)
    same_study = there.study.get("name") == here.study.get("name")
    first, second = _final(there.frame), _final(here.frame)
    shared = [key for key in first if key in second]
    return Comparison(
        a=a.path.resolve().name,
        b=b.path.resolve().name,
        settings=_differing(_identity(there), _identity(here)),
        surroundings=_differing(_surroundings(a.info), _surroundings(b.info)),
        values=[_value(key, first[key], second[key], same_study) for key in shared],
        only_a=len(first.keys() - second.keys()),
        only_b=len(second.keys() - first.keys()),
        claims=_differing(_outcomes(there), _outcomes(here)),
    )


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print a comparison as tables; what is the same is not shown, except final values."""
    from rich.markup import escape

    names = (comparison.a, comparison.b)
    console.print(f"[bold]{escape(names[0])}[/] (a) and [bold]{escape(names[1])}[/] (b)")
    for title, rows in (
        ("Settings that differ", comparison.settings),
        ("Versions, machine and code that differ", comparison.surroundings),
        ("Claims whose outcome differs", comparison.claims),
    ):
        if rows:
            body = [(r.name, _text(r.a), _text(r.b)) for r in rows]
            _print_table(console, title, ("", "a", "b"), body)
        else:
            console.print(f"{title}: none.")
    body = [
        (
            v.arm, fmt.number(v.level), f"{v.metric} ({v.role})" + _under(v.condition),
            fmt.number(v.a.estimate), fmt.number(v.b.estimate),
            fmt.interval(*v.difference[:3], signed=True) + fmt.unit(v.unit),
            "differs" if v.differs else "", "paired" if v.paired else "Welch",
        )
        for v in comparison.values
    ]  # fmt: skip
    head = ("arm", "level", "metric", "a", "b", "b - a [95%]", "", "interval")
    _print_table(console, "Final values", head, body)
    if comparison.only_a or comparison.only_b:
        console.print(
            f"{fmt.count(comparison.only_a, 'value')} only in a, "
            f"{fmt.count(comparison.only_b, 'value')} only in b."
        )


def _print_table(
    console: Console, title: str, head: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold")
    for name in head:
        table.add_column(escape(name))
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table)


def _under(condition: str) -> str:
    return "" if condition == "default" else f", {condition}"


def _text(value: Any) -> str:
    return fmt.NONE if value is None else str(value)


def _differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Differing]:
    names = [*a, *(k for k in b if k not in a)]
    return [Differing(k, a.get(k), b.get(k)) for k in names if a.get(k) != b.get(k)]


def _identity(facts: Facts) -> dict[str, Any]:
    """Return what a run was asked to do, by name."""
    return {
        "study": facts.study.get("name"),
        "study file": facts.study.get("digest"),
        "scale": facts.info.get("scale"),
        "seeds": sorted({c["seed"] for c in facts.cells}),
        **(facts.info.get("settings") or {}),
    }


def _surroundings(info: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a run was made with, by name."""
    found = {"hackproof": info.get("hackproof"), "engine": info.get("engine")}
    for group in ("versions", "machine", "git"):
        values = info.get(group) or {}
        found |= {f"{group}: {k}": v for k, v in values.items() if k != "hackproof"}
    return found


def _outcomes(facts: Facts) -> dict[str, str]:
    return {r["id"]: r["outcome"] for r in facts.claims}


def _final(frame: pd.DataFrame) -> dict[tuple, tuple[dict[int, float], str]]:
    """Return final values per seed, and their unit, by KEY."""
    rows = final(frame)
    rows = rows[rows["value"].notna()]
    return {
        key: (group.groupby("seed")["value"].mean().to_dict(), group["unit"].iloc[0])
        for key, group in rows.groupby(list(KEY), sort=True)
    }  # type: ignore[return-value]


def _value(key: tuple, first: tuple, second: tuple, same_study: bool) -> Value:
    (a, unit), (b, _) = first, second
    paired = same_study and a.keys() == b.keys()
    if paired:
        difference = mean_interval([b[s] - a[s] for s in sorted(a)])
    else:
        difference = welch_interval(list(a.values()), list(b.values()))
    arm, level, metric, role, condition = key
    return Value(
        arm,
        float(level),
        metric,
        role,
        condition,
        unit,
        mean_interval(list(a.values())),
        mean_interval(list(b.values())),
        difference,
        paired,
    )
