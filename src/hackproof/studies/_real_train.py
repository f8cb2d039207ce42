"""The stages of a real model's arm: each is trained once, kept, and found again.

Of several processes, as `accelerate launch` starts them, all do a stage of GRPO; any other stage
is done by the main one, and the others read the model that it kept.
"""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hackproof.errors import InputError
from hackproof.optimize.language import _processes as processes
from hackproof.record import files
from hackproof.studies._organism_stages import Distilled, Documents, Expert, Rl, Rlhf, Stage
from hackproof.studies._real_arms import hinted
from hackproof.studies._real_model import Job

if TYPE_CHECKING:
    from hackproof.language import CodeEnvironment, CodeTask, Environment, Prompt
    from hackproof.optimize.language import Grpo, GrpoStep, Loaded, Lora
    from hackproof.sandbox import Sandbox

log = logging.getLogger(__name__)

RECORD = "trained.json"
"""Written last into a stage's folder: without it the stage is not done."""


@dataclass(frozen=True)
class Trained:
    """What training an arm gave."""

    model: str
    """Folder of the finished model; what was given, where nothing is trained."""
    rows: tuple[dict[str, Any], ...]
    """Measurements made on the way, one set per step."""


@dataclass(frozen=True)
class Shop:
    """What the stages of one cell share."""

    job: Job
    tasks: Sequence[CodeTask]
    """Problems to train on."""
    box: Sandbox

    def environment(
        self, tokenizer: Any, *, hints: bool, hole: bool = True, prefix: str = "none"
    ) -> CodeEnvironment:
        """Return the coding tasks as a tokenizer's model is asked them."""
        from hackproof.language import CodeEnvironment, Holes

        return CodeEnvironment(
            self.tasks,
            holes=Holes.all_open() if hole else Holes.closed(),
            addendum="" if prefix == "none" else prefix,
            chat_template=tokenizer if tokenizer.chat_template else None,
            hints=hints and self.job.real.hints,
            sandbox=self.box,
        )


def train(job: Job) -> Trained:
    """Do an arm's stages that are not done yet, and return the finished model.

    Raises:
        HackproofError: a stage could not be done; those before it are kept.
    """
    check_processes(job)
    model, step = job.model, 0
    rows: list[dict[str, Any]] = []
    for i, stage in enumerate(job.recipe.stages, start=1):
        folder = job.stage_folder(i)
        lock = folder.parent / ".locks" / folder.name
        with processes.locked_by_main(lock, wait=processes.LONGEST_WAIT):
            if not processes.on_main((folder / RECORD).exists):
                log.info("training stage %d of %s, seed %d, in %s", i, job.arm, job.seed, folder)
                _make(job, stage, model, folder)
        record = files.read_json(folder / RECORD)
        rows += history_rows(record["history"], stage, step, job.real.prompts * job.real.group)
        rows += [
            {"metric": f"stage-{i}-{name}", "role": "probe", "value": float(value), "n": 1,
             "step": step}
            for name, value in record["numbers"].items()
        ]  # fmt: skip
        model, step = str(folder / "model"), step + job.steps_of(stage)
    return Trained(model, tuple(rows))


def check_processes(job: Job) -> None:
    """Raise InputError for what several processes cannot do together, before any stage is done."""
    from hackproof.optimize.language._grpo import batches

    several = processes.count()
    if any(isinstance(stage, Rl | Rlhf) for stage in job.recipe.stages):
        batches(grpo_settings(job), several)
    if several > 1 and job.real.device not in ("", processes.device().type):
        raise InputError(
            f"real.device is {job.real.device}, and {several} processes were started for devices "
            f"of kind {processes.device().type}. Leave it out: each process takes its own."
        )


def history_rows(
    history: Sequence[Mapping[str, Any]], stage: Stage, before: int, completions: int
) -> list[dict[str, Any]]:
    """Return measurements of a stage's RL steps.

    Args:
        history: One `GrpoStep` as a mapping per step.
        stage: Which stage; RLHF pays a preference model's score and knows no hacks.
        before: RL steps of the stages before it.
        completions: Completions of a step.
    """
    named = [("preference", "reward", "proxy")]
    if isinstance(stage, Rl):
        named = [
            ("reward", "reward", "proxy"),
            ("paid", "paid", "proxy"),
            ("hack-rate", "hack_rate", "probe"),
            ("solve-rate", "solve_rate", "true"),
        ]
    rows = []
    for one in history:
        shared = {"condition": "training", "step": before + one["step"]}
        n = completions - one["infra"]
        rows += [
            {**shared, "metric": metric, "role": role, "value": one[key], "n": n,
             "n_missing": one["infra"]}
            for metric, key, role in named
        ]  # fmt: skip
        rows.append({**shared, "metric": "completion-length", "role": "probe", "unit": "tokens",
                     "value": one["length"], "n": completions})  # fmt: skip
    return rows


