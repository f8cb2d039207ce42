"""`hackproof audit reward ENV`: is this reward what it is meant to be?"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tyro.conf import Positional

from hackproof.cli._audit import EXIT, Output, show
from hackproof.cli._common import parse
from hackproof.errors import InputError


@dataclass(frozen=True, kw_only=True)
class AuditOptions(Output):
    """Flags of `audit reward`."""

    env: Positional[str]
    """A registered Gymnasium id, module:Class or file.py:factory."""
    terms: tuple[str, ...] = ()
    """Info keys of the reward's terms; info['reward_terms'] or reward_* keys are found."""
    true: str | None = None
    """Info key of the true reward; true_reward is found."""
    policy: tuple[str, ...] = ()
    """Further policies: module:function, file.py:function, or the .zip of an SB3 model."""
    kwargs: str = "{}"
    """JSON object of arguments of the environment's constructor."""
    steps: int = 20_000
    """Environment steps for everything."""
    horizon: int = 200
    """Steps after which an episode is cut."""
    gamma: float = 0.99
    """Discount of the distances, in [0, 1)."""
    seed: int = 0
    """Of everything; the same seed gives the same report."""
    checks: tuple[str, ...] = ()
    """Which checks to run: terms, dimensions, correlation, distance, loops, search; all where
    none is named."""


def command(words: list[str]) -> int:
    """Hackproof audit reward ENV: 0 nothing found, 1 findings, 2 a check did not run."""
    about = (
        "Ask the reward of a Gymnasium environment what it pays for, before any training." + EXIT
    )
    options = parse(AuditOptions, "audit reward", words, about)
    from hackproof.audit import CHECKS, reward
    from hackproof.audit._output import as_sarif
    from hackproof.audit._page import page
    from hackproof.audit._reward._render import as_audit, as_json, exit_code, lines

    report = reward(
        options.env,
        terms=options.terms,
        true=options.true,
        policy=options.policy,
        kwargs=_object(options.kwargs),
        steps=options.steps,
        horizon=options.horizon,
        gamma=options.gamma,
        seed=options.seed,
        checks=options.checks or CHECKS,
    )
    target, found = report.target.name, list(report.findings)
    show(lines(report), {
        "json": (options.json, lambda: as_json(report, options.fail_on)),
        "sarif": (options.sarif, lambda: as_sarif("reward", target, found, report.checks)),
        "html": (options.html, lambda: page(as_audit(report))),
    })  # fmt: skip
    return exit_code(report, options.fail_on)


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise InputError(f"--kwargs is not JSON: {error}.") from None
    if not isinstance(value, dict):
        raise InputError(f"--kwargs is {text}; it must be a JSON object.")
    return value
