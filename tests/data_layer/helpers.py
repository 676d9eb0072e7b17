"""What the tests of the data layer share: small sources, models and pieces, and a look at an error."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pytest

from crossent.data.alignment import Model
from crossent.data.identity import common_id_type
from crossent.data.layout import understand
from crossent.data.options import ReadOptions
from crossent.data.pieces import Piece
from crossent.data.readers.contract import Chunk, FileInfo, Source
from crossent.errors import CrossentError, DataError


@dataclass(frozen=True)
class Toy(Source):
    """Tables by file name, cut into chunks of the sizes given in turn; remembers what it was asked for."""

    tables: Mapping[str, pa.Table] = field(default_factory=dict)
    cuts: tuple[int, ...] = ()
    is_text: bool = False
    asked: list[tuple[list[str], int, dict[str, pa.DataType] | None]] = field(default_factory=list)

    @property
    def text(self) -> bool:
        return self.is_text

    def batches(
        self, columns: Sequence[str], batch_rows: int, types: Mapping[str, pa.DataType] | None = None
    ) -> Iterator[Chunk]:
        self.asked.append((list(columns), batch_rows, None if types is None else dict(types)))
        for file, table in self.tables.items():
            start, turn = 0, 0
            whole = table.select(list(columns)).combine_chunks()
            while start < table.num_rows:
                size = min(batch_rows, self.cuts[turn % len(self.cuts)] if self.cuts else batch_rows)
                yield Chunk(batch_of(whole.slice(start, size)), file, start)
                start, turn = start + size, turn + 1


def batch_of(table: pa.Table) -> pa.RecordBatch:
    """The table in one batch, also where it has no rows."""
    (batch,) = table.combine_chunks().to_batches() or [pa.RecordBatch.from_pylist([], table.schema)]
    return batch


def source(
    *tables: Mapping[str, Any] | pa.Table, name: str = "m", cuts: tuple[int, ...] = (), text: bool = False
) -> Toy:
    """A source of one file "m", or of files "m/0", "m/1", …"""
    made = [table if isinstance(table, pa.Table) else pa.table(dict(table)) for table in tables]
    files = {name if len(made) == 1 else f"{name}/{i}": table for i, table in enumerate(made)}
    infos = tuple(FileInfo(path, table.nbytes, table.num_rows, "") for path, table in files.items())
    return Toy(name, made[0].schema, infos, files, cuts, text)


def columns(*names: str, **types: pa.DataType) -> Toy:
    """A source without rows: names are of float64."""
    fields = [pa.field(name, pa.float64()) for name in names] + [pa.field(n, t) for n, t in types.items()]
    return source(pa.schema(fields).empty_table())


def models(*sources: Toy, **options: Any) -> list[Model]:
    """Models of sources whose names are different, without a change of class order."""
    layouts = [understand(one, ReadOptions(**options)) for one in sources]
    id_type = common_id_type(layouts, sources)
    return [Model(one.name, one, la, None, id_type) for one, la in zip(sources, layouts, strict=True)]


def piece(table: Mapping[str, Any] | pa.Table, first_row: int = 0, file: str = "f") -> Piece:
    """All rows of a table."""
    made = table if isinstance(table, pa.Table) else pa.table(dict(table))
    return Piece(batch_of(made), file, first_row)


def fault(work: Callable[[], object], kind: type[CrossentError] = DataError) -> Any:
    """The error that some work ends with; it says what to do."""
    with pytest.raises(kind) as caught:
        work()
    assert caught.value.cure
    return caught.value


def place(error: DataError) -> tuple[str, str | None, int | None, str | None]:
    return error.slug, error.file, error.row, error.column
