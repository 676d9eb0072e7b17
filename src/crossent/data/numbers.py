"""Labels that are numbers, and what is predicted about them: read and checked on the way in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crossent.data.columns import Numbers, list_entries, list_lengths, matrix_of_columns, number_column
from crossent.data.layout import Layout
from crossent.data.pieces import Piece
from crossent.errors import DataError

MOST_NUMBER = 1e100
"""The largest label or prediction: beyond what is measured anywhere, and its square is still a float64."""
FEWEST_SAMPLES = 2
_MOST = np.float64(MOST_NUMBER)  # as a Python float it would be infinite beside float32

Lengths = NDArray[np.int64]


def prediction_of(piece: Piece, layout: Layout) -> tuple[Numbers, Lengths | None]:
    """The prediction about each row's number, every number of it checked.

    (N,) for a point, else (N, P) in the order of the layout's columns. Rows with fewer samples than others
    have theirs first; their number of samples is returned where it is not the same in all rows.
    """
    if layout.shape == "samples":
        return _samples(piece, layout.predictions[0])
    if layout.kind == "point":
        prediction = number_column(piece, layout.predictions[0])
        _check(prediction, piece, layout)
        return prediction, None
    matrix = matrix_of_columns(piece, layout.predictions)
    _check(matrix, piece, layout)
    if layout.kind == "mean_std":
        _no_negative_std(matrix, piece, layout)
    return matrix, None


def _check(values: Numbers, piece: Piece, layout: Layout) -> None:
    bad = ~(np.abs(values) <= _MOST)
    if bad.any():
        width = 1 if values.ndim == 1 else values.shape[1]
        row, k = divmod(int(np.flatnonzero(bad.reshape(-1))[0]), width)
        raise not_finite(float(values.reshape(-1)[row * width + k]), piece, row, layout.predictions[k])


def not_finite(value: float, piece: Piece, row: int, column: str) -> DataError:
    """The error for a prediction that is no number."""
    if np.isnan(value):
        return DataError(
            "nan-prediction",
            "the prediction is not a number",
            file=piece.file,
            row=piece.row(row),
            column=column,
            value=value,
            cure="find out why the model returns nan; nothing is filled in for you",
        )
    return DataError(
        "beyond-range",
        f"a prediction about a number must lie within ±{MOST_NUMBER:g}",
        file=piece.file,
        row=piece.row(row),
        column=column,
        value=value,
        cure="find out why the model returns it; nothing is cut off for you",
    )


def _no_negative_std(matrix: Numbers, piece: Piece, layout: Layout) -> None:
    negative = np.flatnonzero(matrix[:, 1] < 0.0)
    if negative.size:
        row = int(negative[0])
        raise DataError(
            "not-a-scale",
            "a standard deviation cannot be below 0",
            file=piece.file,
            row=piece.row(row),
            column=layout.predictions[1],
            value=float(matrix[row, 1]),
            cure="write the standard deviation itself, not its logarithm",
        )


def _samples(piece: Piece, name: str) -> tuple[Numbers, Lengths | None]:
    lengths = list_lengths(piece, name)
    few = np.flatnonzero(lengths < FEWEST_SAMPLES)
    if few.size:
        raise DataError(
            "too-few-samples",
            f"a list of {lengths[few[0]]}, where two samples or more say how uncertain a prediction is",
            file=piece.file,
            row=piece.row(int(few[0])),
            column=name,
            cure="write more samples, or a column of numbers with --kind point",
        )
    cure = "write the samples that there are: lists may be of different lengths"
    entries = list_entries(piece, name, lengths, cure)
    starts = np.cumsum(lengths) - lengths
    bad = np.flatnonzero(~(np.abs(entries) <= _MOST))
    if bad.size:
        row = int(np.searchsorted(starts, bad[0], side="right")) - 1
        raise not_finite(float(entries[bad[0]]), piece, row, f"{name}[{bad[0] - starts[row]}]")
    longest = int(lengths.max())
    if (lengths == longest).all():
        return entries.reshape(len(piece), longest), None
    matrix = np.zeros((len(piece), longest), entries.dtype)
    matrix[np.arange(longest) < lengths[:, None]] = entries
    return matrix, lengths
