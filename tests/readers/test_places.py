"""Files, folders, patterns and Hive partitions, and tables in memory, as one Source."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crossent.data.readers import open_source
from crossent.errors import DataError, UsageError


@pytest.fixture
def run(tmp_path, make_table):
    """A table of 60 rows cut into three files in two folders, in the order of their paths."""
    table = make_table(60)
    for i, name in enumerate(["a/1.parquet", "a/2.parquet", "b/0.pq"]):
        path = tmp_path / "run" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table.slice(20 * i, 20), path, row_group_size=6)
    return table, tmp_path / "run"


@pytest.mark.parametrize("place", ["", "*", "**", "?", "[ab]", "**/*.p*"])
def test_folder_and_patterns_read_all_files_in_order(run, read, place):
    table, folder = run
    source = open_source(str(folder / place) if place else folder)
    assert read(source).equals(table)
    assert source.rows == 60
    assert [info.path for info in source.files] == [
        str(folder / name) for name in ("a/1.parquet", "a/2.parquet", "b/0.pq")
    ]


def test_pattern_and_list_choose_files(run, read):
    table, folder = run
    assert read(open_source(f"{folder}/*/[12].parquet")).equals(table.slice(0, 40))
    chosen = open_source([folder / "b/0.pq", str(folder / "a/1.parquet")], name="two files")
    assert chosen.name == "two files"
    assert read(chosen).equals(pa.concat_tables([table.slice(40, 20), table.slice(0, 20)]))


def test_a_file_whose_name_looks_like_a_pattern(run, read):
    table, folder = run
    shutil.copy(folder / "a/1.parquet", folder / "[1].parquet")
    assert read(open_source(folder / "[1].parquet")).equals(table.slice(0, 20))


def test_bookkeeping_and_unknown_files_of_a_folder_are_left_out(run, read):
    table, folder = run
    for name in ("_SUCCESS", "a/.part.parquet", "_temporary/x.parquet", "README.md", "a/notes.txt"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("no data")
    assert read(open_source(folder)).equals(table)


def test_format_chooses_among_the_files_of_a_folder(run, read):
    table, folder = run
    (folder / "summary.csv").write_text("a\n1\n")
    assert read(open_source(folder, format="parquet")).equals(table)
    assert read(open_source(folder, format="csv")).to_pydict() == {"a": ["1"]}


def test_column_order_may_differ_between_files(tmp_path, read):
    pq.write_table(pa.table({"a": [1], "b": ["x"]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"b": ["y"], "a": [2]}), tmp_path / "2.parquet")
    assert read(open_source(tmp_path)).to_pydict() == {"a": [1, 2], "b": ["x", "y"]}


def test_jsonl_files_share_the_wider_types(write, read):
    write("run/1.jsonl", '{"p": 1, "y": null}\n')
    folder = write("run/2.jsonl", '{"p": 0.5, "y": "a", "z": true}\n').parent
    assert read(open_source(folder)).to_pydict() == {"p": [1.0, 0.5], "y": [None, "a"], "z": [None, True]}


# key=value folders


@pytest.fixture
def partitioned(tmp_path):
    """Writes one row under each folder name given."""

    def writing(*folders: str):
        for i, folder in enumerate(folders):
            path = tmp_path / "run" / folder / "part.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.table({"p": [float(i)]}), path)
        return tmp_path / "run"

    return writing


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["-3", "0", "12"], [-3, 0, 12]),
        (["1", "2", "__HIVE_DEFAULT_PARTITION__"], [1, 2, None]),
        (["01", "02", "10"], ["01", "02", "10"]),
        (["1", "2", "b%20c%2F"], ["1", "2", "b c/"]),
        (["1", "2", "9" * 30], ["1", "2", "9" * 30]),
        (["", "a", "b=c"], ["", "a", "b=c"]),
    ],
    ids=["integers", "null", "leading-zeros", "escaped", "too-large", "odd"],
)
def test_partitions_become_columns(partitioned, read, texts, expected):
    source = open_source(partitioned(*(f"key={text}/inner/split=test" for text in texts)))
    assert source.schema.names == ["p", "key", "split"]
    assert source.schema.field("key").metadata == {b"partition": b"hive"}
    table = read(source, ["split", "key", "p"])
    assert sorted(table["key"].to_pylist(), key=str) == sorted(expected, key=str)
    assert dict(zip(table["p"].to_pylist(), table["key"].to_pylist(), strict=True)) == dict(
        enumerate(expected)
    )
    assert set(table["split"].to_pylist()) == {"test"}
    assert read(source, ["key"])["key"].equals(table["key"])


def test_partitions_are_counted_from_the_place_named(partitioned):
    folder = partitioned("key=1/split=test", "key=2/split=test")
    assert open_source(folder / "key=1").schema.names == ["p", "split"]
    assert open_source(f"{folder}/key=*/*").schema.names == ["p", "key", "split"]
    assert open_source(f"{folder}/key=1/*/part.parquet").schema.names == ["p", "split"]
    assert open_source(folder / "key=1/split=test/part.parquet").schema.names == ["p"]


@pytest.mark.parametrize(
    ("folders", "slug", "column"),
    [
        (("key=1", "other=2"), "partition-mismatch", None),
        (("key=1", ""), "partition-mismatch", None),
        (("key=1/key=2",), "partition-mismatch", None),
        (("p=1",), "partition-clash", "p"),
    ],
)
def test_partitions_that_cannot_be_columns(partitioned, folders, slug, column):
    with pytest.raises(DataError) as caught:
        open_source(partitioned(*folders))
    assert (caught.value.slug, caught.value.column) == (slug, column)
    assert caught.value.file.endswith("part.parquet")


# Tables in memory


def _dictionary(table):
    return {"label": table["label"].to_pylist(), **{n: table[n].to_numpy() for n in ("row_id", "p_a", "z")}}


class Stream:
    """Anything that speaks the protocol."""

    def __init__(self, table):
        self.table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize(
    "convert",
    [
        lambda table: table,
        lambda table: table.to_reader(max_chunksize=9),
        lambda table: table.combine_chunks().to_batches()[0],
        lambda table: pd.DataFrame(_dictionary(table)),
        lambda table: table.to_pandas().set_index("row_id").reset_index(),
        pl.from_arrow,
        Stream,
        _dictionary,
        lambda table: {name: pd.Series(column) for name, column in _dictionary(table).items()},
        lambda table: {name: pl.Series(column) for name, column in _dictionary(table).items()},
        lambda table: dict(zip(table.column_names, table.columns, strict=True)),
    ],
    ids=["table", "reader", "batch", "pandas", "index", "polars", "stream", "dict", "series", "pl", "arrays"],
)
def test_tables_of_any_library(make_table, read, convert):
    table = make_table(50)
    source = open_source(convert(table), name="table a")
    assert (source.name, source.rows, source.text) == ("table a", 50, False)
    got = read(source, table.column_names)
    assert got.to_pydict() == table.to_pydict()
    assert [got.schema.field(n).type for n in ("row_id", "p_a", "z")] == [
        pa.int64(),
        pa.float64(),
        pa.float64(),
    ]


def test_matrices_lists_and_class_names(read):
    p = np.random.default_rng(0).dirichlet([1, 1], 4)
    columns = {
        "label": np.array(["u", "v", "u", None], dtype=object),
        "c": p,
        "view": p[:, ::-1],
        "half": p.astype(np.float16),
        "lists": p.tolist(),
        "ragged": [[0.5], None, [0.25, 0.75], []],
        "classes": ("u", "v"),
    }
    source = open_source(columns)
    table = read(source, batch_rows=3).to_pydict()
    assert "classes" not in table
    assert source.schema.field("half").type == pa.list_(pa.float32(), 2)
    named = [field.name for field in source.schema if field.metadata == {b"classes": b'["u", "v"]'}]
    assert named == ["c", "view", "half", "lists"]
    assert (table["label"], table["ragged"]) == (["u", "v", "u", None], columns["ragged"])
    for name in named:
        np.testing.assert_array_equal(table[name], columns[name])


def test_arrays_are_neither_copied_nor_changed():
    p = np.random.default_rng(0).random((10, 3))
    p.flags.writeable = False
    (chunk,) = open_source({"p": p}).batches(["p"], 100)
    shared = chunk.table.column("p").flatten().to_numpy(zero_copy_only=True)
    assert np.shares_memory(shared, p)


def test_digest_covers_every_value_and_a_slice_has_its_own(make_table):
    table = make_table(1000)
    digest = open_source(table).files[0].digest
    assert digest == open_source(pa.concat_tables([make_table(1000)])).files[0].digest
    changed = table["p_a"].to_numpy().copy()
    changed[500] = np.nextafter(changed[500], 1)
    changed_table = table.set_column(2, "p_a", pa.array(changed))
    assert open_source(changed_table).files[0].digest != digest
    copy = pa.Table.from_pydict(table.slice(3, 5).to_pydict(), table.schema)
    assert open_source(table.slice(3, 5)).files[0].digest == open_source(copy).files[0].digest


@pytest.mark.parametrize(
    ("data", "slug", "column"),
    [
        ({"a": [1, 2], "b": [1]}, "array-shape", "b"),
        ({"a": np.ones((2, 2)), "b": np.ones(3)}, "array-shape", "b"),
        ({"a": np.ones((2, 2, 2))}, "array-shape", "a"),
        ({"a": 0.5}, "array-shape", "a"),
        ({"a": np.ones(2), "classes": ["u", "v", "w"]}, "array-shape", "classes"),
        ({"a": [1, "x"]}, "array-type", "a"),
        ({"a": np.array([1, "x"], dtype=object)}, "array-type", "a"),
        ({"a": np.ones(2, complex)}, "array-type", "a"),
        ({"a": np.ones(2, np.longdouble)}, "array-type", "a"),
        ({"a": np.ma.masked_less(np.arange(3.0), 1)}, "array-type", "a"),
        (pd.DataFrame({"a": [1, "x"]}, dtype=object), "array-type", None),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "array-type", None),
        (pa.table([[1], [2]], names=["a", "a"]), "duplicate-column", "a"),
    ],
)
def test_tables_that_are_none(data, slug, column):
    with pytest.raises(DataError) as caught:
        open_source(data, name="table b")
    assert (caught.value.slug, caught.value.file) == (slug, "table b")
    assert caught.value.column == column
    assert caught.value.cure


@pytest.mark.parametrize("data", [np.ones(3), [1, 2], [], None, 5, object()])
def test_objects_that_are_no_table(data):
    with pytest.raises(UsageError) as caught:
        open_source(data)
    assert caught.value.slug == "unknown-data"
    assert type(data).__name__ in str(caught.value)
