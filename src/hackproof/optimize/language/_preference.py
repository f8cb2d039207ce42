"""Preference models, and what is trained on them: reinforcement learning from feedback.

A preference model reads a prompt and a completion and returns one number. It is made from
pairs of which a rater preferred one, and starts from the policy's own weights. As a reward
(`as_reward`) it is mixed into another one; as an environment (`PreferenceEnvironment`) it is
trained on like any other, alone, in a mixture, or before and after.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hackproof.errors import InputError, IntegrityError, RewardError
from hackproof.experiment.statistics import Interval, share_interval
from hackproof.language._environment import Environment, Grade, Prompt
from hackproof.optimize.language._load import Loaded, is_adapter, save
from hackproof.optimize.language._sampling import completion_ids, encode
from hackproof.record.files import canonical_json, read_json, write_file

if TYPE_CHECKING:
    import torch

    from hackproof.optimize.language._rewards import RewardFunction

Pair = tuple[str, str, str]
"""A prompt, the completion that was preferred, the one that was not."""

FACTS = "preference.json"


@dataclass(frozen=True)
class Preference:
    """How a preference model is trained."""

    epochs: int = 3
    """Passes over the training pairs."""
    learning_rate: float = 3e-4
    """AdamW's; for a model of a billion parameters rather 1e-5."""
    batch: int = 32
    """Pairs per step."""
    warmup: float = 0.1
    """Share of the steps over which the learning rate rises; then it falls linearly to 0."""
    weight_decay: float = 0.0
    """AdamW's."""
    held_out: float = 0.2
    """Share of the prompts whose pairs are kept from training: for the accuracy and the scale."""


@dataclass(frozen=True)
class PreferenceModel:
    """A trained preference model."""

    model: Any
    """A `transformers` model for sequence classification with one label."""
    tokenizer: Any
    """The policy's tokenizer."""
    mean: float
    """Mean of the raw score over both sides of the held-out pairs."""
    sd: float
    """Its standard deviation."""
    held_out: Interval
    """Accuracy on the held-out pairs. Pairs that share a prompt are not independent: the
    interval is then too narrow."""

    def score(
        self, prompts: Sequence[str], completions: Sequence[str], batch_size: int = 256
    ) -> np.ndarray:
        """Return one score per completion, with mean 0 and sd 1 on the held-out pairs.

        Args:
            prompts: n prompts.
            completions: n completions.
            batch_size: Completions per forward pass.

        Returns:
            (n,) float64.

        Raises:
            InputError: the lengths differ, or a text is longer than the model can read.
        """
        if len(prompts) != len(completions):
            raise InputError(f"{len(prompts)} prompts and {len(completions)} completions.")
        rows = _encode(self.model, self.tokenizer, prompts, completions)
        return (_score_rows(self.model, rows, batch_size) - self.mean) / self.sd

    def accuracy(self, pairs: Sequence[Pair]) -> float:
        """Return the share of pairs in which the preferred side scores higher; ties count half.

        Raises:
            InputError: there are no pairs.
        """
        return float(np.mean(_right(self, pairs)))


def train_preference(
    loaded: Loaded,
    pairs: Sequence[Pair],
    settings: Preference | None = None,
    *,
    seed: int,
    held_out: Sequence[Pair] | None = None,
) -> PreferenceModel:
    """Train a preference model that starts from a policy's weights.

    L = -mean log sigmoid(r(prompt, chosen) - r(prompt, rejected))

    The policy is not changed. The body is copied from it, the one-number head is new. It trains
    in float32, without dropout, on the device of the policy: the loss of TRL's RewardTrainer in
    a loop that writes nothing and leaves the global random state alone. Where one device is not
    enough, train with RewardTrainer and hand its model to `preference_model`.

    Args:
        loaded: The policy; an adapter must have been merged into it.
        pairs: What the rater said.
        settings: How to train.
        seed: Decides the head, the order of the pairs and which are held out.
        held_out: Pairs for the accuracy and the scale; by default those of a share of the
            prompts, so that no prompt is on both sides.

    Raises:
        InputError: there is nothing to train on or to hold out, a text is too long, or the
            policy's architecture has no model for sequence classification.

    Source: Bradley and Terry, Biometrika 39 (1952); as used by Christiano et al. 2017,
        https://arxiv.org/abs/1706.03741
    """
    settings = settings or Preference()
    random = np.random.default_rng(seed)
    if held_out is None:
        pairs, held_out = split_by_prompt(pairs, settings.held_out, random)
    if not pairs or not held_out:
        raise InputError("a preference model needs pairs to train on and held-out pairs.")
    model = _classifier(loaded, seed)
    _fit(model, loaded.tokenizer, pairs, settings, random)
    return preference_model(model, loaded.tokenizer, held_out)


