"""Organisms: small language models made from scratch, kept by the hash of their settings."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hackproof.errors import InputError
from hackproof.language._model import Pretraining, encode, new_model, pretrain
from hackproof.language._settings import CorpusSettings
from hackproof.language._vocabulary import tokenizer, words
from hackproof.record import files

LONGEST_WAIT = 7200.0
"""Seconds to wait for another process that makes the same organism."""

VERSION = 1
"""Raised when the grammar or the training changes what the same settings give."""


@dataclass(frozen=True)
class Organism:
    """What a model organism is made from; the same settings and seed give the same weights."""

    corpus: CorpusSettings = field(default_factory=CorpusSettings)
    pretraining: Pretraining = field(default_factory=Pretraining)
    seed: int = 0
    """Of the corpus, the weights and the order of training: the independent unit."""

    @property
    def digest(self) -> str:
        """Hash of the settings, the vocabulary and the grammar's version."""
        content = [VERSION, dataclasses.asdict(self), words()]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def cache_folder() -> Path:
    """Return where organisms are kept: $HACKPROOF_ORGANISMS, or the user's cache."""
    if named := os.environ.get("HACKPROOF_ORGANISMS"):
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "hackproof" / "organisms"


def make(
    organism: Organism,
    folder: Path | None = None,
    *,
    on_step: Callable[[int, float], Any] | None = None,
) -> Path:
    """Return the checkpoint folder of an organism, pretraining it if it is not there yet.

    The folder is an ordinary Hugging Face checkpoint with its tokenizer; `organism.json`
    beside them holds the settings, the loss and the seconds. Two processes that want the
    same organism wait for one another.

    Args:
        organism: The settings.
        folder: Where to put it; in the cache, by its digest, where None.
        on_step: Called with each pretraining step and its loss.

    Raises:
        InputError: settings that no corpus can have, or a folder that holds something else.
    """
    organism.corpus.check()
    target = folder or cache_folder() / f"{organism.pretraining.size}-{organism.digest}"
    record = target / "organism.json"
    if record.exists():
        found = json.loads(record.read_text()).get("digest")
        if found != organism.digest:
            raise InputError(f"{target} holds another organism ({found}); choose a new folder.")
        return target
    if folder is not None and target.exists() and any(target.iterdir()):
        raise InputError(f"{target} is not empty and holds no organism; choose a new folder.")
    target.parent.mkdir(parents=True, exist_ok=True)
    with files.locked(target.parent / ".locks" / target.name, wait=LONGEST_WAIT):
        if not record.exists():
            _make(organism, target, on_step)
    return target


def _make(organism: Organism, target: Path, on_step: Callable[[int, float], Any] | None) -> None:
    """Pretrain into a folder beside `target` and rename it; a kill leaves no half organism."""
    import shutil

    losses: list[float] = []

    def keep(step: int, loss: float) -> None:
        losses.append(loss)
        if on_step is not None:
            on_step(step, loss)

    wall, cpu = time.perf_counter(), time.process_time()
    ids, answers = encode(
        organism.corpus, organism.pretraining.context, np.random.default_rng([organism.seed, 1])
    )
    model = new_model(organism.pretraining.size, organism.seed)
    pretrain(model, ids, answers, organism.pretraining, seed=organism.seed, on_step=keep)
    scratch = target.with_name(f".{target.name}.{os.getpid()}")
    model.save_pretrained(scratch)
    tokenizer().save_pretrained(scratch)
    record = {
        "digest": organism.digest,
        "organism": dataclasses.asdict(organism),
        "parameters": sum(p.numel() for p in model.parameters()),
        "words": int((ids != 0).sum()),
        "final_loss": float(np.mean(losses[-100:])),
        "wall_s": round(time.perf_counter() - wall, 1),
        "cpu_s": round(time.process_time() - cpu, 1),
    }
    (scratch / "organism.json").write_text(json.dumps(record, indent=1))
    shutil.rmtree(target, ignore_errors=True)
    scratch.rename(target)
