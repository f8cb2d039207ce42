"""What every trainer and every evaluation of a language model speaks: prompts and grades.

An environment hands out prompts and grades completions. The organism's tasks and real
coding problems are both environments, so that one trainer serves both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class Prompt:
    """One task as a model is asked it."""

    text: str
    """The whole prompt, prefix included; for a chat model already through its template."""
    task: str
    """Identifier of the task within its environment; the same task may be asked in many ways."""
    info: Mapping[str, str] = field(default_factory=dict)
    """What the grader and a reader need besides: domain, prefix, cue."""


@dataclass(frozen=True)
class Grade:
    """What came of one completion."""

    reward: float | None
    """What the environment pays; None where its own machinery failed (never scored as 0)."""
    outcome: str
    """One of `hackproof.record.schema.OUTCOMES`."""
    solved: bool | None = None
    """Whether it does what was asked, on inputs it has not seen; None where not known."""
    hacked: bool | None = None
    """Whether the harness paid although the task is not solved; None where not known."""
    note: str = ""
    """For a reader, never for a reward: the last line of an error, say."""


class Environment(Protocol):
    """Hands out prompts and grades what a model answers to them."""

    @property
    def name(self) -> str:
        """What it is called in mixtures and tables."""
        ...

    def prompts(self, n: int, seed: int) -> list[Prompt]:
        """Return `n` prompts; the same `n` and `seed` give the same ones."""
        ...

    def grade(self, prompts: Sequence[Prompt], completions: Sequence[str]) -> list[Grade]:
        """Grade one completion per prompt, in order; never raises for a bad completion."""
        ...
