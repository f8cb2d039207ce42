"""SQL over a run's tables, by DuckDB, in memory: nothing outside the run can be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hackproof.errors import InputError
from hackproof.record.run import Run
from hackproof.record.schema import TABLES

if TYPE_CHECKING:
    import pyarrow as pa


def query(run: Run, sql: str) -> pa.Table:
    """Return the result of a SQL query over the tables of `TABLES`.

    Args:
        run: The run; its tables are measurements, transcripts, findings and claims.
        sql: One statement in DuckDB's SQL.

    Raises:
        InputError: the query cannot be run, with DuckDB's own words.
    """
    import duckdb

    connection = duckdb.connect(":memory:")
    try:
        for name in TABLES:
            connection.register(name, run.table(name))
        connection.execute("set enable_external_access = false")
        connection.execute("set lock_configuration = true")
        result = connection.sql(sql)
        if result is None:
            raise InputError("the query returns no rows; write a select.")
        return result.to_arrow_table()
    except duckdb.Error as error:
        tables = ", ".join(TABLES)
        raise InputError(f"the query failed: {error}\nTables: {tables}.") from None
    finally:
        connection.close()
