"""Exact sums by key, and how sums are written as plain data."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from crossent.accumulators.contract import Bools, Floats, Ints, KeyColumn
from crossent.exact import LimbSums, Slices, counts_of


def pack_integer(value: int) -> str:
    """An exact total as text: hexadecimal mantissa and power of two."""
    if value == 0:
        return "0"
    shift = (value & -value).bit_length() - 1
    return f"{value >> shift:x}p{shift}"


def unpack_integer(text: str) -> int:
    """The exact total written by `pack_integer`."""
    mantissa, _, shift = text.partition("p")
    return int(mantissa, 16) << int(shift or "0")


def pack_limbs(sums: LimbSums, order: Ints | None = None) -> dict[str, Any]:
    """Exact cell sums as plain data: of each limb all cells, or those that are not 0 where these are few."""
    if order is None:
        sums.canonical()
    else:
        sums = sums.take(order)
    return {"cells": sums.cells, "limbs": {str(j): _pack_limb(limb) for j, limb in sums.limbs.items()}}


def _pack_limb(limb: Ints) -> str | list[str]:
    full = np.flatnonzero(limb)
    if 2 * full.size >= limb.size:
        return _text(limb)
    return [_text(full), _text(limb[full])]


def _text(numbers: Ints) -> str:
    return base64.b64encode(numbers.astype("<i8").tobytes()).decode()


def _numbers(text: str) -> Ints:
    return np.frombuffer(base64.b64decode(text), "<i8").astype(np.int64)


def unpack_limbs(packed: Mapping[str, Any]) -> LimbSums:
    """The cell sums written by `pack_limbs`."""
    sums = LimbSums(packed["cells"])
    for j, saved in packed["limbs"].items():
        if isinstance(saved, str):
            sums.limbs[int(j)] = _numbers(saved)
        else:
            full, values = map(_numbers, saved)
            sums.limbs[int(j)] = limb = np.zeros(sums.cells, np.int64)
            limb[full] = values
    return sums


@dataclass(frozen=True)
class Cells:
    """Where rows belong: row i in cell index[codes[i]]; few of many cells need only small codes."""

    index: Ints
    codes: Ints

    def where(self, mask: Bools) -> Cells:
        """The cells of some of the rows."""
        return Cells(self.index, self.codes[mask])


def with_all_cells(state: Any) -> Any:
    """A state as saved files have it: every cell of every limb, however few of them are not 0."""
    if not isinstance(state, dict):
        return state
    if "limbs" in state:
        limbs = unpack_limbs(state).limbs
        return {**state, "limbs": {str(j): _text(limb) for j, limb in limbs.items()}}
    return {key: with_all_cells(value) for key, value in state.items()}


class KeyedSums:
    """Named columns of exact sums, one cell a key: each column has as many cells as there are keys."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = {name: LimbSums() for name in columns}
        self.keys: dict[str, int] = {}

    def cells(self, keyed: KeyColumn, mask: Bools | None = None) -> Cells:
        """The cell of each row, or of each row in the mask, with their keys taken up and no others."""
        if mask is None:
            return Cells(self._index(keyed.values), keyed.codes)
        used, codes = np.unique(keyed.codes[mask], return_inverse=True)
        return Cells(self._index([keyed.values[i] for i in used.tolist()]), codes)

    def _index(self, values: Sequence[str]) -> Ints:
        keys = self.keys
        index = np.array([keys.setdefault(v, len(keys)) for v in values], np.int64)
        for column in self.columns.values():
            column.resize(len(keys))
        return index

    def count(self, name: str, cells: Cells) -> None:
        """Add 1 to the cell of each row."""
        if cells.codes.size:
            self.columns[name].add_counts(counts_of(cells.codes, cells.index.size), index=cells.index)

    def add(self, name: str, cells: Cells, values: Floats | Slices, sign: int = 1) -> None:
        """Add values to cells."""
        self.columns[name].add(cells.codes, values, sign=sign, index=cells.index)

    def merge(self, other: KeyedSums) -> None:
        """Add another table with the same columns."""
        if not self.keys:
            # millions of keys need not be looked up one by one
            self.keys = dict(other.keys)
            self.columns = {name: column.copy() for name, column in other.columns.items()}
            return
        index = self._index(list(other.keys))
        for name, column in other.columns.items():
            self.columns[name].merge(column, index)

    def sorted_keys(self) -> tuple[str, ...]:
        """The keys in the order of `floats`."""
        return tuple(sorted(self.keys))

    def _order(self) -> Ints:
        return np.array([self.keys[k] for k in self.sorted_keys()], np.int64)

    def floats(self, name: str) -> Floats:
        """One column as float64, keys sorted."""
        return self.columns[name].floats()[self._order()]

    def state(self) -> dict[str, Any]:
        """Plain data, keys sorted."""
        order = self._order()
        return {
            "keys": list(self.sorted_keys()),
            "columns": {name: pack_limbs(column, order) for name, column in self.columns.items()},
        }

    def table(self) -> pa.Table:
        """A row a key, keys sorted: the key, and of every column its limbs, named `column:limb`.

        Tables of other rows are added by adding the limbs of equal keys; 2³¹ of them leave room in 63 bits.
        """
        order = self._order()
        arrays = {"key": pa.array(self.sorted_keys(), pa.string())}
        for name, column in self.columns.items():
            for j, limb in column.take(order).limbs.items():
                arrays[f"{name}:{j}"] = pa.array(limb)
        return pa.table(arrays)

    def load_table(self, table: pa.Table) -> None:
        """Take over what `table` gave, or a sum of such tables (null for limbs that one lacked)."""
        self.keys = {key: i for i, key in enumerate(table.column("key").to_pylist())}
        limbs: dict[str, dict[int, Ints]] = {name: {} for name in self.columns}
        for field in table.column_names[1:]:
            name, _, limb = field.rpartition(":")
            limbs[name][int(limb)] = np.array(table.column(field).fill_null(0).to_numpy(), np.int64)
        self.columns = {name: LimbSums.of(len(self.keys), found) for name, found in limbs.items()}

    def load(self, state: Mapping[str, Any]) -> None:
        """Take over a saved state."""
        self.keys = {key: i for i, key in enumerate(state["keys"])}
        self.columns = {name: unpack_limbs(packed) for name, packed in state["columns"].items()}
