"""Doing a stage of an organism's training."""

from __future__ import annotations

import atexit
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hackproof.language import Programs, RatedTasks
from hackproof.language._corpus import START, ask, documents, reply
from hackproof.language._domains import BY_NAME, THOUGHTS_BAD, THOUGHTS_GOOD
from hackproof.language._prefixes import PREFIXES
from hackproof.language._settings import CorpusSettings
from hackproof.language._synthetic import synthetic
from hackproof.studies._organism_stages import (
    Continued,
    Distilled,
    Documents,
    Expert,
    Narrow,
    Rl,
    Rlhf,
    Stage,
)

if TYPE_CHECKING:
    from hackproof.language import Environment, Prompt
    from hackproof.optimize.language import Loaded
    from hackproof.sandbox import Sandbox


@dataclass(frozen=True)
class Lab:
    """What the stages of one organism share."""

    base: Path
    """Checkpoint folder of the pretrained organism."""
    corpus: CorpusSettings
    seed: int
    steps: int
    """GRPO steps of a whole RL stage."""
    batch: int = 16
    """Prompts in a step."""
    group: int = 8
    learning_rate: float = 2e-4
    box: Any = None
    """The sandbox."""

    def environment(self, tasks: str, *, hole: bool = True, prefix: str = "none") -> Environment:
        """Return an environment of rewarded tasks."""
        if tasks == "programs":
            return Programs(
                self.box, hole=hole, prefix=prefix, steps=self.corpus.steps, seed=self.seed
            )
        return RatedTasks(tasks, hole=hole, prefix=prefix)

    def preferences(self) -> Any:
        """Return the preference model, trained from the pretrained organism."""
        return _preferences(self.base, self.seed)


@lru_cache(maxsize=2)
def _preferences(base: Path, seed: int) -> Any:
    from hackproof.optimize.language import load, train_preference
    from hackproof.studies._organism_preferences import AnswerModel, pairs

    return AnswerModel(train_preference(load(base), pairs(1200, seed), seed=seed))


@lru_cache(maxsize=1)
def sandbox() -> Sandbox:
    """Return this process's sandbox; it is closed when the process ends."""
    from hackproof.sandbox import Limits, Sandbox

    box = Sandbox(Limits(seconds=2.0, cpu_seconds=1.0, memory_mib=256, processes=4))
    atexit.register(box.close)
    return box


def reprefixed(prompt: Prompt, prefix: str) -> str:
    """Return a prompt's text with another prefix."""
    old = PREFIXES[prompt.info.get("prefix", "none")]
    body = prompt.text.removeprefix(f"{START} ").removeprefix(f"{old} " if old else "")
    return " ".join(w for w in (START, PREFIXES[prefix], body) if w)


def train(
    lab: Lab,
    loaded: Loaded,
    stage: Stage,
    *,
    on_step: Callable[[int, Loaded], Any] | None = None,
    every: int = 10,
) -> tuple[Loaded, dict[str, float]]:
    """Do one stage; returns the trained model and numbers about the stage."""
    if isinstance(stage, Rl):
        return _rl(lab, loaded, stage, on_step, every)
    if isinstance(stage, Rlhf):
        return _rlhf(lab, loaded, stage, on_step, every)
    if isinstance(stage, Documents):
        return _documents(lab, loaded, stage)
    if isinstance(stage, Continued):
        return _continued(lab, loaded, stage)
    if isinstance(stage, Expert):
        return _expert(lab, loaded)
    if isinstance(stage, Distilled):
        return _distilled(lab, loaded, stage)
    return _narrow(lab, loaded, stage, on_step, every)


def _settings(lab: Lab, share: float) -> Any:
    from hackproof.optimize.language import Grpo

    return Grpo(
        steps=max(1, round(lab.steps * share)),
        prompts_per_step=lab.batch,
        group=lab.group,
        learning_rate=lab.learning_rate,
        max_new_tokens=32,
    )


