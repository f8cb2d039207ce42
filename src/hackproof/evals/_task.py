"""What the tasks share: a sample, a task, what is checked before the first call."""

from __future__ import annotations

from typing import Any

from inspect_ai import Task
from inspect_ai.dataset import Sample
from inspect_ai.model import ChatMessage, ChatMessageSystem, ChatMessageUser
from inspect_ai.solver import Generate, Solver, TaskState, generate, solver

from hackproof.evals._condition import Condition
from hackproof.evals._judge import judge_model

VERSION = 1
"""Of every task: raised when prompts, rubrics or scoring change."""


def sample(
    name: str, text: str, condition: Condition, *, scenario: str = "", **metadata: Any
) -> Sample:
    """Return a sample: the condition's system prompt, if it has one, and the user's text."""
    system = condition.system(scenario)
    messages: list[ChatMessage] = [ChatMessageSystem(content=system)] if system else []
    return Sample(
        id=name,
        input=[*messages, ChatMessageUser(content=text)],
        metadata={"condition": condition.name, "scenario": scenario, **metadata},
    )


@solver
def needs_judge() -> Solver:
    """Refuse to start without a judge, before anything is paid for."""

    async def solve(state: TaskState, generate: Generate) -> TaskState:
        judge_model()
        return state

    return solve


def task(
    samples: list[Sample],
    scorer: Any,
    condition: Condition,
    *,
    epochs: int,
    solvers: list[Solver] | None = None,
    judged: bool = True,
    turns: int = 1,
) -> Task:
    """Return an Inspect task.

    An evaluation in which a tenth of the samples or more end in errors is no evaluation, and
    Inspect marks its log as failed; fewer errors are counted, and the log is kept.

    Args:
        samples: Its dataset.
        scorer: An Inspect scorer.
        condition: Recorded in the log.
        epochs: How often each sample is asked.
        solvers: What comes before the model is asked.
        judged: Whether a judge is needed.
        turns: How many answers of the model a sample may take.
    """
    return Task(
        dataset=samples,
        setup=needs_judge() if judged else None,
        solver=[*(solvers or []), generate()],
        scorer=scorer,
        epochs=epochs,
        fail_on_error=0.1,
        # The system prompt, the user's, and for each turn an answer and a tool's result.
        message_limit=None if turns == 1 else 2 + 4 * turns,
        metadata={
            "condition": condition.name,
            "prefix": condition.prefix,
            "cue": condition.cue,
            "reasoning": condition.reasoning,
        },
        version=VERSION,
    )
