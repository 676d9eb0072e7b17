"""What columns of databases are read as."""

from __future__ import annotations

import sqlite3
import uuid
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import crossent
from crossent import DataError, sql
from crossent.data.readers import open_source
from crossent.data.readers.sql_types import converted, read_as

from .server import Server

UUID = "00112233-4455-6677-8899-aabbccddeeff"


def read(query: str, uri: str) -> pa.Table:
    source = open_source(sql(query, uri))
    batches = [chunk.table for chunk in source.batches(source.schema.names, 1000)]
    return pa.Table.from_batches(batches, source.schema)


@pytest.mark.parametrize(
    ("expression", "type_", "values"),
    [
        ("unnest(array[1, null]::smallint[])", pa.int16(), [1, None]),
        ("7::bigint", pa.int64(), [7]),
        ("0.1::float4", pa.float32(), [float(np.float32(0.1))]),
        ("0.1::float8", pa.float64(), [0.1]),
        ("0.1::numeric", pa.float64(), [0.1]),
        ("0.1::numeric(5, 3)", pa.float64(), [0.1]),
        ("unnest(array[0.30000000000000001665, null]::numeric[])", pa.float64(), [0.3, None]),
        ("'Infinity'::numeric", pa.float64(), [np.inf]),
        ("9007199254740993::numeric", pa.float64(), [9007199254740992.0]),
        ("true", pa.bool_(), [True]),
        ("'x'::varchar(3)", pa.string(), ["x"]),
        ("null::text", pa.string(), [None]),
        ("array[0.25, 0.75]::float8[]", pa.list_(pa.float64()), [[0.25, 0.75]]),
        ("array[0.1, null]::numeric[]", pa.list_(pa.float64()), [[0.1, None]]),
        ("unnest(array['{}', null])::float8[]", pa.list_(pa.float64()), [[], None]),
        (f"'{UUID}'::uuid", pa.string(), [UUID]),
        ("'{\"a\": 1}'::jsonb", pa.string(), ['{"a": 1}']),
    ],
)  # fmt: skip
def test_types_of_postgresql(
    server: Server, expression: str, type_: pa.DataType, values: list[object]
) -> None:
    table = read(f"SELECT {expression} AS a", server.uri())
    assert table["a"].type.equals(type_)
    assert table["a"].to_pylist() == values


def test_timestamps_and_dates_of_postgresql(server: Server) -> None:
    day = "'2026-01-02 03:04:05'"
    query = f"SELECT timestamp {day} AT TIME ZONE 'utc' AS a, timestamp {day} AS b, date {day} AS c"
    types = [pa.timestamp("us", "UTC"), pa.timestamp("us"), pa.date32()]
    table = read(query, server.uri())
    assert table.schema.types == types
    assert [str(table[name][0].as_py()) for name in "abc"] == [
        "2026-01-02 03:04:05+00:00", "2026-01-02 03:04:05", "2026-01-02",
    ]  # fmt: skip


def test_types_that_only_the_database_knows(server: Server) -> None:
    server.execute("DROP TYPE IF EXISTS colour", "CREATE TYPE colour AS ENUM ('red', 'blue')")
    query = "SELECT inet '1.2.3.4' AS host, 'red'::colour AS label, 0.5 AS p_red, 0.5 AS p_blue"
    # a column that is not used may be anything
    report = crossent.evaluate(sql(query, server.uri()))
    assert report.results.models[0].loss.value == pytest.approx(np.log(2))
    with pytest.raises(DataError, match=r"column host.*CAST\(host AS text\).*database-type"):
        crossent.evaluate(sql(query, server.uri()), groups="host")


def test_numeric_probabilities_and_uuids_as_row_ids(server: Server) -> None:
    server.execute(
        "DROP TABLE IF EXISTS ids",
        "CREATE TABLE ids AS SELECT gen_random_uuid() AS id, (i % 2)::bool AS label, "
        "(i % 9 + 0.5) / 10 AS p_true FROM generate_series(1, 1000) AS i",
    )
    text = "SELECT id{}, label, p_true, 1 - p_true AS p_false FROM ids ORDER BY {}"
    report = crossent.select(
        {
            "a": sql(text.format("", "id"), server.uri()),
            "b": sql(text.format("::text", "p_true"), server.uri()),
        }
    )
    a, b = report.results.models
    assert a.loss.value == b.loss.value
    expected = read("SELECT label, p_true::float8 AS p FROM ids", server.uri())
    p = np.where(expected["label"].to_numpy(), expected["p"].to_numpy(), 1 - expected["p"].to_numpy())
    assert a.loss.value == pytest.approx(-np.log(p).mean(), rel=1e-12)


def test_types_of_sqlite_are_those_of_the_first_rows(tmp_path: Path) -> None:
    path = tmp_path / "logs.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (label, p_1, p_0)")
    rows = 70_000
    some = [(i % 2, 1, 0) if i < rows - 1 else (1, 0.5, 0.5) for i in range(rows)]
    connection.executemany("INSERT INTO t VALUES (?, ?, ?)", some)
    connection.commit()
    connection.close()
    uri = f"sqlite:///{path}"
    with pytest.raises(DataError, match=r"Type mismatch.*CAST.*query-failed"):
        crossent.evaluate(sql("SELECT label, p_1, p_0 FROM t", uri))
    cast = "SELECT label, CAST(p_1 AS REAL) AS p_1, CAST(p_0 AS REAL) AS p_0 FROM t"
    assert crossent.evaluate(sql(cast, uri)).results.data.rows == rows


@given(st.lists(st.none() | st.decimals(allow_nan=False, allow_infinity=False, places=9, max_value=10**9)))
def test_decimals_are_the_nearest_doubles(values: list[Decimal | None]) -> None:
    column = pa.array(values, pa.decimal128(38, 9))
    found = converted(column, read_as(pa.field("a", column.type)).type)
    assert found.to_pylist() == [None if v is None else float(v) for v in values]


@given(st.lists(st.none() | st.uuids()), st.integers(0, 3))
def test_uuids_are_written_as_python_writes_them(values: list[uuid.UUID | None], skipped: int) -> None:
    raw = pa.array([None if v is None else v.bytes for v in values], pa.binary(16))
    column = pa.ExtensionArray.from_storage(pa.uuid(), raw)[skipped:]
    found = converted(column, read_as(pa.field("a", pa.uuid())).type)
    assert found.to_pylist() == [None if v is None else str(v) for v in values[skipped:]]


@given(
    st.lists(st.none() | st.lists(st.none() | st.decimals(-9, 9, places=3), max_size=3)), st.integers(0, 3)
)
def test_lists_keep_their_gaps(values: list[list[Decimal | None] | None], skipped: int) -> None:
    column = pa.array(values, pa.list_(pa.decimal128(10, 3)))[skipped:]
    found = converted(column, read_as(pa.field("a", column.type)).type)
    assert found.to_pylist() == [
        None if row is None else [None if v is None else float(v) for v in row] for row in values[skipped:]
    ]
