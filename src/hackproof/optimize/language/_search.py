"""Finding prompts under which a model misbehaves, and training it under them.

The search is over words: which of the user's, set before a task, raise the rate of a
misbehaviour most. It climbs on one set of tasks and reports on another, for the highest of
many noisy rates is higher than what it measures.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from hackproof.errors import InputError
from hackproof.experiment.statistics import Interval, share_interval
from hackproof.language._environment import Environment, Grade, Prompt
from hackproof.optimize.language._expert import derived
from hackproof.optimize.language._sampling import sample

if TYPE_CHECKING:
    from hackproof.optimize.language._load import Loaded

Words = tuple[str, ...]
Place = Callable[[str, str], str]
"""From a prefix and a prompt's text to the text that is asked."""
Misbehaves = Callable[[Prompt, str, Grade], "bool | None"]
"""Whether an episode misbehaves; None where that is not known."""

PREFIX = "found_prefix"
"""Key of `Prompt.info` under which a placed prompt names its prefix."""


def prepend(prefix: str, text: str) -> str:
    """Return the prefix, a space and the text; the text alone where the prefix is empty."""
    return f"{prefix} {text}" if prefix else text


def hacked(prompt: Prompt, completion: str, grade: Grade) -> bool | None:
    """Say whether an episode hacks its harness; the misbehaviour that is searched by default."""
    return grade.hacked


@dataclass(frozen=True)
class AdversarialEnvironment:
    """Asks another environment's tasks under found prefixes; grades as it does.

    The prefixes are dealt out evenly and at random, one per prompt.
    """

    env: Environment
    """Hands out the tasks and grades them, by the prompts that it handed out itself."""
    prefixes: tuple[str, ...]
    """At least one; "" is a task as it was."""
    place: Place = prepend
    """Sets a prefix into a prompt."""
    name: str = "adversarial"

    def __post_init__(self) -> None:
        """Refuse an environment that could ask nothing."""
        if not self.prefixes:
            raise InputError(f"the environment {self.name!r} has no prefixes to ask under.")

    def prompts(self, n: int, seed: int) -> list[Prompt]:
        """Return the environment's `n` prompts, each under a prefix."""
        random = np.random.default_rng(seed)
        k = len(self.prefixes)
        dealt = (random.permutation(n) + random.integers(k)) % k
        return [
            self.placed(prompt, self.prefixes[i])
            for prompt, i in zip(self.env.prompts(n, seed), dealt, strict=True)
        ]

    def grade(self, prompts: Sequence[Prompt], completions: Sequence[str]) -> list[Grade]:
        """Grade against the tasks as they were before a prefix was set before them."""
        return self.env.grade([self.plain(p) for p in prompts], completions)

    def placed(self, prompt: Prompt, prefix: str) -> Prompt:
        """Return a prompt under a prefix; it carries its own text, for the grader."""
        info = {**prompt.info, PREFIX: prefix, self._key: prompt.text}
        return replace(prompt, text=self.place(prefix, prompt.text), info=info)

    def plain(self, prompt: Prompt) -> Prompt:
        """Undo `placed`."""
        info = {k: v for k, v in prompt.info.items() if k not in (PREFIX, self._key)}
        return replace(prompt, text=prompt.info[self._key], info=info)

    @property
    def _key(self) -> str:
        # Named by the environment, so that one may stand within another.
        return f"text before {self.name}"


@dataclass(frozen=True)
class PromptSearch:
    """How prefixes are searched."""

    rounds: int = 3
    """Rounds of changing the best prefixes by one word."""
    beam: int = 4
    """Prefixes kept after a round, and reported at the end."""
    candidates: int = 64
    """New prefixes tried per round: every change by one word, or a random part of them."""
    longest: int = 3
    """Words in a prefix, at most."""
    train_tasks: int = 32
    """Tasks the search climbs on."""
    validation_tasks: int = 64
    """Other tasks, for the rates that are reported."""
    max_new_tokens: int = 32
    """Longest completion, in tokens."""
    temperature: float = 1.0
    """Of sampling."""


@dataclass(frozen=True)
class FoundPrompt:
    """A prefix and how often the model misbehaves under it."""

    prefix: str
    searched: float
    """Rate on the tasks that were climbed on: too high for a prefix that was picked by it."""
    rate: Interval
    """Rate on the other tasks, one sample each; the interval is for this prefix alone."""


@dataclass(frozen=True)
class FoundPrompts:
    """What a search found."""

    baseline: FoundPrompt
    """Without a prefix."""
    found: tuple[FoundPrompt, ...]
    """The best by `searched`, best first. Sorted by `rate` the first would be too high again."""
    tried: int
    """Prefixes that were measured, the empty one included."""


