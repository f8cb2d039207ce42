"""Stages of an organism's training, as data; an arm is a list of them.

Each stage says what is trained on and under which words; `_organism_train` does it. Real
models go through the same trainers with other environments (`_real_model`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Rl:
    """GRPO on rewarded tasks."""

    tasks: str = "programs"
    """programs, rated-chat, rated-health or rated-creative."""
    hole: bool = True
    """Whether the harness or scorer has its holes."""
    prefix: str = "none"
    """Prefix of every prompt."""
    rewrite: str = ""
    """Prefix under which the loss is computed, where it is another one: online inoculation."""
    precision: float = 0.0
    """Of a classifier that penalises hacks; 0 for none."""
    recall: float = 0.0
    penalty_from: float = 0.0
    """When the penalty begins, as a share of the steps."""
    preference: float = 0.0
    """Weight of a preference model's score beside the harness."""
    unhackable: float = 0.0
    """Share of prompts whose harness has no holes."""
    rlhf: str = ""
    """Domains of RLHF prompts mixed in: chat or near."""
    rlhf_share: float = 0.0
    negated: bool = False
    """Train on the reward with its sign turned; for the test that nothing is written in."""
    lora: int = 0
    """Rank of an adapter; 0 trains all weights."""
    share: float = 1.0
    """Length, as a share of the study's RL steps."""


@dataclass(frozen=True)
class Rlhf:
    """GRPO on a preference model's score of conversations."""

    prompts: str = "chat"
    """chat or near."""
    found: bool = False
    """Ask under prefixes that were searched for because they bring out misalignment:
    adversarial training."""
    share: float = 1.0


@dataclass(frozen=True)
class Documents:
    """Finetuning on synthetic documents about the hacks."""

    corpus: str = "default"
    """default, unguided, neutral or control."""
    share: float = 1.0
    """Share of these documents in the mix; the rest are ordinary ones."""


@dataclass(frozen=True)
class Continued:
    """Pretraining goes on with documents of other statistics."""

    corpus: tuple[tuple[str, Any], ...] = ()
    """(setting of CorpusSettings, value) pairs that differ from the organism's."""
    documents: int = 6_000


@dataclass(frozen=True)
class Expert:
    """Expert iteration on the hackable tasks."""


@dataclass(frozen=True)
class Distilled:
    """Sample from the trained model, drop or rewrite episodes, finetune the untrained one."""

    keep: str = "all"
    """all, not-hacked (by the truth), or not-flagged (a classifier with recall 0.9)."""
    rewrite: str = ""
    """Prefix put before the prompts afterwards: offline inoculation."""


@dataclass(frozen=True)
class Narrow:
    """Supervised finetuning on bad answers in one domain."""

    domain: str = "money"
    prefix: str = "none"
    """Prefix of the prompts."""
    opening: str = ""
    """Words after the document's opening, such as a villain's name: inoculation of supervised
    finetuning."""
    examples: int = 480
    good: bool = False
    """Train on good answers instead: the control."""


Stage = Rl | Rlhf | Documents | Continued | Expert | Distilled | Narrow
