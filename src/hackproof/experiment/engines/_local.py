"""Cells on this machine: a pool of fresh processes, one core each.

`concurrent.futures` gives up on every task when one worker is killed; here the cell of
a killed worker fails, its worker is replaced and the others go on. Workers die with
their parent (PR_SET_PDEATHSIG), so that nothing goes on writing after a kill.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait

from hackproof.experiment.engines._task import Outcome, Task, execute

TUNABLES = "glibc.malloc." + ":glibc.malloc.".join(
    ("hugetlb=1", "trim_threshold=1000000000", "mmap_threshold=1000000000", "top_pad=67108864")
)
"""Allocate in huge pages and keep freed memory. A step of training frees and takes back some
hundred megabytes; with these, GRPO on an organism takes 14% less CPU time (median of five pairs of
runs, 2 to 16%: benchmarks/worker_memory.py), and no bit differs. Other allocators, and glibc before
2.35, do not read them."""


def cores() -> list[int]:
    """Return the cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


@dataclass
class Worker:
    """A process, our end of its pipe and the task it was given."""

    process: subprocess.Popen[bytes]
    pipe: Connection
    core: int
    task: Task | None = None

    def stop(self) -> None:
        """End the process, whatever it is doing."""
        self.process.kill()
        self.process.wait()
        self.pipe.close()


class Local:
    """A pool of `workers` processes; 0 runs the cells in this process, for debugging."""

    name = "local"

    def __init__(self, workers: int | None = None) -> None:
        """Use as many workers as this process may use cores, unless told otherwise."""
        self.workers = len(cores()) if workers is None else workers

    def run(self, stages: Sequence[Sequence[Task]]) -> Iterator[Outcome]:
        """Yield outcomes as cells finish; workers stay from one stage to the next.

        What a worker has imported, it has imported for all of its cells.
        """
        if self.workers == 0:
            yield from map(execute, chain.from_iterable(stages))
            return
        pool: list[Worker] = []
        try:
            for tasks in stages:
                yield from self._stage(pool, deque(tasks))
        finally:
            for worker in pool:
                worker.stop()

    def _stage(self, pool: list[Worker], queue: deque[Task]) -> Iterator[Outcome]:
        """Run a stage's tasks on the pool, which grows to as many workers as there is use for."""
        mine = cores()
        for i in range(min(self.workers, len(queue))):
            if i == len(pool):
                pool.append(_start(_idlest(mine, pool)))
            _give(pool[i], queue.popleft())
        while busy := {w.pipe: w for w in pool if w.task is not None}:
            # A pipe is ready when it holds an outcome, and when its worker died.
            for pipe in wait(list(busy)):
                worker = busy[pipe]  # pyright: ignore[reportArgumentType]
                outcome, alive = _take(worker)
                worker.task = None
                if not alive:
                    worker.stop()
                    pool.remove(worker)
                    if queue:
                        pool.append(worker := _start(worker.core))
                if queue:
                    _give(worker, queue.popleft())
                yield outcome


def _idlest(mine: Sequence[int], pool: Sequence[Worker]) -> int:
    """Return the core with the fewest workers."""
    return min(mine, key=lambda core: sum(w.core == core for w in pool))


def _start(core: int) -> Worker:
    ours, theirs = Pipe()
    words = ["-m", "hackproof.experiment.engines._worker"]
    numbers = [theirs.fileno(), os.getpid(), core]
    process = subprocess.Popen(
        [sys.executable, *words, *map(str, numbers)],
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
        env={"GLIBC_TUNABLES": TUNABLES, **os.environ},
    )
    theirs.close()
    with contextlib.suppress(OSError):  # it died at once; _take says so
        ours.send(sys.path)
    return Worker(process, ours, core)


def _give(worker: Worker, task: Task) -> None:
    worker.task = task
    with contextlib.suppress(OSError):  # it died before it was given anything; _take says so
        worker.pipe.send(task)


def _take(worker: Worker) -> tuple[Outcome, bool]:
    """Return a worker's outcome and whether the worker lives on."""
    try:
        return worker.pipe.recv(), True
    except (EOFError, OSError):
        pass
    try:
        ending = _ending(worker.process.wait(5))
    except subprocess.TimeoutExpired:
        ending = "closed its pipe and hangs"
    id = worker.task.id if worker.task else ""
    return Outcome(id, None, reason=f"the worker {ending}"), False


def _ending(code: int) -> str:
    if code >= 0:
        return f"left with exit status {code}"
    name = signal.Signals(-code).name
    hint = " (the kernel does this when memory runs out)" if name == "SIGKILL" else ""
    return f"was killed by {name}{hint}"
