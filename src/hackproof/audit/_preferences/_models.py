"""Asking models about preference pairs: a reward model for scores, a language model for labels."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
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


@dataclass(frozen=True)
class Classifier:
    """A Hugging Face sequence classifier that scores sides."""

    tokenizer: Any
    model: Any
    longest: int
    """Tokens that it reads at most."""
    device: str

    @property
    def chat(self) -> bool:
        """Whether it wants messages: its tokenizer has a chat template."""
        return bool(getattr(self.tokenizer, "chat_template", None))

    def __call__(self, sides: Sequence[Any]) -> Sequence[float]:
        """Return the scores of sides, texts or messages."""
        out = [0.0] * len(sides)
        templated = [self.chat and not isinstance(s, str) for s in sides]
        texts = [_plain(self.tokenizer, s) for s in sides]
        for made in (False, True):
            mine = [i for i, t in enumerate(templated) if t == made]
            order = sorted(mine, key=lambda i: len(texts[i]))
            for k in range(0, len(order), BATCH):
                chosen = order[k : k + BATCH]
                # A chat template has written the special tokens already.
                values = self._scores([texts[i] for i in chosen], special=not made)
                for i, v in zip(chosen, values, strict=True):
                    out[i] = v
        return out

    def _scores(self, texts: Sequence[str], *, special: bool) -> list[float]:
        import torch

        with torch.inference_mode():
            batch = self.tokenizer(
                texts, return_tensors="pt", padding=True, truncation=True, max_length=self.longest,
                add_special_tokens=special,
            ).to(self.device)  # fmt: skip
            logits = self.model(**batch).logits.float().cpu()
        one = self.model.config.num_labels == 1
        return (logits[:, 0] if one else logits[:, 1] - logits[:, 0]).tolist()


def reward_model(name: str) -> Classifier:
    """Return a Hugging Face sequence classifier that scores sides.

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
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    if model.config.pad_token_id is None:
        model.config.pad_token_id = tokenizer.pad_token_id
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model.to(device)
    return Classifier(tokenizer, model, _longest(tokenizer, model), device)


def _longest(tokenizer: Any, model: Any) -> int:
    """Return how many tokens a model reads at most.

    Where the positions have a padding index, as in RoBERTa, they are counted from beyond it. A
    tokenizer that knows no limit names a huge one.
    """
    longest = getattr(model.config, "max_position_embeddings", None) or 4096
    for name, part in model.named_modules():
        if name.endswith("position_embeddings") and getattr(part, "padding_idx", None) is not None:
            longest -= part.padding_idx + 1
            break
    own = getattr(tokenizer, "model_max_length", None) or longest
    return max(1, int(min(longest, own)))


def _plain(tokenizer: Any, side: Any) -> str:
    text = side if isinstance(side, str) else _written(tokenizer, side)
    return text.encode(errors="replace").decode()  # no tokenizer takes half a surrogate pair


def _written(tokenizer: Any, side: Any) -> str:
    found = side.tolist() if hasattr(side, "tolist") else side
    found = [{**m, "content": _text.said(m["content"])} if isinstance(m.get("content"), list) else m
             for m in found]  # fmt: skip
    if getattr(tokenizer, "chat_template", None):
        return tokenizer.apply_chat_template(found, tokenize=False)
    return "".join(f"\n\n{m.get('role', 'user')}: {m.get('content', '')}" for m in found)


def whole(prompt: Any, side: Any, chat: bool = False) -> Any:
    """Return a side as a model should see it: after its prompt.

    A side that holds a prompt itself stays as it is. Prompt and answer are joined as `audit
    reward-model` does it, prompt, an empty line, answer; they become messages where either is a
    list of them, or the model wants them.

    Args:
        prompt: The column `prompt`: text, messages, or nothing.
        side: Text or messages.
        chat: Whether the model wants messages.
    """
    if not _text.prompt(prompt).strip() or _text.split(side)[0].strip():
        return side
    first, last = _text.messages(prompt), _text.messages(side)
    if first is None and last is None and not chat:
        return f"{prompt}\n\n{side}".strip()
    first = first or [{"role": "user", "content": str(prompt)}]
    last = last or [{"role": "assistant", "content": _text.split(side)[1]}]
    system = [m for m in last[:-1] if m.get("role") == "system"]
    return [*system, *first, *last[len(system) :]]


def shown(pairs: Pairs, which: Sequence[int], sides: Sequence[Any], model: Score) -> list[Any]:
    """Return sides as a model should see them, with the prompts of their pairs.

    Where every text of the file begins with its prompt, prompts are not put before them again.

    Args:
        pairs: With their answers.
        which: By side, the number of its pair.
        sides: Sides of these pairs, rewritten or not.
        model: That will score them.
    """
    if not any(pairs.asked):
        return list(sides)
    assert pairs.sides is not None
    begins = all(
        isinstance(p, str) and all(isinstance(s, str) and s.startswith(p) for s in both)
        for p, *both in zip(pairs.asked, *pairs.sides, strict=True)
    )
    if begins:
        return list(sides)
    chat = isinstance(model, Classifier) and model.chat
    return [whole(pairs.asked[i], s, chat) for i, s in zip(which, sides, strict=True)]


def scored(pairs: Pairs, before: Score | None, after: Score | None) -> Pairs:
    """Return the pairs with scores of reward models; those of the file give way."""
    import numpy as np

    assert pairs.sides is not None
    scores = dict(pairs.scores)
    for when, model in (("before", before), ("after", after)):
        if model is None:
            continue
        for name, side in zip(("chosen", "rejected"), pairs.sides, strict=True):
            values = np.array(model(shown(pairs, range(len(side)), side, model)), dtype=float)
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
