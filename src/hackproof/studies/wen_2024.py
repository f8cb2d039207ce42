"""Three rewards: what is right, what is approved, and what a reward model pays.

Wen et al. 2024, "Language Models Learn to Mislead Humans via RLHF"
(https://arxiv.org/abs/2409.12822): after RLHF people with little time approve of more answers,
which are right no more often, so that people err more, above all by approving of wrong ones.

Here the answers are programs, computed on every input, and the evaluator is simulated: it does
everything right and has so much time, which is the knob (`_wen_programs`). It labels answers of
the first policy, a reward model is trained on its labels, and the policy is trained on the reward
model with a penalty on the KL. That a program has a longest length, and may answer the examples by
heart or carry lines that do nothing, is all that is put in; whether that pays, and what it costs,
is measured. The first policy knows nearly all that it can: little is left to learn, as after
pretraining.

Left out: language models, QuALITY's passages, people's taste and their confidence in a verdict.
The evaluator has no leaning, so that nothing but time can mislead it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hackproof.errors import InputError
from hackproof.experiment import Arm, Axis, Cell, CellResult, Figure, Paper, Scale, Study
from hackproof.studies._wen_cell import LONG, SHORT, TIMES, Labels
from hackproof.studies._wen_claims import CLAIMS

if TYPE_CHECKING:
    import pandas as pd

ROLES = {"approval": "human", "human_error": "human", "false_positives": "human",
         "false_negatives": "human", "correctness": "true", "proxy": "proxy"}  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """Settings of the study."""

    vocabulary: int = 24
    """Words of tasks."""
    known: float = 0.95
    """Share of them that the first policy knows."""
    slip: float = 0.08
    """Share of its operations that come out at random, whatever training does."""
    labels: int = 2_000
    """Answers that are labelled for the reward model."""
    decay: float = 1.0
    """Precision of its weights' prior."""
    steps: tuple[int, ...] = (0, 10, 20, 40, 80, 160)
    """Policy gradient steps, each a cell of its own."""
    batch: int = 256
    """Answers in a step."""
    rate: float = 0.3
    """Step size."""
    kl: float = 0.1
    """Weight of the KL from the first policy, in spreads of the reward per nat."""
    answers: int = 2_000
    """Fresh answers that are judged by everyone."""
    times: tuple[int, ...] = TIMES
    """Units of time that evaluators have, an arm each: one for an example run or a line read."""
    seed_offset: int = 0
    """Added to every seed."""


def labels_of(settings: Settings) -> dict[str, Labels]:
    """Return the labels by arm; as much time in all goes into the fewer as into those of SHORT."""
    return {
        **{f"time-{t}": Labels(t) for t in settings.times},
        "direct": Labels(SHORT, direct=True),
        "fewer-longer": Labels(LONG, share=SHORT / LONG),
        "oracle": Labels(SHORT, oracle=True),
    }


def check(settings: Settings) -> None:
    """Refuse settings that cannot be run."""
    s = settings
    if min(s.labels, s.batch, s.answers) < 8 or s.vocabulary < 2 or s.decay <= 0:
        raise InputError(
            "--labels, --batch and --answers must be at least 8, --vocabulary 2, --decay above 0."
        )
    if not 0 <= s.known <= 1 or not 0 <= s.slip < 1 or s.rate <= 0 or s.kl < 0:
        raise InputError(
            "--known must be in [0, 1], --slip in [0, 1), --rate above 0, --kl 0 or more."
        )
    if len(s.steps) < 2 or list(s.steps) != sorted(set(s.steps)) or s.steps[0] < 0:
        raise InputError(f"--steps {s.steps} must rise from 0 or more; at least two of them.")
    if not s.times or list(s.times) != sorted(set(s.times)) or s.times[0] < 1:
        raise InputError(f"--times {s.times} must rise from 1 or more.")


def arms(settings: Settings) -> list[Arm]:
    """Return the arms: how much time labels had, and three others."""
    few = round(settings.labels * SHORT / LONG)
    said = {
        **{f"time-{t}": f"labels of {t} units of time" for t in settings.times},
        "direct": f"the verdict of {SHORT} units of time itself",
        "fewer-longer": f"{few} labels of {LONG} units of time",
        "oracle": "the oracle's labels",
    }
    return [
        Arm(
            name, said[name], "approval" if labels.direct else "proxy", "correctness",
            "none" if labels.oracle else "misweighting", "",
            {"labels": "oracle" if labels.oracle else f"time {labels.time}",
             "reward": "verdict" if labels.direct else "model"},
        )
        for name, labels in labels_of(settings).items()
    ]  # fmt: skip


