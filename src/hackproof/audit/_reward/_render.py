"""A report as text and as JSON."""

from __future__ import annotations

import math
from typing import Any

from hackproof.audit import _report
from hackproof.audit._finding import STATUSES
from hackproof.audit._output import check_lines, finding_lines
from hackproof.audit._reward import _spaces
from hackproof.audit._reward._audit import Report
from hackproof.audit._reward._correlation import Correlation
from hackproof.audit._reward._distance import UNRELATED
from hackproof.audit._reward._loops import Loop

SHOWN = 6
"""Entries of a list that the text shows."""


def exit_code(report: Report, fail_on: str) -> int:
    """Return 1 where a finding is at least as sure as `fail_on`, 2 where a check did not run."""
    return _report.exit_code(report.findings, report.complete, fail_on)


def as_audit(report: Report) -> _report.Audit:
    """Return the report in the form of the other audits, for the page."""
    t = report.target
    tables = []
    if (terms := report.terms) is not None:
        rows = tuple({"term": n, "weight": terms.weights[n], "share_of_variance": s}
                     for n, s in terms.shares.items())  # fmt: skip
        tables.append(_report.Table("terms", "Terms of the reward", rows))
    if (found := report.dimensions) is not None:
        rows = tuple({"input": n, "importance": v} for n, v in found.drops.items())
        tables.append(_report.Table("dimensions", "What the reward leans on", rows))
    if report.correlations:
        rows = tuple(
            {"policy": c.policy, "per": c.per, "kind": c.kind,
             "correlation": c.interval.estimate, "correlation_low": c.interval.low,
             "correlation_high": c.interval.high}
            for c in report.correlations if c.interval is not None
        )  # fmt: skip
        tables.append(_report.Table("correlations", "Correlation of proxy and true reward", rows))
    if report.distances:
        tables.append(_report.Table(
            "distances", "Distance of proxy and true reward", tuple(map(vars, report.distances))
        ))  # fmt: skip
    if report.loops:
        rows = tuple({k: str(v) if isinstance(v, list) else v for k, v in _loop(x).items()}
                     for x in report.loops)  # fmt: skip
        tables.append(_report.Table("loops", "Loops that pay", rows))
    facts = {
        "terms": ", ".join(t.terms) or "none", "true reward": t.true or "none",
        "steps": report.used, "episodes": sum(report.episodes.values()), "seed": report.seed,
    }  # fmt: skip
    return _report.Audit("reward", t.name, facts, tuple(tables), report.findings, report.checks)


def lines(report: Report) -> list[str]:
    """Return the report for people: findings first, then what was measured and not run."""
    t = report.target
    total = {s: sum(f.status == s for f in report.findings) for s in STATUSES}
    words = ", ".join(f"{n} {s}" for s, n in total.items() if n) or "no findings"
    missing = [c for c in report.checks if not c.ran]
    head = f"{t.name}: {words}"
    if missing:
        head += f"; {len(missing)} of {len(report.checks)} checks did not run"
    out = [
        head,
        f"terms {', '.join(t.terms) or 'none'}; true reward {t.true or 'none'}; "
        f"{sum(report.episodes.values())} episodes under {len(report.episodes)} policies; "
        f"{report.used} of {report.steps} steps, episodes cut at {report.horizon}, seed "
        f"{report.seed}",
    ]
    out += finding_lines(sorted(report.findings, key=lambda f: STATUSES.index(f.status)))
    return [*out, "", *_measured(report), "", *check_lines(report.checks)]


def _measured(report: Report) -> list[str]:
    out = []
    if (terms := report.terms) is not None:
        out.append(f"terms of the reward (they explain {terms.explained:.1%} of its variance):")
        for name, share in sorted(terms.shares.items(), key=lambda item: -abs(item[1])):
            weight = terms.weights[name]
            what = "it did not vary" if math.isnan(weight) else f"weight {weight:.4g}, {share:.1%}"
            out.append(f"  {name}: {what}")
    if (found := report.dimensions) is not None:
        out.append(f"what a regressor of the reward leans on (held-out R^2 {found.r2:.2f}):")
        out += [f"  {name}: {drop:.2f}" for name, drop in list(found.drops.items())[:SHOWN]]
    if report.correlations:
        out.append("correlation of proxy and true reward (95% interval over reset seeds):")
        for (policy, per), pair in _grouped(report).items():
            known = [
                f"{c.kind} {c.interval.estimate:.2f} [{c.interval.low:.2f}, {c.interval.high:.2f}]"
                for c in pair
                if c.interval is not None
            ]
            out.append(f"  {policy}, per {per}: {', '.join(known) or f'none, {pair[0].why}'}")
    for d in report.distances:
        out.append(f"{d.name} distance {d.value:.3f} (unrelated: {UNRELATED:.3f}); {d.note}")
    for loop in report.loops[:SHOWN]:
        true = "" if math.isnan(loop.true) else f", true {loop.true:.4g}"
        kind = "idle" if loop.idle else "loop"
        actions = [_spaces.plain(a) for a in loop.actions]
        out.append(f"{kind} {actions} pays {loop.proxy:.4g} a step{true}")
    return out


def _grouped(report: Report) -> dict[tuple[str, str], list[Correlation]]:
    """Return the correlations by policy and unit."""
    out: dict[tuple[str, str], list[Correlation]] = {}
    for c in report.correlations:
        out.setdefault((c.policy, c.per), []).append(c)
    return out


def as_json(report: Report, fail_on: str) -> dict[str, Any]:
    """Return the report as JSON values; numbers that are not finite are null."""
    t = report.target
    return _report.finite({
        "target": t.name,
        "kwargs": dict(t.kwargs),
        "terms_found": list(t.terms),
        "true": t.true,
        "seed": report.seed,
        "steps": {"budget": report.steps, "used": report.used},
        "horizon": report.horizon,
        "gamma": report.gamma,
        "episodes": dict(report.episodes),
        "complete": report.complete,
        "exit_code": exit_code(report, fail_on),
        "checks": [{"name": c.name, "ran": c.ran, "why": c.why} for c in report.checks],
        "findings": [f.row() for f in report.findings],
        "terms": None if report.terms is None else vars(report.terms),
        "dimensions": None if report.dimensions is None else vars(report.dimensions),
        "correlations": [
            {"policy": c.policy, "per": c.per, "kind": c.kind, "why": c.why,
             **({} if c.interval is None else c.interval._asdict())}
            for c in report.correlations
        ],
        "distances": [vars(d) for d in report.distances],
        "loops": [_loop(loop) for loop in report.loops],
    })  # fmt: skip


def _loop(loop: Loop) -> dict[str, Any]:
    return {
        "seed": loop.seed,
        "prefix": [_spaces.plain(a) for a in loop.prefix],
        "actions": [_spaces.plain(a) for a in loop.actions],
        "times": loop.times,
        "idle": loop.idle,
        "proxy_per_step": loop.proxy,
        "true_per_step": loop.true,
        "objected": loop.better is not None,
    }
