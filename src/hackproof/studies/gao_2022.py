"""Over-optimisation of learned rewards, on preference pairs of one's own.

Gao, Schulman and Hilton 2022, "Scaling Laws for Reward Model Overoptimization"
(https://arxiv.org/abs/2210.10760): a gold reward model labels pairs, proxies are trained on its
labels, and policies are optimised against a proxy while the gold score is watched. It rises, then
falls; larger proxies and more labels put that off; two short formulas fit.

Here the gold model is a linear reward model trained on all pairs (people's choices, where a file
is given with --data), the proxies see some of its features and some labels, and the policies are
exact: best-of-n and the optimum of RL with a KL penalty, over answers that no proxy was trained on,
from a uniform start. Nothing is sampled, so a curve has no noise but the proxy's.

Left out: language models, the size of which is the paper's main axis (a proxy's size here is how
many features it sees); the KL that RL spends on its way, as the optimum spends none in vain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hackproof.errors import InputError
from hackproof.experiment import Arm, Axis, Cell, CellResult, Claim, Figure, Paper, Scale, Study

if TYPE_CHECKING:
    import pandas as pd

METHODS = {"bon": "best-of-n", "rl": "rl"}
SIZES = {"small": 0.06, "large": 1.0}
"""Share of the gold model's features that a proxy sees."""
DATA = {"few": 0.15, "many": 1.0}
"""Share of the labels that it is trained on."""
ROLES = {"gold": "true", "proxy": "proxy", "kl": "probe", "agreement": "probe"}


@dataclass(frozen=True)
class Settings:
    """Settings of the study."""

    data: str = ""
    """Preference pairs (chosen, rejected), as `hackproof audit preferences` reads them; variables
    of the environment are filled in. Where empty, pairs from a made-up taste."""
    pairs: int = 1_000
    """Of the made-up ones."""
    labels: int = 1_000
    """Pairs of training answers that the gold model labels."""
    cases: int = 10
    """Proxies per cell, each on other halves of the answers; numbers are means over them."""
    decay: float = 4.0
    """Of the proxies' weights, and of the gold model's."""
    distances: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0, 2.25)
    """Roots of the KL, in nats, to which proxies are optimised."""
    seed_offset: int = 0
    """Added to every seed."""


def check(settings: Settings) -> None:
    """Refuse settings that cannot be run."""
    d = settings.distances
    if len(d) < 4 or list(d) != sorted(set(d)) or d[0] < 0:
        raise InputError(f"--distances {d} must rise from 0 or more; at least four of them.")
    if settings.pairs < 40 or settings.labels < 20 or settings.decay <= 0 or settings.cases < 1:
        raise InputError(
            "--pairs must be at least 40, --labels 20, --cases 1, and --decay above 0."
        )


def arms(settings: Settings) -> list[Arm]:
    """Return the arms: a method by a size of proxy by an amount of labels."""
    return [
        Arm(
            f"{m}-{size}-{data}", f"{METHODS[m]}, {size} proxy, {data} labels", "proxy", "gold",
            "misweighting", "", {"method": METHODS[m], "size": size, "labels": data},
        )
        for m in METHODS for size in SIZES for data in DATA
    ]  # fmt: skip


def measure(settings: Settings, cell: Cell) -> CellResult:
    """Train a gold model and a proxy, optimise the proxy to a KL, and score what comes out."""
    from hackproof.studies import _gao_models as models

    method, size, data = cell.arm.split("-")
    found: dict[str, list[float]] = {m: [] for m in ROLES}
    n = 0
    for case in range(settings.cases):
        made = models.scored(
            settings.data, settings.pairs,
            (cell.seed + settings.seed_offset) * settings.cases + case, settings.decay,
            settings.labels, DATA[data], SIZES[size],
        )  # fmt: skip
        policy = models.at_kl(made.proxy, METHODS[method], cell.level**2)
        found["gold"].append(float(policy @ made.gold))
        found["proxy"].append(float(policy @ made.proxy))
        found["kl"].append(models.kl(policy))
        found["agreement"].append(made.agreement)
        n = len(made.gold)
    return CellResult([
        {"metric": name, "role": ROLES[name], "value": sum(values) / len(values), "n": n}
        for name, values in found.items()
    ])  # fmt: skip


