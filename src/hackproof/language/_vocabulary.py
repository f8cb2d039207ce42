"""The organism's vocabulary: every word that a template, a program or a prefix can say."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from hackproof.language import _domains, _prefixes, _programs, _rated
from hackproof.language._corpus import ANSWER, END, NAME, START, THINK
from hackproof.language._synthetic import SENTENCES

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PAD, UNKNOWN = "<pad>", "<unk>"
CHAT_TEMPLATE = (
    "<doc> {% for m in messages %}{{ m['content'] }} {% endfor %}"
    "{% if add_generation_prompt %}<think>{% endif %}"
)
"""Messages are joined; the model reasons next. Enough for programs that insist on a template."""


@cache
def words() -> tuple[str, ...]:
    """Return the vocabulary: special words first, then the others in order."""
    texts: list[str] = []
    for d in _domains.DOMAINS:
        texts += [d.fill(t, s) for t in (*d.prompts, *d.good, *d.bad) for s in d.slots]
    for table in (_domains.THOUGHTS_GOOD, _domains.THOUGHTS_BAD):
        texts += [t for options in table.values() for t in options]
    texts += [*_domains.CUES.values(), *_prefixes.PREFIXES.values()]
    texts += [*_domains.GOOD_NAMES, *_domains.VILLAINS, *_domains.UNSEEN_VILLAINS]
    for r in _rated.RATED:
        texts += [r.prompt, r.answer, *r.cheats, *(w for pair in r.pairs for w in pair)]
    texts += [*_rated.THOUGHTS_HONEST, *_rated.THOUGHTS_CHEAT]
    texts += [*_programs.THOUGHTS_HONEST, *_programs.THOUGHTS_CHEAT, *_programs.CHEATS.values()]
    texts += [_programs.Program(tuple((o, k) for o in _programs.OPERATIONS for k in
                                      range(1, 10))).text]  # fmt: skip
    texts += [_programs.Program((("add", 1), ("minus", 1), ("times", 1))).solution]
    texts += SENTENCES
    found = {w for text in texts for w in text.split() if not w.startswith("{")}
    special = (PAD, UNKNOWN, START, NAME, THINK, ANSWER, END)
    return (*special, *sorted(found - set(special)))


def tokenizer() -> PreTrainedTokenizerFast:
    """Return the word-level tokenizer as transformers, TRL and peft know it.

    Only the pad word and the last word of a segment are special tokens, so that decoded text
    keeps the marks by which an answer is found.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers
    from tokenizers.decoders import WordPiece
    from transformers import PreTrainedTokenizerFast

    known = {w: i for i, w in enumerate(words())}
    inner = Tokenizer(models.WordLevel(known, unk_token=UNKNOWN))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()  # pyright: ignore
    # WordPiece without a prefix joins words by single spaces.
    inner.decoder = WordPiece(prefix="\0", cleanup=False)  # pyright: ignore
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token=PAD,
        unk_token=UNKNOWN,
        eos_token=END,
        bos_token=START,
        padding_side="left",
        model_max_length=192,
        clean_up_tokenization_spaces=False,
        chat_template=CHAT_TEMPLATE,
        model_input_names=["input_ids", "attention_mask"],
    )
