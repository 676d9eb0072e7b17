"""Data that is already in memory: Arrow, DataFrames and dictionaries of arrays, without copying."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pyarrow as pa

from crossent.data.readers.arrays import table_of_arrays
from crossent.data.readers.contract import Chunk, FileInfo, Source, Window
from crossent.errors import DataError, UsageError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


@dataclass(frozen=True)
class MemorySource(Source):
    """One table in memory, called a file of its own name in messages."""

    table: pa.Table = field(repr=False)
    first_row: int = 0
    """Number of the table's first row."""
    windows: tuple[Window, ...] = (Window(0),)
    """Which of its rows are meant."""

    def batches(
        self, columns: Sequence[str], batch_rows: int, types: Mapping[str, pa.DataType] | None = None
    ) -> Iterator[Chunk]:
        table = self.table.select(list(columns))
        for window in self.windows:
            first_row = self.first_row + window.begin
            end = table.num_rows if window.end is None else window.end
            for batch in table.slice(window.begin, end - window.begin).to_batches(max_chunksize=batch_rows):
                yield Chunk(batch, self.name, first_row)
                first_row += batch.num_rows

    @property
    def entered_anywhere(self) -> bool:
        return True

    def part(self, windows: Sequence[Window]) -> MemorySource:
        ends = [self.table.num_rows if w.end is None else w.end for w in windows] or [0]
        if any(end != w.begin for end, w in zip(ends, windows[1:], strict=False)):
            return replace(self, windows=tuple(windows))
        begin = windows[0].begin if windows else 0
        some = self.table.slice(begin, ends[-1] - begin)
        # a slice is sent to a worker with the whole table behind it; what was written and read stands alone
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, some.schema) as writer:
            writer.write_table(some)
        return replace(
            self,
            table=pa.ipc.open_stream(sink.getvalue()).read_all(),
            first_row=self.first_row + begin,
            windows=tuple(
                Window(0, w.begin - begin, end - begin) for w, end in zip(windows, ends, strict=False)
            ),
        )


def open_memory(data: object, name: str) -> MemorySource:
    """A Source of a dictionary of columns or of anything that speaks the Arrow C stream protocol.

    Errors: `UsageError` (unknown-data) for anything else; `DataError` array-shape, array-type,
    duplicate-column.
    """
    table = _table(data, name)
    names = table.column_names
    twice = [column for column in dict.fromkeys(names) if names.count(column) > 1]
    if twice:
        raise DataError(
            "duplicate-column",
            "two columns have this name",
            file=name,
            column=twice[0],
            cure="rename one of them",
        )
    info = FileInfo(name, table.get_total_buffer_size(), table.num_rows, _digest(table))
    return MemorySource(name, table.schema, (info,), table)


def _table(data: object, name: str) -> pa.Table:
    if isinstance(data, Mapping):
        return table_of_arrays(data, name)
    if isinstance(data, pa.RecordBatch):
        return pa.Table.from_batches([data])
    if hasattr(data, "__arrow_c_stream__"):
        try:
            return pa.table(data)
        except (pa.ArrowException, ValueError) as error:
            raise DataError(
                "array-type",
                f"the table has no Arrow form ({error})",
                file=name,
                cure="give every column values of one type",
            ) from error
    raise UsageError(
        "unknown-data",
        f"predictions cannot be read from {type(data).__name__}",
        cure="give a path, a dictionary of columns, a table (pyarrow, pandas, polars, …) or crossent.sql(…)",
    )


class _Hash(io.RawIOBase):
    """A file that only remembers the digest of what was written."""

    def __init__(self) -> None:
        self.blake = hashlib.blake2b(digest_size=16)

    def writable(self) -> bool:
        return True

    def write(self, data: ReadableBuffer) -> int:
        self.blake.update(data)
        return memoryview(data).nbytes


def _digest(table: pa.Table) -> str:
    """Over the Arrow stream of the table, so that a slice has the digest of its own rows."""
    sink = _Hash()
    with pa.ipc.new_stream(pa.PythonFile(sink, mode="w"), table.schema) as writer:
        writer.write_table(table)
    return sink.blake.hexdigest()
