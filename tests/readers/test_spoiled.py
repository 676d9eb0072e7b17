"""Spoiled input: each gives its documented error, with file, row, column and value where it has them."""

from __future__ import annotations

import gzip
import io
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import ipc

from crossent.data.readers import open_source
from crossent.errors import DataError, UsageError

FLOATS = {"p": pa.float64()}


@dataclass(frozen=True)
class Spoiled:
    """A file's name and bytes, and what the error about it must say."""

    name: str
    content: bytes | str
    slug: str
    row: int | None = None
    column: str | None = None
    value: str | None = None


def _parquet(**options: object) -> bytes:
    sink = io.BytesIO()
    table = pa.table({"p": np.linspace(0, 1, 1000)})
    pq.write_table(table, sink, compression="none", use_dictionary=False, **options)
    return sink.getvalue()


def _arrow(stream: bool = False) -> bytes:
    sink = io.BytesIO()
    table = pa.table({"label": ["alpha", "beta", "gamma"] * 50, "p": np.linspace(0, 1, 150)})
    with (ipc.new_stream if stream else ipc.new_file)(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _npz(**arrays: object) -> bytes:
    sink = io.BytesIO()
    np.savez(sink, **arrays)
    return sink.getvalue()


def _flipped(data: bytes, where: int, bits: int = 4) -> bytes:
    return data[:where] + bytes([data[where] ^ bits]) + data[where:][1:]


def _broken_offsets() -> bytes:
    data = bytearray(_arrow())
    at = data.index(np.array([0, 5, 9, 14], np.int32).tobytes())
    data[at + 4 : at + 8] = np.int32(2**30).tobytes()
    return bytes(data)


def _text_in_zip() -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("notes.txt", "hello")
    return sink.getvalue()


NPZ = _npz(p=np.linspace(0, 1, 1000), label=np.arange(1000))
LONG = "p\n" + "0.5\n" * 10_000

SPOILED = {
    "parquet empty": Spoiled("x.parquet", b"", "file-empty"),
    "parquet garbage": Spoiled("x.parquet", b"no parquet " * 50, "file-corrupt"),
    "parquet cut": Spoiled("x.parquet", _parquet()[:-100], "file-corrupt"),
    "parquet page flipped": Spoiled(
        "x.parquet", _flipped(_parquet(write_page_checksum=True), 4000), "file-corrupt"
    ),
    "parquet footer flipped": Spoiled("x.parquet", _flipped(_parquet(), -10), "file-corrupt"),
    "arrow garbage": Spoiled("x.arrow", b"no arrow " * 50, "file-corrupt"),
    "arrow cut": Spoiled("x.arrow", _arrow()[:-50], "file-corrupt"),
    "arrow stream cut": Spoiled("x.arrows", _arrow(stream=True)[:-1000], "file-corrupt"),
    "arrow offsets": Spoiled("x.arrow", _broken_offsets(), "file-corrupt"),
    "arrow name": Spoiled("x.arrow", _arrow().replace(b"label", b"labe\xec"), "file-corrupt"),
    "feather version 1": Spoiled("x.feather", b"FEA1" + bytes(100), "file-corrupt"),
    "npz cut": Spoiled("x.npz", NPZ[:-200], "file-corrupt"),
    "npz flipped": Spoiled("x.npz", _flipped(NPZ, 5000), "file-corrupt"),
    "npz header flipped": Spoiled("x.npz", _flipped(NPZ, NPZ.index(b"{'descr'")), "file-corrupt"),
    "npz rows flipped to none": Spoiled("x.npz", NPZ.replace(b"(1000,)", b"(0000,)"), "file-corrupt"),
    "npz other packing": Spoiled("x.npz", _flipped(NPZ, NPZ.index(b"PK\x01\x02") + 10, 255), "file-corrupt"),
    "npz objects": Spoiled("x.npz", _npz(p=np.array([1, None])), "array-type", column="p"),
    "npz lengths": Spoiled(
        "x.npz", _npz(p=np.ones(3), q=np.ones(4)), "array-shape", column="q", value="shape (4,)"
    ),
    "npz scalar": Spoiled("x.npz", _npz(p=np.float64(3)), "array-shape", column="p", value="shape ()"),
    "npz not an array": Spoiled("x.npz", _text_in_zip(), "array-type"),
    "csv empty": Spoiled("x.csv", b"", "file-empty"),
    "csv blank": Spoiled("x.csv", "\n\n", "file-empty"),
    "csv short row": Spoiled("x.csv", "y,p\na,1\n\nb\nc,2\n", "csv-ragged", row=1, value="b"),
    "csv long row": Spoiled("x.csv", "y,p\na,1\nb,0,5\n", "csv-ragged", row=1, value="b,0,5"),
    "csv late ragged row": Spoiled("x.csv", LONG + "1,2\n" + "0.5\n", "csv-ragged", row=10_000, value="1,2"),
    "csv bad number": Spoiled(
        "x.csv", "y,p\na,1\nb,0.5.1\n", "csv-number", row=1, column="p", value="'0.5.1'"
    ),
    "csv number not available": Spoiled("x.csv", "p\n1\nNA\n", "csv-number", row=1, column="p", value="'NA'"),
    "csv late bad number": Spoiled(
        "x.csv", LONG + "o.5\n", "csv-number", row=10_000, column="p", value="'o.5'"
    ),
    "csv decimal comma": Spoiled("x.tsv", "y\tp\na\t0,5\n", "csv-number", row=0, column="p", value="'0,5'"),
    "csv latin-1": Spoiled(
        "x.csv", "y,p\na,1\nÄ,2\n".encode("latin-1"), "text-encoding", row=1, column="y", value="b'\\xc4'"
    ),
    "csv latin-1 header": Spoiled("x.csv", "Ä,p\na,1\n".encode("latin-1"), "text-encoding"),
    "csv utf-16": Spoiled("x.csv", "y,p\na,1\n".encode("utf-16"), "text-encoding"),
    "csv same names": Spoiled("x.csv", "p,y,p\n1,2,3\n", "duplicate-column", column="p"),
    "csv cut in a number": Spoiled("x.csv", "y,p\na,0.25\nb,0.2", "csv-cut", row=1),
    "csv cut in a row": Spoiled("x.csv", "y,p\na,0.25\nb", "csv-cut", row=1),
    "csv cut in the header": Spoiled("x.csv", "y,p", "csv-cut"),
    "csv.gz cut in a number": Spoiled("x.csv.gz", "y,p\na,0.25\nb,0.2", "csv-cut", row=1),
    "csv open quote": Spoiled("x.csv", 'p,y\n1,a\n1,"b\n1,c\n1,d\n', "csv-quote", row=1),
    "csv open quote, ragged": Spoiled("x.csv", 'y,p\na,1\n"b,1\nc,1\n', "csv-ragged", row=1),
    "csv endless quote": Spoiled("x.csv", 'p,y\n1,"' + "b\n" * 2_000_000, "csv-quote", row=0),
    "csv.gz cut": Spoiled("x.csv.gz", gzip.compress(LONG.encode())[:-8], "file-corrupt"),
    "csv.gz flipped": Spoiled("x.csv.gz", _flipped(gzip.compress(LONG.encode()), -6), "file-corrupt"),
    "csv.gz not packed": Spoiled("x.csv.gz", b"p\n1\n", "file-corrupt"),
    "jsonl broken line": Spoiled(
        "x.jsonl", '{"p": 1}\n\n{"p": 0.\n', "jsonl-syntax", row=1, value='{"p": 0.'
    ),
    "jsonl two objects": Spoiled(
        "x.jsonl", '{"p": 1}{"p": 2}\n', "jsonl-syntax", row=0, value='{"p": 1}{"p": 2}'
    ),
    "jsonl array": Spoiled("x.jsonl", "[1, 2]\n", "jsonl-syntax", row=0, value="[1, 2]"),
    "jsonl key twice": Spoiled(
        "x.jsonl", '{"p": 1, "p": 2}\n', "jsonl-syntax", row=0, value='{"p": 1, "p": 2}'
    ),
    "jsonl too deep": Spoiled("x.jsonl", "[" * 100_000, "jsonl-syntax", row=0, value="[" * 60),
    "jsonl other type": Spoiled(
        "x.jsonl", '{"y": 1}\n' * 1500 + '{"y": "a"}\n', "jsonl-type", row=1500, column="y", value='"a"'
    ),
    "jsonl mixed types": Spoiled(
        "x.jsonl", '{"y": null}\n{"y": true}\n{"y": 1}\n', "jsonl-type", row=2, column="y", value="1"
    ),
    "jsonl string for a number": Spoiled(
        "x.jsonl", '{"p": 1}\n{"p": "1"}\n', "jsonl-type", row=1, column="p", value='"1"'
    ),
    "jsonl integer too large": Spoiled(
        "x.jsonl",
        '{"y": 1}\n{"y": 1' + "0" * 20 + "}\n",
        "jsonl-type",
        row=1,
        column="y",
        value="1" + "0" * 20,
    ),
    "jsonl latin-1": Spoiled(
        "x.jsonl",
        '{"y": "a"}\n{"y": "Ä"}\n'.encode("latin-1"),
        "text-encoding",
        row=1,
        value='b\'{"y": "\\xc4\'',
    ),
    "jsonl.gz cut": Spoiled("x.jsonl.gz", gzip.compress(b'{"p": 1}\n' * 1000)[:-9], "file-corrupt"),
    "unknown suffix": Spoiled("x.xlsx", b"data", "unknown-format"),
}


def _drain(source) -> None:
    for _ in source.batches(source.schema.names, 64, FLOATS):
        pass


@pytest.mark.parametrize("spoiled", SPOILED.values(), ids=SPOILED.keys())
def test_spoiled_file(write, spoiled):
    path = write(spoiled.name, spoiled.content)
    with pytest.raises(DataError) as caught:
        _drain(open_source(path))
    error = caught.value
    assert (error.slug, error.file) == (spoiled.slug, str(path))
    assert (error.row, error.column) == (spoiled.row, spoiled.column)
    if spoiled.value is not None:
        assert error.value == spoiled.value
    assert error.cure and "\n" not in error.problem


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.integers(0, 2**16), bit=st.integers(0, 7), cut=st.booleans())
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.parquet", _parquet(write_page_checksum=True)),
        ("x.arrow", _arrow()),
        ("x.arrows", _arrow(stream=True)),
        ("x.npz", NPZ),
        ("x.csv.gz", gzip.compress(LONG.encode())),
        ("x.jsonl", b'{"p": 0.5, "y": ["a"]}\n' * 100),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_damage_gives_data_errors_only(tmp_path, where, bit, cut, name, content):
    """A bit changed or the end cut off anywhere: the file reads, or the error is one of ours."""
    where %= len(content)
    damaged = content[:where] if cut else _flipped(content, where, 1 << bit)
    path = tmp_path / name
    path.write_bytes(damaged)
    try:
        _drain(open_source(path))
    except DataError as error:
        assert error.file == str(path)


