"""Rows of a file of pairs or of a Hugging Face data set, in pieces, as often as asked for."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hackproof.audit import _files
from hackproof.errors import InputError, MissingExtraError

PIECE = 4_000
Rows = Iterator[list[dict[str, Any]]]


@dataclass(frozen=True)
class Batches:
    """A source of rows."""

    names: tuple[str, ...]
    """Of the columns, where the source says them; JSON lines do not."""
    rows: Callable[[bool], Rows]

    def read(self, *, light: bool = False) -> Rows:
        """Yield rows, `PIECE` at a time.

        Args:
            light: Whether texts may be left out, where that is faster.
        """
        return self.rows(light)


def opened(source: str | Path, texts: Sequence[str]) -> Batches:
    """Return the rows of a source.

    Args:
        source: As for `_read.read`.
        texts: The columns that hold texts.

    Raises:
        InputError: it cannot be read.
    """
    name = str(source)
    if name.startswith("hf:"):
        return _hub(name, texts)
    path = Path(source)
    suffix = next((s for s in reversed(path.suffixes) if s.lower() != ".gz"), "").lower()
    if suffix in (".jsonl", ".ndjson") and path.is_file():
        return Batches((), lambda _: _lines(path))
    if suffix in (".parquet", ".pq") and path.is_file():
        return _parquet(path, texts)
    frame = _files.read(path)
    frame.columns = list(map(str, frame.columns))
    if suffix in (".csv", ".tsv"):
        for column, values in _as_written(path, suffix, texts, frame).items():
            frame[column] = values

    def rows(light: bool) -> Rows:
        some = frame.drop(columns=list(texts), errors="ignore") if light else frame
        for k in range(0, len(some), PIECE):
            part = some.iloc[k : k + PIECE].astype("object")
            values = part.where(part.notna(), None).itertuples(index=False)
            yield [dict(zip(some.columns, row, strict=True)) for row in values]

    return Batches(tuple(frame.columns), rows)


def _as_written(path: Path, suffix: str, texts: Sequence[str], frame: Any) -> dict[str, Any]:
    """Return the texts of a table as they are written: an answer may be "null", "n/a" or 42."""
    import pyarrow as pa
    from pyarrow import csv

    wanted = [t for t in texts if t in frame.columns]
    if not wanted:
        return {}
    raw = path.read_bytes()
    raw = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    found = csv.read_csv(
        io.BytesIO(raw),
        parse_options=csv.ParseOptions(
            delimiter="," if suffix == ".csv" else "\t", newlines_in_values=True
        ),
        convert_options=csv.ConvertOptions(
            include_columns=wanted, column_types={t: pa.string() for t in wanted}, null_values=[""],
            strings_can_be_null=True, quoted_strings_can_be_null=True,
        ),
    )  # fmt: skip
    return {t: found.column(t).to_pylist() for t in wanted}


def _parquet(path: Path, texts: Sequence[str]) -> Batches:
    import pyarrow as pa
    import pyarrow.parquet as pq

    def rows(light: bool) -> Rows:
        try:
            file = pq.ParquetFile(path)
            left = [n for n in file.schema_arrow.names if not light or n not in texts]
            for batch in file.iter_batches(PIECE, columns=left):
                yield batch.to_pylist() if left else [{}] * batch.num_rows
        except (pa.ArrowInvalid, OSError) as error:
            raise InputError(f"{path} is not a Parquet file: {error}") from None

    try:
        names = pq.ParquetFile(path).schema_arrow.names
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path} is not a Parquet file: {error}") from None
    return Batches(tuple(names), rows)


def _lines(path: Path) -> Rows:
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
    rows: list[dict[str, Any]] = []
    number = 0
    try:
        with gzip.open(path, "rb") if packed else path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                row = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
                if not isinstance(row, dict):
                    raise InputError(f"{path}, line {number} is no JSON object: {str(row)[:60]}")
                rows.append(row)
                if len(rows) == PIECE:
                    yield rows
                    rows = []
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}, line {number} is not UTF-8 (byte 0x{error.object[error.start]:02x}); convert "
            "the file first, for example with iconv -t UTF-8."
        ) from None
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}, line {number} is not JSON: {error}") from None
    except (EOFError, OSError) as error:
        raise InputError(f"{path} is a broken file: {error}") from None
    if rows:
        yield rows


def _hub(name: str, texts: Sequence[str]) -> Batches:
    try:
        import datasets
    except ImportError:
        raise MissingExtraError(
            "a Hugging Face data set needs datasets: pip install 'hackproof[language]'."
        ) from None
    _, _, rest = name.partition(":")
    where, _, split = rest.partition(":")
    try:
        if Path(where).is_dir():
            found = datasets.load_from_disk(where)
        else:
            found = datasets.load_dataset(where, split=split or "train")
    except Exception as error:
        raise InputError(f"the data set {where!r} cannot be loaded: {error}") from None
    if isinstance(found, datasets.DatasetDict):
        if (split or "train") not in found:
            raise InputError(
                f"the data set {where!r} has no split {split or 'train'!r}; it has "
                f"{', '.join(map(str, found))}: hf:{where}:SPLIT."
            )
        found = found[split or "train"]
    whole: Any = found

    def rows(light: bool) -> Rows:
        left = [n for n in whole.column_names if not light or n not in texts]
        some = whole.select_columns(left) if left else whole
        for k in range(0, len(some), PIECE):
            part = some[k : k + PIECE]
            yield [dict(zip(part, values, strict=True))
                   for values in zip(*part.values(), strict=True)]  # fmt: skip

    return Batches(tuple(whole.column_names), rows)
