"""Every format gives back what was written, whatever the batch size, and is added in one place."""

from __future__ import annotations

import json
import math
import pickle
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import ipc

from crossent.data.readers import FileReader, all_formats, open_source, register_reader, registry
from crossent.errors import UsageError

NUMBERS = {"row_id": pa.int64(), "p_a": pa.float64(), "z": pa.float64()}


@pytest.fixture(params=["arrow", "csv", "jsonl", "npz", "parquet", "tsv"])
def written(request, tmp_path, make_table, writers):
    """A table of 100 rows and its file, once for each registered format that can hold any table."""
    table = make_table(100)
    entry = registry.format_named(request.param)
    path = tmp_path / f"predictions{entry.suffixes[0]}"
    writers[request.param](table, path)
    return table, path


def test_round_trip_gives_equal_columns_and_types(written, read):
    table, path = written
    source = open_source(path)
    assert source.schema.names == table.column_names
    assert source.text == all(field.type == pa.string() for field in source.schema)
    assert read(source, types=NUMBERS).equals(table)


def test_columns_come_in_the_order_asked_for(written, read):
    table, path = written
    wanted = ["z", "label"]
    assert read(open_source(path), wanted, types=NUMBERS).equals(table.select(wanted))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batch_rows=st.integers(1, 130))
def test_batch_size_does_not_matter(written, read, batch_rows):
    table, path = written
    assert read(open_source(path), batch_rows=batch_rows, types=NUMBERS).equals(table)


def test_a_source_can_be_read_again_and_pickled(written, read):
    _, path = written
    source = open_source(path)
    first = read(source)
    assert read(source).equals(first)
    assert read(pickle.loads(pickle.dumps(source))).equals(first)


def test_digest_recognises_a_file_and_its_change(written):
    _, path = written
    before = open_source(path).files[0]
    assert before == open_source(path).files[0]
    assert (before.path, before.bytes, len(before.digest)) == (str(path), path.stat().st_size, 32)
    path.write_bytes(path.read_bytes() + b"\n")
    if path.suffix not in (".parquet", ".arrow"):  # these two are read from their end
        assert open_source(path).files[0].digest != before.digest


def test_suffix_in_capitals_and_format_by_name(written, read):
    table, path = written
    upper = path.with_name("PREDICTIONS" + path.suffix.upper())
    odd = path.with_name("predictions.dat")
    for copy in (upper, odd):
        copy.write_bytes(path.read_bytes())
    name = registry.format_of(path).name
    assert read(open_source(upper), types=NUMBERS).equals(table)
    assert read(open_source(odd, format=name), types=NUMBERS).equals(table)


def test_zero_rows_are_no_fault_of_the_file(tmp_path, read, writers):
    for name, write in writers.items():
        if name == "jsonl":  # no row, no key: a schema without columns
            continue
        path = tmp_path / f"empty{registry.format_named(name).suffixes[0]}"
        write(pa.table({"label": pa.array([], pa.string()), "p": pa.array([], pa.float64())}), path)
        table = read(open_source(path), types={"p": pa.float64()})
        assert (table.num_rows, table.column_names) == (0, ["label", "p"])


# Typed formats keep what they were given.


@pytest.mark.parametrize("name", ["parquet", "arrow"])
def test_nested_dictionary_and_dotted_columns_survive(tmp_path, read, writers, name):
    table = pa.table(
        {
            "p": pa.array([[0.1, 0.9]] * 5, pa.list_(pa.float32(), 2)),
            "p.x": [1.5, 2.5, None, 3.5, 4.5],
            "label": pa.array(["u", "v", "u", None, "v"]).dictionary_encode(),
        }
    ).cast(
        pa.schema(
            [
                pa.field("p", pa.list_(pa.float32(), 2), metadata={"classes": '["u", "v"]'}),
                pa.field("p.x", pa.float64()),
                pa.field("label", pa.dictionary(pa.int32(), pa.string())),
            ]
        )
    )
    path = tmp_path / f"nested.{name}"
    writers[name](table, path)
    source = open_source(path)
    assert source.schema.field("p").metadata[b"classes"] == b'["u", "v"]'
    for columns in (["p"], ["label", "p"], ["p.x"]):
        assert read(source, columns, batch_rows=2).to_pydict() == table.select(columns).to_pydict()
        assert [field.type for field in source.schema] == [field.type for field in table.schema]


@pytest.mark.parametrize("compression", [None, "zstd"])
def test_arrow_streams_are_told_from_files_by_their_bytes(tmp_path, read, make_table, compression):
    table, path = make_table(50), tmp_path / "stream.arrow"
    with ipc.new_stream(path, table.schema, options=ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table, max_chunksize=11)
    source = open_source(path)
    assert source.rows is None
    assert read(source, ["z", "label"]).equals(table.select(["z", "label"]))


def test_npz_matrices_big_endian_fortran_and_float16(tmp_path, read):
    p = np.random.default_rng(1).dirichlet([1, 1, 1], 20)
    arrays = {"c": p, "fortran": np.asfortranarray(p), "big": p.astype(">f8"), "half": p.astype(np.float16)}
    np.savez_compressed(tmp_path / "p.npz", label=np.array([b"u", b"v"] * 10), classes=[3, 1, 2], **arrays)
    source = open_source(tmp_path / "p.npz")
    assert "classes" not in source.schema.names
    table = read(source)
    assert table["label"].to_pylist() == ["u", "v"] * 10
    for name, array in arrays.items():
        field = source.schema.field(name)
        assert json.loads(field.metadata[b"classes"]) == [3, 1, 2]
        assert field.type == pa.list_(pa.float32() if name == "half" else pa.float64(), 3)
        np.testing.assert_array_equal(np.array(table[name].to_pylist()), array.astype(float))


