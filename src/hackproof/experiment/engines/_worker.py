"""A worker process: python -m hackproof.experiment.engines._worker FD PARENT CORE.

Started as a program of its own, not through multiprocessing: that would import the
caller's script again in every worker.
"""

from __future__ import annotations

import os
import signal
import sys
from multiprocessing.connection import Connection


def main(fd: int, parent: int, core: int) -> None:
    """Run what comes through the pipe until it closes."""
    die_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    from hackproof.experiment.engines._task import execute, prepare_worker

    prepare_worker(core)
    with Connection(fd) as pipe:
        sys.path[:] = pipe.recv()
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


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
