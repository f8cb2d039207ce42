"""The arms of pan-2024: which model writes, which one judges, and what each of them sees."""

from __future__ import annotations

from dataclasses import dataclass

from hackproof.studies import _pan2024_grammar as grammar


@dataclass(frozen=True)
class Entry:
    """One arm."""

    name: str
    label: str
    note: str = ""
    posts: bool = False
    """An output loop; else iterative self-refinement."""
    model: str = "main"
    """main; small; tasteless: trained on a corpus in which no taste lasts."""
    other: bool = False
    """Whether another model of the same make is the judge."""
    author: int = 4
    """Past rounds that the author sees, at most."""
    judge: int = 4
    """Past rounds that the judge sees; 0: the draft alone."""
    specs: tuple[str, ...] = ("anyone",)
    errors: float = 0.0
    tries: int = 4
    """Revisions a round, of which the judge's favourite is kept."""
    lot: bool = False


ENTRIES = (
    Entry("shared", "one model, shared history",
          "Author and judge see the same last four rounds: drafts and ratings."),
    Entry("separate", "one model, separate history", "The judge sees the draft alone.", judge=0),
    Entry("short", "shared history of one round", "Both see the last round.", author=1, judge=1),
    Entry("one-try", "shared, one revision a round",
          "Nothing is chosen: the loop is what the model makes of its corpus, continued.", tries=1),
    Entry("other-judge", "another model as judge, shared history",
          "Made alike, from another corpus and other weights.", other=True),
    Entry("careful", "shared, judge asked to rate by facts", "", specs=("facts",)),
    Entry("varied", "shared, judge asked something else each round", "",
          specs=tuple(s for s in grammar.SPECS if s != grammar.READERS)),
    Entry("errors", "shared, a quarter of ratings arrive as 0", "", errors=0.25),
    Entry("small-shared", "smaller model, shared history", "", model="small"),
    Entry("small-separate", "smaller model, separate history", "", model="small", judge=0),
    Entry("tasteless-shared", "no lasting taste in the corpus, shared history",
          "Each draft of the corpus was rated by somebody else.", model="tasteless"),
    Entry("tasteless-separate", "no lasting taste in the corpus, separate history", "",
          model="tasteless", judge=0),
    Entry("posts", "posts, chosen and told by how much they are read", "", posts=True),
    Entry("posts-small", "the same by the smaller model", "", posts=True, model="small"),
    Entry("posts-lot", "posts, chosen by lot and told another's number",
          "The loop without feedback.", posts=True, lot=True),
    Entry("people", "what the people of the corpus do",
          "No model: the corpus's own authors and raters, beyond the five drafts that a document "
          "shows."),
)  # fmt: skip
BY_NAME = {e.name: e for e in ENTRIES}
