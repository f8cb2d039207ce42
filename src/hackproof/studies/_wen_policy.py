"""A policy that writes programs, a reward model, and the policy gradient between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hackproof.audit._statistics import logistic
from hackproof.studies._wen_programs import (
    LENGTHS,
    LONGEST,
    OPERATIONS,
    PADDING,
    SHAPES,
    SHORTEST,
    Programs,
    Tasks,
    draw_tasks,
    parts,
    written,
)

if TYPE_CHECKING:
    import numpy as np

HEART = 0.08
"""How often the first policy answers by heart."""
PADDED = (0.6, 0.2, 0.1, 0.1)
"""How often it writes so many lines that do nothing; PADDING says how many."""
MEAN_LENGTH = (SHORTEST + LONGEST) / 2
"""Words of a task, on average."""
SURE = 6.0
"""Lead, in nats, of the right operation for a word that it knows."""


@dataclass(frozen=True)
class Policy:
    """Independent choices, given the task: a softmax for every word, and one for the shape."""

    words: Any
    """Scores of operations, (vocabulary, operations)."""
    shape: Any
    """Scores of shapes by length of the task, (LENGTHS, shapes)."""
    slip: float = 0.0
    """Share of operations that come out at random, whatever was meant: the end of its skill, which
    training does not move."""

    def operations(self) -> Any:
        """Return the probability of each operation for each word, (vocabulary, operations)."""
        return (1 - self.slip) * softmax(self.words) + self.slip / len(OPERATIONS)


def softmax(scores: Any) -> Any:
    """Return probabilities over the last axis."""
    import numpy as np

    p = np.exp(scores - scores.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True)


def first_policy(rng: np.random.Generator, meaning: Any, known: float, slip: float) -> Policy:
    """Return what training begins with: it knows a share of the words and guesses at the others.

    Args:
        rng: Which words, and what it takes the others for.
        meaning: Operation that each word stands for, (vocabulary,).
        known: Share of the words that it knows, from 0 to 1.
        slip: Share of operations that come out at random.
    """
    import numpy as np

    scores = rng.standard_normal((len(meaning), len(OPERATIONS)))
    sure = rng.permutation(len(meaning))[: round(known * len(meaning))]
    scores[sure, meaning[sure]] += SURE
    chance = [
        (HEART if heart else 1 - HEART) * PADDED[PADDING.index(idle)] for heart, idle in SHAPES
    ]
    return Policy(scores, np.tile(np.log(chance), (LENGTHS, 1)), slip)


def write(rng: np.random.Generator, policy: Policy, tasks: Tasks) -> Programs:
    """Sample a program for every task."""
    return Programs(
        _draw(rng, policy.operations()[tasks.words]),
        _draw(rng, softmax(policy.shape)[tasks.length - SHORTEST]),
    )


def _draw(rng: np.random.Generator, p: Any) -> Any:
    edges = p.cumsum(-1)
    return (rng.random((*p.shape[:-1], 1)) * edges[..., -1:] > edges).sum(-1)


def features(tasks: Tasks, programs: Programs) -> Any:
    """Return what the reward model sees of answers, (n, features).

    How often each word is answered with each operation, and the shape by the length of the task.
    """
    import numpy as np

    n = len(tasks.length)
    heart, _ = parts(programs)
    vocabulary, kinds = len(tasks.meaning), len(OPERATIONS)
    pairs = np.zeros((n, vocabulary * kinds))
    room = written(tasks, programs)
    for i in range(LONGEST):
        there = (i < room).astype(float)
        np.add.at(pairs, (np.arange(n), tasks.words[:, i] * kinds + programs.chain[:, i]), there)
    form = np.eye(len(SHAPES))[programs.shape]
    length = np.eye(LENGTHS)[tasks.length - SHORTEST]
    return np.concatenate([pairs, form, length, length * heart[:, None]], 1)


@dataclass(frozen=True)
class RewardModel:
    """Log odds that the labeller approves, by logistic regression; affine in the features."""

    weights: Any
    """(features,)."""
    centre: float
    spread: float
    """Mean and spread of the log odds of the answers that it was trained on."""

    def __call__(self, tasks: Tasks, programs: Programs) -> Any:
        """Return the scores of answers, (n,), in spreads of the first policy's answers."""
        return (features(tasks, programs) @ self.weights - self.centre) / self.spread