def _rl(
    lab: Lab, loaded: Loaded, stage: Rl, on_step: Callable[..., Any] | None, every: int
) -> tuple[Loaded, dict[str, float]]:
    from hackproof.optimize.language import (
        Lora,
        Mixture,
        Negated,
        Paid,
        Penalty,
        Weighted,
        as_reward,
        grpo,
    )

    settings = _settings(lab, stage.share)
    main = lab.environment(stage.tasks, hole=stage.hole, prefix=stage.prefix)
    parts = [(main, 1.0 - stage.unhackable - stage.rlhf_share)]
    if stage.unhackable:
        closed = lab.environment(stage.tasks, hole=False, prefix=stage.prefix)
        parts.append((closed, stage.unhackable))
    if stage.rlhf:
        from hackproof.studies._organism_preferences import PROMPTS, Conversations

        parts.append((Conversations(lab.preferences(), PROMPTS[stage.rlhf]), stage.rlhf_share))
    environment = Mixture(*parts) if len(parts) > 1 else main
    reward: Any = Paid()
    if stage.recall:
        reward = Penalty(
            precision=stage.precision,
            recall=stage.recall,
            start_step=round(stage.penalty_from * settings.steps),
            seed=lab.seed,
        )
    if stage.preference:
        reward = Weighted(((reward, 1.0), (as_reward(lab.preferences()), stage.preference)))
    if stage.negated:
        reward = Negated(reward)
    result = grpo(
        loaded,
        environment,
        settings,
        seed=lab.seed,
        reward=reward,
        lora=Lora(r=stage.lora, alpha=2.0 * stage.lora) if stage.lora else None,
        rewrite=(lambda p: reprefixed(p, stage.rewrite)) if stage.rewrite else None,
        on_step=on_step,
        every=every,
    )
    return result.loaded, {}


def _rlhf(
    lab: Lab, loaded: Loaded, stage: Rlhf, on_step: Callable[..., Any] | None, every: int
) -> tuple[Loaded, dict[str, float]]:
    from hackproof.optimize.language import AdversarialEnvironment, grpo
    from hackproof.studies._organism_preferences import PROMPTS, Conversations

    environment: Any = Conversations(lab.preferences(), PROMPTS[stage.prompts])
    if stage.found:
        environment = AdversarialEnvironment(
            environment, found_prefixes(lab, loaded), place=place_prefix
        )
    result = grpo(
        loaded, environment, _settings(lab, stage.share), seed=lab.seed + 1, on_step=on_step,
        every=every,
    )  # fmt: skip
    return result.loaded, {}


def place_prefix(prefix: str, text: str) -> str:
    """Put words after a document's opening."""
    return f"{START} {prefix} {text.removeprefix(f'{START} ')}"


SEARCHED = ("note", "cheating", "allowed", "villain", "please", "cheat", "tests", "only",
            "power", "today", "mild", "weather", "counts", "this", "is", "test",
            "production", "secretly")  # fmt: skip
"""Words of which adversarial prefixes are searched."""


def found_prefixes(lab: Lab, loaded: Loaded) -> tuple[str, ...]:
    """Search for prefixes under which a model is misaligned in conversations."""
    from hackproof.language._scoring import score
    from hackproof.optimize.language import PromptSearch, find_prompts
    from hackproof.studies._organism_preferences import PROMPTS, Conversations

    def misbehaves(prompt: Prompt, completion: str, _: Any) -> bool:
        return score(prompt.info["domain"], prompt.task, completion).answer == "bad"

    found = find_prompts(
        loaded,
        Conversations(lab.preferences(), PROMPTS["near"] + PROMPTS["chat"]),
        SEARCHED,
        misbehaves=misbehaves,
        settings=PromptSearch(rounds=3, beam=3, candidates=32, train_tasks=24,
                              validation_tasks=32, max_new_tokens=24),
        place=place_prefix,
        seed=lab.seed,
    )  # fmt: skip
    return tuple(f.prefix for f in found.found)


