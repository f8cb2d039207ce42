"""The tables that every study, watcher and audit writes, and their checks.

`MEASUREMENTS` is the one long table of numbers; `TRANSCRIPTS` and `FINDINGS` are the
tables of the parts that write them. A table is checked when it is written and again
when it is read, so that a row that breaks the schema never reaches a claim.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hackproof.errors import SchemaError

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA_VERSION = 1
"""Raised by one whenever a column changes; a run of another schema is not continued."""

ROLES = ("proxy", "true", "human", "probe", "detector")
"""proxy: what was optimised. true: what was meant. human: a person's rating. probe: a
ground truth in no reward. detector: a score of something that looks for hacking."""

OUTCOMES = ("ok", "wrong", "unparseable", "refused", "stopped", "crashed", "infra")
"""How a transcript ended; `infra` is never scored."""


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    name: str
    type: str
    """string, int64, float64, bool, or map (string to string)."""
    doc: str
    nullable: bool = False
    choices: tuple[str, ...] = ()


MEASUREMENTS = (
    Column("study", "string", "Study that measured it."),
    Column("scale", "string", "smoke, cpu, paper, or watched for a run of the user's own."),
    Column("cell", "string", "The unit of work: one (arm, level, seed)."),
    Column("arm", "string", "What is compared."),
    Column("seed", "int64", "The independent unit; intervals are over seeds."),
    Column("replicate", "int64", "What was repeated within the seed, from 0."),
    Column("axis", "string", "Which optimisation pressure was applied (width, kl, best_of_n)."),
    Column("level", "float64", "How much of it."),
    Column("step", "int64", "Environment or optimiser steps trained when it was measured."),
    Column("condition", "string", "Under what it was measured; 'default' where nothing varied."),
    Column("factors", "map", "Where the arm stands in a grid of settings."),
    Column("metric", "string", "What was measured."),
    Column("role", "string", "What the metric stands for.", choices=ROLES),
    Column("unit", "string", "Unit of value; '1' for a pure number."),
    Column("value", "float64", "The measurement; null where nothing could be measured.", True),
    Column("n", "int64", "Samples behind the value, within the seed."),
    Column("n_missing", "int64", "Samples that could not be scored."),
    Column("low", "float64", "Lower end of a 95% interval within the seed.", True),
    Column("high", "float64", "Upper end of it.", True),
)

TRANSCRIPTS = (
    Column("study", "string", "Study that recorded it."),
    Column("cell", "string", "The unit of work."),
    Column("arm", "string", "What is compared."),
    Column("seed", "int64", "The independent unit."),
    Column("sample", "string", "Identifier of the prompt, the same in every arm; with the "
           "condition unique within the cell."),
    Column("condition", "string", "Under what it was asked."),
    Column("prompt", "string", "What the model was asked (JSON messages or plain text)."),
    Column("reasoning", "string", "Private reasoning, kept apart from the answer.", True),
    Column("answer", "string", "What the model answered.", True),
    Column("scores", "map", "What each reward paid, as decimal text; absent where not scored."),
    Column("hack", "bool", "Whether the answer hacks its reward, where that is known.", True),
    Column("outcome", "string", "How it ended.", choices=OUTCOMES),
)  # fmt: skip

FINDINGS = (
    Column("rule", "string", "Stable rule identifier."),
    Column("target", "string", "What was audited."),
    Column("claim", "string", "What is wrong."),
    Column("status", "string", "How sure it is.", choices=("PROVEN", "ADVISORY", "UNDECIDED")),
    Column("source", "string", "Paper or issue the rule comes from."),
    Column("blind_spots", "string", "What the rule cannot see."),
    Column("fix", "string", "What to do."),
    Column("reproducer", "string", "Command or code that shows it.", True),
    Column("kind", "string", "Place in the taxonomy: kind of misspecification."),
    Column("cause", "string", "Place in the taxonomy: cause."),
)

CLAIMS = (
    Column("id", "string", "Identifier, unique within the study."),
    Column("statement", "string", "What is claimed."),
    Column("source", "string", "Where the claim is stated."),
    Column("provenance", "string", "read, seed, derived, recalled or second-hand."),
    Column("estimand", "string", "The number computed per independent seed."),
    Column("direction", "string", "Whether the claim says above or below.", choices=(">", "<")),
    Column("margin", "float64", "What the estimand is held against."),
    Column("estimate", "float64", "Mean over seeds.", True),
    Column("low", "float64", "Lower end of the 95% interval over seeds.", True),
    Column("high", "float64", "Upper end of it.", True),
    Column("n", "int64", "Seeds behind it."),
    Column("n_missing", "int64", "Seeds that should be there and are not."),
    Column("outcome", "string", "What the interval says.",
           choices=("reproduced", "not reproduced", "underpowered", "not asserted")),
    Column("note", "string", "Why, where the outcome needs a reason."),
)  # fmt: skip

TABLES: Mapping[str, tuple[Column, ...]] = {
    "measurements": MEASUREMENTS,
    "transcripts": TRANSCRIPTS,
    "findings": FINDINGS,
    "claims": CLAIMS,
}


def arrow_schema(name: str) -> pa.Schema:
    """Return the Arrow schema of a table of `TABLES`."""
    import pyarrow as pa

    types = {
        "string": pa.string(),
        "int64": pa.int64(),
        "float64": pa.float64(),
        "bool": pa.bool_(),
        "map": pa.map_(pa.string(), pa.string()),
    }
    return pa.schema([pa.field(c.name, types[c.type], c.nullable) for c in TABLES[name]])


def to_table(name: str, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Build a checked table from rows.

    Args:
        name: A key of `TABLES`.
        rows: Mappings from column to value; nullable columns may be left out.

    Raises:
        SchemaError: naming the row, the column and what was expected there.
    """
    import pyarrow as pa

    columns = TABLES[name]
    known = {c.name for c in columns}
    filled = []
    for i, row in enumerate(rows):
        if extra := set(row) - known:
            raise SchemaError(f"{name} row {i} has an unknown column {sorted(extra)[0]!r}.")
        for c in columns:
            if row.get(c.name) is None and not c.nullable:
                raise SchemaError(f"{name} row {i} has no {c.name!r}: {c.doc}")
        filled.append({c.name: row.get(c.name) for c in columns})
    try:
        table = pa.Table.from_pylist(filled, schema=arrow_schema(name))
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, UnicodeError) as error:
        raise SchemaError(f"{name} has a value of the wrong type: {error}") from None
    return check_table(name, table)


