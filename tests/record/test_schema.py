import math

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hackproof.errors import SchemaError
from hackproof.record import check_table, to_table
from hackproof.record.files import parquet_bytes, read_parquet

ROW = {
    "study": "s", "scale": "cpu", "cell": "c", "arm": "a", "seed": 0, "replicate": 0,
    "axis": "width", "level": 1.0, "step": 0, "condition": "default", "factors": [("k", "v")],
    "metric": "m", "role": "proxy", "unit": "1", "value": 1.0, "n": 1, "n_missing": 0,
}  # fmt: skip


def test_a_row_survives_parquet(tmp_path):
    table = to_table("measurements", [ROW])
    (tmp_path / "t.parquet").write_bytes(parquet_bytes(table))
    assert check_table("measurements", read_parquet(tmp_path / "t.parquet")).equals(table)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=20))
def test_finite_values_survive_to_the_bit(values):
    table = to_table("measurements", [{**ROW, "value": v} for v in values])
    back = pa.ipc.open_stream(_stream(table)).read_all()
    assert [math.copysign(1, v) for v in back["value"].to_pylist()] == [
        math.copysign(1, v) for v in values
    ]
    assert back["value"].to_pylist() == values


def _stream(table):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"value": math.nan}, "nan in row 0"),
        ({"value": math.inf}, "inf in row 0"),
        ({"role": "judge"}, "'judge'; known: proxy, true"),
        ({"arm": None}, "no 'arm'"),
        ({"seed": "zero"}, "wrong type"),
        ({"colour": 1}, "unknown column 'colour'"),
    ],
)
def test_a_bad_row_is_named(change, words):
    with pytest.raises(SchemaError, match=words):
        to_table("measurements", [{**ROW, **change}])


def test_a_null_value_is_a_missing_measurement():
    table = to_table("measurements", [{**ROW, "value": None, "n": 0, "n_missing": 5}])
    assert table["value"].null_count == 1


def test_wrong_columns_are_named():
    table = to_table("measurements", [ROW]).drop_columns(["unit"])
    with pytest.raises(SchemaError, match=r"missing \['unit'\]"):
        check_table("measurements", table)


def test_equal_tables_give_equal_bytes():
    assert parquet_bytes(to_table("measurements", [ROW])) == parquet_bytes(
        to_table("measurements", [dict(ROW)])
    )
