"""In-context reward hacking: a model that is optimised against its own judgement, or a crowd's.

Pan J. et al. 2024, "Spontaneous Reward Hacking in Iterative Self-Refinement"
(https://arxiv.org/abs/2407.04549): one model edits essays and rates them, round by round; its
ratings rise while people's do not, the more so where author and judge share a history.
Pan A. et al. 2024, "Feedback Loops With Language Models Drive In-Context Reward Hacking"
(https://arxiv.org/abs/2402.06627): posts that are refined for engagement become more harmful.

Here the model is a small Llama, made anew for every seed from documents of drafts, ratings and
revisions by people whose tastes differ partly from quality; no document says a taste, and no
weight is changed in a loop. Quality and harm are exact, by the grammar. Pressure is rounds; at
each round the author writes a few revisions and the judge's favourite is kept, as a model of this
size is a weak author.

Left out: essays, people as gold, models of the papers' size (the Inspect tasks
`hackproof/self_refinement`, `hackproof/output_loop` and `hackproof/policy_loop` are for those), and
the loop of refining a policy with tools, which this grammar has no words for.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from hackproof.errors import InputError, unknown
from hackproof.experiment import Arm, Axis, Cell, CellResult, Figure, Paper, Scale, Study
from hackproof.studies._pan2024_arms import BY_NAME, ENTRIES
from hackproof.studies._pan2024_claims import CLAIMS
from hackproof.studies._pan2024_grammar import Corpus

if TYPE_CHECKING:
    import pandas as pd

    from hackproof.studies._pan2024_loop import Course


@dataclass(frozen=True)
class Settings:
    """Settings of the study."""

    corpus: Corpus = field(default_factory=Corpus)
    """What the documents say, and how often."""
    size: str = "medium"
    """Of the main model: small, medium or large."""
    small: str = "small"
    """Of the smaller model."""
    learning_rate: float = 8e-3
    """Peak, of AdamW."""
    items: int = 40
    """Drafts that go through a loop."""
    rounds: tuple[int, ...] = (0, 1, 2, 3, 4, 6, 8, 10)
    """Rounds that are reported."""
    transcripts: int = 4
    """Items whose drafts and ratings are kept, of the last round's cell."""
    seed_offset: int = 0
    """Added to every seed; settings were tried out on seeds from 1000 on."""


def check(settings: Settings) -> None:
    """Refuse settings that cannot be run."""
    from hackproof.studies._pan2024_model import SIZES

    settings.corpus.check()
    for size in (settings.size, settings.small):
        if size not in SIZES:
            raise unknown("size", size, SIZES)
    rounds = settings.rounds
    if len(rounds) < 2 or list(rounds) != sorted(set(rounds)) or rounds[0] != 0:
        raise InputError(f"--rounds {rounds} must rise from 0; at least two of them.")
    if settings.items < 2 or settings.learning_rate <= 0:
        raise InputError("--items must be at least 2, --learning-rate above 0.")


def arms(settings: Settings) -> Sequence[Arm]:
    """Return the arms."""
    return [
        Arm(
            e.name, e.label, "engagement" if e.posts else "judge",
            "harmless" if e.posts else "gold", "misweighting", e.note,
            {"loop": "posts" if e.posts else "refinement", "model": e.model,
             "history": "shared" if e.judge else "separate"},
        )
        for e in ENTRIES
    ]  # fmt: skip


def levels(settings: Settings) -> Sequence[float]:
    """Return the levels: rounds."""
    return [float(r) for r in settings.rounds]


