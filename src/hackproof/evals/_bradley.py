"""Bradley and Terry's strengths from pairwise verdicts."""

from __future__ import annotations

from typing import Any


def bradley_terry(wins: Any, prior: float = 0.1) -> Any:
    """Return strengths s, of mean 0, by maximum likelihood: P(i over j) = 1 / (1 + exp(s_j - s_i)).

    Args:
        wins: (n, n), how often i won over j; a tie is half a win for each. The diagonal is not
            looked at.
        prior: Wins and losses that everybody has against a player of strength 0, so that who wins
            always has a finite strength.

    Source: Bradley and Terry, Biometrika 39 (1952), https://doi.org/10.2307/2334029; the iteration
    is Hunter's, Annals of Statistics 32 (2004), https://doi.org/10.1214/aos/1079120141
    """
    import numpy as np

    wins = np.array(wins, dtype=float)
    if wins.ndim != 2 or wins.shape[0] != wins.shape[1] or (wins < 0).any():
        raise ValueError(f"wins has the shape {wins.shape}; it must be square, and not negative.")
    np.fill_diagonal(wins, 0)
    games, won = wins + wins.T, wins.sum(1) + prior
    strength = np.ones(len(wins))
    for _ in range(10_000):
        each = games / (strength[:, None] + strength[None, :])
        new = won / (each.sum(1) + 2 * prior / (strength + 1))
        done = np.abs(np.log(new) - np.log(strength)).max(initial=0) < 1e-10
        strength = new
        if done:
            break
    log = np.log(strength)
    return log - log.mean()
