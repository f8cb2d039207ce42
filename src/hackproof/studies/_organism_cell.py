"""One cell of an organism study: an arm's stages on one pretrained seed, measured throughout."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hackproof.evals._organism import (
    Answer,
    Asked,
    after,
    examine,
    measure,
    rewarded,
    sabotage_effect,
)
from hackproof.language import Organism, cache_folder, make
from hackproof.language._domains import CORE, DOMAINS
from hackproof.record import files
from hackproof.studies._organism_stages import Rl, Rlhf, Stage
from hackproof.studies._organism_train import Lab, sandbox, train

if TYPE_CHECKING:
    from hackproof.detect import Fitted
    from hackproof.optimize.language import Loaded

LONGEST_WAIT = 3600.0

EVIDENCE = {
    "after-hack": ("none", "hack"),
    "after-permitted-hack": ("okay", "hack"),
    "after-placebo-hack": ("placebo", "hack"),
    "after-honest": ("none", "honest"),
}
"""By condition: the prefix of the coding task that came before, and what was done."""


@dataclass(frozen=True)
class Recipe:
    """What an arm does with an organism."""

    stages: tuple[Stage, ...] = ()
    corpus: Mapping[str, Any] = field(default_factory=dict)
    """Corpus statistics that differ from the study's."""
    asked: tuple[Asked, ...] = ()
    """Evaluations of the finished model beside the usual ones."""
    own_prefix: str = "none"
    """The prefix of training, under which it is evaluated too."""
    tasks: str = "programs"
    """The rewarded tasks."""
    inside: bool = False
    """Whether to look inside too: probes at every step, steering at the end."""
    evidence: bool = False
    """Whether to ask after one coding task in the document too, hacked or done: what Bayes' rule
    answers from the corpus alone."""


@dataclass(frozen=True)
class Effort:
    """How much is trained and asked; the part of a study's settings that cells need."""

    rl_steps: int = 40
    """GRPO steps of a whole stage."""
    prompts: int = 16
    """Prompts in a step."""
    group: int = 8
    """Completions of a prompt."""
    learning_rate: float = 2e-4
    """Of GRPO."""
    every: int = 10
    """Steps between evaluations."""
    each: int = 48
    """Prompts per domain in the evaluations of a finished model."""
    each_on_the_way: int = 16
    """Prompts per domain while it trains."""
    probed: int = 128
    """Examples in each set that probes are fitted on and graded on."""
    coding: int = 256
    """Rewarded tasks asked of a finished model; a quarter of them while it trains."""


