"""Several environments asked as one."""

from __future__ import annotations

from collections.abc import Sequence

from hackproof.errors import InputError
from hackproof.language._environment import Environment, Grade, Prompt


class Mixture:
    """Environments asked in given shares: some that can be hacked among some that cannot.

    Prompts carry the name of their environment in `info["environment"]`.
    """

    def __init__(self, *parts: tuple[Environment, float]) -> None:
        """Mix environments.

        Args:
            *parts: Each environment and its share; shares are scaled to sum to 1.

        Raises:
            InputError: no part, a share that is not positive, or two of one name.
        """
        names = [environment.name for environment, _ in parts]
        if not parts or any(share <= 0 for _, share in parts) or len(set(names)) < len(names):
            raise InputError(
                "a mixture needs environments of different names with shares above 0; got "
                f"{[(environment.name, share) for environment, share in parts]}."
            )
        total = sum(share for _, share in parts)
        self.parts = {e.name: (e, share / total) for e, share in parts}
        self.name = " + ".join(f"{share:.3g} {name}" for name, (_, share) in self.parts.items())

    def counts(self, n: int, seed: int) -> dict[str, int]:
        """Return how many of `n` prompts each environment gets.

        The whole parts of n * share are dealt first; the rest are drawn by the fractions, so
        that the shares hold on average whatever `n` is.
        """
        import numpy as np

        shares_of = np.array([share for _, share in self.parts.values()])
        whole = np.floor(n * shares_of + 1e-9)
        rest = np.clip(n * shares_of - whole, 0, None)
        left = n - int(whole.sum())
        if left:
            # systematic sampling: each gets its fraction in expectation, and never more than one
            marks = np.cumsum(rest) / rest.sum() * left
            start = np.random.default_rng(seed).random()
            whole += np.diff(np.floor(np.concatenate(([0.0], marks)) + start).clip(0, left + 1))
        return {name: int(count) for name, count in zip(self.parts, whole, strict=True)}

    def prompts(self, n: int, seed: int) -> list[Prompt]:
        """Return `n` prompts, those of one environment together."""
        counts = self.counts(n, seed)
        return [
            Prompt(prompt.text, prompt.task, {**prompt.info, "environment": name})
            for name, (environment, _) in self.parts.items()
            if counts[name]
            for prompt in environment.prompts(counts[name], seed)
        ]

    def grade(self, prompts: Sequence[Prompt], completions: Sequence[str]) -> list[Grade]:
        """Have each environment grade its own."""
        grades: dict[int, Grade] = {}
        for name, (environment, _) in self.parts.items():
            places = [i for i, p in enumerate(prompts) if p.info["environment"] == name]
            if places:
                own = environment.grade(
                    [prompts[i] for i in places], [completions[i] for i in places]
                )
                grades.update(zip(places, own, strict=True))
        return [grades[i] for i in range(len(prompts))]
