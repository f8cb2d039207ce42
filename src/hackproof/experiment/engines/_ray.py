"""Cells on a Ray cluster. Ray schedules; hackproof does not."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from hackproof.errors import InputError, MissingExtraError
from hackproof.experiment.engines._task import Outcome, Task, execute, prepare_worker


def _worker(task: Task) -> Outcome:
    """Run one cell in a Ray worker process, under the settings of a local worker."""
    prepare_worker()
    return execute(task)


class Ray:
    """Sends cells to a Ray cluster as tasks of one CPU each."""

    name = "ray"

    def __init__(self, workers: int | None = None, address: str | None = None) -> None:
        """Connect to `address`, or start Ray on this machine with `workers` CPUs.

        Raises:
            MissingExtraError: Ray is not installed.
            InputError: nothing answers at the address.
        """
        try:
            import ray
        except ImportError:
            raise MissingExtraError(
                "the ray engine needs Ray: pip install 'hackproof[ray]'."
            ) from None
        self.workers = workers
        self.address = address
        self._ray = ray

    def run(self, stages: Sequence[Sequence[Task]]) -> Iterator[Outcome]:
        """Yield outcomes as cells finish; a worker that dies fails its own cell only."""
        ray = self._ray
        from ray.exceptions import RayError

        started = not ray.is_initialized()
        if started:
            own = {} if self.address else {"num_cpus": self.workers, "include_dashboard": False}
            try:
                ray.init(
                    address=self.address, log_to_driver=False, logging_level=logging.ERROR, **own
                )
            except ConnectionError as error:
                raise InputError(f"no Ray cluster answers at {self.address}: {error}") from None
        # A fresh process per study keeps what one study imported out of another's cells.
        remote = ray.remote(num_cpus=1, max_retries=0)(_worker)
        pending = {}
        try:
            for tasks in stages:
                pending = {remote.remote(task): task for task in tasks}
                while pending:
                    ready, _ = ray.wait(list(pending), num_returns=1)
                    for reference in ready:
                        task = pending.pop(reference)
                        try:
                            yield ray.get(reference)
                        except RayError as error:
                            said = str(error).strip().splitlines()[0]
                            yield Outcome(task.id, None, reason=f"the Ray worker failed: {said}")
        finally:
            for reference in pending:
                ray.cancel(reference, force=True)
            if started:
                ray.shutdown()
