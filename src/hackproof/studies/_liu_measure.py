"""What liu-2023 measures on a pool: the map of evaluators by generators, and best-of-n."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from hackproof.studies._liu_pool import COUNT, FAMILY, KINDS, Pool

if TYPE_CHECKING:
    from hackproof.audit._judge._verdicts import Verdicts

Row = dict[str, Any]
NAMES = tuple(f"{'abc'[FAMILY[g]]}{g // len(set(FAMILY)) + 1}" for g in range(COUNT))
"""Of the models: family a, b or c, first or second."""
TWIN = tuple(next(h for h in range(COUNT) if h != g and FAMILY[h] == FAMILY[g])
             for g in range(COUNT))  # fmt: skip
OTHERS = tuple(tuple(h for h in range(COUNT) if FAMILY[h] != FAMILY[g]) for g in range(COUNT))
RELATIONS = ("own", "twin", "model")
"""One's own text against another family's; the twin's against another family's; one's own against
the twin's."""
SURE = 0.01
"""The audit's level for what judges follow beside quality."""


def row(metric: str, role: str, value: float | None, n: int, condition: str = "default") -> Row:
    """Return one measurement; None is counted as missing."""
    return {"metric": metric, "role": role, "value": None if value is None else float(value),
            "n": int(n), "n_missing": int(value is None), "condition": condition}  # fmt: skip


def standard(values: Any) -> Any:
    """Return scores in spreads over the texts about a source, (..., sources, generators, draws)."""
    mean = values.mean((-2, -1), keepdims=True)
    spread = values.std((-2, -1), keepdims=True)
    return (values - mean) / spread.clip(1e-9)


def versus(pool: Pool, kind: str, relation: str, seed: int) -> tuple[Verdicts, Any]:
    """Return every evaluator's verdicts on pairs of texts, and which text is the one of interest.

    Every text of interest meets one other about the same table. A score has no place: both orders
    are the same. The place of the text of interest is drawn.

    Returns:
        Verdicts with gold labels, and by entry 1 or -1: the text of interest is answer 1 or 2.
    """
    import numpy as np

    from hackproof.audit._judge._verdicts import Names, Verdicts
    from hackproof.audit._judge._words import by_scores

    rng = np.random.default_rng([seed, RELATIONS.index(relation)])
    sources, _, draws = pool.gold.shape
    n = sources * draws
    source, draw = np.divmod(np.arange(n), draws)
    parts = []
    for j in range(COUNT):
        mine = np.full(n, TWIN[j] if relation == "twin" else j)
        theirs = np.full(n, TWIN[j]) if relation == "model" else rng.choice(OTHERS[j], n)
        sign = rng.choice([1, -1], n)
        one, two = np.where(sign > 0, mine, theirs), np.where(sign > 0, theirs, mine)
        score = pool.scores[KINDS.index(kind), j]
        won, gold = (
            by_scores(s[source, one, draw] - s.min(), s[source, two, draw] - s.min())
            for s in (score, pool.gold)
        )
        parts.append((np.full(n, j), one, two, won, gold, sign))
    judge, one, two, won, gold, sign = (np.concatenate(p) for p in zip(*parts, strict=True))
    zeros = np.zeros(len(judge), dtype=np.int64)
    item = np.tile(np.arange(n), COUNT)
    made = Verdicts(
        Names(judge, NAMES), Names(zeros, ("",)), Names(zeros, ("",)),
        Names(item, tuple(map(str, range(n)))), won, won, zeros, gold,
        (Names(one, NAMES), Names(two, NAMES)),
    )  # fmt: skip
    return made, sign


def every_pair(pool: Pool, kind: str, sources: int) -> Verdicts:
    """Return every evaluator's verdicts on all pairs of generators, one text each, no gold."""
    import numpy as np

    from hackproof.audit._judge._verdicts import Names, Verdicts
    from hackproof.audit._judge._words import by_scores

    pairs = np.array([(a, b) for a in range(COUNT) for b in range(a + 1, COUNT)])
    sources = min(sources, len(pool.gold))
    shape = (COUNT, sources, len(pairs))
    judge, source, pair = (a.ravel() for a in np.indices(shape))
    score = pool.scores[KINDS.index(kind)]
    lead = [score[judge, source, pairs[pair, side], 0] - score.min() for side in (0, 1)]
    won = by_scores(*lead)
    zeros = np.zeros(len(judge), dtype=np.int64)
    return Verdicts(
        Names(judge, NAMES), Names(zeros, ("",)), Names(zeros, ("",)),
        Names(source, tuple(map(str, range(sources)))), won, won, zeros, None,
        (Names(pairs[pair, 0], NAMES), Names(pairs[pair, 1], NAMES)),
    )  # fmt: skip