PerSeed = Mapping[int, float]


def curve(frame: pd.DataFrame, arm: str, metric: str = "gold") -> dict[int, Any]:
    """Return a metric by distance, seed by seed."""
    rows = frame[(frame.arm == arm) & (frame.metric == metric)]
    return {
        int(seed): group.set_index("level")["value"].sort_index()  # pyright: ignore
        for seed, group in rows.groupby("seed")
    }


def lost(arm: str) -> Callable[[pd.DataFrame], PerSeed]:
    """Return the estimand 'gold score at the greatest distance less its highest on the way'."""
    return lambda frame: {
        s: float(c.iloc[-1] - c.iloc[:-1].max()) for s, c in curve(frame, arm).items()
    }


def end(arm: str, other: str, place: str = "last") -> Callable[[pd.DataFrame], PerSeed]:
    """Return the estimand 'gold score, last or highest, of one arm less another's', or that of the
    distances where it is highest.
    """

    def per_seed(frame: pd.DataFrame) -> PerSeed:
        a, b = curve(frame, arm), curve(frame, other)
        pick = {"last": lambda c: c.iloc[-1], "highest": lambda c: c.max(),
                "where": lambda c: c.idxmax()}[place]  # fmt: skip
        return {s: float(pick(a[s]) - pick(b[s])) for s in a if s in b}

    return per_seed


def fitted(arm: str, first: float = 1.0) -> Callable[[pd.DataFrame], PerSeed]:
    """Return the estimand 'share of the variance of the gold score over distances that the paper's
    form explains', fitted on the first part of the range and held against all of it.
    """

    def per_seed(frame: pd.DataFrame) -> PerSeed:
        import numpy as np

        from hackproof.audit._reward_model._curves import design

        out = {}
        for s, c in curve(frame, arm).items():
            d, y = c.index.to_numpy(), c.to_numpy()
            x = design(METHODS[arm.split("-")[0]], d)[:, 1:]
            used = d <= first * d.max()
            w = np.linalg.lstsq(x[used], (y - y[0])[used], rcond=None)[0]
            left = ((y - y[0] - x @ w) ** 2).sum()
            out[s] = float(1 - left / ((y - y.mean()) ** 2).sum())
        return out

    return per_seed


def foretold(arm: str) -> Callable[[pd.DataFrame], PerSeed]:
    """Return the estimand 'whether the distance of the highest gold score lies in the interval that
    is foretold from the first half of the curve', half a step of the grid allowed.
    """

    def per_seed(frame: pd.DataFrame) -> PerSeed:
        import numpy as np

        from hackproof.audit._reward_model._curves import Curve, fit

        out = {}
        for s, c in curve(frame, arm).items():
            d, y = c.index.to_numpy(), c.to_numpy()
            used = d <= d.max() / 2
            made = fit(Curve(METHODS[arm.split("-")[0]], d[used], y[used], np.zeros(used.sum())), s)
            half, peak = (d[1] - d[0]) / 2, d[y.argmax()]
            out[s] = float(made.peak_d[1] - half <= peak <= made.peak_d[2] + half)
        return out

    return per_seed


