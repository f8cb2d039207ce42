"""What Inspect finds under `hackproof/`: importing this registers every task."""

from hackproof.evals._dumb import playing_dumb
from hackproof.evals._exfiltration import exfiltration_offer
from hackproof.evals._frame import frame_colleague
from hackproof.evals._hack_rate import hack_rate
from hackproof.evals._monitor import monitor_disruption
from hackproof.evals._policy import policy_loop
from hackproof.evals._posts import output_loop
from hackproof.evals._questions import alignment_faking, alignment_questions, free_form, goals
from hackproof.evals._refine import self_refinement
from hackproof.evals._sabotage import code_sabotage

__all__ = [
    "alignment_faking",
    "alignment_questions",
    "code_sabotage",
    "exfiltration_offer",
    "frame_colleague",
    "free_form",
    "goals",
    "hack_rate",
    "monitor_disruption",
    "output_loop",
    "playing_dumb",
    "policy_loop",
    "self_refinement",
]
