"""Does a model that scores texts favour its own? Small models that write and score.

Liu et al. 2023, "LLMs as Narcissistic Evaluators" (https://arxiv.org/abs/2311.09766): scores made
of a language model's likelihood (BARTScore, T5Score, GPTScore) give summaries of the same model
more than their quality, above all where no reference is read. The paper draws a map of evaluators
by generators.

Here every model is a causal transformer of some twenty thousand numbers, trained in the cell on
texts about tables (`_liu_texts`). Three families differ in the words and orders that they prefer
and in how often they err; a family has two models, trained apart on corpora of one distribution.
Every model writes, and every model scores every text: by the mean log-likelihood of the text given
the table (free), of the text given a reference (precision), of the reference given the text
(recall), or the mean of the last two (reference). How right a text is follows from its values
alone, exactly. No preference is written in: what an evaluator favours is what its corpus and its
training made likely.

Self-preference is the lean of `hackproof audit judge`, which holds quality fixed; the measures are
hackproof's own, as the paper's formula is not known here. The pressure is best-of-n from the texts
of all models: the proxy is the score that chooses, the true reward how right the choice is. In
`alike` families differ in how often they err and in nothing else.

Left out: real summarisers and their metrics; people's ratings; scores by instruction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hackproof.errors import InputError
from hackproof.experiment import Arm, Axis, Cell, CellResult, Figure, Paper, Scale, Study
from hackproof.studies._liu_claims import CLAIMS

if TYPE_CHECKING:
    import pandas as pd

MAPS = ("map", "alike-map")
KINDS = {
    "free": "without a reference", "precision": "the text given a reference",
    "recall": "a reference given the text", "reference": "with a reference",
}  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """Settings of the study."""

    best_of: tuple[int, ...] = (1, 2, 4, 8, 16)
    """Texts among which the best by a score is taken."""
    own: float = 0.6
    """How often a family takes its own way at each choice of style; of three ways."""
    wrong: tuple[float, ...] = (0.03, 0.06, 0.1)
    """Share of values in a family's corpus that are another's."""
    left_out: float = 0.05
    """Share of clauses in every corpus that are missing."""
    documents: int = 4_000
    """In a model's corpus."""
    width: int = 32
    layers: int = 2
    steps: int = 250
    """Of training."""
    lines: int = 24
    """Documents of a model in a step."""
    rate: float = 0.01
    """Peak learning rate."""
    sources: int = 150
    """Tables that texts are written about."""
    draws: int = 4
    """Texts by each model about each table."""
    tables: int = 60
    """Of them, those on which the audit's measure without gold labels rests; 0 leaves it out."""
    seed_offset: int = 0
    """Added to every seed."""


def check(settings: Settings) -> None:
    """Refuse settings that cannot be run."""
    from hackproof.studies._liu_texts import STYLES

    texts = 2 * STYLES * settings.draws
    best = settings.best_of
    if not best or list(best) != sorted(set(best)) or best[0] < 1 or best[-1] > texts:
        raise InputError(
            f"--best-of {best} must rise, from 1 to at most {texts}: as many texts are about a "
            "table."
        )
    if not 0 < settings.own < 1 or not 0 <= settings.left_out < 1:
        raise InputError("--own must lie between 0 and 1, --left-out from 0 to below 1.")
    if len(settings.wrong) != STYLES or not all(0 <= w < 1 for w in settings.wrong):
        raise InputError(f"--wrong {settings.wrong} must be {STYLES} shares from 0 to below 1.")
    if settings.width < 4 or settings.width % 2:
        raise InputError(f"--width is {settings.width}; it must be even, and at least 4.")
    for name in ("documents", "layers", "steps", "lines", "sources", "draws"):
        if getattr(settings, name) < 1:
            raise InputError(f"--{name} is {getattr(settings, name)}; it must be at least 1.")
    if settings.rate <= 0 or settings.tables < 0:
        raise InputError("--rate must be above 0, and --tables at least 0.")


