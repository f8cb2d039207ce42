"""What turns a reward into a policy."""

from hackproof.optimize._cache import enable_compilation_cache
from hackproof.optimize._evaluate import Evaluation, evaluate, evaluate_script, widen
from hackproof.optimize._policy import ActorCritic, SavedPolicy, greedy, load_policy, to_bytes
from hackproof.optimize._ppo import Chunk, Hyper, PPOConfig, TrainState, pick_seed, train

__all__ = [
    "ActorCritic", "Chunk", "Evaluation", "Hyper", "PPOConfig", "SavedPolicy", "TrainState",
    "enable_compilation_cache", "evaluate", "evaluate_script", "greedy", "load_policy",
    "pick_seed", "to_bytes", "train", "widen",
]  # fmt: skip
