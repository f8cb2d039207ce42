"""`hackproof audit judge`: what does a judge's verdict follow, beside quality?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tyro.conf import Positional

from hackproof.cli._audit import EXIT, Output, pairs, report
from hackproof.cli._common import parse


@dataclass(frozen=True, kw_only=True)
class JudgeOptions(Output):
    """Flags of `audit judge`."""

    judge: Positional[str]
    """A table of verdicts (.csv, .jsonl, .parquet, also .gz), a function (module:function or
    file.py:function) of (question, first answer, second answer), or a model as Inspect names it
    (openai/gpt-4o)."""
    columns: tuple[str, ...] = ()
    """OUR=THEIRS, where the file's columns go by other names: item, judge, strategy, subset,
    sample, order, winner, winner_12, winner_21, score_1, score_2, model_1, model_2, text_1, text_2,
    length_1, length_2, gold, question."""
    pairs: str | None = None
    """Table of the pairs or answers; pairs.* or answers.* beside a table of verdicts is found. For
    a judge that is asked, the pairs to ask it about; a small set of hackproof's own where none."""
    means: Literal["answers", "positions"] | None = None
    """What a winner in the table names; answers in a table with both orders in a row, else
    positions."""
    own: tuple[str, ...] = ()
    """JUDGE=GENERATOR[,GENERATOR]: whose answers are a judge's own; by default its namesake's."""
    prompt: str | None = None
    """File with the prompt for a model, with {question}, {first} and {second}."""
    samples: int = 1
    """How often a judge is asked the same."""
    limit: int = 0
    """Pairs to ask about; all where 0."""
    probes: int = 25
    """Questions that attacks are tried on; below 11 one attack that always works cannot be told
    from chance, and the check did not run."""
    seed: int = 0
    """Of resamples."""
    checks: tuple[str, ...] = ()
    """Which checks to run: position, self-preference, length, format, agreement, repairs, probes;
    all that apply where none is named."""


def command(words: list[str]) -> int:
    """Hackproof audit judge: 0 nothing found, 1 findings, 2 a check did not run."""
    about = (
        "Ask what a judge's verdicts follow beside quality: place, author, length, format; and "
        "what the published repairs give. From verdicts already collected, without a model or a "
        "network; or from a judge that can be asked, which is attacked too." + EXIT
    )
    options = parse(JudgeOptions, "audit judge", words, about)
    from hackproof.audit import judge
    from hackproof.audit._judge._ask import read_prompt

    audit = judge(
        options.judge,
        columns=pairs(options.columns, "--columns"),
        pairs=options.pairs,
        means=options.means,
        own={k: tuple(v.split(",")) for k, v in pairs(options.own, "--own").items()},
        checks=options.checks,
        prompt=None if options.prompt is None else read_prompt(options.prompt),
        samples=options.samples,
        limit=options.limit,
        probes=options.probes,
        seed=options.seed,
    )
    return report(audit, options)
