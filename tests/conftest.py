"""What the tests share."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Tests run in parallel: one thread and one core's worth of work each, as in workers.
from hackproof.experiment.engines._task import prepare_worker

prepare_worker()

ROOT = Path(__file__).parent.parent
TOY = ROOT / "tests/toy_study.py"


@pytest.fixture
def toy() -> str:
    """The toy study's file, as `hackproof run` takes it."""
    return str(TOY)


@pytest.fixture
def data() -> Path:
    """The folder of real data, by the variable HACKPROOF_DATA; skips where there is none."""
    folder = os.environ.get("HACKPROOF_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("HACKPROOF_DATA names no folder of real data")
    return Path(folder)


@pytest.fixture
def hackproof(tmp_path: Path):
    """Run the command line in a process of its own; returns the finished process."""

    def run(*words: str, **options) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "COLUMNS": "200", **options.pop("env", {})}
        return subprocess.run(
            [sys.executable, "-m", "hackproof", *map(str, words)],
            capture_output=True,
            text=True,
            cwd=options.pop("cwd", tmp_path),
            timeout=options.pop("timeout", 300),
            env=environment,
            **options,
        )

    return run
