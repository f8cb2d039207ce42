"""Transcripts side by side: one prompt, and what each arm thought, answered and was paid.

They are a model's words, and a model that hacks writes what it likes: every text is shown as
text, cut where it is long, and characters that cannot be seen are written out.
"""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from hackproof.report import _format as fmt
from hackproof.report import _html
from hackproof.report._facts import Facts
from hackproof.report._format import escape
from hackproof.report._html import Section

SHOWN = 12
"""Samples that are shown, those on which the arms differ most."""
LONG = 4000
"""Characters of a text that are shown."""
SCORES = 20
"""Scores of a transcript that are shown."""

_UNSEEN = re.compile(
    "([\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e007f])\\1*"
)
"""Controls, direction marks, zero-width characters, half characters and tags, in runs of one
character. Joiners (U+200C, U+200D) are left: scripts and emoji need them."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Sample:
    """The transcripts of one prompt under one condition, in the order of the arms."""

    name: str
    condition: str
    rows: Sequence[Row]

    @cached_property
    def spread(self) -> Mapping[str, tuple[float, float]]:
        """Smallest and largest value of each score."""
        found: dict[str, list[float]] = {}
        for row in self.rows:
            for name, value in numbers(row).items():
                found.setdefault(name, []).append(value)
        return {name: (min(values), max(values)) for name, values in found.items()}


def transcripts(facts: Facts) -> Section | None:
    """Return the samples on which the arms differ most; None where the run has none."""
    import pyarrow.compute as pc

    table = facts.run.transcripts()
    if not table.num_rows:
        return None
    seeds = table.column("seed")
    lowest = pc.min(seeds)
    rows = table.filter(pc.equal(seeds, lowest)).to_pylist()
    found = samples(facts, rows)
    shown = ranked(found)[:SHOWN]
    blocks = [_sample(facts, s, first=i == 0) for i, s in enumerate(shown)]
    which = fmt.count(len(found), "sample")
    if len(found) > len(shown):
        which = f"the {len(shown)} of {which} on which the arms differ most"
    kept = fmt.count(table.num_rows, "transcript")
    kept += f" of {fmt.count(len(seeds.unique()), 'seed')}"
    where = f"at seed {lowest}"
    if facts.many_levels:
        where += f" and the highest {escape(facts.pressure_label('level'))}"
    query = f"select * from transcripts where seed = {lowest}"
    command = f'hackproof query {shlex.quote(facts.run.path.resolve().name)} "{query}"'
    html = (
        f"<p>What was asked and what each arm answered, {where}: {which}. The run keeps {kept}.</p>"
        "\n"
        f'<pre class="command">{escape(command)}</pre>\n{"".join(blocks)}\n'
        '<p class="note">Private reasoning is what a model wrote before its answer, and is no part '
        "of it. Everything is shown as text: characters that cannot be seen are written as their "
        f"code points, and texts are cut after {LONG:,} characters.</p>"
    )
    return Section("transcripts", "Transcripts", html)


def samples(facts: Facts, rows: Sequence[Row]) -> list[Sample]:
    """Group transcripts by sample and condition, at each arm's highest level, arms in order."""
    levels = {c["id"]: float(c["level"]) for c in facts.cells}
    order = {a["name"]: i for i, a in enumerate(facts.arms)}
    highest: dict[str, float] = {}
    for row in rows:
        level = levels.get(row["cell"], -math.inf)
        highest[row["arm"]] = max(level, highest.get(row["arm"], -math.inf))
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if levels.get(row["cell"], -math.inf) == highest[row["arm"]]:
            groups.setdefault((row["sample"], row["condition"]), []).append(row)
    return [
        Sample(name, condition, sorted(found, key=lambda r: order.get(r["arm"], len(order))))
        for (name, condition), found in groups.items()
    ]


def numbers(row: Row) -> dict[str, float]:
    """Return a transcript's scores that are finite numbers."""
    found = {}
    for name, text in row["scores"]:
        try:
            value = float(text)
        except (TypeError, ValueError):
            continue
        if math.isfinite(value):
            found[name] = value
    return found


def ranked(found: Sequence[Sample]) -> list[Sample]:
    """Sort samples by how much their arms differ; equal ones by whether anything hacks.

    The difference is a sum of three parts in [0, 1]: whether `hack` differs, whether `outcome`
    differs, and the largest spread of a score as a share of its range over all samples.
    """
    lows: dict[str, float] = {}
    highs: dict[str, float] = {}
    for sample in found:
        for name, (low, high) in sample.spread.items():
            lows[name] = min(low, lows.get(name, low))
            highs[name] = max(high, highs.get(name, high))

    def difference(sample: Sample) -> float:
        shares = [
            # Halved, so that the range of doubles of either sign does not overflow.
            (high / 2 - low / 2) / (highs[name] / 2 - lows[name] / 2)
            for name, (low, high) in sample.spread.items()
            if highs[name] / 2 > lows[name] / 2
        ]
        hacks = {r["hack"] for r in sample.rows if r["hack"] is not None}
        outcomes = {r["outcome"] for r in sample.rows}
        return (len(hacks) > 1) + (len(outcomes) > 1) + max(shares, default=0.0)

    def key(sample: Sample) -> tuple[float, bool]:
        return -difference(sample), not any(r["hack"] for r in sample.rows)

    return sorted(found, key=key)


