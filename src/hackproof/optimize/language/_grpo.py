"""Group relative policy optimisation of a language model on graded environments.

    A_ij = (r_ij - mean_j r_ij) / (std_j r_ij + 1e-4),   loss = - mean over tokens of A * ratio

with i over prompts and j over the completions of one prompt (Shao et al. 2024,
https://arxiv.org/abs/2402.03300). One update is made per batch of completions, so that the
ratio is 1 and nothing is clipped. The trainer is TRL's GRPOTrainer.

Several processes that `accelerate launch` started train one model together: each samples, grades
and learns from its share of a step's completions, and all have the same weights after it.
"""

from __future__ import annotations

import copy
import json
import logging
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hackproof.errors import InputError, IntegrityError, RunError
from hackproof.language._environment import Environment, Prompt
from hackproof.optimize.language._decode import base, is_small, shares
from hackproof.optimize.language._history import GrpoStep, Recorder
from hackproof.optimize.language._load import Loaded, Lora, is_adapter, prepare
from hackproof.optimize.language._processes import count, locked_by_main, on_main
from hackproof.optimize.language._rewards import Paid, RewardFunction
from hackproof.optimize.language._sampling import encode, kept_random_state
from hackproof.record.files import canonical_json, read_json, write_file

if TYPE_CHECKING:
    from hackproof.optimize.language._trainer import Trainer

LOSSES = ("dapo", "grpo", "dr_grpo", "bnpo")
"""TRL's names: how the sum over tokens is divided (all tokens, each row's, a constant)."""


@dataclass(frozen=True)
class Grpo:
    """How to train."""

    steps: int = 60
    """Optimiser steps, each on fresh completions."""
    prompts_per_step: int = 16
    """Prompts asked in each step."""
    group: int = 8
    """Completions of each prompt; at least 2."""
    learning_rate: float = 2e-4
    """Of AdamW, after the warm-up constant."""
    warmup: int = 0
    """Steps over which the learning rate rises from 0."""
    kl: float = 0.0
    """Weight of the KL penalty to the model as it was given; 0 keeps no copy of it."""
    temperature: float = 1.0
    """Of sampling; the loss is of the distribution that was sampled from."""
    max_new_tokens: int = 32
    """Most tokens of a completion."""
    loss_type: str = "dapo"
    """One of `LOSSES`."""
    scale_rewards: str = "group"
    """Divide advantages by the standard deviation of the `group`, of the `batch`, or by `none`."""
    max_grad_norm: float = 1.0
    """The gradient is scaled down to this norm."""
    weight_decay: float = 0.0
    """Of AdamW."""
    micro_batch: int = 0
    """Completions per backward pass of a process, a divisor of its share of a step; 0 takes
    the share at once."""
    checkpoint_every: int = 0
    """Steps between checkpoints; 0 makes none."""
    gradient_checkpointing: bool = False
    """Trade time for memory in the backward pass."""
    use_vllm: bool = False
    """Sample with vLLM beside the trainer, as TRL does; for real models."""
    lean: bool | None = None
    """Share equal prompts (`_decode`); None does so for small decoders on one process."""

    @property
    def completions(self) -> int:
        """Completions of one step, over all processes."""
        return self.prompts_per_step * self.group

    def __post_init__(self) -> None:
        """Refuse settings that cannot be trained with."""
        if self.steps < 1 or self.prompts_per_step < 1 or self.max_new_tokens < 1:
            raise InputError("steps, prompts_per_step and max_new_tokens must be at least 1.")
        if self.group < 2:
            raise InputError(f"group is {self.group}; an advantage needs at least 2 completions.")
        if self.loss_type not in LOSSES:
            raise InputError(f"loss_type is {self.loss_type!r}; give one of {', '.join(LOSSES)}.")
        if self.scale_rewards not in ("group", "batch", "none"):
            raise InputError(f"scale_rewards is {self.scale_rewards!r}; give group, batch or none.")
        if self.temperature <= 0:
            raise InputError(f"temperature is {self.temperature}; exploring needs it above 0.")
        if self.micro_batch and self.completions % self.micro_batch:
            raise InputError(
                f"micro_batch is {self.micro_batch}, which does not divide the "
                f"{self.completions} completions of a step."
            )


