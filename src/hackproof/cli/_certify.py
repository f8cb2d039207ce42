"""`hackproof certify`: is this data safe to learn a reward from?"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tyro.conf import Positional

from hackproof.cli._common import console, parse

if TYPE_CHECKING:
    from hackproof.theory._file import Problem
    from hackproof.theory._repair import Repair
    from hackproof.theory._safe import Verdict


@dataclass(frozen=True)
class CertifyOptions:
    """Flags of `certify`."""

    file: Positional[Path]
    """JSON file: P, R, gamma, mu0, D; optional frozen, states, actions, terminates."""
    eps: float = 0.05
    """Error of the learned reward, E_D |Rhat - R| / range R."""
    regret: float = 0.5
    """Normalised regret from which on a policy is bad, in [0, 1]."""
    time_limit: float | None = 60.0
    """Seconds for the search; when they run out honest bounds are printed."""
    method: str = "auto"
    """enumerate, milp, bounds or auto."""
    json: bool = False
    """Print JSON, for machines."""


def command(words: list[str]) -> int:
    """Hackproof certify FILE.json: exit code 0 safe, 1 unsafe, 2 undecided."""
    from hackproof.theory._file import SCHEMA, load_problem

    about = "Say whether every policy that is optimal for a reward within eps is good enough."
    options = parse(CertifyOptions, "certify", words, f"{about}\n\nThe file: {SCHEMA}")
    from hackproof.theory._repair import safe_data
    from hackproof.theory._safe import is_safe

    problem = load_problem(options.file)
    verdict = is_safe(
        problem.mdp, problem.D, options.eps, options.regret, options.method, options.time_limit
    )
    repair = None
    if verdict.answer == "unsafe" and options.eps > 0:
        repair = safe_data(
            problem.mdp, problem.D, options.eps, options.regret, options.method, options.time_limit
        )
    if options.json:
        print(json.dumps(as_json(problem, verdict, repair, options), indent=2))
    else:
        _print(problem, verdict, repair, options)
    return {"safe": 0, "unsafe": 1, "unknown": 2}[verdict.answer]


def policy_words(problem: Problem, verdict: Verdict) -> dict[str, str]:
    """Return the most dangerous policy, state by state, where it goes."""
    policy = verdict.radius.witness_policy
    if policy is None:
        return {}
    return {problem.states[s]: problem.actions[s][a] for s, a in enumerate(policy) if a >= 0}


def as_json(
    problem: Problem, verdict: Verdict, repair: Repair | None, options: CertifyOptions
) -> dict[str, Any]:
    """Return the answer as JSON values; infinite numbers are null."""
    radius = verdict.radius

    def number(x: float) -> float | None:
        return x if x < float("inf") else None

    return {
        "verdict": verdict.answer,
        "eps": options.eps,
        "regret": options.regret,
        "radius": {
            "lower": number(radius.lower),
            "upper": number(radius.upper),
            "exact": radius.exact,
            "lower_proof": radius.lower_proof,
        },
        "policy": policy_words(problem, verdict),
        "learned_reward": None if radius.witness_reward is None else radius.witness_reward.tolist(),
        "repair": None
        if repair is None
        else {
            "moved": repair.moved,
            "proven": repair.proven,
            "D": repair.D.tolist(),
            "change": {
                problem.pair(s, a): float(repair.D[s, a] - problem.D[s, a])
                for s in range(problem.mdp.states)
                for a in range(problem.mdp.actions)
                if abs(repair.D[s, a] - problem.D[s, a]) > 1e-9
            },
        },
    }


def _print(
    problem: Problem, verdict: Verdict, repair: Repair | None, options: CertifyOptions
) -> None:
    out = console()
    radius = verdict.radius
    answer = {"safe": "SAFE", "unsafe": "UNSAFE", "unknown": "UNDECIDED"}[verdict.answer]
    out.print(
        f"{answer} at error {options.eps:g}, regret {options.regret:g}", style="bold",
        highlight=False,
    )  # fmt: skip
    if radius.exact:
        out.print(f"safety radius {radius.upper:.6g}: any smaller error is safe", highlight=False)
    else:
        out.print(
            f"safety radius between {radius.lower:.6g} and {radius.upper:.6g} "
            f"(lower bound: {radius.lower_proof})",
            highlight=False,
        )
    words = policy_words(problem, verdict)
    if words:
        out.print("most dangerous policy, optimal for a reward that far from the true one:")
        for state, action in list(words.items())[:20]:
            out.print(f"  {state}: {action}", highlight=False, markup=False)
        if len(words) > 20:
            out.print(f"  and {len(words) - 20} more states (--json has all)")
    if verdict.answer != "unsafe":
        return
    if repair is None:
        out.print("no data distribution is safe at this error: there are too many ways to be bad")
        return
    proven = "" if repair.proven else " (not proven safe: the search ended early)"
    out.print(
        f"cheapest safe data: {repair.moved:.1%} of the data on other pairs{proven}",
        highlight=False,
    )
    change = repair.D - problem.D
    for at in abs(change).ravel().argsort()[::-1][:10]:
        s, a = divmod(int(at), problem.mdp.actions)
        if abs(change[s, a]) > 1e-9:
            line = f"  {problem.pair(s, a)}: {problem.D[s, a]:.4g} to {repair.D[s, a]:.4g}"
            out.print(line, highlight=False, markup=False)