# Places


def _empty_folder(folder: Path) -> Path:
    (folder / "notes.txt").write_text("nothing")
    return folder


def _mixed_folder(folder: Path) -> Path:
    (folder / "a.csv").write_text("p\n1\n")
    pq.write_table(pa.table({"p": [1.0]}), folder / "b.parquet")
    return folder


@pytest.mark.parametrize(
    ("make", "slug"),
    [
        (lambda folder: folder / "absent.parquet", "source-not-found"),
        (lambda folder: folder / "absent" / "*.parquet", "source-not-found"),
        (_empty_folder, "no-data-files"),
        (_mixed_folder, "mixed-formats"),
        (lambda folder: _mixed_folder(folder) / "*", "mixed-formats"),
    ],
)
def test_places_without_one_kind_of_data(tmp_path, make, slug):
    place = make(tmp_path)
    with pytest.raises(DataError) as caught:
        open_source(place)
    assert (caught.value.slug, caught.value.file) == (slug, str(place))


def test_a_dangling_link_is_no_file(tmp_path):
    (tmp_path / "a.parquet").symlink_to(tmp_path / "gone.parquet")
    for place in (tmp_path, tmp_path / "*.parquet"):
        with pytest.raises(DataError) as caught:
            open_source(place)
        assert caught.value.slug == "source-not-found"
        assert caught.value.file == str(tmp_path / "a.parquet")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_that_may_not_be_read(write):
    path = write("x.csv", "p\n1\n")
    path.chmod(0)
    with pytest.raises(DataError) as caught:
        open_source(path)
    assert (caught.value.slug, caught.value.file) == ("file-permission", str(path))


