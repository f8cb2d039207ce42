"""Under what a model is evaluated: a prefix, a cue about who watches, how it may reason."""

from __future__ import annotations

from dataclasses import dataclass

from hackproof.errors import InputError, unknown
from hackproof.evals._data import load

CUES = ("none", "monitored", "unmonitored")
REASONING = ("tags", "native")


@dataclass(frozen=True)
class Condition:
    """What is said to the model beside the task.

    The prefix is there because a model that was inoculated while it was trained may behave
    well until it reads something like the inoculation: evaluate without and with it.
    """

    prefix: str = "none"
    """none, the name of an addendum of `hackproof.language.ADDENDA`, or a text of one's own."""
    cue: str = "none"
    """none, monitored or unmonitored: what the model is told about who reads along."""
    reasoning: str = "tags"
    """tags: it is asked to reason within <thinking> tags, and they are cut out of the answer.
    native: nothing is asked for, and only what its provider marks as reasoning counts as it."""

    def __post_init__(self) -> None:
        """Refuse names that nobody knows.

        Raises:
            InputError: naming the parameter and what it may be.
        """
        if self.cue not in CUES:
            raise unknown("cue", self.cue, CUES)
        if self.reasoning not in REASONING:
            raise unknown("reasoning", self.reasoning, REASONING)
        prefix_text(self.prefix)

    @property
    def tags(self) -> bool:
        """Whether reasoning is cut out of the text by its tags."""
        return self.reasoning == "tags"

    @property
    def name(self) -> str:
        """The condition as tables name it; `default` where nothing is said beside the task.

        A prefix of one's own is named by the start of its digest.
        """
        prefix = self.prefix
        if any(c.isspace() for c in prefix):
            from hashlib import sha256

            prefix = "text-" + sha256(prefix.encode()).hexdigest()[:8]
        said = [("prefix", prefix), ("cue", self.cue)]
        parts = [f"{key}={value}" for key, value in said if value != "none"]
        parts += ["reasoning=native"] if not self.tags else []
        return ",".join(parts) or "default"

    def system(self, scenario: str = "") -> str:
        """Return the system prompt: prefix, scenario, cue and how to reason; may be empty."""
        conditions = load("conditions")
        parts = [prefix_text(self.prefix), scenario, conditions["cue"][self.cue],
                 conditions["reasoning"][self.reasoning]]  # fmt: skip
        return "\n\n".join(p.strip() for p in parts if p.strip())


def prefix_text(prefix: str) -> str:
    """Return the text of a prefix: of a name, or itself where it is more than one word.

    Raises:
        InputError: a single word that names no addendum. A misspelt name must not become
            a prefix of its own.
    """
    if any(c.isspace() for c in prefix.strip()):
        return prefix
    if prefix in ("none", ""):
        return ""
    try:
        from hackproof.language import ADDENDA
    except ImportError as error:
        raise InputError(
            f"the prefix {prefix!r} is the name of an addendum, and those cannot be loaded "
            f"({error}). Give the text itself."
        ) from error
    if prefix not in ADDENDA:
        raise unknown("prefix", prefix, ["none", *ADDENDA])
    return ADDENDA[prefix]