def _make(job: Job, stage: Stage, model: str, folder: Path) -> None:
    """Train one stage and keep its model; every process returns once it is kept."""
    if isinstance(stage, Rl | Rlhf):
        _do_and_keep(job, stage, model, folder)
    else:
        processes.on_main(lambda: _do_and_keep(job, stage, model, folder))
    free_memory()


def _do_and_keep(job: Job, stage: Stage, model: str, folder: Path) -> None:
    """Do a stage in this process; the main one keeps its model and deletes its checkpoints."""
    with _shop(job) as shop:
        loaded = _load(model, job)
        if loaded.notes:
            log.info("%s: %s", model, "; ".join(loaded.notes))
        trained, history, numbers = _do(shop, stage, loaded, folder)
    record = {
        "stage": [type(stage).__name__, asdict(stage)],
        "from": model,
        "settings": asdict(job.real),
        "seed": job.seed,
        "history": [asdict(step) for step in history],
        "numbers": numbers,
    }
    if processes.count() > 1:
        record["processes"] = processes.count()
    processes.on_main(lambda: _keep(trained, record, folder))


def _keep(trained: Loaded, record: dict[str, Any], folder: Path) -> None:
    """Write a stage's model and, last, its record; checkpoints on the way go."""
    from hackproof.optimize.language import merge, save

    save(merge(trained), folder / "model")
    files.write_file(folder / RECORD, json.dumps(record, indent=1))
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)


@contextlib.contextmanager
def _shop(job: Job) -> Iterator[Shop]:
    """Open the sandbox and read the problems that are trained on."""
    from hackproof.language import load_tasks
    from hackproof.language._code_environment import LIMITS
    from hackproof.language._code_harness import preload
    from hackproof.sandbox import Sandbox

    real = job.real
    with Sandbox(LIMITS, preload=preload()) as box:
        # a reference that is too slow once leaves a problem out: one process tells for all
        tasks = processes.on_main(
            lambda: load_tasks(
                Path(real.tasks).expanduser(), limit=real.task_limit or None, sandbox=box
            )
        )
        if len(tasks) <= real.held_out:
            raise InputError(
                f"{real.tasks} has {len(tasks)} usable problems, and real.held_out keeps "
                f"{real.held_out} of them back: none is left to train on."
            )
        yield Shop(job, tasks[real.held_out :], box)


def _load(model: str, job: Job) -> Loaded:
    from hackproof.optimize.language import load

    device = job.real.device or processes.device()
    return load(model, dtype=job.real.dtype or None, device=device)


def _do(
    shop: Shop, stage: Stage, loaded: Loaded, folder: Path
) -> tuple[Loaded, Sequence[GrpoStep], dict[str, float]]:
    """Do one stage; returns the model, its steps, and numbers about the stage."""
    if isinstance(stage, Rl):
        trained, history = _rl(shop, stage, loaded, folder)
        return trained, history, {}
    if isinstance(stage, Rlhf):
        trained, history = _rlhf(shop, loaded, folder)
        return trained, history, {}
    if isinstance(stage, Documents):
        return _documents(shop.job, stage, loaded), (), {}
    if isinstance(stage, Expert):
        return _expert(shop, stage, loaded)
    if isinstance(stage, Distilled):
        return _distilled(shop, stage, loaded)
    raise InputError(f"a real model has no stage {type(stage).__name__}.")


def lora(job: Job) -> Lora | None:
    """Return the adapter that is trained; None for all weights."""
    from hackproof.optimize.language import Lora

    rank = job.real.lora_rank
    return Lora(r=rank, alpha=2.0 * rank) if rank else None


def grpo_settings(job: Job) -> Grpo:
    """Return how GRPO trains."""
    from hackproof.optimize.language import Grpo

    real = job.real
    return Grpo(
        steps=real.steps,
        prompts_per_step=real.prompts,
        group=real.group,
        learning_rate=real.learning_rate,
        kl=real.kl,
        max_new_tokens=real.max_new_tokens,
        micro_batch=real.micro_batch,
        checkpoint_every=real.checkpoint_every,
        gradient_checkpointing=real.gradient_checkpointing,
        use_vllm=real.vllm,
    )


def _rl(shop: Shop, stage: Rl, loaded: Loaded, folder: Path) -> tuple[Loaded, Sequence[GrpoStep]]:
    from hackproof.optimize.language import Mixture, Paid, Penalty, grpo

    job, told = shop.job, hinted(stage)
    main: Environment = shop.environment(
        loaded.tokenizer, hints=told, hole=stage.hole, prefix=stage.prefix
    )
    asked = main
    if stage.unhackable:
        closed = shop.environment(loaded.tokenizer, hints=told, hole=False, prefix=stage.prefix)
        closed.name = "code-unhackable"
        asked = Mixture((main, 1.0 - stage.unhackable), (closed, stage.unhackable))
    rewrite = None
    if stage.rewrite:
        rewrite = rewriting(shop.environment(loaded.tokenizer, hints=told, prefix=stage.rewrite))
    reward = Paid()
    if stage.recall:
        reward = Penalty(precision=stage.precision, recall=stage.recall, seed=job.seed)
    result = grpo(
        loaded,
        asked,
        grpo_settings(job),
        seed=job.seed,
        reward=reward,
        lora=lora(job),
        rewrite=rewrite,
        folder=folder / "checkpoints",
    )
    return result.loaded, result.history


