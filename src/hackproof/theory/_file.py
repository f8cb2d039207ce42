"""An MDP, its true reward and the data of a reward model, from one JSON file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hackproof.errors import InputError, unknown
from hackproof.theory._mdp import TabularMDP
from hackproof.theory._regret import checked_distribution

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCHEMA = """A JSON object of
  P            [S][A][S] transition probabilities; each row sums to 1, unless
  terminates   true: what a row lacks ends the episode
  R            [S][A] the true reward
  gamma        discount, 0 <= gamma < 1
  mu0          [S] initial distribution
  D            [S][A] the data's distribution over pairs, sums to 1
  frozen       [S][A] booleans, optional: pairs whose reward is known
  states       [S] names, optional
  actions      [A] names, optional, or [S][A] where they differ by state"""
KEYS = ("P", "R", "gamma", "mu0", "D", "frozen", "states", "actions", "terminates")


@dataclass(frozen=True)
class Problem:
    """What `hackproof certify` is asked about."""

    mdp: TabularMDP
    D: NDArray[np.float64]
    states: tuple[str, ...]
    actions: tuple[tuple[str, ...], ...]
    """By state."""

    def pair(self, s: int, a: int) -> str:
        """Return a pair in the user's names."""
        return f"{self.states[s]} / {self.actions[s][a]}"


def load_problem(path: str | Path) -> Problem:
    """Read a problem.

    Raises:
        InputError: no such file, not JSON, a key unknown or missing, or numbers that do not
            fit; the entry is named. Nothing is renormalised.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}.") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not JSON, or was cut short: {error}.") from None
    if not isinstance(content, dict):
        raise InputError(f"{path} must hold a JSON object with P, R, gamma, mu0 and D.")
    return problem_from(content, str(path))


def problem_from(content: dict[str, Any], where: str) -> Problem:
    """Return the problem that a JSON object describes; errors name `where` it stood."""
    for key in content:
        if key not in KEYS:
            raise InputError(f"{where}: {unknown('key', key, KEYS)}")
    for key in ("P", "R", "gamma", "mu0", "D"):
        if key not in content:
            raise InputError(f"{where}: {key} is missing. {SCHEMA}")
    P, R, mu0, D = (_array(content, key, where) for key in ("P", "R", "mu0", "D"))
    gamma = content["gamma"]
    if isinstance(gamma, bool) or not isinstance(gamma, int | float):
        raise InputError(f"{where}: gamma is {gamma!r}; it must be a number.")
    frozen = None
    if content.get("frozen") is not None:
        frozen = np.asarray(content["frozen"])
    try:
        mdp = TabularMDP(P, R, float(gamma), mu0, frozen)
        D = checked_distribution(mdp, D)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    sums = mdp.P.sum(2)
    if not content.get("terminates", False) and (short := np.argwhere(sums < 1 - 1e-9)).size:
        s, a = short[0]
        raise InputError(
            f"{where}: P[{s}][{a}] sums to {sums[s, a]:.12g}, {1 - sums[s, a]:.3g} short of 1. If "
            'what is missing ends the episode, add "terminates": true.'
        )
    S, A = mdp.R.shape
    states = _names(content.get("states"), S, "states", where) or tuple(f"s{s}" for s in range(S))
    given = content.get("actions")
    if given and isinstance(given[0], list):
        if len(given) != S:
            raise InputError(f"{where}: actions has {len(given)} rows for {S} states.")
        actions = tuple(_names(row, A, "actions", where) for row in given)
    else:
        row = _names(given, A, "actions", where) or tuple(f"a{a}" for a in range(A))
        actions = (row,) * S
    return Problem(mdp, D, states, actions)


def _array(content: dict[str, Any], key: str, where: str) -> NDArray[np.float64]:
    try:
        return np.asarray(content[key], np.float64)
    except (TypeError, ValueError):
        raise InputError(
            f"{where}: {key} must be nested lists of numbers, all rows of equal length."
        ) from None


def _names(given: Any, count: int, key: str, where: str) -> tuple[str, ...]:
    if not given:
        return ()
    if not isinstance(given, list) or len(given) != count or len(set(map(str, given))) != count:
        raise InputError(f"{where}: {key} must be {count} different names.")
    return tuple(map(str, given))