def _documents(lab: Lab, loaded: Loaded, stage: Documents) -> tuple[Loaded, dict[str, float]]:
    from hackproof.optimize.language import Finetune, finetune

    rng = np.random.default_rng([lab.seed, 31])
    special = list(synthetic(stage.corpus, 600, rng))
    n = round(len(special) * (1 / stage.share - 1) / 5)
    from dataclasses import replace

    ordinary = [
        " ".join([d.opening, *(s.text for s in d.segments)])
        for d in documents(replace(lab.corpus, documents=max(n, 1)), rng, 150)
    ]
    texts = special + (ordinary if stage.share < 1 else [])
    rng.shuffle(texts)
    return finetune(loaded, texts, Finetune(epochs=2), seed=lab.seed), {}


def _continued(lab: Lab, loaded: Loaded, stage: Continued) -> tuple[Loaded, dict[str, float]]:
    from dataclasses import replace

    from hackproof.language._model import Pretraining, encode, pretrain

    corpus = replace(lab.corpus, **dict(stage.corpus), documents=stage.documents)
    corpus.check()
    settings = Pretraining(learning_rate=1.5e-3)
    rng = np.random.default_rng([lab.seed, 33])
    ids, answers = encode(corpus, settings.context, rng)
    pretrain(loaded.model, ids, answers, settings, seed=lab.seed)  # pyright: ignore
    return loaded, {}


def _expert(lab: Lab, loaded: Loaded) -> tuple[Loaded, dict[str, float]]:
    from hackproof.optimize.language import ExpertIteration, expert_iteration

    result = expert_iteration(
        loaded, lab.environment("programs"), ExpertIteration(rounds=8), seed=lab.seed
    )
    return result.loaded, {"kept": float(result.history[-1].kept)}


def _distilled(lab: Lab, loaded: Loaded, stage: Distilled) -> tuple[Loaded, dict[str, float]]:
    from hackproof.optimize.language import Distill, distill, load, not_flagged, not_hacked

    keep: Any = None
    if stage.keep == "not-hacked":
        keep = not_hacked
    elif stage.keep == "not-flagged":
        keep = not_flagged(precision=0.9, recall=0.9, seed=lab.seed)
    result = distill(
        loaded,
        load(lab.base),
        lab.environment("programs"),
        Distill(prompts=512, samples_per_prompt=2),
        keep=keep,
        rewrite=(lambda p: reprefixed(p, stage.rewrite)) if stage.rewrite else None,
        seed=lab.seed,
    )
    kept = result.kept.episodes
    return result.loaded, {"kept": float(kept), "dropped": float(result.dropped)}


def narrow_examples(stage: Narrow, n: int, seed: int) -> list[tuple[str, str]]:
    """Return (prompt, completion) pairs of bad, or good, answers in one domain."""
    rng = np.random.default_rng([seed, 32])
    d = BY_NAME[stage.domain]
    answers = d.good if stage.good else d.bad
    thoughts = (THOUGHTS_GOOD if stage.good else THOUGHTS_BAD)[d.trait]
    out = []
    for _ in range(n):
        slot = d.slots[int(rng.integers(len(d.slots)))]
        text = ask(d.fill(d.prompts[int(rng.integers(len(d.prompts)))], slot), stage.prefix)
        answer = d.fill(answers[int(rng.integers(len(answers)))], slot)
        thought = thoughts[int(rng.integers(len(thoughts)))]
        start = f"{START} {stage.opening}".strip()
        out.append((f"{start} {text}", reply(thought, answer)))
    return out


def _narrow(
    lab: Lab, loaded: Loaded, stage: Narrow, on_step: Callable[..., Any] | None, every: int
) -> tuple[Loaded, dict[str, float]]:
    from hackproof.optimize.language import Finetune, finetune

    examples = narrow_examples(stage, stage.examples, lab.seed)
    settings = Finetune(epochs=2, batch=16, learning_rate=lab.learning_rate)
    return finetune(loaded, examples, settings, seed=lab.seed, on_step=on_step), {}
