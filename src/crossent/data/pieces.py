"""Rows on their way from a source to a batch: consecutive or filtered, and still knowing where they stood."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from crossent.data.conditions import Condition
from crossent.data.labels import key_text, keyed
from crossent.data.layout import Layout
from crossent.data.readers.contract import Chunk, Source
from crossent.errors import DataError

Keep = NDArray[np.bool_]


@dataclass(frozen=True)
class Piece:
    """Rows of one file. `numbers` are their 0-based row numbers in it, None where they follow `first_row`."""

    table: pa.RecordBatch
    file: str
    first_row: int
    numbers: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def row(self, index: int) -> int:
        """The row number in the file of row `index` of this piece."""
        return self.first_row + index if self.numbers is None else int(self.numbers[index])

    def slice(self, start: int, length: int) -> Piece:
        """Part of the rows, without copying."""
        numbers = None if self.numbers is None else self.numbers[start : start + length]
        return Piece(self.table.slice(start, length), self.file, self.first_row + start, numbers)

    def keep(self, mask: Keep) -> Piece:
        """The rows where the mask is true."""
        if mask.all():
            return self
        numbers = np.flatnonzero(mask) + self.first_row if self.numbers is None else self.numbers[mask]
        return Piece(self.table.filter(pa.array(mask)), self.file, self.first_row, numbers)


def pieces(source: Source, layout: Layout, where: Sequence[Condition], batch_rows: int) -> Iterator[Piece]:
    """The rows of a source that meet every condition."""
    number = pa.list_(pa.float64()) if layout.shape in ("list", "samples") else pa.float64()
    types = {**dict.fromkeys(layout.numbers, pa.float64()), **dict.fromkeys(layout.predictions, number)}
    for chunk in source.batches(layout.columns, batch_rows, types):
        piece = selected(chunk, where)
        if len(piece):
            yield piece


def selected(chunk: Chunk, where: Sequence[Condition]) -> Piece:
    """The rows of a chunk that meet every condition."""
    piece = Piece(chunk.table, chunk.file, chunk.first_row)
    for condition in where:
        equal = _equals(piece.table.column(condition.column), condition.value)
        piece = piece.keep(~equal if condition.excludes else equal)
    return piece


def _equals(column: pa.Array, value: str) -> Keep:
    keys = keyed(column)
    mask: Keep = keys.codes == (keys.values.index(value) if value in keys.values else -1)
    return mask


def values_of(source: Source, column: str, limit: int = 10) -> list[str]:
    """Some values of a column, for an error about a condition that no row meets."""
    seen: dict[str, None] = {}
    for chunk in source.batches([column], 1 << 16, {}):
        seen.update(dict.fromkeys(key_text(v) for v in pc.unique(chunk.table.column(0)).to_pylist()))
        if len(seen) > limit:
            break
    return list(seen)[:limit]


def no_rows(source: Source, where: Sequence[Condition]) -> DataError:
    """The error for a source of which no row is left."""
    if not where:
        return DataError(
            "no-rows", "there are no rows", file=source.name, cure="check that the file was written"
        )
    column = where[-1].column
    wanted = " and ".join(map(str, where))
    return DataError(
        "no-rows",
        f"no row has {wanted}; {column} has {', '.join(values_of(source, column))}",
        file=source.name,
        cure="check --where",
    )