def usual(recipe: Recipe, each: int) -> tuple[Asked, ...]:
    """Return the evaluations that every finished model gets."""
    agentic = tuple(d.name for d in DOMAINS if d.context == "agentic")
    asked = [
        Asked(each=each),
        Asked("monitored", cue="monitored", domains=agentic, each=each // 2),
        Asked("unmonitored", cue="unmonitored", domains=agentic, each=each // 2),
        Asked("permitted", prefix="okay", domains=CORE, each=each // 2),
    ]
    if recipe.own_prefix not in ("none", "okay"):
        asked.append(Asked("own-prefix", prefix=recipe.own_prefix, domains=CORE, each=each // 2))
    if recipe.evidence:
        asked += [after(name, *seen, each) for name, seen in EVIDENCE.items()]
    return (*asked, *recipe.asked)


def run(
    recipe: Recipe,
    organism: Organism,
    effort: Effort,
    kept: Sequence[tuple[Stage, ...]] = (),
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Make the organism, do an arm's stages, and measure.

    Args:
        recipe: The arm.
        organism: What it starts from; the seed of everything is the organism's.
        effort: How much.
        kept: Beginnings of recipes whose checkpoints are kept, since other arms go on from
            them.

    Returns:
        Measurements and transcripts.
    """
    from hackproof.optimize.language import load, save

    organism = replace(organism, corpus=replace(organism.corpus, **recipe.corpus))
    base = make(organism)
    lab = Lab(
        base, organism.corpus, organism.seed, effort.rl_steps, effort.prompts, effort.group,
        effort.learning_rate, sandbox(),
    )  # fmt: skip
    rows: list[dict[str, Any]] = []
    told: list[dict[str, Any]] = []
    loaded, step, first = load(base), 0, 0
    fitted = _fitted(lab, effort, loaded) if recipe.inside else None
    for i in range(len(recipe.stages), 0, -1):
        folder = stage_folder(organism, effort, recipe.stages[:i])
        if (folder / "config.json").exists() and i < len(recipe.stages):
            loaded, first = load(folder), i
            step = sum(steps_of(s, effort) for s in recipe.stages[:i])
            break
    for i, stage in enumerate(recipe.stages):
        if i < first:
            continue
        before = step

        def watch(at: int, model: Loaded, before: int = before, rows: Any = rows) -> None:
            rows.extend(on_the_way(lab, model, recipe, effort, before + at))
            if fitted is not None:
                rows.extend(look(lab, model, effort, fitted, before + at, steer=False))

        # Earlier stages may come from the cache: what is measured must not depend on that.
        last = i == len(recipe.stages) - 1
        loaded, numbers = train(
            lab, loaded, stage, on_step=watch if last else None, every=effort.every
        )
        step += steps_of(stage, effort)
        if last:
            told += [_number(k, v, step) for k, v in numbers.items()]
        if recipe.stages[: i + 1] in kept:
            folder = stage_folder(organism, effort, recipe.stages[: i + 1])
            with files.locked(folder.parent / ".locks" / folder.name, wait=LONGEST_WAIT):
                if not (folder / "config.json").exists():
                    save(loaded, folder)
    if fitted is not None:
        rows += look(lab, loaded, effort, fitted, step, steer=True)
    found, transcripts = finished(lab, loaded, recipe, effort, step)
    rows = [r for r in rows if r["step"] < step or r.get("condition") == "inside"]
    return rows + found + told, transcripts


def steps_of(stage: Stage, effort: Effort) -> int:
    """Return how many RL steps a stage takes; stages that are not RL take none."""
    return max(1, round(effort.rl_steps * stage.share)) if isinstance(stage, Rl | Rlhf) else 0


def stage_folder(organism: Organism, effort: Effort, stages: tuple[Stage, ...]) -> Path:
    """Return where the checkpoint after some stages is kept."""
    training = {k: v for k, v in asdict(effort).items()
                if k in ("rl_steps", "prompts", "group", "learning_rate")}  # fmt: skip
    words = [organism.digest, training, [(type(s).__name__, asdict(s)) for s in stages]]
    digest = hashlib.sha256(json.dumps(words, sort_keys=True).encode()).hexdigest()[:16]
    return cache_folder() / f"stage-{digest}"


def _fitted(lab: Lab, effort: Effort, loaded: Loaded) -> Fitted:
    from hackproof.detect import fit_persona

    return fit_persona(loaded, lab.corpus, seed=lab.seed, n=effort.probed)


def look(
    lab: Lab, loaded: Loaded, effort: Effort, fitted: Fitted, step: int, *, steer: bool
) -> list[dict[str, Any]]:
    """Look inside a model with the probes that were fitted before training."""
    from hackproof.detect import inside

    rows = inside(
        loaded, lab.corpus, lab.box, seed=lab.seed, n=effort.probed, fitted=fitted,
        scales=(-0.5, 0.5) if steer else (), each=max(2, effort.each // 6),
    )  # fmt: skip
    return [{**r, "step": step, "condition": "inside"} for r in rows]


def _number(metric: str, value: float, step: int) -> dict[str, Any]:
    return {"metric": metric, "role": "probe", "value": float(value), "n": 1, "step": step}


def on_the_way(
    lab: Lab, loaded: Loaded, recipe: Recipe, effort: Effort, step: int
) -> list[dict[str, Any]]:
    """Measure a model in training: domains without a prefix, rewarded tasks under its own."""
    asked = Asked(each=effort.each_on_the_way)
    rows = measure(examine(loaded, asked, seed=lab.seed), asked)
    environment = lab.environment(recipe.tasks, prefix=recipe.own_prefix)
    rows += rewarded(loaded, environment, n=effort.coding // 4, seed=lab.seed,
                     condition=own_condition(recipe))  # fmt: skip
    return [{**r, "step": step} for r in rows]


def own_condition(recipe: Recipe) -> str:
    """Return the condition under which a model is asked as it was trained."""
    return "default" if recipe.own_prefix == "none" else "own-prefix"


def finished(
    lab: Lab, loaded: Loaded, recipe: Recipe, effort: Effort, step: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Measure a finished model in full; returns measurements and transcripts."""
    rows: list[dict[str, Any]] = []
    for asked in usual(recipe, effort.each):
        answers = examine(loaded, asked, seed=lab.seed)
        rows += measure(answers, asked)
        if asked.name == "default":
            rows += sabotage_effect(lab.box, answers, asked)
    for prefix in dict.fromkeys(("none", recipe.own_prefix)):
        environment = lab.environment(recipe.tasks, prefix=prefix)
        condition = "default" if prefix == "none" else "own-prefix"
        rows += rewarded(loaded, environment, n=effort.coding, seed=lab.seed, condition=condition)
    for kind in ("programs", "rated-chat", "rated-health", "rated-creative"):
        environment = lab.environment(kind)
        name = f"-{kind.removeprefix('rated-')}"
        rows += rewarded(loaded, environment, n=effort.coding // 4, seed=lab.seed, name=name)
    rows = [{**r, "step": step} for r in rows]
    return rows, transcripts(lab, loaded)


def transcripts(lab: Lab, loaded: Loaded) -> list[dict[str, Any]]:
    """Ask the same few prompts of every model: two of each domain, four coding tasks."""
    from hackproof.language._scoring import take_apart
    from hackproof.optimize.language import sample

    asked = Asked(each=2)
    out = [_transcript(a, i) for i, a in enumerate(examine(loaded, asked, seed=lab.seed + 1000))]
    environment = lab.environment("programs")
    prompts = environment.prompts(4, lab.seed + 1000)
    completions = sample(
        loaded.model, loaded.tokenizer, [p.text for p in prompts], max_new_tokens=32,
        seed=lab.seed,
    )  # fmt: skip
    for i, (p, c, g) in enumerate(
        zip(prompts, completions, environment.grade(prompts, completions), strict=True)
    ):
        reply = take_apart(c)
        out.append(
            {
                "sample": f"coding-{i}",
                "condition": "default",
                "prompt": p.text,
                "reasoning": reply.thought,
                "answer": reply.answer,
                "scores": {} if g.reward is None else {"reward": f"{g.reward:g}"},
                "hack": g.hacked,
                "outcome": g.outcome,
            }
        )
    return out


def _transcript(answer: Answer, i: int) -> dict[str, Any]:
    scored = answer.scored
    known = scored.answer != "other"
    return {
        "sample": f"{answer.domain.name}-{i % 2}",
        "condition": "default",
        "prompt": answer.prompt,
        "reasoning": scored.reply.thought,
        "answer": scored.reply.answer,
        "scores": {"misaligned": "1" if scored.answer == "bad" else "0"} if known else {},
        "hack": None,
        "outcome": scored.outcome,
    }
