"""Other people's frameworks: Gymnasium and Stable-Baselines3, in both directions.

`hackproof.adapters.gymnasium` and `hackproof.adapters.sb3` offer hackproof's worlds to
them; `TwoRewards` and `Recorder` bring a user's own environment into hackproof's record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hackproof.adapters._recorder import Recorder
    from hackproof.adapters.gymnasium import WorldEnv, WorldVectorEnv
    from hackproof.adapters.sb3 import SB3VecEnv, TrueRewardCallback
    from hackproof.adapters.two_rewards import TwoRewards

__all__ = [
    "Recorder", "SB3VecEnv", "TrueRewardCallback", "TwoRewards", "WorldEnv", "WorldVectorEnv",
]  # fmt: skip

_WHERE = {
    "Recorder": "_recorder",
    "SB3VecEnv": "sb3",
    "TrueRewardCallback": "sb3",
    "TwoRewards": "two_rewards",
    "WorldEnv": "gymnasium",
    "WorldVectorEnv": "gymnasium",
}


def __getattr__(name: str) -> Any:
    """Import an adapter when it is first used: each needs a framework of its own."""
    if name not in _WHERE:
        raise AttributeError(f"module 'hackproof.adapters' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"hackproof.adapters.{_WHERE[name]}"), name)