def train_reward_model(tasks: Tasks, programs: Programs, labels: Any, decay: float) -> RewardModel:
    """Return a reward model trained on labels of 0 and 1, (n,).

    Args:
        tasks: What was asked.
        programs: The answers.
        labels: Whether each was approved.
        decay: Precision of the weights' normal prior.
    """
    x = features(tasks, programs)
    weights, _ = logistic(x, labels.astype(float), decay)
    scores = x @ weights
    return RewardModel(weights, float(scores.mean()), float(scores.std()) or 1.0)


def train(
    rng: np.random.Generator, start: Policy, meaning: Any,
    reward: Callable[[Tasks, Programs], Any], *, steps: int, batch: int, rate: float, kl: float,
) -> Policy:  # fmt: skip
    """Return the policy after so many steps of REINFORCE with a mean baseline, less `kl` times the
    divergence from `start`, whose gradient is exact.

    Args:
        rng: Of tasks and answers.
        start: The first policy, which the penalty holds on to.
        meaning: Operation that each word stands for; decides only what `reward` makes of it.
        reward: Scores of answers, (batch,).
        steps: Updates, at least 0.
        batch: Answers in each.
        rate: Step size, the same for every word and length, however seldom it is met.
        kl: Weight of the divergence, in rewards per nat.
    """
    import numpy as np

    policy = start
    for _ in range(steps):
        tasks = draw_tasks(rng, batch, meaning)
        programs = write(rng, policy, tasks)
        value = reward(tasks, programs)
        lead = value - value.mean()
        for_words, for_shape = np.zeros_like(policy.words), np.zeros_like(policy.shape)
        p_words, p_shape = softmax(policy.words), softmax(policy.shape)
        p_done = policy.operations()
        room = written(tasks, programs)
        for i in range(LONGEST):
            there = np.flatnonzero(i < room)
            word = tasks.words[there, i]
            done = programs.chain[there, i]
            meant = (1 - policy.slip) * p_words[word, done] / p_done[word, done]
            move = np.eye(len(OPERATIONS))[done] - p_words[word]
            np.add.at(for_words, word, (lead[there] * meant)[:, None] * move / batch)
        row = tasks.length - SHORTEST
        move = np.eye(len(SHAPES))[programs.shape] - p_shape[row]
        np.add.at(for_shape, row, lead[:, None] * move / batch)
        used = MEAN_LENGTH / len(meaning)  # how often an answer uses one word, on average
        for_words -= kl * used * _kl_gradient(policy.words, start.words)
        for_shape -= kl / LENGTHS * _kl_gradient(policy.shape, start.shape)
        policy = replace(
            policy, words=policy.words + rate / used * for_words,
            shape=policy.shape + rate * LENGTHS * for_shape,
        )  # fmt: skip
    return policy


def _kl_gradient(scores: Any, start: Any) -> Any:
    """Return the gradient of KL(softmax(scores) || softmax(start)), row by row, by `scores`."""
    import numpy as np

    p, q = softmax(scores), softmax(start)
    ratio = np.log(p) - np.log(q)
    return p * (ratio - (p * ratio).sum(-1, keepdims=True))


def divergence(policy: Policy, start: Policy, tasks: Tasks) -> float:
    """Return the KL of what is meant from what the first policy meant, in nats an answer."""
    import numpy as np

    def rows(scores: Any, other: Any) -> Any:
        p, q = softmax(scores), softmax(other)
        return (p * (np.log(p) - np.log(q))).sum(-1)

    words = rows(policy.words, start.words)[tasks.words]
    used = np.arange(LONGEST) < tasks.length[:, None]
    return float(
        ((words * used).sum(1) + rows(policy.shape, start.shape)[tasks.length - SHORTEST]).mean()
    )
