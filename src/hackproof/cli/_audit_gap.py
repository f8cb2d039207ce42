"""`hackproof audit gap FILE`: what is right and what is approved, along training."""

from __future__ import annotations

from dataclasses import dataclass

from tyro.conf import Positional

from hackproof.cli._audit import EXIT, Output, pairs, report
from hackproof.cli._common import parse


@dataclass(frozen=True, kw_only=True)
class GapOptions(Output):
    """Flags of `audit gap`."""

    table: Positional[str]
    """A row per answer: oracle, human (0 and 1, true and false), step, and where known item and
    proxy: .csv, .jsonl, .parquet, also .gz."""
    columns: tuple[str, ...] = ()
    """OUR=THEIRS, where the file's columns go by other names."""


def command(words: list[str]) -> int:
    """Hackproof audit gap: 0 nothing found, 1 findings, 2 a check did not run."""
    about = (
        "Hold three rewards of the same answers beside each other through training: the oracle's, "
        "the evaluator's and the proxy's. Does approval rise while correctness does not?" + EXIT
    )
    options = parse(GapOptions, "audit gap", words, about)
    from hackproof.audit import gap

    return report(gap(options.table, columns=pairs(options.columns, "--columns")), options)
