"""Labels that are several a row: lists of names, indicators, distributions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crossent.advice.facts import Facts, Lists, Weights
from crossent.advice.tables import Floats, Ints, NameCounts
from crossent.data.labels import keyed
from crossent.data.readers import Chunk, Source
from crossent.errors import DataError

_TOLERANCE = 1e-3
"""How far from 1 the sum of a row of probabilities may be."""
_STEPS = 1 << 30
"""Fractions are added up in whole steps, so that the order of the rows cannot matter."""


class Indicators:
    """Rows of as many numbers as there are labels: what all have in common, and their means."""

    def __init__(self, width: int) -> None:
        self.sums: Ints = np.zeros(width, np.int64)
        self.within = self.whole = self.unit = True
        self.empty = self.rows = 0

    def add(self, values: Floats) -> None:
        """Some rows, (N, labels)."""
        self.within = self.within and bool(((values >= 0) & (values <= 1)).all())
        self.whole = self.whole and bool(((values == 0) | (values == 1)).all())
        self.unit = self.unit and bool((np.abs(values.sum(axis=1) - 1) <= _TOLERANCE).all())
        self.empty += int(np.count_nonzero((values == 0).all(axis=1)))
        if self.within:
            self.sums += np.rint(values * _STEPS).astype(np.int64).sum(axis=0)
        self.rows += len(values)

    @property
    def form(self) -> str:
        """As `Lists.form` has it."""
        if self.whole:
            return "one-hot" if self.unit and self.sums.size > 1 else "indicators"
        return "distributions" if self.unit else "fractions"

    def described(self) -> Lists:
        """All that was seen."""
        share = self.sums / (self.rows * _STEPS)
        return Lists(
            self.form,
            share.size,
            float(self.sums.sum() / (self.rows * _STEPS)),
            self.empty / self.rows,
            float(share.min()),
            float(share.max()),
        )


class ListLook:
    """Several values a row, in one list column or in several columns of numbers."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.rows = self.missing = 0
        self._columns = tuple(columns)
        self._names = NameCounts()
        self._elements = self._empty = 0
        self._width: int | None = None
        self._indicators: Indicators | None = None
        self._type = ""

    def add(self, chunk: Chunk) -> tuple[Any, Any]:
        """No single labels, and which rows have theirs."""
        several = len(self._columns) > 1
        column = _side_by_side(chunk, self._columns) if several else chunk.table.column(self._columns[0])
        present = column.is_valid()
        lists = column.filter(present)
        self.rows += len(lists)
        self.missing += len(column) - len(lists)
        if len(lists):
            self._add(lists, chunk)
        return None, present

    def _add(self, lists: Any, chunk: Chunk) -> None:
        flat, lengths = lists.flatten(), pc.list_value_length(lists).to_numpy()
        self._type = str(flat.type)
        if flat.is_null(nan_is_null=True).true_count:
            raise DataError(
                "null-label",
                "a label within a list is missing",
                file=chunk.file,
                column=self._columns[0],
                cure="write an empty list where there is no label, and 0 where one does not apply",
            )
        self._elements += len(flat)
        self._empty += int(np.count_nonzero(lengths == 0))
        if not pa.types.is_floating(flat.type):
            found = keyed(flat)
            self._names.add(found.values, np.bincount(found.codes, minlength=len(found.values)).tolist())
        if self._width is None:
            self._width = int(lengths[0])
            self._indicators = Indicators(self._width) if self._width and _is_number(flat.type) else None
        if (lengths != self._width).any():
            self._indicators = None
        if self._indicators is not None:
            values = pc.cast(flat, pa.float64()).to_numpy(zero_copy_only=False)
            self._indicators.add(values.reshape(-1, self._width))

    def facts(self, source: Source, weights: Weights | None) -> Facts:
        """All that was seen.

        Errors: DataError (several-numbers) for rows of numbers that are neither indicators nor fractions.
        """
        indicators = self._indicators
        if indicators is not None and indicators.within:
            lists = indicators.described()
            return Facts(
                f"rows of {lists.labels} numbers",
                self.rows,
                self.missing,
                lists.labels,
                None,
                None,
                lists,
                weights,
            )
        if "double" in self._type or "float" in self._type:
            raise DataError(
                "several-numbers",
                "a row holds several numbers that are not all between 0 and 1",
                file=source.name,
                column=", ".join(self._columns),
                cure="ask for advice about one number at a time",
            )
        counts = np.array([count for _, count in self._names.items()] or [0])
        known = not self._names.overflowed
        lists = Lists(
            "sets",
            counts.size if known else None,
            self._elements / self.rows,
            self._empty / self.rows,
            float(counts.min() / self.rows),
            float(counts.max() / self.rows),
        )
        return Facts(
            "lists of names",
            self.rows,
            self.missing,
            lists.labels,
            None,
            None,
            lists,
            weights,
        )


def _side_by_side(chunk: Chunk, columns: Sequence[str]) -> Any:
    """Several columns of numbers as one column of lists; a row with a missing number is missing."""
    parts = []
    for name in columns:
        try:
            parts.append(pc.cast(chunk.table.column(name), pa.float64()))
        except pa.ArrowInvalid as error:
            raise DataError(
                "not-a-number",
                f"several label columns hold 0 and 1 ({error})",
                file=chunk.file,
                column=name,
                cure="name one label column, or columns of numbers",
            ) from None
    values = np.column_stack([part.to_numpy(zero_copy_only=False) for part in parts])
    missing = pa.array(np.isnan(values).any(axis=1))
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), len(columns), mask=missing)


def _is_number(type_: Any) -> bool:
    return bool(pa.types.is_boolean(type_) or pa.types.is_integer(type_) or pa.types.is_floating(type_))
