"""One cell of wen-2024: labels, a reward model, a policy, and who says what of its answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hackproof.studies import _wen_policy as policies
from hackproof.studies import _wen_programs as programs

if TYPE_CHECKING:
    import pandas as pd

    from hackproof.studies.wen_2024 import Settings

TIMES = (4, 8, 16, 32, 64)
"""Units of time that evaluators have: enough for the examples; for a glance at the program; for
most of it; for all of it; and for some inputs of their own."""
SHORT, LONG = TIMES[0], TIMES[-1]
"""Too little time to read a program; and enough for every check."""


@dataclass(frozen=True)
class Labels:
    """What a reward is made from."""

    time: int
    """Units of time of the evaluator; also of the one whose approval is reported."""
    share: float = 1.0
    """Of the answers that are labelled."""
    oracle: bool = False
    """Whether the oracle labels them."""
    direct: bool = False
    """Whether the evaluator's verdict is the reward, and no model of it."""


@dataclass(frozen=True)
class Answered:
    """A trained policy's answers to fresh tasks."""

    tasks: programs.Tasks
    answers: programs.Programs
    proxy: Any
    """The reward model's scores, (answers,)."""
    kl: float
    """Nats from the first policy, in an answer."""
    seed: int
    time: int

    def approved(self, time: int) -> Any:
        """Return whether an evaluator with so much time approves, (answers,)."""
        import numpy as np

        rng = np.random.default_rng([self.seed, 4])
        return programs.approved(self.tasks, self.answers, time, rng)

    def table(self, step: float = 0) -> pd.DataFrame:
        """Return a row per answer, as `hackproof audit gap` reads them."""
        import pandas as pd

        return pd.DataFrame({
            "item": range(len(self.proxy)), "step": step,
            "oracle": programs.right(self.tasks, self.answers) * 1.0,
            "human": self.approved(self.time) * 1.0, "proxy": self.proxy,
        })  # fmt: skip


def answered(settings: Settings, labels: Labels, steps: int, seed: int) -> Answered:
    """Train on labels for so many steps, and answer tasks that are the same at every step."""
    import numpy as np

    rng = np.random.default_rng([seed, 0])
    meaning = rng.integers(len(programs.OPERATIONS), size=settings.vocabulary)
    start = policies.first_policy(rng, meaning, settings.known, settings.slip)

    rng = np.random.default_rng([seed, 1])
    tasks = programs.draw_tasks(rng, max(8, round(settings.labels * labels.share)), meaning)
    answers = policies.write(rng, start, tasks)
    said = (programs.right(tasks, answers) if labels.oracle
            else programs.approved(tasks, answers, labels.time, rng))  # fmt: skip
    model = policies.train_reward_model(tasks, answers, said, settings.decay)

    rng = np.random.default_rng([seed, 2])

    def reward(tasks: programs.Tasks, answers: programs.Programs) -> Any:
        if not labels.direct:
            return model(tasks, answers)
        return programs.approved(tasks, answers, labels.time, rng) / (said.std() or 1.0)

    policy = policies.train(
        rng, start, meaning, reward, steps=steps,
        batch=settings.batch, rate=settings.rate, kl=settings.kl,
    )  # fmt: skip

    rng = np.random.default_rng([seed, 3])
    tasks = programs.draw_tasks(rng, settings.answers, meaning)
    answers = policies.write(rng, policy, tasks)
    kl = policies.divergence(policy, start, tasks)
    return Answered(tasks, answers, model(tasks, answers), kl, seed, labels.time)
