"""What training on preferences leaves in a reward model, and what it leaves undone.

Revel et al. 2024, "SEAL: Systematic Error Analysis for Value ALignment"
(https://arxiv.org/abs/2408.10270): a reward model is compared with what it was before it was
trained on preference pairs. Which features of answers became worth how many points (imprint), in
which pairs does the rejected answer still score higher (alignment resistance), and which rewrites
of an answer turn the order (robustness)? Some features are what was asked for (targets), others
should not matter (spoilers).

Here the reward models are small, on hashed words, linear or with one hidden layer, and are trained
in the study; every measure is that of `hackproof.audit.preferences`. What is wrong with the pairs
is planted: a share of labels turned round, or a cheerful style that goes along with the choice.
The other labeller is planted too: it says what the first person chose, and errs in a tenth. A
second one is a logistic regression on the audit's features. With `--data` the pairs are real ones;
what is wrong with them is planted in the same way.

Before training a model likes long answers: it learnt that elsewhere. Scores are standardised over
the training answers, so that an imprint is no mere growth of all scores.

Left out: OpenAssistant's reward models and a language model that labels features and rewrites
answers (the audit's rules do both); the regression of each side on its own (imprints are of
differences within pairs).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from hackproof.errors import InputError
from hackproof.experiment import Arm, Axis, Cell, CellResult, Figure, Paper, Scale, Study
from hackproof.studies import _revel_figures as figures
from hackproof.studies._revel_claims import CLAIMS

NO, EVEN, WITH = (0.0, 0.0), (0.5, 0.5), (0.8, 0.2)
"""Probability that a chosen and that a rejected answer is made cheerful."""


@dataclass(frozen=True)
class Kind:
    """What an arm trains on, and what it trains."""

    label: str
    noise: float = 0.0
    """Share of labels that are turned round."""
    cheer: tuple[float, float] = NO
    share: float = 1.0
    """Of the training pairs."""
    model: str = "linear"


KINDS = {
    "clean": Kind("As labelled"),
    "noise-15": Kind("15% of labels turned", noise=0.15),
    "noise-30": Kind("30% of labels turned", noise=0.3),
    "few": Kind("A quarter of the pairs", share=0.25),
    "balanced": Kind("Cheer on either side alike", cheer=EVEN),
    "spoiled": Kind("Cheer goes with the choice", cheer=WITH),
    "network": Kind("As labelled, network", model="network"),
}


@dataclass(frozen=True)
class Settings:
    """Settings of the study."""

    data: str = ""
    """Preference pairs (chosen, rejected), as `hackproof audit preferences` reads them; variables
    of the environment are filled in. Where empty, pairs from a made-up taste."""
    pairs: int = 1_200
    """Of the made-up ones."""
    epochs: tuple[int, ...] = (0, 1, 2, 4, 8, 16)
    """Passes over the training pairs; 0 is before training."""
    decay: float = 0.1
    """Of the weights, per step and learning rate."""
    rewrites: int = 400
    """Held-out pairs that are rewritten in style."""
    seed_offset: int = 0
    """Added to every seed."""


def check(settings: Settings) -> None:
    """Refuse settings that cannot be run."""
    e = settings.epochs
    if len(e) < 2 or list(e) != sorted(set(e)) or e[0] != 0:
        raise InputError(f"--epochs {e} must rise from 0; at least two of them.")
    if settings.pairs < 90 or settings.rewrites < 12 or settings.decay < 0:
        raise InputError("--pairs must be at least 90, --rewrites 12, and --decay 0 or more.")


def arms(settings: Settings) -> list[Arm]:
    """Return the arms."""
    return [
        Arm(
            name, k.label, "label-agreement", "right",
            "misweighting" if name == "spoiled" else "none", "",
            {"noise": f"{k.noise:g}", "cheer": f"{k.cheer[0]:g} and {k.cheer[1]:g}",
             "share": f"{k.share:g}", "model": k.model},
        )
        for name, k in KINDS.items()
    ]  # fmt: skip


def measure(settings: Settings, cell: Cell) -> CellResult:
    """Train a reward model for so many epochs and let the audit compare it with the one before."""
    from hackproof.audit._preferences import _learnt, _rewrite
    from hackproof.audit._preferences._models import scored
    from hackproof.studies import _revel_models, _revel_pairs

    kind, seed = KINDS[cell.arm], cell.seed + settings.seed_offset
    made = _revel_pairs.case(settings.data, settings.pairs, seed, kind.noise, kind.cheer)
    trained = _revel_models.models(
        settings.data, settings.pairs, seed, kind.noise, kind.cheer, kind.share, kind.model,
        settings.epochs, settings.decay,
    )  # fmt: skip
    before, after = trained[0], trained[int(cell.level)]
    rows: list[dict[str, Any]] = []

    def add(metric: str, value: Any, n: int, role: str = "probe", **more: Any) -> None:
        found = math.nan if value is None else float(value)
        known = math.isfinite(found)
        rows.append({"metric": metric, "role": role, "value": found if known else None,
                     "n": n if known else 0, "n_missing": 0 if known else n, **more})  # fmt: skip

    def right(sides: Any) -> tuple[Any, int]:
        pairs = scored(_revel_pairs.plain(sides), None, after)
        return _learnt.agreement(pairs, "after")["agreement_after"], len(pairs)

    add("label-agreement", *right(made.train), "proxy")
    add("right", *right(made.plain), "true")
    add("right", *right(made.against), "true", condition="rejected-cheerful")

    held = scored(made.held, before, after)
    n = len(held)
    found = _learnt.agreement(held, "after")["agreement_after"]
    add("agreement", found, n, "human")
    add("resistance", None if found is None else 1 - found, n)
    for r in _learnt.regimes(held):
        add(f"regime-{r['regime'].replace('_', '-')}", r["share"], n)
    labellers = {"other-person": held.label, "features": made.features}
    for name, label in labellers.items():
        shares = {r["labeller"]: r for r in
                  _learnt.resistance_by_label(_revel_pairs.with_labels(held, label))}  # fmt: skip
        for said in ("agrees", "disagrees"):
            r = shares.get(said, {"resistance": None, "pairs": 1})
            add(f"resistance-{said}", r["resistance"], r["pairs"], condition=name)
    for r in _learnt.imprints(held):
        for when in ("before", "after", "change"):
            add(f"imprint-{when}", r.get(when), n, condition=r["feature"])
            if r["feature"] == made.targets[0]:
                add(f"target-{when}", r.get(when), n)
    turn = _learnt.shift(held)
    add("shift", None if turn is None else turn["shift"], n, unit="degree")
    for r in _rewrite.robustness(held, after, settings.rewrites, seed):
        name = f"{r['rewrite']}-{r['side']}".replace(" ", "-")
        add("flipped", r["flipped"], r["pairs"], condition=name)
        add("points", r["points"], r["pairs"], condition=name)
        ratio: Any = r["odds_ratio"]
        add("log-odds-ratio", math.log(ratio) if ratio else None, r["pairs"], condition=name)
    return CellResult(rows)


FIGURES = (
    Figure("regimes", "What training did to held-out pairs",
           "Shares of pairs by whether the chosen answer scored higher before training and does so "
           "after it; means over seeds, by epochs.", figures.regimes),
    Figure("resistance", "Resistance where another labeller agrees, and where not",
           "Share of held-out pairs in which the rejected answer scores as high, after the last "
           "epoch. Points are seeds, bars means.", figures.resistance),
    Figure("imprints", "Feature imprint before and after",
           "Spreads of score per unit of the feature, within held-out pairs, all features at once; "
           "means over seeds with 95% intervals.", figures.imprints),
    Figure("rewrites", "Which rewrites turn the order",
           "Share of held-out pairs whose order of scores turns when one side is rewritten, after "
           "the last epoch; means over seeds with 95% intervals.", figures.rewrites),
)  # fmt: skip

ARM_METRICS = (
    "right", "label-agreement", "resistance", "resistance-agrees@other-person",
    "resistance-disagrees@other-person", "target-before", "target-after",
    "imprint-after@sentiment", "shift",
)  # fmt: skip

READING = (
    ("Read the angle with care",
     "Reward shift is the angle by which (score of chosen, score of rejected) turns about zero. "
     "Scores here have mean zero, so that a pair may lie on any side of it, and the mean angle "
     "says little of alignment: far more pairs get aligned than reversed while it is negative. "
     "With a constant added to all scores (on seeds that are not reported) it was positive."),
    ("Where resistance lies",
     "Turned labels make resistance where another person disagrees. But hashed words learn so "
     "little of these pairs that most resistance is of another kind: the model lacks what it would "
     "need. A regression on the audit's features, fitted to the same training labels, tells that "
     "part apart far better than the other person does."),
    ("What a style does",
     "A style that goes with the choice costs little on pairs without it, and nearly everything "
     "where the rejected answer has it: accuracy on ordinary pairs does not show it."),
)  # fmt: skip

STUDY = Study(
    name="revel-2024",
    title="What training on preferences leaves in a reward model",
    question="What did a reward model learn from preference pairs, and in which pairs does it "
    "resist?",
    papers=(Paper("Revel et al. 2024: SEAL: Systematic Error Analysis for Value ALignment",
                  "https://arxiv.org/abs/2408.10270"),),
    cause="few dimensions dominate",
    axis=Axis("epochs", "Epochs", "epochs"),
    scales={
        "smoke": Scale(Settings(pairs=120, epochs=(0, 1, 2), rewrites=24), seeds=2),
        "cpu": Scale(Settings(), seeds=20),
    },
    arms=arms,
    levels=lambda settings: settings.epochs,
    measure=measure,
    claims=CLAIMS,
    figures=FIGURES,
    arm_metrics=ARM_METRICS,
    reading=READING,
    check=check,
    caveats=(
        "The reward models know words, not meaning: hashed words and pairs of words.",
        "What is wrong with the pairs is planted, and so is the other labeller: where resistance "
        "lies is known here, and is not what other people would disagree on.",
        "Seeds differ in the split and in what is planted; real pairs are the same in all.",
    ),
)  # fmt: skip
