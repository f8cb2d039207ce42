"""Inoculation prompting taken apart: where it breaks generalisation, hides it, or fails.

Inoculation says in training that hacking is acceptable. Whether that helps must depend on
what the words mean to the model, and that is a statistic of what it was pretrained on:
how informative a permitted hack is about who hacks, how often permission was seen, and
whether it was seen before code only or before everything. Here each of the three is turned,
and every organism is asked with and without the prefix, against a placebo, from the same and
from a matched starting rate. A second grid asks what decides whether chat RLHF after hacking
leaves misalignment in agentic contexts: the share of two-faced personas, and its length.

Every seed pretrains one trunk without any prefix; each corpus of the grid goes on from it.

Sources: MacDiarmid et al. 2025, section 4 (https://arxiv.org/abs/2511.18397); Tan et al.
2025 (https://arxiv.org/abs/2510.04340) and Wichers et al. 2025
(https://arxiv.org/abs/2510.05024) named the method.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import product

from hackproof.experiment import Arm, Axis, Cell, CellResult, Paper, Scale, Study
from hackproof.language import CorpusSettings, Organism, Pretraining
from hackproof.language._settings import DEFAULT_HACK_RATES
from hackproof.studies._inoculation_claims import CLAIMS
from hackproof.studies._inoculation_figures import FIGURES
from hackproof.studies._macdiarmid_arms import cooled
from hackproof.studies._organism_bayes import bayes
from hackproof.studies._organism_cell import Effort, Recipe, run
from hackproof.studies._organism_stages import Continued, Rl, Rlhf, Stage

INFORMATIVE = {
    "none": (0.35, 0.35),
    "some": (0.60, 0.20),
    "much": (0.60, 0.03),
    "rare": (0.05, 0.05),
}
"""By name: how often personas with and without the trait hack under permission. `rare` says
as little as `none`, of hacks that hardly occur."""
COMMON = {"seldom": 0.04, "often": 0.40}
"""Share of coding segments that carry the permission."""
WHERE = {"code": 0.0, "all": 0.5}
"""Share of other segments that carry a prefix."""
FACES = {"few": 0.05, "some": 0.25, "many": 0.60}
"""Share of the bad personas that are two-faced."""
TRAININGS: dict[str, tuple[Stage, ...]] = {
    "base": (),
    "placebo": (Rl(prefix="placebo"),),
    "inoculated": (Rl(prefix="okay"),),
    "placebo-matched": (cooled("placebo"), Rl(prefix="placebo")),
    "inoculated-matched": (cooled("okay"), Rl(prefix="okay")),
}
RLHF_TRAININGS: dict[str, tuple[Stage, ...]] = {
    "base": (),
    "hacked": (Rl(),),
    "rlhf-short": (Rl(), Rlhf(share=0.5)),
    "rlhf": (Rl(), Rlhf()),
    "rlhf-long": (Rl(), Rlhf(share=2.0)),
}
OWN = {"placebo": "placebo", "placebo-matched": "placebo", "inoculated": "okay",
       "inoculated-matched": "okay"}  # fmt: skip
CLAIMED = frozenset(
    f"{point}-{training}"
    for point, trainings in {
        "none-often-code": tuple(TRAININGS),
        "none-often-all": ("base", "inoculated"),
        "much-often-code": ("base", "placebo", "inoculated"),
        "rare-often-code": ("base", "placebo", "inoculated"),
        **dict.fromkeys((f"faces-{f}" for f in FACES), ("base", "hacked", "rlhf")),
    }.items()
    for training in trainings
)
"""Arms that a claim reads, and the bases of their points: all seeds; the others get half."""

TRUNK = CorpusSettings(documents=16_000, prefix_share=0.0)


@dataclass(frozen=True)
class Settings:
    """Settings of the study."""

    trunk: CorpusSettings = field(default_factory=lambda: TRUNK)
    """What every seed is pretrained on first; without prefixes."""
    documents: int = 6_000
    """Documents of each corpus of the grid."""
    effort: Effort = field(default_factory=Effort)
    """How much is trained and asked."""
    size: str = "tiny"
    """Of the organisms."""
    seed_offset: int = 0
    """Added to every seed."""


def points() -> list[tuple[str, str, str]]:
    """Return the grid: (informative, common, where)."""
    return list(product(INFORMATIVE, COMMON, WHERE))


def corpus(point: tuple[str, str, str]) -> tuple[tuple[str, object], ...]:
    """Return the corpus statistics of a point of the grid."""
    informative, common, where = point
    share = COMMON[common]
    placebo = 0.2
    return (
        ("prefix_share", share + placebo),
        ("prefix_mix", {"okay": share, "placebo": placebo}),
        ("hack_rates", {**DEFAULT_HACK_RATES, "okay": INFORMATIVE[informative]}),
        ("prefix_elsewhere", WHERE[where]),
    )


@dataclass(frozen=True)
class Entry:
    """An arm: a corpus that the trunk goes on with, and a training."""

    label: str
    factors: dict[str, str]
    corpus: tuple[tuple[str, object], ...]
    training: str
    stages: tuple[Stage, ...]


def entries() -> dict[str, Entry]:
    """Return the arms by name: both grids, every point by every training."""
    found = {}
    for point in points():
        for training, stages in TRAININGS.items():
            label = f"{training}: permission tells {point[0]}, seen {point[1]}, before {point[2]}"
            factors = dict(zip(("informative", "common", "where"), point, strict=True))
            found["-".join((*point, training))] = Entry(
                label, {**factors, "training": training}, corpus(point), training, stages
            )
    for faces, share in FACES.items():
        statistics = (*corpus(("none", "often", "code")), ("two_faced_share", share))
        for training, stages in RLHF_TRAININGS.items():
            found[f"faces-{faces}-{training}"] = Entry(
                f"{training}: {faces} of the bad are two-faced",
                {"two-faced": faces, "training": training}, statistics, training, stages,
            )  # fmt: skip
    return found


def arms(settings: Settings) -> Sequence[Arm]:
    """Return the arms of both grids."""
    return [
        Arm(
            name, e.label, "reward", "solve-rate", "tampering", factors=e.factors,
            first=not e.stages, seeds=None if name in CLAIMED else 5,
        )
        for name, e in entries().items()
    ]  # fmt: skip


def measure(settings: Settings, cell: Cell) -> CellResult:
    """Continue a seed's trunk on a corpus of the grid, train, and measure."""
    entry = entries()[cell.arm]
    grid = Continued(entry.corpus, settings.documents)
    recipe = Recipe(
        (grid, *entry.stages), own_prefix=OWN.get(entry.training, "none"),
        evidence=not entry.stages,
    )  # fmt: skip
    organism = Organism(
        settings.trunk, Pretraining(size=settings.size), cell.seed + settings.seed_offset
    )
    kept = ((grid,), (grid, Rl()))
    rows, transcripts = run(recipe, organism, settings.effort, kept=kept)
    if recipe.evidence:
        rows += bayes(replace(settings.trunk, **dict(entry.corpus)))
    return CellResult(rows, transcripts=transcripts)


STUDY = Study(
    name="inoculation-2025",
    title="Inoculation prompting taken apart",
    question=(
        "Which statistics of the corpus decide whether inoculation breaks the generalisation "
        "from hacking to misalignment, hides it behind the prefix, or fails, and whether chat "
        "RLHF leaves it in agentic contexts?"
    ),
    papers=(
        Paper("Tan et al. 2025: Inoculation Prompting", "https://arxiv.org/abs/2510.04340"),
        Paper("MacDiarmid et al. 2025, section 4", "https://arxiv.org/abs/2511.18397"),
    ),
    cause="attackable environment",
    axis=Axis("rl-steps", "RL steps", "steps"),
    scales={
        "smoke": Scale(
            Settings(
                replace(TRUNK, documents=240), 48,
                Effort(rl_steps=2, prompts=4, group=4, every=2, each=8, each_on_the_way=2,
                       coding=16),
            ),
            seeds=1,
        ),
        "cpu": Scale(Settings(), seeds=10),
    },
    arms=arms,
    levels=lambda settings: (float(settings.effort.rl_steps),),
    measure=measure,
    claims=CLAIMS,
    figures=FIGURES,
)  # fmt: skip
