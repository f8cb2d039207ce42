"""Several detectors as one, each on the scale on which trusted policies differ."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hackproof.detect._detectors import (
    ActionDistance,
    ActivationDensity,
    Detector,
    MissingInput,
)
from hackproof.detect._rollout import Rollout
from hackproof.detect._states import EnergyDistance
from hackproof.detect._terms import TermShift

MEMBERS: tuple[Detector, ...] = (
    ActionDistance("hellinger", "mean"),
    EnergyDistance(),
    TermShift(),
    ActivationDensity(),
)
"""One that looks at actions, one at states, one at reward terms, one at activations."""


@dataclass(frozen=True)
class Ensemble:
    """As suspicious as its most suspicious member.

    Each member also scores every trusted policy against the other trusted ones. A suspect's
    score by the member is put as (score - mean) / deviation of those; the ensemble's is the
    greatest of its members'. No label is used, so nothing is tuned.
    """

    members: tuple[Detector, ...] = MEMBERS
    floor: float = 0.05
    """Least deviation, as a share of the mean of the trusted policies' scores."""
    name = "ensemble"
    source = "hackproof"
    blind_spots = (
        "What every member is blind to; with few trusted policies the scale of each is rough, and "
        "one member whose scale is too fine drowns the others."
    )

    def score(self, suspect: Rollout, trusted: Sequence[Rollout]) -> float:
        """Return the greatest standardised score of the members.

        Raises:
            MissingInput: fewer than four trusted policies, or an input that a member lacks.
        """
        if len(trusted) < 4:
            raise MissingInput(
                f"{len(trusted)} trusted policies; four are needed, to score one against the rest."
            )
        return max(self._standardised(member, suspect, trusted) for member in self.members)

    def _standardised(
        self, member: Detector, suspect: Rollout, trusted: Sequence[Rollout]
    ) -> float:
        reference = np.array(
            [
                member.score(_without(t, i, len(trusted)), _others(trusted, i))
                for i, t in enumerate(trusted)
            ]
        )
        centre = float(reference.mean())
        spread = max(float(reference.std(ddof=1)), self.floor * abs(centre), 1e-9)
        return (member.score(suspect, trusted) - centre) / spread


def _without(rollout: Rollout, index: int, count: int) -> Rollout:
    """Return a rollout without what it shows of one of `count` trusted policies.

    Nothing is left out where it does not show one entry for each of them.
    """

    def rest(items: tuple) -> tuple:
        return items[:index] + items[index + 1 :] if len(items) == count else items

    return dataclasses.replace(
        rollout, trusted_actions=rest(rollout.trusted_actions), features=rest(rollout.features)
    )


def _others(trusted: Sequence[Rollout], index: int) -> list[Rollout]:
    return [_without(t, index, len(trusted)) for i, t in enumerate(trusted) if i != index]
