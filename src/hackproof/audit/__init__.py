"""Before training: is this reward what it is meant to be, and whoever gives it?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hackproof.audit._finding import Check, Finding
    from hackproof.audit._gap._audit import gap
    from hackproof.audit._judge._ask import JudgeError
    from hackproof.audit._judge._audit import recount
    from hackproof.audit._judge._judge import judge, verdict_of
    from hackproof.audit._judge._wrappers import balanced, diversity, multiple_evidence, to_check
    from hackproof.audit._loop._audit import loop
    from hackproof.audit._preferences._audit import copies_of, preferences
    from hackproof.audit._report import Audit, Table
    from hackproof.audit._reward._audit import CHECKS, Report, reward
    from hackproof.audit._reward._findings import replay_actions
    from hackproof.audit._reward._target import Target, load_target
    from hackproof.audit._reward_model._audit import reward_model

_WHERE = {
    "Audit": "_report",
    "CHECKS": "_reward._audit",
    "Check": "_finding",
    "Finding": "_finding",
    "JudgeError": "_judge._ask",
    "Report": "_reward._audit",
    "Table": "_report",
    "Target": "_reward._target",
    "balanced": "_judge._wrappers",
    "copies_of": "_preferences._audit",
    "diversity": "_judge._wrappers",
    "gap": "_gap._audit",
    "judge": "_judge._judge",
    "load_target": "_reward._target",
    "loop": "_loop._audit",
    "multiple_evidence": "_judge._wrappers",
    "preferences": "_preferences._audit",
    "recount": "_judge._audit",
    "replay_actions": "_reward._findings",
    "reward": "_reward._audit",
    "reward_model": "_reward_model._audit",
    "to_check": "_judge._wrappers",
    "verdict_of": "_judge._judge",
}
__all__ = [
    "CHECKS", "Audit", "Check", "Finding", "JudgeError", "Report", "Table", "Target", "balanced",
    "copies_of", "diversity", "gap", "judge", "load_target", "loop", "multiple_evidence",
    "preferences", "recount", "replay_actions", "reward", "reward_model", "to_check", "verdict_of",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used.

    A study that measures by one audit's parts loads those and no other audit, so that the
    digests beside its saved results name what decided them.
    """
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"hackproof.audit.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__
