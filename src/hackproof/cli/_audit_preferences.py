"""`hackproof audit preferences FILE`: what do preference pairs teach?"""

from __future__ import annotations

from dataclasses import dataclass

from tyro.conf import Positional

from hackproof.cli._audit import EXIT, Output, pairs, report
from hackproof.cli._common import parse


@dataclass(frozen=True, kw_only=True)
class PreferencesOptions(Output):
    """Flags of `audit preferences`."""

    source: Positional[str]
    """Pairs: .jsonl, .csv, .tsv, .json, .parquet, also .gz; or hf:NAME[:SPLIT]."""
    columns: tuple[str, ...] = ()
    """OUR=THEIRS, where columns go by other names: chosen, rejected, prompt, label, weight, split,
    score_chosen_before, score_rejected_before, score_chosen_after, score_rejected_after."""
    test: str | None = None
    """Another file of pairs, which should share none with this one."""
    targets: tuple[str, ...] = ()
    """Features that a good answer should have more of; built-in ones are spoilers else."""
    spoilers: tuple[str, ...] = ()
    """Given features that should not matter; given ones are targets else."""
    text: bool = True
    """Whether to measure the built-in features of the texts."""
    before: str | None = None
    """Reward model before training: a Hugging Face sequence classifier, name or folder."""
    after: str | None = None
    """Reward model after training; answers are rewritten in style too, to see what turns it."""
    labeller: str | None = None
    """Model, as Inspect names it, that answers --labels about every answer."""
    labels: tuple[str, ...] = ()
    """NAME=QUESTION, answered by yes or no: a feature of each answer."""
    rewrites: int = 400
    """Pairs whose answers are rewritten."""
    seed: int = 0
    """Of folds, draws and rewrites."""
    checks: tuple[str, ...] = ()
    """Which checks to run: features, copies, learnt; all where none is named."""


def command(words: list[str]) -> int:
    """Hackproof audit preferences: 0 nothing found, 1 findings, 2 a check did not run."""
    about = (
        "Ask what pairs of chosen and rejected answers teach: which features decide, how much of "
        "the label style foretells, copies, contradictions and leaks; and, where a reward model's "
        "scores before and after training are given, what it made of them." + EXIT
    )
    options = parse(PreferencesOptions, "audit preferences", words, about)
    from hackproof.audit import preferences
    from hackproof.audit._preferences._audit import CHECKS

    audit = preferences(
        options.source,
        columns=pairs(options.columns, "--columns"),
        test=options.test,
        targets=options.targets,
        spoilers=options.spoilers,
        text=options.text,
        before=options.before,
        after=options.after,
        labeller=options.labeller,
        labels=pairs(options.labels, "--labels"),
        rewrites=options.rewrites,
        checks=options.checks or CHECKS,
        seed=options.seed,
    )
    return report(audit, options)
