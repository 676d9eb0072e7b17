"""A validated batch: labels, one kind of prediction and the row's other facts, as NumPy arrays.

Everything about the data is checked here, in array operations, on the way in. A fault is reported with file,
row, column and value. What is unusual but allowed (rows that do not sum to one, labels of probability 0) is
left as it is and counted later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crossent.data.columns import Numbers, list_entries, list_lengths, matrix_of_columns, number_column
from crossent.data.facts import Facts
from crossent.data.layout import Layout
from crossent.data.numbers import Lengths, prediction_of
from crossent.data.options import ReadOptions
from crossent.data.pieces import Piece
from crossent.errors import DataError

MOST_LOSS = 1e100
"""With weights up to 1e50, (w·ℓ)² of the largest loss is still a float64."""


@dataclass(frozen=True)
class Batch:
    """Rows of one model, valid once constructed.

    `prediction` is (N, K) in the order of the evaluation's classes, or (N,) for shape "single" (probability
    of the positive class), "scalar" (log-probability of the label) and a point; about a number otherwise as
    `numbers.prediction_of` says. It keeps float32 where the data has it; losses widen it.
    """

    facts: Facts
    kind: str
    shape: str
    prediction: Numbers
    piece: Piece
    lengths: Lengths | None = None
    """Samples of each row, where not all have the same number."""
    unseen: Numbers | None = None
    """Probability that was not shown of each row's distribution, where the data say so."""

    def __len__(self) -> int:
        return len(self.piece)


def build(
    piece: Piece, layout: Layout, facts: Facts, order: Sequence[int] | None, options: ReadOptions
) -> Batch:
    """The batch of a piece. `order[k]` is the position in the layout of the evaluation's class k."""
    if layout.about_numbers:
        prediction, lengths = prediction_of(piece, layout)
        return Batch(facts, layout.kind, layout.shape, prediction, piece, lengths)
    if layout.shape == "list":
        prediction = _from_list(piece, layout, order)
    elif layout.shape == "columns":
        names = layout.predictions
        prediction = matrix_of_columns(piece, names if order is None else [names[i] for i in order])
    else:
        prediction = number_column(piece, layout.predictions[0])
    _check(prediction, piece, layout, order, options.tolerance)
    unseen = None if layout.unseen is None else number_column(piece, layout.unseen)
    return Batch(facts, layout.kind, layout.shape, prediction, piece, unseen=unseen)


def _from_list(piece: Piece, layout: Layout, order: Sequence[int] | None) -> Numbers:
    name, size = layout.predictions[0], len(layout.classes or ())
    lengths = list_lengths(piece, name)
    wrong = np.flatnonzero(lengths != size)
    if wrong.size:
        raise DataError(
            "list-length",
            f"a list of {lengths[wrong[0]]} numbers where there are {size} classes",
            file=piece.file,
            row=piece.row(int(wrong[0])),
            column=name,
            cure="write one number for each class, in the same order in every row",
        )
    entries = list_entries(piece, name, lengths, "write 0 for a class that cannot happen")
    matrix = entries.reshape(len(piece), size)
    return matrix if order is None else np.ascontiguousarray(matrix[:, order])


def _check(
    values: Numbers, piece: Piece, layout: Layout, order: Sequence[int] | None, tolerance: float
) -> None:
    """Raise where a number cannot be a prediction of its kind."""
    low, high = _allowed(layout.kind, tolerance)
    if layout.kind == "logits":
        _no_row_of_minus_infinity(values, piece, layout)
    # min and max propagate nan, so two passes over the numbers decide
    least, most = float(values.min()), float(values.max())
    if low <= least and most <= high:
        return
    # float64 bounds: float32 would round 1.001 up and 1e100 to infinity
    bad = ~((values >= np.float64(low)) & (values <= np.float64(high)))
    if layout.kind != "probs":
        bad &= values != -np.inf
        if not bad.any():
            return
    at = int(np.flatnonzero(bad.reshape(-1))[0])
    width = 1 if values.ndim == 1 else values.shape[1]
    row, k = divmod(at, width)
    position = k if order is None else order[k]
    column = layout.predictions[0] if layout.shape != "columns" else layout.predictions[position]
    if layout.shape == "list":
        column = f"{column}[{position}]"
    value = float(values.reshape(-1)[at])
    slug, problem, cure = _fault(layout.kind, value)
    raise DataError(slug, problem, file=piece.file, row=piece.row(row), column=column, value=value, cure=cure)


def _no_row_of_minus_infinity(logits: Numbers, piece: Piece, layout: Layout) -> None:
    """Softmax of such a row is 0/0. One column decides almost always, and costs next to nothing."""
    rows = np.flatnonzero(np.isneginf(logits[:, 0]))
    impossible = rows[np.isneginf(logits[rows]).all(axis=1)]
    if impossible.size:
        raise DataError(
            "impossible-row",
            "every logit is −inf, so no class has a probability",
            file=piece.file,
            row=piece.row(int(impossible[0])),
            column=layout.predictions[0],
            cure="write finite logits, 0 for every class where nothing is known",
        )


def _allowed(kind: str, tolerance: float) -> tuple[float, float]:
    """The least and greatest number of a kind; −inf is allowed besides where it stands for probability 0."""
    if kind == "probs":
        return -tolerance, 1.0 + tolerance
    return -MOST_LOSS, MOST_LOSS if kind == "logits" else tolerance


def _fault(kind: str, value: float) -> tuple[str, str, str]:
    if np.isnan(value):
        return (
            "nan-prediction",
            "the prediction is not a number",
            "find out why the model returns nan; nothing is filled in for you",
        )
    if kind == "probs":
        return (
            "not-a-probability",
            "a probability must lie between 0 and 1",
            "declare what the numbers are: --kind logits or log_probs",
        )
    if np.isfinite(value) and abs(value) > MOST_LOSS:
        return (
            "beyond-range",
            f"a logit or log-probability must lie within ±{MOST_LOSS:g}",
            "write -inf where the probability is 0",
        )
    if kind == "logits":
        return "infinite-logit", "a logit of +inf is not a distribution", "write the largest finite number"
    return (
        "positive-log-probability",
        "the logarithm of a probability cannot be above 0",
        "write natural logarithms of probabilities, not their negatives",
    )
