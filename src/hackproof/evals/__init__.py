"""Evaluations of a language model after training: Inspect tasks, and what their logs say.

The tasks are run as `inspect eval hackproof/goals --model ... --model-role judge=...`, or
from Python with `inspect_ai.eval(hackproof.evals.goals(), ...)`. See docs/evals.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hackproof.evals._dumb import playing_dumb
    from hackproof.evals._exfiltration import exfiltration_offer
    from hackproof.evals._frame import frame_colleague
    from hackproof.evals._hack_rate import hack_rate
    from hackproof.evals._logs import CORE, MisalignmentScore, Rate, misalignment_score
    from hackproof.evals._monitor import monitor_disruption
    from hackproof.evals._policy import policy_loop
    from hackproof.evals._posts import output_loop
    from hackproof.evals._questions import (
        alignment_faking,
        alignment_questions,
        free_form,
        goals,
    )
    from hackproof.evals._refine import self_refinement
    from hackproof.evals._rounds import loop_rows
    from hackproof.evals._rows import Rows, to_rows
    from hackproof.evals._sabotage import code_sabotage

_WHERE = {
    "CORE": "_logs",
    "MisalignmentScore": "_logs",
    "Rate": "_logs",
    "Rows": "_rows",
    "alignment_faking": "_questions",
    "alignment_questions": "_questions",
    "code_sabotage": "_sabotage",
    "exfiltration_offer": "_exfiltration",
    "frame_colleague": "_frame",
    "free_form": "_questions",
    "goals": "_questions",
    "hack_rate": "_hack_rate",
    "loop_rows": "_rounds",
    "misalignment_score": "_logs",
    "monitor_disruption": "_monitor",
    "output_loop": "_posts",
    "playing_dumb": "_dumb",
    "policy_loop": "_policy",
    "self_refinement": "_refine",
    "to_rows": "_rows",
}
__all__ = [
    "CORE",
    "MisalignmentScore",
    "Rate",
    "Rows",
    "alignment_faking",
    "alignment_questions",
    "code_sabotage",
    "exfiltration_offer",
    "frame_colleague",
    "free_form",
    "goals",
    "hack_rate",
    "loop_rows",
    "misalignment_score",
    "monitor_disruption",
    "output_loop",
    "playing_dumb",
    "policy_loop",
    "self_refinement",
    "to_rows",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: Inspect takes seconds to import.

    Raises:
        MissingExtraError: Inspect is not installed.
    """
    if name not in _WHERE:
        raise AttributeError(f"module 'hackproof.evals' has no attribute {name!r}")
    from importlib import import_module
    from importlib.util import find_spec

    if find_spec("inspect_ai") is None:
        from hackproof.errors import MissingExtraError

        raise MissingExtraError("Inspect is not installed; run: pip install 'hackproof[evals]'")
    return getattr(import_module(f"hackproof.evals.{_WHERE[name]}"), name)