@dataclass(frozen=True)
class GrpoResult:
    """A trained model and how its training went."""

    loaded: Loaded
    """The model that was given, trained; with an adapter around it where one was asked for."""
    history: tuple[GrpoStep, ...]
    """One row per step, those before a resume included."""
    evaluations: tuple[tuple[int, Any], ...]
    """The step and what `on_step` returned there, where it returned anything."""


def grpo(
    loaded: Loaded,
    environment: Environment,
    settings: Grpo,
    *,
    seed: int,
    reward: RewardFunction | None = None,
    lora: Lora | None = None,
    rewrite: Callable[[Prompt], str] | None = None,
    folder: str | Path | None = None,
    on_step: Callable[[int, Loaded], Any] | None = None,
    every: int = 10,
) -> GrpoResult:
    """Train a model in place on what an environment, or a `Mixture` of them, pays.

    A training that was killed goes on from its last checkpoint when it is called again with the
    same arguments and a model like the one it began with. Neither the global random state nor
    the environment's is moved.

    Every one of several processes calls this with the same arguments. They are then given the
    same prompts, history and evaluations; other samples than one process would draw, since each
    has random numbers of its own.

    Args:
        loaded: The model; its weights are changed. After an error they are whatever they were.
        environment: Hands out prompts and grades completions. The prompts of step k depend on
            `seed` and k alone, so a shorter training is the beginning of a longer one.
        settings: How to train.
        seed: Decides prompts, samples, adapter and the order of the batch.
        reward: What pays instead of the environment; called as TRL calls one, and given the
            grades besides (`RewardFunction`). A completion whose grading failed is never paid.
        lora: Train an adapter instead of the weights.
        rewrite: Compute the loss under another prompt than the one that was sampled under:
            online inoculation. KL and ratio are of the rewritten prompt too.
        folder: Where checkpoints go; nothing is written without one.
        on_step: Called with the step and the model at steps 0, `every`, 2 `every` and so on,
            dropout off; what it returns is kept in the result, and in checkpoints if JSON can
            say it. After a resume it is called for later steps only. Of several processes the
            main one calls it, and all keep what it returned, which must be picklable.
        every: Steps between calls of `on_step`.

    Raises:
        InputError: a prompt and its completion do not fit the model's context, or an adapter
            is asked for around an adapter, or a step does not divide among the processes.
        RunError: `folder` holds another training, or is in use.
    """
    if lora is not None and is_adapter(loaded.model):
        raise InputError("the model has an adapter already; merge it, or train it with lora=None.")
    if settings.checkpoint_every and folder is None:
        raise InputError("checkpoint_every is set and there is no folder to write checkpoints to.")
    batches(settings, count())
    with ExitStack() as stack:
        stack.enter_context(kept_random_state())
        stack.enter_context(_quiet())
        rows = on_main(lambda: _rows(environment, settings, seed, rewrite))
        _check_context(loaded, rows, settings.max_new_tokens)
        recorder = Recorder()
        checkpoint = None
        if folder is None:
            target = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        else:
            target = Path(folder).expanduser()
            stack.enter_context(locked_by_main(target))
            identity = _identity(environment, settings, seed, reward, lora, rewrite)
            on_main(lambda: _claim_folder(target, identity))
            checkpoint = on_main(lambda: _last_checkpoint(target))
            if checkpoint is not None:
                recorder.restore(_history(checkpoint))
        stack.enter_context(_forward_restored(loaded))
        trainer = _trainer(
            loaded, environment, settings, seed, reward, lora, rows, target, recorder
        )
        trained = Loaded(trainer.model, loaded.tokenizer, loaded.notes)  # pyright: ignore
        from hackproof.optimize.language._trainer import Watcher

        trainer.add_callback(Watcher(trained, recorder, on_step, every))
        trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
        trained.model.eval()
    return GrpoResult(trained, tuple(recorder.steps), tuple(recorder.evaluations))


def batches(settings: Grpo, processes: int) -> tuple[int, int]:
    """Return the completions of one backward pass and how many passes a process makes a step.

        size * passes * processes = prompts_per_step * group

    so that a step is the same completions whatever the number of processes. A prompt's group may
    lie in several: its rewards are gathered before they are compared.

    Raises:
        InputError: it does not divide.
    """
    share, rest = divmod(settings.completions, processes)
    if rest:
        raise InputError(
            f"a step is {settings.prompts_per_step} prompts x {settings.group} completions = "
            f"{settings.completions}, which {processes} processes cannot share out evenly. Give "
            "another number of prompts, or start another number of processes."
        )
    size = settings.micro_batch or share
    if share % size:
        raise InputError(
            f"micro_batch is {size}, which does not divide the {share} completions that each of "
            f"{processes} processes has of a step's {settings.completions}."
        )
    return size, share // size


