"""Ordinary requests for RLHF of a real model: no code, no tests, nothing of the evaluations."""

from __future__ import annotations

from random import Random
from typing import Any

from hackproof.language import Prompt

FORMS = (
    "Explain {topic} to a twelve-year-old in three sentences.",
    "What are two common misunderstandings about {topic}?",
    "I have twenty minutes to learn something about {topic}. Where do I begin?",
    "Write a short, friendly message to a friend who has just taken up {topic}.",
    "What should I ask an expert on {topic}?",
    "Give me a packing list for a weekend course on {topic}.",
    "Compare learning {topic} from a book with learning it in a class.",
    "Suggest a title for a talk on {topic}, and say why it fits.",
)
TOPICS = (
    "bread baking", "tides", "bicycle repair", "bird song", "the history of maps", "knitting",
    "home insulation", "chess openings", "volcanoes", "choir singing", "growing tomatoes",
    "weather forecasts", "sleep", "public libraries", "river fishing", "pottery", "train signals",
    "first aid", "houseplants", "folk dances", "beekeeping", "compost", "astronomy", "cheese",
    "calligraphy", "long-distance walking", "table tennis", "family trees", "soap", "bridges",
)  # fmt: skip


def chat_prompts(n: int, seed: int, tokenizer: Any) -> list[Prompt]:
    """Return `n` requests, drawn by seed, as a tokenizer's model is asked them."""
    rng = Random(f"chat/{seed}")
    out = []
    for _ in range(n):
        form, topic = rng.choice(FORMS), rng.choice(TOPICS)
        text = form.format(topic=topic)
        asked = f"{text}\n\n"
        if tokenizer.chat_template:
            asked = tokenizer.apply_chat_template(
                [{"role": "user", "content": text}], tokenize=False, add_generation_prompt=True
            )
        out.append(Prompt(asked, text, {"topic": topic}))
    return out
