"""Self-preference: does a judge favour what its own model wrote?

Liu et al. 2023 draw a map of evaluators by generators and look for a dark diagonal. A diagonal
alone does not tell a judge that favours its own from one whose model writes well, so the measures
here hold quality fixed, by gold labels (`_lean`) or by what the other judges say. They are
hackproof's own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from hackproof.audit._judge._verdicts import Verdicts, answer_1_share, grouped
from hackproof.audit._statistics import logistic, rate

RESAMPLES = 300
LEAST = 20
"""Pairs with one's own answer below which nothing is said."""
LINK = 20
"""Games that would have to be lost before two generators could no longer be compared."""
WINS = 10
"""Wins, either way, that a comparison of two generators hangs on at least: one that always wins has
no strength that could be told."""
UNTOLD = "what it adds cannot be told from quality"


def owners(verdicts: Verdicts, own: Mapping[str, Sequence[str]]) -> Any:
    """Return by entry 1 where answer 1 alone is the judge's own, -1 where answer 2 is, else 0.

    Args:
        verdicts: With models.
        own: Judge to the generators that are its own; a judge that is not named owns the
            generator with its name, whatever the case.

    Where the judge or one of the writers has no name, nothing can be said: 0.
    """
    import numpy as np

    assert verdicts.models is not None
    table = np.zeros(
        (len(verdicts.judge.values) + 1, len(verdicts.models[0].values) + 1), dtype=int
    )  # the last row and column are of who has no name: code -1
    for i, judge in enumerate(verdicts.judge.values):
        mine = {m.lower() for m in own.get(judge, (judge,))}
        for k, model in enumerate(verdicts.models[0].values):
            table[i, k] = model.lower() in mine
    one, two = (table[verdicts.judge.codes, m.codes] for m in verdicts.models)
    return np.where(named(verdicts), one - two, 0)


def named(verdicts: Verdicts) -> Any:
    """Return which entries have the names of their judge and of both writers."""
    assert verdicts.models is not None
    one, two = (m.codes >= 0 for m in verdicts.models)
    return one & two & (verdicts.judge.codes >= 0)