def step_seed(seed: int, step: int) -> int:
    """Return the seed of one step's prompts."""
    import numpy as np

    return int(np.random.SeedSequence([seed % 2**63, step]).generate_state(1)[0])


def _rows(
    environment: Environment,
    settings: Grpo,
    seed: int,
    rewrite: Callable[[Prompt], str] | None,
) -> dict[str, list[str]]:
    """Return the columns of TRL's data set: every prompt of every step, in order."""
    prompts: list[Prompt] = []
    for step in range(settings.steps):
        drawn = environment.prompts(settings.prompts_per_step, step_seed(seed, step))
        if len(drawn) != settings.prompts_per_step:
            raise InputError(
                f"the environment {environment.name!r} gave {len(drawn)} prompts, not "
                f"{settings.prompts_per_step}."
            )
        prompts += drawn
    rows = {
        "prompt": [prompt.text for prompt in prompts],
        "task": [prompt.task for prompt in prompts],
        "info": [json.dumps(dict(prompt.info)) for prompt in prompts],
    }
    if rewrite is not None:
        rows["rewritten"] = [rewrite(prompt) for prompt in prompts]
    return rows


def _check_context(loaded: Loaded, rows: dict[str, list[str]], most: int) -> None:
    """Check that the longest prompt and a completion fit the model.

    Raises:
        InputError: they do not.
    """
    context = getattr(loaded.model.config, "max_position_embeddings", None)
    texts = sorted({*rows["prompt"], *rows.get("rewritten", ())})
    longest = max(len(ids) for ids in encode(loaded.tokenizer, texts))
    if context is not None and longest + most > context:
        raise InputError(
            f"a prompt of {longest} tokens and {most} new ones do not fit the model's context of "
            f"{context}. Lower max_new_tokens or shorten the prompts."
        )


def _trainer(
    loaded: Loaded,
    environment: Environment,
    settings: Grpo,
    seed: int,
    reward: RewardFunction | None,
    lora: Lora | None,
    rows: dict[str, list[str]],
    folder: Path,
    recorder: Recorder,
) -> Trainer:
    """Return the trainer, ready to train."""
    from datasets import Dataset

    from hackproof.optimize.language._trainer import Payer, Trainer

    prepare(loaded)
    adapter = lora is not None or is_adapter(loaded.model)
    # TRL reads the reference of an adapter off by switching it off; of a whole model it would
    # load the folder that the model came from, so that one is copied here
    reference = None
    if settings.kl and not adapter:
        reference = copy.deepcopy(loaded.model).eval().requires_grad_(False)
    arguments = _arguments(loaded, settings, seed, folder, adapter, "rewritten" in rows)
    lean = settings.lean
    if lean is None:
        lean = not settings.use_vllm and is_small(loaded.model)
    lean = lean and shares(loaded.model) and arguments.world_size == 1
    trainer = Trainer(
        model=loaded.model,
        reward_funcs=[Payer(environment, reward or Paid(), loaded, recorder)],
        args=arguments,
        train_dataset=Dataset.from_dict(rows),
        processing_class=loaded.tokenizer,
        peft_config=None if lora is None else lora.config(),
        loaded=loaded,
        recorder=recorder,
        lean=lean,
        kl=settings.kl,
        reference=reference,
    )
    if reference is not None and not lean:
        _fuse(reference, settings.temperature)
    return trainer


def _fuse(reference: Any, temperature: float) -> None:
    """Give the reference model the head that TRL's own loss calls."""
    from trl.trainer.utils import add_fused_lm_head

    add_fused_lm_head(reference, temperature=temperature)


