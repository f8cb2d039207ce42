"""`hackproof audit reward-model FILE`: how far may a learned reward be optimised?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tyro.conf import Positional

from hackproof.cli._audit import EXIT, Output, pairs, report
from hackproof.cli._common import parse


@dataclass(frozen=True, kw_only=True)
class RewardModelOptions(Output):
    """Flags of `audit reward-model`."""

    table: Positional[str]
    """A curve (gold, proxy at each kl, d or n), samples (item, proxy or proxy_1 ..., gold) or
    rewrites (score, score_rewritten, rewrite): .csv, .jsonl, .parquet, also .gz."""
    columns: tuple[str, ...] = ()
    """OUR=THEIRS, where the file's columns go by other names: item, sample, proxy, gold, kl, d, n,
    form, seed, prompt, answer, score, score_rewritten, rewrite."""
    form: Literal["best-of-n", "rl"] | None = None
    """Form of a curve that does not say; best-of-n where n is given, else rl."""
    proxy: str | None = None
    """Hugging Face sequence classifier, name or folder, that scores prompt and answer."""
    gold: str | None = None
    """The same for the gold score."""
    first: float = 1.0
    """Curves are fitted on points with a d of at most this share of the largest."""
    seed: int = 0
    """Of draws."""
    checks: tuple[str, ...] = ()
    """Which checks to run: curve, ensemble, rewrites; all where none is named."""


def command(words: list[str]) -> int:
    """Hackproof audit reward-model: 0 nothing found, 1 findings, 2 a check did not run."""
    about = (
        "Fit the gold score of what a proxy reward model likes best against the KL from the "
        "initial policy, under best-of-n and RL: where is it highest, and how sure is that? And: "
        "what does an ensemble give, and which changes of style move the score?" + EXIT
    )
    options = parse(RewardModelOptions, "audit reward-model", words, about)
    from hackproof.audit import reward_model
    from hackproof.audit._reward_model._audit import CHECKS

    audit = reward_model(
        options.table,
        columns=pairs(options.columns, "--columns"),
        form=options.form,
        proxy=options.proxy,
        gold=options.gold,
        first=options.first,
        checks=options.checks or CHECKS,
        seed=options.seed,
    )
    return report(audit, options)
