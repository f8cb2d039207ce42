"""A study that takes milliseconds: what the tests of the mechanism run."""

from __future__ import annotations

import os
import random
import signal
import time
from dataclasses import dataclass

from hackproof.experiment import Arm, Axis, Cell, CellResult, Claim, Paper, Scale, Study, change


@dataclass(frozen=True)
class Settings:
    """Settings of the toy."""

    levels: tuple[int, ...] = (1, 2, 4)
    """Levels of pressure."""
    seconds: float = 0.0
    """How long a cell takes."""
    noise: float = 0.01
    """Spread over seeds."""
    fail: str = ""
    """How the cell (hacks, 2, seed 0) fails: raise, kill, exit, nan, or not at all."""
    marker: str = ""
    """File that, where it exists, lets the failing cell pass."""


def measure(settings: Settings, cell: Cell) -> CellResult:
    """Return a proxy that rises, and a true reward that falls on the arm `hacks`."""
    time.sleep(settings.seconds)
    rng = random.Random(f"{cell.arm}/{cell.level}/{cell.seed}")
    broken = (cell.arm, cell.level, cell.seed) == ("hacks", 2, 0)
    value = cell.level + rng.gauss(0, settings.noise)
    if broken and settings.fail and not os.path.exists(settings.marker):
        if settings.fail == "raise":
            raise ValueError("the toy broke on purpose")
        if settings.fail == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if settings.fail == "exit":
            os._exit(7)
        value = float("nan")
    sign = -1 if cell.arm == "hacks" else 1
    rows = []
    for step in (0, 10):
        reached = value * step / 10
        rows += [
            {"metric": "paid", "role": "proxy", "value": reached, "n": 3, "step": step},
            {"metric": "meant", "role": "true", "value": sign * reached, "n": 3, "step": step},
            {"metric": "seen", "role": "probe", "value": 0.5, "n": 3, "step": step},
        ]
    return CellResult(rows, {f"policies/{cell.id}.npz": f"{value}".encode()})


STUDY = Study(
    name="toy",
    title="A toy",
    question="Does the proxy part from the true reward?",
    papers=(Paper("None", "https://example.org"),),
    cause="few dimensions dominate",
    axis=Axis("pressure", "Pressure", log=True),
    scales={"smoke": Scale(Settings(levels=(1, 2)), 2), "cpu": Scale(Settings(), 4)},
    arms=lambda settings: (
        Arm("hacks", "Hacks", "paid", "meant", "misweighting", factors={"margin": "1"}),
        Arm("serves", "Serves", "paid", "meant"),
    ),
    levels=lambda settings: settings.levels,
    measure=measure,
    claims=(
        Claim("falls", "The true reward falls.", "nowhere", "derived", "last minus first",
              change("hacks", "true"), "<"),
        Claim("wrong", "The true reward rises.", "nowhere", "derived", "last minus first",
              change("hacks", "true"), ">"),
        Claim("vague", "The proxy rises by more than three.", "nowhere", "derived",
              "last minus first", change("serves", "proxy"), ">", 3.0),
        Claim("hearsay", "The proxy rises.", "nowhere", "recalled", "last minus first",
              change("serves", "proxy"), ">"),
    ),
    cost=lambda settings, cell: settings.seconds + 0.01,
)  # fmt: skip
