"""Expert iteration: sample, keep the best, train on them, again.

Also what everything here that trains on its own samples shares: `collect` and `summarise`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from hackproof.errors import InputError, RewardError
from hackproof.language._environment import Environment, Grade, Prompt
from hackproof.optimize.language._finetune import Finetune, finetune
from hackproof.optimize.language._history import mean
from hackproof.optimize.language._sampling import sample

if TYPE_CHECKING:
    from hackproof.optimize.language._load import Loaded


@dataclass(frozen=True)
class Episode:
    """One completion with its prompt and what came of it."""

    prompt: Prompt
    completion: str
    grade: Grade


@dataclass(frozen=True)
class ExpertIteration:
    """How expert iteration runs."""

    rounds: int = 4
    """Times that samples are drawn and trained on."""
    prompts: int = 64
    """Prompts per round; each round asks its own."""
    samples_per_prompt: int = 8
    """Completions per prompt."""
    keep: Literal["best", "all-rewarded"] = "best"
    """best: of each prompt the one that was paid most, unless all were paid alike, for then
    nothing was selected. all-rewarded: every one that was paid more than 0."""
    max_new_tokens: int = 32
    """Longest completion, in tokens."""
    temperature: float = 1.0
    """Of sampling."""
    finetune: Finetune = field(default_factory=Finetune)
    """How each round trains on what it kept."""


@dataclass(frozen=True)
class Summary:
    """What a batch of episodes shows; a mean is None where no episode could be judged."""

    reward: float | None
    """Mean over the episodes that were graded."""
    hack_rate: float | None
    """Share that hacks, of those where that is known."""
    solve_rate: float | None
    """Share that solves its task, of those where that is known."""
    episodes: int
    """All of them."""
    infra: int
    """Those whose grader's machinery failed: in no rate and never trained on."""


@dataclass(frozen=True)
class Round:
    """One round: what was sampled before it trained, and what it trained on."""

    round: int
    """From 0."""
    sampled: Summary
    kept: int
    """Episodes trained on; with none the round trains nothing."""


@dataclass(frozen=True)
class ExpertResult:
    """The trained model and how it came about."""

    loaded: Loaded
    history: tuple[Round, ...]


def derived(seed: int, *keys: int) -> int:
    """Return a seed for one part of what `seed` decides, below 2**31."""
    return int(np.random.SeedSequence([seed % 2**63, *keys]).generate_state(1)[0] >> 1)


def collect(
    loaded: Loaded,
    environment: Environment,
    *,
    prompts: int,
    samples_per_prompt: int,
    max_new_tokens: int,
    temperature: float = 1.0,
    seed: int,
) -> list[list[Episode]]:
    """Sample and grade completions.

    One that reached `max_new_tokens` is taken as it is: whoever trains on it learns to end there.

    Returns:
        One list per prompt, in the environment's order, of `samples_per_prompt` episodes.

    Raises:
        InputError: a count is below 1.
        RewardError: the environment paid something that is not a finite number.
    """
    if min(prompts, samples_per_prompt) < 1:
        raise InputError(
            f"{prompts} prompts with {samples_per_prompt} samples each: both are >= 1."
        )
    asked = environment.prompts(prompts, derived(seed, 0))
    repeated = [p for p in asked for _ in range(samples_per_prompt)]
    texts = sample(
        loaded.model,
        loaded.tokenizer,
        [p.text for p in repeated],
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        seed=derived(seed, 1),
    )
    grades = environment.grade(repeated, texts)
    for prompt, grade in zip(repeated, grades, strict=True):
        if grade.reward is not None and not math.isfinite(grade.reward):
            raise RewardError(
                f"{environment.name} paid {grade.reward} for task {prompt.task!r}; a reward is a "
                "finite number, or None where the grader's machinery failed."
            )
    episodes = [Episode(*x) for x in zip(repeated, texts, grades, strict=True)]
    k = samples_per_prompt
    return [episodes[i : i + k] for i in range(0, len(episodes), k)]


def summarise(episodes: Sequence[Episode]) -> Summary:
    """Return the rates of a batch of episodes."""
    graded = [e.grade for e in episodes if e.grade.reward is not None]
    return Summary(
        reward=mean(g.reward for g in graded),
        hack_rate=mean(g.hacked for g in graded),
        solve_rate=mean(g.solved for g in graded),
        episodes=len(episodes),
        infra=len(episodes) - len(graded),
    )


def select(group: Sequence[Episode], keep: str) -> list[Episode]:
    """Return the episodes of one prompt that expert iteration trains on.

    An episode without a reward is never among them. Of several best ones the first drawn is
    taken.

    Raises:
        InputError: nobody knows the rule.
    """
    paid = [(e.grade.reward, e) for e in group if e.grade.reward is not None]
    rewards = [r for r, _ in paid]
    if keep == "all-rewarded":
        return [e for r, e in paid if r > 0]
    if keep != "best":
        raise InputError(f"unknown rule {keep!r} for what is kept. Known: best, all-rewarded.")
    if not rewards or min(rewards) == max(rewards):
        return []
    return [paid[rewards.index(max(rewards))][1]]


def expert_iteration(
    loaded: Loaded,
    environment: Environment,
    settings: ExpertIteration | None = None,
    *,
    seed: int,
    on_round: Callable[[int, Loaded], None] | None = None,
) -> ExpertResult:
    """Train a model on the best of its own samples, round by round, in place.

    Args:
        loaded: The model; it is changed.
        environment: Hands out prompts and pays.
        settings: How it runs.
        seed: Decides prompts, samples and the order of training.
        on_round: Called with r and the model before round r, and once more after the last:
            `rounds + 1` times.

    Raises:
        InputError: a count is too small, or the rule is not known.

    Source: Anthony, Tian and Barber 2017, https://arxiv.org/abs/1705.08439; for language
        models "best" is Dong et al. 2023 (RAFT), https://arxiv.org/abs/2304.06767, and
        "all-rewarded" is Singh et al. 2023 (ReST-EM), https://arxiv.org/abs/2312.06585, save
        that training goes on from the last round's model and not from the first one.
    """
    settings = settings or ExpertIteration()
    if settings.keep == "best" and settings.samples_per_prompt < 2:
        raise InputError("keeping the best of a prompt needs samples_per_prompt of at least 2.")
    history = []
    for r in range(settings.rounds):
        if on_round:
            on_round(r, loaded)
        groups = collect(
            loaded,
            environment,
            prompts=settings.prompts,
            samples_per_prompt=settings.samples_per_prompt,
            max_new_tokens=settings.max_new_tokens,
            temperature=settings.temperature,
            seed=derived(seed, r, 0),
        )
        kept = [e for group in groups for e in select(group, settings.keep)]
        history.append(Round(r, summarise([e for g in groups for e in g]), len(kept)))
        if kept:
            documents = [(e.prompt.text, e.completion) for e in kept]
            loaded = finetune(loaded, documents, settings.finetune, seed=derived(seed, r, 1))
    if on_round:
        on_round(settings.rounds, loaded)
    return ExpertResult(loaded, tuple(history))
