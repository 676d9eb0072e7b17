"""Columns of predictions as NumPy arrays, in the type they are stored in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from crossent.data.pieces import Piece
from crossent.errors import DataError

Numbers = NDArray[np.floating[Any]]


def number_column(piece: Piece, name: str) -> Numbers:
    """One column of numbers without a gap."""
    column = piece.table.column(name)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if column.null_count:
        row = int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0])
        raise DataError(
            "null-prediction",
            "the prediction is missing",
            file=piece.file,
            row=piece.row(row),
            column=name,
            cure="every row needs a prediction: fill it, or leave the row out of every model's file",
        )
    return _floats(column, piece.file, name)


def _floats(column: pa.Array, file: str, name: str) -> Numbers:
    type_ = column.type
    if pa.types.is_dictionary(type_):
        column = column.dictionary_decode()
        type_ = column.type
    if pa.types.is_float32(type_) or pa.types.is_float64(type_):
        return cast(Numbers, column.to_numpy(zero_copy_only=True))
    if pa.types.is_float16(type_) or pa.types.is_integer(type_) or pa.types.is_decimal(type_):
        return cast(Numbers, column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False))
    raise DataError(
        "prediction-type",
        f"a prediction must be a number, this column is {type_}",
        file=file,
        column=name,
        cure="write it as float32 or float64",
    )


def matrix_of_columns(piece: Piece, names: Sequence[str]) -> Numbers:
    """(N, K): float32 where every column is, else float64."""
    columns = [number_column(piece, name) for name in names]
    dtype = np.float32 if all(c.dtype == np.float32 for c in columns) else np.float64
    matrix = np.empty((len(piece), len(columns)), dtype)
    for k, column in enumerate(columns):
        matrix[:, k] = column
    return matrix


def list_lengths(piece: Piece, name: str) -> NDArray[np.int64]:
    """The length of each row's list; DataError where a list is missing."""
    column = piece.table.column(name)
    if column.null_count:
        row = int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0])
        raise DataError(
            "null-prediction", "the list is missing", file=piece.file, row=piece.row(row), column=name,
            cure="every row needs a prediction: fill it, or leave the row out of every model's file",
        )  # fmt: skip
    if pa.types.is_fixed_size_list(column.type):
        return np.full(len(piece), column.type.list_size, np.int64)
    lengths: NDArray[np.int64] = column.value_lengths().cast(pa.int64()).to_numpy(zero_copy_only=False)
    return lengths


def list_entries(piece: Piece, name: str, lengths: NDArray[np.int64], cure: str) -> Numbers:
    """The numbers of all lists one after another; DataError where an entry is missing."""
    entries = piece.table.column(name).flatten()
    if entries.null_count:
        at = int(np.flatnonzero(entries.is_null().to_numpy(zero_copy_only=False))[0])
        ends = np.cumsum(lengths)
        row = int(np.searchsorted(ends, at, side="right"))
        raise DataError(
            "null-prediction",
            f"entry {at - int(ends[row] - lengths[row])} of the list is missing",
            file=piece.file,
            row=piece.row(row),
            column=name,
            cure=cure,
        )
    return _floats(entries, piece.file, name)
