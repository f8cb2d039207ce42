"""From a user's file to verdicts: which column is what, and what could not be used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hackproof.audit import _files
from hackproof.audit._judge import _traits, _words
from hackproof.audit._judge._verdicts import (
    MISSING,
    NOT_ASKED,
    UNREADABLE,
    Names,
    Verdicts,
    flipped,
    grouped,
)
from hackproof.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

ALIASES: dict[str, tuple[str, ...]] = {
    "item": ("item", "i", "question_id", "pair_id", "prompt_id", "id", "instruction", "question",
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
    frame = _files.named(path, columns, ALIASES)
    rows, notes, dropped = len(frame), [], {}
    beside = Path(pairs) if pairs is not None else _beside(path, frame)
    if beside is not None:
        frame = _joined(frame, beside, notes)
    if "item" not in frame:
        raise InputError(
            f"{path.name} has no column that says which pair a row is about (item, i, question_id "
            f"...); it has {', '.join(map(str, frame.columns))}. Name it: --columns item=COLUMN."
        )
    lost = frame["item"].isna()
    if lost.any():
        dropped["rows without an item"] = int(lost.sum())
        frame = frame[~lost]
    found = _verdicts(frame, path, means, notes)
    if not (found.order_12 >= 0).any() and not (found.order_21 >= 0).any():
        raise InputError(f"{path.name} holds no verdict that can be read; nothing can be measured.")
    return replace(found, notes=tuple(notes), dropped=dropped, rows=rows)


def _beside(path: Path, frame: pd.DataFrame) -> Path | None:
    """Return the table of pairs or answers that lies beside the verdicts, if one does."""
    stem = "answers" if "answer_1_id" in frame else "pairs"
    for ending in (".jsonl.gz", ".jsonl", ".csv.gz", ".csv", ".parquet"):
        if (found := path.with_name(stem + ending)).is_file() and found != path:
            return found
    return None


def _joined(frame: pd.DataFrame, path: Path, notes: list[str]) -> pd.DataFrame:
    """Add what a table of pairs or of answers says."""
    other = _files.read(path)
    if "answer_id" in other and "answer_1_id" in frame:
        return _with_answers(frame, other, path, notes)
    other = _files.canonical(other, ALIASES)
    keys = [k for k in ("subset", "item") if k in other and k in frame]
    if "item" not in keys:
        raise InputError(f"{path.name} shares no column of items with the verdicts.")
    if other.duplicated(keys).any():
        raise InputError(f"{path.name} has the same {' and '.join(keys)} in more than one row.")
    new = [c for c in ("gold", "text_1", "text_2", "length_1", "length_2", "model_1", "model_2")
           if c in other and c not in frame]  # fmt: skip
    left = frame.assign(**{k: frame[k].astype("object").map(_words.plain) for k in keys})
    right = other[[*keys, *new]].assign(**{k: other[k].astype("object").map(_words.plain)
                                           for k in keys})  # fmt: skip
    joined = left[keys].merge(right, on=keys, how="left", indicator=True)
    unknown = int((joined["_merge"] == "left_only").sum())
    notes.append(
        f"{', '.join(new) or 'nothing new'} from {path.name}"
        + (f"; {unknown:,} rows are about pairs that it does not have" if unknown else "")
    )
    return frame.assign(**{c: joined[c].to_numpy() for c in new})


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


def _verdicts(frame: pd.DataFrame, path: Path, means: str | None, notes: list[str]) -> Verdicts:
    """Return the verdicts of a table whose columns have our names."""
    n = len(frame)
    if "score" in frame:
        frame = _split_scores(frame)
    models = None
    if "model_1" in frame and "model_2" in frame:
        models = _models(frame)
    names = {k: Names.of(frame.get(k), n, default) for k, default in
             (("judge", path.name), ("strategy", ""), ("subset", ""), ("item", ""))}  # fmt: skip
    wide = "winner_12" in frame and "winner_21" in frame
    unread: list[str] = []

    def read(name: str) -> Any:
        found, bad = _words.winners(frame[name], name, models)
        unread.extend(bad)
        return found

    made = {
        "gold": read("gold") if "gold" in frame else None,
        "traits": _traits.of(frame),
        "models": models,
    }
    if made["gold"] is not None:
        made["gold"][made["gold"] < 0] = MISSING
        unread.clear()
    if wide:
        one, two = read("winner_12"), read("winner_21")
        if means == "positions":
            two = flipped(two)
        notes.append(
            "a row per pair, winners in both orders; they name "
            + ("the place shown" if means == "positions" else "the answer, whatever its place")
        )
        found = Verdicts(**names, order_12=one, order_21=two, sample=_samples(frame, n), **made)
        found = _numbered(found)
    else:
        found = _long(frame, names, made, read, means, notes, path)
    if unread:
        count = sum(int((v == UNREADABLE).sum()) for v in (found.order_12, found.order_21))
        notes.append(f"{count:,} verdicts are no winner: {', '.join(map(repr, unread[:5]))}")
    return found


def _long(
    frame: pd.DataFrame, names: Mapping[str, Names], made: dict[str, Any], read: Any,
    means: str | None, notes: list[str], path: Path,
) -> Verdicts:  # fmt: skip
    """Return verdicts of a table with one row per verdict."""
    import numpy as np

    n = len(frame)
    scored = "score_1" in frame and "score_2" in frame
    if "winner" in frame:
        won = read("winner")
    elif scored:
        won = _words.by_scores(frame["score_1"], frame["score_2"])
        notes.append("no winner in the file: the higher score wins")
    else:
        raise InputError(
            f"{path.name} has no winner: neither winner_12 and winner_21, nor winner, nor score_1 "
            f"and score_2; it has {', '.join(map(str, frame.columns))}. Name them with --columns."
        )
    second, models = np.zeros(n, dtype=bool), made["models"]
    if "order" in frame:
        second = _words.orders(frame["order"]) == 21
        if means != "answers":
            won = np.where(second, flipped(won), won)
        notes.append(
            "a row per verdict with its order; winners name "
            + ("answers" if means == "answers" else "the place shown")
        )
    elif models is not None:
        second, made["models"] = _turned(names, models)
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
        values = [np.where(v < 0, np.nan, v) for v in values]
        one = np.where(second, values[1], values[0])
        two = np.where(second, values[0], values[1])
        scores = tuple(
            tuple(_placed(v, place, side, len(first)) for v in (one, two))
            for side in (~second, second)
        )
    return _numbered(replace(base, order_12=orders[0], order_21=orders[1], scores=scores))


def _placed(values: Any, place: Any, side: Any, n: int) -> Any:
    import numpy as np

    out = np.full(n, np.nan)
    out[place[side]] = values[side]
    return out


def _models(frame: pd.DataFrame) -> tuple[Names, Names]:
    """Return both columns of models, coded by one list."""
    import pandas as pd

    both = pd.concat([frame["model_1"].astype("object"), frame["model_2"].astype("object")])
    names = Names.of(both, len(both))
    n = len(frame)
    return Names(names.codes[:n], names.values), Names(names.codes[n:], names.values)


def _turned(
    names: Mapping[str, Names], models: tuple[Names, Names]
) -> tuple[Any, tuple[Names, Names]]:
    """Return which rows show a pair the other way round than its first row does, and the models
    of each pair in the order of that row.
    """
    import numpy as np

    one, two = models[0].codes, models[1].codes
    low, high = np.minimum(one, two), np.maximum(one, two)
    values = models[0].values
    pair, _ = grouped(names["subset"], names["item"], Names(low, values), Names(high, values))
    _, first = np.unique(pair, return_index=True)
    turned = (one != one[first][pair]) & (one != two)
    return turned, (
        Names(np.where(turned, two, one), values), Names(np.where(turned, one, two), values)
    )  # fmt: skip


def _samples(frame: pd.DataFrame, n: int) -> Any:
    return Names.of(frame.get("sample"), n).codes


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
    """Return the table with a column of pairs of scores as two columns."""
    import numpy as np

    values = np.full((len(frame), 2), np.nan)
    for i, entry in enumerate(frame["score"]):
        if isinstance(entry, list | tuple | np.ndarray) and len(entry) == 2:
            values[i] = entry
    return frame.assign(score_1=values[:, 0], score_2=values[:, 1])