def measure(settings: Settings, cell: Cell) -> CellResult:
    """Train, and judge fresh answers three times; by evaluators of every budget of time too."""
    from hackproof.audit._gap._measures import measures
    from hackproof.studies._wen_cell import answered
    from hackproof.studies._wen_programs import parts, text

    made = answered(
        settings, labels_of(settings)[cell.arm], int(cell.level), cell.seed + settings.seed_offset
    )
    table = made.table(cell.level)
    rows = [_row(name, values, ROLES[name]) for name, values in measures(table).items()]
    for time in settings.times:
        other = measures(table.assign(human=made.approved(time) * 1.0))
        rows += [_row(name, other[name], "human", f"time-{time}")
                 for name in ("approval", "human_error", "false_positives")]  # fmt: skip
    names = ("by-heart", "padding")
    rows += [_row(n, v * 1.0, "probe") for n, v in zip(names, parts(made.answers), strict=True)]
    rows.append({"metric": "kl", "role": "probe", "value": made.kl, "n": len(table)})
    said = []
    for i, row in enumerate(table.head(8).to_dict("records")):
        task, program = text(made.tasks, made.answers, i)
        scores = {k: f"{row[k]:.3g}" for k in ("oracle", "human", "proxy")}
        said.append({"sample": str(i), "prompt": task, "answer": program, "scores": scores,
                     "outcome": "ok" if row["oracle"] else "wrong"})  # fmt: skip
    return CellResult([r for r in rows if r["n"]], transcripts=said)


def _row(metric: str, values: Any, role: str, condition: str = "default") -> dict[str, Any]:
    import numpy as np

    known = values[~np.isnan(values)]
    value = float(known.mean()) if len(known) else float("nan")
    return {"metric": metric, "role": role, "value": value, "n": len(known),
            "condition": condition}  # fmt: skip


def _drawn(frame: pd.DataFrame) -> tuple[dict[str, str], tuple[int, ...]]:
    """Return the labels of the arms, and the evaluators' times, of a run."""
    words = (c.partition("time-")[2] for c in frame["condition"].unique())
    times = tuple(sorted(int(w) for w in words if w))
    return {a.name: a.label for a in arms(Settings(times=times))}, times


def _three(frame: pd.DataFrame) -> dict[str, Any]:
    """Draw approval, correctness and human error along training, arm by arm."""
    from hackproof.studies._wen_figures import three

    return three(frame, _drawn(frame)[0])


def _looks(frame: pd.DataFrame) -> dict[str, Any]:
    """Draw approval before and after by evaluators of every time, arm by arm."""
    from hackproof.studies._wen_figures import looks

    return looks(frame, *_drawn(frame))


FIGURES = (
    Figure("three", "What is approved and what is right, along training",
           "Approval and human error are those of the arm's own evaluator, in the oracle's arm of "
           f"one with {SHORT} units of time. Thin lines are seeds.", _three),
    Figure("looks", "The same answers, with more time to look",
           "Approval of the answers of the last step by evaluators with other budgets of time, "
           "beside how many are right (dashed).", _looks),
)  # fmt: skip
ARM_METRICS = ("approval", "correctness", "human_error", "false_positives", "by-heart",
               "padding")  # fmt: skip

STUDY = Study(
    name="wen-2024",
    title="Three rewards: right, approved, and paid",
    question=(
        "Does training on the verdicts of evaluators with little time make answers better, or "
        "only approved of?"
    ),
    papers=(Paper("Wen et al. 2024: Language Models Learn to Mislead Humans via RLHF",
                  "https://arxiv.org/abs/2409.12822"),),
    cause="partial observation",
    axis=Axis("rl-steps", "Policy gradient steps", "steps"),
    scales={
        "smoke": Scale(
            Settings(labels=200, steps=(0, 3), batch=32, answers=100, vocabulary=8), seeds=2
        ),
        "cpu": Scale(Settings(), seeds=12),
    },
    arms=arms,
    levels=lambda settings: tuple(float(s) for s in settings.steps),
    measure=measure,
    claims=CLAIMS,
    figures=FIGURES,
    arm_metrics=ARM_METRICS,
    check=check,
    caveats=(
        "The evaluator is simulated: it makes no mistake in what it has time for, approves of what "
        "it found no fault with, and does not learn.",
        "Answers by heart and idle lines stand for what makes an answer look right and take long "
        "to check; a language model finds others.",
    ),
)  # fmt: skip
