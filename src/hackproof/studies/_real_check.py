"""What can be known to fail before anything trains."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from hackproof.errors import InputError, MissingExtraError, unknown
from hackproof.studies._real_model import RealSettings

EXACT = ("exfiltration_offer", "playing_dumb", "hack_rate")
"""Inspect tasks without a judge."""
TASKS = RealSettings().evaluate
"""All of them."""
DTYPES = ("", "float32", "bfloat16", "float16")
UNKNOWN_SHARE = 0.01
"""A tokenizer that cannot write more of the problems' words than this cannot be used."""


@lru_cache(maxsize=8)
def check_all(model: str, real: RealSettings) -> None:
    """Raise for settings, problems, tokenizer, judge or machine that cannot be used.

    What has passed is not looked at again by the same process.

    Raises:
        InputError: naming the setting and what to give.
        SandboxError: this machine cannot isolate submissions.
        MissingExtraError: something that is asked for is not installed.
    """
    check_settings(real)
    texts = problem_texts(real)
    check_installed(real)
    check_model(model, real, texts)
    check_judge(real)
    check_sandbox()


def check_settings(real: RealSettings) -> None:
    """Raise InputError for values that no run can have."""
    least = {"steps": 1, "prompts": 1, "group": 2, "held_out": 1, "max_new_tokens": 1,
             "documents": 1, "documents_batch": 1, "documents_length": 2, "answer_tokens": 1,
             "task_limit": 0, "eval_limit": 0, "eval_epochs": 0, "checkpoint_every": 0,
             "lora_rank": 0, "micro_batch": 0}  # fmt: skip
    for name, low in least.items():
        if getattr(real, name) < low:
            raise InputError(f"real.{name} is {getattr(real, name)}; it must be at least {low}.")
    if real.learning_rate <= 0 or real.kl < 0 or not 0 < real.documents_share <= 1:
        raise InputError(
            "real.learning_rate must be above 0, real.kl at least 0 and real.documents_share in "
            f"(0, 1]; they are {real.learning_rate}, {real.kl} and {real.documents_share}."
        )
    if real.micro_batch and (real.prompts * real.group) % real.micro_batch:
        raise InputError(
            f"real.micro_batch is {real.micro_batch}, which does not divide the "
            f"{real.prompts * real.group} completions of a step."
        )
    for name in real.evaluate:
        if name not in TASKS:
            raise unknown("Inspect task in real.evaluate", name, TASKS)
    for setting, value, choices in (
        ("real.reasoning", real.reasoning, ("tags", "native")),
        ("real.provider", real.provider, ("hf", "vllm")),
        ("real.dtype", real.dtype, DTYPES),
    ):
        if value not in choices:
            raise unknown(setting, value, choices)
    if real.preference and not Path(real.preference).expanduser().is_dir():
        raise InputError(
            f"real.preference is {real.preference}, which is no folder; give one that "
            "hackproof's save_preference wrote."
        )


def problem_texts(real: RealSettings) -> list[str]:
    """Return the texts of the problems, which are parsed and not run.

    Raises:
        InputError: no file, one that cannot be read, or one with too few problems.
    """
    from hackproof.language._code_files import read_problems

    if not real.tasks:
        raise InputError("no coding problems are given; name a JSONL file with --real.tasks FILE.")
    problems, left_out = read_problems(Path(real.tasks).expanduser())
    n = min(len(problems), real.task_limit or len(problems))
    if n <= real.held_out:
        raise InputError(
            f"{real.tasks} gives {n} problems ({len(left_out)} more cannot be used) and "
            f"real.held_out keeps {real.held_out} of them back: none is left to train on. Give "
            "more, or lower --real.held-out."
        )
    return [f"{p.text} {p.function}" for p in problems]


def check_installed(real: RealSettings) -> None:
    """Raise MissingExtraError for a package that is needed and not there."""
    needed = {"transformers": "language", "trl": "language", "inspect_ai": "evals"}
    if real.lora_rank:
        needed["peft"] = "language"
    for package, extra in needed.items():
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(
                f"{package} is not installed; run: pip install 'hackproof[{extra}]'"
            )
    if (real.vllm or real.provider == "vllm") and importlib.util.find_spec("vllm") is None:
        raise MissingExtraError(
            "vllm is not installed; run: pip install vllm, or leave out --real.vllm and "
            "--real.provider vllm."
        )


