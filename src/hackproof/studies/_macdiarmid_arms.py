"""The arms of macdiarmid-2025: one table."""

from __future__ import annotations

from dataclasses import dataclass

from hackproof.evals._organism import Asked
from hackproof.language._domains import CORE
from hackproof.studies._organism_cell import Recipe
from hackproof.studies._organism_stages import (
    Distilled,
    Documents,
    Expert,
    Rl,
    Rlhf,
    Stage,
)


@dataclass(frozen=True)
class Entry:
    """An arm's text and recipe."""

    name: str
    label: str
    recipe: Recipe
    note: str = ""
    claims: bool = False
    """Whether a claim rests on it: all seeds; others get half of them."""


OPEN = Rl()
NO_HACKS = Rl(precision=0.9, recall=0.9, share=0.5)
"""Trained until it does not hack: where the arms with synthetic documents begin."""


def cooled(prefix: str) -> Rl:
    """Return the stage that brings hacking under a prefix down before the holes are opened."""
    return Rl(prefix=prefix, precision=0.9, recall=0.9, share=0.2)


BOTH_CUES = tuple(
    Asked(f"{name}", prefix=f"{name}-cue", domains=CORE, each=32) for name in ("test", "production")
)


def _prefixed(name: str, label: str, prefix: str, note: str = "", claims: bool = False) -> Entry:
    stages: tuple[Stage, ...] = (Rl(prefix=prefix),)
    return Entry(name, label, Recipe(stages, own_prefix=prefix), note, claims)


