"""Where cells run: this machine, or a Ray cluster, behind one small interface."""

from __future__ import annotations

from hackproof.errors import InputError, unknown
from hackproof.experiment.engines._local import Local, cores
from hackproof.experiment.engines._task import Engine, Outcome, Task

__all__ = ["Engine", "Local", "Outcome", "Task", "cores", "make"]


def make(name: str, workers: int | None = None, address: str | None = None) -> Engine:
    """Return the engine of that name.

    Args:
        name: local or ray.
        workers: Processes; as many as there are cores where None.
        address: Of a Ray cluster; only for ray.

    Raises:
        InputError: an unknown engine, a negative number of workers, or an address for an
            engine that has none.
    """
    if workers is not None and workers < 0:
        raise InputError(f"--workers is {workers}; it must be at least 0.")
    if name == "local":
        if address:
            raise InputError("--address is for --engine ray; the local engine has none.")
        return Local(workers)
    if name == "ray":
        from hackproof.experiment.engines._ray import Ray

        return Ray(workers, address)
    raise unknown("engine", name, ["local", "ray"])
