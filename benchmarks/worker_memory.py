"""CPU time of a GRPO run in a worker with and without the allocator's settings of the local engine.

    python benchmarks/worker_memory.py [--repeats 5]

Runs alternate, each in a process of its own, on one core. What is compared is user and system time
of the training itself, page faults, and the weights, which must be the same to the bit.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

from hackproof.experiment.engines._local import TUNABLES

OUT = Path(__file__).parent / "results" / "worker_memory.csv"
TRAIN = """
import hashlib, json, resource, sys
from hackproof.experiment.engines._task import prepare_worker
prepare_worker()
from hackproof.language import CorpusSettings, Organism, Pretraining, make
from hackproof.optimize.language import load
from hackproof.studies._organism_stages import Rl
from hackproof.studies._organism_train import Lab, sandbox, train
organism = Organism(CorpusSettings(documents=int(sys.argv[1])), Pretraining(), 0)
folder = make(organism)
lab = Lab(folder, organism.corpus, 0, 12, 16, 8, 2e-4, sandbox())
loaded = load(folder)
from trl import GRPOTrainer
before = resource.getrusage(resource.RUSAGE_SELF)
loaded, _ = train(lab, loaded, Rl())
after = resource.getrusage(resource.RUSAGE_SELF)
weights = b"".join(t.detach().numpy().tobytes() for t in loaded.model.state_dict().values())
print(json.dumps({
    "user_s": after.ru_utime - before.ru_utime, "system_s": after.ru_stime - before.ru_stime,
    "page_faults": after.ru_minflt - before.ru_minflt, "peak_mib": after.ru_maxrss / 1024,
    "weights": hashlib.sha256(weights).hexdigest()[:12],
}))
"""


def once(documents: int, tuned: bool) -> dict[str, object]:
    """Train in a fresh process; return what it took."""
    env = {k: v for k, v in os.environ.items() if k != "GLIBC_TUNABLES"}
    env |= {"GLIBC_TUNABLES": TUNABLES} if tuned else {}
    done = subprocess.run(
        [sys.executable, "-c", TRAIN, str(documents)], env=env, check=True, capture_output=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--documents", type=int, default=16_000, help="of the organism's corpus")
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    rows = []
    once(args.documents, tuned=True)  # makes the organism, if it is not cached
    for repeat in range(args.repeats):
        for tuned in (False, True):
            row = {"settings": "engine's" if tuned else "glibc's own", "repeat": repeat}
            rows.append(row | once(args.documents, tuned))
            print(rows[-1], flush=True)
    assert len({r["weights"] for r in rows}) == 1, "the weights differ"
    took = [r["user_s"] + r["system_s"] for r in rows]
    ratios = [b / a for a, b in zip(took[::2], took[1::2], strict=True)]
    print(f"CPU time, engine's over glibc's own: median {statistics.median(ratios):.3f}, "
          f"{min(ratios):.3f} to {max(ratios):.3f}; {platform.processor()}")  # fmt: skip
    with OUT.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
