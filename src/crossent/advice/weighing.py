"""Weights of rows: checked, added up exactly, and held against the classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crossent.advice.facts import Weights
from crossent.advice.tables import Floats
from crossent.data.labels import keyed
from crossent.data.readers import Chunk
from crossent.errors import DataError
from crossent.exact import exact_sum, to_float

MOST = 1e50
"""The largest weight, and the inverse of the smallest above 0: squares are not lost."""
_MOST_CLASSES = 1000


class Weighing:
    """Sums of weights and of their squares, and the smallest and largest weight of each class."""

    def __init__(self, column: str) -> None:
        self._column = column
        self._sum = self._squares = self._zeros = 0
        self._ranges: dict[str, tuple[float, float]] = {}
        self._many = False
        self._range = (np.inf, -np.inf)

    def add(self, chunk: Chunk, labels: Any, present: Any) -> None:
        """The weights of the rows of a chunk whose labels are there."""
        weights = self._checked(chunk)[present.to_numpy(zero_copy_only=False)]
        if not weights.size:
            return
        self._sum += exact_sum(weights)
        self._squares += exact_sum(weights * weights)
        self._zeros += int(np.count_nonzero(weights == 0))
        self._range = _joined(self._range, weights)
        if not self._many and labels is not None:
            self._by_class(weights, labels)

    def _by_class(self, weights: Floats, labels: Any) -> None:
        found = keyed(labels)
        self._many = len(found.values) > _MOST_CLASSES
        for code, name in enumerate(() if self._many else found.values):
            known = self._ranges.get(name, (np.inf, -np.inf))
            self._ranges[name] = _joined(known, weights[found.codes == code])
        self._many = self._many or len(self._ranges) > _MOST_CLASSES

    def _checked(self, chunk: Chunk) -> Floats:
        column = chunk.table.column(self._column)
        try:
            weights: Floats = pc.cast(column, pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            raise self._error(chunk, None, f"weights are numbers, this column is {column.type}") from None
        wrong = np.flatnonzero(~((weights == 0) | ((weights >= 1 / MOST) & (weights <= MOST))))
        if wrong.size:
            raise self._error(
                chunk, int(wrong[0]), f"a weight must be 0 or a number from {1 / MOST:g} to {MOST:g}"
            )
        return weights

    def _error(self, chunk: Chunk, row: int | None, problem: str) -> DataError:
        return DataError(
            "bad-weight",
            problem,
            file=chunk.file,
            row=None if row is None else chunk.first_row + row,
            column=self._column,
            value=None if row is None else chunk.table.column(self._column)[row].as_py(),
            cure="give rows that should not count the weight 0",
        )

    def described(self) -> Weights:
        """All that was seen.

        Errors: DataError (no-weight) where all weights are 0.
        """
        if self._sum == 0:
            raise DataError(
                "no-weight", "all weights are 0", column=self._column, cure="give some row a weight above 0"
            )
        total, squares = to_float(self._sum), to_float(self._squares)
        constant = not self._many and all(low == high for low, high in self._ranges.values())
        differ = len({low for low, _ in self._ranges.values()}) > 1
        return Weights(
            *self._range,
            total,
            total * (total / squares) if squares else total,
            self._zeros,
            constant and differ,
        )


def _joined(known: tuple[float, float], weights: Floats) -> tuple[float, float]:
    return min(known[0], float(weights.min())), max(known[1], float(weights.max()))