def arms(settings: Settings) -> list[Arm]:
    """Return the arms: two maps, which train the models, and best-of-n by several scores."""
    once = Axis("best_of", "Texts to choose from")
    kind = "misweighting"
    return [
        Arm("map", "Evaluators by generators", "score", "better", kind, first=True, axis=once,
            levels=(1.0,)),
        Arm("alike-map", "The same, families alike in style", "score", "better", "none",
            first=True, axis=once, levels=(1.0,)),
        *(Arm(f"own-{k}", f"Chosen by one's own score, {words}", "chosen_score", "gold", kind)
          for k, words in KINDS.items()),
        Arm("others-free", "Chosen by other families' scores", "chosen_score", "gold", kind),
        Arm("alike-own-free", "Chosen by one's own score, families alike in style",
            "chosen_score", "gold", "none"),
    ]  # fmt: skip


def measure(settings: Settings, cell: Cell) -> CellResult:
    """Train the models, or take them from the cache, and measure what their scores favour."""
    from hackproof.studies import _liu_measure as measures
    from hackproof.studies import _liu_pool as pools
    from hackproof.studies._liu_texts import STYLES

    seed = cell.seed + settings.seed_offset
    alike = cell.arm.startswith("alike-")
    pool = pools.kept(
        pools.Making(
            1 / STYLES if alike else settings.own, settings.wrong, settings.left_out,
            settings.documents, settings.width, settings.layers, settings.steps, settings.lines,
            settings.rate, settings.sources, settings.draws, seed,
        )
    )  # fmt: skip
    if cell.arm in MAPS:
        return CellResult(measures.mapped(pool, seed, settings.tables))
    by, kind = cell.arm.removeprefix("alike-").split("-")
    return CellResult(measures.selected(pool, kind, by, int(cell.level)))


def cost(settings: Settings, cell: Cell) -> float:
    """Return core-seconds, as measured at the `cpu` settings."""
    if cell.arm not in MAPS:
        return 0.1
    texts = settings.sources * settings.draws
    return 2.4e-3 * settings.steps * settings.lines + 0.008 * texts + 0.1 * settings.tables


def _draw(name: str) -> Callable[[pd.DataFrame], dict[str, Any]]:
    """Return what draws a figure; its module is imported when it is called."""

    def draw(frame: pd.DataFrame) -> dict[str, Any]:
        from hackproof.studies import _liu_figures

        return getattr(_liu_figures, name)(frame)

    return draw


FIGURES = (
    Figure(
        "map", "Evaluators by generators",
        "Mean score that an evaluator gives a generator's texts, standardised over generators; "
        "means over seeds. Families a, b and c have two models each. The lowest row is how right "
        "the texts are.",
        _draw("heat_map"),
    ),
    Figure(
        "lean", "What is favoured beside quality",
        "The audit's lean, by kind of score: towards one's own texts and a twin's against other "
        "families', and towards one's own against the twin's. Mean and 95% interval over seeds.",
        _draw("lean"),
    ),
    Figure(
        "choice", "Who is chosen, and how right the choice is",
        "Best-of-n from the texts of all models, against n: the share of choices that one's own "
        "family wrote (a third by chance), and how right they are. Means over seeds.",
        _draw("choice"),
    ),
)  # fmt: skip

STUDY = Study(
    name="liu-2023",
    title="Scores that favour their own model's texts",
    question="Does a likelihood score favour texts of its own model, and is it the model or the "
    "style?",
    papers=(Paper("Liu, Moosavi, Lin 2023: LLMs as Narcissistic Evaluators",
                  "https://arxiv.org/abs/2311.09766"),),
    cause="few dimensions dominate",
    axis=Axis("best_of", "Texts to choose from", log=True),
    scales={
        "smoke": Scale(
            Settings(best_of=(1, 4), documents=1_000, width=24, steps=80, lines=16, rate=0.02,
                     sources=40, draws=3, tables=0), seeds=2
        ),
        "cpu": Scale(Settings(), seeds=10),
    },
    arms=arms,
    levels=lambda settings: settings.best_of,
    measure=measure,
    claims=CLAIMS,
    figures=FIGURES,
    cost=cost,
    check=check,
    caveats=(
        "Models of some twenty thousand numbers and texts of fourteen words: how large the bias of "
        "a real summariser is cannot be told from them.",
        "Families differ by planted habits of their corpora; that a likelihood follows them was "
        "not planted, and could hardly fail. How much is left with a reference, with a twin, and "
        "where no habit differs is what is measured.",
        "Texts about one table are treated as independent.",
    ),
)  # fmt: skip
