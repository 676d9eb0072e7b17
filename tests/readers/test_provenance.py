"""What a source knows of its files, and what every fault says: digests, row counts, causes and cures."""

from __future__ import annotations

import ast
import pickle
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import crossent.data.readers as package
from crossent.data.readers import FileInfo, Source, all_formats, open_source
from crossent.data.readers.faults import translated
from crossent.data.readers.files import MIB, file_info
from crossent.errors import CrossentError, DataError


@pytest.mark.parametrize("size", [1, MIB - 1, MIB, MIB + 1, 2 * MIB, 2 * MIB + 5, 5 * MIB])
def test_a_digest_covers_size_start_and_end(write, size):
    """Every byte up to two mebibytes, the first and the last mebibyte of more."""
    data = bytes(size)
    path = write("x", data)
    info = file_info(path)
    assert info == FileInfo(str(path), size, None, info.digest)
    assert len(bytes.fromhex(info.digest)) == 16
    assert file_info(write("same", data)).digest == info.digest
    digests = {info.digest, file_info(write("longer", data + b"\0")).digest}
    places = {0, min(size, MIB) - 1, max(0, size - MIB), size - 1}
    for where in places:
        digests.add(file_info(write("x", data[:where] + b"\1" + data[where + 1 :])).digest)
    assert len(digests) == 2 + len(places)


def test_a_digest_leaves_out_the_middle_of_a_large_file(write):
    data = bytes(3 * MIB)
    changed = data[: MIB + 7] + b"\1" + data[MIB + 8 :]
    assert file_info(write("a", data)).digest == file_info(write("b", changed)).digest


@pytest.mark.parametrize(
    "other",
    [
        pa.table({"p": [0.5, 0.25], "y": ["b", "a"]}),
        pa.table({"q": [0.25, 0.5], "y": ["b", "a"]}),
        pa.table({"y": ["b", "a"], "p": [0.25, 0.5]}),
        pa.table({"p": pa.array([0.25, 0.5], pa.float32()), "y": ["b", "a"]}),
        pa.table({"p": [0.25, None], "y": ["b", "a"]}),
        pa.table({"p": [0.25, 0.5], "y": ["b", "a"]}).replace_schema_metadata({"classes": "[1]"}),
        pa.table({"p": [0.25], "y": ["b"]}),
    ],
    ids=["order", "name", "columns", "type", "null", "metadata", "rows"],
)
def test_a_digest_of_a_table_covers_names_types_and_values(other):
    table = pa.table({"p": [0.25, 0.5], "y": ["b", "a"]})
    digest = open_source(table).files[0].digest
    assert digest == open_source(table, name="another").files[0].digest
    assert digest != open_source(other).files[0].digest


@pytest.mark.parametrize(
    ("names", "rows"),
    [(["1.parquet", "2.parquet"], 5), (["1.parquet"], 2), (["1.csv", "2.csv"], None)],
)
def test_rows_are_known_where_every_file_says_them(tmp_path, names, rows):
    for count, name in enumerate(names, start=2):
        table = pa.table({"p": np.linspace(0, 1, count)})
        if name.endswith("csv"):
            (tmp_path / name).write_text("p\n" + "0.5\n" * count)
        else:
            pq.write_table(table, tmp_path / name)
    source = open_source(tmp_path)
    assert source.rows == rows
    assert [info.rows for info in source.files] == [
        None if rows is None else 2 + i for i in range(len(names))
    ]
    assert [info.bytes for info in source.files] == [(tmp_path / name).stat().st_size for name in names]


