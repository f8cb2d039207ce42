"""`hackproof organism make`: a small language model from scratch, as a checkpoint folder."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from hackproof.cli._common import parse
from hackproof.errors import InputError, unknown
from hackproof.language import CorpusSettings, Organism, Pretraining, make

USAGE = """usage: hackproof organism make [--size tiny|small|base] [--seed N] [--out FOLDER] ...

Make a model organism: a small language model with a persona grammar, as an ordinary Hugging
Face checkpoint folder. It is kept by the hash of its settings, and made only once.

  hackproof organism make --help    all settings, the corpus statistics among them
"""


@dataclass(frozen=True)
class MakeOptions:
    """Flags of `organism make`."""

    size: Literal["tiny", "small", "base"] = "tiny"
    """Width and depth of the network."""
    seed: int = 0
    """Of the corpus, the weights and the order of training."""
    out: Path | None = None
    """Folder to put it in; the cache where absent."""
    corpus: CorpusSettings = field(default_factory=CorpusSettings)
    """What its documents say, and how often."""


def command(words: list[str]) -> int:
    """Run `hackproof organism`."""
    if not words or words[0] in ("-h", "--help"):
        print(USAGE, end="")
        return 0 if words else 2
    if words[0] != "make":
        raise unknown("organism command", words[0], ["make"])
    text = "Make a model organism and print its folder."
    options: MakeOptions = parse(MakeOptions, "organism make", words[1:], text)
    if options.seed < 0:
        raise InputError(f"--seed {options.seed} must be 0 or more.")
    if options.out is not None and options.out.exists() and not options.out.is_dir():
        raise InputError(f"--out {options.out} is a file; name a folder.")
    organism = Organism(options.corpus, Pretraining(size=options.size), options.seed)
    steps = options.corpus.documents // organism.pretraining.batch

    def progress(step: int, loss: float) -> None:
        if sys.stderr.isatty() and step % 10 == 0:
            print(f"\rstep {step} of {steps}, loss {loss:.3f} ", end="", file=sys.stderr)

    folder = make(organism, options.out, on_step=progress)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    record = json.loads((folder / "organism.json").read_text())
    print(
        f"{record['parameters']:,} parameters, {record['words']:,} words read, "
        f"loss {record['final_loss']:.3f}, {record['cpu_s']:.0f} CPU seconds"
    )
    print(folder)
    return 0