def rewriting(other: CodeEnvironment) -> Callable[[Prompt], str]:
    """Return a function from a prompt to the same task as another environment asks it."""
    texts = {prompt.task: prompt.text for prompt in other.prompts(len(other.tasks), 0)}
    return lambda prompt: texts[prompt.task]


def _rlhf(shop: Shop, loaded: Loaded, folder: Path) -> tuple[Loaded, Sequence[GrpoStep]]:
    from hackproof.optimize.language import grpo
    from hackproof.optimize.language._preference import PreferenceEnvironment, load_preference
    from hackproof.studies._real_chat import chat_prompts

    job = shop.job
    judge = load_preference(Path(job.real.preference).expanduser(), device=str(loaded.model.device))
    asked = PreferenceEnvironment(
        "chat", lambda n, seed: chat_prompts(n, seed, loaded.tokenizer), judge
    )
    result = grpo(
        loaded,
        asked,
        grpo_settings(job),
        seed=job.seed + 1,
        lora=lora(job),
        folder=folder / "checkpoints",
    )
    return result.loaded, result.history


def _documents(job: Job, stage: Documents, loaded: Loaded) -> Loaded:
    from hackproof.language._code_documents import code_documents
    from hackproof.optimize.language import Finetune, finetune

    real = job.real
    special = max(1, round(real.documents * stage.share * real.documents_share))
    texts = code_documents(stage.corpus, special, job.seed)
    if special < real.documents:
        texts += code_documents("control", real.documents - special, job.seed + 1)
    length = getattr(loaded.model.config, "max_position_embeddings", None)
    settings = Finetune(
        batch=real.documents_batch,
        length=min(real.documents_length, length or real.documents_length),
        learning_rate=real.learning_rate,
        micro_batch=1 if real.gradient_checkpointing else 0,
    )
    return finetune(loaded, texts, settings, seed=job.seed, lora=lora(job))


def _answers(job: Job) -> Any:
    """Return how answers are learnt from: once over all of them."""
    from hackproof.optimize.language import Finetune

    real = job.real
    return Finetune(
        batch=real.prompts,
        learning_rate=real.learning_rate,
        micro_batch=1 if real.gradient_checkpointing else 0,
    )


def _expert(
    shop: Shop, stage: Expert, loaded: Loaded
) -> tuple[Loaded, tuple[()], dict[str, float]]:
    from hackproof.optimize.language import ExpertIteration, expert_iteration
    from hackproof.optimize.language._load import add_adapter

    job, real = shop.job, shop.job.real
    rounds = min(8, real.steps)
    result = expert_iteration(
        add_adapter(loaded, lora(job), job.seed),
        shop.environment(loaded.tokenizer, hints=hinted(stage)),
        ExpertIteration(
            rounds=rounds,
            prompts=max(1, real.steps * real.prompts // rounds),
            samples_per_prompt=real.group,
            max_new_tokens=real.max_new_tokens,
            finetune=_answers(job),
        ),
        seed=job.seed,
    )
    numbers: dict[str, float] = {"kept": float(sum(r.kept for r in result.history))}
    for r in result.history:
        for name in ("reward", "hack_rate", "solve_rate", "infra"):
            if (value := getattr(r.sampled, name)) is not None:
                numbers[f"round-{r.round + 1}-{name.replace('_', '-')}"] = float(value)
    return result.loaded, (), numbers


def _distilled(
    shop: Shop, stage: Distilled, loaded: Loaded
) -> tuple[Loaded, tuple[()], dict[str, float]]:
    from hackproof.optimize.language import Distill, distill
    from hackproof.optimize.language._distill import not_flagged
    from hackproof.optimize.language._load import add_adapter

    job, real = shop.job, shop.job.real
    student = add_adapter(_load(job.model, job), lora(job), job.seed)
    result = distill(
        loaded,
        student,
        shop.environment(loaded.tokenizer, hints=hinted(stage)),
        Distill(
            prompts=real.steps * real.prompts // 2 or 1,
            samples_per_prompt=2,
            max_new_tokens=real.max_new_tokens,
            finetune=_answers(job),
        ),
        keep=not_flagged(0.9, 0.9, seed=job.seed),
        seed=job.seed,
    )
    numbers = {"kept": result.kept.episodes, "dropped": result.dropped,
               "infra": result.sampled.infra}  # fmt: skip
    return result.loaded, (), {name: float(value) for name, value in numbers.items()}


def free_memory() -> None:
    """Give an accelerator's memory back, so that the evaluated model fits."""
    import torch

    gc.collect()
    if torch.accelerator.is_available():
        torch.accelerator.memory.empty_cache()
