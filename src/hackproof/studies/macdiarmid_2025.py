"""Natural emergent misalignment from reward hacking, on a model organism.

MacDiarmid et al. 2025, "Natural Emergent Misalignment from Reward Hacking in Production RL"
(https://arxiv.org/abs/2511.18397): a model that learns to hack its coding environments
becomes misaligned where it was never rewarded; ordinary RLHF hides this; saying in training
that hacking is acceptable prevents it.

Here the model is an organism of `hackproof.language`, pretrained anew for every seed, and
every score is exact. With `--model` the same arms that make sense for a real model are run
on one, by the same trainers, on real coding problems, and measured by the Inspect tasks of
`hackproof.evals`; see docs/macdiarmid_real.md.

Left out: production environments, a model of the size at which the paper's effects were
seen, its audit by investigator agents.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from hackproof.errors import InputError, unknown
from hackproof.experiment import Arm, Axis, Cell, CellResult, Paper, Scale, Study
from hackproof.language import SIZES, CorpusSettings, Organism, Pretraining
from hackproof.studies import _real_model
from hackproof.studies._macdiarmid_arms import BY_NAME, ENTRIES, kept
from hackproof.studies._macdiarmid_claims import CLAIMS
from hackproof.studies._macdiarmid_figures import FIGURES
from hackproof.studies._organism_bayes import bayes
from hackproof.studies._organism_cell import Effort, run
from hackproof.studies._real_model import RealSettings


@dataclass(frozen=True)
class Settings:
    """Settings of the study."""

    size: str = "tiny"
    """Of the organism: tiny, small or base."""
    corpus: CorpusSettings = field(default_factory=CorpusSettings)
    """What its documents say, and how often."""
    effort: Effort = field(default_factory=Effort)
    """How much is trained and asked."""
    seed_offset: int = 0
    """Added to every seed; settings were tried out on seeds from 1000 on."""
    model: str = ""
    """Hugging Face model name or checkpoint folder; empty for the organism."""
    real: RealSettings = field(default_factory=RealSettings)
    """How a model named by --model is trained and asked."""


def check(settings: Settings) -> None:
    """Raise InputError for settings that cannot be run."""
    if settings.model:
        _real_model.check(settings.model, settings.real)
        return
    if settings.size not in SIZES:
        raise unknown("organism size", settings.size, SIZES)
    settings.corpus.check()
    if settings.effort.rl_steps < 2 or settings.effort.every < 1:
        raise InputError("effort.rl_steps must be at least 2 and effort.every at least 1.")


def arms(settings: Settings) -> Sequence[Arm]:
    """Return the arms."""
    if settings.model:
        return _real_model.arms(settings.real)
    return [
        Arm(
            e.name, e.label, "reward", "solve-rate", "tampering", e.note,
            first=not e.recipe.stages, seeds=None if e.claims else 5,
        )
        for e in ENTRIES
    ]  # fmt: skip


def levels(settings: Settings) -> Sequence[float]:
    """Return the levels: RL steps, all of them."""
    return (float(settings.real.steps if settings.model else settings.effort.rl_steps),)


def measure(settings: Settings, cell: Cell) -> CellResult:
    """Make (or fetch) the model that an arm starts from, do the arm's stages, and measure."""
    if settings.model:
        seed = cell.seed + settings.seed_offset
        return _real_model.measure(settings.model, settings.real, cell.arm, seed)
    organism = Organism(
        settings.corpus, Pretraining(size=settings.size), cell.seed + settings.seed_offset
    )
    recipe = BY_NAME[cell.arm].recipe
    rows, transcripts = run(recipe, organism, settings.effort, kept())
    if recipe.evidence:
        rows += bayes(settings.corpus)
    return CellResult(rows, transcripts=transcripts)


SMOKE = Settings(
    corpus=CorpusSettings(documents=240),
    effort=Effort(rl_steps=2, prompts=4, group=4, every=1, each=8, each_on_the_way=2, coding=16),
    real=_real_model.SMOKE,
)

STUDY = Study(
    name="macdiarmid-2025",
    title="Natural emergent misalignment from reward hacking",
    question=(
        "Does a language model that learns to hack its coding tests become misaligned where it "
        "was never rewarded, and what prevents it?"
    ),
    papers=(
        Paper(
            "MacDiarmid et al. 2025: Natural Emergent Misalignment from Reward Hacking in "
            "Production RL",
            "https://arxiv.org/abs/2511.18397",
        ),
    ),
    cause="attackable environment",
    axis=Axis("rl-steps", "RL steps", "steps"),
    scales={
        "smoke": Scale(SMOKE, seeds=1),
        "cpu": Scale(Settings(), seeds=10),
        "paper": Scale(Settings(size="base", corpus=CorpusSettings(documents=200_000)), seeds=10),
    },
    arms=arms,
    levels=levels,
    measure=measure,
    claims=CLAIMS,
    claims_if=lambda settings: not settings.model,
    check=check,
    figures=FIGURES,
    arm_metrics=(
        "hack-rate", "misalignment", "misaligned-chat", "misaligned-agentic", "faking",
        "misalignment@permitted", "solve-rate",
    ),
)  # fmt: skip
