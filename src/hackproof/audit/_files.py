"""Reading a user's table: CSV, JSON lines or Parquet, compressed or not, with clear errors."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hackproof.errors import InputError, unknown

if TYPE_CHECKING:
    import pandas as pd

FORMATS = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json",
           ".parquet": "parquet", ".pq": "parquet"}  # fmt: skip


def read(path: str | Path) -> pd.DataFrame:
    """Return a table with its columns as they are.

    Args:
        path: A .csv, .tsv, .jsonl, .ndjson, .json (a list of objects) or .parquet file; the text
            ones may end in .gz. Text must be UTF-8.

    Raises:
        InputError: no such file, another format, not UTF-8, a broken line (which), no rows.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"there is no file {path}.")
    suffixes = [s.lower() for s in path.suffixes if s.lower() != ".gz"]
    kind = FORMATS.get(suffixes[-1]) if suffixes else None
    if kind is None:
        raise InputError(f"{path.name} is none of {', '.join(FORMATS)} (or one of these with .gz).")
    frame = _parquet(path) if kind == "parquet" else _text(path, kind)
    if not len(frame):
        raise InputError(f"{path} has no rows; nothing can be measured from it.")
    return frame


def _parquet(path: Path) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return _exact(pq.read_table(path))
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{path} is not a Parquet file: {error}") from None


def _text(path: Path, kind: str) -> pd.DataFrame:
    raw = path.read_bytes()
    if raw[:2] == b"\x1f\x8b":
        try:
            raw = gzip.decompress(raw)
        except (EOFError, OSError) as error:
            raise InputError(f"{path} is a broken gzip file: {error}") from None
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    if not raw.strip():
        raise InputError(f"{path} is empty; nothing can be measured from it.")
    if kind in ("csv", "tsv"):
        return _csv(path, raw, "," if kind == "csv" else "\t")
    if kind == "json":
        try:
            value = json.loads(raw.decode())
        except UnicodeDecodeError:
            raise _not_utf8(path, raw) from None
        except ValueError as error:
            raise InputError(f"{path} is not JSON: {error}") from None
        if not isinstance(value, list) or not all(isinstance(v, dict) for v in value):
            raise InputError(f"{path} must hold a list of objects.")
        return _rows(value)
    return _rows(list(_json_lines(path, raw)))


def _csv(path: Path, raw: bytes, separator: str) -> pd.DataFrame:
    import pyarrow as pa
    from pyarrow import csv

    try:
        raw.split(b"\n", 1)[0].decode()
    except UnicodeDecodeError:
        raise _not_utf8(path, raw) from None
    # Text is read as categories: ten million verdicts fit.
    try:
        found = csv.read_csv(
            io.BytesIO(raw),
            parse_options=csv.ParseOptions(delimiter=separator, newlines_in_values=True),
            convert_options=csv.ConvertOptions(
                auto_dict_encode=True, auto_dict_max_cardinality=100_000,
                strings_can_be_null=True, quoted_strings_can_be_null=True,
            ),
        )  # fmt: skip
    except pa.ArrowInvalid as error:
        try:
            raw.decode()
        except UnicodeDecodeError:
            raise _not_utf8(path, raw) from None
        raise InputError(f"{path} is not a table of comma-separated values: {error}") from None
    kinds = [getattr(f.type, "value_type", f.type) for f in found.schema]
    if any(map(pa.types.is_binary, kinds)):  # what pyarrow makes of text that is not UTF-8
        raise _not_utf8(path, raw)
    if len(set(found.column_names)) < found.num_columns:
        twice = sorted({n for n in found.column_names if found.column_names.count(n) > 1})
        raise InputError(f"{path} has the column {twice[0]!r} twice.")
    return _exact(found)


def _exact(table: Any) -> pd.DataFrame:
    """Return an Arrow table as a frame; integers beyond 2**53 beside gaps stay integers."""
    import pyarrow.compute as pc
    import pyarrow.types as kinds

    frame = table.to_pandas()
    for name in table.column_names:
        column = table[name]
        if kinds.is_integer(column.type) and column.null_count:
            most = pc.max(column).as_py() or 0  # pyright: ignore[reportAttributeAccessIssue]
            if most > 2**53:
                frame[name] = column.to_pandas(integer_object_nulls=True).to_numpy()
    return frame


def _rows(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Return rows as a frame; integers beyond 2**53 beside gaps stay integers."""
    import pandas as pd

    frame = pd.DataFrame(rows)
    for name in frame.columns[(frame.dtypes == "float64").to_numpy()]:
        if (frame[name].abs() > 2**53).any():
            frame[name] = pd.Series([r.get(name) for r in rows], dtype=object)
    return frame


def _json_lines(path: Path, raw: bytes) -> Iterable[dict[str, Any]]:
    for number, line in enumerate(raw.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line.decode())
        except UnicodeDecodeError:
            raise _not_utf8(path, raw) from None
        except ValueError as error:
            raise InputError(f"{path}, line {number} is not JSON: {error}") from None
        if not isinstance(row, dict):
            raise InputError(f"{path}, line {number} is no JSON object: {str(row)[:60]}")
        yield row


def _not_utf8(path: Path, raw: bytes) -> InputError:
    for number, line in enumerate(raw.split(b"\n"), 1):
        try:
            line.decode()
        except UnicodeDecodeError as error:
            byte = line[error.start]
            return InputError(
                f"{path}, line {number} is not UTF-8 (byte 0x{byte:02x} at column {error.start}); "
                "convert the file first, for example with iconv -t UTF-8."
            )
    return InputError(f"{path} is not UTF-8.")


def renamed(frame: pd.DataFrame, columns: Mapping[str, str], known: Sequence[str]) -> pd.DataFrame:
    """Return the table with columns under the names that an audit knows.

    Args:
        frame: As read.
        columns: The audit's name to the file's name.
        known: The audit's names.

    Raises:
        InputError: a name that is no column, or no name of the audit's.
    """
    for ours, theirs in columns.items():
        if ours not in known:
            raise unknown("name in --columns", ours, known)
        if theirs not in frame.columns:
            raise unknown(f"column (--columns {ours}={theirs})", theirs, map(str, frame.columns))
    taken = set(columns.values())
    kept = frame.drop(columns=[o for o in columns if o in frame.columns and o not in taken])
    return kept.rename(columns={theirs: ours for ours, theirs in columns.items()})


def canonical(frame: pd.DataFrame, aliases: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Return the table with columns that go by a usual name under ours; the first alias that is
    there wins, whatever its case.
    """
    lowered = {str(c).lower(): c for c in reversed(list(frame.columns))}
    found = {}
    for ours, names in aliases.items():
        theirs = next((lowered[n] for n in names if n in lowered), None)
        if theirs is not None and theirs not in found and ours not in frame.columns:
            found[theirs] = ours
    return frame.rename(columns=found)


def named(
    path: str | Path,
    columns: Mapping[str, str] | None,
    aliases: Mapping[str, Sequence[str]],
    known: Sequence[str] = (),
) -> pd.DataFrame:
    """Return a file's table under our names: those that the user gave, then the usual ones.

    Args:
        path: Of the file.
        columns: Our name to the file's.
        aliases: Our name to what a column may be called.
        known: Our names that have no alias.
    """
    frame = renamed(read(path), columns or {}, (*aliases, *known))
    return canonical(frame, aliases)
