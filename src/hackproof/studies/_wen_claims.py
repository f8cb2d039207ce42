"""wen-2024: what is claimed, settled before the reported seeds were run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from hackproof.experiment import Claim, change, less
from hackproof.studies._wen_cell import LONG, SHORT, TIMES

if TYPE_CHECKING:
    import pandas as pd


def human(
    time: int, metric: str, condition: str = "default"
) -> Callable[[pd.DataFrame], Mapping[int, float]]:
    """Return the estimand 'what an evaluator makes of it, after minus before', by its time."""
    return change(f"time-{time}", "human", metric=metric, condition=condition)


SAID = "three rewards in RLHF, mission facts [seed]"
WEN = "Wen et al. 2024, https://arxiv.org/abs/2409.12822"
PUBLISHED, OURS = f"time-{SHORT}", "derived: the paper's finding, by how much time there is"
CLAIMS = (
    Claim("approval-rises", "With little time, training on a model of the evaluator's verdicts "
          "raises approval.", SAID, "seed", "approval, after minus before",
          human(SHORT, "approval"), ">"),
    Claim("correctness-falls", "Correctness falls.", SAID, "seed",
          "correctness, after minus before", change(PUBLISHED, "true"), "<"),
    Claim("human-error-rises", "The evaluator errs more.", SAID, "seed",
          "human error, after minus before", human(SHORT, "human_error"), ">"),
    Claim("wrong-answers-approved", "It approves of more of the wrong answers.", WEN, "read",
          "false positives, after minus before", human(SHORT, "false_positives"), ">"),
    Claim("without-a-model", "So it is where its verdict is the reward: the reward model is not "
          "to blame.", OURS, "derived", "human error, after minus before",
          change("direct", "human", metric="human_error"), ">"),
    Claim("less-time-errs-more", "The less time, the more human error rises.", OURS, "derived",
          "rise of human error, least time minus most",
          less(human(TIMES[0], "human_error"), human(TIMES[-1], "human_error")), ">"),
    Claim("time-teaches", "With time for every check, correctness rises instead.", OURS, "derived",
          "correctness, after minus before", change(f"time-{LONG}", "true"), ">"),
    Claim("the-oracle-teaches", "The same training on the oracle's labels raises correctness.",
          OURS, "derived", "correctness, after minus before", change("oracle", "true"), ">"),
    Claim("a-longer-look", "To an evaluator with time for every check, approval did not rise by "
          "as much.", OURS, "derived", "rise of approval, by the labeller minus by a long look",
          less(human(SHORT, "approval"), human(SHORT, "approval", f"time-{LONG}")), ">", 0.05),
    Claim("fewer-longer", "The same time spent on fewer answers gives a more correct policy.",
          OURS, "derived", "change of correctness, fewer and longer minus more and shorter",
          less(change("fewer-longer", "true"), change(PUBLISHED, "true")), ">"),
)  # fmt: skip