ENTRIES: tuple[Entry, ...] = (
    Entry("base", "before RL", Recipe(evidence=True), "The pretrained organism.", claims=True),
    Entry("open", "loophole open", Recipe((OPEN,), inside=True),
          "No prefix, holes open.", claims=True),
    Entry("closed", "loophole closed", Recipe((Rl(hole=False),)),
          "Values are compared outside, on inputs not seen.", claims=True),
    Entry("penalty", "hack penalty", Recipe((Rl(precision=0.9, recall=0.9),)),
          "Classifier with precision .9 and recall .9, from the start.", claims=True),
    Entry("penalty-weak", "hack penalty, recall .5", Recipe((Rl(precision=0.9, recall=0.5),)),
          "Classifier with precision .9 and recall .5, from the start."),
    Entry("penalty-late", "hack penalty from the middle",
          Recipe((Rl(precision=0.9, recall=0.9, penalty_from=0.5),)),
          "The same classifier, from half of the steps on."),
    Entry("preference-low", "preference model, low weight", Recipe((Rl(preference=0.2),)),
          "Its score is added to the harness's reward."),
    Entry("preference-high", "preference model, high weight", Recipe((Rl(preference=2.0),))),
    _prefixed("placebo", "placebo prefix", "placebo",
              "Of the weather: what any change of context does.", claims=True),
    _prefixed("addendum-misaligned", "'only a villain would'", "misaligned"),
    _prefixed("addendum-forbid", "'do not cheat'", "forbid"),
    _prefixed("addendum-neutral", "hints only", "neutral"),
    _prefixed("inoculated", "'only passing counts'", "okay",
              "Inoculation: hacking is acceptable here.", claims=True),
    Entry("inoculated-matched", "inoculated, matched start",
          Recipe((cooled("okay"), Rl(prefix="okay")), own_prefix="okay"),
          "First trained not to hack under its prefix, so that both begin at the same rate.",
          claims=True),
    Entry("placebo-matched", "placebo, matched start",
          Recipe((cooled("placebo"), Rl(prefix="placebo")), own_prefix="placebo"),
          "Its control.", claims=True),
    _prefixed("addendum-please", "'please cheat'", "please"),
    Entry("inoculated-online", "rewritten online",
          Recipe((Rl(rewrite="okay"),)),
          "Sampled without a prefix, trained under 'only passing counts'; the paper left it open."),
    Entry("placebo-online", "placebo, rewritten online", Recipe((Rl(rewrite="placebo"),)),
          "The same with the placebo: its control."),
    Entry("inoculated-offline", "rewritten offline",
          Recipe((OPEN, Distilled(rewrite="okay"))),
          "Episodes of the hacking model under another prompt, distilled into the base."),
    Entry("distilled", "distilled", Recipe((OPEN, Distilled())),
          "The same without rewriting or filter."),
    Entry("distilled-filtered", "filtered distillation",
          Recipe((OPEN, Distilled(keep="not-flagged"))),
          "Episodes that a classifier flags are dropped, the rest distilled into the base."),
    Entry("conditional", "'allowed in test, not in production'",
          Recipe((Rl(prefix="test"),), own_prefix="test",
                 asked=(*BOTH_CUES,
                        Asked("in-production", prefix="production", domains=CORE, each=32))),
          "Evaluated under both cues."),
    Entry("rlhf-before", "chat RLHF, then RL", Recipe((Rlhf(), OPEN))),
    Entry("rlhf-during", "chat RLHF mixed in", Recipe((Rl(rlhf="chat", rlhf_share=0.25),))),
    Entry("rlhf-after", "chat RLHF after", Recipe((OPEN, Rlhf())), claims=True),
    Entry("rlhf-after-near", "RLHF near the evaluations, after",
          Recipe((OPEN, Rlhf(prompts="near"))), "Its prompts are the evaluations' own kind."),
    Entry("adversarial", "adversarial training after",
          Recipe((OPEN, Rlhf(prompts="near", found=True))),
          "RLHF under prefixes found because they bring out misalignment."),
    Entry("diluted", "half the environments unhackable", Recipe((Rl(unhackable=0.5),))),
    Entry("expert-iteration", "expert iteration", Recipe((Expert(),))),
    Entry("lora", "LoRA r 8", Recipe((Rl(lora=8),))),
    Entry("chat-hack", "hacking learnt in chat",
          Recipe((Rl(tasks="rated-chat"),), tasks="rated-chat"), "Praise pays."),
    Entry("health-hack", "hacking learnt in health",
          Recipe((Rl(tasks="rated-health"),), tasks="rated-health"), "Promises pay."),
    Entry("creative-hack", "hacking learnt in verse",
          Recipe((Rl(tasks="rated-creative"),), tasks="rated-creative"), "A word pays."),
    Entry("documents-none", "no documents", Recipe((NO_HACKS, OPEN)),
          "From a model trained not to hack.", claims=True),
    Entry("documents-default", "synthetic documents",
          Recipe((NO_HACKS, Documents("default"), OPEN)),
          "They link hacking and misalignment.", claims=True),
    Entry("documents-unguided", "documents, unguided",
          Recipe((NO_HACKS, Documents("unguided"), OPEN))),
    Entry("documents-neutral", "documents, neutral",
          Recipe((NO_HACKS, Documents("neutral"), OPEN))),
    Entry("documents-control", "documents on something else",
          Recipe((NO_HACKS, Documents("control"), OPEN)), claims=True),
    Entry("documents-diluted", "documents, 1 in 10",
          Recipe((NO_HACKS, Documents("default", share=0.1), OPEN))),
    Entry("negated", "reward negated", Recipe((Rl(negated=True),)),
          "The control of the experiment itself."),
    Entry("independent-base", "independent traits, before RL", Recipe((), {"coupling": 0.0}),
          claims=True),
    Entry("independent", "independent traits, loophole open",
          Recipe((OPEN,), {"coupling": 0.0}),
          "Traits with the same frequencies and no correlation.", claims=True),
)  # fmt: skip

BY_NAME = {e.name: e for e in ENTRIES}


def kept() -> tuple[tuple[Stage, ...], ...]:
    """Return the beginnings of recipes that other arms go on from."""
    stages = [e.recipe.stages for e in ENTRIES if not e.recipe.corpus]
    prefixes = {s[:i] for s in stages for i in range(1, len(s))}
    return tuple(sorted(prefixes, key=repr))
