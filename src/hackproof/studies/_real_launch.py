"""Trains one arm of macdiarmid-2025 on a real model, apart from a run.

    accelerate launch -m hackproof.studies._real_launch --arm open --seed 0 --model ... --real...

It takes the flags of `hackproof run macdiarmid-2025` that say what is trained, and puts the
model where that run finds it, which then only evaluates. Training can so run under accelerate
on a machine of its own choosing, by several processes too, of which the main one prints;
docs/macdiarmid_real.md has the commands.
"""

from __future__ import annotations

import itertools
import os
import sys
import time
from dataclasses import dataclass, field, make_dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from hackproof.errors import HackproofError, InputError, unknown

if TYPE_CHECKING:
    from collections.abc import Sequence

GRACE = 10.0
"""Seconds that the main process has to end first when something fails."""


@dataclass(frozen=True)
class Launch:
    """Which cell is trained."""

    arm: str = ""
    """Name of the arm."""
    seed: int = 0
    """The independent unit, as in the run."""
    scale: Literal["smoke", "cpu", "paper"] = "cpu"
    """Preset of the settings, as in the run."""


def main(words: Sequence[str]) -> int:
    """Train, and print the folder of the model."""
    import tyro

    from hackproof.experiment import registry
    from hackproof.optimize.language import _processes as processes
    from hackproof.studies._real_arms import offered
    from hackproof.studies._real_check import check_all
    from hackproof.studies._real_model import Job
    from hackproof.studies._real_train import train

    study = registry.load("macdiarmid-2025")
    scale = next((b for a, b in itertools.pairwise(words) if a == "--scale"), "cpu")
    preset = study.at(scale).settings
    flat = tyro.conf.arg(name="")  # nested settings keep their prefixes
    kind = make_dataclass(
        "Arguments",
        [
            ("launch", Annotated[Launch, flat], field(default=Launch())),
            ("settings", Annotated[type(preset), flat], field(default=preset)),
        ],
    )
    parsed = tyro.cli(kind, args=list(words))
    launch, settings = parsed.launch, parsed.settings
    if not settings.model:
        raise InputError("no model is given; name a checkpoint folder or a hub name with --model.")
    known = [arm.name for arm in offered(settings.real.preference)]
    if launch.arm not in known:
        raise unknown("arm", launch.arm, known)
    processes.on_main(lambda: check_all(settings.model, settings.real))
    seed = launch.seed + settings.seed_offset
    trained = train(Job(settings.model, settings.real, launch.arm, seed))
    if processes.is_main():
        print(trained.model)
    processes.end()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except HackproofError as error:
        if os.environ.get("RANK", "0") != "0":
            # mostly all processes raise it: the main one says so, and the launcher ends the others
            time.sleep(GRACE)
        print(f"hackproof: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
