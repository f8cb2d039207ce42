"""What an engine is given and gives back, and what every worker does with it."""

from __future__ import annotations

import os
import resource
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Task:
    """One cell, in a form that crosses to another process or machine."""

    study: str
    """What `registry.load` takes: a name or a file's path."""
    settings: Mapping[str, Any]
    """The study's settings as JSON values."""
    arm: str
    level: float
    seed: int
    id: str


@dataclass(frozen=True)
class Outcome:
    """What came of a task."""

    id: str
    rows: Sequence[Mapping[str, Any]] | None
    """None where the cell failed."""
    artifacts: Mapping[str, bytes] = field(default_factory=dict)
    reason: str = ""
    """Why it failed: the traceback, or how the worker ended."""
    timing: Mapping[str, Any] = field(default_factory=dict)
    """wall_s, cpu_s and peak memory, in MiB; empty where the worker died."""
    code: Mapping[str, str] = field(default_factory=dict)
    """Digests of the modules that decided the numbers."""
    transcripts: Sequence[Mapping[str, Any]] = ()


class Engine(Protocol):
    """Runs the tasks of a stage anywhere and in any order."""

    name: str

    def run(self, stages: Sequence[Sequence[Task]]) -> Iterator[Outcome]:
        """Yield one outcome per task, as they finish; closing the iterator stops the work.

        A stage begins when every task of the one before has ended.
        """
        ...


CODE_ROOMS = (
    "worlds", "optimize", "theory", "language", "sandbox", "studies", "detect", "evals", "defend",
    "audit",
)  # fmt: skip


XLA_FLAGS = (
    "--xla_cpu_multi_thread_eigen=false",
    "intra_op_parallelism_threads=1",
    "--xla_cpu_prefer_vector_width=512",
)
"""One thread; and full vectors where the processor has AVX-512, which makes the glucose
world 5% faster (XNNPACK's matrix products were tried: no faster than Eigen's)."""


def prepare_worker(core: int | None = None) -> None:
    """Give this process one core and deterministic numerics; call it before jax is imported.

    The same thread counts on every engine are what makes their tables equal bit for bit.
    """
    os.environ["JAX_PLATFORMS"] = os.environ.get("HACKPROOF_PLATFORM", "cpu")
    os.environ["XLA_FLAGS"] = " ".join(XLA_FLAGS)
    os.environ["TQDM_DISABLE"] = "1"  # bars of libraries would be drawn over the run's own
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    if core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})


def execute(task: Task) -> Outcome:
    """Measure one cell in this process; an exception becomes a failed outcome."""
    from hackproof.experiment import registry
    from hackproof.experiment.study import Cell, settings_from
    from hackproof.record.provenance import loaded_code

    wall, cpu = time.perf_counter(), time.process_time()
    rows, artifacts, transcripts, reason = None, {}, [], ""
    try:
        study = registry.load(task.study)
        kind = type(next(iter(study.scales.values())).settings)
        settings = settings_from(kind, task.settings, f"settings of {study.name}")
        result = study.measure(settings, Cell(task.arm, task.level, task.seed))
        transcripts = [dict(t) for t in result.transcripts]
        rows, artifacts = list(result.rows), dict(result.artifacts)
    except Exception:
        reason = traceback.format_exc(limit=-6).strip()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        2**20 if sys.platform == "darwin" else 1024
    )
    timing = {
        "wall_s": round(time.perf_counter() - wall, 3),
        "cpu_s": round(time.process_time() - cpu, 3),
        "peak_mib": round(peak, 1),
    }
    code = loaded_code(CODE_ROOMS)
    return Outcome(task.id, rows, artifacts, reason, timing, code, transcripts)
