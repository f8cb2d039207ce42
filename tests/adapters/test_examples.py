from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import hackproof

pytest.importorskip("stable_baselines3")

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name, *words):
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *words],
        capture_output=True, text=True, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_sb3_glucose():
    lines = run("sb3_glucose.py", "--steps", "1000", "--envs", "4").splitlines()
    assert lines[0].split() == ["steps", "proxy", "true", "in", "range"]
    assert [line.split()[0] for line in lines[1:]] == ["0", "200", "400", "600", "800", "1000"]


def test_own_environment(tmp_path):
    out = run(
        "own_environment.py", "--steps", "1000", "--seeds", "2", "--out", str(tmp_path / "run")
    )
    assert str(tmp_path / "run/report.html") in out
    table = hackproof.Run.load(tmp_path / "run").to_pandas()
    assert set(table["metric"]) == {"reward", "vacuumed", "episode_length"}
    assert table["step"].max() == 1000
    assert sorted(table["seed"].unique()) == [0, 1]
