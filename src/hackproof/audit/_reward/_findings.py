"""What an audit says, and how anyone can see it for themselves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from hackproof.audit._finding import Finding
from hackproof.audit._reward import _spaces
from hackproof.audit._reward._correlation import Correlation
from hackproof.audit._reward._distance import UNRELATED, Distance
from hackproof.audit._reward._dominance import TermShares
from hackproof.audit._reward._episodes import replay
from hackproof.audit._reward._loops import Loop
from hackproof.audit._reward._search import Inversion
from hackproof.audit._reward._target import Target, load_target

DOMINANT = 0.9
"""Share of the variance from which one term dominates."""
PAN = "Pan et al. 2022, https://arxiv.org/abs/2201.03544"


def replay_actions(
    env: str,
    actions: Sequence[Any],
    *,
    seed: int,
    kwargs: Mapping[str, Any] | None = None,
    true: str | None = None,
) -> tuple[float, float, int]:
    """Return proxy return, true return and steps of fixed actions; what reproducers call.

    Args:
        env: A registered id, `module:Class` or `file.py:factory`.
        actions: Plain values, in order; those after the episode's end are not taken.
        seed: Of the reset.
        kwargs: Of the environment's constructor.
        true: Info key of the true reward; the return is NaN where there is none.
    """
    target = load_target(env, kwargs=kwargs, true=true)
    copy = target.make()
    try:
        return replay(
            target, seed, [_spaces.restored(copy.action_space, a) for a in actions], env=copy
        )
    finally:
        copy.close()


def code(target: Target, episodes: Sequence[tuple[str, int, str]]) -> str:
    """Return Python that replays episodes: (comment, reset seed, expression of the actions)."""
    lines = ["from hackproof.audit import replay_actions"]
    for comment, seed, actions in episodes:
        extra = f", kwargs={dict(target.kwargs)!r}" if target.kwargs else ""
        extra += f", true={target.true!r}" if target.true else ""
        lines.append(f"print(replay_actions({target.name!r}, {actions}, seed={seed}{extra}))")
        lines.append(f"# {comment}")
    return "\n".join(lines)


def expression(actions: Sequence[Any]) -> str:
    """Return a Python expression for actions, runs of equal ones as `[a] * n`."""
    listed = [_spaces.plain(a) for a in actions]
    for period in range(1, min(8, len(listed) // 3) + 1):
        pattern = listed[:period]
        times = math.ceil(len(listed) / period)
        if (pattern * times)[: len(listed)] == listed:
            cut = "" if period * times == len(listed) else f"[:{len(listed)}]"
            return f"({pattern!r} * {times}){cut}" if cut else f"{pattern!r} * {times}"
    runs: list[tuple[Any, int]] = []
    for a in listed:
        if runs and runs[-1][0] == a:
            runs[-1] = (a, runs[-1][1] + 1)
        else:
            runs.append((a, 1))
    if not listed or len(runs) > len(listed) // 2:
        return repr(listed)
    return " + ".join(f"[{a!r}] * {n}" for a, n in runs)


def _same(found: tuple[float, float, int], proxy: float, true: float, steps: int) -> bool:
    close = math.isclose(found[0], proxy, rel_tol=1e-6, abs_tol=1e-9)
    if not math.isnan(true):
        close &= math.isclose(found[1], true, rel_tol=1e-6, abs_tol=1e-9)
    return close and found[2] == steps


def loop_finding(target: Target, loop: Loop, others: int) -> Finding | None:
    """Return the finding of a loop; None where the truth does not object.

    Without a true reward nobody can say that the loop is bad: ADVISORY.
    """
    if target.true and loop.better is None:
        return None
    actions = loop.prefix + loop.actions * loop.times
    first, again = (replay(target, loop.seed, actions) for _ in range(2))
    replays = _same(again, *first) and first[2] == len(actions)
    what = "Standing still" if loop.idle else "A loop"
    claim = (
        f"{what} pays {loop.proxy:.4g} a step for ever: {[_spaces.plain(a) for a in loop.actions]} "
        f"repeated, after {len(loop.prefix)} other actions, from reset seed {loop.seed}."
    )
    rows = [(f"{first[0]:.9g}, {first[1]:.9g}, {first[2]}: proxy, true, steps", loop.seed,
             f"{expression(loop.prefix)} + {expression(loop.actions * loop.times)}"
             if loop.prefix else expression(actions))]  # fmt: skip
    if (b := loop.better) is not None:
        claim += (
            f" The true reward earns {loop.true:.4g} a step there, and {b.true.mean():.4g} in an "
            f"episode ({b.policy}) that the proxy pays {b.proxy.mean():.4g} a step."
        )
        other = replay(target, b.seed, b.actions)
        replays &= _same(other, b.proxy_return, b.true_return, len(b))
        rows.append((f"{other[0]:.9g}, {other[1]:.9g}, {other[2]}", b.seed, expression(b.actions)))
    if others:
        claim += f" {others} more loops pay."
    status = "UNDECIDED" if not replays else "PROVEN" if b is not None else "ADVISORY"
    return Finding(
        "reward-loop", target.name, claim, status,
        "Ng, Harada and Russell 1999 (loops that shaping pays for); Leike et al. 2017, "
        "https://arxiv.org/abs/1711.09883",
        "Loops longer than 8 actions, loops that need feedback, and state that is not in the "
        "observation; a clock in the observation hides every loop.",
        "Pay progress by a difference of potentials, gamma Phi(s') - Phi(s), so that a loop earns "
        "nothing, or pay each event once.",
        code(target, rows),
    )  # fmt: skip


def inversion_finding(target: Target, found: Inversion, correlation: float) -> Finding:
    """Return the finding of an episode that the proxy likes and the truth does not."""
    hack, honest = found.hack, found.honest
    replays = all(
        _same(replay(target, e.seed, e.actions), e.proxy_return, e.true_return, len(e))
        for e in (hack, honest)
    )
    random = "" if math.isnan(correlation) else (
        f" Under the random policy the correlation of episode returns is {correlation:.2f}."
    )  # fmt: skip
    return Finding(
        "reward-inversion", target.name,
        f"From reset seed {hack.seed} the proxy prefers an episode ({hack.policy}: proxy "
        f"{hack.proxy_return:.4g}, true {hack.true_return:.4g}) to a better one ({honest.policy}: "
        f"proxy {honest.proxy_return:.4g}, true {honest.true_return:.4g}); the smaller gap is "
        f"{found.margin:.1f} deviations over all episodes seen.{random}",
        "PROVEN" if replays else "UNDECIDED",
        PAN + "; Skalse et al. 2022, https://arxiv.org/abs/2209.13085",
        "Open-loop actions from two resets: what needs feedback, or more steps, is not found. "
        "That a learner would find it is not shown.",
        "Look at what the first episode is paid for, and pay for what was meant instead.",
        code(target, [
            (f"{e.proxy_return:.9g}, {e.true_return:.9g}, {len(e)}: proxy, true, steps ({name})",
             e.seed, expression(e.actions))
            for name, e in (("preferred by the proxy", hack), ("better", honest))
        ]),
    )  # fmt: skip


def term_findings(target: Target, shares: TermShares) -> list[Finding]:
    """Return findings on how the reward is put together."""
    out = []
    if shares.explained < 0.99:
        out.append(Finding(
            "reward-unnamed-part", target.name,
            f"The named terms explain {shares.explained:.0%} of the reward's variance; the rest is "
            "paid for something that has no name in info.",
            "ADVISORY", "derived: least squares",
            "Terms that enter by a product or a clip look unnamed too.",
            "Tell every term in info['reward_terms'].",
        ))  # fmt: skip
    used = [n for n, w in shares.weights.items() if abs(w) > 1e-9]
    top = max(shares.shares, key=lambda n: shares.shares[n], default=None)
    if top is not None and len(used) > 1 and shares.shares[top] >= DOMINANT:
        out.append(Finding(
            "reward-dominated", target.name,
            f"Of {len(used)} terms that are paid, {top!r} makes {shares.shares[top]:.0%} of the "
            "reward's variance: an optimiser sees little else.",
            "ADVISORY", PAN,
            "Shares hold for the policies that were run; a term that is constant there can matter "
            "elsewhere.",
            "Check the weights against the spread of each term.",
            cause="few dimensions dominate",
        ))  # fmt: skip
    return out


def correlation_findings(target: Target, found: Sequence[Correlation]) -> list[Finding]:
    """Return a finding where episode returns are against each other beyond chance."""
    asked = [
        c for c in found
        if c.per == "episode" and c.kind == "pearson" and c.interval is not None
        and not c.policy.startswith(("constant", "sweep"))
    ]  # fmt: skip
    return [
        Finding(
            "reward-correlation", target.name,
            f"Under {c.policy} the proxy's episode returns go against the true ones: correlation "
            f"{c.interval.estimate:.2f} [{c.interval.low:.2f}, {c.interval.high:.2f}], "
            f"{c.interval.n} reset seeds.",
            "ADVISORY", PAN,
            "A good correlation under one policy says nothing of another; hacking occurs where it "
            "is positive.",
            "Do not train on this reward before the sign is understood.",
        )
        for c in asked if c.interval is not None and c.interval.high < 0
    ]  # fmt: skip


def distance_findings(target: Target, found: Sequence[Distance]) -> list[Finding]:
    """Return a finding where the rewards are no nearer than unrelated ones."""
    return [
        Finding(
            "reward-distance", target.name,
            f"The {d.name} distance of proxy and true reward is {d.value:.2f}; unrelated rewards "
            f"are {UNRELATED:.2f} apart. Approximated: {d.note}.",
            "ADVISORY", "Gleave et al. 2021, https://arxiv.org/abs/2006.13900; Skalse et al. 2023, "
            "https://arxiv.org/abs/2309.15257",
            "It is taken over the random policy's transitions only, and by a fitted function.",
            "Compare the canonical rewards where they differ most; see hackproof certify.",
        )
        for d in found if d.value >= UNRELATED
    ]  # fmt: skip
