"""Models and tokenizers in ordinary checkpoint folders: loading, saving, adapters.

Every trained model is a `transformers` causal language model with its tokenizer, so that
whatever else reads such folders reads these.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hackproof.errors import InputError, RunError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")


@dataclass(frozen=True)
class Loaded:
    """A causal language model and its tokenizer."""

    model: PreTrainedModel
    """A `transformers` model, or a `peft` model around one; trainers change it in place."""
    tokenizer: PreTrainedTokenizerBase
    """Pads on the left and has an end-of-sequence and a padding token."""
    notes: tuple[str, ...] = ()
    """What loading had to decide, for a reader."""


@dataclass(frozen=True)
class Lora:
    """A low-rank adapter (Hu et al. 2021, https://arxiv.org/abs/2106.09685)."""

    r: int = 8
    """Rank of the update."""
    alpha: float = 16.0
    """The update is scaled by alpha / r."""
    dropout: float = 0.0
    """Share of the adapter's inputs dropped while training."""
    targets: str | tuple[str, ...] = "all-linear"
    """Names of the layers that get an adapter; `all-linear` is every one but the output head."""

    def config(self) -> Any:
        """Return the `peft.LoraConfig`."""
        from peft import LoraConfig

        targets = self.targets if isinstance(self.targets, str) else list(self.targets)
        return LoraConfig(
            r=self.r,
            lora_alpha=self.alpha,  # pyright: ignore[reportArgumentType]  (used as a number)
            lora_dropout=self.dropout,
            target_modules=targets,
            task_type="CAUSAL_LM",
        )


def load(
    name_or_folder: str | Path,
    *,
    dtype: torch.dtype | str | None = None,
    device: torch.device | str | None = None,
) -> Loaded:
    """Load a causal language model and its tokenizer.

    An existing folder is read without touching the network; any other name of the form
    `name` or `owner/name` is a model of the Hugging Face hub.

    Args:
        name_or_folder: A checkpoint folder, or the hub's name of a model.
        dtype: Of the weights; None is float32 on a CPU and what the checkpoint says elsewhere.
        device: None is the accelerator where there is one, else the CPU.

    Raises:
        InputError: there is no such folder or model, no tokenizer in it, or the tokenizer has
            no end-of-sequence token.
    """
    import torch
    from transformers import AutoModelForCausalLM

    local = Path(name_or_folder).expanduser().is_dir()
    source = str(Path(name_or_folder).expanduser()) if local else str(name_or_folder)
    if not local and not _HUB_NAME.fullmatch(source):
        raise InputError(f"{source} is not a folder. Give a checkpoint folder or a hub name.")
    tokenizer, notes = _load_tokenizer(source, local)
    if device is None:
        device = torch.accelerator.current_accelerator() or torch.device("cpu")
    if dtype is None:
        dtype = torch.float32 if torch.device(device).type == "cpu" else "auto"
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(
            source, dtype=dtype, local_files_only=local
        )
    except (OSError, ValueError) as error:
        raise InputError(f"cannot load a causal language model from {source}: {error}") from None
    return prepare(Loaded(model.to(device), tokenizer, notes))


def _load_tokenizer(source: str, local: bool) -> tuple[PreTrainedTokenizerBase, tuple[str, ...]]:
    """Load a tokenizer, give it a padding token where it has none, and say so."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=local)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"cannot load a tokenizer from {source}: {error}. A checkpoint needs its tokenizer's "
            "files beside the weights: write them there with tokenizer.save_pretrained."
        ) from None
    return tokenizer, fit_tokenizer(tokenizer, source)


def fit_tokenizer(tokenizer: PreTrainedTokenizerBase, source: str) -> tuple[str, ...]:
    """Set left padding and a padding token, in place; return what had to be decided.

    Raises:
        InputError: it has no end-of-sequence token, without which no completion ends.
    """
    if tokenizer.eos_token_id is None:
        raise InputError(
            f"the tokenizer of {source} has no end-of-sequence token: no completion would end. "
            "Set eos_token and save it again."
        )
    tokenizer.padding_side = "left"
    if tokenizer.pad_token_id is not None:
        return ()
    tokenizer.pad_token = tokenizer.eos_token
    return (f"no padding token: {tokenizer.eos_token!r}, the end-of-sequence token, pads.",)


def prepare(loaded: Loaded) -> Loaded:
    """Make the model's special tokens agree with its tokenizer's, in place; return it.

    Raises:
        InputError: the tokenizer has tokens that the model has no embedding for.
    """
    model: Any = loaded.model
    tokenizer = loaded.tokenizer
    rows = model.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > rows:
        raise InputError(
            f"the tokenizer has {len(tokenizer)} tokens and the model embeds {rows}. "
            "Resize the embeddings, or take the tokenizer that the model was trained with."
        )
    model.config.pad_token_id = tokenizer.pad_token_id
    generation = model.generation_config
    if generation is not None:
        generation.pad_token_id = tokenizer.pad_token_id
        if generation.eos_token_id is None:
            generation.eos_token_id = tokenizer.eos_token_id
    return loaded


def check_vocabulary(tokenizer: PreTrainedTokenizerBase, texts: Iterable[str]) -> None:
    """Check that a tokenizer can write every word of some texts.

    Raises:
        InputError: some words become the unknown token; the message names them.
    """
    if tokenizer.unk_token_id is None:
        return
    words = sorted({word for text in texts for word in text.split()})
    encoded = tokenizer(words, add_special_tokens=False)["input_ids"] if words else []
    unknown = [w for w, ids in zip(words, encoded, strict=True) if tokenizer.unk_token_id in ids]
    if unknown:
        more = f" and {len(unknown) - 10} more" if len(unknown) > 10 else ""
        raise InputError(
            f"the vocabulary lacks {', '.join(map(repr, unknown[:10]))}{more}: the model could "
            "neither read nor write them. Train with a tokenizer that has them."
        )


def is_adapter(model: Any) -> bool:
    """Return whether a model is a `peft` model, adapter and base."""
    return hasattr(model, "peft_config") and hasattr(model, "merge_and_unload")


def add_adapter(loaded: Loaded, lora: Lora | None, seed: int) -> Loaded:
    """Return the model with a fresh adapter around it, its weights frozen; None adds none.

    The base model's layers are wrapped in place. The first matrix of each adapter is random
    by `seed`, the second zero, so that nothing changes before training.
    """
    if lora is None:
        return loaded
    import torch
    from peft import get_peft_model

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = get_peft_model(loaded.model, lora.config())
    return Loaded(model, loaded.tokenizer, loaded.notes)  # pyright: ignore[reportArgumentType]


def merge(loaded: Loaded) -> Loaded:
    """Return the model with its adapter folded into the weights; one without is as it was."""
    if not is_adapter(loaded.model):
        return loaded
    model: Any = loaded.model
    return Loaded(model.merge_and_unload(), loaded.tokenizer, loaded.notes)


def save(loaded: Loaded, folder: str | Path) -> Path:
    """Save model and tokenizer so that a reader sees all of the folder or none.

    An adapter is saved as an adapter; `merge` it first for an ordinary checkpoint. What the
    folder held before is replaced.

    Raises:
        RunError: the folder cannot be written.
    """
    target = Path(folder).expanduser().absolute()
    temporary = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
        os.chmod(temporary, 0o755)
        loaded.model.save_pretrained(temporary)
        loaded.tokenizer.save_pretrained(temporary)
        _replace(temporary, target)
    except OSError as error:
        raise RunError(f"cannot save the model to {target}: {error}.") from None
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
    return target


def _replace(temporary: Path, target: Path) -> None:
    """Rename a folder onto another; the one that was there is moved away first, then deleted."""
    if not target.exists():
        temporary.rename(target)
        return
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as away:
        target.rename(Path(away) / "old")
        temporary.rename(target)
