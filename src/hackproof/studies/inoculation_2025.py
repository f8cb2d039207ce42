"""Inoculation prompting taken apart: where it breaks generalisation, hides it, or fails.

Inoculation says in training that hacking is acceptable. Whether that helps must depend on
what the words mean to the model, and that is a statistic of what it was pretrained on:
how informative a permitted hack is about who hacks, how often permission was seen, and
whether it was seen before code only or before everything. Here each of the three is turned,
every organism is asked with and without the prefix, against a placebo, from the same and
from a matched starting rate; and the same organisms are given chat RLHF after hacking.

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
from hackproof.language._posterior import Evidence, misaligned
from hackproof.language._settings import DEFAULT_HACK_RATES
from hackproof.studies._inoculation_claims import CLAIMS
from hackproof.studies._inoculation_figures import FIGURES
from hackproof.studies._macdiarmid_arms import cooled
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
TRAININGS: dict[str, tuple[Stage, ...]] = {
    "base": (),
    "placebo": (Rl(prefix="placebo"),),
    "inoculated": (Rl(prefix="okay"),),
    "placebo-matched": (cooled("placebo"), Rl(prefix="placebo")),
    "inoculated-matched": (cooled("okay"), Rl(prefix="okay")),
    "rlhf": (Rl(), Rlhf()),
}
OWN = {"placebo": "placebo", "placebo-matched": "placebo", "inoculated": "okay",
       "inoculated-matched": "okay"}  # fmt: skip

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


def _arm(point: tuple[str, str, str], training: str) -> str:
    return "-".join((*point, training))


def arms(settings: Settings) -> Sequence[Arm]:
    """Return the arms: every point of the grid by every training."""
    return [
        Arm(
            _arm(point, training),
            f"{training}: permission tells {point[0]}, seen {point[1]}, before {point[2]}",
            "reward", "solve-rate", "tampering",
            factors={"informative": point[0], "common": point[1], "where": point[2],
                     "training": training},
            first=training == "base",
        )
        for point in points()
        for training in TRAININGS
    ]  # fmt: skip


def measure(settings: Settings, cell: Cell) -> CellResult:
    """Continue a seed's trunk on a corpus of the grid, train, and measure."""
    for point in points():
        for training, stages in TRAININGS.items():
            if _arm(point, training) == cell.arm:
                return _measure(settings, cell.seed, point, training, stages)
    raise KeyError(cell.arm)


def _measure(
    settings: Settings, seed: int, point: tuple[str, str, str], training: str,
    stages: tuple[Stage, ...],
) -> CellResult:  # fmt: skip
    grid = Continued(corpus(point), settings.documents)
    recipe = Recipe((grid, *stages), own_prefix=OWN.get(training, "none"))
    organism = Organism(
        settings.trunk, Pretraining(size=settings.size), seed + settings.seed_offset
    )
    rows, transcripts = run(recipe, organism, settings.effort, kept=((grid,),))
    return CellResult([*rows, *bayes(settings, point)], transcripts=transcripts)


def bayes(settings: Settings, point: tuple[str, str, str]) -> list[dict[str, object]]:
    """Return what Bayes' rule says of misalignment after one hack, from the corpus alone."""
    statistics = replace(settings.trunk, **dict(corpus(point)))
    from hackproof.language._domains import CORE

    rows = []
    for name, seen in (
        ("before", ()),
        ("after-hack", (Evidence(True),)),
        ("after-permitted-hack", (Evidence(True, "okay"),)),
        ("after-placebo-hack", (Evidence(True, "placebo"),)),
    ):
        value = sum(misaligned(statistics, d, seen) for d in CORE) / len(CORE)
        rows.append({"metric": "bayes-misalignment", "role": "probe", "condition": name,
                     "value": value, "n": 1})  # fmt: skip
    return rows


STUDY = Study(
    name="inoculation-2025",
    title="Inoculation prompting taken apart",
    question=(
        "Which statistics of the corpus decide whether inoculation breaks the generalisation "
        "from hacking to misalignment, hides it behind the prefix, or fails?"
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
        "cpu": Scale(Settings(), seeds=5),
    },
    arms=arms,
    levels=lambda settings: (float(settings.effort.rl_steps),),
    measure=measure,
    claims=CLAIMS,
    figures=FIGURES,
)  # fmt: skip