def split_by_prompt(
    pairs: Sequence[Pair], share: float, random: np.random.Generator
) -> tuple[list[Pair], list[Pair]]:
    """Return the pairs to train on and those held out, with no prompt on both sides.

    Raises:
        InputError: all pairs have one prompt, or the share is not in (0, 1).
    """
    if not 0 < share < 1:
        raise InputError(f"the share of held-out prompts is {share}; it must lie in (0, 1).")
    prompts = sorted({p for p, _, _ in pairs})
    if len(prompts) < 2:
        raise InputError(
            f"{len(pairs)} pairs have {len(prompts)} different prompts; at least 2 are needed to "
            "hold some out. Give `held_out` pairs of your own."
        )
    n = min(max(1, round(share * len(prompts))), len(prompts) - 1)
    out = {prompts[i] for i in random.permutation(len(prompts))[:n]}
    return [x for x in pairs if x[0] not in out], [x for x in pairs if x[0] in out]


def _classifier(loaded: Loaded, seed: int) -> Any:
    """Return a one-label classifier with the policy's body and a new head."""
    import torch
    from transformers import AutoModelForSequenceClassification

    policy = loaded.model
    if is_adapter(policy):
        raise InputError("the policy still carries an adapter; `merge` it first.")
    config = copy.deepcopy(policy.config)
    config.num_labels = 1
    config.pad_token_id = loaded.tokenizer.pad_token_id
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        try:
            model = AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)
        except ValueError:
            raise InputError(
                f"transformers has no model for sequence classification of {config.model_type!r}."
            ) from None
    body, own = (getattr(m, m.base_model_prefix) for m in (policy, model))
    own.load_state_dict(body.state_dict())
    return model.to(policy.device).eval()


def _encode(
    model: Any, tokenizer: Any, prompts: Sequence[str], completions: Sequence[str]
) -> list[list[int]]:
    """Return the tokens of each prompt, of its completion, and the end.

    The two are tokenized apart, as they are in generation, so no token crosses the border.
    A completion that was cut short is read as one that ended there.
    """
    texts = completion_ids(tokenizer, completions, end=True)
    rows = [a + b for a, b in zip(encode(tokenizer, prompts), texts, strict=True)]
    limit = getattr(model.config, "max_position_embeddings", None)
    long = [i for i, row in enumerate(rows) if limit is not None and len(row) > limit]
    if long:
        raise InputError(
            f"a prompt and its completion have {len(rows[long[0]])} tokens, the preference model "
            f"reads {limit}: {prompts[long[0]][:60]!r}."
        )
    return rows


def _sides(model: Any, tokenizer: Any, pairs: Sequence[Pair]) -> list[list[int]]:
    """Return the tokens of the preferred sides, then those of the others."""
    prompts = [p for p, _, _ in pairs]
    texts = [a for _, a, _ in pairs] + [b for _, _, b in pairs]
    return _encode(model, tokenizer, prompts + prompts, texts)


def _raw(model: Any, rows: Sequence[Sequence[int]]) -> torch.Tensor:
    """Return the raw score of each row of tokens, shape (n,)."""
    import torch

    ids = torch.full((len(rows), max(map(len, rows))), model.config.pad_token_id)
    mask = torch.zeros_like(ids)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
        mask[i, : len(row)] = 1
    device = model.device
    logits = model(input_ids=ids.to(device), attention_mask=mask.to(device), use_cache=False).logits
    return logits[:, 0].float()


