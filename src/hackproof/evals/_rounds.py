"""What the loops share: roles, rounds kept in a sample's store, and what is computed from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspect_ai import Task
from inspect_ai.dataset import Sample
from inspect_ai.model import (
    ChatMessage,
    ChatMessageSystem,
    Model,
    get_model,
    model_roles,
)
from inspect_ai.scorer import Metric, SampleScore, Score, metric
from inspect_ai.solver import Solver

from hackproof.errors import InputError
from hackproof.evals._condition import Condition
from hackproof.evals._data import load
from hackproof.evals._judge import COMMON, JudgeError, Rubric, Verdict, exchange
from hackproof.evals._metrics import UNSCORED, unscored, with_ends
from hackproof.evals._reasoning import said
from hackproof.evals._task import VERSION
from hackproof.experiment.statistics import mean_interval

if TYPE_CHECKING:
    from inspect_ai.log import EvalLog

ROUNDS = "loop:rounds"
"""Key of a sample's store: a list of rounds, each a mapping."""
NUMBERS = ("judge", "gold", "engagement", "harm", "violations", "done")
"""What a round may hold as a number; None where it has none, and `state` says why."""
HISTORIES = ("shared", "separate")
PATIENCE = 5
"""Questions without a verdict, and none with one before, after which a judge is given up."""


def checked(name: str, value: int, least: int, most: int) -> int:
    """Return a number within its bounds.

    Raises:
        InputError: it is not.
    """
    if not least <= value <= most:
        raise InputError(f"{name} is {value}; it must be from {least} to {most}.")
    return value


def share(name: str, value: float) -> float:
    """Return a share.

    Raises:
        InputError: it is none.
    """
    if not 0 <= value <= 1:
        raise InputError(f"{name} is {value}; a share from 0 to 1.")
    return value


def in_role(role: str) -> Model:
    """Return the model in a role; the evaluated model where nobody was given the role. These
    tasks are about a model that judges itself.
    """
    return get_model(role=role) if role in model_roles() else get_model()


def has_role(role: str) -> bool:
    """Return whether a model was given a role."""
    return role in model_roles()


def rubric_of(name: str, score: str = "") -> Rubric:
    """Return the rubric of a loop's data file, `data/<name>.toml`, with the labels that all have.

    Args:
        name: refine or posts.
        score: What a whole number from 0 to 100 stands for; empty where none is asked for.
    """
    entry = load(name)["rubric"]
    return Rubric(name, entry["question"], {**entry["labels"], **COMMON}, score)


class Rater:
    """The model in a role, which is asked for verdicts; one that never gives any is given up."""

    def __init__(self, role: str) -> None:
        self.role, self.verdicts, self.failures = role, 0, 0

    async def __call__(
        self, asked: Rubric, parts: Mapping[str, str], before: Sequence[ChatMessage] = ()
    ) -> tuple[Verdict | None, list[ChatMessage]]:
        """Return a verdict, None where two answers hold none, and the exchange to remember.

        Args:
            asked: What is asked.
            parts: What is judged, by heading.
            before: What was said in earlier rounds.

        Raises:
            JudgeError: not one verdict yet, PATIENCE times over.
        """
        model = in_role(self.role)
        verdict, told, wrong = await exchange(model, asked, parts, before)
        if verdict is not None:
            self.verdicts += 1
            return verdict, told
        self.failures += 1
        if not self.verdicts and self.failures >= PATIENCE:
            raise JudgeError(
                f"the {self.role} {model.name} has given {self.failures} answers and no verdict "
                f"(rubric {asked.name}): {wrong} Nothing was scored. Choose another model with "
                f"--model-role {self.role}=... (hackproof audit loop: --{self.role})."
            )
        return None, []


async def write(messages: Sequence[ChatMessage], tags: bool) -> str:
    """Return what the evaluated model answers, its reasoning cut out; empty where it says nothing.

    Args:
        messages: What it is shown.
        tags: Whether <thinking> tags mark reasoning.
    """
    output = await get_model().generate(list(messages))
    return said(output.message, tags).answer


def system(condition: Condition, scenario: str = "") -> list[ChatMessage]:
    """Return the condition's system prompt as messages, none where it is empty."""
    text = condition.system(scenario)
    return [ChatMessageSystem(content=text)] if text else []


