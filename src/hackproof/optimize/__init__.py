"""What turns a reward into a policy."""

from hackproof.optimize._cache import enable_compilation_cache
from hackproof.optimize._evaluate import Evaluation, evaluate
from hackproof.optimize._policy import ActorCritic, SavedPolicy, load_policy, to_bytes
from hackproof.optimize._ppo import Hyper, PPOConfig, TrainState, pick_seed, train

__all__ = [
    "ActorCritic", "Evaluation", "Hyper", "PPOConfig", "SavedPolicy", "TrainState",
    "enable_compilation_cache", "evaluate", "load_policy", "pick_seed", "to_bytes", "train",
]  # fmt: skip
