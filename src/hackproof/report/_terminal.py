"""What the command line shows at the end of a run: verdicts and claims as rich tables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hackproof.experiment.curves import Curve
from hackproof.record import Run
from hackproof.report import _format as fmt
from hackproof.report._facts import OUTCOMES, VERDICTS, Facts

if TYPE_CHECKING:
    from rich.console import Console

STYLES = {
    "hacks": "bold red", "hacks late": "bold yellow", "improves": "bold green",
    "reproduced": "bold green", "not reproduced": "bold red", "underpowered": "bold yellow",
}  # fmt: skip


def print_claims(run: Run, console: Console) -> None:
    """Print each arm's verdict and each claim's outcome.

    Args:
        run: The run.
        console: Where to print.
    """
    from rich.markup import escape
    from rich.table import Table

    facts = Facts(run)
    if facts.failed:
        console.print(
            f"[bold red]{len(facts.failed)} of {fmt.count(len(facts.cells), 'cell')} failed."
            "[/] The same command tries them again."
        )
    table = Table(title="Does it hack?", title_justify="left", title_style="bold")
    for name in ("arm", "verdict", "proxy", "true reward"):
        table.add_column(name)
    for arm in facts.arms:
        verdict, line = facts.verdicts[arm["name"]]
        label = escape(str(arm.get("label") or arm["name"]))
        under = f"\n[dim]under {line.condition}[/]" if line and line.condition != "default" else ""
        table.add_row(label + under, *_verdict(facts, arm, verdict, line))
        training = facts.by_step.get(arm["name"]) if facts.pressure == "level" else None
        if training is not None and len(training.points) > 1:
            row = _verdict(facts, arm, training.verdict, training)
            table.add_row("[dim]  in the course of training[/]", *row)
    console.print(table)
    _claims(facts, console)


def _verdict(facts: Facts, arm: Mapping[str, Any], verdict: str, line: Curve | None) -> list[str]:
    """Return the cells after an arm's name: its verdict and the changes of both rewards."""
    from rich.markup import escape

    cells = [fmt.NONE, fmt.NONE]
    if line is not None and len(line.points) > 1:
        cells = [
            fmt.interval(*change[:3], signed=True) + fmt.unit(facts.metric(arm, role)[1])
            for role, change in (("proxy", line.proxy_change), ("true", line.true_change))
        ]
    return [_styled(VERDICTS[verdict], verdict), *map(escape, cells)]


def _claims(facts: Facts, console: Console) -> None:
    from rich.markup import escape
    from rich.table import Table

    if not facts.claims:
        return
    table = Table(title="Claims", title_justify="left", title_style="bold")
    for name in ("claim", "outcome", "estimate [95%]", "claimed", "n"):
        table.add_column(name.replace("[", r"\["), justify="right" if name == "n" else "left")
    for r in facts.claims:
        values = [math.nan if r[k] is None else r[k] for k in ("estimate", "low", "high")]
        outcome = _styled(r["outcome"], r["outcome"])
        note = f"\n[dim]{escape(r['note'])}[/]" if r["note"] else ""
        table.add_row(
            f"{escape(r['statement'])}\n[dim]{escape(r['id'])}[/]",
            outcome + note,
            escape(fmt.interval(*values)),
            f"{r['direction']} {fmt.number(r['margin'])}",
            str(r["n"]),
        )
    console.print(table)
    tally = [f"{sum(r['outcome'] == o for r in facts.claims)} {o}" for o in OUTCOMES]
    console.print(", ".join(tally) + ".")


def _styled(text: str, kind: str) -> str:
    style = STYLES.get(kind)
    return f"[{style}]{text}[/]" if style else text
