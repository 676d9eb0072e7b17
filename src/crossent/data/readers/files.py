"""Files of one format as one Source."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import attrgetter
from typing import Any

import pyarrow as pa

from crossent.data.readers.contract import Chunk, FileInfo, FileReader, Source, Window
from crossent.data.readers.faults import translated
from crossent.data.readers.paths import Found, find
from crossent.data.readers.places import Place, opened
from crossent.errors import DataError

MIB = 1 << 20
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")
PARTITION = {b"partition": b"hive"}
"""Metadata of a column that comes from folder names."""


@dataclass(frozen=True)
class FileSource(Source):
    """Several files with the same columns, read one after the other."""

    readers: tuple[FileReader, ...] = field(repr=False)
    partitions: tuple[Mapping[str, pa.Scalar[Any]], ...] = field(repr=False)
    """For each file, the value of each partition column."""
    windows: tuple[Window, ...] | None = None
    """Which rows of the files are meant, where not all are."""

    @property
    def text(self) -> bool:
        return any(reader.text for reader in self.readers)

    def batches(
        self, columns: Sequence[str], batch_rows: int, types: Mapping[str, pa.DataType] | None = None
    ) -> Iterator[Chunk]:
        windows = [Window(i) for i in range(len(self.readers))] if self.windows is None else self.windows
        for file, together in groupby(windows, key=attrgetter("file")):
            reader, constants = self.readers[file], self.partitions[file]
            # Without a column of their own the rows could not be counted.
            own = [name for name in columns if name not in constants] or self.schema.names[:1]
            wanted = {name: self.schema.field(name).type for name in own} | dict(types or {})
            if self.windows is None:
                batches = _numbered(reader.batches(own, batch_rows, wanted))
            else:
                spans = [(window.begin, window.end) for window in together]
                batches = reader.windows(own, batch_rows, wanted, spans)
            for first_row, batch in batches:
                yield Chunk(_with_constants(batch, columns, constants), str(reader.path), first_row)

    def part(self, windows: Sequence[Window]) -> FileSource:
        used = sorted({window.file for window in windows})
        return replace(
            self,
            files=tuple(self.files[i] for i in used),
            readers=tuple(self.readers[i] for i in used),
            partitions=tuple(self.partitions[i] for i in used),
            windows=tuple(replace(window, file=used.index(window.file)) for window in windows),
        )

    @property
    def cuts(self) -> tuple[tuple[int, ...], ...]:
        return tuple(reader.cuts for reader in self.readers)


def _numbered(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Each batch with the number of its first row."""
    first = 0
    for batch in batches:
        yield first, batch
        first += batch.num_rows


def open_files(places: Sequence[str], name: str, format: str | None) -> FileSource:
    """Find the files, learn their columns and hold them against each other."""
    kind, found = find(places, format)
    infos = tuple(file_info(entry.path) for entry in found)
    readers = tuple(kind.open(entry.path) for entry in found)
    for reader in readers:
        _require_distinct(reader)
    schema = _joint_schema(readers)
    partitions, partition_fields = _partition_columns(found, schema)
    for partition_field in partition_fields:
        schema = schema.append(partition_field)
    infos = tuple(
        FileInfo(info.path, info.bytes, reader.rows, info.digest)
        for info, reader in zip(infos, readers, strict=True)
    )
    return FileSource(name, schema, infos, readers, partitions)


def file_info(place: Place) -> FileInfo:
    """Size and digest of a file; rows not yet known.

    Errors: `DataError` file-empty, file-permission.
    """
    with translated(place), opened(place) as file:
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        if size == 0:
            raise DataError("file-empty", "the file holds no bytes", file=str(place), cure="write it again")
        digest = hashlib.blake2b(size.to_bytes(8, "little"), digest_size=16)
        digest.update(file.read(MIB))
        file.seek(max(0, size - MIB))
        digest.update(file.read(MIB))
    return FileInfo(str(place), size, None, digest.hexdigest())


def _require_distinct(reader: FileReader) -> None:
    with translated(reader.path):  # a damaged name is no text
        names = reader.schema.names
    twice = (
        next((name for name in names if names.count(name) > 1), None)
        if len(set(names)) < len(names)
        else None
    )
    if twice is not None:
        raise DataError(
            "duplicate-column",
            "two columns have this name",
            file=str(reader.path),
            column=twice,
            cure="rename one of them",
        )


