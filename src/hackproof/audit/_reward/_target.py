"""What is audited: an environment that can be made again, its reward terms, its true reward."""

from __future__ import annotations

import importlib
import importlib.util
import math
import numbers
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hackproof.errors import HackproofError, InputError, unknown

if TYPE_CHECKING:
    import gymnasium

TRUE = "true_reward"
"""The info key that hackproof's own environments tell the true reward by."""
TERMS = "reward_terms"
"""The info key of their named terms, a mapping."""


@dataclass(frozen=True)
class Target:
    """An environment to audit; `make` gives a fresh copy."""

    name: str
    """As the user wrote it: a registered id, module:Class or file.py:factory."""
    make: Callable[[], gymnasium.Env[Any, Any]]
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    terms: tuple[str, ...] = ()
    """Info keys, or keys of info["reward_terms"]."""
    true: str | None = None
    """Info key of the true reward."""


def load_object(spec: str) -> Any:
    """Return what `module:name` or `file.py:name` names.

    Raises:
        InputError: no such file, module or name, or it cannot be imported.
    """
    where, _, name = spec.rpartition(":")
    if not where or not name:
        raise InputError(f"{spec!r} must be module:name or file.py:name.")
    try:
        if where.endswith(".py"):
            path = Path(where)
            if not path.is_file():
                raise InputError(f"there is no file {where}.")
            known = f"hackproof_audit_{path.stem}"
            made = importlib.util.spec_from_file_location(known, path)
            if made is None or made.loader is None:
                raise InputError(f"{where} cannot be imported.")
            module = importlib.util.module_from_spec(made)
            sys.modules[known] = module  # dataclasses look their module up
            made.loader.exec_module(module)
        else:
            module = importlib.import_module(where)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"importing {where} failed: {type(error).__name__}: {error}") from None
    if not hasattr(module, name):
        raise unknown(f"name in {where}", name, [n for n in vars(module) if not n.startswith("_")])
    return getattr(module, name)


def load_target(
    env: str,
    *,
    kwargs: Mapping[str, Any] | None = None,
    terms: Sequence[str] = (),
    true: str | None = None,
) -> Target:
    """Return the target, with its terms and true reward found in one step's info.

    Args:
        env: A registered Gymnasium id, `module:Class` or `file.py:factory`.
        kwargs: Keyword arguments of its constructor.
        terms: Keys of info (or of info["reward_terms"]); found where none is given.
        true: Info key of the true reward; "true_reward" where the environment tells it.

    Raises:
        InputError: an environment, a term or a key that is not there.
    """
    kwargs = dict(kwargs or {})
    make = _maker(env, kwargs)
    copy = make()
    try:
        for what in ("observation_space", "action_space"):
            _check_space(env, what, getattr(copy, what, None))
        copy.reset(seed=0)
        copy.action_space.seed(0)
        _, _, _, _, info = copy.step(copy.action_space.sample())
    except HackproofError:
        raise
    except Exception as error:
        raise InputError(
            f"{env}: reset and one step raised {type(error).__name__}: {error}."
        ) from error
    finally:
        copy.close()
    known = _numbers(info)
    if true is None and TRUE in known:
        true = TRUE
    for name in (*terms, *([] if true is None else [true])):
        if name not in known:
            raise unknown(f"number in the info of {env}", name, known)
    found = tuple(terms) or found_terms(info, true)
    return Target(env, make, kwargs, found, true)


def _check_space(env: str, what: str, space: Any) -> None:
    from gymnasium import spaces

    try:
        spaces.flatdim(space)
    except (ValueError, NotImplementedError):
        raise InputError(
            f"{env}: its {what} is {type(space).__name__}; only spaces that can be laid out as a "
            "vector of fixed length are audited."
        ) from None


def found_terms(info: Mapping[str, Any], true: str | None) -> tuple[str, ...]:
    """Return the named terms of an info: reward_terms' keys, else reward_* and rew_* numbers."""
    inner = info.get(TERMS)
    if isinstance(inner, Mapping):
        return tuple(k for k in map(str, inner) if k in _numbers(inner))
    return tuple(
        k for k in _numbers(info) if k.startswith(("reward_", "rew_")) and k not in (true, "reward")
    )


def values(info: Mapping[str, Any], names: Sequence[str]) -> list[float]:
    """Return named numbers of an info; NaN where a step lacks one."""
    known = _numbers(info)
    return [known.get(name, math.nan) for name in names]


def _numbers(info: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of an info, those of reward_terms by their own names."""
    inner = info.get(TERMS)
    both = {**info, **(inner if isinstance(inner, Mapping) else {})}
    return {
        str(k): float(v)
        for k, v in both.items()
        if isinstance(v, (numbers.Real, np.bool_)) or getattr(v, "shape", None) == ()
    }


def _maker(env: str, kwargs: dict[str, Any]) -> Callable[[], gymnasium.Env[Any, Any]]:
    import gymnasium as gym

    if _is_object(env):
        factory = load_object(env)

        def make() -> gym.Env[Any, Any]:
            try:
                made = factory(**kwargs)
            except Exception as error:
                raise InputError(
                    f"{env}: making it failed: {type(error).__name__}: {error}."
                ) from None
            if not isinstance(made, gym.Env):
                raise InputError(f"{env} made a {type(made).__name__}, not a gymnasium.Env.")
            return made

        return make

    def registered() -> gym.Env[Any, Any]:
        try:
            return gym.make(env, disable_env_checker=True, **kwargs)
        except (gym.error.Error, TypeError, ImportError, ValueError) as error:
            raise InputError(f"Gymnasium cannot make {env!r}: {error}") from None

    return registered


def _is_object(env: str) -> bool:
    """Tell `module:Class` from `module:Namespace/Name-v0`, which Gymnasium imports itself."""
    where, _, name = env.rpartition(":")
    return bool(where) and (where.endswith(".py") or "/" not in name) and name.isidentifier()
