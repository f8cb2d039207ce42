"""A small language model, the corpus it is made from, and graded tasks.

Two kinds of tasks speak one protocol, `Environment`: the organism's short programs
(`Programs`, `RatedTasks`) and real coding problems for any model (`CodeEnvironment`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hackproof.language._environment import Environment, Grade, Prompt
from hackproof.language._model import SIZES, Pretraining
from hackproof.language._organism import Organism, cache_folder, make
from hackproof.language._prefixes import PREFIXES
from hackproof.language._settings import CorpusSettings
from hackproof.language._tasks import Programs, RatedTasks

if TYPE_CHECKING:
    from hackproof.language._code_environment import CodeEnvironment as CodeEnvironment
    from hackproof.language._code_harness import Holes as Holes
    from hackproof.language._code_harness import Verdict as Verdict
    from hackproof.language._code_harness import preload as preload
    from hackproof.language._code_prompts import ADDENDA as ADDENDA
    from hackproof.language._code_prompts import HINTS as HINTS
    from hackproof.language._code_submission import parse_submission as parse_submission
    from hackproof.language._code_tasks import CodeTask as CodeTask
    from hackproof.language._code_tasks import honest_failures as honest_failures
    from hackproof.language._code_tasks import load_tasks as load_tasks

__all__ = [
    "ADDENDA", "HINTS", "PREFIXES", "SIZES", "CodeEnvironment", "CodeTask", "CorpusSettings",
    "Environment", "Grade", "Holes", "Organism", "Pretraining", "Programs", "Prompt",
    "RatedTasks", "Verdict", "cache_folder", "honest_failures", "load_tasks", "make",
    "parse_submission", "preload",
]  # fmt: skip

_LATER = {
    "CodeEnvironment": "_code_environment",
    "Holes": "_code_harness",
    "ADDENDA": "_code_prompts",
    "HINTS": "_code_prompts",
    "CodeTask": "_code_tasks",
    "Verdict": "_code_harness",
    "honest_failures": "_code_tasks",
    "load_tasks": "_code_tasks",
    "parse_submission": "_code_submission",
    "preload": "_code_harness",
}


def __getattr__(name: str) -> Any:
    """Import the parts for real coding problems when they are first asked for."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"hackproof.language.{_LATER[name]}"), name)