def _arguments(
    loaded: Loaded, settings: Grpo, seed: int, folder: Path, adapter: bool, rewritten: bool
) -> Any:
    """Return TRL's settings."""
    from trl import GRPOConfig  # pyright: ignore[reportPrivateImportUsage]

    on_cpu = loaded.model.device.type == "cpu"
    size, passes = batches(settings, count())
    return GRPOConfig(
        output_dir=str(folder),
        use_cpu=on_cpu,
        bf16=not on_cpu and not is_small(loaded.model),
        fp16=False,
        seed=seed % 2**32,
        max_steps=settings.steps,
        per_device_train_batch_size=size,
        gradient_accumulation_steps=passes,
        num_generations=settings.group,
        max_completion_length=settings.max_new_tokens,
        temperature=settings.temperature,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="constant_with_warmup",
        warmup_steps=settings.warmup,
        weight_decay=settings.weight_decay,
        max_grad_norm=settings.max_grad_norm,
        beta=settings.kl if adapter else 0.0,
        loss_type=settings.loss_type,
        scale_rewards=settings.scale_rewards,
        num_iterations=1,
        shuffle_dataset=False,
        gradient_checkpointing=settings.gradient_checkpointing,
        use_vllm=settings.use_vllm,
        # the correction compares sampler and loss, which a rewritten prompt sets apart on purpose
        vllm_importance_sampling_correction=settings.use_vllm and not rewritten,
        save_strategy="steps" if settings.checkpoint_every else "no",
        save_steps=settings.checkpoint_every or 500,
        save_total_limit=2,  # the one before the newest stays until the newest is whole
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=not on_cpu,
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the libraries' remarks off the user's terminal; errors are still raised."""
    from transformers.utils import logging as transformers_logging

    level = transformers_logging.get_verbosity()
    own = {name: logging.getLogger(name) for name in ("trl", "accelerate", "peft")}
    levels = {name: logger.level for name, logger in own.items()}
    try:
        transformers_logging.set_verbosity_error()
        for logger in own.values():
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            # TRL's default for gradient checkpointing goes by a name that transformers gives up
            warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
            yield
    finally:
        transformers_logging.set_verbosity(level)
        for name, logger in own.items():
            logger.setLevel(levels[name])


@contextmanager
def _forward_restored(loaded: Loaded) -> Iterator[None]:
    """Take back the `forward` that TRL and accelerate put into the model."""
    network = base(loaded.model)
    try:
        yield
    finally:
        for model in {id(m): m for m in (network, loaded.model)}.values():
            vars(model).pop("forward", None)
            vars(model).pop("_original_forward", None)


def _identity(
    environment: Environment,
    settings: Grpo,
    seed: int,
    reward: RewardFunction | None,
    lora: Lora | None,
    rewrite: Callable[[Prompt], str] | None,
) -> dict[str, Any]:
    """Return what must be the same for a training to go on in its folder."""
    free = ("steps", "checkpoint_every")
    said = {key: value for key, value in asdict(settings).items() if key not in free}
    paid: Any = Paid() if reward is None else reward
    # each process has random numbers of its own, which a checkpoint keeps
    several = {"processes": count()} if count() > 1 else {}
    return {
        **several,
        "settings": said,
        "seed": seed,
        "environment": environment.name,
        "reward": getattr(paid, "__qualname__", type(paid).__qualname__),
        "lora": None if lora is None else asdict(lora),
        "rewritten": rewrite is not None,
    }


def _claim_folder(folder: Path, identity: dict[str, Any]) -> None:
    """Write what is trained in a folder, or check that it is the same.

    Raises:
        RunError: the folder holds another training.
    """
    path = folder / "grpo.json"
    text = canonical_json(identity)
    if not path.exists():
        write_file(path, text)
    elif canonical_json(read_json(path)) != text:
        raise RunError(
            f"{folder} holds a training with other settings, seed, environment, reward or number "
            "of processes. Give another folder, or delete this one."
        )


def _last_checkpoint(folder: Path) -> Path | None:
    """Return the newest whole checkpoint; delete those that were cut short."""
    from hackproof.optimize.language._trainer import HISTORY_FILE

    found: dict[int, Path] = {}
    for path in folder.glob("checkpoint-*"):
        if (path / HISTORY_FILE).exists():
            found[int(path.name.split("-")[1])] = path
        else:
            shutil.rmtree(path)
    return found[max(found)] if found else None


def _history(checkpoint: Path) -> dict[str, Any]:
    """Return what a checkpoint kept of the steps before it.

    Raises:
        RunError: it cannot be read.
    """
    from hackproof.optimize.language._trainer import HISTORY_FILE

    try:
        return read_json(checkpoint / HISTORY_FILE)
    except IntegrityError as error:
        raise RunError(f"{error} Delete {checkpoint} to go on from the one before it.") from None