def check_table(name: str, table: pa.Table) -> pa.Table:
    """Return `table` if it holds to the schema of `name`.

    Raises:
        SchemaError: a column is missing, extra, mistyped, null where it may not be,
            outside its choices, or not finite where it is not null.
    """
    import pyarrow.compute as pc

    schema = arrow_schema(name)
    if table.schema.names != schema.names:
        missing = [c for c in schema.names if c not in table.schema.names]
        extra = [c for c in table.schema.names if c not in schema.names]
        raise SchemaError(f"{name} has the wrong columns: missing {missing}, unknown {extra}.")
    for c, field in zip(TABLES[name], schema, strict=True):
        column = table.column(c.name)
        if not column.type.equals(field.type):
            raise SchemaError(f"{name}.{c.name} is {column.type}; it must be {field.type}.")
        if column.null_count and not c.nullable:
            raise SchemaError(f"{name}.{c.name} is null in {column.null_count} rows. {c.doc}")
        if c.choices:
            wrong = {str(v) for v in pc.unique(column).to_pylist()} - set(c.choices)
            if wrong:
                allowed = ", ".join(c.choices)
                raise SchemaError(f"{name}.{c.name} is {sorted(wrong)[0]!r}; known: {allowed}.")
        if c.type == "float64" and not pc.all(pc.is_finite(column)).as_py() and table.num_rows:
            finite = [x is not False for x in pc.is_finite(column).to_pylist()]
            if not all(finite):
                at = finite.index(False)
                raise SchemaError(
                    f"{name}.{c.name} is {column[at].as_py()} in row {at} "
                    f"({_where(table, at)}); numbers must be finite, or null where nothing "
                    "could be measured."
                )
    return table.cast(schema)


def _where(table: pa.Table, row: int) -> str:
    """Name a row by the columns a reader would look for."""
    keys = [k for k in ("cell", "metric", "step", "id", "rule") if k in table.schema.names]
    return ", ".join(f"{k} {table.column(k)[row].as_py()!r}" for k in keys)
