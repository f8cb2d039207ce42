"""hackproof: the test bench for reward functions.

It finds how a reward will be hacked before a model is trained on it, sees it while
training runs, prevents it, and measures what else it broke.

    import hackproof
    run = hackproof.run("pan-2022-glucose", scale="smoke")
    run.to_pandas()
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hackproof.errors import HackproofError
    from hackproof.experiment.runner import run
    from hackproof.record.run import Run

__version__ = "0.1.0"
__all__ = ["HackproofError", "Run", "__version__", "run"]

_WHERE = {
    "HackproofError": "hackproof.errors",
    "Run": "hackproof.record.run",
    "run": "hackproof.experiment.runner",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that importing hackproof is quick."""
    if name not in _WHERE:
        raise AttributeError(f"module 'hackproof' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_WHERE[name]), name)


if "gymnasium" in sys.modules:
    # `gymnasium.make("hackproof:hackproof/Glucose-v0")` imports hackproof, then looks for the id.
    from hackproof.adapters import gymnasium as _gymnasium  # noqa: F401
