"""`hackproof.audit.judge`: a table of verdicts, a callable, or a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from hackproof.audit._judge import _ask, _questions
from hackproof.audit._judge._audit import CHECKS, from_table
from hackproof.audit._judge._live import from_judge
from hackproof.audit._report import Audit
from hackproof.errors import InputError, unknown

LIVE_CHECKS = (*CHECKS, "probes")
WORDS = {1: "A", 2: "B", 0: "tie"}


def judge(
    target: str | Path | _ask.Judge,
    *,
    columns: Mapping[str, str] | None = None,
    pairs: str | Path | None = None,
    means: str | None = None,
    own: Mapping[str, Sequence[str]] | None = None,
    checks: Sequence[str] = (),
    prompt: str | None = None,
    samples: int = 1,
    limit: int = 0,
    probes: int = 25,
    seed: int = 0,
) -> Audit:
    """Audit whoever compares answers.

    Args:
        target: A table of verdicts already collected (CSV, JSON lines or Parquet: a row per pair
            with the winners in both orders, a row per verdict with its order, or a row per pair
            judged once), which needs no model and no network; or a function of (question, answer
            shown first, answer shown second), itself or as module:function; or a model of
            Inspect's, itself or by its name (provider/model).
        columns: Our name to the file's, where they differ: item, judge, strategy, subset, sample,
            order, winner, winner_12, winner_21, score_1, score_2, model_1, model_2, text_1,
            text_2, length_1, length_2, gold; for pairs to be asked also question.
        pairs: For a table, a table of its pairs or answers (one beside it is found); for a judge,
            the pairs to ask it about (a small set of hackproof's own where None).
        means: answers or positions: what a table's winner names. Where None, answers in a table
            with both orders in a row, else positions.
        own: Judge to the generators that are its own; else the one with the judge's name.
        checks: Which of position, self-preference, length, format, agreement, repairs and, for a
            judge that can be asked, probes; all that apply where empty.
        prompt: Template with {question}, {first} and {second}, for a model.
        samples: How often a judge is asked the same.
        limit: Pairs to ask about; all where 0.
        probes: Questions that attacks are tried on.
        seed: Of resamples; for a model that is not deterministic the same seed promises nothing.

    Returns:
        The report: tables `cells` (one row per judge, strategy and subset), `leans`, `heat_map`,
        `own`, `repairs`, `probes`, each where it could be made; findings; which checks ran.

    Raises:
        InputError: a file, column, entry, name or number that cannot be used.
        JudgeError: the judge failed while it was asked.
    """
    table = isinstance(target, str | Path) and Path(target).is_file() and not _object(str(target))
    known = CHECKS if table else LIVE_CHECKS
    for check in checks:
        if check not in known:
            raise unknown("check", check, known)
    for name, value, least in (("samples", samples, 1), ("limit", limit, 0), ("probes", probes, 0)):
        if value < least:
            raise InputError(f"{name} is {value}; it must be at least {least}.")
    if table:
        return from_table(
            str(target), columns=columns or {}, pairs=pairs, means=means, own=own or {},
            checks=checks or CHECKS, seed=seed,
        )  # fmt: skip
    if _ask.is_model(target):
        name, call = str(target), cast(_ask.Judge, target)
    elif callable(target):
        name = f"{target.__module__}:{getattr(target, '__qualname__', type(target).__qualname__)}"
        call = target
    else:
        if str(target).rpartition(".")[2].lower() in (
            "csv",
            "tsv",
            "gz",
            "jsonl",
            "json",
            "parquet",
        ):
            raise InputError(f"there is no file {target}.")
        name, call = str(target), _ask.load_judge(str(target), prompt)
    said: list[str] = []
    shown = _questions.builtin() if pairs is None else _questions.read(pairs, columns, said)
    return from_judge(
        name, call, shown[: limit or len(shown)], prompt=prompt, samples=samples, probes=probes,
        own=own or {}, checks=checks or LIVE_CHECKS, seed=seed, said=said,
    )  # fmt: skip


def _object(name: str) -> bool:
    return ".py:" in name


def verdict_of(target: str | _ask.Judge, question: str, first: str, second: str) -> str | None:
    """Return A, B or tie: what a judge says of two answers; None where it gives no verdict.

    Args:
        target: As for `judge`, a function or a model.
        question: What was asked.
        first: The answer shown first, A.
        second: The answer shown second, B.
    """
    given = callable(target) or _ask.is_model(target)
    call = target if given else _ask.load_judge(str(target))
    reply = _ask.ask(str(target), call, [_ask.Asked(question, first, second)])[0]
    return WORDS.get(_ask.verdict(reply))
