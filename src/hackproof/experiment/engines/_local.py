"""Cells on this machine: a pool of spawned processes, one core each.

`concurrent.futures` gives up on every task when one worker is killed; here the cell of
a killed worker fails, its worker is replaced and the others go on. Workers die with
their parent (PR_SET_PDEATHSIG), so that nothing goes on writing after a kill.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from hackproof.experiment.engines._task import Outcome, Task, execute, prepare_worker


def cores() -> list[int]:
    """Return the cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


@dataclass
class Worker:
    """A process, its pipe and what it is doing."""

    process: BaseProcess
    pipe: Connection
    core: int
    task: Task | None = None


class Local:
    """A pool of `workers` processes; 0 runs the cells in this process, for debugging."""

    name = "local"

    def __init__(self, workers: int | None = None) -> None:
        """Use as many workers as this process may use cores, unless told otherwise."""
        self.workers = len(cores()) if workers is None else workers

    def run(self, tasks: Sequence[Task]) -> Iterator[Outcome]:
        """Yield outcomes as cells finish."""
        if self.workers == 0:
            yield from map(execute, tasks)
            return
        queue = deque(tasks)
        mine = cores()
        pool = [_start(mine[i % len(mine)]) for i in range(min(self.workers, len(tasks)))]
        try:
            for worker in pool:
                _give(worker, queue)
            while any(w.task for w in pool):
                ready = wait([x for w in pool if w.task for x in (w.pipe, w.process.sentinel)])
                for i, worker in enumerate(pool):
                    if worker.task is None or not {worker.pipe, worker.process.sentinel} & set(
                        ready
                    ):
                        continue
                    outcome = _take(worker)
                    if not worker.process.is_alive() or (
                        outcome.rows is None and not outcome.timing
                    ):
                        worker.process.kill()
                        worker.process.join()
                        worker.pipe.close()
                        if queue:
                            pool[i] = worker = _start(worker.core)
                        else:
                            worker.task = None
                    if queue:
                        _give(worker, queue)
                    else:
                        worker.task = None
                    yield outcome
        finally:
            for worker in pool:
                worker.process.kill()
                worker.process.join()
                worker.pipe.close()


def _start(core: int) -> Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, os.getpid(), core), daemon=True)
    process.start()
    theirs.close()
    return Worker(process, ours, core)


def _give(worker: Worker, queue: deque[Task]) -> None:
    worker.task = queue.popleft() if queue else None
    if worker.task is not None:
        try:
            worker.pipe.send(worker.task)
        except (BrokenPipeError, OSError):
            pass  # it died before it was given anything; _take finds out and says so


def _take(worker: Worker) -> Outcome:
    """Return a worker's outcome, or say how the worker ended."""
    assert worker.task is not None
    try:
        if worker.pipe.poll():
            return worker.pipe.recv()
    except (EOFError, OSError):
        pass
    worker.process.join(5)
    return Outcome(worker.task.id, None, reason=f"the worker {_ending(worker.process.exitcode)}")


def _ending(code: int | None) -> str:
    if code is None:
        return "closed its pipe and hangs"
    if code >= 0:
        return f"left with exit status {code}"
    name = signal.Signals(-code).name
    hint = " (the kernel does this when memory runs out)" if name == "SIGKILL" else ""
    return f"was killed by {name}{hint}"


def _serve(pipe: Connection, parent: int, core: int) -> None:
    """Worker: run what comes through the pipe until it closes."""
    die_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    prepare_worker(core)
    while True:
        try:
            task = pipe.recv()
        except EOFError:
            return
        pipe.send(execute(task))


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, however it ends."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:  # it ended before the call
        os.kill(os.getpid(), signal.SIGKILL)