def heat_map(verdicts: Verdicts, own: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """Return how often each generator won under each judge, ties for half, orders averaged."""
    import numpy as np

    assert verdicts.models is not None
    shares = [answer_1_share(v) for v in (verdicts.order_12, verdicts.order_21)]
    rows = []
    for j, judge in enumerate(verdicts.judge.values):
        mine = {m.lower() for m in own.get(judge, (judge,))}
        for g, model in enumerate(verdicts.models[0].values):
            won, pairs = 0.0, 0
            for side, m in enumerate(verdicts.models):
                here = (verdicts.judge.codes == j) & (m.codes == g)
                both = np.stack([s[here] if side == 0 else 1 - s[here] for s in shares])
                known = ~np.isnan(both)
                some = known.any(0)
                won += float((np.where(known, both, 0).sum(0)[some] / known.sum(0)[some]).sum())
                pairs += int(some.sum())
            if pairs:
                rows.append({"judge": judge, "generator": model, "own": model.lower() in mine,
                             "pairs": pairs, **rate("won", won, pairs)})  # fmt: skip
    return rows


def beside_others(verdicts: Verdicts, sign: Any, seed: int) -> list[dict[str, Any]]:
    """Return one row per judge with an own generator: what it adds beside the others' view.

    P(judge j picks answer 1) = logistic(s (t_1 - t_2) + b (own_1 - own_2)), with t the generators'
    strengths by the other judges on pairs without an answer of their own (Bradley and Terry), so
    that the bias of one is not laid to another's account. b, the log-odds that being its own adds,
    has a normal interval from items drawn anew, all of it fitted again.

    Only pairs whose writers the other judges' games link (`linked`) are used; `left_out` counts
    the judge's others with an answer of its own. Where none is left, there is no number.
    """
    import numpy as np

    assert verdicts.models is not None
    one, two = verdicts.models[0].codes, verdicts.models[1].codes
    shares = np.stack([answer_1_share(v) for v in (verdicts.order_12, verdicts.order_21)])
    known = ~np.isnan(shares)
    with np.errstate(invalid="ignore"):
        won = np.where(known, shares, 0).sum(0) / known.sum(0)
    usable = known.all(0) & named(verdicts)
    count = len(verdicts.models[0].values)
    items, _ = grouped(verdicts.subset, verdicts.item)
    rng = np.random.default_rng(seed)
    rows = []
    for j, judge in enumerate(verdicts.judge.values):
        mine = usable & (verdicts.judge.codes == j)
        others = usable & (verdicts.judge.codes != j) & (sign == 0)
        all_own = int((mine & (sign != 0)).sum())
        if not all_own:
            continue
        part = linked(one[others], two[others], won[others], count)
        if others.any():
            mine &= part[one] == part[two]
        own = mine & (sign != 0)
        row: dict[str, Any] = {
            "judge": judge, "own_pairs": int(own.sum()), "left_out": all_own - int(own.sum()),
            "log_odds": None, "log_odds_low": None, "log_odds_high": None, "p_value": None,
            "why": "",
        }  # fmt: skip
        rows.append(row)
        if not own.any():
            row["why"] = (
                f"the other judges hardly compared its own generator with the others: {UNTOLD}"
            )
        elif own.sum() < LEAST:
            row["why"] = f"fewer than {LEAST} pairs with one answer of its own"
        elif not others.any():
            row["why"] = f"no other judge, and no gold label: {UNTOLD}"
        elif (mine & (sign == 0) & (one != two)).sum() < LEAST:
            row["why"] = (
                f"it judged fewer than {LEAST} pairs of other writers whom the "
                f"other judges compared: its sharpness is unknown, and {UNTOLD}"
            )
        else:
            fits = []
            for k in range(RESAMPLES + 1):
                draw = np.ones(items.max() + 1) if k == 0 else np.bincount(
                    rng.integers(items.max() + 1, size=items.max() + 1),
                    minlength=items.max() + 1,
                )  # fmt: skip
                w = draw[items]
                t = _strengths(one[others], two[others], won[others], w[others], count)
                x = np.stack([t[one[mine]] - t[two[mine]], sign[mine]], 1)
                fits.append(logistic(x, won[mine], 0.01, w[mine])[0][1])
            b, se = fits[0], float(np.std(fits[1:], ddof=1))
            row |= {"log_odds": b, "log_odds_low": b - 1.959964 * se,
                    "log_odds_high": b + 1.959964 * se,
                    "p_value": math.erfc(abs(b) / se / 2**0.5) if se > 0 else 1.0}  # fmt: skip
    return rows


def linked(one: Any, two: Any, won: Any, n: int) -> Any:
    """Return by generator the number of its class: within one, strengths can be compared.

    Two generators are in one class where `LINK` games at least would have to be taken away to
    leave no chain of games between them, and `WINS` wins to leave no chain of wins from the one to
    the other, or back (Ford 1957: without these a strength has no bound).
    """
    import numpy as np
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_flow

    wins = np.zeros((n, n))
    np.add.at(wins, (one, two), won)
    np.add.at(wins, (two, one), 1 - won)
    np.fill_diagonal(wins, 0)
    limit = 4 * LINK  # verdicts in both orders and ties make quarters of a win
    quarters = np.rint(np.minimum(4 * wins, limit)).astype(np.int32)
    games = np.rint(np.minimum(4 * (wins + wins.T), limit)).astype(np.int32)

    def flow(of: Any, a: int, b: int) -> int:
        return int(maximum_flow(csr_array(of), a, b).flow_value)

    part, heads = np.arange(n), []
    for g in range(n):
        for h in heads:
            least = min(flow(quarters, g, h), flow(quarters, h, g))
            if least >= 4 * WINS and flow(games, g, h) >= 4 * LINK:
                part[g] = h
                break
        else:
            heads.append(g)
    return part


def _strengths(one: Any, two: Any, won: Any, weight: Any, n: int) -> Any:
    """Return Bradley and Terry's log-strengths, with a weak prior that keeps them finite."""
    import numpy as np

    wins = np.zeros((n, n))
    np.add.at(wins, (one, two), weight * won)
    np.add.at(wins, (two, one), weight * (1 - won))
    games = wins + wins.T
    t = np.zeros(n)
    for _ in range(50):
        p = 1 / (1 + np.exp(t[None] - t[:, None]))
        gradient = (wins - games * p).sum(1) - 0.1 * t
        h = games * p * (1 - p)
        hessian = np.diag(h.sum(1) + 0.1) - h
        step = np.linalg.solve(hessian, gradient)
        t = t + step
        if np.abs(step).max() < 1e-8:
            break
    return t - t.mean()