def _score_rows(model: Any, rows: Sequence[Sequence[int]], batch_size: int) -> np.ndarray:
    """Return raw scores in the order of `rows`; rows of like length share a batch."""
    import torch

    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    scores = np.zeros(len(rows))
    with torch.inference_mode():
        for start in range(0, len(order), batch_size):
            part = order[start : start + batch_size]
            scores[part] = _raw(model, [rows[i] for i in part]).cpu().numpy()
    return scores


def bradley_terry(chosen: torch.Tensor, rejected: torch.Tensor) -> torch.Tensor:
    """Return -mean log sigmoid(chosen - rejected) over raw scores of shape (n,)."""
    import torch

    return -torch.nn.functional.logsigmoid(chosen - rejected).mean()


def _fit(
    model: Any,
    tokenizer: Any,
    pairs: Sequence[Pair],
    settings: Preference,
    random: np.random.Generator,
) -> None:
    """Minimise the Bradley-Terry loss, in place."""
    import torch

    rows = _sides(model, tokenizer, pairs)
    n = len(pairs)
    adam = torch.optim.AdamW(
        model.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
    )
    steps = settings.epochs * math.ceil(n / settings.batch)
    rise = max(1, round(settings.warmup * steps))
    rate = torch.optim.lr_scheduler.LambdaLR(
        adam, lambda t: min((t + 1) / rise, (steps - t) / max(1, steps - rise))
    )
    for _ in range(settings.epochs):
        order = random.permutation(n)
        for start in range(0, n, settings.batch):
            part = order[start : start + settings.batch]
            scores = _raw(model, [rows[i] for i in part] + [rows[n + i] for i in part])
            loss = bradley_terry(*scores.split(len(part)))
            adam.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            adam.step()
            rate.step()


def _right(pm: PreferenceModel, pairs: Sequence[Pair]) -> np.ndarray:
    """Return 1, 0 or (tied) 0.5 per pair."""
    if not pairs:
        raise InputError("there are no pairs to be right about.")
    prompts = [p for p, _, _ in pairs]
    chosen = pm.score(prompts, [a for _, a, _ in pairs])
    rejected = pm.score(prompts, [b for _, _, b in pairs])
    return (np.sign(chosen - rejected) + 1) / 2


def preference_model(model: Any, tokenizer: Any, held_out: Sequence[Pair]) -> PreferenceModel:
    """Return a trained classifier as a preference model: its scale and accuracy measured.

    Args:
        model: A `transformers` model for sequence classification with one label.
        tokenizer: Its tokenizer.
        held_out: Pairs that it was not trained on.

    Raises:
        InputError: there are no pairs, or a text is too long.
    """
    if not held_out:
        raise InputError("a preference model needs held-out pairs for its scale and accuracy.")
    raw = _score_rows(model, _sides(model, tokenizer, held_out), 256)
    # A model that scores everything alike has no scale; its scores stay 0.
    sd = float(raw.std()) or 1.0
    blank = Interval(math.nan, math.nan, math.nan, 0)
    pm = PreferenceModel(model, tokenizer, float(raw.mean()), sd, blank)
    right = _right(pm, held_out)
    share = share_interval(int(np.floor(right.sum())), len(right))
    return replace(pm, held_out=share._replace(estimate=float(right.mean())))


def save_preference(pm: PreferenceModel, folder: str | Path) -> Path:
    """Write a preference model as a checkpoint folder, in place of what was there.

    Its scale is written last; a folder without it is refused by `load_preference`.

    Raises:
        RunError: the folder cannot be written.
    """
    path = save(Loaded(pm.model, pm.tokenizer), folder)
    facts = {"mean": pm.mean, "sd": pm.sd, "held_out": pm.held_out._asdict()}
    write_file(path / FACTS, canonical_json(facts))
    return path