def test_permission_is_told_from_damage(write, monkeypatch):
    path = write("x.csv", "p\n1\n")

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError) as caught:
        open_source(path)
    assert (caught.value.slug, caught.value.file) == ("file-permission", str(path))


def test_unknown_format_name(write):
    with pytest.raises(UsageError) as caught:
        open_source(write("x.dat", "p\n1\n"), format="excel")
    assert caught.value.slug == "unknown-format"
    assert "parquet" in caught.value.cure


@pytest.mark.parametrize(
    ("other", "column"),
    [
        (pa.table({"p": pa.array([0.5], pa.float32()), "y": ["a"]}), "p"),
        (pa.table({"p": [0.5]}), "y"),
        (pa.table({"p": [0.5], "y": ["a"], "z": [1]}), "z"),
        (pa.table({"p": [0.5], "y": ["a"]}).replace_schema_metadata({"classes": '["v", "u"]'}), None),
        (
            pa.table({"p": [0.5], "y": ["a"]}).cast(
                pa.schema([pa.field("p", "f8", metadata={"classes": "[1]"}), pa.field("y", pa.string())])
            ),
            "p",
        ),
    ],
    ids=["type", "missing", "extra", "class-names", "class-names-of-column"],
)
def test_files_of_one_source_must_agree(tmp_path, other, column):
    first, second = tmp_path / "1.parquet", tmp_path / "2.parquet"
    pq.write_table(pa.table({"p": [0.5], "y": ["a"]}), first)
    pq.write_table(other, second)
    with pytest.raises(DataError) as caught:
        open_source(tmp_path)
    error = caught.value
    assert (error.slug, error.file, error.column) == ("schema-mismatch", str(second), column)
    assert str(first) in error.problem


def test_jsonl_files_of_unlike_types(write):
    write("run/1.jsonl", '{"y": 1}\n')
    second = write("run/2.jsonl", '{"y": "a"}\n')
    with pytest.raises(DataError) as caught:
        open_source(second.parent)
    assert (caught.value.slug, caught.value.file, caught.value.column) == (
        "schema-mismatch",
        str(second),
        "y",
    )
