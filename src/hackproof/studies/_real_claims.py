"""Keeps an organism's claims out of runs on a real model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from hackproof.errors import InputError
from hackproof.experiment import Claim
from hackproof.studies._real_model import MARKER

if TYPE_CHECKING:
    import pandas as pd


def of_organism(claims: Sequence[Claim]) -> tuple[Claim, ...]:
    """Return claims that say of a run on a real model that they were not made for it.

    Their margins were settled for an organism with exact scores. On a real model, with other
    arms of the same names and a judge's scores, they stand as underpowered, with that reason.
    """
    return tuple(_of_organism(claim) for claim in claims)


def _of_organism(claim: Claim) -> Claim:
    def per_seed(frame: pd.DataFrame) -> Mapping[int, float]:
        if (frame["metric"] == MARKER).any():
            raise InputError("this claim is about the organism; it is not judged on a real model.")
        return claim.per_seed(frame)

    return replace(claim, per_seed=per_seed)
