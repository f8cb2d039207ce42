"""What is written down: measurements, transcripts, findings, and the runs that hold them."""

from hackproof.record.run import Run, RunWriter
from hackproof.record.schema import SCHEMA_VERSION, TABLES, check_table, to_table

__all__ = ["SCHEMA_VERSION", "TABLES", "Run", "RunWriter", "check_table", "to_table"]
