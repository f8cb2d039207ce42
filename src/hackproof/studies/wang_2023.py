"""A judge's place, and what the published repairs are worth for each call.

Wang et al. 2023, "Large Language Models are not Fair Evaluators"
(https://arxiv.org/abs/2305.17926): the verdict of a model that judges two answers changes with
their order, often enough that the order alone decides which of two models wins. Three repairs: ask
for the evidence first and average several samples, ask in both orders and average, and have a
person check the pairs whose verdicts are the most diverse.

Planted judges (`_wang_judges`) add a lean and noise to what they see in an answer; conflicts and
what repairs are worth follow, and are measured with the code of `hackproof audit judge`. The
pressure is the number of calls per pair: the proxy is how surely the judge says the same again,
which is all that can be seen without labels, the true reward how often it is right. Two arms turn
up the lean instead: a weaker model is shown first, its share of wins is the proxy, how often its
answers are better the true reward.

With --data, verdicts that were collected from real judges are measured too: each prompt by itself,
and several prompts to one judge as its samples.

Left out: evidence before the score. What it does to a judge's accuracy is a fact about language
models, which a planted judge would only repeat. A person's check is taken to be right. The paper
samples one prompt several times; collected verdicts have one sample per prompt, so that prompts
stand in for samples.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hackproof.errors import InputError
from hackproof.experiment import Arm, Axis, Cell, CellResult, Figure, Paper, Scale, Study
from hackproof.studies._wang_claims import COLLECTED, PLANTED

if TYPE_CHECKING:
    import pandas as pd

REPAIRS = {"evidence": "every call in one order", "balanced": "half of the calls in each order"}
LEAN = Axis("lean", "Lean to the first place, in spreads of quality")


@dataclass(frozen=True)
class Settings:
    """Settings of the study."""

    data: str = ""
    """Verdicts of real judges with gold labels, in both orders, as `hackproof audit judge` reads
    them; variables of the environment are filled in. Where empty, planted judges alone."""
    pairs: int = 2_000
    """Of answers, per cell."""
    wrapped: int = 800
    """Of them that a judge in the audit's wrappers is asked about."""
    calls: tuple[int, ...] = (2, 4, 6, 12, 24)
    """Calls per pair; even."""
    leans: tuple[float, ...] = (0.0, 0.25, 0.5, 1.0, 2.0)
    """Of the judge that compares two models."""
    edge: float = 0.25
    """How much better the stronger model's answers are on average, in spreads of quality."""
    questions: int = 80
    """In a comparison of two models."""
    rounds: int = 50
    """Comparisons per cell."""
    parts: int = 10
    """Into which the items of `data` are dealt, one for each seed."""
    real_calls: tuple[int, ...] = (2, 4, 8)
    """Calls per pair of real judges, each with another prompt or order; even."""
    draws: int = 8
    """Of prompts, over which numbers are means."""
    seed_offset: int = 0
    """Added to every seed; parts of `data` stay what they are."""


def check(settings: Settings) -> None:
    """Refuse settings that cannot be run."""
    for name in ("calls", "real_calls"):
        calls = getattr(settings, name)
        if not calls or list(calls) != sorted(set(calls)) or any(c < 2 or c % 2 for c in calls):
            flag = name.replace("_", "-")
            raise InputError(f"--{flag} {calls} must rise, with even numbers from 2.")
    if list(settings.leans) != sorted(set(settings.leans)) or not settings.leans:
        raise InputError(f"--leans {settings.leans} must rise.")
    least = {"pairs": 50, "wrapped": 20, "questions": 1, "rounds": 1, "parts": 2, "draws": 1}
    for name, low in least.items():
        if getattr(settings, name) < low:
            raise InputError(f"--{name} is {getattr(settings, name)}; it must be at least {low}.")
    if settings.wrapped > settings.pairs:
        raise InputError(f"--wrapped is {settings.wrapped}; there are {settings.pairs} pairs.")
    if settings.data:
        from hackproof.studies import _wang_real

        _wang_real.load(settings.data)


def arms(settings: Settings) -> list[Arm]:
    """Return the arms: planted judges by repairs, two by lean, and with data three of real ones."""
    from hackproof.studies._wang_judges import JUDGES

    found = [
        Arm(f"{judge}-{repair}", f"{label}; {REPAIRS[repair]}", "repeat", "accuracy",
            "misweighting", "", {"judge": judge, "repair": repair})
        for judge, (_, label) in JUDGES.items() for repair in REPAIRS
    ]  # fmt: skip
    found += [
        Arm("placed", "The weaker model is shown first", "won", "better", "tampering",
            axis=LEAN, levels=settings.leans),
        Arm("balanced", "Both orders are averaged", "won", "better", "tampering",
            axis=LEAN, levels=settings.leans),
    ]  # fmt: skip
    if settings.data:
        levels, most = tuple(map(float, settings.real_calls)), settings.parts
        note = "Several prompts to a judge are its samples; seeds are parts of the items."
        found += [
            Arm(f"real-{repair}", f"Real judges; {REPAIRS[repair]}", "repeat", "accuracy",
                "misweighting", note, {"judge": "real", "repair": repair}, levels=levels,
                axis=Axis("calls", "Calls per pair"), seeds=most)
            for repair in REPAIRS
        ]  # fmt: skip
        found.append(
            Arm("real-prompts", "Real judges, prompt by prompt", "agreement", "accuracy",
                "misweighting", "Seeds are parts of the items.", {"judge": "real"}, levels=(2.0,),
                axis=Axis("calls", "Calls per pair"), seeds=most)
        )  # fmt: skip
    return found