def test_npz_classes_of_no_matrix_is_a_column(tmp_path):
    np.savez(tmp_path / "p.npz", classes=np.arange(3), p=np.ones(3))
    assert open_source(tmp_path / "p.npz").schema.names == ["classes", "p"]


# Text formats.


@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz"])
@pytest.mark.parametrize(
    "content",
    [
        'label,p\n"a, ""b""",0.5\nc,nan\n,\n"d\ne",1e-3\n',
        'label,p\r\n"a, ""b""",0.5\r\nc,nan\r\n,\r\n"d\ne",1e-3\r\n',
        '\ufefflabel,p\n\n"a, ""b""", 0.5\nc,NaN\n,""\n"d\ne",0.001\n',
    ],
    ids=["plain", "crlf", "bom-blank-lines"],
)
def test_csv_dialects(open_text, read, name, content):
    table = read(open_text(name, content), types={"p": pa.float64()}).to_pydict()
    assert table["label"] == ['a, "b"', "c", None, "d\ne"]
    assert [table["p"][i] for i in (0, 2, 3)] == [0.5, None, 0.001]
    assert math.isnan(table["p"][1])


def test_csv_reads_strings_unless_told_otherwise(open_text, read):
    source = open_text("x.csv", "id,na,p\n007,NA,0.10\n8,null,1\n")
    assert read(source).to_pydict() == {"id": ["007", "8"], "na": ["NA", "null"], "p": ["0.10", "1"]}
    assert read(source, ["p"], types={"p": pa.float64()})["p"].to_pylist() == [0.1, 1.0]


def test_csv_larger_than_a_block_keeps_row_numbers(open_text, read):
    rows = 150_000
    source = open_text("x.csv.gz", "i,p\n" + "".join(f"{i},{i / rows}\n" for i in range(rows)))
    table = read(source, batch_rows=10_007, types={"i": pa.int64(), "p": pa.float64()})
    np.testing.assert_array_equal(table["i"].to_numpy(), np.arange(rows))
    np.testing.assert_array_equal(table["p"].to_numpy(), np.arange(rows) / rows)


def test_jsonl_lists_missing_keys_and_literals(open_text, read):
    lines = ['{"p": [0.25, 1], "y": "a"}', '{"y": null, "l": NaN}', "", '{"l": -Infinity, "p": null}']
    source = open_text("x.jsonl.gz", "\ufeff" + "\n".join(lines))
    assert source.schema.types == [pa.list_(pa.float64()), pa.string(), pa.float64()]
    table = read(source, batch_rows=2).to_pydict()
    assert (table["p"], table["y"]) == ([[0.25, 1.0], None, None], ["a", None, None])
    assert table["l"][0] is None and math.isnan(table["l"][1]) and table["l"][2] == -math.inf


def test_jsonl_integers_may_become_floats_when_told(open_text, read):
    content = '{"p": 1}\n' * 1500 + '{"p": 0.5}\n'
    source = open_text("x.jsonl", content)
    assert source.schema.field("p").type == pa.int64()
    assert read(source, types={"p": pa.float64()})["p"].to_pylist() == [1.0] * 1500 + [0.5]


def test_jsonl_long_lines_make_small_batches(open_text):
    line = json.dumps({"p": [0.5] * 100_000}) + "\n"
    sizes = [chunk.table.num_rows for chunk in open_text("x.jsonl", line * 20).batches(["p"], 1000)]
    assert sum(sizes) == 20 and max(sizes) < 10


# A new format.


@pytest.fixture
def toy():
    """A format registered here and nowhere else: one number a line."""

    @register_reader("toy", [".toy"])
    class ToyReader(FileReader):
        def __init__(self, path: Path) -> None:
            super().__init__(path, pa.schema([("p", pa.float64())]), len(path.read_text().split()))

        def batches(
            self, columns: Sequence[str], batch_rows: int, types: Mapping[str, pa.DataType]
        ) -> Iterator[pa.RecordBatch]:
            numbers = [float(text) for text in self.path.read_text().split()]
            for start in range(0, len(numbers), batch_rows):
                yield pa.record_batch({"p": numbers[start : start + batch_rows]})

    yield ToyReader
    del registry._FORMATS["toy"]


def test_a_format_is_added_in_one_place(toy, write, read):
    write("run/split=a/1.toy", "1 2 3")
    folder = write("run/split=b/1.toy", "4 5").parent.parent
    source = open_source(folder)
    assert source.rows == 5
    assert read(source, batch_rows=2).to_pydict() == {"p": [1, 2, 3, 4, 5], "split": list("aaabb")}


@pytest.mark.parametrize(("name", "suffix"), [("toy", ".other"), ("other", ".TOY"), ("mine", ".csv")])
def test_names_and_suffixes_belong_to_one_reader(toy, writers, logs, name, suffix):
    with pytest.raises(UsageError) as caught:
        register_reader(name, [suffix])(toy)
    assert caught.value.slug == "duplicate-format"
    assert {entry.name for entry in all_formats()} == {*writers, *logs, "toy"}
