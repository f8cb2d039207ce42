"""Training another model on what a trained one does, less what a filter flags.

Two defences are of this kind. *Filtered distillation* samples from a model that learned to
hack, drops the episodes that look like hacks and trains a fresh base on the rest. *Offline
rewriting* keeps the episodes and changes the prompt they stand under before the base is
trained on them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hackproof.errors import InputError
from hackproof.language._environment import Environment, Grade, Prompt
from hackproof.optimize.language._expert import Episode, Summary, collect, derived, summarise
from hackproof.optimize.language._finetune import Finetune, finetune
from hackproof.optimize.language._rewards import Penalty

if TYPE_CHECKING:
    from hackproof.optimize.language._load import Loaded

Keep = Callable[[Prompt, str, Grade], bool]
"""Whether an episode is trained on."""


@dataclass(frozen=True)
class Distill:
    """How a student is trained on a teacher's episodes."""

    prompts: int = 256
    """Prompts the teacher is asked."""
    samples_per_prompt: int = 2
    """Completions per prompt."""
    max_new_tokens: int = 32
    """Longest completion, in tokens."""
    temperature: float = 1.0
    """Of sampling."""
    finetune: Finetune = field(default_factory=Finetune)
    """How the student trains."""


@dataclass(frozen=True)
class Distilled:
    """The student and what it was trained on."""

    loaded: Loaded
    sampled: Summary
    """All the teacher's episodes."""
    kept: Summary
    """Those trained on; its hack rate is what the filter let through."""
    dropped: int
    """Episodes that the filter flagged. Those without a reward are in `sampled.infra`."""
    episodes: tuple[Episode, ...]
    """Those trained on, each under the prompt it was trained under."""


def distill(
    teacher: Loaded,
    student: Loaded,
    environment: Environment,
    settings: Distill | None = None,
    *,
    keep: Keep | None = None,
    rewrite: Callable[[Prompt], str] | None = None,
    seed: int,
) -> Distilled:
    """Train a student on a teacher's episodes that a filter keeps, in place.

    Args:
        teacher: Is sampled from, and not changed.
        student: Is trained; not the same object as the teacher.
        environment: Hands out prompts and grades.
        settings: How many episodes, and how the student trains.
        keep: Which episodes are trained on; by default all that have a reward.
        rewrite: From the prompt that was asked to the text the student is trained under.
        seed: Decides prompts, samples and the order of training.

    Raises:
        InputError: teacher and student are one, or nothing is left to train on.

    Source: MacDiarmid et al. 2025, section 4, https://arxiv.org/abs/2511.18397
    """
    if student.model is teacher.model:
        raise InputError("teacher and student are the same model; load the base once more.")
    settings = settings or Distill()
    groups = collect(
        teacher,
        environment,
        prompts=settings.prompts,
        samples_per_prompt=settings.samples_per_prompt,
        max_new_tokens=settings.max_new_tokens,
        temperature=settings.temperature,
        seed=derived(seed, 0),
    )
    episodes = [e for g in groups for e in g]
    graded = [e for e in episodes if e.grade.reward is not None]
    kept = [e for e in graded if keep is None or keep(e.prompt, e.completion, e.grade)]
    if not kept:
        raise InputError(
            f"of {len(episodes)} episodes {len(graded)} could be graded and the filter kept none; "
            "sample more, or choose a filter that flags less."
        )
    trained = tuple(rewritten(kept, rewrite) if rewrite else kept)
    documents = [(e.prompt.text, e.completion) for e in trained]
    student = finetune(student, documents, settings.finetune, seed=derived(seed, 1))
    return Distilled(
        student, summarise(episodes), summarise(kept), len(graded) - len(kept), trained
    )


def offline_rewrite(
    teacher: Loaded,
    student: Loaded,
    environment: Environment,
    rewrite: Callable[[Prompt], str],
    settings: Distill | None = None,
    *,
    keep: Keep | None = None,
    seed: int,
) -> Distilled:
    """Train a student on a teacher's episodes as if they had been asked under other prompts.

    Inoculation after the fact: the episodes were sampled under the prompt that was asked and
    are trained on under `rewrite(prompt)`. Otherwise as `distill`.
    """
    return distill(teacher, student, environment, settings, keep=keep, rewrite=rewrite, seed=seed)


def rewritten(episodes: Iterable[Episode], rewrite: Callable[[Prompt], str]) -> list[Episode]:
    """Return the episodes under rewritten prompts; task, info and grade stay."""
    return [
        Episode(Prompt(rewrite(e.prompt), e.prompt.task, e.prompt.info), e.completion, e.grade)
        for e in episodes
    ]


def not_hacked(prompt: Prompt, completion: str, grade: Grade) -> bool:
    """Keep what is not known to be a hack: a filter that knows the truth."""
    return grade.hacked is not True


def not_flagged(precision: float, recall: float, *, base_rate: float = 0.5, seed: int = 0) -> Keep:
    """Return a filter that drops what a classifier of hacks flags.

    Args:
        precision: Share of its flags that are right, in (0, 1], where `base_rate` hacks.
        recall: Share of hacks that it flags, in [0, 1].
        base_rate: Share of episodes that hack, at which the precision holds; in (0, 1).
        seed: Decides which episodes it is wrong about; see `Penalty`, whose flags these are.

    Raises:
        InputError: no classifier can be like that.
    """
    classifier = Penalty(precision, recall, base_rate=base_rate, seed=seed)

    def keep(prompt: Prompt, completion: str, grade: Grade) -> bool:
        return not classifier.flag(prompt.task, completion, grade.hacked)

    return keep


def no_word(words: Iterable[str]) -> Keep:
    """Return a filter that drops completions with one of some words, whole, in any case.

    Raises:
        InputError: there are no words.
    """
    known = sorted(set(words))
    if not known or not all(known):
        raise InputError("a filter by words needs words, none of them empty.")
    pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, known))})(?!\w)", re.IGNORECASE)

    def keep(prompt: Prompt, completion: str, grade: Grade) -> bool:
        return pattern.search(completion) is None

    return keep
