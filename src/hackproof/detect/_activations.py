"""The residual stream of a language model: read at a layer, or changed there.

Layer 0 is what goes into the first decoder block (the embedding), layer k what comes out of
the k-th. `output_hidden_states` is not used: its last entry is already normalised, so that
what is read there could not be written back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from hackproof.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor
    from transformers import PreTrainedModel

    from hackproof.optimize.language import Loaded


def decoder_blocks(model: PreTrainedModel) -> list[Any]:
    """Return the decoder blocks of a causal language model, first to last.

    They are the outermost list of modules that is as long as the configuration says; a
    `peft` wrapper is looked through.

    Raises:
        InputError: the model has no such list.
    """
    import torch

    from hackproof.optimize.language._decode import base

    network = base(model)
    depth = network.config.get_text_config().num_hidden_layers
    for module in network.modules():
        if isinstance(module, torch.nn.ModuleList) and len(module) == depth:
            return list(module)
    raise InputError(
        f"{type(network).__name__} has no list of {depth} decoder blocks; its residual stream "
        "cannot be found."
    )


def n_layers(model: PreTrainedModel) -> int:
    """Return how many decoder blocks a model has: its layers are 0 to this, both included."""
    return len(decoder_blocks(model))


@contextmanager
def hooked(
    model: PreTrainedModel, layer: int, change: Callable[[Tensor], Tensor | None]
) -> Iterator[None]:
    """Call a function with the residual stream at a layer in every pass through the model.

    Works wherever the decoder blocks are called as modules: `generate`, the lean sampler,
    training. Functions at one layer are called in the order in which they were put there.

    Args:
        model: A causal language model, or a `peft` model around one.
        layer: 0 to `n_layers`.
        change: From (rows, tokens, width) to what takes its place; None changes nothing.

    Raises:
        InputError: the model has no such layer.
    """
    blocks = decoder_blocks(model)
    if not 0 <= layer <= len(blocks):
        raise InputError(f"layer {layer} does not exist; this model has 0 to {len(blocks)}.")

    def before(_: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not args:
            new = change(kwargs["hidden_states"])
            return None if new is None else (args, {**kwargs, "hidden_states": new})
        new = change(args[0])
        return None if new is None else ((new, *args[1:]), kwargs)

    def after(_: Any, args: tuple[Any, ...], output: Any) -> Any:
        whole = isinstance(output, tuple)  # some architectures return more than the stream
        new = change(output[0] if whole else output)
        return None if new is None else (new, *output[1:]) if whole else new

    if layer == 0:
        handle = blocks[0].register_forward_pre_hook(before, with_kwargs=True)
    else:
        handle = blocks[layer - 1].register_forward_hook(after)
    try:
        yield
    finally:
        handle.remove()


def residual_stream(
    loaded: Loaded,
    texts: Sequence[str],
    continuations: Sequence[str] | None = None,
    *,
    layers: Sequence[int] | None = None,
    position: str = "last",
    batch_size: int = 128,
) -> dict[int, NDArray[np.float32]]:
    """Return the residual stream at one place of each text, by layer.

    No dropout is on and nothing is drawn. Texts are read in batches of like length, padded on
    the left; padding is neither seen nor averaged.

    Args:
        loaded: The model and its tokenizer.
        texts: Prompts.
        continuations: What follows each text, tokenized apart from it as in training.
        layers: Which; all from 0 to the last where None.
        position: `last`: at the last token. `mean`: the mean over all tokens. Any other word,
            which must be one token: at its last occurrence.
        batch_size: Texts read at once.

    Returns:
        An array (texts, width) for each layer, rows in the order of the texts.

    Raises:
        InputError: a layer or a batch size that cannot be; a text without the word asked for.
    """
    import torch

    from hackproof.optimize.language._decode import base, pad_left
    from hackproof.optimize.language._sampling import _batches, evaluating

    model: Any = loaded.model
    wanted = list(range(n_layers(model) + 1)) if layers is None else list(dict.fromkeys(layers))
    if batch_size < 1 or not texts:
        raise InputError(f"{len(texts)} texts in batches of {batch_size}; give at least one each.")
    rows = _ids(loaded, texts, continuations)
    word = None if position in ("last", "mean") else _one_token(loaded, position)
    pad: Any = loaded.tokenizer.pad_token_id
    seen: dict[int, Tensor] = {}
    found: dict[int, NDArray[np.float32]] = {}
    with ExitStack() as stack:
        stack.enter_context(evaluating(model))
        stack.enter_context(torch.inference_mode())
        for layer in wanted:
            stack.enter_context(hooked(model, layer, _keep(seen, layer)))
        for places in _batches(rows, batch_size):
            ids, mask = pad_left([rows[i] for i in places], pad, model.device)
            base(model).base_model(
                input_ids=ids,
                attention_mask=mask,
                position_ids=(mask.cumsum(1) - 1).clamp(min=0),
                use_cache=False,
            )
            weight = _weights(ids, mask, word, position)
            for layer in wanted:
                # What stands at padding may be no number, which a weight of 0 would not stop.
                hidden = seen[layer].float().masked_fill(weight[..., None] == 0, 0.0)
                hidden = torch.einsum("ntd,nt->nd", hidden, weight).cpu().numpy()
                out = found.setdefault(layer, np.empty((len(rows), hidden.shape[1]), np.float32))
                out[places] = hidden
    return found


def _keep(seen: dict[int, Tensor], layer: int) -> Callable[[Tensor], None]:
    """Return a function that remembers the stream at a layer and changes nothing."""

    def change(hidden: Tensor) -> None:
        seen[layer] = hidden

    return change


def _ids(
    loaded: Loaded, texts: Sequence[str], continuations: Sequence[str] | None
) -> list[list[int]]:
    """Return the token ids of every text with what follows it."""
    from hackproof.optimize.language._sampling import completion_ids, encode

    first = encode(loaded.tokenizer, texts)
    if continuations is None:
        return first
    if len(continuations) != len(texts):
        raise InputError(f"{len(texts)} texts and {len(continuations)} continuations.")
    rest = completion_ids(loaded.tokenizer, continuations, end=False)
    return [a + b for a, b in zip(first, rest, strict=True)]


def _one_token(loaded: Loaded, word: str) -> int:
    """Return the id of a word that is one token."""
    ids: Any = loaded.tokenizer(word, add_special_tokens=False)["input_ids"]
    if len(ids) != 1 or ids[0] == loaded.tokenizer.unk_token_id:
        raise InputError(f"position {word!r} is not last, mean, or one token of this tokenizer.")
    return int(ids[0])


def _weights(ids: Tensor, mask: Tensor, word: int | None, position: str) -> Tensor:
    """Return (rows, tokens) weights that pick, or average, the place that is read."""
    import torch

    if position == "mean":
        return mask.float() / mask.sum(1, keepdim=True)
    here = mask.bool() if word is None else (ids == word) & mask.bool()
    if not bool(here.any(1).all()):
        raise InputError(f"text {int((~here.any(1)).nonzero()[0])} of a batch lacks {position!r}.")
    places = torch.arange(ids.shape[1], device=ids.device)
    last = torch.where(here, places, -1).argmax(1)
    return torch.nn.functional.one_hot(last, ids.shape[1]).float()
