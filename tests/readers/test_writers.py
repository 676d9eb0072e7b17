"""Files as the libraries of the field write them, and arrays of every type, read back to the last bit."""

from __future__ import annotations

import datetime
import json

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pyarrow import ipc

from crossent.data.readers import open_source
from crossent.errors import DataError

by_property = settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
NUMBERS = {"row_id": pa.int64(), "p_a": pa.float64(), "z": pa.float64()}


def _duckdb(table, path, options):
    with duckdb.connect() as connection:
        connection.register("rows", table)
        connection.execute(f"COPY rows TO '{path}' ({options})")


WRITERS = {
    "pandas parquet": ("x.parquet", lambda t, p: t.to_pandas().to_parquet(p)),
    "pandas index": ("x.parquet", lambda t, p: t.to_pandas().query("row_id >= 0").to_parquet(p, index=False)),
    "pandas csv": ("x.csv", lambda t, p: t.to_pandas().to_csv(p, index=False)),
    "pandas csv.gz": ("x.csv.gz", lambda t, p: t.to_pandas().to_csv(p, index=False)),
    "pandas tsv": ("x.tab", lambda t, p: t.to_pandas().to_csv(p, index=False, sep="\t")),
    "pandas feather": ("x.feather", lambda t, p: t.to_pandas().to_feather(p)),
    "polars parquet": ("x.pq", lambda t, p: pl.from_arrow(t).write_parquet(p, row_group_size=30)),
    "polars arrow": ("x.arrow", lambda t, p: pl.from_arrow(t).write_ipc(p, compression="lz4")),
    "polars stream": ("x.arrows", lambda t, p: pl.from_arrow(t).write_ipc_stream(p)),
    "polars csv": ("x.csv", lambda t, p: pl.from_arrow(t).write_csv(p, include_bom=True)),
    "polars jsonl": ("x.ndjson", lambda t, p: pl.from_arrow(t).write_ndjson(p)),
    "duckdb parquet": ("x.parquet", lambda t, p: _duckdb(t, p, "FORMAT parquet, COMPRESSION zstd")),
    "duckdb csv": ("x.csv.gz", lambda t, p: _duckdb(t, p, "FORMAT csv, HEADER, COMPRESSION gzip")),
    "duckdb json": ("x.jsonl", lambda t, p: _duckdb(t, p, "FORMAT json")),
    "feather": ("x.feather", lambda t, p: feather.write_feather(t, str(p), chunksize=9)),
    "parquet version 1": ("x.parquet", lambda t, p: pq.write_table(t, p, version="1.0", compression="gzip")),
    "parquet split bytes": (
        "x.parquet",
        lambda t, p: pq.write_table(
            t, p, use_dictionary=["label"], use_byte_stream_split=["z"], data_page_version="2.0"
        ),
    ),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_files_of_other_libraries(tmp_path, make_table, read, writer):
    table, (name, write) = make_table(100), WRITERS[writer]
    write(table, tmp_path / name)
    source = open_source(tmp_path / name)
    got = read(source, table.column_names, types=NUMBERS)
    assert got.to_pydict() == table.to_pydict()
    assert {name: got.schema.field(name).type for name in NUMBERS} == NUMBERS


@pytest.mark.parametrize(
    "writer", ["pandas parquet", "polars arrow", "polars stream", "feather", "duckdb parquet"]
)
def test_many_models_of_many_classes(tmp_path, read, writer):
    rng = np.random.default_rng(3)
    table = pa.table({f"p_{i}": rng.random(40, np.float32) for i in range(600)})
    name, write = WRITERS[writer]
    write(table, tmp_path / name)
    wanted = ["p_599", "p_0", "p_77"]
    assert read(open_source(tmp_path / name), wanted).equals(table.select(wanted))


def test_an_arrow_stream_that_extends_its_dictionary(tmp_path, read):
    parts = [pa.array(labels).dictionary_encode() for labels in (["u", "v"], ["w", "u"], ["x", "x"])]
    schema = pa.schema([("label", parts[0].type)])
    with ipc.new_stream(tmp_path / "x.arrows", schema) as writer:
        for part in parts:
            writer.write_batch(pa.record_batch([part], schema=schema))
    assert read(open_source(tmp_path / "x.arrows"))["label"].to_pylist() == ["u", "v", "w", "u", "x", "x"]


@pytest.mark.parametrize("name", ["x.arrow", "x.arrows", "x.parquet"])
def test_batches_of_no_rows_between_others(tmp_path, read, name):
    table = pa.table({"p": [0.1, 0.2, 0.3]})
    parts = [table.slice(0, 0), table.slice(0, 2), table.slice(0, 0), table.slice(2, 1), table.slice(0, 0)]
    if name == "x.parquet":
        with pq.ParquetWriter(tmp_path / name, table.schema) as writer:
            for part in parts:
                writer.write_table(part)
    else:
        new = ipc.new_file if name == "x.arrow" else ipc.new_stream
        with new(tmp_path / name, table.schema) as writer:
            for part in parts:
                writer.write_batch(
                    part.combine_chunks().to_batches()[0]
                    if len(part)
                    else pa.record_batch({"p": pa.array([], "f8")})
                )
    assert read(open_source(tmp_path / name)).equals(table)
    memory = pa.chunked_array([part["p"].combine_chunks() for part in parts])
    assert read(open_source({"p": memory})).equals(table)


@pytest.mark.parametrize("name", ["x.arrow", "x.parquet"])
def test_columns_of_every_kind_keep_type_and_nulls(tmp_path, read, name):
    moment = datetime.datetime(2024, 2, 29, 23, 59, 59, 999999, tzinfo=datetime.UTC)
    table = pa.table(
        {
            "": pa.array([1, None, 3], pa.int8()),
            "Größe, “ä”\n": pa.array(["x", None, ""], pa.large_string()),
            "when": pa.array([moment, None, moment], pa.timestamp("us", "Europe/Berlin")),
            "day": pa.array([datetime.date(1969, 12, 31), None, datetime.date(9999, 12, 31)]),
            "p": pa.array([[0.5, None], None, []], pa.list_(pa.float64())),
            "half": pa.array(np.array([0.5, 65504, 6e-8], np.float16)),
            "bool": pa.array([True, None, False]),
            "big": pa.array([2**64 - 1, None, 0], pa.uint64()),
            "exact": pa.array([None, None, None], pa.decimal128(20, 5)),
            "pair": pa.array([{"a": 1, "b": "x"}, None, {"a": None, "b": None}]),
        }
    )
    (feather.write_feather if name == "x.arrow" else pq.write_table)(table, str(tmp_path / name))
    source = open_source(tmp_path / name)
    assert source.schema.remove_metadata().equals(table.schema)
    assert read(source, batch_rows=2).equals(table)


# --- arrays -------------------------------------------------------------------------------------------------

DTYPES = [
    "b1",
    "i1",
    "u1",
    ">i2",
    "<u4",
    ">i8",
    "u8",
    "f2",
    ">f4",
    "f8",
    "<U3",
    ">U2",
    "S2",
    "M8[s]",
    "M8[ns]",
    "m8[ms]",
]


@pytest.mark.parametrize("archive", [False, True], ids=["memory", "npz"])
@by_property
@given(data=st.data(), dtype=st.sampled_from(DTYPES), batch_rows=st.integers(1, 4))
def test_arrays_of_every_type_shape_and_layout(tmp_path, read, archive, data, dtype, batch_rows):
    shape = data.draw(st.tuples(st.integers(1, 5)) | st.tuples(st.integers(1, 5), st.integers(1, 4)))
    kind = np.dtype(dtype).kind
    text = st.text("aé\U0001f600" if kind == "U" else "ab", max_size=2)
    elements = text.map(str.encode) if kind == "S" else text if kind == "U" else None
    array = data.draw(arrays.arrays(dtype, shape, elements=elements))
    array = data.draw(
        st.sampled_from([array, np.asfortranarray(array), array[::-1], np.repeat(array, 2, 0)[::2]])
    )
    array.flags.writeable = False
    if archive:
        np.savez(tmp_path / "x.npz", a=array)
    source = open_source(tmp_path / "x.npz" if archive else {"a": array})
    column = read(source, batch_rows=batch_rows)["a"]
    expected = np.char.decode(array) if kind == "S" else array
    if kind in "mM":
        column = column.combine_chunks().flatten() if array.ndim == 2 else column
        got = column.cast(pa.int64()).to_pylist()
        expected = [None if v == np.iinfo("i8").min else v for v in array.astype("i8").reshape(-1).tolist()]
    else:
        got, expected = column.to_pylist(), expected.tolist()
    assert repr(got) == repr(expected)


@pytest.mark.parametrize(
    ("array", "slug"),
    [
        (np.array([b"\xff", b"a"]), "array-type"),
        (np.array(["\ud800", "a"]), "array-type"),
        (np.zeros(2, "M8[h]"), "array-type"),
        (np.zeros(2, "M8"), "array-type"),
        (np.zeros(2, "m8[D]"), "array-type"),
        (np.zeros(2, [("a", "f8")]), "array-type"),
        (np.zeros(2, "V4"), "array-type"),
        (np.zeros(2, "c8"), "array-type"),
        (np.ones((2, 0)), "array-shape"),
        (np.ones((0, 0)), "array-shape"),
        (np.ones((2, 1, 1)), "array-shape"),
        (np.float32(1), "array-shape"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{value.dtype}{value.shape}",
)
def test_arrays_that_are_no_columns_in_memory_and_in_archives(tmp_path, array, slug):
    np.savez(tmp_path / "x.npz", a=array)
    for data, file in (({"a": array}, "table"), (tmp_path / "x.npz", str(tmp_path / "x.npz"))):
        with pytest.raises(DataError) as caught:
            for _ in (source := open_source(data)).batches(source.schema.names, 1):
                pass
        assert (caught.value.slug, caught.value.file, caught.value.column) == (slug, file, "a")


@pytest.mark.parametrize("archive", [False, True], ids=["memory", "npz"])
@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (np.array(["u", "ü"]), ["u", "ü"]),
        (np.array([b"u", b"v"]), ["u", "v"]),
        (np.array([3, -1], ">i4"), [3, -1]),
        (np.array([0.5, 1.0]), [0.5, 1.0]),
        (np.array([False, True]), [False, True]),
    ],
    ids=["text", "bytes", "integers", "floats", "booleans"],
)
def test_class_names_of_every_type(tmp_path, archive, classes, expected):
    columns = {"c": np.ones((3, 2)), "classes": classes, "wide": np.ones((3, 4)), "y": np.arange(3)}
    np.savez(tmp_path / "x.npz", **columns)
    schema = open_source(tmp_path / "x.npz" if archive else columns).schema
    assert schema.names == ["c", "wide", "y"]
    assert [json.loads((f.metadata or {}).get(b"classes", b"null")) for f in schema] == [expected, None, None]


@pytest.mark.parametrize("archive", [False, True], ids=["memory", "npz"])
@pytest.mark.parametrize("classes", [np.array(["2024", "2025"], "M8[D]"), np.array([1, 2], "m8[s]")], ids=str)
def test_class_names_that_are_no_text_or_number(tmp_path, archive, classes):
    columns = {"c": np.ones((3, 2)), "classes": classes}
    np.savez(tmp_path / "x.npz", **columns)
    with pytest.raises(DataError) as caught:
        open_source(tmp_path / "x.npz" if archive else columns)
    assert (caught.value.slug, caught.value.column) == ("array-type", "classes")


def test_names_of_columns_are_text_and_each_of_its_own(read):
    assert read(open_source({0: [1], "köln": [2], 1.5: [3]})).to_pydict() == {
        "0": [1],
        "köln": [2],
        "1.5": [3],
    }
    with pytest.raises(DataError) as caught:
        open_source({1: [1.0], "y": [0.0], "1": [2.0]}, name="mine")
    assert (caught.value.slug, caught.value.file) == ("duplicate-column", "mine")
    assert "'1'" in caught.value.problem


@pytest.mark.parametrize(
    ("value", "expected", "type_"),
    [
        (range(2), [0, 1], pa.int64()),
        ((0.5, None), [0.5, None], pa.float64()),
        ([np.array([0.1, 0.9]), np.array([0.3, 0.7])], [[0.1, 0.9], [0.3, 0.7]], pa.list_(pa.float64(), 2)),
        ([(0.1,), (0.3,)], [[0.1], [0.3]], pa.list_(pa.float64(), 1)),
        ([[0.1], None], [[0.1], None], pa.list_(pa.float64())),
        (np.array([None, "a"], object), [None, "a"], pa.string()),
        (np.ma.array([1.0, 2.0]), [1.0, 2.0], pa.float64()),
        (pd.Categorical(["b", "a"]), ["b", "a"], pa.string()),
        (pd.Series(["b", None]), ["b", None], None),
        (pl.Series([[1, 2], [3, 4]], dtype=pl.Array(pl.Int8, 2)), [[1, 2], [3, 4]], pa.list_(pa.int8(), 2)),
        (pa.array(["b", "a"]).dictionary_encode(), ["b", "a"], None),
        (pc.multiply(pa.chunked_array([[1.0], [2.0]]), 2), [2.0, 4.0], pa.float64()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_may_be_a_column_of_a_dictionary(read, value, expected, type_):
    table = read(open_source({"a": value, "y": [0, 1]}))
    assert table["a"].to_pylist() == expected
    assert type_ is None or table.schema.field("a").type == type_


@pytest.mark.parametrize(
    "value",
    [None, "ab", {1, 2}, {"x": 1}, (i for i in "ab"), object(), ["\ud800"], [1, "a"], [[1], 2], [[], []]],
)
def test_what_may_not_be_a_column_of_a_dictionary(value):
    with pytest.raises(DataError) as caught:
        open_source({"y": [0, 1], "a": value})
    assert caught.value.slug in ("array-type", "array-shape")
    assert (caught.value.file, caught.value.column) == ("table", "a")


def test_class_names_are_never_unpickled(tmp_path):
    np.savez(tmp_path / "x.npz", c=np.ones((3, 2)), classes=np.array(["u", None], object))
    with pytest.raises(DataError) as caught:
        open_source(tmp_path / "x.npz")
    assert (caught.value.slug, caught.value.column) == ("array-type", "classes")