def test_names_of_sources(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.csv", "b.csv"):
        Path(name).write_text("p\n1\n")
    assert open_source("a.csv").name == "a.csv"
    assert open_source(Path("a.csv")).name == "a.csv"
    assert open_source(["b.csv", "a.csv"]).name == "b.csv, a.csv"
    assert open_source("*.csv").name == "*.csv"
    assert open_source("a.csv", name="model α").name == "model α"
    assert (open_source({"p": [1.0]}).name, open_source({"p": [1.0]}, name="m").name) == ("table", "m")


def test_chunks_say_file_and_row_of_their_first_row(tmp_path):
    for i, count in enumerate((5, 1, 4)):
        pq.write_table(pa.table({"p": np.full(count, float(i))}), tmp_path / f"{i}.parquet", row_group_size=3)
    got = [
        (Path(chunk.file).name, chunk.first_row, chunk.table.num_rows)
        for chunk in open_source(tmp_path).batches(["p"], 2)
    ]
    for name, rows in (("0.parquet", 5), ("1.parquet", 1), ("2.parquet", 4)):
        mine = [(first, count) for file, first, count in got if file == name]
        assert [first for first, _ in mine] == np.cumsum([0, *(count for _, count in mine)]).tolist()[:-1]
        assert sum(count for _, count in mine) == rows
    memory = open_source({"p": np.arange(5.0)}, name="m").batches(["p"], 2)
    assert [(c.file, c.first_row, c.table.num_rows) for c in memory] == [
        ("m", 0, 2),
        ("m", 2, 2),
        ("m", 4, 1),
    ]


@pytest.mark.parametrize(
    "make", [lambda path: path, lambda path: {"p": [0.5], "q": [0.25]}], ids=["file", "table"]
)
def test_sources_are_plain_data(write, make):
    source = open_source(make(write("x.csv", "p,q\n0.5,0.25\n")))
    assert isinstance(source, Source)
    assert pickle.loads(pickle.dumps(source)).files == source.files
    assert "0.25" not in repr(source) and "reader" not in repr(source).lower()
    with pytest.raises(AttributeError):
        source.name = "other"


# --- faults -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raised", "slug", "said"),
    [
        (FileNotFoundError(2, "No such file"), "source-not-found", "no such file"),
        (PermissionError(13, "Permission denied"), "file-permission", "may not be read"),
        (OSError(5, "Input/output error"), "file-corrupt", "Input/output error"),
        (IsADirectoryError(21, "Is a directory"), "file-corrupt", "Is a directory"),
        (EOFError("cut."), "file-corrupt", ": cut"),
        (EOFError(), "file-corrupt", ": EOFError"),
        (ValueError("first line.\nsecond line"), "file-corrupt", ": first line"),
        (pa.ArrowInvalid("bad footer"), "file-corrupt", "bad footer"),
        (pa.ArrowNotImplementedError("encrypted"), "file-corrupt", "encrypted"),
        (zipfile.BadZipFile("no zip"), "file-corrupt", "no zip"),
        (zlib.error("Error -3"), "file-corrupt", "Error -3"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), "file-corrupt", "0xff"),
        (TimeoutError("of this format"), "file-corrupt", "of this format"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_what_libraries_raise_becomes_an_error_of_ours(raised, slug, said):
    with pytest.raises(DataError) as caught, translated(Path("x.npz")):
        raise raised
    error = caught.value
    assert (error.slug, error.file, error.__cause__) == (slug, "x.npz", raised)
    assert error.cure and said in error.problem
    assert "\n" not in str(error) and "second" not in str(error)


@pytest.mark.parametrize(
    "raised", [AttributeError("a"), IndexError("i"), KeyError("k"), RuntimeError("r")], ids=repr
)
def test_errors_of_programming_pass_unless_a_format_names_them(raised):
    with pytest.raises(type(raised)) as caught, translated("x"):
        raise raised
    assert caught.value is raised
    with pytest.raises(DataError, match="file-corrupt"), translated("x", type(raised)):
        raise raised


def test_errors_of_ours_pass_unchanged():
    ours = CrossentError("some-slug", "said already")
    with pytest.raises(CrossentError) as caught, translated("x"):
        raise ours
    assert caught.value is ours


CALLS = [
    (path.name, node)
    for path in sorted(Path(package.__file__).parent.glob("*.py"))
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("DataError", "UsageError")
]


@pytest.mark.parametrize(("module", "call"), CALLS, ids=[f"{m}:{c.lineno}" for m, c in CALLS])
def test_every_error_names_a_cure_and_the_file(module, call):
    given = {keyword.arg for keyword in call.keywords}
    assert "cure" in given
    assert "file" in given or call.func.id == "UsageError"


def test_every_module_that_registers_a_format_is_found():
    suffixes = [suffix for entry in all_formats() for suffix in entry.suffixes]
    assert len(suffixes) == len(set(suffixes))
    names = [entry.name for entry in all_formats()]
    assert names == sorted(names) and {"arrow", "csv", "jsonl", "npz", "parquet", "tsv"} <= set(names)
    assert {".parquet", ".pq", ".arrow", ".feather", ".csv", ".tsv", ".jsonl", ".npz"} <= set(suffixes)
