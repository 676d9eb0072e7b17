"""What a reader is: something that turns data of one format into a Source.

A Source is opened, not read: it knows its columns, its files and, where the format says so, its number of
rows. `batches` streams the named columns in bounded memory; nothing about their meaning is known here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from crossent.data.readers.places import Place


@dataclass(frozen=True)
class FileInfo:
    """Provenance of one file: enough to recognise it again, not to rebuild it.

    `digest` covers the size and the first and last mebibyte, so that it costs nothing on large files; for
    data that is in memory it covers everything.
    """

    path: str
    bytes: int
    rows: int | None
    digest: str


@dataclass(frozen=True)
class Chunk:
    """Some consecutive rows of one file: `first_row` is the 0-based number of the first one in its file."""

    table: pa.RecordBatch
    file: str
    first_row: int


@dataclass(frozen=True, slots=True)
class Window:
    """Consecutive rows of one file of a source: from `begin` to before `end`, None for the last one."""

    file: int
    begin: int = 0
    end: int | None = None


@dataclass(frozen=True)
class Source(ABC):
    """Predictions of one model in one place: a file, a folder of files, a query or a table in memory."""

    name: str
    """How messages call it: the path as given, or a name such as "table a"."""

    schema: pa.Schema
    """All columns, Hive partition columns included, with the schema's metadata."""

    files: tuple[FileInfo, ...]

    @property
    def rows(self) -> int | None:
        """Number of rows where it is known without reading, else None."""
        counts = [f.rows for f in self.files]
        return None if any(c is None for c in counts) else sum(c for c in counts if c is not None)

    @property
    def text(self) -> bool:
        """Whether the format has no types of its own (CSV): integers may then come as strings."""
        return False

    @property
    def estimated_rows(self) -> int:
        """Rows where known, else a guess from the size of the files (a short line of text a row)."""
        return self.rows or max(1, sum(file.bytes for file in self.files) // 16)

    @property
    def ordered(self) -> bool:
        """Whether rows come in the same order each time they are read."""
        return True

    def in_order(self, column: str) -> Source:
        """The source whose rows come in the same order each time, where need be sorted by a column."""
        return self

    @abstractmethod
    def batches(
        self, columns: Sequence[str], batch_rows: int, types: Mapping[str, pa.DataType] | None = None
    ) -> Iterator[Chunk]:
        """Stream the named columns, in the order named, at most `batch_rows` rows at a time.

        `types` tells a format without types of its own (CSV, JSONL) what to read a column as; the typed
        formats ignore it.
        """

    def part(self, windows: Sequence[Window]) -> Source:
        """The source of some of the rows; they keep their files and row numbers."""
        raise NotImplementedError(f"{type(self).__name__} cannot be cut into parts")

    @property
    def cuts(self) -> tuple[tuple[int, ...], ...]:
        """For each file, the rows at which reading may begin without reading what is before them."""
        return tuple((0,) for _ in self.files)

    @property
    def entered_anywhere(self) -> bool:
        """Whether reading may begin at any row without reading what is before it."""
        return False


class FileReader(ABC):
    """One file of one format: opening it learns its columns, `batches` opens it again and streams.

    No handle stays open in between, so that a folder may hold any number of files and a reader can be
    pickled. Faults are raised as `DataError`; a library's own exceptions pass through `faults.translated`.
    """

    text: ClassVar[bool] = False
    """Every column is a string unless the caller names a type."""

    inferred: ClassVar[bool] = False
    """Types were taken from the first rows, so files of one folder may see different ones."""

    cuts: tuple[int, ...] = (0,)
    """Rows at which reading may begin without reading what is before them: a Parquet file's row groups."""

    def __init__(self, path: Place, schema: pa.Schema, rows: int | None) -> None:
        self.path = path
        self.schema = schema
        self.rows = rows

    @abstractmethod
    def batches(
        self, columns: Sequence[str], batch_rows: int, types: Mapping[str, pa.DataType]
    ) -> Iterator[pa.RecordBatch]:
        """Stream the named columns of this file, in the order named, at most `batch_rows` rows at a time."""

    def windows(
        self,
        columns: Sequence[str],
        batch_rows: int,
        types: Mapping[str, pa.DataType],
        spans: Sequence[tuple[int, int | None]],
    ) -> Iterator[tuple[int, pa.RecordBatch]]:
        """`batches` of the rows from `begin` to before `end` (None: the last) of several spans, ascending and
        apart, each batch with the number of its first row. A format that has to read what is before a span
        and passes over it does so once for all of them.
        """
        yield from cut_to_spans(self.batches(columns, batch_rows, types), 0, spans)


def cut_to_spans(
    batches: Iterator[pa.RecordBatch], first: int, spans: Sequence[tuple[int, int | None]]
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """The rows of ascending spans of batches that start at row `first`, with the number of the first one."""
    left = deque(spans)
    for batch in batches:
        after = first + batch.num_rows
        while left and left[0][0] < after:
            begin, end = left[0]
            low, high = max(begin, first), after if end is None else min(end, after)
            if low < high:
                yield low, batch.slice(low - first, high - low)
            if end is None or end > after:
                break
            left.popleft()
        if not left:
            return
        first = after