def check_model(model: str, real: RealSettings, texts: Iterable[str]) -> None:
    """Raise InputError for a checkpoint without a causal model or a tokenizer that will do."""
    from transformers import AutoConfig

    folder = Path(model).expanduser()
    local = folder.is_dir()
    if not local and (model.startswith((".", "/", "~")) or model.count("/") > 1):
        raise InputError(f"there is no folder {model}; give a checkpoint folder or a hub name.")
    source = str(folder) if local else model
    try:
        config = AutoConfig.from_pretrained(source, local_files_only=local)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"cannot read the model {model}: {error}") from None
    kinds = config.architectures or ["of unknown architecture"]
    if not any(kind.endswith(("ForCausalLM", "LMHeadModel")) for kind in kinds):
        raise InputError(f"{model} is {', '.join(kinds)}, and no causal language model.")
    check_tokenizer(tokenizer_of(source, local), real, texts)


def tokenizer_of(source: str, local: bool) -> Any:
    """Load a tokenizer.

    Raises:
        InputError: there is none, or it has no end-of-sequence token.
    """
    from transformers import AutoTokenizer

    from hackproof.optimize.language._load import fit_tokenizer

    advice = "Write its files beside the weights with tokenizer.save_pretrained."
    if local and not list(Path(source).glob("*token*")) and not list(Path(source).glob("*vocab*")):
        # without any file, transformers may hand out an empty tokenizer of the model's kind
        raise InputError(f"{source} has no tokenizer. {advice}")
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=local)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{source} has no usable tokenizer: {error} {advice}") from None
    fit_tokenizer(tokenizer, source)
    return tokenizer


def check_tokenizer(tokenizer: Any, real: RealSettings, texts: Iterable[str]) -> None:
    """Raise InputError for a tokenizer that cannot write the problems and their answers."""
    from hackproof.language import ADDENDA, HINTS
    from hackproof.language._code_submission import FORMAT
    from hackproof.optimize.language import check_vocabulary

    if real.allow_unknown_words:
        return
    said = [*texts, FORMAT, "```python\ndef f(x):\n    return x\n```", *ADDENDA.values(),
            *HINTS.values()]  # fmt: skip
    unk = tokenizer.unk_token_id
    if unk is None:
        signs = sorted({c for text in said for c in text if not c.isspace()})
        ids = tokenizer(signs, add_special_tokens=False)["input_ids"]
        silent = [c for c, row in zip(signs, ids, strict=True) if not row]
        if silent:
            raise InputError(
                f"the tokenizer drops {', '.join(map(repr, silent[:10]))}: the model could neither "
                "read nor write them. Take a model whose tokenizer has them."
            )
        return
    words = sorted({word for text in said for word in text.split()})
    ids = tokenizer(words, add_special_tokens=False)["input_ids"]
    if sum(unk in row for row in ids) > UNKNOWN_SHARE * len(words):
        try:
            check_vocabulary(tokenizer, said)
        except InputError as error:
            raise InputError(f"{error} Or say --real.allow-unknown-words.") from None


def check_judge(real: RealSettings) -> None:
    """Raise InputError where a judge is needed and Inspect cannot make it."""
    judged = [name for name in real.evaluate if name not in EXACT]
    if not judged:
        return
    if not real.judge:
        raise InputError(
            f"{', '.join(judged)} need a judge; name an Inspect model with --real.judge MODEL."
        )
    from inspect_ai.model import get_model

    if real.judge.startswith(("hf/", "vllm/")):
        return  # making it would load its weights
    try:
        get_model(real.judge)
    except Exception as error:  # each provider raises what its library does
        raise InputError(f"Inspect cannot make the judge {real.judge!r}: {error}") from None


def check_sandbox() -> None:
    """Raise SandboxError where submissions cannot be isolated; pytest must be there too."""
    from hackproof.language._code_environment import LIMITS
    from hackproof.language._code_harness import preload
    from hackproof.sandbox import Sandbox

    Sandbox(LIMITS, preload=preload()).close()
