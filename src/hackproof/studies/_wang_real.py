"""What wang-2023 measures on verdicts that real judges gave (`--data`).

The independent unit is an item. Items are dealt into as many parts as there are seeds, evenly by
subset, and a seed measures one part: parts share no item, so that an interval over them speaks of
other items, and not of other judges or prompts, which are the same in all of them.
"""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any

from hackproof.errors import InputError
from hackproof.studies._wang_planted import SHARES, Row, row

if TYPE_CHECKING:
    from hackproof.audit._judge._verdicts import Verdicts


@functools.lru_cache(maxsize=2)
def load(data: str) -> Verdicts:
    """Return the verdicts of a file as the audit reads them.

    Raises:
        InputError: the file cannot be used, lacks gold labels, or holds one order only.
    """
    from hackproof.audit._judge._layouts import load as read
    from hackproof.audit._judge._verdicts import majority

    found = majority(read(os.path.expandvars(data)))
    if found.gold is None or not (found.gold > 0).any():
        raise InputError(f"--data {data} has no gold labels; accuracy cannot be measured.")
    if not found.both().any():
        raise InputError(f"--data {data} holds one order only; every pair is needed in both.")
    return found


def part_of(verdicts: Verdicts, parts: int) -> Any:
    """Return by entry which part its item belongs to: dealt in a fixed random order, by subset."""
    import numpy as np

    from hackproof.audit._judge._verdicts import grouped

    item, names = grouped(verdicts.subset, verdicts.item)
    order = np.random.default_rng(0).permutation(len(names))
    ranked = sorted(order, key=lambda i: names[i][0])
    part = np.empty(len(names), dtype=int)
    part[ranked] = np.arange(len(names)) % parts
    return part[item]


def _whole(verdicts: Verdicts) -> Verdicts:
    """Return verdicts with one subset: a part has too few pairs of each to measure them apart."""
    from dataclasses import replace

    import numpy as np

    from hackproof.audit._judge._verdicts import Names, grouped

    item, names = grouped(verdicts.subset, verdicts.item)
    zeros = np.zeros(len(item), dtype=np.int64)
    return replace(verdicts, subset=Names(zeros, ("",)),
                   item=Names(item, tuple(" ".join(n) for n in names)))  # fmt: skip


def by_prompt(data: str, part: int, parts: int) -> list[Row]:
    """Measure every judge under every prompt, asked once in each order, on one part of the items.

    Returns:
        `agreement` of the two orders and `accuracy` of either, means over judges and prompts; and
        by `judge / prompt` also `conflict`, `place`, `decided` (share of pairs on which both
        orders name the same winner) and `accuracy_decided`. `place_held`: the lean to the place
        that the other parts' items favour, which is 0 on average where there is no lean.
    """
    import numpy as np

    from hackproof.audit._judge._position import cells

    verdicts = _whole(load(data))
    mine = part_of(load(data), parts) == part
    here, rest = cells(verdicts.take(mine)), cells(verdicts.take(~mine))
    favoured = {
        (r["judge"], r["strategy"]): np.sign(r["first_leans"] - r["second_leans"]) for r in rest
    }
    decided = _decided(verdicts.take(mine))
    rows: list[Row] = []
    kept: dict[str, list[float]] = {}
    for r in here:
        key, n = (r["judge"], r["strategy"]), r["both_valid"]
        if not n or r["accuracy"] is None:
            continue
        place = (r["first_leans"] - r["second_leans"]) / n
        share, right = decided[key]
        values = {
            "agreement": r["agreement"], "accuracy": r["accuracy"], "conflict": r["flip_rate"],
            "place": place, "place_held": place * favoured.get(key, 0), "decided": share,
            "accuracy_decided": right,
        }  # fmt: skip
        where = " / ".join(x for x in key if x)
        for name, value in values.items():
            rows.append(row(name, _role(name), value, n, where))
            if value is not None:
                kept.setdefault(name, []).append(value)
    if not kept:
        raise InputError(
            f"part {part + 1} of {parts} of the items has no pair with verdicts in both orders and "
            "a gold label; take fewer --parts."
        )
    rows += [row(k, _role(k), float(np.mean(v)), len(v)) for k, v in kept.items() if k != "place"]
    return rows


def _role(metric: str) -> str:
    return {"agreement": "proxy", "accuracy": "true"}.get(metric, "probe")


def _decided(verdicts: Verdicts) -> dict[tuple[str, str], tuple[float, float | None]]:
    """Return by judge and prompt: the share of pairs that both orders decide alike, and how often
    that is right.
    """
    from hackproof.audit._judge._verdicts import TIE, grouped

    assert verdicts.gold is not None
    group, names = grouped(verdicts.judge, verdicts.strategy)
    one, two, gold = verdicts.order_12, verdicts.order_21, verdicts.gold
    found = {}
    for i, key in enumerate(names):
        asked = (group == i) & (one >= TIE) & (two >= TIE) & (gold > TIE)
        alike = asked & (one == two) & (one > TIE)
        share = alike.sum() / asked.sum() if asked.any() else 0.0
        right = float((one == gold)[alike].mean()) if alike.any() else None
        found[key] = (float(share), right)
    return found


