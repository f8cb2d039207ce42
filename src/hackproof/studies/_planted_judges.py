"""Judges with known faults: what audits of judges are measured on."""

from __future__ import annotations

from typing import Any

import numpy as np


def planted(
    rng: np.random.Generator, n: int = 400, *, accuracy: float = 0.8, place: float = 0.0,
    length: float = 0.0, own: float = 0.0, flip: float = 0.0,
) -> list[dict[str, Any]]:  # fmt: skip
    """Return a table of one judge's verdicts on pairs of answers, each asked in both orders.

    Args:
        rng: Source of everything.
        n: Pairs.
        accuracy: How often it sees which answer is better.
        place: Share of pairs in which it follows the first place, whatever the answers.
        length: Share in which it follows the longer answer.
        own: Share in which it follows what its own model wrote.
        flip: Of the other pairs, the share in which it says the contrary when the answers are
            exchanged: noise that favours no place.

    Returns:
        Rows with item, order (12 or 21), winner (A or B, by the place shown), gold, judge,
        length_1, length_2, model_1 and model_2. Quality, length and author are independent.
    """
    rows = []
    for i in range(n):
        gold = int(rng.integers(1, 3))
        lengths = rng.permutation([rng.integers(10, 50), rng.integers(50, 99)])
        models = rng.permutation(["me", "you"])
        kind = rng.choice(4, p=[place, length, own, 1 - place - length - own])
        right = gold if rng.random() < accuracy else 3 - gold
        for order in (12, 21):
            first = 1 if order == 12 else 2
            won = [first, 1 + int(lengths[1] > lengths[0]), 1 + int(models[1] == "me"), right][kind]
            if kind == 3 and order == 21 and rng.random() < flip:
                won = 3 - won
            rows.append({"item": i, "order": order, "winner": "AB"[won != first], "gold": gold,
                         "judge": "me", "length_1": lengths[0], "length_2": lengths[1],
                         "model_1": models[0], "model_2": models[1]})  # fmt: skip
    return rows
