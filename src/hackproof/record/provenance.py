"""Where a number came from: versions, machine and code."""

from __future__ import annotations

import ast
import hashlib
import os
import platform
import subprocess
import sys
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

DISTRIBUTIONS = (
    "hackproof", "jax", "jaxlib", "equinox", "optax", "numpy", "scipy", "pyarrow", "gymnasium",
    "stable-baselines3", "torch", "transformers", "trl", "peft", "inspect-ai", "ray",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Return the versions of Python and of the installed libraries that decide numbers."""
    found = {"python": platform.python_version()}
    for name in DISTRIBUTIONS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """Return the processor, its cores, the memory and the system; no host name, no path."""
    model = platform.processor() or platform.machine()
    if (cpuinfo := Path("/proc/cpuinfo")).exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "memory_gib": round(memory, 1),
        "system": f"{platform.system()} {platform.machine()}",
    }


def git_state(folder: Path | None = None) -> dict[str, Any]:
    """Return the commit of the code and whether it was changed since; empty outside git."""
    where = folder or Path(__file__).parent

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", "-C", str(where), *words],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        ).stdout.strip()

    try:
        # An installed copy inside some other project's checkout is not that project's code.
        if not git("ls-files", "--", str(where)):
            return {}
        return {
            "commit": git("rev-parse", "HEAD"),
            "dirty": bool(git("status", "--porcelain", "--untracked-files=no", "--", str(where))),
        }
    except (OSError, subprocess.SubprocessError):
        return {}


RETOLD = ("CLAIMS", "FIGURES", "ARM_METRICS", "READING")
"""What a study's file may assign without making its saved measurements stale: claims are judged
and figures are drawn anew from them, and what to read from them is written after they are."""


def code_digest(path: Path) -> str:
    """Return the SHA-256 of what a Python file measures: its syntax tree, less prose and claims.

    Comments, docstrings and layout do not change it, nor does what is assigned to a name of
    `RETOLD`.
    """
    tree = ast.parse(path.read_text())
    tree.body = [s for s in tree.body if not any(_assigns(s, name) for name in RETOLD)]
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        node.body = [
            s
            for s in node.body
            if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))
        ]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def _assigns(statement: ast.stmt, name: str) -> bool:
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    if isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    return any(isinstance(t, ast.Name) and t.id == name for t in targets)


def loaded_code(rooms: tuple[str, ...]) -> dict[str, str]:
    """Return the digests of the loaded modules of hackproof's `rooms`, by module name.

    A package's `__init__` names what it exports and measures nothing; it is left out, so that
    a new function beside a study's own does not make the study's results stale. So are modules
    named `*_claims` and `*_figures`, for the reason that `code_digest` gives.
    """
    prefixes = tuple(f"hackproof.{room}." for room in rooms)
    digests = {}
    for name, module in sorted(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if not f"{name}.".startswith(prefixes) or not file or file.endswith("__init__.py"):
            continue
        if file.endswith(".py") and not name.endswith(("_claims", "_figures")):
            digests[name] = _kept_digest(Path(file), os.stat(file).st_mtime_ns)
    return digests


@lru_cache(maxsize=1024)
def _kept_digest(path: Path, changed: int) -> str:
    """Return `code_digest`, once for each state of a file: every cell asks for all of them."""
    return code_digest(path)
