"""Twenty runs killed with SIGKILL and continued: is the table the same, bit for bit?

    python benchmarks/kill_and_resume.py [KILLS]

A study of real PPO cells is run undisturbed twice: once to fill the compilation cache, and
once for its length and its table. Then each trial starts it in a new folder, kills it at a
moment drawn uniformly over that length (the parent alone, or its whole process group, in
turn), and gives the same command again until it ends. Counted: tables equal to the
undisturbed one, cells lost or doubled, workers that outlived their parent. Writes
benchmarks/results/kill_and_resume.csv as it goes.
"""

from __future__ import annotations

import csv
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from hackproof.record import Run
from hackproof.record.provenance import machine

STUDY = ["leike-2017-boat-race", "--scale", "cpu", "--seeds", "10", "--checkpoints", "4"]
TABLE = Path(__file__).parent / "results/kill_and_resume.csv"


def start(folder: Path) -> subprocess.Popen[bytes]:
    """Start the run in a process group of its own."""
    words = [sys.executable, "-m", "hackproof", "run", *STUDY, "--out", str(folder)]
    return subprocess.Popen(
        words, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def survivors(folder: Path) -> int:
    """Count the workers of a killed parent that still run."""
    left = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
            parent = int(path.with_name("stat").read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError):
            continue
        left += b"hackproof.experiment.engines._worker" in words and parent == 1
    return left


def main(kills: int) -> None:
    """Run the trials."""
    base = Path(tempfile.mkdtemp(prefix="hackproof-kill-"))
    start(base / "warm").wait()
    began = time.monotonic()
    start(base / "whole").wait()
    length = time.monotonic() - began
    whole = (base / "whole/measurements.parquet").read_bytes()
    cells = len(Run.load(base / "whole").info["cells"])
    print(f"undisturbed: {length:.1f} s, {cells} cells", flush=True)
    rng = random.Random(0)
    rows = []
    for trial in range(kills):
        folder = base / f"trial{trial}"
        moment, group = rng.uniform(0, length), trial % 2 == 1
        process = start(folder)
        time.sleep(moment)
        ended = process.poll() is not None
        if group:
            os.killpg(process.pid, signal.SIGKILL) if not ended else None
        else:
            process.kill()
        process.wait()
        time.sleep(0.2)
        left = survivors(folder)
        done = len(list(folder.glob("cells/*.parquet")))
        start(folder).wait()
        table = (folder / "measurements.parquet").read_bytes()
        frame = Run.load(folder).to_pandas()
        keys = ["cell", "metric", "role", "step", "condition"]
        rows.append({
            "trial": trial, "killed": "group" if group else "parent", "at_s": round(moment, 2),
            "of_s": round(length, 2), "had_ended": ended, "cells_done_at_kill": done,
            "cells": frame["cell"].nunique(), "expected_cells": cells,
            "doubled_rows": int(frame.duplicated(keys).sum()), "surviving_workers": left,
            "equal_bit_for_bit": table == whole, "machine": machine()["processor"],
        })  # fmt: skip
        print(rows[-1], flush=True)
        with TABLE.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
        shutil.rmtree(folder)
    shutil.rmtree(base)
    equal = sum(r["equal_bit_for_bit"] for r in rows)
    print(f"{equal} of {kills} tables equal, bit for bit")
    raise SystemExit(equal != kills)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
