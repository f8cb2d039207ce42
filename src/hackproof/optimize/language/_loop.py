"""Group relative policy optimisation in plain torch: what `grpo` is checked against.

The same estimator as TRL's with one update per batch, written with none of its code nor of
this package's sampler, so that a mistake in either shows as another learning curve.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hackproof.errors import InputError
from hackproof.language._environment import Environment
from hackproof.optimize.language._decode import pad_left
from hackproof.optimize.language._grpo import Grpo, step_seed
from hackproof.optimize.language._load import Loaded
from hackproof.optimize.language._sampling import decode, encode, end_ids, kept_random_state

if TYPE_CHECKING:
    from torch import Tensor


def reference_grpo(
    loaded: Loaded, environment: Environment, settings: Grpo, *, seed: int
) -> list[float]:
    """Train a model in place; return the mean reward of each step's completions.

    Args:
        loaded: The model; its weights are changed.
        environment: As `grpo` takes one; ungraded completions get no advantage.
        settings: Of `grpo`; without KL, and with the losses `dapo` or `grpo`.
        seed: Prompts are those that `grpo` draws with it; samples are not.

    Raises:
        InputError: the settings ask for what this loop does not have.
    """
    import torch

    if settings.kl or settings.loss_type not in ("dapo", "grpo") or settings.micro_batch:
        raise InputError("the reference loop has no KL, no micro_batch, and only dapo and grpo.")
    model, tokenizer = loaded.model, loaded.tokenizer
    ends = end_ids(model, tokenizer)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    curve: list[float] = []
    with kept_random_state():
        torch.manual_seed(seed)
        for step in range(settings.steps):
            for group in optimizer.param_groups:
                warm = min(1.0, step / settings.warmup) if settings.warmup else 1.0
                group["lr"] = settings.learning_rate * warm
            asked = environment.prompts(settings.prompts_per_step, step_seed(seed, step))
            asked = [prompt for prompt in asked for _ in range(settings.group)]
            prompt, prompt_mask = pad_left(
                encode(tokenizer, [p.text for p in asked]),
                int(tokenizer.pad_token_id),  # pyright: ignore[reportArgumentType]
                model.device,
            )
            tokens, mask = _sample(model, prompt, prompt_mask, settings, ends)
            rows = [row[:n] for row, n in zip(tokens.tolist(), mask.sum(1).tolist(), strict=True)]
            grades = environment.grade(asked, decode(tokenizer, rows, ends))
            paid = [float("nan") if grade.reward is None else grade.reward for grade in grades]
            rewards = torch.tensor(paid, device=model.device)
            curve.append(float(rewards.nanmean()))
            model.train()
            optimizer.zero_grad()
            logits = model(
                input_ids=torch.cat((prompt, tokens), 1),
                attention_mask=torch.cat((prompt_mask, mask.long()), 1),
                logits_to_keep=tokens.shape[1] + 1,
            ).logits[:, :-1]
            scores = (logits.float() / settings.temperature).log_softmax(-1)
            chosen = scores.gather(2, tokens[..., None])[..., 0]
            # the gradient of the ratio at 1 is that of the log-probability
            per_token = -advantages(rewards, settings)[:, None] * chosen * mask
            if settings.loss_type == "dapo":
                loss = per_token.sum() / mask.sum()
            else:
                loss = (per_token.sum(1) / mask.sum(1)).mean()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), settings.max_grad_norm)
            optimizer.step()
    model.eval()
    return curve


def advantages(rewards: Tensor, settings: Grpo) -> Tensor:
    """Return what each completion was paid beside the others of its prompt, shape (rows,).

    Rows of one prompt lie together; a reward that is not a number gets 0 and counts nowhere.
    """
    import torch

    known = rewards.view(-1, settings.group)
    count = (~known.isnan()).sum(1, keepdim=True)
    centred = known - known.nanmean(1, keepdim=True)
    if settings.scale_rewards != "none":
        axis = None if settings.scale_rewards == "batch" else 1
        spread = rewards if axis is None else known
        about = spread - spread.nanmean(axis, keepdim=axis is not None)
        n = (~spread.isnan()).sum() if axis is None else count
        variance = about.square().nansum(axis, keepdim=axis is not None) / (n - 1)
        centred = centred / (variance.sqrt() + 1e-4)
    return torch.nan_to_num(centred, nan=0.0, posinf=0.0, neginf=0.0).view(-1)


def _sample(
    model: Any, prompt: Tensor, prompt_mask: Tensor, settings: Grpo, ends: list[int]
) -> tuple[Tensor, Tensor]:
    """Return sampled tokens and the mask of those up to the one that ends each completion."""
    import torch

    model.eval()
    with torch.no_grad():
        tokens = model.generate(
            inputs=prompt,
            attention_mask=prompt_mask,
            do_sample=True,
            temperature=settings.temperature,
            top_k=0,
            max_new_tokens=settings.max_new_tokens,
        )[:, prompt.shape[1] :]
    ended = torch.isin(tokens, torch.tensor(ends, device=tokens.device)).long()
    return tokens, (ended.cumsum(1) - ended) == 0
