"""Readers: files, folders, patterns, queries and tables in memory, all as one `Source`."""

from __future__ import annotations

import os
from collections.abc import Sequence

from crossent.data.readers.contract import Chunk, FileInfo, FileReader, Source
from crossent.data.readers.files import open_files
from crossent.data.readers.memory import open_memory
from crossent.data.readers.places import shown
from crossent.data.readers.registry import all_formats, register_reader
from crossent.data.readers.sql import Query, open_query, sql

__all__ = [
    "Chunk",
    "FileInfo",
    "FileReader",
    "Query",
    "Source",
    "all_formats",
    "open_source",
    "register_reader",
    "sql",
]


def open_source(data: object, *, name: str | None = None, format: str | None = None) -> Source:
    """Open predictions without reading them: a path, folder or pattern, several of them, a query or a table.

    Each may be a URI such as s3://bucket/folder/*.parquet. A folder is searched through, in the order of the
    names; names that start with `.` or `_` are left out, as are files of no known format; folders called
    `key=value` become columns. A table is a dictionary of columns (1-D, or 2-D for one list a row), or
    anything with `__arrow_c_stream__` (pyarrow, pandas, polars); a query is what `sql` makes.
    `name` is how messages call the source, and `format` replaces what the suffix says.

    Errors: `DataError` if the place does not exist, holds no data or is damaged; `UsageError` for an unknown
    format or kind of object.

    >>> source = open_source({"label": ["a", "b"], "p_a": [0.9, 0.2]}, name="table a")
    >>> source.rows, source.schema.names
    (2, ['label', 'p_a'])
    >>> [chunk.table.num_rows for chunk in source.batches(["p_a"], batch_rows=1)]
    [1, 1]
    """
    if isinstance(data, Query):
        return open_query(data, name or data.name)
    places = _places(data)
    if places is None:
        return open_memory(data, name or "table")
    return open_files(places, name or ", ".join(map(shown, places)), format)


def _places(data: object) -> list[str] | None:
    if isinstance(data, str | os.PathLike):
        return [os.fspath(data)]
    if isinstance(data, Sequence) and data and all(isinstance(item, str | os.PathLike) for item in data):
        return [os.fspath(item) for item in data]
    return None
