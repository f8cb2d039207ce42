"""Asking models about preference pairs: a reward model for scores, a language model for labels."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from hackproof.audit._judge import _ask
from hackproof.audit._preferences import _text
from hackproof.audit._preferences._read import Pairs
from hackproof.errors import InputError, MissingExtraError

Score = Callable[[Sequence[Any]], Sequence[float]]
"""Sides of pairs (texts or messages) to their scores."""
BATCH = 16
YES = re.compile(r"\b(yes|no)\b", re.IGNORECASE)
LABEL = """Here is an answer that an assistant gave.

Question:
{question}

Answer:
{first}

{second}
Reply with one word: yes or no."""


def reward_model(name: str) -> Score:
    """Return the scores of a Hugging Face sequence classifier.

    With one output the score is that; with two, the second less the first, which are the log-odds
    of the second label. Messages go through the tokenizer's chat template, where it has one; longer
    texts lose their beginning.

    Raises:
        MissingExtraError: transformers is not installed.
        InputError: nothing by that name can be loaded, or it has more than two outputs.
    """
    try:
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer
    except ImportError:
        raise MissingExtraError(
            "a reward model needs transformers: pip install 'hackproof[language]'."
        ) from None
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, truncation_side="left")
        model = AutoModelForSequenceClassification.from_pretrained(name).eval()
    except Exception as error:
        said = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(f"the reward model {name!r} cannot be loaded: {said}") from None
    outputs = model.config.num_labels
    if outputs > 2:
        raise InputError(f"{name} has {outputs} outputs; a reward model has one or two.")
    longest = getattr(model.config, "max_position_embeddings", None) or 4096
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    if model.config.pad_token_id is None:
        model.config.pad_token_id = tokenizer.pad_token_id
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model.to(device)

    def score(sides: Sequence[Any]) -> Sequence[float]:
        texts = [_plain(tokenizer, s) for s in sides]
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        out = [0.0] * len(texts)
        with torch.inference_mode():
            for k in range(0, len(order), BATCH):
                chosen = order[k : k + BATCH]
                batch = tokenizer(
                    [texts[i] for i in chosen], return_tensors="pt", padding=True,
                    truncation=True, max_length=longest,
                ).to(device)  # fmt: skip
                logits = model(**batch).logits.float().cpu()
                values = logits[:, 0] if outputs == 1 else logits[:, 1] - logits[:, 0]
                for i, v in zip(chosen, values.tolist(), strict=True):
                    out[i] = v
        return out

    return score


def _plain(tokenizer: Any, side: Any) -> str:
    if isinstance(side, str):
        return side
    messages = side.tolist() if hasattr(side, "tolist") else side
    if getattr(tokenizer, "chat_template", None):
        return tokenizer.apply_chat_template(messages, tokenize=False)
    return "".join(f"\n\n{m.get('role', 'user')}: {m.get('content', '')}" for m in messages)


def scored(pairs: Pairs, before: Score | None, after: Score | None) -> Pairs:
    """Return the pairs with scores of reward models; those of the file give way."""
    import numpy as np

    assert pairs.sides is not None
    scores = dict(pairs.scores)
    for when, model in (("before", before), ("after", after)):
        if model is None:
            continue
        for name, side in zip(("chosen", "rejected"), pairs.sides, strict=True):
            values = np.array(model(side), dtype=float)
            if not np.isfinite(values).all():
                raise InputError(f"the reward model ({when}) gives scores that are not finite.")
            scores[f"score_{name}_{when}"] = values
    return replace(pairs, scores=scores)


def labelled(pairs: Pairs, name: str, model: Any, features: Mapping[str, str]) -> Pairs:
    """Return the pairs with features that a language model labels: 1 for yes, 0 for no.

    Args:
        pairs: With their answers.
        name: The model's name, for errors.
        model: A model of Inspect's; the one by that name where None.
        features: By name, a question about an answer that is answered by yes or no.

    Raises:
        InputError: a name that is taken, or a reply that is neither yes nor no.
    """
    import numpy as np

    assert pairs.sides is not None
    columns: list[list[Any]] = [[], []]
    for feature, question in features.items():
        if feature in pairs.names:
            raise InputError(f"the feature {feature!r} is there already; choose another name.")
        for k, side in enumerate(pairs.sides):
            asked = []
            for prompt, value in zip(pairs.prompts, side, strict=True):
                asked.append(_ask.Asked(prompt, _text.split(value)[1], question))
            replies = _ask.ask(name, model, asked, prompt=LABEL)
            columns[k].append(np.array([_yes(name, feature, r) for r in replies]))
    one, two = (np.column_stack([old, *new]) for old, new in
                zip((pairs.one, pairs.two), columns, strict=True))  # fmt: skip
    return replace(pairs, names=(*pairs.names, *features), one=one, two=two)


def _yes(name: str, feature: str, reply: Any) -> float:
    found = YES.findall(str(reply))
    if not found:
        raise InputError(
            f"{name} answered {str(reply)[:60]!r} about {feature!r}, which is neither yes nor no."
        )
    return float(found[-1].lower() == "yes")
