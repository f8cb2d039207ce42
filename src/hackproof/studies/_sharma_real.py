"""Real preference pairs beside the simulated ones: what decides them, and a preference model."""

from __future__ import annotations

import functools
import os
from typing import Any

from hackproof.errors import InputError

DECAY = 4.0
HELD = 0.25


@functools.lru_cache(maxsize=1)
def _read(data: str) -> tuple[Any, Any, Any]:
    """Return pairs as the audit reads them, and hashed words of both sides.

    Raises:
        InputError: the file cannot be used.
    """
    import numpy as np

    from hackproof.audit._preferences._read import read
    from hackproof.audit._preferences._text import split
    from hackproof.studies._gao_models import hashed

    found = read(os.path.expandvars(data), keep=True, workers=1)
    if found.sides is None:
        raise InputError(f"{data} has no texts.")
    one, two = (np.stack([hashed(split(v)[1]) for v in side]) for side in found.sides)
    return found, one, two


def rows(data: str, share: float, seed: int) -> list[dict[str, Any]]:
    """Return measurements on real pairs.

    Args:
        data: A file of pairs.
        share: Of the training pairs that is trained on, in (0, 1].
        seed: Of the split.
    """
    import numpy as np

    from hackproof.audit._preferences import _logistic
    from hackproof.audit._preferences._text import VIEW
    from hackproof.studies._gao_models import trained

    found, one, two = _read(data)
    order = np.random.default_rng([seed, 38]).permutation(len(found))
    held, train = np.split(order, [round(HELD * len(order))])
    train = train[: max(2, round(share * len(train)))]
    weights = trained(one[train], two[train], DECAY)
    fit = _logistic.fit(found.difference[train], seed=seed)
    known = np.nan_to_num(fit.mean)
    out = []

    def add(metric: str, role: str, value: float, n: int, **more: Any) -> None:
        out.append({"metric": metric, "role": role, "value": float(value), "n": n, **more})

    for metric, role, which in (("fitted", "proxy", train), ("held-out", "true", held)):
        add(metric, role, _right((one - two)[which] @ weights), len(which))
    add("features-held-out", "probe", _right(found.difference[held] @ known), len(held))
    for j, name in enumerate(found.names):
        if np.isfinite(fit.mean[j]):
            add("coefficient", "probe", fit.mean[j], len(train), condition=name, unit="log-odds",
                low=float(fit.low[j]), high=float(fit.high[j]))  # fmt: skip
    stated = [bool(VIEW.search(p.lower())) for p in found.prompts]
    add("view-stated", "probe", sum(stated) / len(stated), len(stated))
    return out


def _right(lead: Any) -> float:
    """Return the share of pairs in which the chosen answer leads; ties count half."""
    return float(((lead > 0) + 0.5 * (lead == 0)).mean())
