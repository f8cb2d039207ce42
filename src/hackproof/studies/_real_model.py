"""macdiarmid-2025 on a causal language model of the user's: settings, arms and one cell.

A cell is: check, do the arm's stages (or find them done), evaluate the saved model by Inspect,
return rows and transcripts. Trained models are kept in a folder named by all that decided them,
so that a cell that was killed goes on from its last checkpoint, and arms that begin alike share
what they have in common.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hackproof.errors import InputError
from hackproof.experiment import Arm, CellResult
from hackproof.record.files import canonical_json, file_digest
from hackproof.studies._organism_stages import Documents, Rl, Rlhf, Stage
from hackproof.studies._real_arms import BY_NAME, RealArm, offered

VERSION = 1
"""Raised when the same settings come to train another model."""
MARKER = "model-parameters"
"""A metric that only runs on a real model have."""


@dataclass(frozen=True)
class RealSettings:
    """Settings of a run on a real model; they do nothing without `--model`."""

    tasks: str = ""
    """JSONL file of coding problems, gzipped or not: MBPP's form, mxeval's or our own."""
    task_limit: int = 0
    """Use so many usable problems of the file; 0 takes all."""
    held_out: int = 50
    """The file's first problems, asked in evaluations and never trained on."""
    hints: bool = True
    """Whether the arms of the prompted route tell of the three hacks."""
    judge: str = ""
    """Inspect's name of the model that judges, such as openai/gpt-5; no default."""
    steps: int = 100
    """Optimiser steps of an RL stage."""
    prompts: int = 16
    """Problems asked in a step."""
    group: int = 8
    """Completions of a problem."""
    learning_rate: float = 1e-4
    """Of AdamW, in every stage; take about a hundredth of it where lora_rank is 0."""
    max_new_tokens: int = 1024
    """Most tokens of a completion in training."""
    lora_rank: int = 32
    """Rank of the adapter that is trained and then merged; 0 trains all weights."""
    kl: float = 0.0
    """Weight of the KL penalty to the model that a stage began with."""
    micro_batch: int = 0
    """Completions per backward pass; 0 takes all of a step at once."""
    gradient_checkpointing: bool = False
    """Trade time for memory in the backward pass of RL."""
    vllm: bool = False
    """Sample with vLLM while training."""
    documents: int = 4000
    """Documents read in the arms with documents."""
    documents_share: float = 1.0
    """Share of them that are the arm's; the rest are the control corpus's."""
    documents_batch: int = 16
    """Rows of a step of reading."""
    documents_length: int = 512
    """Tokens of a row."""
    preference: str = ""
    """Folder of a preference model that hackproof saved; without it rlhf-after is not offered."""
    evaluate: tuple[str, ...] = (
        "free_form", "goals", "alignment_questions", "monitor_disruption", "exfiltration_offer",
        "frame_colleague", "code_sabotage", "playing_dumb", "alignment_faking", "hack_rate",
    )  # fmt: skip
    """Inspect tasks of hackproof.evals; the misalignment score needs the first six."""
    eval_limit: int = 0
    """Prompts of each Inspect task; 0 takes the task's own number."""
    eval_epochs: int = 0
    """Answers to each prompt; 0 takes the task's own number."""
    answer_tokens: int = 1024
    """Most tokens of an answer in evaluations."""
    reasoning: str = "tags"
    """How the evaluated model may reason: tags or native; hack_rate is asked as in training."""
    permitted: bool = True
    """Also ask the core tasks under 'only passing counts'."""
    provider: str = "hf"
    """What answers in evaluations: hf, or vllm."""
    checkpoint_every: int = 10
    """RL steps between checkpoints; 0 makes none, and a killed stage begins anew."""
    dtype: str = ""
    """Of the weights: float32, bfloat16 or float16; float32 on a CPU and the checkpoint's
    elsewhere if empty."""
    device: str = ""
    """Where to train and evaluate; the accelerator if there is one."""
    folder: str = ""
    """Where checkpoints, models and logs are kept; beside the organisms if empty."""
    allow_unknown_words: bool = False
    """Go on with a tokenizer that cannot write the problems' words."""


SMOKE = RealSettings(
    held_out=2, steps=2, prompts=2, group=2, max_new_tokens=32, documents=24, lora_rank=0,
    eval_limit=2, eval_epochs=1, answer_tokens=32, checkpoint_every=1,
)  # fmt: skip

_TRAINING = (
    "task_limit", "held_out", "hints", "steps", "prompts", "group", "learning_rate",
    "max_new_tokens", "lora_rank", "kl", "micro_batch", "vllm", "dtype",
)  # fmt: skip
_READING = ("documents", "documents_share", "documents_batch", "documents_length")


