"""Finding studies by name, by file, or in other packages by entry point.

A package adds a study with

    [project.entry-points."hackproof.studies"]
    my-study = "my_package.my_study:STUDY"

and hackproof's own studies are found the same way.
"""

from __future__ import annotations

import functools
import importlib.util
import sys
from importlib import metadata
from pathlib import Path

from hackproof.errors import InputError, unknown
from hackproof.experiment.study import Study

GROUP = "hackproof.studies"


@functools.cache
def entry_points() -> dict[str, metadata.EntryPoint]:
    """Return the registered studies by name, unloaded."""
    return {e.name: e for e in metadata.entry_points(group=GROUP)}


def names() -> list[str]:
    """Return the names of the registered studies."""
    return sorted(entry_points())


@functools.cache
def load(reference: str) -> Study:
    """Return the study that a name or a file stands for.

    Args:
        reference: A registered name, or FILE.py or FILE.py:ATTRIBUTE (STUDY by default).

    Raises:
        InputError: no such study (with the nearest name), no such file or attribute, or
            something else than a Study there.
    """
    path, _, attribute = reference.partition(":")
    if path.endswith(".py"):
        found = getattr(_module(Path(path)), attribute or "STUDY", None)
        where = f"{path}:{attribute or 'STUDY'}"
    elif reference in entry_points():
        entry = entry_points()[reference]
        where = entry.value
        try:
            found = entry.load()
        except Exception as error:
            package = entry.dist.name if entry.dist else "an unknown package"
            raise InputError(
                f"study {reference!r} of {package} cannot be loaded from {where}: "
                f"{type(error).__name__}: {error}"
            ) from error
    else:
        raise unknown("study", reference, names())
    if not isinstance(found, Study):
        raise InputError(f"{where} is {type(found).__name__}, not a hackproof Study.")
    return found


def reference(text: str) -> str:
    """Return a reference that means the same in a worker with another working folder."""
    path, colon, attribute = text.partition(":")
    return f"{Path(path).resolve()}{colon}{attribute}" if path.endswith(".py") else text


def _module(path: Path):
    if not path.is_file():
        raise InputError(f"there is no study file {path}.")
    # By its path, so that two files of one name do not meet.
    name = f"hackproof_user_study_{abs(hash(str(path.resolve())))}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up here
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise InputError(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    return module
