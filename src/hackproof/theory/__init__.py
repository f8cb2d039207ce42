"""Exact answers on finite MDPs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hackproof.theory._ascent import Ascent, drop_height, early_stop, steepest_ascent
    from hackproof.theory._attack import Attack, policy_attack_cost
    from hackproof.theory._bandit import Bandit, kl_bandit_radius, rlhf_unsafe_condition
    from hackproof.theory._bounds import instance_bound, prop32_bound
    from hackproof.theory._correlated import (
        chi2_regularised_policy,
        fitting_rewards,
        proxy_correlation,
        true_gain_bound,
    )
    from hackproof.theory._distance import canonical, dard, epic, projected_angle, starc
    from hackproof.theory._hackable import Hack, hackable, simplifiable
    from hackproof.theory._mdp import (
        TabularMDP,
        occupancy,
        optimal_actions,
        optimal_policy,
        policy_return,
        q_values,
        return_range,
    )
    from hackproof.theory._radius import SafetyRadius, safety_radius
    from hackproof.theory._regret import regret
    from hackproof.theory._safe import Verdict, is_safe, safety_matrix, worst_case_regret
    from hackproof.theory._verify import verify
    from hackproof.theory._witness import (
        disjoint_policies_bound,
        regularised_constant,
        unsupported_policy_witness,
    )

__all__ = [
    "Ascent", "Attack", "Bandit", "Hack", "SafetyRadius", "TabularMDP", "Verdict", "canonical",
    "chi2_regularised_policy", "dard", "disjoint_policies_bound", "drop_height", "early_stop",
    "epic", "fitting_rewards", "hackable", "instance_bound", "is_safe", "kl_bandit_radius",
    "occupancy", "optimal_actions", "optimal_policy", "policy_attack_cost", "policy_return",
    "projected_angle", "prop32_bound", "proxy_correlation", "q_values", "regret",
    "regularised_constant", "return_range", "rlhf_unsafe_condition", "safety_matrix",
    "safety_radius", "simplifiable", "starc", "steepest_ascent", "true_gain_bound",
    "unsupported_policy_witness", "verify", "worst_case_regret",
]  # fmt: skip

_MODULES = {
    "_ascent": "Ascent drop_height early_stop steepest_ascent",
    "_attack": "Attack policy_attack_cost",
    "_bandit": "Bandit kl_bandit_radius rlhf_unsafe_condition",
    "_bounds": "instance_bound prop32_bound",
    "_correlated": "chi2_regularised_policy fitting_rewards proxy_correlation true_gain_bound",
    "_distance": "canonical dard epic projected_angle starc",
    "_hackable": "Hack hackable simplifiable",
    "_mdp": "TabularMDP occupancy optimal_actions optimal_policy policy_return q_values "
    "return_range",
    "_radius": "SafetyRadius safety_radius",
    "_regret": "regret",
    "_safe": "Verdict is_safe safety_matrix worst_case_regret",
    "_verify": "verify",
    "_witness": "disjoint_policies_bound regularised_constant unsupported_policy_witness",
}
_WHERE = {name: module for module, names in _MODULES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that a study loads what it needs only."""
    if name not in _WHERE:
        raise AttributeError(f"module 'hackproof.theory' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"hackproof.theory.{_WHERE[name]}"), name)
