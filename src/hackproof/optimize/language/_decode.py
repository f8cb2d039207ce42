"""Passes through a small decoder that share what equal prompts have in common.

Group sampling asks each prompt many times. Here a prompt is read once and its keys and
values are shared by all its completions, both while sampling and while training; the
sums are the same as without sharing. Rows that have finished leave the batch.

This is for models whose attention is full, causal and rotary (`shares`): their keys and
values do not depend on how a row is padded. Others take the paths of `transformers` and TRL.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hackproof.optimize.language._load import is_adapter

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from transformers import PreTrainedModel

MODEL_TYPES = ("llama", "mistral", "qwen2", "qwen3")
"""Architectures that the tests hold this path against."""

SMALL = 50_000_000
"""Parameters up to which this path is taken unasked; beyond it matrices take the time."""

COMPACT = 0.75
"""Share of rows still going below which the finished ones leave: moving rows costs time too."""


def shares(model: PreTrainedModel) -> bool:
    """Return whether a model is one that this module can run."""
    config: Any = model.config
    kinds = getattr(config, "layer_types", None) or ["full_attention"]
    rope = (getattr(config, "rope_parameters", None) or {}).get("rope_type", "default")
    return (
        config.model_type in MODEL_TYPES
        and set(kinds) == {"full_attention"}
        and not (config.model_type == "mistral" and getattr(config, "sliding_window", None))
        and rope in ("default", "linear", "llama3")
        and config._attn_implementation in ("sdpa", "eager")
    )


def is_small(model: PreTrainedModel) -> bool:
    """Return whether a model is small enough that overhead, not arithmetic, takes the time."""
    return sum(p.numel() for p in model.parameters()) <= SMALL


def base(model: PreTrainedModel) -> Any:
    """Return the model that a `peft` wrapper runs; its adapted layers are in it."""
    wrapped: Any = model
    return wrapped.get_base_model() if is_adapter(model) else model


def pad_left(rows: Sequence[Sequence[int]], fill: int, device: Any) -> tuple[Tensor, Tensor]:
    """Return rows as one tensor padded on the left, and the mask of what is not padding."""
    import torch

    width = max((len(row) for row in rows), default=0)
    ids = [[fill] * (width - len(row)) + list(row) for row in rows]
    mask = [[0] * (width - len(row)) + [1] * len(row) for row in rows]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


class _Keys:
    """Keys and values per layer, grown by concatenation; gradients flow through them."""

    def __init__(self) -> None:
        self.layers: list[tuple[Tensor, Tensor]] = []

    def update(self, keys: Tensor, values: Tensor, layer: int, *_: Any) -> tuple[Tensor, Tensor]:
        """Append one layer's keys and values, shape (rows, heads, tokens, width)."""
        import torch

        if layer == len(self.layers):
            self.layers.append((keys, values))
        else:
            old = self.layers[layer]
            self.layers[layer] = (torch.cat((old[0], keys), 2), torch.cat((old[1], values), 2))
        return self.layers[layer]

    def get_seq_length(self, layer: int = 0) -> int:
        """Return how many tokens are held."""
        return self.layers[layer][0].shape[2] if self.layers else 0

    def select(self, rows: Tensor) -> _Keys:
        """Return the same for a choice of rows, which may repeat."""
        chosen = _Keys()
        chosen.layers = [(k.index_select(0, rows), v.index_select(0, rows)) for k, v in self.layers]
        return chosen


class _Buffer:
    """Keys and values per layer in memory that is set aside once."""

    def __init__(self, prompt: _Keys, rows: Tensor, room: int) -> None:
        self.layers: list[tuple[Tensor, Tensor]] = []
        self.used = prompt.get_seq_length()
        for pair in prompt.layers:
            new = []
            for old in pair:
                _, heads, _, width = old.shape
                buffer = old.new_empty((len(rows), heads, self.used + room, width))
                buffer[:, :, : self.used] = old.index_select(0, rows)
                new.append(buffer)
            self.layers.append((new[0], new[1]))

    def update(self, keys: Tensor, values: Tensor, layer: int, *_: Any) -> tuple[Tensor, Tensor]:
        """Write one token's keys and values; return all that are held."""
        all_keys, all_values = self.layers[layer]
        end = self.used + 1
        all_keys[:, :, self.used : end] = keys
        all_values[:, :, self.used : end] = values
        return all_keys[:, :, :end], all_values[:, :, :end]

    def get_seq_length(self, layer: int = 0) -> int:
        """Return how many tokens are held."""
        return self.used

    def keep(self, rows: Tensor) -> None:
        """Drop every row but these, which are in order: each moves to its place or before it."""
        for pair in self.layers:
            for buffer in pair:
                buffer[: len(rows), :, : self.used] = buffer[rows, :, : self.used]
        self.layers = [(k[: len(rows)], v[: len(rows)]) for k, v in self.layers]


def _bias(allowed: Tensor, dtype: torch.dtype) -> Tensor:
    """Return an attention mask to add to scores: 0 where allowed, the least number elsewhere."""
    import torch

    low = torch.finfo(dtype).min
    zero = torch.zeros((), dtype=dtype, device=allowed.device)
    return torch.where(allowed, zero, torch.full_like(zero, low))


