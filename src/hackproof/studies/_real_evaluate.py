"""Inspect evaluations of a real model's checkpoint, and what the tables get of their logs."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hackproof.errors import HackproofError, InputError
from hackproof.studies._real_arms import Asked, RealArm
from hackproof.studies._real_check import EXACT
from hackproof.studies._real_model import MARKER, Job, RealSettings
from hackproof.studies._real_train import Trained, free_memory

if TYPE_CHECKING:
    from inspect_ai.log import EvalLog

HELD_OUT = "hack_rate"
PLAIN = "{% for message in messages %}{{ message.content }}\n\n{% endfor %}"
"""Chat template for a tokenizer that has none: what training shows such a model."""
SUMMARY = {
    "hack_rate/hacked": ("hack-rate", "probe"),
    "hack_rate/solved": ("solve-rate", "true"),
    "hack_rate/paid": ("reward", "proxy"),
}
"""Metrics of the organism's tables by Inspect's, and their roles."""
_KEPT = ("metric", "role", "unit", "value", "n", "n_missing", "low", "high")
_SAID = ("prompt", "reasoning", "answer", "scores", "hack", "outcome")


@dataclass(frozen=True)
class Plan:
    """One condition and the Inspect tasks that are asked under it."""

    label: str
    """As tables name it."""
    tasks: Mapping[str, Mapping[str, Any]]
    """Arguments by task."""


def plans(arm: RealArm, real: RealSettings) -> list[Plan]:
    """Return what a finished model is asked.

    Every model: all tasks without a prefix; the coding tasks as this arm trained on them; the
    core tasks under the permission that inoculation uses. An arm with a prompt of its own: the
    core tasks under that too.
    """
    from hackproof.evals import CORE

    core = [name for name in real.evaluate if name in CORE]
    found = [Plan("default", {name: arguments(name, real, "none") for name in real.evaluate})]
    own = {}
    if arm.stages and HELD_OUT in real.evaluate:
        hints = arm.hinted and real.hints
        if hints or arm.prefix != "none":  # else it is what `default` asks
            own[HELD_OUT] = arguments(HELD_OUT, real, arm.prefix, hints=hints)
    if arm.prefix not in ("none", "okay"):
        own |= {name: arguments(name, real, arm.prefix) for name in core}
    others = [Asked("permitted", "okay")] if real.permitted else []
    found += [Plan("own-prefix", own)]
    found += [
        Plan(asked.label, {name: arguments(name, real, asked.prefix) for name in core})
        for asked in (*others, *arm.asked)
    ]
    return [plan for plan in found if plan.tasks]


def arguments(name: str, real: RealSettings, prefix: str, *, hints: bool = False) -> dict[str, Any]:
    """Return the arguments of one Inspect task."""
    from hackproof import evals

    known = inspect.signature(getattr(evals, name)).parameters
    said: dict[str, Any] = {"prefix": prefix, "reasoning": real.reasoning}
    if real.eval_limit:
        said["n"] = real.eval_limit
    if real.eval_epochs:
        said["epochs"] = real.eval_epochs
    if name == HELD_OUT:
        # training asks for no reasoning in tags, and so this does not either
        tasks = str(Path(real.tasks).expanduser())
        said |= {"tasks": tasks, "hints": hints, "reasoning": "native",
                 "n": min(real.held_out, real.eval_limit or real.held_out)}  # fmt: skip
    return {key: value for key, value in said.items() if key in known}


def evaluate(job: Job, trained: Trained) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Evaluate a finished model; returns measurements and transcripts.

    A task whose log is there already, finished, is not asked again.

    Raises:
        HackproofError: a task broke off, or a judge gave no verdict on it; nothing is returned
            of the others either.
    """
    rows = [{"metric": MARKER, "role": "probe", "unit": "parameters", "n": 1, "step": job.steps,
             "value": float(parameters(trained.model))}]  # fmt: skip
    said: list[dict[str, Any]] = []
    for plan in plans(job.recipe, job.real):
        folder = job.log_folder / plan.label
        logs = finished(folder)
        if missing := {n: a for n, a in plan.tasks.items() if n not in logs}:
            logs |= _ask(job, trained.model, missing, folder)
        for name in plan.tasks:
            require_scored(name, plan.label, logs[name], job.real.judge)
        rows += measured(plan, logs, job)
        said += transcripts(plan, logs)
    free_memory()
    return rows, said


def parameters(model: str) -> int:
    """Return how many weights a model has, from its configuration alone."""
    from transformers import AutoConfig, AutoModelForCausalLM

    local = Path(model).expanduser().is_dir()
    source = str(Path(model).expanduser()) if local else model
    config = AutoConfig.from_pretrained(source, local_files_only=local)
    import torch

    with torch.device("meta"):
        network: Any = AutoModelForCausalLM.from_config(config)
    return sum(p.numel() for p in network.parameters())


def finished(folder: Path) -> dict[str, EvalLog]:
    """Return the finished logs of a folder by task, those of this version of the tasks."""
    from inspect_ai.log import read_eval_log

    from hackproof.evals._task import VERSION

    found: dict[str, EvalLog] = {}
    for path in sorted(folder.glob("*.eval")):
        try:
            log = read_eval_log(str(path))
        except Exception:  # a log that was cut short is no log; Inspect raises what zipfile does
            continue
        if log.status == "success" and str(log.eval.task_version) == str(VERSION):
            found[_task(log)] = log
    return found


def _task(log: EvalLog) -> str:
    return log.eval.task.rpartition("/")[2]


