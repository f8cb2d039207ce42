"""What a reward model made of preference pairs: imprints, shift, regimes, robustness (SEAL).

Revel et al. 2024, https://arxiv.org/abs/2408.10270.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from hackproof.audit._preferences._read import Pairs
from hackproof.audit._statistics import logistic, rate

REGIMES = ("stayed_aligned", "got_aligned", "resists", "reversed")


def aligned(pairs: Pairs, when: str) -> Any:
    """Return by pair whether the chosen answer scores higher; NaN where a score is missing. Equal
    scores are not aligned.
    """
    import numpy as np

    one, two = pairs.scores[f"score_chosen_{when}"], pairs.scores[f"score_rejected_{when}"]
    return np.where(np.isnan(one) | np.isnan(two), np.nan, (one > two) * 1.0)


def tied(pairs: Pairs, when: str) -> bool:
    """Return whether no pair's scores differ."""
    import numpy as np

    one, two = pairs.scores[f"score_chosen_{when}"], pairs.scores[f"score_rejected_{when}"]
    known = ~np.isnan(one) & ~np.isnan(two)
    return bool(known.any() and (one == two)[known].all())


def effective(weight: Any) -> float:
    """Return how many pairs of equal weight say as much: (sum of w)^2 / sum of w^2."""
    squares = float((weight**2).sum())
    return float(weight.sum()) ** 2 / squares if squares else 0.0


def share(name: str, pairs: Pairs, hit: Any, of: Any) -> dict[str, float | None]:
    """Return the share of `hit` among `of`, both by pair, with its interval; by weights where the
    pairs have some, with an interval by the effective number of pairs, `NAME_effective`.
    """
    if pairs.weight is None:
        return rate(name, int((hit & of).sum()), int(of.sum()))
    n = effective(pairs.weight[of])
    part = float(pairs.weight[hit & of].sum() / pairs.weight[of].sum()) if n else 0.0
    return {**rate(name, min(part, 1.0) * n, n), f"{name}_effective": n}  # pyright: ignore[reportArgumentType]


def regimes(pairs: Pairs) -> list[dict[str, Any]]:
    """Return the four regimes as shares with intervals: by whether a pair was aligned before
    training and after it. Pairs that lack a score are left out.
    """
    import numpy as np

    before, after = aligned(pairs, "before"), aligned(pairs, "after")
    known = ~np.isnan(before) & ~np.isnan(after)
    kinds = {
        "stayed_aligned": (before == 1) & (after == 1), "got_aligned": (before == 0) & (after == 1),
        "resists": (before == 0) & (after == 0), "reversed": (before == 1) & (after == 0),
    }  # fmt: skip
    return [
        {"regime": r, "pairs": int((kinds[r] & known).sum()),
         **share("share", pairs, kinds[r], known)}
        for r in REGIMES
    ]  # fmt: skip


def agreement(pairs: Pairs, when: str, among: Any = True) -> dict[str, float | None]:
    """Return how often the scores agree with the choice, `agreement_WHEN`, with its interval.

    Args:
        pairs: With scores.
        when: before or after.
        among: By pair, whether it counts; all that have both scores where True.
    """
    import numpy as np

    found = aligned(pairs, when)
    return share(f"agreement_{when}", pairs, found == 1, ~np.isnan(found) & among)


def resistance_by_label(pairs: Pairs) -> list[dict[str, Any]]:
    """Return alignment resistance (not aligned after training) where another labeller agrees with
    the choice, disagrees, or says nothing.
    """
    import numpy as np

    if pairs.label is None:
        return []
    after = aligned(pairs, "after")
    rows = []
    for name, code in (("agrees", 1), ("disagrees", -1), ("says nothing", 0)):
        mine = (pairs.label == code) & ~np.isnan(after)
        if mine.any():
            rows.append({"labeller": name, "pairs": int(mine.sum()),
                         **share("resistance", pairs, after == 0, mine)})  # fmt: skip
    return rows


def imprints(pairs: Pairs) -> list[dict[str, Any]]:
    """Return by feature the points of score gained per unit, before and after training.

    The regression r = a_pair + b . features + e with an effect for each pair is that of the
    differences within pairs, which is what is fitted; intervals are robust to unequal variances
    (HC3). `change` is the regression of the change of scores.
    """
    import numpy as np

    side = pairs.difference
    scores = {
        w: pairs.scores[f"score_chosen_{w}"] - pairs.scores[f"score_rejected_{w}"]
        for w in ("before", "after")
        if f"score_chosen_{w}" in pairs.scores
    }
    if len(scores) == 2:
        scores["change"] = scores["after"] - scores["before"]
    rows: list[dict[str, Any]] = [{"feature": n} for n in pairs.names]
    for when, y in scores.items():
        known = ~np.isnan(y)
        root = 1.0 if pairs.weight is None else np.sqrt(pairs.weight[known])
        b, se = least_squares((side[known].T * root).T, y[known] * root)
        for row, estimate, error in zip(rows, b, se, strict=True):
            row[when] = float(estimate)
            row[f"{when}_low"] = float(estimate - 1.959964 * error)
            row[f"{when}_high"] = float(estimate + 1.959964 * error)
    return rows


