"""Labels and other keys as text and codes: the one place that says which label belongs to which class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Codes = NDArray[np.int64]

MISSING = "(missing)"


@dataclass(frozen=True)
class Keyed:
    """A column of keys: `values[codes[i]]` is the key of row i. Values are distinct."""

    values: tuple[str, ...]
    codes: Codes


def keyed(column: pa.Array) -> Keyed:
    """Any column of strings, whole numbers, bools or dates as text keys; null becomes "(missing)".

    Whole numbers are written in decimal, whole floats likewise (1.0 is "1"), bools as "true" and "false".
    Entries of a dictionary that no row has are left out: they are no label, cluster or group of these rows.
    """
    if pa.types.is_integer(column.type) and not column.null_count and len(column):
        found = _few_integers(column.to_numpy(zero_copy_only=True))
        if found is not None:
            return found
    encoded = column if pa.types.is_dictionary(column.type) else pc.dictionary_encode(column)
    values = [key_text(v) for v in encoded.dictionary.to_pylist()]
    indices = encoded.indices
    if indices.null_count:
        indices = pc.fill_null(indices.cast(pa.int64()), len(values))
        values.append(MISSING)
    codes = indices.cast(pa.int64()).to_numpy(zero_copy_only=False)
    used = np.flatnonzero(np.bincount(codes, minlength=len(values)))
    if used.size < len(values):
        codes = np.searchsorted(used, codes)
        values = [values[i] for i in used]
    distinct = {v: i for i, v in enumerate(dict.fromkeys(values))}
    if len(distinct) < len(values):
        codes = np.array([distinct[v] for v in values], np.int64)[codes]
    return Keyed(tuple(distinct), codes)


SPAN = 1 << 12
"""Whole numbers that lie this close together are looked up in a table, 3 ns a row; hashing takes 18."""


def _few_integers(numbers: NDArray[np.integer[Any]]) -> Keyed | None:
    """The keys of whole numbers that lie close together, in ascending order."""
    least, most = int(numbers.min()), int(numbers.max())
    if most - least >= SPAN or not -(2**62) < least <= most < 2**62:
        return None
    codes = numbers.astype(np.int64)
    codes -= least
    counts = np.bincount(codes)
    used = np.flatnonzero(counts)
    if used.size < counts.size:
        places = np.zeros(counts.size, np.int64)
        places[used] = np.arange(used.size)
        codes = places[codes]
    return Keyed(tuple(str(i + least) for i in used.tolist()), codes)


def fingerprints(keys: Keyed) -> NDArray[np.uint64]:
    """A hash of each row's key: different keys have different ones, but for a chance of 10⁻¹⁹."""
    hashes = [blake2b(value.encode(), digest_size=8).digest() for value in keys.values]
    return np.frombuffer(b"".join(hashes), np.uint64)[keys.codes]


def key_text(value: object) -> str:
    """One key as text."""
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return str(value)


def natural_order(names: Sequence[str]) -> tuple[str, ...]:
    """Whole numbers by value, then text by code point.

    >>> natural_order(["b", "10", "a", "9"])
    ('9', '10', 'a', 'b')
    """
    return tuple(sorted(names, key=lambda n: (0, int(n), n) if _is_number(n) else (1, 0, n)))


def _is_number(text: str) -> bool:
    return text.removeprefix("-").isdecimal() and text.isascii()


class ClassLookup:
    """Finds the class of a label by name.

    Whole-number labels match class names of the same value ("007" is 7); bools match true/false in any case,
    or 1/0 where the class names are those.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        self._by_name = {name: i for i, name in enumerate(self.classes)}
        self._by_number: dict[str, int] = {}
        if all(_is_number(name) for name in self.classes):
            numbers = {str(int(name)): i for i, name in enumerate(self.classes)}
            if len(numbers) == len(self.classes):
                self._by_number = numbers
        lowered = {name.lower(): i for i, name in enumerate(self.classes)}
        self._by_bool = lowered if {"true", "false"} & lowered.keys() else self._by_number
        self._bool_names = ("true", "false") if {"true", "false"} & lowered.keys() else ("1", "0")

    def code(self, label: str, type_: pa.DataType) -> int:
        """The class code of a label, −1 where no class has its name."""
        found = self._by_name.get(label, -1)
        if found < 0 and (pa.types.is_integer(type_) or pa.types.is_floating(type_)):
            return self._by_number.get(label, -1)
        if found < 0 and pa.types.is_boolean(type_):
            name = self._bool_names[0] if label == "true" else self._bool_names[1]
            return self._by_bool.get(name, -1)
        return found


def value_type(column: pa.DataType) -> pa.DataType:
    """The type of a column's values, looking through dictionary encoding."""
    return column.value_type if pa.types.is_dictionary(column) else column
