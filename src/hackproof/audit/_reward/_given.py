"""Policies that the user gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from hackproof.audit._reward._episodes import Policy
from hackproof.audit._reward._target import load_object
from hackproof.errors import InputError, MissingExtraError

ALGORITHMS = ("PPO", "A2C", "DQN", "SAC", "TD3", "DDPG")


def given_policy(spec: str) -> Policy:
    """Return a policy from `module:function`, `file.py:function` or the .zip of an SB3 model.

    A function takes an observation and returns an action. A model acts deterministically.

    Raises:
        InputError: nothing of that name, or it cannot be called or read.
        MissingExtraError: a .zip without Stable-Baselines3.
    """
    if spec.endswith(".zip"):
        return _model(spec)
    function = load_object(spec)
    if not callable(function):
        raise InputError(f"--policy {spec}: a {type(function).__name__} cannot be called.")
    return lambda _t, observation, _rng: function(observation)


def _model(path: str) -> Policy:
    if not Path(path).is_file():
        raise InputError(f"there is no file {path}.")
    try:
        import stable_baselines3
    except ImportError:
        raise MissingExtraError(
            f"--policy {path} needs Stable-Baselines3: pip install stable-baselines3."
        ) from None
    reasons = []
    for name in ALGORITHMS:
        try:
            model = getattr(stable_baselines3, name).load(path, device="cpu")
        except Exception as error:  # another algorithm's file fails in many ways
            reasons.append(f"{name}: {type(error).__name__}")
            continue

        def act(_t: int, observation: Any, _rng: np.random.Generator, model=model) -> Any:
            action = model.predict(observation, deterministic=True)[0]
            return action.item() if np.ndim(action) == 0 else action

        return act
    raise InputError(f"{path} is no model that can be read ({', '.join(reasons)}).")
