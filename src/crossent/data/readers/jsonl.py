"""JSON Lines: one object a row.

The standard library reads it, not pyarrow's JSON reader, which is some four times as fast but takes two
objects on one line for two rows, refuses rows that straddle its blocks, and cannot name the row of a fault.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, ClassVar

import pyarrow as pa

from crossent.data.readers.contract import FileReader
from crossent.data.readers.faults import translated
from crossent.data.readers.places import Place
from crossent.data.readers.registry import register_reader
from crossent.data.readers.text import compressed, encoding_error, open_text
from crossent.errors import DataError

Row = dict[str, Any]

INSPECTED_ROWS = 1000
# Python objects take some ten times the text: 4 MiB of text are held as about 40 MB.
BLOCK_BYTES = 4 << 20
LONGEST_LINE = 64 << 20
SHOWN = 60


@register_reader("jsonl", compressed(".jsonl", ".ndjson"))
class JsonLinesReader(FileReader):
    """Columns and types are those of the first rows; a key that a row lacks is null there."""

    inferred: ClassVar[bool] = True

    def __init__(self, path: Place) -> None:
        with translated(path):
            first = next(blocks(path, INSPECTED_ROWS), [])
            names = dict.fromkeys(name for row in first for name in row)
            schema = pa.schema(
                [pa.field(name, _inferred([row.get(name) for row in first])) for name in names]
            )
        super().__init__(path, schema, None)

    def batches(
        self, columns: Sequence[str], batch_rows: int, types: Mapping[str, pa.DataType]
    ) -> Iterator[pa.RecordBatch]:
        fields = [pa.field(name, types.get(name) or self.schema.field(name).type) for name in columns]
        first_row = 0
        with translated(self.path):
            for block in blocks(self.path, batch_rows):
                arrays = [_column(block, field, self.path, first_row) for field in fields]
                yield pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))
                first_row += len(block)


def blocks(path: Place, rows: int) -> Iterator[list[Row]]:
    """The objects of a file, at most `rows` at a time, fewer where they are long."""
    with open_text(path) as raw:
        numbered = _rows(path, io.BufferedReader(raw, 1 << 20))
        while block := list(islice(_until(BLOCK_BYTES, numbered), rows)):
            yield block


def _until(limit: int, sized: Iterator[tuple[Row, int]]) -> Iterator[Row]:
    used = 0
    for row, size in sized:
        yield row
        used += size
        if used >= limit:
            return


def _rows(path: Place, lines: io.BufferedReader) -> Iterator[tuple[Row, int]]:
    """Each row with the length of its line; blank lines are not rows."""
    number = 0
    decode = json.JSONDecoder(object_pairs_hook=distinct).decode
    for line in iter(lambda: lines.readline(LONGEST_LINE), b""):
        text = _decoded(path, number, line)
        if not text or text.isspace():
            continue
        try:
            row = decode(text)
        except (ValueError, RecursionError) as error:
            raise _syntax(path, number, text, str(error)) from error
        if not isinstance(row, dict):
            raise _syntax(path, number, text, f"the line is a {type(row).__name__}, not an object")
        yield row, len(line)
        number += 1


def _decoded(path: Place, number: int, line: bytes) -> str:
    try:
        return line.decode("utf-8-sig" if number == 0 else "utf-8")
    except UnicodeDecodeError as error:
        value = ascii(line[max(0, error.start - SHOWN // 2) : error.end])
        raise encoding_error(path, number, None, value) from error


def distinct(pairs: list[tuple[str, Any]]) -> Row:
    """An object as a dictionary; a key given twice has no one value."""
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} is given twice")
    return row


def _inferred(values: Sequence[Any]) -> pa.DataType:
    """The one type of the values; where they have none, the first one's, so that reading names another."""
    present = [value for value in values if value is not None]
    for tried in (present, present[:1]):
        try:
            column: pa.Array[Any] = pa.array(tried)
            return column.type
        except (pa.ArrowException, ValueError, OverflowError):
            continue
    return pa.string()


def _column(block: Sequence[Row], field: pa.Field[Any], path: Place, first_row: int) -> pa.Array[Any]:
    values = [row.get(field.name) for row in block]
    column = _converted(values, field.type)
    if column is not None:
        return column
    offset = next(i for i, value in enumerate(values) if _converted([value], field.type) is None)
    shown = json.dumps(values[offset])
    raise DataError(
        "jsonl-type",
        f"the value is not {field.type}, which the column is read as",
        file=str(path),
        row=first_row + offset,
        column=field.name,
        value=shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}…",
        cure="write values of one type in every row",
    )


def _converted(values: list[Any], type_: pa.DataType) -> pa.Array[Any] | None:
    """The values as that type, or None if one of them is of another; 1 may stand for 1.0 and 1.0 for 1.

    The values' own type is found first: told a type, pyarrow cuts 0.5 to 0. Even so it takes true for 1.0.
    """
    try:
        column: pa.Array[Any] = pa.array(values)
        if not _alike(column.type, type_) or (_is_number(_element(column.type)) and _booleans(values)):
            return None
        return column.cast(type_)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        return None


def _booleans(values: list[Any]) -> bool:
    """Whether true or false is among the values, or in a list among them."""
    types = set(map(type, values))
    return bool in types or (list in types and any(_booleans(value) for value in values if value))


def _element(type_: pa.DataType) -> pa.DataType:
    return _element(type_.value_type) if pa.types.is_list(type_) else type_


def _alike(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Whether the types are the same but for integers and floats; what a cast would lose it refuses."""
    if found == wanted or pa.types.is_null(found):
        return True
    if pa.types.is_list(found):
        return bool(pa.types.is_list(wanted)) and _alike(found.value_type, wanted.value_type)
    if pa.types.is_struct(found) and pa.types.is_struct(wanted):
        names = {field.name for field in wanted}
        return all(f.name in names and _alike(f.type, wanted.field(f.name).type) for f in found)
    return _is_number(found) and _is_number(wanted)


def _is_number(type_: pa.DataType) -> bool:
    return bool(pa.types.is_integer(type_) or pa.types.is_floating(type_))


def _syntax(path: Place, row: int, text: str, problem: str) -> DataError:
    return DataError(
        "jsonl-syntax",
        f"the line is not one JSON object: {problem}",
        file=str(path),
        row=row,
        value=text.strip()[:SHOWN],
        cure="write one complete object on each line",
    )