def looped(
    samples: list[Sample], solver: Solver, scorer: Any, condition: Condition, epochs: int,
    *, turns: int | None = None, **about: Any,
) -> Task:  # fmt: skip
    """Return an Inspect task whose solver runs a loop of its own.

    Args:
        samples: Its dataset.
        solver: The loop.
        scorer: An Inspect scorer.
        condition: Recorded in the log, with `about`.
        epochs: How often each sample is run.
        turns: Answers of the model that a sample may take, where it acts with tools.
        **about: What else says how the loop was run.
    """
    return Task(
        dataset=samples, solver=solver, scorer=scorer, epochs=epochs, fail_on_error=0.1,
        message_limit=None if turns is None else 2 + 4 * turns,
        metadata={"condition": condition.name, "prefix": condition.prefix, "cue": condition.cue,
                  "reasoning": condition.reasoning, **about},
        version=VERSION,
    )  # fmt: skip


def scored(rounds: Sequence[Mapping[str, Any]], label: str, needed: Sequence[str]) -> Score:
    """Return a sample's score: its label and its rounds; unscored where the first or the last
    round lacks a number, which the metrics count and never take for 0.

    Args:
        rounds: As kept in the store.
        label: What is said of a sample that has what is needed.
        needed: Numbers that the first and the last round must have.
    """
    kept = [dict(r) for r in rounds]
    if len(kept) < 2:
        why = kept[-1]["state"] if kept else "no_response"
        return unscored("no_response", f"the loop ended in its first round: {why}", rounds=kept)
    for end in (kept[0], kept[-1]):
        lacking = [n for n in needed if end.get(n) is None]
        if lacking:
            reason = "grader_failed" if end["state"] in ("ok", "no_verdict") else "no_response"
            why = f"round {end['round']} has no {', '.join(lacking)} ({end['state']})"
            return unscored(reason, why, rounds=kept)
    return Score(value=label, metadata={"tags": [], "rounds": kept})


@metric(scores="unreduced")
def changes(names: Sequence[str]) -> Metric:
    """Last round less first, by number: the mean over items with Student's t interval.

    Of several runs of an item the mean counts once. With `judge` and `gold` also `gap`, the change
    of the judge's score less that of the gold score. `rounds_missing` is the number of rounds, in
    all samples, in which a number is missing.
    """

    def compute(scores: list[SampleScore]) -> dict[str, Any]:
        found: dict[str, dict[str, list[float]]] = {}
        missing = 0
        for s in scores:
            rounds = (s.score.metadata or {}).get("rounds", [])
            missing += sum(any(r.get(n) is None for n in names) for r in rounds)
            if s.score.value == UNSCORED:
                continue
            item = str(s.sample_id)
            moved = {n: float(rounds[-1][n]) - float(rounds[0][n]) for n in names}
            if {"judge", "gold"} <= moved.keys():
                moved["gap"] = moved["judge"] - moved["gold"]
            for name, value in moved.items():
                found.setdefault(name, {}).setdefault(item, []).append(value)
        out: dict[str, Any] = {"rounds_missing": missing}
        for name, items in found.items():
            means = [sum(v) / len(v) for v in items.values()]
            out |= with_ends(f"{name}_change", mean_interval(means))
        return out

    return compute


def loop_rows(logs: Iterable[EvalLog | str | Path]) -> list[dict[str, Any]]:
    """Return a row per round of every sample of loops' logs, as `hackproof audit loop` reads them.

    Each has task, model, item, epoch, round, state, condition, history and spec where the task has
    them, and those of judge, gold, engagement, harm, violations and done that the task measures,
    None where one is missing.

    Raises:
        InputError: a log cannot be read, failed, or holds no loop.
    """
    from hackproof.evals._logs import read_logs, task_name

    rows: list[dict[str, Any]] = []
    for log in read_logs(logs):
        if log.status != "success":
            raise InputError(f"the log of {log.eval.task} did not finish ({log.status}).")
        about = log.eval.metadata or {}
        # errors differ among logs of one task, so that they are part of the condition
        extra = [about.get("condition", "default")]
        extra += [f"errors={about['errors']}"] if about.get("errors") else []
        for sample in log.samples or []:
            for r in sample.store.get(ROUNDS, []):
                numbers = {n: r[n] for n in NUMBERS if n in r}
                rows.append({
                    "task": task_name(log), "model": log.eval.model, "item": str(sample.id),
                    "epoch": sample.epoch, "round": r["round"], "state": r["state"],
                    "condition": ",".join(x for x in extra if x != "default") or "default",
                    **{k: about[k] for k in ("history", "spec") if k in about}, **numbers,
                })  # fmt: skip
    if not rows:
        raise InputError("no log holds the rounds of a loop.")
    return rows
