"""Turns Inspect logs into rows of hackproof's tables."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hackproof.evals._logs import (
    condition_name,
    counts,
    judge_name,
    read_logs,
    score_of,
    task_name,
)

if TYPE_CHECKING:
    from inspect_ai.log import EvalLog, EvalSample
    from inspect_ai.scorer import Score

_EXACT = ("exfiltration_offer", "hack_rate", "playing_dumb")
"""Scored by state or by exact answers: probes. The others are scored by a judge: detectors."""
_HACKS = {"misaligned": True, "hacked": True, "aligned": False, "solved": False, "failed": False}
_OUTCOMES = {
    "refused": "refused",
    "wrong": "wrong",
    "failed": "wrong",
    "unparseable": "unparseable",
}
_REASONS = {"no_response": "unparseable", "invalid_response_format": "unparseable",
            "grader_trick": "ok"}  # fmt: skip
_ENDS = ("_low", "_high", "_n")


@dataclass(frozen=True)
class Rows:
    """Rows for `hackproof.record.schema.to_table`."""

    measurements: list[dict[str, Any]]
    transcripts: list[dict[str, Any]]


def to_rows(
    logs: Iterable[EvalLog | str | Path],
    *,
    study: str = "evals",
    arm: str | None = None,
    seed: int = 0,
    step: int = 0,
) -> Rows:
    """Return the measurements and the transcripts of logs.

    Args:
        logs: Logs or paths of `.eval` files, finished or not.
        study: Name under which the rows stand.
        arm: What was evaluated; the model's name if left out.
        seed: Training seed of the evaluated model.
        step: Training step of the evaluated model.

    Raises:
        InputError: a log cannot be read, or comes twice.
    """
    measurements: list[dict[str, Any]] = []
    transcripts: list[dict[str, Any]] = []
    seen: dict[tuple[str, str], int] = {}
    for log in read_logs(logs):
        name = arm or log.eval.model
        task, condition = task_name(log), condition_name(log)
        cell = f"{name}/{task}/{condition}/seed-{seed}"
        replicate = seen.get((task, cell), 0)
        seen[task, cell] = replicate + 1
        shared = {"study": study, "cell": cell, "arm": name, "seed": seed, "condition": condition}
        place = {**shared, "scale": "watched", "replicate": replicate, "axis": "none",
                 "level": 0.0, "step": step}  # fmt: skip
        measurements += [{**place, **row} for row in _measured(log)]
        transcripts += [
            {**shared, "condition": f"{condition};epoch={s.epoch};replicate={replicate}",
             **_transcript(s)}
            for s in log.samples or []
        ]  # fmt: skip
    return Rows(measurements, transcripts)


def _measured(log: EvalLog) -> list[dict[str, Any]]:
    """Return one row per metric of a log, and how many samples are not in it."""
    task = task_name(log)
    labels, missing = counts(log)
    n, n_missing = sum(labels.values()), sum(missing.values())
    about = {
        "factors": {"task": task, "judge": judge_name(log), "version": str(log.eval.task_version)},
        "role": "probe" if task in _EXACT else "detector",
        "unit": "1",
        "n_missing": n_missing,
    }
    scores = log.results.scores if log.results else []
    values = {key: m.value for score in scores for key, m in score.metrics.items()}
    rows = [
        {**about, "metric": f"{task}/{key}", "value": value, "n": int(values.get(f"{key}_n", n)),
         "low": values.get(f"{key}_low"), "high": values.get(f"{key}_high")}
        for key, value in values.items()
        if not key.endswith(_ENDS)
    ]  # fmt: skip
    return rows or [{**about, "metric": f"{task}/misaligned", "value": None, "n": 0}]


def _transcript(sample: EvalSample) -> dict[str, Any]:
    """Return what one sample says."""
    score = score_of(sample)
    details = (score.metadata or {}) if score else {}
    prompt = sample.input
    if not isinstance(prompt, str):
        prompt = json.dumps([{"role": m.role, "content": m.text} for m in prompt])
    label = str(score.value) if score else ""
    return {
        "sample": str(sample.id),
        "prompt": prompt,
        "reasoning": details.get("reasoning") or None,
        "answer": details.get("answer") or None,
        "scores": {k: str(details[k]) for k in ("judged", "reward", "accuracy")
                   if details.get(k) is not None},
        "hack": _HACKS.get(label),
        "outcome": _outcome(sample, score, label),
    }  # fmt: skip


def _outcome(sample: EvalSample, score: Score | None, label: str) -> str:
    """Return how a sample ended, as `hackproof.record.schema.OUTCOMES` names it."""
    if score is None:
        return "infra"
    if label == "unscored":
        return _REASONS.get(score.reason or "", "infra")
    if sample.limit is not None:
        return "stopped"
    recorded = (score.metadata or {}).get("outcome")
    return str(recorded) if recorded else _OUTCOMES.get(label, "ok")
