"""What trains a causal language model: the same code for a small organism and a real model."""

from hackproof.optimize.language._distill import (
    Distill,
    Distilled,
    distill,
    no_word,
    not_flagged,
    not_hacked,
    offline_rewrite,
)
from hackproof.optimize.language._expert import (
    Episode,
    ExpertIteration,
    ExpertResult,
    collect,
    expert_iteration,
    summarise,
)
from hackproof.optimize.language._finetune import Finetune, finetune
from hackproof.optimize.language._grpo import Grpo, GrpoResult, grpo
from hackproof.optimize.language._history import GrpoStep
from hackproof.optimize.language._load import Loaded, Lora, check_vocabulary, load, merge, save
from hackproof.optimize.language._mixture import Mixture
from hackproof.optimize.language._preference import (
    Preference,
    PreferenceEnvironment,
    PreferenceModel,
    as_reward,
    load_preference,
    make_pairs,
    preference_model,
    save_preference,
    train_preference,
)
from hackproof.optimize.language._rewards import (
    Negated,
    Paid,
    Penalty,
    RewardFunction,
    Shuffled,
    Weighted,
)
from hackproof.optimize.language._sampling import next_token_logprobs, sample, sequence_logprobs
from hackproof.optimize.language._search import (
    AdversarialEnvironment,
    FoundPrompt,
    FoundPrompts,
    PromptSearch,
    find_prompts,
)

__all__ = [
    "AdversarialEnvironment", "Distill", "Distilled", "Episode", "ExpertIteration",
    "ExpertResult", "Finetune", "FoundPrompt", "FoundPrompts", "Grpo", "GrpoResult", "GrpoStep",
    "Loaded", "Lora", "Mixture", "Negated", "Paid", "Penalty", "Preference",
    "PreferenceEnvironment", "PreferenceModel", "PromptSearch", "RewardFunction", "Shuffled",
    "Weighted", "as_reward", "check_vocabulary", "collect", "distill", "expert_iteration",
    "find_prompts", "finetune", "grpo", "load", "load_preference", "make_pairs", "merge",
    "next_token_logprobs", "no_word", "not_flagged", "not_hacked", "offline_rewrite",
    "preference_model", "sample", "save", "save_preference", "sequence_logprobs", "summarise",
    "train_preference",
]  # fmt: skip
