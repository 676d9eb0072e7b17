"""What a query finds in a database, streamed through ADBC; the query runs again for every pass."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import pyarrow as pa

from crossent.data.readers.contract import Chunk, FileInfo, Source, Window
from crossent.data.readers.databases import Database, database
from crossent.data.readers.sql_types import UNREADABLE, converted, read_as
from crossent.errors import DataError, UsageError

_SHOWN = 200
"""Characters of a query that a name has."""
_MANY = 100_000_000
"""Rows that are expected of a query that cannot be counted: the more, the more files a join takes."""


@dataclass(frozen=True)
class Query:
    """A query and the database that answers it; what `sql` makes."""

    query: str
    database: Database
    order: str | None = None
    """A column by which the database sorts the rows, so that they come alike each time."""

    @property
    def text(self) -> str:
        """What the database is given. The line's end ends a comment before what stands around the query."""
        if self.order is None:
            return f"{self.query}\n"
        column = self.order.replace('"', '""')
        return f'SELECT * FROM (\n{self.query}\n) AS found ORDER BY "{column}"'

    @property
    def name(self) -> str:
        """Database and query for people, without password; the end of a long query is left out."""
        text = " ".join(self.query.split())
        return f"{self.database.shown}: {text if len(text) <= _SHOWN else text[: _SHOWN - 1] + '…'}"


def sql(query: str, uri: str) -> Query:
    """Predictions that are the rows of a query, for `evaluate`, `select` and `advise`.

    `uri` is postgresql://user@host:5432/database, sqlite:///path.db (relative; four slashes for an absolute
    path), or begins with the name of another ADBC driver that is installed. Nothing is read yet. The query
    runs once for every pass over the data and must find the same rows each time.

    Errors: UsageError where the query is empty or the address cannot be understood, without showing it. The
    drivers are in `crossent[sql]`.

    >>> sql("select label, p_cat, p_dog from predictions", "sqlite:///logs.db").name
    'sqlite:///logs.db: select label, p_cat, p_dog from predictions'
    """
    text = query.strip().rstrip(";").rstrip()
    if not text:
        raise UsageError("bad-query", "the query is empty", cure="give one SELECT")
    return Query(text, database(uri))


@dataclass
class _Count:
    """How many rows there were: in passes that came to the end, and by the database's own counting."""

    seen: int | None = None
    expected: int | None = None


@dataclass(frozen=True)
class QuerySource(Source):
    """The rows of a query. Holds no connection, so that a worker can be sent it."""

    query: Query
    count: _Count = field(default_factory=_Count, repr=False, compare=False)

    @property
    def ordered(self) -> bool:
        return False

    @property
    def estimated_rows(self) -> int:
        """As many as the database counts: it is asked only where rows must be joined on disk."""
        if self.count.seen is None and self.count.expected is None:
            self.count.expected = _counted(self.query)
        return max(1, self.count.seen or self.count.expected or 0)

    def batches(
        self, columns: Sequence[str], batch_rows: int, types: Mapping[str, pa.DataType] | None = None
    ) -> Iterator[Chunk]:
        if not self.files:
            return
        name, row = self.query.name, 0
        wanted = [self._readable(column) for column in columns]
        with _executed(self.query) as reader:
            for batch in _batches(self.query, reader):
                try:
                    arrays = [converted(batch.column(f.name), f.type) for f in wanted]
                except (KeyError, pa.ArrowException):
                    raise self._changed("its columns have other types than before") from None
                # nullable as the source says: a driver may know better of one batch
                read = pa.RecordBatch.from_arrays(arrays, schema=pa.schema(wanted))
                for start in range(0, len(read), batch_rows):
                    part = read.slice(start, batch_rows)
                    yield Chunk(part, name, row)
                    row += len(part)
        if self.count.seen not in (None, row):
            raise self._changed(f"it found {self.count.seen} rows before and {row} now")
        self.count.seen = row

    def _readable(self, column: str) -> pa.Field:
        found = self.schema.field(column)
        own = (found.metadata or {}).get(UNREADABLE)
        if own is not None:
            raise DataError(
                "database-type",
                f"the column has the type {own.decode()}, which only the database knows",
                file=self.query.name,
                column=column,
                cure=f"make it text or a number in the query: CAST({column} AS text) AS {column}",
            )
        return found

    def _changed(self, how: str) -> DataError:
        return DataError(
            "query-changed",
            f"the query was run again, and {how}",
            file=self.query.name,
            cure="the table must not change meanwhile: read a copy of it, or of a state that is kept",
        )

    def part(self, windows: Sequence[Window]) -> QuerySource:
        # where a query has no order, there is no part but all of it and nothing
        assert tuple(windows) in ((), (Window(0),))
        return replace(self, files=self.files if windows else ())

    def in_order(self, column: str) -> QuerySource:
        return replace(self, query=replace(self.query, order=column))


def open_query(query: Query, name: str) -> QuerySource:
    """The columns of a query; its rows are not read.

    Errors: MissingExtra; UsageError no-driver, bad-query; DataError cannot-connect, database-permission,
    query-failed, duplicate-column, source-not-found.
    """
    query.database.require_driver()
    schema = _schema(query)
    twice = next((column for column in schema.names if schema.names.count(column) > 1), None)
    if twice is not None:
        raise DataError(
            "duplicate-column",
            "two columns have this name",
            file=query.name,
            column=twice,
            cure="name one of them otherwise with AS, and only the columns that are needed",
        )
    if not schema.names:
        raise UsageError("bad-query", f"{query.name}: the statement finds no columns", cure="give one SELECT")
    digest = hashlib.blake2b(f"{query.database.identity}\n{query.query}".encode(), digest_size=16).hexdigest()
    info = FileInfo(query.name, 0, None, digest)
    return QuerySource(name, pa.schema([read_as(f) for f in schema]), (info,), query)


def _schema(query: Query) -> pa.Schema:
    """From the database's plan where it gives one; SQLite's types are those of the first rows."""
    with query.database.cursor() as cursor:
        if query.database.scheme == "postgresql":
            with query.database.executing(query.name):
                return cursor.adbc_execute_schema(query.text)
    with _executed(query) as reader:
        return reader.schema


@contextmanager
def _executed(query: Query) -> Iterator[pa.RecordBatchReader]:
    """The stream of a query's rows, in a connection of its own."""
    with query.database.cursor() as cursor:
        with query.database.executing(query.name):
            cursor.execute(query.text)
            reader = cursor.fetch_record_batch()
        with reader:
            yield reader


def _batches(query: Query, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    while True:
        with query.database.fetching(query.name):
            try:
                batch = reader.read_next_batch()
            except StopIteration:
                return
        yield batch


def _counted(query: Query) -> int:
    counting = replace(query, query=f"SELECT count(*) AS n FROM (\n{query.query}\n) AS found")
    try:
        with _executed(counting) as reader:
            return int(reader.read_next_batch().column(0)[0].as_py())
    except (DataError, UsageError):
        return _MANY
