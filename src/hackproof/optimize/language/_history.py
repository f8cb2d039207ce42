"""What each step of group sampling was: reward, hacks, lengths, seconds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from hackproof.language._environment import Grade
from hackproof.optimize.language._processes import gathered


@dataclass(frozen=True)
class GrpoStep:
    """One optimiser step; what was sampled with the weights that it started from.

    Of several processes it is about the completions of all, and the seconds are their means.
    """

    step: int
    """From 1."""
    reward: float | None
    """Mean of what the environment pays, over the completions it could grade."""
    paid: float | None
    """Mean of what the optimiser was paid, which a penalty or a mixture makes another."""
    hack_rate: float | None
    """Share that hacks, of those where it is known; None where it is known of none."""
    solve_rate: float | None
    """Share that does what was asked, of those where it is known."""
    infra: int
    """Completions that could not be graded: neither paid nor counted above."""
    length: float
    """Mean tokens of a completion, the one that ends it included."""
    sampling_s: float
    """Seconds to sample."""
    grading_s: float
    """Seconds to grade and to pay."""
    training_s: float
    """Seconds for the rest: loss, gradients and update."""


def mean(values: Iterable[float | None]) -> float | None:
    """Return the mean of the values that are known; None where none is."""
    known = [float(value) for value in values if value is not None]
    return sum(known) / len(known) if known else None


class Recorder:
    """Collects the steps of one training; the same in every process."""

    def __init__(self) -> None:
        self.steps: list[GrpoStep] = []
        self.evaluations: list[tuple[int, Any]] = []
        self._sampling = 0.0
        self._grading = 0.0
        self._grades: list[Grade] = []
        self._paid: list[float | None] = []
        self._lengths: list[int] = []

    def sampled(self, seconds: float) -> None:
        """Note that completions were sampled."""
        self._sampling += seconds

    def graded(
        self,
        grades: Sequence[Grade],
        paid: Sequence[float | None],
        lengths: Sequence[int],
        seconds: float,
    ) -> None:
        """Note that completions were graded and paid."""
        self._grades += grades
        self._paid += paid
        self._lengths += lengths
        self._grading += seconds

    def finished(self, step: int, seconds: float) -> None:
        """Close the step that was begun; `seconds` is its whole length."""
        mine = (self._grades, self._paid, self._lengths)
        parts = gathered((*mine, (self._sampling, self._grading, seconds)))
        # joined first: a mean of the processes' means would weigh those with unknowns wrongly
        every: list[Grade] = [grade for part in parts for grade in part[0]]
        # a completion that was not graded says nothing of the model
        grades = [grade for grade in every if grade.outcome != "infra"]
        sampling, grading, whole = (
            sum(times) / len(parts) for times in zip(*(part[3] for part in parts), strict=True)
        )
        self.steps.append(
            GrpoStep(
                step=step,
                reward=mean(grade.reward for grade in grades),
                paid=mean(paid for part in parts for paid in part[1]),
                hack_rate=mean(grade.hacked for grade in grades),
                solve_rate=mean(grade.solved for grade in grades),
                infra=len(every) - len(grades),
                length=mean(length for part in parts for length in part[2]) or 0.0,
                sampling_s=sampling,
                grading_s=grading,
                training_s=max(0.0, whole - sampling - grading),
            )
        )
        self._sampling = self._grading = 0.0
        self._grades, self._paid, self._lengths = [], [], []

    def saved(self) -> dict[str, Any]:
        """Return what a checkpoint keeps, ready for JSON."""
        return {"steps": [asdict(s) for s in self.steps], "evaluations": self.evaluations}

    def restore(self, saved: dict[str, Any]) -> None:
        """Go on from what a checkpoint kept."""
        self.steps = [GrpoStep(**step) for step in saved["steps"]]
        self.evaluations = [(step, value) for step, value in saved["evaluations"]]
