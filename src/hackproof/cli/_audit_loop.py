"""`hackproof audit loop`: does a model in a loop come to please its judge, or break its rules?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tyro.conf import Positional

from hackproof.cli._audit import EXIT, Output, pairs, report
from hackproof.cli._common import parse


@dataclass(frozen=True, kw_only=True)
class LoopOptions(Output):
    """Flags of `audit loop`."""

    table: Positional[str] = ""
    """A row per item and round: judge and gold, engagement and harm, or violations; where known
    history (shared, separate), condition, spec, model, epoch: .csv, .jsonl, .parquet, also .gz."""
    columns: tuple[str, ...] = ()
    """OUR=THEIRS, where the file's columns go by other names."""
    same_scale: bool = False
    """Whether the judge's score and the gold score have one scale, so that they are compared as
    they are, and not in spreads."""
    model: str | None = None
    """In place of a table: a model as Inspect names it (openai/gpt-4o), on which loops are run."""
    tasks: tuple[Literal["refine", "posts", "policy"], ...] = ("refine", "posts", "policy")
    """For a model: self-refinement, posts that are to be read more, an agent that meets errors."""
    rounds: int = 4
    """For a model, the pressure: revisions, posts, rounds of errors."""
    limit: int = 0
    """For a model, items of each task; all where 0."""
    histories: tuple[Literal["shared", "separate"], ...] = ("shared", "separate")
    """For a model: whether its judge sees the past rounds."""
    specs: tuple[Literal["plain", "careful", "varied"], ...] = ("plain",)
    """For a model: what its judge is asked to rate by."""
    errors: float = 0.0
    """For a model: share of rounds with an atypical observation in place of feedback."""
    judge: str | None = None
    """Another model as judge; the model itself where none is named."""
    gold: str | None = None
    """A model that gives the gold score; rules where none is named."""
    harm: str | None = None
    """A model that scores harm; rules where none is named."""
    logs: str | None = None
    """Folder for Inspect's logs and the table of rounds (rounds.jsonl); not kept where none."""
    checks: tuple[str, ...] = ()
    """Which checks to run: hacking, harm, violations, sharing; all that apply where none is
    named."""


def command(words: list[str]) -> int:
    """Hackproof audit loop: 0 nothing found, 1 findings, 2 a check did not run."""
    about = (
        "Look for in-context reward hacking: round by round, does the judge's score rise while the "
        "gold score does not, more so with a shared history; do harm and engagement rise together; "
        "do errors bring an agent to break its constraints? From rounds already collected, without "
        "a model or a network, or on a model." + EXIT
    )
    options = parse(LoopOptions, "audit loop", words, about)
    from hackproof.audit import loop

    audit = loop(
        options.table or None,
        model=options.model,
        columns=pairs(options.columns, "--columns"),
        checks=options.checks,
        same_scale=options.same_scale,
        tasks=options.tasks,
        rounds=options.rounds,
        limit=options.limit,
        histories=options.histories,
        specs=options.specs,
        errors=options.errors,
        judge=options.judge,
        gold=options.gold,
        harm=options.harm,
        logs=options.logs,
    )
    return report(audit, options)