def _joint_schema(readers: Sequence[FileReader]) -> pa.Schema:
    """The one schema of all files: the first file's, or the union where types were only inferred."""
    first = readers[0]
    if first.inferred:
        return _united(readers)
    for other in readers[1:]:
        for name in dict.fromkeys([*first.schema.names, *other.schema.names]):
            here, there = _describe(first.schema, name), _describe(other.schema, name)
            if here != there:
                raise _mismatch(first, here, other, there, name)
        if _classes(first.schema.metadata) != _classes(other.schema.metadata):
            raise _mismatch(first, "its class names", other, "other class names", None)
    return first.schema


def _united(readers: Sequence[FileReader]) -> pa.Schema:
    """Numbers widen to doubles and absent columns are null, as within one file of such a format."""
    schema = readers[0].schema
    for other in readers[1:]:
        try:
            schema = pa.unify_schemas([schema, other.schema], promote_options="permissive")
        except pa.ArrowTypeError:
            name = next(
                name
                for name in schema.names
                if name in other.schema.names and schema.field(name).type != other.schema.field(name).type
            )
            raise _mismatch(
                readers[0], _describe(schema, name), other, _describe(other.schema, name), name
            ) from None
    return schema


def _describe(schema: pa.Schema, name: str) -> str:
    index = schema.get_field_index(name)
    if index < 0:
        return "no such column"
    found = schema.field(index)
    classes = _classes(found.metadata)
    return f"{found.type} with classes {classes.decode(errors='replace')}" if classes else str(found.type)


def _classes(metadata: Mapping[bytes, bytes] | None) -> bytes | None:
    return (metadata or {}).get(b"classes")


def _mismatch(first: FileReader, here: str, other: FileReader, there: str, column: str | None) -> DataError:
    return DataError(
        "schema-mismatch",
        f"has {there} where {first.path} has {here}",
        file=str(other.path),
        column=column,
        cure="write all files of one source with the same columns and types",
    )


def _partition_columns(
    found: Sequence[Found], schema: pa.Schema
) -> tuple[tuple[dict[str, pa.Scalar[Any]], ...], list[pa.Field[Any]]]:
    """The value of each `key=value` folder a file: integers where all are, else strings."""
    keys = [key for key, _ in found[0].partitions]
    for entry in found:
        if [key for key, _ in entry.partitions] != keys or len(set(keys)) < len(keys):
            raise DataError(
                "partition-mismatch",
                f"its key=value folders are {_keys(entry)} where {found[0].path} has {_keys(found[0])}",
                file=str(entry.path),
                cure="use the same key=value folders, each key once, above every file",
            )
    for key in keys:
        if key in schema.names:
            raise DataError(
                "partition-clash",
                "the files have a column of the name of a key=value folder",
                file=str(found[0].path),
                column=key,
                cure="rename the folders or the column",
            )
    values = {key: [dict(entry.partitions)[key] for entry in found] for key in keys}
    columns = {key: pa.array(*_typed(texts)) for key, texts in values.items()}
    fields = [pa.field(key, column.type, metadata=PARTITION) for key, column in columns.items()]
    return tuple({key: columns[key][i] for key in keys} for i in range(len(found))), fields


def _typed(texts: Sequence[str | None]) -> tuple[list[object], pa.DataType]:
    present = [text for text in texts if text is not None]
    if present and all(_INTEGER.fullmatch(text) for text in present):
        return [None if text is None else int(text) for text in texts], pa.int64()
    return list(texts), pa.string()


def _keys(entry: Found) -> str:
    return "/".join(key for key, _ in entry.partitions) or "none"


def _with_constants(
    batch: pa.RecordBatch, columns: Sequence[str], constants: Mapping[str, pa.Scalar[Any]]
) -> pa.RecordBatch:
    if not constants.keys() & set(columns):
        return batch
    arrays = [
        _repeat(constants[name], batch.num_rows) if name in constants else batch.column(name)
        for name in columns
    ]
    return pa.RecordBatch.from_arrays(arrays, names=list(columns))


def _repeat(value: Any, count: int) -> pa.Array[Any]:
    repeated: pa.Array[Any] = pa.repeat(value, count)
    return repeated