def _read(model: Any, ids: Tensor, mask: Tensor) -> tuple[Tensor, _Keys]:
    """Read prompts padded on the left; return the logits after each and their keys.

    Padding sees itself, so that no row of the attention is empty; nothing else sees it.
    """
    import torch

    length = ids.shape[1]
    causal = torch.ones((length, length), dtype=torch.bool, device=ids.device).tril()
    allowed = causal & mask[:, None, :].bool()
    allowed |= torch.eye(length, dtype=torch.bool, device=ids.device)
    keys = _Keys()
    logits = model(
        input_ids=ids,
        attention_mask=_bias(allowed[:, None], model.dtype),
        position_ids=(mask.cumsum(1) - 1).clamp(min=0),
        past_key_values=keys,
        use_cache=True,
        logits_to_keep=1,
    ).logits
    return logits[:, -1], keys


def draw(logits: Tensor, uniforms: Tensor, temperature: float) -> Tensor:
    """Draw one token per row by inverting the cumulative distribution; 0 is the most likely.

    Args:
        logits: Shape (rows, vocabulary).
        uniforms: Shape (rows,), in [0, 1), float64.
        temperature: The logits are divided by it.
    """
    if temperature == 0:
        return logits.argmax(-1)
    import torch

    total = (logits.double() / temperature).softmax(-1).cumsum(-1)
    # scaled by the last sum, which rounding leaves beside 1, so that no token past it is drawn
    drawn = torch.searchsorted(total, (uniforms * total[:, -1])[:, None], right=True)
    return drawn[:, 0].clamp(max=logits.shape[-1] - 1)


def sample_ids(
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
    uniforms: Tensor,
    *,
    ends: Sequence[int],
    pad: int,
    temperature: float,
) -> list[list[int]]:
    """Sample one completion per prompt; equal prompts are read once.

    Args:
        model: One that `shares`; in evaluation mode where it has dropout.
        prompts: Token ids, none empty.
        uniforms: Shape (prompts, most new tokens): the draw of row i at token t is decided by
            `uniforms[i, t]` alone, whatever else is in the batch.
        ends: Tokens that end a completion, which they are the last of.
        pad: Any token, to pad with.
        temperature: 0 takes the most likely token.
    """
    import torch

    network = base(model)
    device = network.device
    order: dict[tuple[int, ...], int] = {}
    which = [order.setdefault(tuple(ids), len(order)) for ids in prompts]
    ids, mask = pad_left(list(order), pad, device)
    uniforms = uniforms.to(device)
    rows = torch.tensor(which, device=device)
    most = uniforms.shape[1]
    out = torch.full((len(prompts), most), pad, device=device)
    length = torch.full((len(prompts),), most, device=device)
    end_ids = torch.tensor(list(ends), device=device)
    with torch.inference_mode():
        logits, keys = _read(network, ids, mask)
        logits = logits.index_select(0, rows)
        buffer = _Buffer(keys, rows, most - 1)
        seen = torch.ones((len(rows), ids.shape[1] + most - 1), dtype=torch.bool, device=device)
        seen[:, : ids.shape[1]] = mask.bool().index_select(0, rows)
        bias = _bias(seen[:, None, None], network.dtype)
        position = mask.sum(1).index_select(0, rows)
        live = torch.arange(len(prompts), device=device)  # the row of `out` that each row fills
        going = torch.ones_like(live, dtype=torch.bool)
        for t in range(most):
            token = draw(logits, uniforms[live, t], temperature)
            out[live, t] = token
            ended = going & torch.isin(token, end_ids)
            length[live[ended]] = t + 1
            going &= ~ended
            left = int(going.sum())
            if not left or t + 1 == most:
                break
            if left < COMPACT * len(live):
                keep = going.nonzero()[:, 0]
                live, token, going = live[keep], token[keep], going[keep]
                position, bias = position[keep], bias[keep]
                buffer.keep(keep)
            logits = network(
                input_ids=token[:, None],
                attention_mask=bias[..., : buffer.used + 1],
                position_ids=position[:, None],
                past_key_values=buffer,
                use_cache=True,
            ).logits[:, -1]
            buffer.used += 1
            position = position + 1
    return [row[:n] for row, n in zip(out.tolist(), length.tolist(), strict=True)]


def completion_logits(
    model: PreTrainedModel,
    prompt_ids: Tensor,
    prompt_mask: Tensor,
    completion_ids: Tensor,
) -> Tensor:
    """Return the logits that each completion token was drawn from, with gradients.

    Args:
        model: One that `shares`.
        prompt_ids: Shape (rows, prompt), padded on the left; equal rows are read once.
        prompt_mask: 1 where a prompt's token, 0 where padding.
        completion_ids: Shape (rows, completion), padded on the right.

    Returns:
        Shape (rows, completion, vocabulary). What stands at padding means nothing.
    """
    import torch

    network = base(model)
    both = torch.stack((prompt_ids, prompt_mask), 2)
    unique, which = torch.unique(both, dim=0, return_inverse=True)
    used = int(unique[..., 1].sum(1).max())  # padding that every row has is not read
    unique = unique[:, unique.shape[1] - used :]
    mask = unique[..., 1]
    first, keys = _read(network, unique[..., 0], mask)
    first = first.index_select(0, which)[:, None]
    given = completion_ids[:, :-1]
    if not given.shape[1]:
        return first
    rows, length = given.shape
    causal = torch.ones((length, length), dtype=torch.bool, device=mask.device).tril()
    prompt = mask.bool().index_select(0, which)[:, None].expand(rows, length, used)
    allowed = torch.cat((prompt, causal.expand(rows, length, length)), 2)
    steps = torch.arange(length, device=mask.device)
    rest = network(
        input_ids=given,
        attention_mask=_bias(allowed[:, None], network.dtype),
        position_ids=mask.sum(1).index_select(0, which)[:, None] + steps,
        past_key_values=keys.select(which),
        use_cache=True,
    ).logits
    return torch.cat((first, rest), 1)