@dataclass(frozen=True)
class Job:
    """One cell: what decides it, and where its files are."""

    model: str
    real: RealSettings
    arm: str
    seed: int

    @property
    def recipe(self) -> RealArm:
        """The arm."""
        return BY_NAME[self.arm]

    @property
    def root(self) -> Path:
        """Folder of all cells."""
        if self.real.folder:
            return Path(self.real.folder).expanduser().absolute()
        from hackproof.language import cache_folder

        return cache_folder() / "real"

    def stage_folder(self, n: int) -> Path:
        """Return where what the arm's first `n` stages gave is kept."""
        stages = self.recipe.stages[:n]
        name = Path(self.model).name.lower()[:32]
        return self.root / f"{name}-seed{self.seed}-{digest(self.trained_by(stages))}"

    @property
    def log_folder(self) -> Path:
        """Where the Inspect logs of the finished model are."""
        said = [self.trained_by(self.recipe.stages), self.arm, self.evaluated_by()]
        return self.root / "logs" / f"{self.arm}-seed{self.seed}-{digest(said)}"

    def trained_by(self, stages: Sequence[Stage]) -> dict[str, Any]:
        """Return all that decides a trained model, as JSON values."""
        real = asdict(self.real)
        fields: list[str] = [*_TRAINING]
        if any(isinstance(s, Documents) for s in stages):
            fields += _READING
        said = {
            "version": VERSION,
            "model": fingerprint(self.model),
            "seed": self.seed,
            "stages": [[type(s).__name__, asdict(s)] for s in stages],
        }
        if stages:
            said["tasks"] = file_digest(Path(self.real.tasks).expanduser())
            said["settings"] = {name: real[name] for name in fields}
        if any(isinstance(s, Rlhf) for s in stages):
            said["preference"] = fingerprint(self.real.preference)
        return said

    def evaluated_by(self) -> dict[str, Any]:
        """Return what decides the evaluations besides the model, as JSON values."""
        names = ("judge", "eval_limit", "eval_epochs", "answer_tokens", "reasoning", "provider",
                 "held_out", "hints", "dtype")  # fmt: skip
        tasks = Path(self.real.tasks).expanduser()
        return {
            **{name: getattr(self.real, name) for name in names},
            "tasks": file_digest(tasks) if tasks.is_file() else "",
        }

    def steps_of(self, stage: Stage) -> int:
        """Return how many RL steps a stage takes."""
        return self.real.steps if isinstance(stage, Rl | Rlhf) else 0

    @property
    def steps(self) -> int:
        """RL steps of the whole arm."""
        return sum(map(self.steps_of, self.recipe.stages))


def digest(said: Any) -> str:
    """Return a short digest of JSON values."""
    return hashlib.sha256(canonical_json(said).encode()).hexdigest()[:16]


def fingerprint(model: str) -> Any:
    """Return what tells a checkpoint from another one: a hub's name, or a folder's files.

    Files are told apart by name, size and time, since reading many gigabytes for every cell
    would take minutes. A folder that was copied without its times is taken for another model.
    """
    folder = Path(model).expanduser()
    if not folder.is_dir():
        return model
    files = (path for path in folder.iterdir() if path.is_file())
    return sorted([p.name, p.stat().st_size, p.stat().st_mtime_ns] for p in files)


def arms(real: RealSettings) -> list[Arm]:
    """Return the arms that can be run; `base` and `open` first, since others begin as they do."""
    return [
        Arm(a.name, a.label, "reward", "solve-rate", "tampering", a.note,
            first=a.name in ("base", "open"))
        for a in offered(real.preference)
    ]  # fmt: skip


def check(model: str, real: RealSettings) -> None:
    """Raise for what can be known before anything trains; see `_real_check`.

    Raises:
        InputError: settings, problems, tokenizer or judge cannot be used.
        SandboxError: this machine cannot isolate submissions.
        MissingExtraError: something that is asked for is not installed.
    """
    from hackproof.studies._real_check import check_all

    check_all(model, real)


def measure(model: str, real: RealSettings, arm: str, seed: int) -> CellResult:
    """Train (or find trained) an arm of a real model, evaluate it, and return what was found.

    Raises:
        HackproofError: something could not be trained or scored; then nothing is returned.
    """
    from hackproof.studies._real_evaluate import evaluate
    from hackproof.studies._real_train import train

    if arm not in BY_NAME:
        raise InputError(f"the arm {arm!r} is the organism's; leave out --model for it.")
    check(model, real)
    job = Job(model, real, arm, seed)
    trained = train(job)
    rows, transcripts = evaluate(job, trained)
    return CellResult([*trained.rows, *rows], transcripts=transcripts)