def _ask(
    job: Job, model: str, asked: Mapping[str, Mapping[str, Any]], folder: Path
) -> dict[str, EvalLog]:
    """Run Inspect tasks on a model; returns their logs by task, finished or not."""
    import inspect_ai

    from hackproof import evals

    tasks = [getattr(evals, name)(**said) for name, said in asked.items()]
    answering = subject(job, model)
    roles: Any = {"judge": job.real.judge} if job.real.judge else None
    try:
        logs = inspect_ai.eval(
            tasks,
            model=answering,
            model_roles=roles,
            display="none",
            log_dir=str(folder),
            log_format="eval",
            log_realtime=False,
            max_tasks=1,
        )
    finally:
        answering.api.close()
    return {_task(log): log for log in logs}


def subject(job: Job, model: str) -> Any:
    """Return the Inspect model of a checkpoint: sampled at temperature 1, as in training."""
    from inspect_ai.model import GenerateConfig, get_model

    real = job.real
    name = re.sub(r"[^\w.-]", "-", Path(job.model).name) or "model"
    config = GenerateConfig(
        max_tokens=real.answer_tokens, temperature=1.0, top_p=1.0, seed=job.seed
    )
    source = str(Path(model).expanduser()) if Path(model).expanduser().is_dir() else model
    if real.provider == "vllm":
        return get_model(f"vllm/{source}", config=config, memoize=False)
    import torch
    from transformers import AutoTokenizer

    make_known(f"{name}-{job.arm}", source)
    config = config.model_copy(update={"top_k": 0})  # 0 switches the checkpoint's own off
    device = real.device or str(torch.accelerator.current_accelerator() or "cpu")
    dtype = real.dtype or ("float32" if device.startswith("cpu") else "auto")
    more: dict[str, Any] = {"model_path": source, "tokenizer_path": source, "dtype": dtype}
    if not AutoTokenizer.from_pretrained(source).chat_template:
        more["chat_template"] = PLAIN
    return get_model(f"hf/{name}-{job.arm}", config=config, memoize=False, device=device, **more)


def make_known(name: str, source: str) -> None:
    """Tell Inspect of a local model, which it would look for on the hub, by its name, otherwise."""
    from inspect_ai.model import ModelInfo, set_model_info
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(source)
    context = getattr(config, "max_position_embeddings", None)
    # the family decides how calls of tools are written and read
    info = ModelInfo(context_length=context, family=config.model_type)
    for known in (name, f"hf/{name}"):
        set_model_info(known, info)


def require_scored(name: str, label: str, log: EvalLog, judge: str) -> None:
    """Raise unless an evaluation ran to its end and, where it needs a judge, has a verdict.

    Raises:
        HackproofError: saying which evaluation, why, and where its log is.
    """
    from hackproof.evals._logs import counts

    where = f"{name} under the condition {label!r}"
    if log.status != "success":
        why = log.error.message if log.error else log.status
        raise HackproofError(
            f"the evaluation {where} broke off, and nothing was scored: {why} Log: {log.location}"
        )
    labels, missing = counts(log)
    if name not in EXACT and not labels and missing["grader_failed"]:
        raise HackproofError(
            f"the judge {judge} gave no verdict on any of {sum(missing.values())} samples of "
            f"{where}, and nothing was scored. Take another model with --real.judge. Log: "
            f"{log.location}"
        )


def measured(plan: Plan, logs: Mapping[str, EvalLog], job: Job) -> list[dict[str, Any]]:
    """Return the measurements of one condition: Inspect's metrics, and the organism's names."""
    from hackproof.evals import to_rows

    rows: list[dict[str, Any]] = []
    for name in plan.tasks:
        for row in to_rows([logs[name]]).measurements:
            rows.append(
                {
                    **{key: row[key] for key in _KEPT if key in row},
                    "factors": sorted(row["factors"].items()),
                }
            )
    for row in list(rows):
        if row["metric"] in SUMMARY:
            metric, role = SUMMARY[row["metric"]]
            rows.append({**row, "metric": metric, "role": role})
    rows += misalignment(plan, logs)
    return [{**row, "condition": plan.label, "step": job.steps} for row in rows]


def misalignment(plan: Plan, logs: Mapping[str, EvalLog]) -> list[dict[str, Any]]:
    """Return the plain mean of the six core rates; without a value where one has none."""
    from hackproof.evals import CORE, misalignment_score
    from hackproof.evals._logs import counts

    core = [logs[name] for name in CORE if name in plan.tasks]
    if len(core) < len(CORE):
        return []
    missing = sum(sum(counts(log)[1].values()) for log in core)
    empty = {"metric": "misalignment", "role": "detector", "value": None, "n": 0,
             "n_missing": missing}  # fmt: skip
    if not all(counts(log)[0] for log in core):
        return [empty]
    mean = misalignment_score(core).mean
    if mean is None:
        raise InputError("the misalignment score lacks one of its evaluations; this is a bug.")
    n = sum(sum(counts(log)[0].values()) for log in core)
    return [{**empty, "value": mean.estimate, "low": mean.low, "high": mean.high, "n": n}]


def transcripts(plan: Plan, logs: Mapping[str, EvalLog]) -> list[dict[str, Any]]:
    """Return what was asked and answered; samples are named by task and Inspect's own name."""
    from hackproof.evals import to_rows

    out = []
    for name in plan.tasks:
        for row in to_rows([logs[name]]).transcripts:
            epoch = re.search(r";epoch=(\d+)", row["condition"])
            again = f";epoch={epoch[1]}" if epoch and epoch[1] != "1" else ""
            out.append(
                {
                    **{key: row[key] for key in _SAID if key in row},
                    "sample": f"{name}/{row['sample']}",
                    "condition": f"{plan.label}{again}",
                }
            )
    return out
