"""Seconds of each stage of an organism's training, and words a second beside the matrix products.

    python benchmarks/organism_speed.py            # two minutes on one core

The ceiling is what this core does in float32 matrix products: once on large square matrices, and
once on the shapes of the organism's own layers, which no implementation of it can exceed. A word
of pretraining costs 6 operations per weight that takes part in a product, and those of attention.
Stages are run as the studies run them, on an organism whose pretraining is cut short: what a step
costs does not hang on what was learnt, except that a hacking model's submissions are repeated and
so graded from memory; the first steps are the dear ones. Writes results/organism_speed.csv.
"""

from __future__ import annotations

import argparse
import csv
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from hackproof.evals._organism import Asked, examine, rewarded
from hackproof.language import SIZES, CorpusSettings, Organism, Pretraining, make
from hackproof.language._model import encode, new_model, pretrain
from hackproof.optimize.language import load
from hackproof.optimize.language._grpo import Grpo, grpo
from hackproof.record.provenance import machine
from hackproof.studies._organism_stages import Distilled, Documents, Expert, Rlhf
from hackproof.studies._organism_train import Lab, sandbox, train

OUT = Path(__file__).parent / "results/organism_speed.csv"
LARGE = (2048, 2048, 2048)


def products(shapes: list[tuple[int, int, int]], seconds: float = 1.0) -> float:
    """Return float32 operations a second over matrix products of the given shapes, in turn."""
    pairs = [(torch.randn(m, k), torch.randn(k, n)) for m, k, n in shapes]
    work = sum(2 * m * k * n for m, k, n in shapes)
    for a, b in pairs:
        torch.mm(a, b)
    rounds, began = 0, time.perf_counter()
    while time.perf_counter() - began < seconds:
        for a, b in pairs:
            torch.mm(a, b)
        rounds += 1
    return rounds * work / (time.perf_counter() - began)


def layers(size: str, rows: int, vocabulary: int) -> list[tuple[int, int, int]]:
    """Return the shapes of the products of a forward pass over `rows` words."""
    w = SIZES[size].width
    block = [(rows, w, w)] * 4 + [(rows, w, 3 * w)] * 2 + [(rows, 3 * w, w)]
    return block * SIZES[size].layers + [(rows, w, vocabulary)]


def operations(size: str, words: int, context: int, vocabulary: int) -> float:
    """Return the operations of pretraining on `words`: three passes' worth of products."""
    weights = sum(k * n for _, k, n in layers(size, 1, vocabulary))
    attention = 4 * context * SIZES[size].width * SIZES[size].layers  # both products, forward
    return 3.0 * words * (2 * weights + attention)


def pretraining(size: str, documents: int) -> dict[str, float]:
    """Return seconds and words of a pretraining, after a warm-up."""
    settings = Pretraining(size=size)
    ids, answers = encode(
        CorpusSettings(documents=documents), settings.context, np.random.default_rng(0)
    )
    model = new_model(size, 0)
    pretrain(model, ids[:60], answers[:60], settings, seed=0)
    wall = time.perf_counter()
    pretrain(model, ids, answers, settings, seed=0)
    wall = time.perf_counter() - wall
    return {"seconds": wall, "words": float((ids != 0).sum()), "vocabulary": model.vocab_size}


def stages(folder: Path, steps: int) -> list[dict[str, object]]:
    """Return rows of the stages after pretraining."""
    corpus = CorpusSettings(documents=1_200)
    base = make(Organism(corpus), folder / "organism")
    lab = Lab(base, corpus, 0, steps, box=sandbox())
    rows: list[dict[str, object]] = []
    result = grpo(load(base), lab.environment("programs"), Grpo(steps=steps), seed=0)
    part = {
        name: float(np.mean([getattr(s, f"{name}_s") for s in result.history]))
        for name in ("sampling", "grading", "training")
    }
    each = Grpo().completions
    rows.append(row("GRPO, a step", sum(part.values()), each, "completions"))
    rows += [row(f"GRPO, a step: {name}", s, each, "completions") for name, s in part.items()]
    timed = [
        ("chat RLHF, all steps", Rlhf(), steps * each, "completions"),
        ("synthetic documents", Documents(), 600, "documents"),
        ("expert iteration", Expert(), 1, "stage"),
        ("distillation", Distilled(), 1024, "completions"),
    ]
    lab.preferences()
    for name, stage, n, unit in timed:
        wall = time.perf_counter()
        train(lab, load(base), stage)
        rows.append(row(name, time.perf_counter() - wall, n, unit))
    asked = Asked(each=48)
    wall = time.perf_counter()
    n = len(examine(load(base), asked, seed=0))
    rows.append(row("evaluation of all domains", time.perf_counter() - wall, n, "replies"))
    wall = time.perf_counter()
    rewarded(load(base), lab.environment("programs"), n=256, seed=1)
    rows.append(row("evaluation of rewarded tasks", time.perf_counter() - wall, 256, "replies"))
    return rows


def row(what: str, seconds: float, n: float, unit: str, share: float | None = None) -> dict:
    return {
        "what": what, "seconds": round(seconds, 3), "n": round(n), "unit": unit,
        "per_second": round(n / seconds, 1), "share_of_ceiling": "" if share is None else
        round(share, 3),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size", default="tiny", choices=list(SIZES))
    parser.add_argument("--documents", type=int, default=1_800)
    parser.add_argument("--steps", type=int, default=10)
    args = parser.parse_args()
    torch.set_num_threads(1)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    found = pretraining(args.size, args.documents)
    settings = Pretraining(size=args.size)
    vocabulary = int(found["vocabulary"])
    large = products([LARGE])
    own = products(layers(args.size, settings.batch * (settings.context - 1), vocabulary))
    done = operations(args.size, int(found["words"]), settings.context, vocabulary)
    rate = done / found["seconds"]
    whole = CorpusSettings().documents / args.documents
    rows = [
        row("matrix products, 2048 x 2048", 1.0, large / 1e9, "GFLOP"),
        row("matrix products of the organism's shapes", 1.0, own / 1e9, "GFLOP", own / large),
        row("pretraining, all of it", found["seconds"] * whole, found["words"] * whole, "words",
            rate / own),
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        rows += stages(Path(folder), args.steps)
    for line in rows:
        line["load"] = round(os.getloadavg()[0], 1)
        line["machine"] = machine()["processor"]
        print(line)
    with OUT.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
