"""Several processes that train one model together, as `accelerate launch` starts them.

Each process has the whole model (data parallel). The main one alone locks and writes; what it
decides is told to the others, which wait for it meanwhile. With one process nothing here does
anything, and torch's distributed package is not touched.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from hackproof.errors import HackproofError, InputError
from hackproof.record.files import locked

T = TypeVar("T")

LONGEST_WAIT = 7 * 24 * 3600.0
"""Seconds to wait for the main process, or for another one that trains the same."""
_SHARDED = ("ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED")

_inside: list[bool] = []
"""Not empty while `on_main` calls a function, which is alone then."""


def count() -> int:
    """Return how many processes train together; 1 within a function that `on_main` calls.

    Raises:
        InputError: the processes were started to share one model's weights out.
    """
    return 1 if _inside or not _launched() else _state().num_processes


def is_main() -> bool:
    """Return whether this process is the one that locks and writes."""
    return count() == 1 or _state().is_main_process


def device() -> Any:
    """Return the device of this process among several; None where it was started alone."""
    return _state().device if _launched() else None


def on_main(function: Callable[[], T]) -> T:
    """Call a function in the main process only, and return in all what it returned there.

    The function is alone: `count` is 1 while it runs, since the others wait.

    Args:
        function: What it returns must be such that it can be pickled.

    Raises:
        HackproofError: the function raised it; so do all processes. After any other exception
            the main process ends, and the launcher ends the others.
    """
    if count() == 1:
        return function()
    from torch import distributed

    told: list[Any] = [None]
    if is_main():
        _inside.append(True)
        try:
            told = [(function(), None)]
        except HackproofError as error:
            told = [(None, error)]
        finally:
            _inside.pop()
    distributed.broadcast_object_list(told, src=0, group=_group())
    value, error = told[0]
    if error is not None:
        raise error
    return value


def gathered(value: T) -> list[T]:
    """Return every process's value, in order of the processes; the same list in all."""
    if count() == 1:
        return [value]
    from torch import distributed

    values: list[Any] = [None] * count()
    distributed.all_gather_object(values, value, group=_group())
    return values


def wait() -> None:
    """Wait until every process is here."""
    gathered(None)


@contextmanager
def locked_by_main(folder: Path, wait: float = 0.0) -> Iterator[None]:
    """Hold a folder's lock in the main process; the others begin once it is held.

    Raises:
        RunError: as `locked`, in every process.
    """
    with ExitStack() as stack:
        on_main(lambda: stack.enter_context(locked(folder, wait)))
        yield


def end() -> None:
    """Take leave of the other processes, as the last thing that is done."""
    if _launched():
        wait()
        _state().destroy_process_group()


def _launched() -> bool:
    """Return whether a launcher started this process as one of several."""
    return "LOCAL_RANK" in os.environ and int(os.environ.get("WORLD_SIZE", "1")) > 1


def _state() -> Any:
    """Return accelerate's view of the processes; the first call meets the others."""
    import torch
    from accelerate import PartialState
    from accelerate.utils import parse_flag_from_env

    if any(parse_flag_from_env(name) for name in _SHARDED):
        raise InputError(
            "the processes were started under FSDP or DeepSpeed, which share a model's weights "
            "out. Start them with accelerate launch --multi_gpu: each then has the whole model."
        )
    # accelerate takes processes on a CPU for single ones unless it is told
    on_cpu = parse_flag_from_env("ACCELERATE_USE_CPU") or not torch.accelerator.is_available()
    return PartialState(cpu=on_cpu)


@cache
def _group() -> Any:
    """Return the group that waits and messages go through.

    It is apart from the one of the gradients, whose short time-out finds a device that died,
    where these may wait for the hours that a stage takes.
    """
    from torch import distributed

    _state()
    return distributed.new_group(backend="gloo", timeout=timedelta(seconds=LONGEST_WAIT))