def measure(settings: Settings, cell: Cell) -> CellResult:
    """Ask judges and measure what their verdicts follow."""
    seed = cell.seed + settings.seed_offset
    if cell.arm.startswith("real-"):
        return CellResult(_real(settings, cell))
    from hackproof.studies import _wang_planted as planted

    if cell.arm in ("placed", "balanced"):
        return CellResult(
            planted.by_lean(seed, cell.arm, cell.level, settings.pairs, settings.edge,
                            settings.questions, settings.rounds)
        )  # fmt: skip
    from hackproof.studies._wang_judges import JUDGES

    judge, repair = cell.arm.split("-")
    return CellResult(
        planted.by_calls(seed, JUDGES[judge][0], repair, int(cell.level), settings.pairs,
                         settings.wrapped)
    )  # fmt: skip


def _real(settings: Settings, cell: Cell) -> list[dict[str, Any]]:
    from hackproof.studies import _wang_real as real

    if cell.arm == "real-prompts":
        return real.by_prompt(settings.data, cell.seed, settings.parts)
    return real.pooled(
        settings.data, cell.seed, settings.parts, cell.arm.split("-")[1], int(cell.level),
        settings.draws,
    )  # fmt: skip


def cost(settings: Settings, cell: Cell) -> float:
    """Return core-seconds, as measured at the `cpu` settings."""
    if cell.arm.startswith("real-"):
        return 0.1 if cell.arm == "real-prompts" else 0.02 * settings.draws * cell.level
    if cell.arm in ("placed", "balanced"):
        return 0.05
    return 0.1 + 6e-6 * settings.wrapped * cell.level


CLAIMS = (*PLANTED, *COLLECTED)


def _draw(name: str) -> Callable[[pd.DataFrame], dict[str, Any]]:
    """Return what draws a figure; its module is imported when it is called."""

    def draw(frame: pd.DataFrame) -> dict[str, Any]:
        from hackproof.studies import _wang_figures

        return getattr(_wang_figures, name)(frame)

    return draw


FIGURES = (
    Figure(
        "calls", "What a call buys",
        "Accuracy and repeatability of planted judges against calls per pair, by repair. Grey: "
        "asked once. Means over seeds.",
        _draw("calls"),
    ),
    Figure(
        "conflict", "Verdicts that change with the order",
        "Conflict rate of a planted judge by how far apart two answers are, one line for each "
        "lean. Mean and 95% interval over seeds.",
        _draw("conflict"),
    ),
    Figure(
        "order", "Who wins, by the order",
        "Share of questions that the weaker of two models wins, if it is shown first and if both "
        "orders are averaged, against the judge's lean; and how often its answers are better.",
        _draw("order"),
    ),
    Figure(
        "checks", "What a person's checks are worth",
        "Accuracy gained by checking a share of pairs, the most diverse ones or as many at random, "
        "at six calls a pair (planted) and at four (real judges).",
        _draw("checks"),
    ),
    Figure(
        "real", "Real judges: how often the order changes the verdict",
        "Conflict rate of each judge under each prompt, over all items; in a run with --data.",
        _draw("real"),
    ),
    Figure(
        "real-calls", "Real judges: what a call buys",
        "Accuracy with several prompts as samples, by judge and repair. Grey: asked once.",
        _draw("real_calls"),
    ),
)  # fmt: skip

STUDY = Study(
    name="wang-2023",
    title="A judge that leans to a place, and its repairs",
    question="How often does the order of two answers decide a verdict, and what do repairs give "
    "for each call?",
    papers=(Paper("Wang et al. 2023: Large Language Models are not Fair Evaluators",
                  "https://arxiv.org/abs/2305.17926"),),
    cause="few dimensions dominate",
    axis=Axis("calls", "Calls per pair", log=True),
    scales={
        "smoke": Scale(
            Settings(pairs=200, wrapped=40, calls=(2, 6), leans=(0.0, 1.0, 2.0), rounds=4), seeds=2
        ),
        "cpu": Scale(Settings(), seeds=10),
    },
    arms=arms,
    levels=lambda settings: settings.calls,
    measure=measure,
    claims=CLAIMS,
    figures=FIGURES,
    cost=cost,
    check=check,
    caveats=(
        "Planted judges have the faults that were planted; how large a real judge's are is told "
        "by the arms with data alone. Claims on real judges need --data.",
        "Intervals on real judges are over parts of the items: they speak of other items, not of "
        "other judges.",
        "A person's check is taken to be right.",
    ),
)  # fmt: skip