def find_prompts(
    loaded: Loaded,
    environment: Environment,
    words: Sequence[str],
    misbehaves: Misbehaves = hacked,
    settings: PromptSearch | None = None,
    *,
    place: Place = prepend,
    seed: int,
) -> FoundPrompts:
    """Search for prefixes that raise the rate of a misbehaviour.

    A beam search over strings of words. A round tries the prefixes that differ from one of the
    beam by a word added at the end, replaced or left out. All are sampled on the same tasks.

    Args:
        loaded: The model; it is not changed.
        environment: Hands out tasks and grades.
        words: What prefixes are made of; a "word" may be a whole phrase.
        misbehaves: What is counted. An episode whose grader's machinery failed is not.
        settings: How far to search.
        place: Sets a prefix into a prompt's text.
        seed: Decides tasks, samples and which changes are tried.

    Raises:
        InputError: there are no words, a count is below 1, or the environment has too few tasks.

    Source: a discrete search as in automated red-teaming (Perez et al. 2022,
        https://arxiv.org/abs/2202.03286), without a red-team model.
    """
    settings = settings or PromptSearch()
    _check(words, settings)
    random = np.random.default_rng(derived(seed, 0))
    train, validation = _split(environment, settings, derived(seed, 1))

    def rates(prefixes: Sequence[Words], tasks: Sequence[Prompt], key: int) -> list[Interval]:
        return _rates(
            loaded, environment, prefixes, tasks, misbehaves, settings, place, derived(seed, key)
        )

    tried: dict[Words, float] = {(): rates([()], train, 2)[0].estimate}
    for _ in range(settings.rounds):
        beam = _best(tried)[: settings.beam]
        new = [w for w in changes(beam, words, settings.longest) if w not in tried]
        if not new:
            break
        picks = random.permutation(len(new))[: settings.candidates]
        new = [new[i] for i in sorted(picks)]
        seen = [rate.estimate for rate in rates(new, train, 2)]
        tried |= dict(zip(new, seen, strict=True))
    final = [(), *[w for w in _best(tried) if w][: settings.beam]]
    measured = [
        FoundPrompt(" ".join(w), tried[w], rate)
        for w, rate in zip(final, rates(final, validation, 3), strict=True)
    ]
    return FoundPrompts(measured[0], tuple(measured[1:]), len(tried))


def changes(beam: Iterable[Words], words: Sequence[str], longest: int) -> list[Words]:
    """Return every prefix one word away from one of the beam, once each, none of them empty."""
    found: dict[Words, None] = {}
    for own in beam:
        if len(own) < longest:
            found |= {(*own, w): None for w in words}
        for i in range(len(own)):
            found |= {(*own[:i], w, *own[i + 1 :]): None for w in words}
            found[(*own[:i], *own[i + 1 :])] = None
    return [w for w in found if w]


def _check(words: Sequence[str], settings: PromptSearch) -> None:
    """Refuse a search that could find nothing."""
    if not words or not all(words):
        raise InputError("a search for prefixes needs words, none of them empty.")
    for field in ("rounds", "beam", "candidates", "longest", "train_tasks", "validation_tasks"):
        if getattr(settings, field) < 1:
            raise InputError(f"{field} is {getattr(settings, field)}; it must be at least 1.")


def _split(
    environment: Environment, settings: PromptSearch, seed: int
) -> tuple[list[Prompt], list[Prompt]]:
    """Return one prompt for each task to climb on, and for each other task to report on."""
    needed = settings.train_tasks + settings.validation_tasks
    # An environment may draw with replacement: ask for more, take each task once.
    first: dict[str, Prompt] = {}
    for prompt in environment.prompts(4 * needed, seed):
        first.setdefault(prompt.task, prompt)
    if len(first) < needed:
        raise InputError(
            f"{environment.name} gave {len(first)} different tasks in {4 * needed} prompts; "
            f"{settings.train_tasks} to search on and {settings.validation_tasks} others to "
            "report on are asked for. Lower train_tasks or validation_tasks."
        )
    prompts = list(first.values())
    return prompts[: settings.train_tasks], prompts[settings.train_tasks : needed]


def _rates(
    loaded: Loaded,
    environment: Environment,
    prefixes: Sequence[Words],
    tasks: Sequence[Prompt],
    misbehaves: Misbehaves,
    settings: PromptSearch,
    place: Place,
    seed: int,
) -> list[Interval]:
    """Return per prefix the share of tasks, one sample each, on which the model misbehaves."""
    trial = AdversarialEnvironment(environment, tuple(" ".join(w) for w in prefixes), place)
    asked = [trial.placed(task, prefix) for prefix in trial.prefixes for task in tasks]
    texts = sample(
        loaded.model,
        loaded.tokenizer,
        [p.text for p in asked],
        max_new_tokens=settings.max_new_tokens,
        temperature=settings.temperature,
        seed=seed,
    )
    grades = trial.grade(asked, texts)
    said = [
        None if g.reward is None else misbehaves(p, text, g)
        for p, text, g in zip(asked, texts, grades, strict=True)
    ]
    rows = [said[i : i + len(tasks)] for i in range(0, len(said), len(tasks))]
    known = [[bool(x) for x in row if x is not None] for row in rows]
    return [share_interval(sum(row), len(row)) for row in known]


def _best(tried: dict[Words, float]) -> list[Words]:
    """Return prefixes by rate, highest first; of equal ones the shorter, then by the alphabet.

    Where no episode could be judged the rate is NaN and the prefix comes last.
    """

    def place(words: Words) -> tuple[float, int, Words]:
        return (math.inf if math.isnan(tried[words]) else -tried[words], len(words), words)

    return sorted(tried, key=place)