def pooled(data: str, part: int, parts: int, repair: str, calls: int, draws: int) -> list[Row]:
    """Measure a repair whose samples are several prompts to one judge, each asked once.

    The paper samples one prompt several times; here each sample is another prompt, drawn `draws`
    times without putting back.

    Returns:
        `repeat`, `accuracy` and what checking by a person gives, as in `_wang_planted.by_calls`,
        and `place_held` as in `by_prompt`; by judge and as means over the judges that have enough
        prompts. `repeat` needs twice as many. Under `evidence` each order is measured and the two
        are averaged.
    """
    import numpy as np

    from hackproof.audit._judge._repair import repairs

    verdicts, mine = _whole(load(data)), part_of(load(data), parts) == part
    need = calls if repair == "evidence" else calls // 2
    rows: list[Row] = []
    kept: dict[tuple[str, str], list[float]] = {}
    for j, judge in enumerate(verdicts.judge.values):
        prompts = np.unique(verdicts.strategy.codes[verdicts.judge.codes == j])
        if len(prompts) < need:
            continue
        found: dict[tuple[str, str], list[float]] = {}
        for draw in range(draws):
            # The same prompts in every part: a part differs by its items alone.
            order = np.random.default_rng([draw, j]).permutation(prompts)
            chosen = _samples(verdicts, j, order[:need], mine)
            made = repairs(chosen, SHARES)
            if not made or made[0]["accuracy"] is None:
                continue
            rest = repairs(_samples(verdicts, j, order[:need], ~mine), ())
            for key, value in _numbers(made, rest, repair).items():
                found.setdefault(key, []).append(value)
            if len(prompts) >= 2 * need:
                other = _samples(verdicts, j, order[need : 2 * need], mine)
                found.setdefault(("repeat", "default"), []).append(_alike(chosen, other, repair))
        for (metric, where), values in found.items():
            mean = float(np.mean(values))
            kept.setdefault((metric, where), []).append(mean)
            name = judge if where == "default" else f"{judge}, {where}"
            rows.append(row(metric, ROLES.get(metric, "probe"), mean, len(values), name))
    if ("accuracy", "default") not in kept:
        raise InputError(f"no judge in --data has {need} prompts; lower --real-calls.")
    judges = len(kept["accuracy", "default"])
    for (metric, where), values in kept.items():
        whole = metric != "repeat" or len(values) == judges
        mean = float(np.mean(values)) if whole else None
        rows.append(row(metric, ROLES.get(metric, "probe"), mean, judges, where))
    if ("repeat", "default") not in kept:
        rows.append(row("repeat", "proxy", None, judges))
    return rows


ROLES = {"repeat": "proxy", "accuracy": "true"}


def _samples(verdicts: Verdicts, judge: int, prompts: Any, kept: Any) -> Verdicts:
    """Return one judge's verdicts under some prompts, as samples of one prompt.

    Args:
        verdicts: Everybody's.
        judge: Its code.
        prompts: Codes of the strategies, in the order in which they become samples.
        kept: Which entries are looked at.
    """
    from dataclasses import replace

    import numpy as np

    from hackproof.audit._judge._verdicts import Names

    mine = kept & (verdicts.judge.codes == judge)
    taken = [np.flatnonzero(mine & (verdicts.strategy.codes == p)) for p in prompts]
    sample = np.repeat(np.arange(len(taken)), [len(t) for t in taken])
    made = verdicts.take(np.concatenate(taken))
    return replace(made, strategy=Names(np.zeros(len(sample), dtype=np.int64), ("",)),
                   sample=sample)  # fmt: skip


def _numbers(made: list[Row], rest: list[Row], repair: str) -> dict[tuple[str, str], float]:
    """Return the numbers of a repair from the audit's rows, of a part and of the other parts."""
    import numpy as np

    word = "both orders" if repair == "balanced" else "asked"
    done, other = (
        next(r for r in rows[::-1] if r["repair"].startswith(word)) for rows in (made, rest)
    )
    out = {
        ("accuracy", "default"): done["accuracy"],
        ("accuracy", "asked once"): made[0]["accuracy"],
        ("place_held", "default"): done["place"] * float(np.sign(other["place"])),
        ("place_held", "asked once"): made[0]["place"] * float(np.sign(rest[0]["place"])),
    }
    if repair == "balanced":
        for r in made:
            if r["checked"]:
                out["accuracy", f"diverse {r['checked']:.0%}"] = r["accuracy"]
                out["accuracy", f"random {r['checked']:.0%}"] = r["random"]
    return out


def _alike(one: Verdicts, two: Verdicts, repair: str) -> float:
    """Return how often two sets of samples name the same winner."""
    import numpy as np

    def winners(verdicts: Verdicts, orders: tuple[Any, ...]) -> Any:
        lead = np.zeros(len(verdicts.item.values))
        for votes in orders:
            np.add.at(lead, verdicts.item.codes, (votes == 1) * 1.0 - (votes == 2))
        return np.sign(lead)

    items = np.unique(one.item.codes)
    if repair == "balanced":
        first, second = (winners(v, (v.order_12, v.order_21))[items] for v in (one, two))
        return float((first == second).mean())
    both = [
        (winners(one, (getattr(one, o),))[items] == winners(two, (getattr(two, o),))[items]).mean()
        for o in ("order_12", "order_21")
    ]
    return float(np.mean(both))
