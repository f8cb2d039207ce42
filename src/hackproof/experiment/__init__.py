"""What a study is, how its cells are run, how its claims are judged."""

from hackproof.experiment.claims import Claim
from hackproof.experiment.curves import change, curve, less
from hackproof.experiment.study import Arm, Axis, Cell, CellResult, Figure, Paper, Scale, Study

__all__ = [
    "Arm", "Axis", "Cell", "CellResult", "Claim", "Figure", "Paper", "Scale", "Study", "change",
    "curve", "less",
]  # fmt: skip