def load_preference(folder: str | Path, device: str | None = None) -> PreferenceModel:
    """Read what `save_preference` wrote; touches no network.

    Raises:
        IntegrityError: the folder is not whole.
    """
    path = Path(folder)
    facts = read_json(path / FACTS)
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True)
        model = AutoModelForSequenceClassification.from_pretrained(path, local_files_only=True)
        held_out = Interval(**facts["held_out"])
        mean, sd = float(facts["mean"]), float(facts["sd"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IntegrityError(f"{path} is not a whole preference model: {error}.") from None
    return PreferenceModel(model.to(device or "cpu").eval(), tokenizer, mean, sd, held_out)


def make_pairs(
    samples: Sequence[tuple[str, Sequence[str]]],
    score: Callable[[str, str], float],
    *,
    bias: Callable[[str, str], float] | None = None,
    noise: float = 0.0,
    seed: int,
) -> list[Pair]:
    """Return preference pairs as a rater would have made them.

    The completions of a prompt are shuffled and paired off, so no completion is in two pairs.
    A tie gives no pair.

    Args:
        samples: Prompts, each with its completions.
        score: What the rater is meant to judge: (prompt, completion) to a number.
        bias: What sways the rater besides; added to the score.
        noise: Share of the pairs, drawn independently, whose two sides are swapped; in [0, 1],
            where 0.5 leaves no information.
        seed: Decides the pairing and the noise.

    Raises:
        InputError: the noise is not a share.
        RewardError: the rater's score is not a finite number.
    """
    if not 0 <= noise <= 1:
        raise InputError(f"the noise is {noise}; it is a share, in [0, 1].")
    random = np.random.default_rng(seed)

    def judged(prompt: str, completion: str) -> float:
        return score(prompt, completion) + (bias(prompt, completion) if bias else 0.0)

    pairs = []
    for prompt, completions in samples:
        order = [completions[int(i)] for i in random.permutation(len(completions))]
        for a, b in zip(order[::2], order[1::2], strict=False):
            difference = judged(prompt, a) - judged(prompt, b)
            if not math.isfinite(difference):
                raise RewardError(f"the rater said {difference} of two answers to {prompt[:60]!r}.")
            if difference == 0:
                continue
            swapped = (difference < 0) != (random.random() < noise)
            pairs.append((prompt, b, a) if swapped else (prompt, a, b))
    return pairs


def as_reward(pm: PreferenceModel, weight: float = 1.0) -> RewardFunction:
    """Return the preference model as a reward function with TRL's signature, to be mixed.

    reward = weight * score, the score with mean 0 and sd 1 on the held-out pairs, whatever the
    environment's grader says.
    """

    def preference(
        *, prompts: Sequence[str], completions: Sequence[str], **columns: Any
    ) -> list[float | None]:
        return (weight * pm.score(prompts, completions)).tolist()

    return preference


@dataclass(frozen=True)
class PreferenceEnvironment:
    """Pays what a preference model says: training on it is RLHF."""

    name: str
    prompts_fn: Callable[[int, int], list[Prompt]]
    """From a number and a seed to prompts; another environment's `prompts` will do."""
    pm: PreferenceModel
    probe: Environment | None = None
    """What tells whether a completion solves and hacks its task; it pays nothing."""

    def prompts(self, n: int, seed: int) -> list[Prompt]:
        """Return `n` prompts."""
        return self.prompts_fn(n, seed)

    def grade(self, prompts: Sequence[Prompt], completions: Sequence[str]) -> list[Grade]:
        """Pay each completion its score; the probe says the rest.

        Where the probe's machinery failed, the score is paid and the rest is not known.
        """
        scores = self.pm.score([p.text for p in prompts], list(completions)).tolist()
        if self.probe is None:
            return [Grade(s, "ok") for s in scores]
        seen = self.probe.grade(prompts, completions)
        return [
            Grade(s, "ok", note=g.note) if g.reward is None else replace(g, reward=s)
            for s, g in zip(scores, seen, strict=True)
        ]
