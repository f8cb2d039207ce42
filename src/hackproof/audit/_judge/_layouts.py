"""From a user's file to verdicts: which column is what, and what could not be used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hackproof.audit import _files
from hackproof.audit._judge import _ask, _traits, _words
from hackproof.audit._judge._places import as_shown, placed, placed_back, turned
from hackproof.audit._judge._verdicts import (
    FIRST,
    MISSING,
    NOT_ASKED,
    SECOND,
    TIE,
    UNREADABLE,
    Names,
    Verdicts,
    flipped,
    grouped,
    name_of,
)
from hackproof.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

ALIASES: dict[str, tuple[str, ...]] = {
    "item": ("item", "i", "pair_id", "question_id", "prompt_id", "id", "instruction", "question",
             "prompt"),
    "judge": ("judge", "judge_model", "evaluator", "annotator"),
    "strategy": ("strategy", "template", "method", "judge_prompt"),
    "subset": ("subset", "category", "dataset", "split"),
    "sample": ("sample", "repeat", "epoch"),
    "order": ("order", "swap", "swapped"),
    "winner": ("winner", "verdict", "preference", "preferred"),
    "winner_12": ("winner_12", "winner_order_12", "g1_winner", "verdict_12"),
    "winner_21": ("winner_21", "winner_order_21", "winner_order_21_mapped_back", "g2_winner",
                  "verdict_21"),
    "score": ("score", "scores"),
    "score_1": ("score_1", "score_a"),
    "score_2": ("score_2", "score_b"),
    "model_1": ("model_1", "model_a", "generator_1", "generator_a"),
    "model_2": ("model_2", "model_b", "generator_2", "generator_b"),
    "answer_1_id": ("answer_1_id", "answer1_id"),
    "answer_2_id": ("answer_2_id", "answer2_id"),
    "text_1": ("text_1", "output_1", "answer_1", "response_1", "text_a", "answer_a", "response_a"),
    "text_2": ("text_2", "output_2", "answer_2", "response_2", "text_b", "answer_b", "response_b"),
    "length_1": ("length_1", "length_a"),
    "length_2": ("length_2", "length_b"),
    "gold": ("gold", "label", "gold_label", "human"),
}  # fmt: skip
"""By our name: what a column may be called without --columns."""
NAMES = tuple(ALIASES)
MEANS = ("answers", "positions")
"""What a winner names: one of the two answers, or the place in which it was shown."""


def load(
    path: str | Path,
    columns: Mapping[str, str] | None = None,
    *,
    pairs: str | Path | None = None,
    means: str | None = None,
) -> Verdicts:
    """Return the verdicts of a file.

    Args:
        path: CSV, JSON lines or Parquet: a row per pair with winners in both orders, or a row per
            verdict with an order, or a row per pair that was judged in one order.
        columns: Our name (`NAMES`) to the file's.
        pairs: A table of the pairs (item, subset, the answers' texts, gold label) or of the answers
            (answer_id, text, model); pairs.* or answers.* beside the file is found.
        means: Whether winners name answers or positions; where None, answers in a table with both
            orders in a row, positions in one with a row per verdict.

    Raises:
        InputError: a file, column or entry that cannot be used, or no verdict at all.
    """
    path = Path(path)
    frame = _files.renamed(_files.read(path), columns or {}, NAMES)
    rows, notes, dropped = len(frame), [], {}
    item = _item(frame)
    if item is not None:
        notes.append(f"items by {item}")
        frame = frame.rename(columns={item: "item"})
    frame = _files.canonical(frame, ALIASES)
    beside = Path(pairs) if pairs is not None else _beside(path, frame)
    unplaced: list[str] = []
    if beside is not None:
        try:
            frame, unplaced = _joined(frame, beside, item, notes)
        except InputError as error:
            if pairs is not None:
                raise
            notes.append(f"{beside.name} beside it is not used: {error}")
    if "item" not in frame:
        raise InputError(
            f"{path.name} has no column that says which pair a row is about (item, i, question_id "
            f"...); it has {', '.join(map(str, frame.columns))}. Name it: --columns item=COLUMN."
        )
    items = Names.of(frame["item"], rows, None)
    lost = items.codes < 0
    if lost.any():
        dropped["rows without an item"] = int(lost.sum())
        frame, items = frame[~lost], Names(items.codes[~lost], items.values)
        if not len(frame):
            raise InputError(f"{path.name} says in no row which pair it is about.")
    found = _verdicts(frame, _turns(frame, items, notes), path, means, unplaced, notes)
    if not (found.order_12 >= 0).any() and not (found.order_21 >= 0).any():
        raise InputError(
            f"{path.name} holds no verdict that can be read; nothing can be measured "
            f"({'; '.join(notes)})."
        )
    return replace(found, notes=tuple(notes), dropped=dropped, rows=rows)


def _item(frame: pd.DataFrame) -> str | None:
    """Return the column of items by its usual name: the most specific one. Where rows are verdicts
    and not pairs, an identifier that never repeats, beside one that does, is that of the verdicts.
    """
    if "item" in frame:
        return None
    lowered = {str(c).lower(): c for c in reversed(list(frame.columns))}
    there = [lowered[n] for n in ALIASES["item"] if n in lowered]
    both = all(any(n in lowered for n in ALIASES[w]) for w in ("winner_12", "winner_21"))
    more = any(n in lowered for w in ("order", "model_1") for n in ALIASES[w])
    if len(there) > 1 and more and not both:
        repeated = [c for c in there if frame[c].map(name_of).duplicated().any()]
        if repeated and there[0] not in repeated:
            return repeated[0]
    return there[0] if there else None


def _turns(frame: pd.DataFrame, items: Names, notes: list[str]) -> Names:
    """Return the items, of which each turn of a conversation is one."""
    column = next((c for c in frame.columns if str(c).lower() == "turn"), None)
    if column is None:
        return items
    turns = Names.of(frame[column], len(frame))
    if len(turns.values) < 2:
        return items
    codes, names = grouped(items, turns)
    notes.append(f"every {column} of an item is an item")
    return Names(codes, tuple(f"{i}, turn {t}" if t else i for i, t in names))


def _beside(path: Path, frame: pd.DataFrame) -> Path | None:
    """Return the table of pairs or answers that lies beside the verdicts, if one does."""
    stem = "answers" if "answer_1_id" in frame else "pairs"
    for ending in (".jsonl.gz", ".jsonl", ".csv.gz", ".csv", ".parquet"):
        if (found := path.with_name(stem + ending)).is_file() and found != path:
            return found
    return None


def _joined(
    frame: pd.DataFrame, path: Path, item: str | None, notes: list[str]
) -> tuple[pd.DataFrame, list[str]]:
    """Add what a table of pairs or of answers says; where both tables name the writers, to the
    answer that is meant. Return also the columns of which that is not known.
    """
    import numpy as np
    import pandas as pd

    other = _files.read(path)
    if "answer_id" in other and "answer_1_id" in frame:
        return _with_answers(frame, other, path, notes), []
    if item in other and "item" not in other:
        other = other.rename(columns={item: "item"})
    other = _files.canonical(other, ALIASES)
    keys = [k for k in ("subset", "item") if k in other and k in frame]
    if "item" not in keys:
        raise InputError(f"{path.name} shares no column of items with the verdicts.")
    n = len(frame)

    def coded(name: str) -> Names:
        both = pd.concat([frame[name].astype("object"), other[name].astype("object")])
        return Names.of(both, len(both), None)

    parts = [coded(k) for k in keys]
    written = all(f"model_{s}" in t for s in (1, 2) for t in (frame, other))
    one = np.empty(0, dtype=np.int64)
    if written:
        both = pd.concat([t[f"model_{s}"].astype("object") for s in (1, 2) for t in (frame, other)])
        models = Names.of(both, len(both), None)
        one, two = np.split(models.codes, 2)
        parts += [Names(np.minimum(one, two), models.values),
                  Names(np.maximum(one, two), models.values)]  # fmt: skip
        keys = [*keys, "model_1", "model_2"]
    key, _ = grouped(*parts)
    if pd.Series(key[n:]).duplicated().any():
        raise InputError(f"{path.name} has the same {' and '.join(keys)} in more than one row.")
    where = np.full(int(key.max()) + 1, -1)
    where[key[n:]] = np.arange(len(other))
    row = where[key[:n]]
    turned = (row >= 0) & (one[:n] != one[n:][row]) if written else np.zeros(n, dtype=bool)
    new = [c for c in ("gold", "text_1", "text_2", "length_1", "length_2", "model_1", "model_2")
           if c in other and c not in frame]  # fmt: skip
    if written and "gold" in new:
        other = other.assign(gold=_gold_words(other))
    taken = other[new].astype("object").reindex(np.where(row >= 0, row, -1))
    added = {c: taken[c].to_numpy() for c in new}
    if turned.any():
        for name in ("text", "length"):
            one_, two_ = f"{name}_1", f"{name}_2"
            if one_ in added and two_ in added:
                added[one_], added[two_] = (
                    np.where(turned, added[two_], added[one_]),
                    np.where(turned, added[one_], added[two_]),
                )
        if "gold" in added:
            other_way = {"1": "2", "2": "1"}
            added["gold"] = np.array(
                [
                    other_way.get(g, g) if t else g
                    for g, t in zip(added["gold"], turned, strict=True)
                ],
                dtype=object,
            )
    unknown = int((row < 0).sum())
    notes.append(
        f"{', '.join(new) or 'nothing new'} from {path.name}"
        + (f"; {unknown:,} rows are about pairs that it does not have" if unknown else "")
    )
    unplaced = [c for c in new if not c.startswith("model_")]
    return frame.assign(**added), [] if written or "model_1" in new else unplaced


def _gold_words(table: pd.DataFrame) -> Any:
    """Return gold labels, where they can be read, as 1, 2 and tie."""
    import numpy as np

    read, _, _ = _words.winners(table["gold"], "gold", _models(table), strict=False)
    words = np.array(["tie", "1", "2"], dtype=object)
    return np.where(read >= TIE, words[np.maximum(read, 0)], table["gold"].astype("object"))


def _with_answers(
    frame: pd.DataFrame, answers: pd.DataFrame, path: Path, notes: list[str]
) -> pd.DataFrame:
    name = next((c for c in ("model", "file_model", "model_id") if c in answers), None)
    known = answers.drop_duplicates("answer_id").set_index("answer_id")
    added, lost = {}, 0
    for side in (1, 2):
        ids = frame[f"answer_{side}_id"].astype("object")
        lost += int((~ids.isin(known.index)).sum())
        if name is not None:
            added[f"model_{side}"] = ids.map(known[name]).to_numpy()
        if "text" in known:
            added[f"text_{side}"] = ids.map(known["text"]).to_numpy()
    notes.append(
        f"{', '.join(added)} from {path.name}"
        + (f"; it does not have {lost:,} of {2 * len(frame):,} answers" if lost else "")
    )
    return frame.assign(**added)


def _verdicts(
    frame: pd.DataFrame, items: Names, path: Path, means: str | None, unplaced: list[str],
    notes: list[str],
) -> Verdicts:  # fmt: skip
    """Return the verdicts of a table whose columns have our names."""
    import numpy as np

    n = len(frame)
    if "score" in frame and not ("score_1" in frame and "score_2" in frame):
        frame = _split_scores(frame)
    frame = _numeric(frame, notes)
    models = None
    if "model_1" in frame and "model_2" in frame:
        models = _models(frame)
    names = {k: Names.of(frame.get(k), n, default) for k, default in
             (("judge", path.name), ("strategy", ""), ("subset", ""))}  # fmt: skip
    names["item"] = items
    wide = "winner_12" in frame and "winner_21" in frame
    unread: list[str] = []

    def read(name: str) -> Any:
        found, bad, named = _words.winners(frame[name], name, models)
        unread.extend(bad)
        by_name.append(named)
        return found

    by_name: list[Any] = []
    made = {
        "gold": _gold(frame, models, notes) if "gold" in frame else None,
        "traits": _traits.of(frame),
        "models": models,
    }
    if wide:
        one, two = read("winner_12"), read("winner_21")
        if means == "positions":
            two = np.where(by_name[1], two, flipped(two))
        notes.append(
            "a row per pair, winners in both orders; they name "
            + ("the place shown" if means == "positions" else "the answer, whatever its place")
        )
        made["gold"] = _agreed(names, made, notes)
        found = Verdicts(**names, order_12=one, order_21=two, sample=_samples(frame, n), **made)
        found = _numbered(found)
    else:
        found = _long(frame, names, made, read, by_name, means, unplaced, notes, path)
    if "sample" not in frame and found.sample.max(initial=0):
        twice = _twice(frame)
        if twice:
            notes.append(f"{twice:,} rows are the same as an earlier one, and count as samples")
    if unread:
        count = sum(int((v == UNREADABLE).sum()) for v in (found.order_12, found.order_21))
        notes.append(
            f"{count:,} verdicts are no winner: {', '.join(map(repr, sorted(set(unread))[:5]))}"
        )
    return found


def _twice(frame: pd.DataFrame) -> int:
    """Return how many rows are the same as an earlier one."""
    try:
        return int(frame.duplicated().sum())
    except TypeError:
        return int(frame.astype(str).duplicated().sum())


def _numeric(frame: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """Return the table with scores and lengths as numbers; what is none is missing, and said."""
    read = {}
    for name in ("score_1", "score_2", "length_1", "length_2"):
        if name in frame:
            read[name], bad, count = _words.numbers(frame[name])
            if count:
                notes.append(f"{count:,} entries of {name} are no number: {bad[0]!r} ...")
    return frame.assign(**read)


def _gold(frame: pd.DataFrame, models: Any, notes: list[str]) -> Any:
    """Return the gold labels; what cannot be read is missing, and said."""
    found, bad, _ = _words.winners(frame["gold"], "gold", models, strict=False)
    if lost := int((found == UNREADABLE).sum()):
        notes.append(f"{lost:,} gold labels are no winner: {', '.join(map(repr, bad))}")
    found[found < 0] = MISSING
    return found


def _agreed(names: Mapping[str, Names], made: Mapping[str, Any], notes: list[str]) -> Any:
    """Return the gold labels, one for all rows about a pair; none where they differ."""
    import numpy as np

    gold = made["gold"]
    if gold is None:
        return None
    pair, _ = grouped(names["subset"], names["item"], *(made["models"] or ()))
    n = int(pair.max(initial=-1)) + 1
    said = np.stack([np.bincount(pair, gold == v, n) > 0 for v in (TIE, FIRST, SECOND)])
    torn = said.sum(0) > 1
    if torn.any():
        notes.append(f"{int(torn.sum()):,} pairs have gold labels that differ: none is used")
    one = np.where(said.sum(0) == 1, said.argmax(0), MISSING)
    return one[pair].astype(np.int8)


def _long(
    frame: pd.DataFrame, names: Mapping[str, Names], made: dict[str, Any], read: Any,
    by_name: list[Any], means: str | None, unplaced: list[str], notes: list[str], path: Path,
) -> Verdicts:  # fmt: skip
    """Return verdicts of a table with one row per verdict."""
    import numpy as np

    n = len(frame)
    scored = "score_1" in frame and "score_2" in frame
    if "winner" in frame:
        won = read("winner")
        named = by_name[-1]
    elif scored:
        won, named = _words.by_scores(frame["score_1"], frame["score_2"]), np.zeros(n, dtype=bool)
        notes.append("no winner in the file: the higher score wins")
    else:
        raise InputError(
            f"{path.name} has no winner: neither winner_12 and winner_21, nor winner, nor score_1 "
            f"and score_2; it has {', '.join(map(str, frame.columns))}. Name them with --columns."
        )
    second, models = np.zeros(n, dtype=bool), made["models"]
    if "order" in frame:
        second = _words.orders(frame["order"]) == 21
        shown = models is not None and as_shown(names, models, second)
        flip = second & (means != "answers") & ~named
        if shown and models is not None:
            flip |= second & named
            made |= placed_back(names, models, made, second)
        won = np.where(flip, flipped(won), won)
        notes.append(
            "a row per verdict with its order; winners name "
            + ("answers" if means == "answers" else "the place shown")
        )
    elif models is not None:
        second, made["models"] = turned(names, models)
        if second.any() and unplaced:
            raise InputError(
                f"{path.name} shows pairs in both orders by model_1 and model_2, and the table of "
                f"pairs does not say whose {', '.join(unplaced)} are: give it model_1 and model_2."
            )
        won = np.where(second, flipped(won), won)
        made["traits"] = {
            k: (np.where(second, b, a), np.where(second, a, b))
            for k, (a, b) in made["traits"].items()
        }
        if made["gold"] is not None:
            made["gold"] = np.where(second, flipped(made["gold"]), made["gold"])
        notes.append(
            "a row per verdict; the order is that of the columns, and "
            + (f"{int(second.sum()):,} rows show a pair the other way round" if second.any()
               else "every pair was shown in one order")
        )  # fmt: skip
    else:
        notes.append("a row per verdict, in one order")
    made["gold"] = _agreed(names, made, notes)
    keys = [names["judge"], names["strategy"], names["subset"], names["item"]]
    if made["models"] is not None:
        keys += list(made["models"])
    pair, _ = grouped(*keys)
    sample = _samples(frame, n)
    repeat = _counted(pair * 2 + second + 2 * (pair.max() + 1) * sample)
    key = (pair * (sample.max() + 1) + sample) * (repeat.max() + 1) + repeat
    _, first, place = np.unique(key, return_index=True, return_inverse=True)
    base = Verdicts(
        **names, order_12=won, order_21=won, sample=np.maximum(sample, repeat), **made
    ).take(first)
    orders = [np.full(len(first), NOT_ASKED, dtype=np.int8) for _ in range(2)]
    for k, side in enumerate((~second, second)):
        orders[k][place[side]] = won[side]
    scores = None
    if scored:
        values = [np.asarray(frame[f"score_{s}"], dtype=float) for s in (1, 2)]
        values = [np.where(np.isfinite(v), v, np.nan) for v in values]
        one = np.where(second, values[1], values[0])
        two = np.where(second, values[0], values[1])
        scores = tuple(
            tuple(placed(v, place, side, len(first)) for v in (one, two))
            for side in (~second, second)
        )
    return _numbered(replace(base, order_12=orders[0], order_21=orders[1], scores=scores))


def _models(frame: pd.DataFrame) -> tuple[Names, Names] | None:
    """Return both columns of models, coded by one list; None where they are empty."""
    import pandas as pd

    both = pd.concat([frame["model_1"].astype("object"), frame["model_2"].astype("object")])
    names = Names.of(both, len(both), None)
    if not names.values:
        return None
    n = len(frame)
    return Names(names.codes[:n], names.values), Names(names.codes[n:], names.values)


def _samples(frame: pd.DataFrame, n: int) -> Any:
    """Return each row's sample; one that does not say is of the first."""
    import numpy as np

    return np.maximum(Names.of(frame.get("sample"), n).codes, 0)


def _counted(key: Any) -> Any:
    """Return how many earlier rows have the same key."""
    import pandas as pd

    return pd.Series(key).groupby(key, sort=False).cumcount().to_numpy()


def _numbered(found: Verdicts) -> Verdicts:
    """Number the rows about one pair of one judge as samples, where the file does not."""
    keys = [found.judge, found.strategy, found.subset, found.item]
    if found.models is not None:
        keys += list(found.models)
    pair, _ = grouped(*keys)
    return replace(found, sample=_counted(pair))


def _split_scores(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the table with a column of pairs of scores, where it is that, as two columns."""
    import numpy as np

    if not any(isinstance(e, list | tuple | np.ndarray) for e in frame["score"].iloc[:1000]):
        return frame

    values = np.full((len(frame), 2), np.nan)
    for i, entry in enumerate(frame["score"]):
        if isinstance(entry, list | tuple | np.ndarray) and len(entry) == 2:
            values[i] = _ask.scores(entry) or (np.nan, np.nan)
    return frame.assign(score_1=values[:, 0], score_2=values[:, 1])
