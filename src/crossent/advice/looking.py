"""From a source to `Facts`: one pass over the label column in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crossent.advice.facts import Facts, Numbers, describe_classes, describe_numbers
from crossent.advice.lists import ListLook
from crossent.advice.orders import recognised
from crossent.advice.tables import Floats, NameCounts, NumberCounts
from crossent.advice.weighing import Weighing
from crossent.data.labels import key_text, keyed, natural_order, value_type
from crossent.data.readers import Chunk, Source
from crossent.errors import DataError

BATCH_ROWS = 1 << 16
MOST = 1e100
"""The largest label: its square and the moments are finite."""


@dataclass(frozen=True)
class Columns:
    """Where labels and weights are; several label columns are indicators of several labels."""

    labels: tuple[str, ...]
    weight: str | None = None


def look(source: Source, columns: Columns) -> Facts:
    """Read the labels once.

    Errors: DataError for labels that are dates or structures, infinite, or all missing, and for bad weights.
    """
    types = [value_type(source.schema.field(name).type) for name in columns.labels]
    for name, type_ in zip(columns.labels, types, strict=True):
        _require_usable(source, name, type_)
    listed = len(types) > 1 or _is_list(types[0])
    wanted = list(dict.fromkeys([*columns.labels, *([columns.weight] if columns.weight else [])]))
    numbers = {name: pa.float64() for name in (columns.labels if len(types) > 1 else ())}
    numbers |= {columns.weight: pa.float64()} if columns.weight else {}
    looks = ListLook(columns.labels) if listed else ScalarLook(columns.labels[0], types[0])
    weighing = Weighing(columns.weight) if columns.weight else None
    for chunk in source.batches(wanted, BATCH_ROWS, numbers if source.text else None):
        labels, present = looks.add(chunk)
        if weighing is not None:
            weighing.add(chunk, labels, present)
    if looks.rows == 0:
        raise DataError(
            "no-rows", f"none of the {looks.missing} rows has a label", file=source.name, cure="check --label"
        )
    return looks.facts(source, None if weighing is None else weighing.described())


class ScalarLook:
    """One value a row: names, numbers, or both where it cannot be known before the end."""

    def __init__(self, column: str, type_: Any) -> None:
        self.rows = self.missing = 0
        self._column = column
        self._type = type_
        self._text = _is_text(type_)
        self._names = NameCounts() if self._text or pa.types.is_boolean(type_) else None
        self._numbers = None if pa.types.is_boolean(type_) else NumberCounts()
        self._order: tuple[str, ...] | None = None

    def add(self, chunk: Chunk) -> tuple[Any, Any]:
        """The labels of a chunk that are there, and which rows these are."""
        column = chunk.table.column(self._column)
        if pa.types.is_dictionary(column.type):
            if column.type.ordered and self._order is None:
                self._order = tuple(key_text(v) for v in column.dictionary.to_pylist())
            column = column.dictionary_decode()
        present = pc.invert(column.is_null(nan_is_null=True))
        labels = column.filter(present)
        if self._names is not None:
            found = keyed(labels)
            self._names.add(found.values, np.bincount(found.codes, minlength=len(found.values)).tolist())
        if self._numbers is not None:
            self._add_numbers(labels, chunk, present)
        self.rows += len(labels)
        self.missing += len(column) - len(labels)
        return labels, present

    def _add_numbers(self, labels: Any, chunk: Chunk, present: Any) -> None:
        assert self._numbers is not None
        try:
            cast = pc.cast(labels, pa.float64(), safe=False)
        except pa.ArrowInvalid:
            self._numbers = None
            return
        numbers: Floats = cast.to_numpy(zero_copy_only=False)
        wrong = np.flatnonzero(np.abs(numbers) > MOST)
        if wrong.size:
            row = int(np.flatnonzero(present.to_numpy(zero_copy_only=False))[wrong[0]])
            raise DataError(
                "label-not-finite",
                f"the label is not between −{MOST:g} and {MOST:g}",
                file=chunk.file,
                row=chunk.first_row + row,
                column=self._column,
                value=labels[int(wrong[0])].as_py(),
                cure="correct it, or leave the row out and say so",
            )
        self._numbers.add(numbers)

    def facts(self, source: Source, weights: Any) -> Facts:
        """All that was seen."""
        numbers = None if self._numbers is None else describe_numbers(self._numbers)
        counts = self._class_counts(numbers)
        names = tuple(name for name, _ in counts or ())
        if numbers is None and _are_dates(names):
            raise _is_time(source, self._column, "dates as text")
        distinct = len(counts) if counts is not None else None
        if distinct is None and self._numbers is not None and self._numbers.exact:
            distinct = self._numbers.table()[0].size
        return Facts(
            self._described_type(numbers, source),
            self.rows,
            self.missing,
            distinct,
            describe_classes(counts) if counts else None,
            numbers,
            None,
            weights,
            None if self._order is None else tuple(n for n in self._order if n in set(names)),
            recognised(names) if numbers is None else None,
        )

    def _class_counts(self, numbers: Numbers | None) -> tuple[tuple[str, int], ...] | None:
        """(name, rows) in natural order; None for fractional numbers and for too many names."""
        if numbers is not None:
            assert self._numbers is not None
            if not (numbers.whole and numbers.exact):
                return None
            values, rows = self._numbers.table()
            return tuple((key_text(v), n) for v, n in zip(values.tolist(), rows.tolist(), strict=True))
        assert self._names is not None
        if self._names.overflowed:
            return None
        rows_of = dict(self._names.items())
        return tuple((name, rows_of[name]) for name in natural_order(tuple(rows_of)))

    def _described_type(self, numbers: Numbers | None, source: Source) -> str:
        if pa.types.is_boolean(self._type):
            return "true or false"
        if numbers is None:
            return "text"
        kind = "whole numbers" if numbers.whole else "numbers"
        return f"{kind} written as text" if self._text and not source.text else kind


def _require_usable(source: Source, column: str, type_: Any) -> None:
    if pa.types.is_temporal(type_):
        raise _is_time(source, column, str(type_))
    if (pa.types.is_nested(type_) and not _is_list(type_)) or pa.types.is_binary(type_):
        raise DataError(
            "nested-column",
            f"labels are names, numbers or lists of these, this column is {type_}",
            file=source.name,
            column=column,
            cure="name another column with --label",
        )


def _is_time(source: Source, column: str, what: str) -> DataError:
    return DataError(
        "label-is-time",
        f"the labels are points in time ({what})",
        file=source.name,
        column=column,
        cure="predict a duration: subtract a start and give the number of days, hours or seconds",
    )


def _are_dates(names: Sequence[str]) -> bool:
    try:
        return len(names) > 1 and len(pa.array(names[:1000]).cast(pa.timestamp("us"))) > 0
    except pa.ArrowInvalid:
        return False


def _is_text(type_: Any) -> bool:
    return bool(
        pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_)
    )


def _is_list(type_: Any) -> bool:
    return bool(
        pa.types.is_list(type_) or pa.types.is_large_list(type_) or pa.types.is_fixed_size_list(type_)
    )
