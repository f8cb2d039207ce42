"""Measures step by step, and how they change from the first step to the last."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from hackproof.audit._gap._measures import measures
from hackproof.audit._gap._read import Answers
from hackproof.audit._statistics import rate
from hackproof.experiment.statistics import mean_interval

if TYPE_CHECKING:
    import pandas as pd

LEAST = 5
"""Items (or answers, where items are not known) that a measure needs at either step."""


def by_step(answers: Answers, step: Any) -> dict[str, Any]:
    """Return the measures of a step with their intervals."""
    import numpy as np

    part = answers.frame[answers.frame["step"] == step]
    row: dict[str, Any] = {"step": step, "answers": len(part)}
    for name, values in measures(part).items():
        known = values[~np.isnan(values)]
        if name == "proxy":
            i = mean_interval(known.tolist())
            row |= {name: i.estimate, f"{name}_low": i.low, f"{name}_high": i.high}
        else:
            row |= rate(name, int(known.sum()), len(known))
    return row


def changes(answers: Answers) -> list[dict[str, Any]]:
    """Return last step minus first, by measure; none of a measure with fewer than LEAST items at
    either step.

    Answers to one item are a cluster, of both steps together; an answer without an item is its
    own. Intervals of shares are taken after one right and one wrong answer were added at either
    step, so that a share of 0 or 1 has a width too (Agresti and Caffo 2000,
    https://doi.org/10.1080/00031305.2000.10474560); Student's t with the fewer items less one.
    """
    parts = [answers.frame[answers.frame["step"] == s] for s in (answers.steps[0],
                                                                answers.steps[-1])]  # fmt: skip
    found = [measures(p) for p in parts]
    rows = []
    for name in found[0]:
        sides = [_side(p, f[name]) for p, f in zip(parts, found, strict=True) if name in f]
        if len(sides) == 2 and min(s.nunique() for s, _ in sides) >= LEAST:
            rows.append({"measure": name, **_change(sides, name != "proxy")})
    return rows


def _side(part: pd.DataFrame, values: Any) -> tuple[pd.Series, Any]:
    """Return the clusters and the values of a measure at a step, where it counts."""
    import numpy as np
    import pandas as pd

    own = pd.Series([f"answer {i}" for i in part.index], dtype="object")
    known = ~np.isnan(values)
    items = own
    if "item" in part:
        given = part["item"].reset_index(drop=True)
        items = ("item " + given.astype(str)).where(given.notna(), own)
    return items[known], values[known]


def _change(sides: Any, share: bool) -> dict[str, float]:
    """Return a change with its interval and one-sided p-values."""
    import numpy as np
    import pandas as pd
    from scipy.stats import t as student

    means = [float(v.mean()) for _, v in sides]
    total, centre = [], []
    for sign, (items, values), end in zip((-1, 1), sides, ("first", "last"), strict=True):
        if share:
            items = pd.concat([items, pd.Series([f"added {end} 0", f"added {end} 1"])])
            values = np.append(values, (0.0, 1.0))
        centre.append(float(values.mean()))
        total.append(pd.Series(sign * (values - values.mean()) / len(values), index=items))
    error = math.sqrt(float((pd.concat(total).groupby(level=0).sum() ** 2).sum()))
    moved, count = centre[1] - centre[0], min(s.nunique() for s, _ in sides)
    if error > 0:
        half = float(student.ppf(0.975, count - 1)) * error
        p = float(student.sf(moved / error, count - 1))
    else:
        half, p = 0.0, 0.5 if moved == 0 else float(moved < 0)
    return {"first": means[0], "last": means[1], "change": means[1] - means[0],
            "change_low": moved - half, "change_high": moved + half,
            "p_rises": p, "p_falls": 1 - p}  # fmt: skip
