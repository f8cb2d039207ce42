"""The sections that say how it came out: settings, cost, versions, how to run it again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from hackproof.report import _format as fmt
from hackproof.report._facts import Facts
from hackproof.report._format import escape
from hackproof.report._html import Section


def settings(facts: Facts) -> Section | None:
    """Return every setting of the run; a group of settings has a heading of its own."""
    values = facts.info.get("settings") or {}
    if not values:
        return None
    groups = {k: v for k, v in values.items() if isinstance(v, Mapping) and v}
    own = {k: setting(v) for k, v in values.items() if k not in groups}
    parts = [_pairs(own)] if own else []
    for name, group in groups.items():
        pairs = _pairs({k: setting(v) for k, v in group.items()})
        parts.append(f"<h3>{escape(name)}</h3>\n{pairs}")
    return Section("settings", "Settings", "\n".join(parts))


def setting(value: Any) -> str:
    """Return a setting's value as HTML."""
    return escape(_words(value))


def _words(value: Any) -> str:
    """Return a setting's value as text; what has parts is shown by them."""
    if isinstance(value, str):
        return value or "none"
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping):
        return "; ".join(f"{k}: {_words(v)}" for k, v in value.items()) or "none"
    if isinstance(value, Sequence):
        flat = not any(isinstance(v, Mapping | list | tuple) for v in value)
        return (", " if flat else " | ").join(map(_words, value)) or "none"
    return json.dumps(value)


def cost(facts: Facts) -> Section:
    """Return what the run took: cells, time and memory."""
    cells = facts.cells
    done = [c for c in cells if c.get("status") == "done"]
    timed = [c for c in cells if c.get("wall_s") is not None]
    found = {"Cells": f"{len(done):,} of {len(cells):,} done"}
    cpu = [c["cpu_s"] for c in cells if c.get("cpu_s") is not None]
    if cpu:
        found["CPU time"] = f"{fmt.duration(sum(cpu))}, {fmt.duration(sum(cpu) / len(cpu))} a cell"
    if (wall := facts.info.get("wall_s")) is not None:
        found["Wall time of the last call"] = fmt.duration(wall)
    if timed:
        slow = max(timed, key=lambda c: c["wall_s"])
        found["Slowest cell"] = f"{fmt.duration(slow['wall_s'])}, <code>{escape(slow['id'])}</code>"
    if peaks := [c["peak_mib"] for c in cells if c.get("peak_mib") is not None]:
        found["Peak memory of a worker"] = f"{fmt.number(max(peaks))} MiB"
    if engine := facts.info.get("engine"):
        found["Engine"] = escape(engine)
    return Section("cost", "Cost", _pairs(found))


def provenance(facts: Facts) -> Section:
    """Return versions, machine, code and seal, and the commands that make and check the run."""
    info = facts.info
    machine = info.get("machine") or {}
    found = {}
    if machine:
        found["Machine"] = escape(_machine(machine))
    found["Code"] = escape(code(info.get("git") or {}))
    versions = info.get("versions") or {}
    if versions:
        found["Versions"] = ", ".join(f"{escape(k)}&nbsp;{escape(v)}" for k, v in versions.items())
    for key, title in (("settings_digest", "Settings digest"), ("seal", "Seal")):
        if info.get(key):
            found[title] = f'<code class="hash">{escape(info[key])}</code>'
    html = f"{_pairs(found)}\n<h3>Run it again, and check it</h3>\n{_commands(facts)}"
    return Section("provenance", "Provenance and how to reproduce", html, "Provenance")


def code(git: Mapping[str, Any]) -> str:
    """Say which code made the run."""
    if not git:
        return "not in git"
    return str(git.get("commit", "")) + (", with uncommitted changes" if git.get("dirty") else "")


def _machine(machine: Mapping[str, Any]) -> str:
    parts = [str(machine.get("processor", "")), str(machine.get("system", ""))]
    if machine.get("cores"):
        parts.insert(1, fmt.count(machine["cores"], "core"))
    if machine.get("memory_gib"):
        parts.insert(2, f"{fmt.number(machine['memory_gib'])} GiB")
    return ", ".join(p for p in parts if p)


def _commands(facts: Facts) -> str:
    """Return the commands; a watched run is made by the user's own training."""
    info, study = facts.info, facts.study
    scale, seeds = str(info.get("scale", "")), len({c["seed"] for c in facts.cells})
    lines = []
    if scale != "watched":
        name = "FILE.py" if study.get("digest") else str(study.get("name", "STUDY"))
        lines.append(f"hackproof run {name} --scale {scale} --seeds {seeds}")
    lines.append(f"hackproof verify {facts.run.path.resolve().name}")
    note = (
        "A study is run with the settings above, and gives the same table to the bit on the same "
        "machine and versions; elsewhere, its claims come out the same."
        if scale != "watched"
        else "A watched run is made by the user's own training; its tables can be checked."
    )
    return f'<pre class="command">{escape(chr(10).join(lines))}</pre>\n<p class="note">{note}</p>'


def _pairs(found: Mapping[str, str]) -> str:
    """Return names with values (HTML) as a definition list."""
    return (
        '<dl class="pairs">'
        + "".join(f"<div><dt>{escape(k)}</dt><dd>{v}</dd></div>" for k, v in found.items())
        + "</dl>"
    )
