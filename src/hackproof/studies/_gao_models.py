"""Small reward models on preference pairs, and exact policies over a pool of answers."""

from __future__ import annotations

import functools
import os
import re
import zlib
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from hackproof.errors import InputError

WORD = re.compile(r"[a-z']+|[0-9]+|[^\sa-z0-9]")
WIDTH = 2_048
"""Hashed features of an answer; a proxy sees the first `size` of a random order of them."""
VOCABULARY = 400


@dataclass(frozen=True)
class Pool:
    """Answers and who was preferred to whom."""

    features: Any
    """(answers, WIDTH): square roots of hashed counts of words and pairs of words."""
    chosen: Any
    """(pairs,): rows of the answers that people chose."""
    rejected: Any


@functools.lru_cache(maxsize=4)
def pool(data: str, pairs: int, seed: int) -> Pool:
    """Return a file's pairs, or, where none is named, pairs drawn from a made-up taste.

    Raises:
        InputError: the file cannot be used.
    """
    import numpy as np

    if data:
        from hackproof.audit._preferences._read import read
        from hackproof.audit._preferences._text import split

        found = read(os.path.expandvars(data), text=False, keep=True)
        if found.sides is None:
            raise InputError(f"{data} has no texts.")
        one, two = ([split(v)[1] for v in side] for side in found.sides)
        texts = list(dict.fromkeys(one + two))
        place = {t: i for i, t in enumerate(texts)}
        chosen, rejected = (np.array([place[t] for t in side]) for side in (one, two))
        features = np.stack([hashed(t) for t in texts])
    else:
        rng = np.random.default_rng([seed, 7])
        taste = rng.standard_normal(VOCABULARY) * (rng.random(VOCABULARY) < 0.2)
        words = [rng.zipf(1.3, size=int(rng.integers(10, 80))) % VOCABULARY
                 for _ in range(2 * pairs)]  # fmt: skip
        features = np.stack([hashed(" ".join(f"w{'x' * (w // 26)}{chr(97 + w % 26)}" for w in ws))
                             for ws in words])  # fmt: skip
        worth = np.array([taste[w].sum() / np.sqrt(len(w)) for w in words])
        first = rng.random(pairs) < 1 / (1 + np.exp(worth[1::2] - worth[::2]))
        even = np.arange(pairs) * 2
        chosen, rejected = np.where(first, even, even + 1), np.where(first, even + 1, even)
    return Pool(features, chosen, rejected)


def hashed(text: str) -> Any:
    """Return the features of an answer."""
    import numpy as np

    words = WORD.findall(text.lower())
    out = np.zeros(WIDTH)
    for token in (*words, *(f"{a} {b}" for a, b in pairwise(words))):
        out[zlib.crc32(token.encode()) % WIDTH] += 1
    return np.sqrt(out)


def trained(chosen: Any, rejected: Any, decay: float) -> Any:
    """Return weights of a linear reward model: logistic regression on differences, with decay.

    Args:
        chosen: Features, (pairs, features).
        rejected: The same.
        decay: Of the squared weights, as if that many pairs spoke against each.
    """
    import numpy as np
    from scipy.optimize import minimize
    from scipy.special import expit

    x = chosen - rejected

    def loss(w: Any) -> tuple[float, Any]:
        lead = x @ w
        value = np.logaddexp(0, -lead).sum() + decay / 2 * (w @ w)
        return float(value), -x.T @ expit(-lead) + decay * w

    found = minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B")
    return found.x


@dataclass(frozen=True)
class Scored:
    """Answers that no proxy was trained on, scored: standardised over them."""

    gold: Any
    proxy: Any
    agreement: float
    """How often both order two of them alike."""


@functools.lru_cache(maxsize=4)
def gold_weights(data: str, pairs: int, seed: int, decay: float) -> Any:
    """Return the gold model: trained on all pairs."""
    made = pool(data, pairs, seed)
    return trained(made.features[made.chosen], made.features[made.rejected], decay)


@functools.lru_cache(maxsize=64)
def scored(
    data: str, pairs: int, seed: int, decay: float, labels: int, share: float, size: float
) -> Scored:
    """Train a proxy on labels of the gold model and score the other half of the answers.

    Args:
        data: As for `pool`.
        pairs: As for `pool`.
        seed: Of the halves, the labels and the features seen; of the pairs too where made up.
        decay: Of both models' weights.
        labels: Pairs that are labelled.
        share: Of them that the proxy is trained on.
        size: Share of the features that it sees.
    """
    import numpy as np

    own = 0 if data else seed
    made, weights = pool(data, pairs, own), gold_weights(data, pairs, own, decay)
    gold = made.features @ weights
    rng = np.random.default_rng([seed, 1])
    order = rng.permutation(len(gold))
    train, test = order[: len(gold) // 2], order[len(gold) // 2 :]
    drawn = train[rng.integers(len(train), size=(labels, 2))]
    first = rng.random(labels) < 1 / (1 + np.exp(gold[drawn[:, 1]] - gold[drawn[:, 0]]))
    better = np.where(first, drawn[:, 0], drawn[:, 1])[: round(share * labels)]
    worse = np.where(first, drawn[:, 1], drawn[:, 0])[: round(share * labels)]
    x = made.features[:, rng.permutation(WIDTH)[: round(size * WIDTH)]]
    proxy = x[test] @ trained(x[better], x[worse], decay)
    gold, proxy = ((v - v.mean()) / (v.std() or 1.0) for v in (gold[test], proxy))
    alike = (proxy[:-1] > proxy[1:]) == (gold[:-1] > gold[1:])
    return Scored(gold, proxy, float(alike.mean()))


def best_of_n(proxy: Any, n: float) -> Any:
    """Return the probability of each answer under best-of-n from the uniform policy, n real.

    Args:
        proxy: Scores, (answers,); ties are broken by order.
        n: At least 1.
    """
    import numpy as np

    total = len(proxy)
    rank = np.empty(total)
    rank[np.argsort(proxy, kind="stable")] = np.arange(1, total + 1)
    return (rank / total) ** n - ((rank - 1) / total) ** n


def tilted(proxy: Any, strength: float) -> Any:
    """Return the policy that RL with a KL penalty of 1 / strength ends at: the uniform policy times
    exp(strength * proxy), normalised.
    """
    import numpy as np

    lead = strength * (proxy - proxy.max())
    p = np.exp(lead)
    return p / p.sum()


def kl(policy: Any) -> float:
    """Return the KL, in nats, of a policy from the uniform one."""
    import numpy as np

    p = policy[policy > 0]
    return float((p * np.log(p * len(policy))).sum())


def at_kl(proxy: Any, method: str, target: float) -> Any:
    """Return the policy of a method whose KL from the uniform policy is `target` nats."""
    import numpy as np
    from scipy.optimize import brentq

    if target <= 0:
        return np.full(len(proxy), 1 / len(proxy))
    make = best_of_n if method == "best-of-n" else tilted
    low, high = (1.0, 2.0) if method == "best-of-n" else (0.0, 1.0)
    while kl(make(proxy, high)) < target:
        low, high = high, 2 * high
        if high > 1e9:
            raise InputError(
                f"no {method} policy over {len(proxy)} answers has a KL of {target:g}."
            )
    found = brentq(lambda v: kl(make(proxy, v)) - target, low, high, xtol=1e-10)
    return make(proxy, float(found))  # pyright: ignore[reportArgumentType]
