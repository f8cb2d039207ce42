"""The audit of a reward before any training: what is run, in what order, on what budget."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hackproof.audit._finding import Check, Finding
from hackproof.audit._reward import _findings as rules
from hackproof.audit._reward import _spaces
from hackproof.audit._reward._correlation import Correlation, correlations
from hackproof.audit._reward._distance import Distance, epic, starc
from hackproof.audit._reward._dominance import Importance, TermShares, importance, term_shares
from hackproof.audit._reward._episodes import Episode, gather, policies
from hackproof.audit._reward._given import given_policy
from hackproof.audit._reward._loops import Loop, find_loops
from hackproof.audit._reward._search import Inversion, inversion, search
from hackproof.audit._reward._target import Target, load_target
from hackproof.errors import InputError, unknown

CHECKS = ("terms", "dimensions", "correlation", "distance", "loops", "search")
"""terms: which named terms make the reward. dimensions: which observations it leans on.
correlation, distance: proxy against true. loops: sequences that pay for ever. search: episodes
with a high proxy and a low truth."""
GATHER, LOOPS = 0.4, 0.25
"""Shares of the steps for gathering episodes and for loops; the search has the rest."""
NO_TRUE = "no true reward: name the info key that holds it with --true"


@dataclass(frozen=True)
class Report:
    """What `reward` returns."""

    target: Target
    seed: int
    steps: int
    """Budget; `used` is what was taken, replays of findings not counted."""
    used: int
    horizon: int
    gamma: float
    episodes: Mapping[str, int]
    """Complete episodes per policy."""
    checks: tuple[Check, ...]
    findings: tuple[Finding, ...]
    terms: TermShares | None = None
    dimensions: Importance | None = None
    correlations: tuple[Correlation, ...] = ()
    distances: tuple[Distance, ...] = ()
    loops: tuple[Loop, ...] = field(default=(), repr=False)
    inversion: Inversion | None = field(default=None, repr=False)

    @property
    def complete(self) -> bool:
        """Whether every check that was asked for ran."""
        return all(c.ran for c in self.checks)


def reward(
    env: str,
    *,
    terms: Sequence[str] = (),
    true: str | None = None,
    policy: Sequence[str] = (),
    kwargs: Mapping[str, Any] | None = None,
    steps: int = 20_000,
    horizon: int = 200,
    gamma: float = 0.99,
    seed: int = 0,
    checks: Sequence[str] = CHECKS,
) -> Report:
    """Audit the reward of a Gymnasium environment.

    Args:
        env: A registered id, `module:Class` or `file.py:factory`.
        terms: Info keys of the reward's terms; found where none is given.
        true: Info key of the true reward; "true_reward" is found.
        policy: Further policies, each `module:function` or the .zip of an SB3 model.
        kwargs: Of the environment's constructor.
        steps: Environment steps for everything, at least 100.
        horizon: Steps after which an episode is cut, at least 2.
        gamma: Discount of the distances, in [0, 1).
        seed: Of everything; the same seed gives the same report.
        checks: Which of `CHECKS`.

    Raises:
        InputError: an environment, key, policy, number or check that cannot be used.
        RewardError: a reward that is not a finite number.
    """
    for name, value, least in (("--steps", steps, 100), ("--horizon", horizon, 2)):
        if value < least:
            raise InputError(f"{name} is {value}; it must be at least {least}.")
    if not 0 <= gamma < 1:
        raise InputError(f"--gamma is {gamma}; it must lie in [0, 1).")
    if seed < 0:
        raise InputError(f"--seed is {seed}; it must not be negative.")
    for check in checks:
        if check not in CHECKS:
            raise unknown("check", check, CHECKS)
    target = load_target(env, kwargs=kwargs, terms=terms, true=true)
    copy = target.make()
    try:
        return _audit(target, copy, policy, steps, horizon, gamma, seed, checks)
    finally:
        copy.close()


def _audit(
    target: Target,
    env: Any,
    policy: Sequence[str],
    steps: int,
    horizon: int,
    gamma: float,
    seed: int,
    checks: Sequence[str],
) -> Report:
    given = {name: given_policy(name) for name in policy}
    acting = policies(env.action_space, given)
    share = int(steps * GATHER)
    # Half for the random policy: the scales and the distances rest on it alone.
    alone = {"random": acting.pop("random")}
    episodes = gather(target, env, alone, horizon=horizon, steps=share // 2, seed=seed)
    random = [e for e in episodes if e.policy == "random"]
    if len(random) < 2:
        raise InputError(
            f"{share // 2} steps hold {len(random)} episodes of the random policy; two are needed. "
            "Give more --steps or a shorter --horizon."
        )
    episodes += gather(target, env, acting, horizon=horizon, steps=share // 2, seed=seed)
    length = max(map(len, episodes))
    done: dict[str, str] = {}
    found: list[Finding] = []
    parts: dict[str, Any] = {}

    if "terms" in checks:
        shares = term_shares(episodes, target.terms)
        done["terms"] = _kept(parts, "terms", shares)
        found += [] if isinstance(shares, str) else rules.term_findings(target, shares)
    if "dimensions" in checks:
        obs, act = _spaces.names(env.observation_space), _spaces.names(env.action_space)
        done["dimensions"] = _kept(parts, "dimensions", importance(episodes, obs, act, seed))
    if "correlation" in checks:
        done["correlation"] = "" if target.true else NO_TRUE
        if target.true:
            table = correlations(episodes, seed=seed)
            parts["correlations"] = table
            if all(c.interval is None for c in table):
                done["correlation"] = f"no correlation is defined: {table[0].why}"
                parts.pop("correlations")
            found += rules.correlation_findings(target, table)
    if "distance" in checks:
        done["distance"] = "" if target.true else NO_TRUE
        if target.true:
            tried = [epic(random, gamma, seed), starc(random, gamma, seed)]
            parts["distances"] = tuple(d for d in tried if not isinstance(d, str))
            done["distance"] = "; ".join(
                f"{name}: {d}" for name, d in zip(("EPIC", "STARC"), tried, strict=True)
                if isinstance(d, str)
            )  # fmt: skip
            found += rules.distance_findings(target, parts["distances"])
    used = sum(map(len, episodes))
    if "loops" in checks:
        budget = int(steps * LOOPS)
        done["loops"] = ""
        if not _spaces.constants(env.action_space):
            done["loops"] = f"actions of {type(env.action_space).__name__} are not repeated"
        elif length < 4:
            done["loops"] = f"episodes last {length} steps; four repeats do not fit"
        else:
            loops = find_loops(target, env, episodes, horizon=length, steps=budget, seed=seed)
            used += budget
            parts["loops"] = tuple(loops)
            found += _loop_findings(target, loops)
    if "search" in checks:
        budget = int(steps * (1 - GATHER - LOOPS))
        done["search"] = "" if target.true else NO_TRUE
        if target.true:
            more = search(target, env, episodes, horizon=length, steps=budget, seed=seed)
            used += budget
            if not more:
                done["search"] = f"{budget} steps hold no episode of the search (more --steps)"
            worst = inversion([*episodes, *more])
            parts["inversion"] = worst
            if worst is not None:
                found.append(rules.inversion_finding(target, worst, _correlation(random)))
    counts: dict[str, int] = {}
    for e in episodes:
        counts[e.policy] = counts.get(e.policy, 0) + 1
    ran = tuple(Check(n, not w or bool(parts.get(f"{n}s")), w) for n, w in done.items())
    return Report(target, seed, steps, used, horizon, gamma, counts, ran, tuple(found), **parts)


def _kept(parts: dict[str, Any], name: str, value: Any) -> str:
    """Keep a result under its name; return why there is none, or nothing."""
    if isinstance(value, str):
        return value
    parts[name] = value
    return ""


def _loop_findings(target: Target, loops: Sequence[Loop]) -> list[Finding]:
    """Return a finding for the best loop that the truth objects to, if any."""
    bad = [e for e in loops if target.true is None or e.better is not None]
    made = rules.loop_finding(target, bad[0], len(bad) - 1) if bad else None
    return [] if made is None else [made]


def _correlation(random: Sequence[Episode]) -> float:
    import numpy as np

    from hackproof.audit._reward._correlation import pearson

    if len(random) < 3:
        return math.nan
    return pearson(
        np.array([e.proxy_return for e in random]), np.array([e.true_return for e in random])
    )
