"""Published repairs of a judge, and what they are worth on verdicts already collected.

Wang et al. 2023 (https://arxiv.org/abs/2305.17926): multiple evidence calibration (ask several
times, average), balanced position calibration (ask in both orders, average), and human in the
loop calibration (have a person check the pairs whose verdicts are the most diverse, by the
entropy of win, tie and lose over orders and samples).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hackproof.audit._judge._verdicts import FIRST, SECOND, TIE, Verdicts, grouped
from hackproof.audit._statistics import rate

CHECKED = (0.1, 0.2, 0.3)
"""Shares of pairs that a person checks."""


def repairs(verdicts: Verdicts, shares: Sequence[float] = CHECKED) -> list[dict[str, Any]]:
    """Return one row per judge, strategy and repair.

    `calls` are the judge's per pair, `checked` the share of pairs that a person decides (by the
    gold label, if there is one). `place` is how much more often verdicts lean to the first place
    than to the second, 0 where both orders are averaged. `accuracy` is against decided gold labels,
    a tie for half; `gain` is over asking once, and `gain_per_call` divides it by the calls added.
    `random` is what a person checking as many pairs drawn at random would give.

    Only pairs with a verdict in both orders and, where there are samples, all of the judge's
    samples are compared, so that every repair is measured on the same pairs.
    """
    import numpy as np

    keys = [verdicts.judge, verdicts.strategy, verdicts.subset, verdicts.item]
    if verdicts.models is not None:
        keys += list(verdicts.models)
    pair, _ = grouped(*keys)
    n = int(pair.max()) + 1
    first = np.full(n, -1)
    first[pair[::-1]] = np.arange(len(pair))[::-1]
    value = [_value(verdicts, order) for order in (0, 1)]
    samples = np.bincount(pair, minlength=n)
    whole = np.ones(n, dtype=bool)
    for v in value:
        whole &= np.bincount(pair, np.isnan(v), n) == 0
    single = [v[first] for v in value]
    mean = [np.bincount(pair, np.nan_to_num(v), n) / samples for v in value]
    entropy = _entropy(verdicts, pair, n)
    who, names = grouped(verdicts.judge, verdicts.strategy)
    who = who[first]
    gold = None if verdicts.gold is None else verdicts.gold[first]
    rows = []
    for i, (judge, strategy) in enumerate(names):
        mine = whole & (who == i)
        if not mine.any():
            continue
        k = int(np.bincount(samples[mine]).argmax())
        mine &= samples == k
        base = _row(judge, strategy, "asked once", 1, single, mine, gold)
        found = [base]
        if k > 1:
            found.append(_row(judge, strategy, f"asked {k} times", k, mean, mine, gold))
        balanced = (mean[0] + mean[1]) / 2
        found.append(
            _row(judge, strategy, "both orders" + (f", {k} times" if k > 1 else ""), 2 * k,
                 [balanced, balanced], mine, gold)
        )  # fmt: skip
        if gold is not None:
            decided = mine & ((gold == FIRST) | (gold == SECOND))
            found += [
                _checked(judge, strategy, 2 * k, balanced, entropy, decided, gold, share)
                for share in shares if decided.any()
            ]  # fmt: skip
        for row in found:
            gained = None
            if row["accuracy"] is not None and base["accuracy"] is not None:
                gained = row["accuracy"] - base["accuracy"]
            row["gain"] = gained
            added = row["calls"] - 1
            row["gain_per_call"] = None if gained is None or not added else gained / added
        rows += found
    return rows


def left_out(verdicts: Verdicts, rows: Sequence[dict[str, Any]]) -> str:
    """Return which judges' pairs the repairs leave out, in words; nothing where they take all."""
    import numpy as np

    who, names = grouped(verdicts.judge, verdicts.strategy)
    keys = [verdicts.judge, verdicts.strategy, verdicts.subset, verdicts.item]
    pair, _ = grouped(*keys, *(verdicts.models or ()))
    _, first = np.unique(pair, return_index=True)
    total = np.bincount(who[first], minlength=len(names))
    used = {(r["judge"], r["strategy"]): r["pairs"] for r in rows if r["repair"] == "asked once"}
    lost = [
        (int(total[i]) - used.get(name, 0), int(total[i]), name) for i, name in enumerate(names)
    ]
    lost = [(a, b, " ".join(filter(None, name))) for a, b, name in lost if a]
    if not lost:
        return ""
    shown = "; ".join(f"{name}: {a:,} of {b:,}" for a, b, name in lost[:5])
    more = f"; and {len(lost) - 5} more" if len(lost) > 5 else ""
    return f"left out, without a verdict each time or with other samples than most: {shown}{more}"


