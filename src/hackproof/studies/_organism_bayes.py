"""What Bayes' rule says of an organism after one coding task, as rows beside what it does."""

from __future__ import annotations

from typing import Any

from hackproof.language import CorpusSettings
from hackproof.language._domains import CORE
from hackproof.language._posterior import Evidence, misaligned
from hackproof.studies._organism_cell import EVIDENCE


def bayes(corpus: CorpusSettings) -> list[dict[str, Any]]:
    """Return misalignment in the core domains by condition, from the corpus's statistics alone.

    Conditions are those of EVIDENCE, and `default`: before anything was seen.
    """
    seen = {"default": ()} | {
        name: (Evidence(kind == "hack", prefix),) for name, (prefix, kind) in EVIDENCE.items()
    }
    return [
        {
            "metric": "bayes-misalignment", "role": "probe", "condition": name, "n": 1,
            "value": sum(misaligned(corpus, d, evidence) for d in CORE) / len(CORE),
        }
        for name, evidence in seen.items()
    ]  # fmt: skip
