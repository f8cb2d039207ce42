"""Before training: is this reward what it is meant to be, and whoever gives it?"""

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

__all__ = [
    "CHECKS", "Audit", "Check", "Finding", "JudgeError", "Report", "Table", "Target", "balanced",
    "copies_of", "diversity", "gap", "judge", "load_target", "loop", "multiple_evidence",
    "preferences", "recount", "replay_actions", "reward", "reward_model", "to_check", "verdict_of",
]  # fmt: skip
