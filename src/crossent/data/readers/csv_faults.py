"""Where a CSV file is wrong: the standard library reads it again, to name row, column and value."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from crossent.data.readers.places import Place
from crossent.data.readers.text import TextBytes, encoding_error, is_unicode, open_text
from crossent.errors import DataError

# Enough rows for one conversion to be worth its call, few enough to hold.
ROWS_AT_A_TIME = 4096
SHOWN = 60


def records(raw: TextBytes, delimiter: str) -> Iterator[list[str]]:
    """The rows as lists of strings, header first, blank lines left out as pyarrow does.

    Bytes that are not UTF-8 arrive as lone surrogates, so that their place can be told.
    """
    text = io.TextIOWrapper(
        io.BufferedReader(raw), encoding="utf-8-sig", errors="surrogateescape", newline=""
    )
    return (record for record in csv.reader(text, delimiter=delimiter) if record)


def first_fault(
    path: Place, delimiter: str, names: Sequence[str], wanted: Mapping[str, pa.DataType], longest: int
) -> DataError | None:
    """The first row that is ragged, not UTF-8, not closed or not of its type; None if none is found."""
    limit = csv.field_size_limit(longest)
    row = 0
    try:
        with open_text(path) as raw:
            reading = records(raw, delimiter)
            next(reading, None)
            while True:
                block, broken = _next_block(reading, len(names))
                ragged = bool(block) and len(block[-1]) != len(names)
                good = block[:-1] if ragged else block
                fault = _wrong_value(path, names, wanted, good, row)
                row += len(good)
                if fault is not None:
                    return fault
                if broken:
                    return quote_error(path, row)
                if ragged and (next(reading, None) is not None or raw.ended_in_newline()):
                    return _ragged(path, row, block[-1], len(names))
                if ragged or not block:
                    return None if raw.ended_in_newline() else cut_error(path, row if ragged else None)
    finally:
        csv.field_size_limit(limit)


def cut_error(path: Place, row: int | None) -> DataError:
    return DataError(
        "csv-cut",
        "the file does not end with a newline: its last number may have lost digits",
        file=str(path),
        row=row,
        cure="write the file again, or add the newline if it is complete",
    )


def quote_error(path: Place, row: int) -> DataError:
    return DataError(
        "csv-quote",
        "a quoted value that begins in this row or before is never closed, or is longer than a mebibyte",
        file=str(path),
        row=row,
        cure='close it; inside a quoted value write "" for a quote character',
    )


def _ragged(path: Place, row: int, record: Sequence[str], width: int) -> DataError:
    return DataError(
        "csv-ragged",
        f"the row has {len(record)} values where the header has {width}",
        file=str(path),
        row=row,
        value=_shown(",".join(record)),
        cure="write the row again; quote values that contain the delimiter",
    )


def _next_block(reading: Iterator[list[str]], width: int) -> tuple[list[list[str]], bool]:
    """Rows up to and including a ragged one, and whether the reader gave up after them."""
    block: list[list[str]] = []
    try:
        for record in reading:
            block.append(record)
            if len(record) != width or len(block) == ROWS_AT_A_TIME:
                break
    except csv.Error:
        return block, True
    return block, False


def _wrong_value(
    path: Place, names: Sequence[str], wanted: Mapping[str, pa.DataType], block: Sequence[list[str]], row: int
) -> DataError | None:
    """The first value, row by row, that its column cannot take."""
    columns = [(index, name, wanted[name]) for index, name in enumerate(names) if name in wanted]
    if all(_fits([record[index] for record in block], type_) for index, _, type_ in columns):
        return None
    for offset, record in enumerate(block):
        for index, name, type_ in columns:
            value = record[index]
            if not is_unicode(value):
                shown = ascii(value.encode("utf-8", "surrogateescape"))
                return encoding_error(path, row + offset, name, _shown(shown))
            if not _fits([value], type_):
                return DataError(
                    "csv-number",
                    f"the value cannot be read as {type_}",
                    file=str(path),
                    row=row + offset,
                    column=name,
                    value=_shown(repr(value)),
                    cure="write a number with a decimal point, or nothing where there is none",
                )
    return None


def _fits(values: Sequence[str], type_: pa.DataType) -> bool:
    texts = [value.strip(" \t") or None for value in values] if type_ != pa.string() else list(values)
    try:
        pa.array(texts, pa.string()).cast(type_)
    except (pa.ArrowException, UnicodeEncodeError):
        return False
    return True


def _shown(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
