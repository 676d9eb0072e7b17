"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from crossent.errors import DataError, UsageError

TABLES = (".parquet", ".arrow", ".csv")
"""Suffixes of the tables that can be written."""


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary file next to `path` that takes its place when everything was written."""
    target = Path(path)
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            os.chmod(temporary, 0o666 & ~_umask())
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from None


class Table(Protocol):
    """A table that is being written."""

    def write_batch(self, batch: pa.RecordBatch, /) -> object:
        """Add rows."""


def check_table(path: str | os.PathLike[str]) -> None:
    """UsageError unless the suffix is one of TABLES."""
    if Path(path).suffix not in TABLES:
        raise UsageError(
            "unknown-suffix",
            f"{os.fspath(path)} does not say what kind of table it is",
            cure=f"let it end in {', '.join(TABLES)}",
        )


@contextmanager
def table_into(path: str | os.PathLike[str], schema: pa.Schema) -> Iterator[Table]:
    """A table to write batches of rows to: a file of the format of its suffix when everything was written."""
    check_table(path)
    with replacing(path) as temporary, _opened(Path(path).suffix, temporary, schema) as table:
        yield table


def _opened(suffix: str, path: Path, schema: pa.Schema) -> AbstractContextManager[Table]:
    opened: AbstractContextManager[Table]
    if suffix == ".parquet":
        from pyarrow.parquet import ParquetWriter

        opened = ParquetWriter(path, schema)
    elif suffix == ".csv":
        from pyarrow.csv import CSVWriter

        opened = CSVWriter(path, schema)
    else:
        opened = pa.ipc.new_file(path, schema)
    return opened


def make_folder(path: Path) -> None:
    """The folder and those above it, where they are not there."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from None


def cannot_write(path: str | os.PathLike[str], error: OSError) -> DataError:
    """The error for what the system says about writing there."""
    return DataError(
        "cannot-write",
        f"cannot be written: {error.strerror or error}",
        file=os.fspath(path),
        cure="check that the folder exists, is writable and has space",
    )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
