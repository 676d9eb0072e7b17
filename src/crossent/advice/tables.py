"""Counts of values in bounded memory: the same whatever the order of the rows and the size of the batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MOST_VALUES = 1 << 18
"""Different values that are kept apart: twice the largest vocabularies in use, 20 MB of names."""
_SIGN = np.int64(0x7FFF_FFFF_FFFF_FFFF)


class NameCounts:
    """How many rows have each name; beyond `most` different names only that there are more is known."""

    def __init__(self, most: int = MOST_VALUES) -> None:
        self._most = most
        self._counts: dict[str, int] = {}
        self.overflowed = False

    def add(self, names: Sequence[str], counts: Sequence[int]) -> None:
        """Names of a batch, each once, with their numbers of rows."""
        if self.overflowed:
            return
        for name, count in zip(names, counts, strict=True):
            self._counts[name] = self._counts.get(name, 0) + count
        if len(self._counts) > self._most:
            self._counts, self.overflowed = {}, True

    def items(self) -> tuple[tuple[str, int], ...]:
        """(name, rows), by name."""
        return tuple(sorted(self._counts.items()))


class NumberCounts:
    """How many rows have each number.

    Beyond `most` different ones numbers are rounded to fewer binary digits, as few as are needed; a number
    then stands for a cell of its neighbours. Cells of fewer digits hold whole cells of more digits, so that
    the table in the end depends on the numbers only, not on when digits were given up.
    """

    def __init__(self, most: int = MOST_VALUES) -> None:
        self._most = most
        self._keys: Ints = np.zeros(0, np.int64)
        self._counts: Ints = np.zeros(0, np.int64)
        self._dropped = 0
        self.zeros = 0
        self.negatives = 0
        self.whole = True
        self.smallest = np.inf
        self.largest = -np.inf

    @property
    def exact(self) -> bool:
        """Whether every number is kept as it is."""
        return self._dropped == 0

    def add(self, numbers: Floats) -> None:
        """Finite numbers of a batch."""
        if not numbers.size:
            return
        self.zeros += int(np.count_nonzero(numbers == 0))
        self.negatives += int(np.count_nonzero(numbers < 0))
        self.whole = self.whole and bool((numbers == np.floor(numbers)).all())
        self.smallest = min(self.smallest, float(numbers.min()))
        self.largest = max(self.largest, float(numbers.max()))
        keys, counts = np.unique(self._rounded(_to_keys(numbers)), return_counts=True)
        self._merge(keys, counts.astype(np.int64))
        while self._keys.size > self._most:
            self._dropped += 1
            self._merge(self._rounded(self._keys), self._counts, replace=True)

    def table(self) -> tuple[Floats, Ints]:
        """(numbers in rising order, rows of each); a rounded number is the middle of its cell."""
        keys = self._keys if self.exact else self._keys + (np.int64(1) << (self._dropped - 1))
        return np.clip(_to_numbers(keys), self.smallest, self.largest), self._counts

    def _rounded(self, keys: Ints) -> Ints:
        return (keys >> self._dropped) << self._dropped

    def _merge(self, keys: Ints, counts: Ints, *, replace: bool = False) -> None:
        if not replace:
            keys = np.concatenate([self._keys, keys])
            counts = np.concatenate([self._counts, counts])
        self._keys, place = np.unique(keys, return_inverse=True)
        self._counts = np.zeros(self._keys.size, np.int64)
        np.add.at(self._counts, place, counts)


def _to_keys(numbers: Any) -> Ints:
    """The bits of numbers as integers in the same order; −0 is 0."""
    bits = (numbers + 0.0).view(np.int64)
    return np.asarray(bits ^ ((bits >> 63) & _SIGN))


def _to_numbers(keys: Ints) -> Floats:
    bits = keys ^ ((keys >> 63) & _SIGN)
    return np.asarray(bits).view(np.float64)
