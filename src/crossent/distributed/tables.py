"""Sums by key from many fragments, such as those of millions of clusters, added up as Arrow tables.

A fragment's table has a row for each key that it met, so that all of them together may be far larger than
their sum, and the sum larger than what memory is there for. Tables are collected until they fill their share
of it and added up by key; what is too large even then goes to disk, in ranges of keys that are added up one
by one in the end. The limbs are whole numbers: in whatever order they are added, they give the same.
"""

from __future__ import annotations

import tempfile
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa

from crossent.engines.passes import State

RANGES = 64
"""Of keys on disk: of sums that are as large as 32 times the memory, each still fits into it."""
KEY = "key"


def added(tables: Sequence[pa.Table]) -> pa.Table:
    """One table with the sums of all, in no order; a limb that some tables lack counts as 0 in these."""
    if len(tables) == 1:
        return tables[0]
    one = pa.concat_tables(tables, promote_options="default")
    limbs = [name for name in one.column_names if name != KEY]
    found = one.group_by(KEY).aggregate([(name, "sum") for name in limbs])
    # the sums are named anew, and where the key stands among them depends on the version of Arrow
    return found.select([KEY, *(f"{name}_sum" for name in limbs)]).rename_columns([KEY, *limbs])


class KeyedTables:
    """The sum of tables with a row a key, in about `memory` bytes until it is asked for."""

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._tables: list[pa.Table] = []
        self._bytes = 0
        self._edges: list[str] = []
        self._spilled: list[Path] = []
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def add(self, table: pa.Table) -> None:
        """Add a table."""
        self._tables.append(table)
        self._bytes += table.nbytes
        # adding up takes the tables, their sum, and what finds the keys
        if self._bytes > self._memory // 3:
            self._tables = [added(self._tables)]
            self._bytes = self._tables[0].nbytes
            if self._bytes > self._memory // 6:
                self._spill()

    def total(self) -> pa.Table | None:
        """The sum of all tables; None if there was none."""
        if self._spilled and self._tables:
            self._spill()
        parts = [added(tables) for tables in self._ranges() if tables]
        return pa.concat_tables(parts, promote_options="default") if parts else None

    def close(self) -> None:
        """Remove what is on disk."""
        if self._folder is not None:
            self._folder.cleanup()

    def _spill(self) -> None:
        """Write what is in memory to a file of its own: a batch a range of keys."""
        table = added(self._tables).sort_by(KEY)
        self._tables, self._bytes = [], 0
        keys = table.column(KEY)
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="crossent-tables-")
            self._edges = [keys[len(keys) * i // RANGES].as_py() for i in range(1, RANGES)]
        places = [bisect_left(range(len(keys)), edge, key=lambda i: keys[i].as_py()) for edge in self._edges]
        path = Path(self._folder.name) / f"{len(self._spilled)}.arrow"
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            for begin, end in pairwise([0, *places, len(keys)]):
                writer.write_batch(_one_batch(table.slice(begin, end - begin)))
        self._spilled.append(path)

    def _ranges(self) -> Iterator[list[pa.Table]]:
        """The tables to be added up, range by range."""
        if not self._spilled:
            yield self._tables
            return
        readers = [pa.ipc.open_file(pa.memory_map(str(path))) for path in self._spilled]
        for i in range(RANGES):
            yield [pa.Table.from_batches([reader.get_batch(i)]) for reader in readers]


def _one_batch(table: pa.Table) -> pa.RecordBatch:
    """The rows as one batch, be there none."""
    batches = table.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], table.schema)


class StateTables:
    """The tables of the accumulators of a state, on their way into it."""

    def __init__(self, state: State, memory: int) -> None:
        self._state = state
        found = [
            (name, key)
            for name, accumulators in state.models.items()
            for key, accumulator in accumulators.items()
            if accumulator.table() is not None
        ]
        self._tables = {place: KeyedTables(memory // len(found)) for place in found}

    def __enter__(self) -> Self:
        return self

    def add(self, model: str, accumulator: str, table: pa.Table) -> None:
        """Add the table of a fragment's accumulator."""
        self._tables[model, accumulator].add(table)

    def load(self) -> None:
        """Put the sums into the state, which has none of these yet."""
        for (model, key), tables in self._tables.items():
            total = tables.total()
            tables.close()
            if total is not None:
                self._state.models[model][key].load_table(total)
            # what Arrow holds back for itself is as much as the table
            del total
            pa.default_memory_pool().release_unused()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for tables in self._tables.values():
            tables.close()