def plain(value: Any, limit: int = LONG) -> str:
    """Return any text as HTML that shows it and nothing else, cut after `limit` characters."""
    text = str(value).replace("\r\n", "\n")
    parts, at = [], 0
    for match in _UNSEEN.finditer(text, 0, min(len(text), limit)):
        times = len(match.group())
        code = f"U+{ord(match.group()[0]):04X}" + (f" {fmt.TIMES}{times:,}" if times > 1 else "")
        parts += [escape(text[at : match.start()]), f'<i class="unseen">{code}</i>']
        at = match.end()
    parts.append(escape(text[at:limit]))
    if len(text) > limit:
        parts.append(f'<i class="cut">… {len(text) - limit:,} more characters</i>')
    return "".join(parts)


def messages(prompt: str) -> list[tuple[str, str]]:
    """Return roles and texts of a prompt; one without a role where it is no list of messages."""
    try:
        found = json.loads(prompt) if prompt.lstrip().startswith("[") else []
        return [(str(m["role"]), _content(m["content"])) for m in found] or [("", prompt)]
    except (ValueError, TypeError, KeyError, RecursionError):
        return [("", prompt)]


def _content(content: Any) -> str:
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)


def _sample(facts: Facts, sample: Sample, *, first: bool) -> str:
    prompts = {r["prompt"] for r in sample.rows}
    shared = _prompt(sample.rows[0]["prompt"]) if len(prompts) == 1 else ""
    answers = "".join(_answer(facts, r, own_prompt=len(prompts) > 1) for r in sample.rows)
    under = "" if sample.condition == "default" else f" · {plain(sample.condition, 60)}"
    return (
        f'<details class="sample"{" open" if first else ""}><summary>'
        f"<code>{plain(sample.name, 80)}</code>{under} "
        f'<span class="note">{_differences(sample)}</span></summary>\n'
        f'{shared}<div class="answers">{answers}</div></details>\n'
    )


def _differences(sample: Sample) -> str:
    """Say in a line what a sample's arms did."""
    known = [r["hack"] for r in sample.rows if r["hack"] is not None]
    hacks = f"{sum(known)} of {len(known)} hack" if known else ""
    outcomes = ", ".join(dict.fromkeys(str(r["outcome"]) for r in sample.rows))
    spreads = [
        f"{plain(name, 40)} {fmt.number(low)} to {fmt.number(high)}"
        for name, (low, high) in sample.spread.items()
        if high > low
    ]
    return " · ".join(filter(None, [hacks, escape(outcomes), *spreads[:2]]))


def _prompt(prompt: str) -> str:
    parts = messages(prompt)
    limit = max(LONG // len(parts), 300)
    blocks = [
        f"<h4>{plain(f'Prompt: {role}' if role else 'Prompt', 60)}</h4>{_text(text, limit)}"
        for role, text in parts[:SHOWN]
    ]
    if len(parts) > SHOWN:
        blocks.append(f'<p class="note">{fmt.count(len(parts) - SHOWN, "more message")}.</p>')
    return f'<div class="prompt">{"".join(blocks)}</div>'


def _text(value: Any, limit: int = LONG) -> str:
    """Return a model's text in a box that scrolls and has a reading direction of its own."""
    if value is None or value == "":
        return f'<p class="note">{"None." if value is None else "Empty."}</p>'
    return f'<pre class="said" dir="auto" tabindex="0">{plain(value, limit)}</pre>'


def _answer(facts: Facts, row: Row, *, own_prompt: bool) -> str:
    """Return one arm's transcript."""
    arm = next((a for a in facts.arms if a["name"] == row["arm"]), {"name": row["arm"]})
    before = ""
    if len(facts.arms) > 1 and arm is facts.arms[0]:
        before = ' <span class="before">before</span>'
    known = {True: ("Hack", "hacks"), False: ("No hack", "improves")}
    hack = known.get(row["hack"], ("Hack not known", "inconclusive"))
    badges = f"{_html.badge(*hack)} {_html.badge(row['outcome'], 'inconclusive')}"
    private = ""
    if row["reasoning"] is not None:
        private = f'<div class="private"><h4>Private reasoning</h4>{_text(row["reasoning"])}</div>'
    return (
        f"<article><h3>{escape(arm.get('label') or arm['name'])}{before}</h3>"
        f'<p class="badges">{badges}</p>{_prompt(row["prompt"]) if own_prompt else ""}{private}'
        f"<h4>Answer</h4>{_text(row['answer'])}{_scores(row)}</article>"
    )


def _scores(row: Row) -> str:
    if not row["scores"]:
        return ""
    found = numbers(row)
    pairs = "".join(
        f"<div><dt>{plain(name, 60)}</dt>"
        f"<dd>{fmt.number(found[name]) if name in found else plain(text, 60)}</dd></div>"
        for name, text in row["scores"][:SCORES]
    )
    more = len(row["scores"]) - SCORES
    note = f'<p class="note">{fmt.count(more, "more score")}.</p>' if more > 0 else ""
    return f'<h4>Scores</h4><dl class="scores">{pairs}</dl>{note}'
