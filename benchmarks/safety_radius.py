"""The exact safety radius of gridworlds whose policies no one can enumerate.

    python benchmarks/safety_radius.py [--quick]

4 actions, gamma 0.9, L 0.5, start in one corner; reward 1 in the opposite one, or normal random
rewards. Data: uniform over pairs, or the visits of the optimal policy mixed with 20% uniform.
One core, one thread; wall seconds of one call of `safety_radius`, and the gap that was left
when its time was up. Writes benchmarks/results/safety_radius.csv as it goes.
"""

from __future__ import annotations

import csv
import os
import sys
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

import numpy as np  # noqa: E402

from hackproof.record.provenance import machine  # noqa: E402
from hackproof.theory import TabularMDP, occupancy, optimal_policy, safety_radius  # noqa: E402

TABLE = Path(__file__).parent / "results/safety_radius.csv"
CASES = (
    # size, slip, reward, data, method, limit, target seconds
    (4, 0.0, "goal", "uniform", "enumerate", None, None),
    (4, 0.0, "goal", "uniform", "milp", 60.0, None),
    (6, 0.0, "goal", "uniform", "milp", 60.0, None),
    (8, 0.0, "goal", "uniform", "milp", 60.0, None),
    (10, 0.0, "goal", "uniform", "milp", 60.0, 60.0),
    (10, 0.0, "goal", "policy", "milp", 60.0, 60.0),
    (6, 0.0, "random", "uniform", "milp", 60.0, None),
    (8, 0.0, "random", "uniform", "milp", 60.0, 60.0),
    (4, 0.1, "goal", "uniform", "milp", 60.0, None),
    (6, 0.1, "goal", "uniform", "milp", 60.0, 30.0),
    (15, 0.0, "goal", "uniform", "milp", 60.0, None),
)
MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))


def grid(size: int, slip: float, reward: str) -> TabularMDP:
    """Return a gridworld; a move off the board stays, a slip goes to a side."""
    P = np.zeros((size * size, 4, size * size))

    def target(s: int, move: int) -> int:
        row, column = (x + d for x, d in zip(divmod(s, size), MOVES[move], strict=True))
        return row * size + column if 0 <= row < size and 0 <= column < size else s

    for s in range(size * size):
        for a in range(4):
            P[s, a, target(s, a)] += 1 - slip
            for side in ((a + 1) % 4, (a - 1) % 4):
                P[s, a, target(s, side)] += slip / 2
    R = np.zeros((size * size, 4))
    R[-1] = 1.0
    if reward == "random":
        R = np.random.default_rng(0).normal(size=R.shape)
    return TabularMDP(P, R, 0.9, np.eye(size * size)[0])


def data(mdp: TabularMDP, kind: str) -> np.ndarray:
    """Return the data distribution."""
    uniform = np.full(mdp.R.shape, 1 / mdp.R.size)
    if kind == "uniform":
        return uniform
    visits = (1 - mdp.gamma) * occupancy(mdp, optimal_policy(mdp))
    return 0.8 * visits + 0.2 * uniform


if __name__ == "__main__":
    rows = []
    for size, slip, reward, kind, method, limit, target in CASES:
        if "--quick" in sys.argv and size > 6:
            continue
        mdp = grid(size, slip, reward)
        D = data(mdp, kind)
        began = time.monotonic()
        found = safety_radius(mdp, D, 0.5, method, limit)
        seconds = time.monotonic() - began
        row = {
            "size": f"{size}x{size}", "slip": slip, "reward": reward, "data": kind,
            "method": method, "seconds": round(seconds, 2), "target_s": target,
            "lower": found.lower, "upper": found.upper, "exact": found.exact,
            "gap": round(1 - found.lower / found.upper, 4) if found.upper else 0.0,
            "machine": machine()["processor"],
        }  # fmt: skip
        rows.append(row)
        print(row, flush=True)
        if "--quick" not in sys.argv:
            with TABLE.open("w", newline="") as file:
                writer = csv.DictWriter(file, rows[0])
                writer.writeheader()
                writer.writerows(rows)