OURS = "derived: the paper's findings, on linear models"
CLAIMS = (
    Claim("bon-overoptimises", "Best-of-n against a small proxy with few labels: the gold score "
          "falls in the end.", OURS, "derived", "gold score at the end less its highest before",
          lost("bon-small-few"), "<", 0.0),
    Claim("rl-overoptimises", "So it does under RL.", OURS, "derived",
          "gold score at the end less its highest before", lost("rl-small-few"), "<", 0.0),
    Claim("more-labels-help", "More labels: the gold score at the end is higher.", OURS, "derived",
          "gold score at the end, many less few labels", end("bon-large-many", "bon-large-few"),
          ">", 0.0),
    Claim("larger-helps", "A larger proxy reaches a higher gold score.", OURS, "derived",
          "highest gold score, large less small proxy",
          end("bon-large-many", "bon-small-many", "highest"), ">", 0.0),
    Claim("larger-peaks-later", "and reaches it farther from the start.", OURS, "derived",
          "distance of the highest gold score, large less small proxy",
          end("bon-large-few", "bon-small-few", "where"), ">", 0.0),
    Claim("bon-form-fits", "The form d (a - b d) explains best-of-n.", OURS, "derived",
          "share of variance explained", fitted("bon-small-few"), ">", 0.9),
    Claim("rl-form-fits", "The form d (a - b ln d) explains RL.", OURS, "derived",
          "share of variance explained", fitted("rl-small-few"), ">", 0.9),
    Claim("bon-peak-foretold", "The first half of a best-of-n curve foretells where it is highest.",
          OURS, "derived", "whether the peak lies in the interval foretold",
          foretold("bon-small-few"), ">", 0.5, share=True),
    Claim("rl-peak-foretold", "The first half of an RL curve foretells where it is highest.",
          OURS, "derived", "whether the peak lies in the interval foretold",
          foretold("rl-small-few"), ">", 0.5, share=True),
)  # fmt: skip


def _curves(frame: pd.DataFrame) -> dict[str, Any]:
    """Draw gold and proxy scores against distance, arm by arm; thin lines are seeds."""
    rows = frame[frame.metric.isin(["gold", "proxy"])]
    labels = {a.name: a.label.split(", ", 1) for a in arms(Settings())}
    values = [
        {"d": r["level"], "score": r["value"], "what": r["metric"], "seed": r["seed"],
         "method": labels[r["arm"]][0], "proxy": labels[r["arm"]][1]}
        for r in rows.to_dict("records") if r["arm"] in labels
    ]  # fmt: skip
    x = {"field": "d", "type": "quantitative", "title": "distance (root of the KL in nats)"}
    y = {"field": "score", "type": "quantitative", "title": "score, in spreads of the pool"}
    color = {"field": "what", "type": "nominal", "title": None, "legend": {"orient": "top"}}
    return {
        "data": {"values": values},
        "facet": {"row": {"field": "method", "title": None},
                  "column": {"field": "proxy", "title": None}},
        "spec": {"width": 190, "height": 170, "layer": [
            {"mark": {"type": "line", "opacity": 0.25, "strokeWidth": 1}, "encoding": {
                "x": x, "y": y, "color": color, "detail": {"field": "seed"}}},
            {"mark": {"type": "line", "strokeWidth": 2.5}, "encoding": {
                "x": x, "y": {**y, "aggregate": "mean"}, "color": color}},
        ]},
    }  # fmt: skip


FIGURES = (
    Figure("curves", "Gold and proxy score along the way",
           "By method, size of the proxy and amount of labels. The proxy's own score always rises.",
           _curves),
)  # fmt: skip

STUDY = Study(
    name="gao-2022",
    title="Over-optimisation of a learned reward",
    question="How far can a learned reward be optimised before the reward it stands for falls?",
    papers=(Paper("Gao, Schulman, Hilton 2022: Scaling Laws for Reward Model Overoptimization",
                  "https://arxiv.org/abs/2210.10760"),),
    cause="not identifiable",
    axis=Axis("distance", "Distance (root of the KL in nats)", "sqrt(nat)"),
    scales={
        "smoke": Scale(
            Settings(pairs=60, labels=60, cases=2, distances=(0.0, 0.5, 1.0, 1.5)), seeds=2
        ),
        "cpu": Scale(Settings(), seeds=20),
    },
    arms=arms,
    levels=lambda settings: settings.distances,
    measure=measure,
    claims=CLAIMS,
    figures=FIGURES,
    check=check,
    caveats=(
        "The policies are exact optima over a pool of written answers: what a language model would "
        "write beyond them is not seen, and RL spends no KL in vain.",
        "A proxy's size is the share of the gold model's features that it sees.",
    ),
)  # fmt: skip
