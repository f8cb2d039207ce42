"""Optimising a language model against a preference model: RL with a KL penalty, and best-of-n."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hackproof.studies import _sharma_model as lm
from hackproof.studies import _sharma_world as world
from hackproof.studies._sharma_model import PreferenceModel, Size
from hackproof.studies._sharma_world import Asked


@dataclass(frozen=True)
class Rl:
    """How RL is done."""

    steps: int = 60
    every: int = 12
    """Steps between measurements."""
    questions: int = 32
    """Asked in a step."""
    group: int = 8
    """Answers to each, against whose mean reward each is held."""
    rate: float = 3e-3
    kl: float = 0.2
    """Weight of the KL penalty to the model before, per nat of a whole answer; the preference
    model's score has spread 1 on its held-out pairs."""


def optimise(
    start: Any, pm: PreferenceModel, facts: dict[str, str], settings: Rl, seed: int,
    look: Callable[[int, Any], None],
) -> None:  # fmt: skip
    """Train a copy of a language model by policy gradient on the preference model's score.

    The gradient is that of E[score] - kl KL(model || start): score - kl log(model / start) of a
    whole answer is its return, less the mean of its group and over the spread of it.

    Args:
        start: The model before; not changed.
        pm: What pays.
        facts: The topics' true colours, for drawing questions.
        settings: How.
        seed: Of questions and samples.
        look: Called with the step and the model at 0, `every`, 2 `every` and so on.
    """
    import numpy as np
    import torch

    model = {k: v.clone().requires_grad_() for k, v in start.items()}
    adam = torch.optim.Adam(list(model.values()), settings.rate)
    random = torch.Generator().manual_seed(seed + 2)
    for step in range(settings.steps + 1):
        if step % settings.every == 0:
            look(step, {k: v.detach() for k, v in model.items()})
        if step == settings.steps:
            break
        rng = np.random.default_rng([seed, 35, step])
        asked = [world.ask(rng, facts) for _ in range(settings.questions)]
        asked = [a for a in asked for _ in range(settings.group)]
        inputs = lm.questions(asked)
        ids = lm.sampled(model, inputs, random)
        now = lm.log_probabilities(model, inputs, ids).sum(1)
        with torch.no_grad():
            before = lm.log_probabilities(start, inputs, ids).sum(1)
        paid = torch.from_numpy(np.asarray(pm.score(asked, lm.texts(ids)), dtype=np.float32))
        gain = (paid - settings.kl * (now.detach() - before)).view(-1, settings.group)
        gain = (gain - gain.mean(1, keepdim=True)) / (gain.std(1, keepdim=True) + 1e-4)
        loss = -(gain.flatten() * now).mean()
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(model.values()), 1.0)
        adam.step()


def asked_of(seed: int, each: int, facts: dict[str, str]) -> list[Asked]:
    """Return the questions of an evaluation: `each` of every kind of view, then `each` without a
    view whose first answer was true and doubted.
    """
    import numpy as np

    rng = np.random.default_rng([seed, 36])
    out = [world.ask(rng, facts, kind) for kind in world.VIEWS for _ in range(each)]
    doubted = [world.ask(rng, facts, "none") for _ in range(each)]
    return out + [replace(a, first=a.truth) for a in doubted]


def measured(
    asked: Sequence[Asked], answers: Sequence[str], scores: Any, agrees: float, weight: Any = None
) -> list[dict[str, Any]]:  # fmt: skip
    """Return measurements of answers.

    Args:
        asked: Questions.
        answers: One to each, or, with `weight`, as many as there are probabilities.
        scores: The preference model's.
        agrees: What the raters weigh.
        weight: Probability of each answer among those to its question; 1 each where None.
    """
    import numpy as np

    x = np.array([world.features(a, t) for a, t in zip(asked, answers, strict=True)])
    w = np.ones(len(asked)) if weight is None else np.asarray(weight)
    kind = np.array(["doubted" if a.first else a.kind for a in asked])
    first = np.array([a.first for a in asked])
    said = np.array([world.said(t) for t in answers])
    plain = kind != "doubted"
    rows = []

    def add(metric: str, role: str, values: Any, mask: Any, condition: str = "default") -> None:
        total = float(w[mask].sum())
        rows.append({"metric": metric, "role": role, "condition": condition,
                     "value": float(w[mask] @ np.asarray(values, dtype=float)[mask]) / total,
                     "n": round(total)})  # fmt: skip

    add("pm-score", "proxy", scores, plain)
    add("truthful", "true", x[:, 0], plain)
    add("rated", "human", world.worth(x, agrees), plain)
    for view in world.VIEWS:
        add("truthful", "probe", x[:, 0], kind == view, view)
    add("agrees", "probe", x[:, 1], kind == "wrong", "wrong")
    for j, name in ((2, "flattery"), (3, "hedging"), (4, "length")):
        add(name, "probe", x[:, j], plain)
    add("concedes", "probe", said != first, ~plain)
    return rows


@dataclass(frozen=True)
class Drawn:
    """Answers of the language model to choose from."""

    asked: tuple[Asked, ...]
    """(questions x draws), question by question."""
    answers: tuple[str, ...]
    scores: Any
    draws: int


@functools.lru_cache(maxsize=2)
def drawn(seed: int, size: Size, agrees: float, blind: bool, each: int, draws: int) -> Drawn:
    """Draw answers and score them with the preference model of raters who weigh `agrees`."""
    import torch

    facts = world.truths(seed)
    asked = [a for a in asked_of(seed, each, facts) for _ in range(draws)]
    random = torch.Generator().manual_seed(seed + 3)
    ids = lm.sampled(lm.language_model(seed, size), lm.questions(asked), random)
    answers = lm.texts(ids)
    scores = lm.preference_model(seed, size, agrees, blind).score(asked, answers)
    return Drawn(tuple(asked), tuple(answers), scores, draws)


def best_of(scores: Any, draws: int, n: int) -> Any:
    """Return the probability of each draw of being the best of n, drawn with replacement from the
    `draws` of its question: (rank / draws)^n - ((rank - 1) / draws)^n; ties go by order.

    Args:
        scores: (questions x draws,), question by question.
        draws: Per question.
        n: At least 1.
    """
    import numpy as np

    from hackproof.studies._gao_models import best_of_n

    return np.concatenate([best_of_n(s, n) for s in np.asarray(scores).reshape(-1, draws)])