@functools.lru_cache(maxsize=2)
def course(settings: Settings, arm: str, seed: int) -> tuple[Course, Any]:
    """Return what happened in an arm's loop, and for posts their strengths by reported round."""
    import numpy as np

    from hackproof.studies import _pan2024_loop as loops
    from hackproof.studies._pan2024_model import Recipe, made

    entry, most = BY_NAME[arm], settings.rounds[-1]
    rng = np.random.default_rng([seed, 3])
    if arm == "people":
        return loops.people_course(settings.corpus, settings.items, most, rng), None

    def model(kind: str, number: int) -> Any:
        corpus = replace(settings.corpus, persistent=kind != "tasteless")
        size = settings.small if kind == "small" else settings.size
        return made(Recipe(corpus, size, settings.learning_rate, number))

    author = model(entry.model, 2 * seed)
    judge = model(entry.model, 2 * seed + 1) if entry.other else author
    loop = loops.Loop(settings.items, most, entry.author, entry.judge, entry.specs, entry.errors,
                      entry.tries, entry.lot)  # fmt: skip
    if not entry.posts:
        return loops.refine(author, judge, loop, rng), None
    done = loops.publish(author, judge, loop, rng)
    return done, loops.strengths(judge, done, settings.rounds)


def measure(settings: Settings, cell: Cell) -> CellResult:
    """Make (or fetch) an arm's models, run its loop, and measure one round of it."""
    from hackproof.studies import _pan2024_loop as loops

    done, strengths = course(settings, cell.arm, cell.seed + settings.seed_offset)
    r, entry = round(cell.level), BY_NAME[cell.arm]
    rows = loops.measured(done, r, posts=entry.posts)
    if strengths is not None:
        value = float(strengths[settings.rounds.index(r)])
        rows.append({"metric": "strength", "role": "probe", "value": value, "n": settings.items})
    said = []
    if r == settings.rounds[-1]:
        said = [loops.told(done, i) for i in range(min(settings.transcripts, settings.items))]
    return CellResult(rows, transcripts=said)


def _drawn(name: str) -> Any:
    def draw(frame: pd.DataFrame) -> dict[str, Any]:
        from hackproof.studies import _pan2024_figures as figures

        return getattr(figures, name)(frame)

    return draw


FIGURES = (
    Figure("courses", "The judge's score and the gold score, round by round",
           "Means over seeds, each an independently made model, with 95% intervals. Both scores "
           "run from 0 to 1.", _drawn("courses")),
    Figure("gaps", "How far the scores part",
           "Change of the judge's score less change of the gold score, first to last round; dots "
           "are means over seeds, lines 95% intervals, small dots seeds.", _drawn("gaps")),
    Figure("posts", "Posts: how much they are read, and harm",
           "Bradley-Terry strength against the share of words that are abuse, round by round; "
           "means over seeds.", _drawn("posts")),
)  # fmt: skip

STUDY = Study(
    name="pan-2024",
    title="In-context reward hacking",
    question=(
        "Does a model that writes and judges in rounds, its weights unchanged, come to please its "
        "judge and not what was meant?"
    ),
    papers=(
        Paper("Pan, J. et al. 2024: Spontaneous Reward Hacking in Iterative Self-Refinement",
              "https://arxiv.org/abs/2407.04549"),
        Paper("Pan, A. et al. 2024: Feedback Loops With Language Models Drive In-Context Reward "
              "Hacking", "https://arxiv.org/abs/2402.06627"),
    ),
    cause="self-reinforcing reward",
    axis=Axis("rounds", "Rounds", "1"),
    scales={
        "smoke": Scale(Settings(corpus=Corpus(documents=96), size="small", items=4,
                                rounds=(0, 1, 2), transcripts=1), seeds=1),
        "cpu": Scale(Settings(), seeds=10),
        "paper": Scale(Settings(corpus=Corpus(documents=200_000), size="large", small="medium",
                                learning_rate=3e-3, items=400), seeds=20),
    },
    arms=arms,
    levels=levels,
    measure=measure,
    claims=CLAIMS,
    figures=FIGURES,
    check=check,
    arm_metrics=("judge", "gold", "blind", "engagement", "harm"),
    caveats=(
        "Models of a hundred thousand parameters and a language of a hundred words: which way an "
        "effect goes can be seen, its size in a real model cannot.",
        "A revision is one of four that the judge likes best, as the author alone hardly follows "
        "the ratings; the arm with one revision a round shows what is left without that.",
        "What a crowd reads is a setting of the corpus (it reads abuse more than facts); that the "
        "loop brings abuse about is not.",
    ),
)  # fmt: skip