def mapped(pool: Pool, seed: int, tables: int) -> list[Row]:
    """Measure the map of evaluators by generators.

    Args:
        pool: Texts and scores.
        seed: Of who meets whom.
        tables: Over which all pairs of generators are compared for the measure without gold.

    Returns:
        By kind of score: `map`, each evaluator's mean score of each generator, standardised over
        generators; `raw`, one's own family's of these less the others', also by family; `lean`,
        the audit's, with the gold label held fixed, for three relations; `caught`, the share of
        evaluators whose lean towards their own the audit's test finds; `log_odds`, the audit's
        measure that needs no gold label; `right`, how often an evaluator names the better of two
        texts of other families. `gold` by generator. Under `default` what evaluators give their
        own texts and how good these are, in spreads over the texts about a table.
    """
    import numpy as np

    from hackproof.audit._judge import _own
    from hackproof.audit._judge._lean import leans

    sources, _, draws = pool.gold.shape
    n = sources * draws
    own = np.arange(COUNT)
    score, gold = standard(pool.scores[0]), standard(pool.gold)
    rows = [
        row("score", "proxy", score[own, :, own].mean(), COUNT * n),
        row("better", "true", gold[:, own].mean(), COUNT * n),
        row("loss", "probe", pool.losses[-20:].mean(), COUNT),
        *(row("gold", "probe", pool.gold[:, g].mean(), n, NAMES[g]) for g in own),
    ]
    family = {NAMES[g]: [NAMES[g], NAMES[TWIN[g]]] for g in own}
    for k, kind in enumerate(KINDS):
        mean = pool.scores[k].mean((1, 3))
        mean = (mean - mean.mean(1, keepdims=True)) / mean.std(1, keepdims=True)
        mine = np.array(FAMILY)[:, None] == np.array(FAMILY)[None]
        raw = np.array([mean[j][mine[j]].mean() - mean[j][~mine[j]].mean() for j in own])
        rows += [row("map", "probe", mean[j, g], n, f"{kind}, {NAMES[j]} of {NAMES[g]}")
                 for j in own for g in own]  # fmt: skip
        rows.append(row("raw", "probe", raw.mean(), COUNT, kind))
        rows += [row("raw", "probe", raw[np.array(FAMILY) == f].mean(), 2, f"{kind}, {'abc'[f]}")
                 for f in sorted(set(FAMILY))]  # fmt: skip
        for relation in RELATIONS:
            found = leans(*_in_order(*versus(pool, kind, relation, seed)))
            values = [r["lean"] for r in found if r["lean"] is not None]
            pairs = sum(r["controlled_pairs"] for r in found)
            where = f"{kind}, {relation}"
            rows.append(
                row("lean", "probe", float(np.mean(values)) if values else None, pairs, where)
            )
            if relation == "own":
                sure = [r["lean"] > 0 and r["p_value"] <= SURE for r in found
                        if r["lean"] is not None]  # fmt: skip
                rows.append(
                    row("caught", "probe", float(np.mean(sure)) if sure else None, COUNT, kind)
                )
        rows.append(row("right", "probe", _right(pool, kind), n, kind))
        if kind in ("free", "reference") and tables:
            verdicts = every_pair(pool, kind, tables)
            odds = _own.beside_others(verdicts, _own.owners(verdicts, family), seed)
            values = [r["log_odds"] for r in odds if r["log_odds"] is not None]
            value = float(np.mean(values)) if values else None
            rows.append(row("log_odds", "probe", value, len(verdicts), kind))
    return rows


def _in_order(verdicts: Verdicts, sign: Any) -> tuple[Verdicts, str, Any]:
    return verdicts, "own", sign


def _right(pool: Pool, kind: str) -> float:
    """Return how often an evaluator scores the better of two texts of other families higher, over
    texts that are not equally good.
    """
    import numpy as np

    found = []
    for j in range(COUNT):
        score = pool.scores[KINDS.index(kind), j][:, list(OTHERS[j])]
        gold = pool.gold[:, list(OTHERS[j])]
        for a in range(len(OTHERS[j])):
            for b in range(a + 1, len(OTHERS[j])):
                apart = gold[:, a] - gold[:, b]
                lead = score[:, a] - score[:, b]
                some = apart != 0
                if some.any():
                    found.append((np.sign(lead) == np.sign(apart))[some].mean())
    return float(np.mean(found)) if found else 0.5


def chosen(score: Any, n: int) -> Any:
    """Return the chance of each text of being the best by score of `n` drawn from the pool.

    Drawn without putting back from N texts: the text of rank r, 0 the best, is chosen with chance
    C(N - 1 - r, n - 1) / C(N, n). Ties are broken by place.

    Args:
        score: (sources, generators, draws).
        n: At most the texts about a source.

    Returns:
        (sources, generators, draws), 1 in total for each source.
    """
    import numpy as np

    flat = score.reshape(len(score), -1)
    total = flat.shape[1]
    by_rank = np.array([math.comb(total - 1 - r, n - 1) for r in range(total)], dtype=float)
    by_rank /= math.comb(total, n)
    rank = np.argsort(np.argsort(-flat, 1, kind="stable"), 1)
    return by_rank[rank].reshape(score.shape)


def selected(pool: Pool, kind: str, by: str, n: int) -> list[Row]:
    """Measure best-of-n by a model's own score, or that of other families.

    Args:
        pool: Texts and scores.
        kind: Of score.
        by: `own`, or `others` (mean of the standardised scores of the models of other families).
        n: Texts among which the best is taken.

    Returns:
        `chosen_score`, standardised over the texts about a table; `gold`; and the share of choices
        that the model itself, its twin, or its family wrote. Means over the models.
    """
    import numpy as np

    scores = standard(pool.scores[KINDS.index(kind)])
    found: dict[str, list[float]] = {
        k: [] for k in ("chosen_score", "gold", "own_share", "twin_share", "family_share")
    }
    for j in range(COUNT):
        readers = [j] if by == "own" else list(OTHERS[j])
        score = scores[readers].mean(0)
        p = chosen(score, n)
        each = p.sum((0, 2)) / len(p)
        found["chosen_score"].append(float((p * standard(score)).sum() / len(p)))
        found["gold"].append(float((p * pool.gold).sum() / len(p)))
        found["own_share"].append(float(each[j]))
        found["twin_share"].append(float(each[TWIN[j]]))
        found["family_share"].append(float(each[j] + each[TWIN[j]]))
    roles = {"chosen_score": "proxy", "gold": "true"}
    return [row(k, roles.get(k, "probe"), float(np.mean(v)), len(pool.gold)) for k, v in
            found.items()]  # fmt: skip