def _value(verdicts: Verdicts, order: int) -> Any:
    """Return how far answer 1 won in an order: by scores where there are some, in points."""
    import numpy as np

    votes = (verdicts.order_12, verdicts.order_21)[order]
    voted = np.where(votes < TIE, np.nan, (votes == FIRST) * 1.0 - (votes == SECOND))
    if verdicts.scores is None:
        return voted
    who, names = grouped(verdicts.judge, verdicts.strategy)
    known = sum(np.isfinite(one - two) for one, two in verdicts.scores)
    scored = np.bincount(who, known, len(names)) > 0
    one, two = verdicts.scores[order]
    return np.where(scored[who], one - two, voted)


def _entropy(verdicts: Verdicts, pair: Any, n: int) -> Any:
    """Return by pair the entropy of win, tie and lose over orders and samples."""
    import numpy as np

    counts = np.zeros((3, n))
    for votes in (verdicts.order_12, verdicts.order_21):
        for k, code in enumerate((FIRST, TIE, SECOND)):
            counts[k] += np.bincount(pair, votes == code, n)
    total = counts.sum(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        p = counts / total
        return -np.nansum(np.where(p > 0, p * np.log(p), 0.0), 0)


def _score(value: Any, gold: Any) -> Any:
    """Return 1 where the sign of a value is that of the gold label, 0.5 for no sign."""
    import numpy as np

    truth = np.where(gold == FIRST, 1, -1)
    return 0.5 + 0.5 * np.sign(value) * truth


def _row(
    judge: str, strategy: str, repair: str, calls: int, value: Sequence[Any], mine: Any, gold: Any
) -> dict[str, Any]:
    import numpy as np

    one, two = np.sign(value[0][mine]), np.sign(value[1][mine])
    row: dict[str, Any] = {
        "judge": judge, "strategy": strategy, "repair": repair, "calls": calls, "checked": 0.0,
        "pairs": int(mine.sum()), "place": float(((one > two) * 1.0 - (one < two)).mean()),
    }  # fmt: skip
    n, right = 0, 0.0
    if gold is not None:
        decided = mine & ((gold == FIRST) | (gold == SECOND))
        n = int(decided.sum())
        right = float(sum(_score(v[decided], gold[decided]).sum() for v in value) / len(value))
    return {**row, **rate("accuracy", right, n), "random": None}


def _checked(
    judge: str, strategy: str, calls: int, value: Any, entropy: Any, mine: Any, gold: Any,
    share: float,
) -> dict[str, Any]:  # fmt: skip
    """Return what a person adds who checks the most diverse pairs."""
    import numpy as np

    score = _score(value[mine], gold[mine])
    n = len(score)
    count = round(share * n)
    picked = np.argsort(-entropy[mine], kind="stable")[:count]
    after = score.copy()
    after[picked] = 1.0
    by_chance = score.mean() + count / n * (1 - score.mean())
    return {
        "judge": judge, "strategy": strategy, "repair": f"a person checks {share:.0%}",
        "calls": calls, "checked": share, "pairs": n, "place": 0.0,
        **rate("accuracy", float(after.sum()), n), "random": float(by_chance),
    }  # fmt: skip
