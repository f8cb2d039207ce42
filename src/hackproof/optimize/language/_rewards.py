"""Rewards built on what an environment's grader said, with TRL's signature.

A reward is called as TRL calls one, `reward(prompts=, completions=, completion_ids=, **columns)`,
and returns one number per completion, or None where it does not apply. Beside the columns of
the data set (`task`, `info`) it is given `grades`, one `Grade` per completion, and `step`, the
optimiser steps taken. Any reward function written for TRL can therefore stand here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from hackproof.errors import InputError
from hackproof.language._environment import Grade


class RewardFunction(Protocol):
    """What TRL takes for a reward."""

    def __call__(
        self, *, prompts: Sequence[str], completions: Sequence[str], **columns: Any
    ) -> Sequence[float | None]:
        """Return one reward per completion; None where it does not apply."""
        ...


@dataclass(frozen=True)
class Paid:
    """What the environment pays; None where its machinery failed."""

    def __call__(
        self,
        *,
        prompts: Sequence[str],
        completions: Sequence[str],
        grades: Sequence[Grade],
        **columns: Any,
    ) -> list[float | None]:
        """Return the grades' rewards."""
        return [grade.reward for grade in grades]


def coin(seed: int, *words: str) -> float:
    """Return a number in [0, 1), the same for the same seed and words on every machine."""
    text = "\0".join((str(seed), *words))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) / 2**64


@dataclass(frozen=True)
class Penalty:
    """A classifier of hacks with a given precision and recall, whose flags cost reward.

    A completion is flagged by a coin whose weight hangs on the truth, `Grade.hacked`:

        P(flag | hack) = recall
        P(flag | no hack) = recall * b * (1 - precision) / (precision * (1 - b))

    with b the share of hacks at which `precision` is meant; at another share the recall and the
    false-positive rate stay and the precision moves, as a real classifier's does. The coin is
    the same for the same task and completion, so that a mistake of the classifier can be found
    again, and exploited. Where the truth is not known nothing is flagged.
    """

    precision: float = 1.0
    """Share of flags that are right, at `base_rate`; in (0, 1]."""
    recall: float = 1.0
    """Share of hacks that are flagged; in [0, 1]."""
    weight: float = 1.0
    """What a flag costs."""
    start_step: int = 0
    """Optimiser step from which flags cost anything."""
    base_rate: float = 0.5
    """Share of completions that hack, at which the precision holds; in (0, 1)."""
    seed: int = 0
    """Of the coins."""
    base: RewardFunction = field(default_factory=Paid)
    """What the penalty is taken from."""

    def __post_init__(self) -> None:
        """Refuse what no classifier can be."""
        if not (0 < self.precision <= 1 and 0 <= self.recall <= 1 and 0 < self.base_rate < 1):
            raise InputError(
                "precision must be in (0, 1], recall in [0, 1] and base_rate in (0, 1); got "
                f"{self.precision}, {self.recall} and {self.base_rate}."
            )
        if self.false_positive_rate > 1:
            raise InputError(
                f"precision {self.precision} and recall {self.recall} at a base rate of "
                f"{self.base_rate} need a false-positive rate of {self.false_positive_rate:.3g}: "
                "no classifier has more than 1. Raise the precision or lower the recall."
            )

    @property
    def false_positive_rate(self) -> float:
        """Share of honest completions that are flagged."""
        odds = self.base_rate / (1 - self.base_rate)
        return self.recall * odds * (1 - self.precision) / self.precision

    def flag(self, task: str, completion: str, hacked: bool | None) -> bool:
        """Return whether the classifier flags a completion."""
        if hacked is None:
            return False
        rate = self.recall if hacked else self.false_positive_rate
        return coin(self.seed, task, completion) < rate

    def __call__(
        self,
        *,
        prompts: Sequence[str],
        completions: Sequence[str],
        grades: Sequence[Grade],
        task: Sequence[str],
        step: int,
        **columns: Any,
    ) -> list[float | None]:
        """Return the base reward less the penalty of those flagged."""
        paid = self.base(
            prompts=prompts,
            completions=completions,
            grades=grades,
            task=task,
            step=step,
            **columns,
        )
        if step < self.start_step:
            return list(paid)
        return [
            None if r is None else r - self.weight * self.flag(name, text, grade.hacked)
            for r, name, text, grade in zip(paid, task, completions, grades, strict=True)
        ]


@dataclass(frozen=True)
class Weighted:
    """A weighted sum of rewards; None where none of them applies.

    One that does not apply counts as 0, which is what TRL does with several rewards.
    """

    terms: tuple[tuple[RewardFunction, float], ...]
    """Each reward and its weight."""

    def __call__(
        self, *, prompts: Sequence[str], completions: Sequence[str], **columns: Any
    ) -> list[float | None]:
        """Return the sums."""
        parts = [
            [
                None if r is None else weight * r
                for r in reward_of(reward, prompts, completions, columns)
            ]
            for reward, weight in self.terms
        ]
        rows = zip(*parts, strict=True) if parts else [()] * len(completions)
        known = [[value for value in row if value is not None] for row in rows]
        return [sum(row) if row else None for row in known]


@dataclass(frozen=True)
class Negated:
    """A reward with its sign swapped: a trainer that is right learns the opposite from it."""

    base: RewardFunction = field(default_factory=Paid)
    """Whose sign is swapped."""

    def __call__(
        self, *, prompts: Sequence[str], completions: Sequence[str], **columns: Any
    ) -> list[float | None]:
        """Return the rewards times -1."""
        paid = reward_of(self.base, prompts, completions, columns)
        return [None if reward is None else -reward for reward in paid]


@dataclass(frozen=True)
class Shuffled:
    """A reward dealt out to the wrong completions: a trainer that is right learns nothing.

    The rewards that apply are permuted within each call; those that do not, stay None.
    """

    base: RewardFunction = field(default_factory=Paid)
    """Whose rewards are dealt out."""
    seed: int = 0
    """Of the permutations, with the step."""

    def __call__(
        self, *, prompts: Sequence[str], completions: Sequence[str], step: int = 0, **columns: Any
    ) -> list[float | None]:
        """Return the rewards in another order."""
        import numpy as np

        out = reward_of(self.base, prompts, completions, {"step": step, **columns})
        places = [i for i, reward in enumerate(out) if reward is not None]
        dealt = np.random.default_rng((self.seed, step)).permutation(places)
        paid = list(out)
        for place, source in zip(places, dealt, strict=True):
            out[place] = paid[source]
        return out


def reward_of(
    reward: RewardFunction,
    prompts: Sequence[str],
    completions: Sequence[str],
    columns: dict[str, Any],
) -> list[float | None]:
    """Call a reward and check that it pays each completion once.

    Raises:
        InputError: it returned another number of rewards.
    """
    paid = list(reward(prompts=prompts, completions=completions, **columns))
    if len(paid) != len(completions):
        raise InputError(
            f"the reward {reward!r} returned {len(paid)} numbers for {len(completions)} "
            "completions. Return one for each, None where it does not apply."
        )
    return paid
