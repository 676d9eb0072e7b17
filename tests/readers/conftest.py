"""What the tests of readers share: a table, files of given bytes, and a read that checks every promise."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
import pytest
from pyarrow import ipc

from crossent.data.readers import Source, open_source

Write = Callable[[str, bytes | str], Path]
Writer = Callable[[pa.Table, Path], None]


def _csv(delimiter: str) -> Writer:
    options = arrow_csv.WriteOptions(delimiter=delimiter)
    return lambda table, path: arrow_csv.write_csv(table, path, options)


def _jsonl(table: pa.Table, path: Path) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))


def _npz(table: pa.Table, path: Path) -> None:
    columns = {name: table[name].to_numpy() for name in table.column_names}
    np.savez(path, **{name: c.astype(str) if c.dtype.kind == "O" else c for name, c in columns.items()})


def _arrow(table: pa.Table, path: Path) -> None:
    with ipc.new_file(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=17)


WRITERS: dict[str, Writer] = {
    "parquet": lambda table, path: pq.write_table(table, path, row_group_size=13),
    "arrow": _arrow,
    "csv": _csv(","),
    "tsv": _csv("\t"),
    "jsonl": _jsonl,
    "npz": _npz,
}


def _make_table(rows: int, seed: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    return pa.table(
        {
            "label": [f"class {i}, “{i}”" for i in rng.integers(0, 3, rows)],
            "row_id": rng.permutation(rows),
            "p_a": rng.random(rows) ** 9,
            "z": np.ldexp(rng.standard_normal(rows), rng.integers(-300, 300, rows)),
        }
    )


def _read(
    source: Source,
    columns: list[str] | None = None,
    batch_rows: int = 7,
    types: dict[str, pa.DataType] | None = None,
) -> pa.Table:
    columns = source.schema.names if columns is None else columns
    tables, next_row = [], {info.path: 0 for info in source.files}
    for chunk in source.batches(columns, batch_rows, types):
        assert chunk.table.num_rows <= batch_rows
        assert chunk.table.schema.names == columns
        assert chunk.first_row == next_row[chunk.file]
        next_row[chunk.file] += chunk.table.num_rows
        tables.append(pa.Table.from_batches([chunk.table]))
    for info in source.files:
        assert info.rows in (None, next_row[info.path])
    return pa.concat_tables(tables) if tables else source.schema.empty_table().select(columns)


@pytest.fixture(scope="session")
def writers() -> dict[str, Writer]:
    """What writes a table without nulls as a file, for each format of this version."""
    return WRITERS


@pytest.fixture(scope="session")
def make_table() -> Callable[..., pa.Table]:
    """Rows, seed → labels with delimiters and quotes, integers, and floats of every size, without nulls."""
    return _make_table


@pytest.fixture(scope="session")
def read() -> Callable[..., pa.Table]:
    """A source as one table, having checked names, sizes and row numbers of every chunk."""
    return _read


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Bytes under a name → path; a string is compressed where the name ends in .gz."""

    def writing(name: str, content: bytes | str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = content.encode() if isinstance(content, str) else content
        path.write_bytes(gzip.compress(data) if isinstance(content, str) and name.endswith(".gz") else data)
        return path

    return writing


@pytest.fixture
def open_text(write: Write) -> Callable[[str, bytes | str], Source]:
    return lambda name, content: open_source(write(name, content))
