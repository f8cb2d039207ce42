"""Run every registered study at cpu scale and save its tables here, with their digests.

    make claims        all studies, with the seeds below; continues where it was stopped
    python results/make.py NAME ...

What is saved is what `hackproof verify` and tests/claims/ need: run.json (with the
seal), the cells' union and the claims. Policies and single cells stay in runs/.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from hackproof.experiment import registry
from hackproof.record import Run

HERE = Path(__file__).parent
SEEDS = {"pan-2022-glucose": 20, "leike-2017-boat-race": 20}
"""Seeds behind the saved claims; more than the first look of `make demo` has."""


def save(name: str) -> None:
    """Run one study in a process of its own and copy its tables."""
    folder = Path("runs") / f"claims-{name}"
    seeds = ["--seeds", str(SEEDS[name])] if name in SEEDS else []
    words = ["run", name, "--scale", "cpu", "--out", str(folder), *seeds]
    done = subprocess.run([sys.executable, "-m", "hackproof", *words], check=False)
    if done.returncode:
        raise SystemExit(f"{name}: the run ended with {done.returncode}; nothing was saved")
    run = Run.load(folder)
    target = HERE / name
    target.mkdir(exist_ok=True)
    for file in ("measurements.parquet", "claims.parquet", "run.json"):
        shutil.copyfile(run.path / file, target / file)
    rows = [
        {k: c[k] for k in ("id", "estimate", "low", "high", "n", "n_missing", "outcome")}
        for c in run.rows("claims")
    ]
    (target / "claims.json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    for study in sys.argv[1:] or registry.names():
        save(study)