def least_squares(x: Any, y: Any) -> tuple[Any, Any]:
    """Return coefficients without an intercept and their HC3 standard errors; NaN for a feature
    that does not vary.
    """
    import numpy as np

    alive = np.abs(x).max(0, initial=0) > 0
    b, se = np.full(x.shape[1], np.nan), np.full(x.shape[1], np.nan)
    z = x[:, alive]
    if not alive.any() or len(z) <= z.shape[1]:
        return b, se
    inverse = np.linalg.pinv(z.T @ z)
    found = inverse @ (z.T @ y)
    residual = y - z @ found
    leverage = np.einsum("ij,jk,ik->i", z, inverse, z)
    scaled = residual / np.maximum(1 - leverage, 1e-9)
    meat = (z.T * scaled**2) @ z
    b[alive], se[alive] = found, np.sqrt(np.diag(inverse @ meat @ inverse))
    return b, se


def shift(pairs: Pairs) -> dict[str, Any] | None:
    """Return the reward shift: the angle, in degrees, by which training turned each pair's
    (score of chosen, score of rejected), from -180 to 180; positive is towards the chosen answer.
    """
    import numpy as np

    if len(pairs.scores) < 4:
        return None
    before, after = (
        np.arctan2(pairs.scores[f"score_chosen_{w}"], pairs.scores[f"score_rejected_{w}"])
        for w in ("before", "after")
    )
    turned = np.degrees(after - before)
    turned = (turned + 180) % 360 - 180
    known = ~np.isnan(turned)
    turned = turned[known]
    if len(turned) < 2:
        return None
    if pairs.weight is None:
        half = 1.959964 * float(turned.std(ddof=1)) / math.sqrt(len(turned))
        mean = float(turned.mean())
        quarters = [float(q) for q in np.quantile(turned, (0.1, 0.5, 0.9))]
    else:
        weight, n = pairs.weight[known], effective(pairs.weight[known])
        if n <= 1:
            return None
        mean = float(np.average(turned, weights=weight))
        spread = float(np.average((turned - mean) ** 2, weights=weight)) * n / (n - 1)
        half = 1.959964 * math.sqrt(spread / n)
        order = np.argsort(turned)
        place = (np.cumsum(weight[order]) - weight[order] / 2) / weight.sum()
        quarters = [float(np.interp(q, place, turned[order])) for q in (0.1, 0.5, 0.9)]
    return {"shift": mean, "shift_low": mean - half, "shift_high": mean + half,
            "tenth": quarters[0], "median": quarters[1], "ninetieth": quarters[2],
            "pairs": len(turned)}  # fmt: skip


def moderated(pairs: Pairs) -> list[dict[str, Any]]:
    """Return by feature of pairs the odds ratio, per unit of it, of not being aligned after
    training.
    """
    import numpy as np

    after = aligned(pairs, "after")
    known = ~np.isnan(after)
    rows = []
    for name, values in pairs.moderators.items():
        v = values[known]
        if v.std() == 0:
            continue
        x = np.column_stack([np.ones(len(v)), (v - v.mean()) / v.std()])
        weight = None if pairs.weight is None else pairs.weight[known]
        if weight is not None and weight.any():  # as many in all as they are worth
            weight = weight * effective(weight) / weight.sum()
        b, cov = logistic(x, (after[known] == 0) * 1.0, np.r_[1e-3, 1 / 2.5**2], weight)
        one, error = b[1] / v.std(), math.sqrt(cov[1, 1]) / v.std()
        rows.append({"feature": name, "pairs": len(v), "odds_ratio": math.exp(one),
                     "odds_ratio_low": math.exp(one - 1.959964 * error),
                     "odds_ratio_high": math.exp(one + 1.959964 * error)})  # fmt: skip
    return rows


def robustness(
    flipped: Any, changes: Mapping[str, Any], least: int = 30
) -> Sequence[Mapping[str, Any]]:
    """Return by change of a feature the odds ratio with which the order of scores flips.

    Args:
        flipped: By pair, whether the order after rewriting differs from that before it.
        changes: By name (feature, side and direction): 1 where it changed so, else 0.
        least: Pairs below which nothing is said.
    """
    import numpy as np

    names = [n for n, v in changes.items() if 0 < v.sum() < len(v)]
    if len(flipped) < least or not names or not 0 < flipped.sum() < len(flipped):
        return []
    x = np.column_stack([np.ones(len(flipped)), *(changes[n] for n in names)]).astype(float)
    prior = np.r_[1e-3, np.full(len(names), 1 / 2.5**2)]
    beta, cov = logistic(x, flipped * 1.0, prior)
    se = np.sqrt(np.diag(cov))
    return [
        {"change": n, "pairs": int(changes[n].sum()), "odds_ratio": math.exp(b),
         "odds_ratio_low": math.exp(b - 1.959964 * s),
         "odds_ratio_high": math.exp(b + 1.959964 * s)}
        for n, b, s in zip(names, beta[1:], se[1:], strict=True)
    ]  # fmt: skip
