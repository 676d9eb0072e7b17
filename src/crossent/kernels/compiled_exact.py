"""Exact sums by the compiled core, for `crossent.exact`, whose NumPy functions define what they are.

Each function takes the kernels (`choice().native`) first. Totals come as whole numbers in units of 2**-UNIT.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

UNIT = 2176
_DONE, _NOT_FINITE = 0, 1


def exact_sum(native: Any, x: Floats) -> int | None:
    """Σ x in units of 2**-UNIT; None where a number is not finite."""
    total = native.exact_sum(_column(x))
    return None if total is None else int.from_bytes(total, "little", signed=True)


def exact_gram(
    native: Any, columns: Sequence[Floats | None], pairs: Sequence[tuple[int, int]]
) -> list[int] | None:
    """Σ columns[a]·columns[b] of each pair in units of 2**-UNIT; None where a number is not finite."""
    rows = next((c.size for c in columns if c is not None), 0)
    given = [None if c is None else _column(c) for c in columns]
    totals = native.exact_gram(given, list(pairs), rows)
    return None if totals is None else [int.from_bytes(t, "little", signed=True) for t in totals]


def add_to_cells(
    native: Any,
    codes: Ints,
    values: Floats,
    limbs: dict[int, Ints],
    cells: int,
    offset: int,
    index: Ints | None,
    sign: int,
) -> bool:
    """Add ±values[i] to cell offset + codes[i], or index[codes[i]], of a table of limbs: `exact.LimbSums`.

    False where nothing was done: a row belongs to no cell, or numbers from 2**960 need another way. Raises
    ValueError on inf and nan.
    """
    fault = native.cell_sums(_codes(codes), _column(values), limbs, cells, offset, index, sign < 0)
    if fault == _NOT_FINITE:
        raise ValueError("only finite numbers have an exact sum")
    return bool(fault == _DONE)


def cell_counts(native: Any, codes: Ints, cells: int) -> Ints:
    """How often each code 0 … cells − 1 occurs; IndexError on any other code."""
    counts: Ints = native.cell_counts(_codes(codes), cells)
    return counts


def grid(native: Any, confidence: Floats, happened: Bools, steps: int) -> tuple[Ints, Ints, Ints, Ints]:
    """(N,) the cell of each row, and by cell: rows, rows where it happened, Σ rint(c(1 − c)·2**40)."""
    cells, sums = native.grid(_column(confidence), np.ascontiguousarray(happened), steps)
    rows, happened_rows, variance = np.ascontiguousarray(sums.T)
    return cells, rows, happened_rows, variance


def _column(x: Floats) -> Floats:
    return np.ascontiguousarray(x, np.float64).reshape(-1)


def _codes(codes: Ints) -> Ints:
    return np.ascontiguousarray(codes, np.int64)
