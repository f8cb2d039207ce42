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
    from types import ModuleType

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


class _Environments:
    """An import hook: registers the worlds with gymnasium once that has been imported.

    Gymnasium has no entry point for environments, and importing it here would cost every
    command of the command line a quarter of a second.
    """

    @classmethod
    def find_spec(cls, name: str, path: Any = None, target: Any = None) -> Any:
        """Find gymnasium as everybody else does, and see to what happens after."""
        if name != "gymnasium":
            return None
        from importlib.util import find_spec

        sys.meta_path.remove(cls)
        spec = find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                _register()

            spec.loader.exec_module = exec_module
        return spec


def _register() -> None:
    from hackproof.adapters import gymnasium as _gymnasium  # noqa: F401


if "gymnasium" in sys.modules:
    _register()
else:
    sys.meta_path.insert(0, _Environments)
