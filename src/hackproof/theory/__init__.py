"""Exact answers on finite MDPs."""

from hackproof.theory._mdp import (
    TabularMDP,
    occupancy,
    optimal_actions,
    optimal_policy,
    policy_return,
    q_values,
    return_range,
)

__all__ = [
    "TabularMDP", "occupancy", "optimal_actions", "optimal_policy", "policy_return", "q_values",
    "return_range",
]  # fmt: skip
