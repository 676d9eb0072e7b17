"""Loss columns of predictions about a number."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossent.accumulators.contract import Floats, Ints, Rows
from crossent.data.batch import MOST_LOSS, Batch
from crossent.engines.figures import Counts, Extremes, figures_of, unusual
from crossent.errors import DataError
from crossent.losses import Loss

Part = tuple[slice | NDArray[np.bool_], Floats]


def score_numbers(
    rows: Rows, batch: Batch, y: Floats, scored: Sequence[Loss], levels: Sequence[float]
) -> Rows:
    """The rows with their loss columns, the first one being the headline, and the figures of their kind."""
    prediction = np.ascontiguousarray(batch.prediction, np.float64)
    if batch.kind == "mean_std" and any(loss.bounds[0] == -np.inf for loss in scored):
        _no_infinite_density(batch, y, prediction)
    columns: dict[str, Floats] = {}
    counts: Counts = {}
    extremes: Extremes = {}
    for index, part in _of_one_length(prediction, batch.lengths):
        found = {loss.name: loss.value(y[index], part, batch.kind) for loss in scored}
        found |= figures_of(batch.kind, y[index], part, levels)
        for name, values in found.items():
            columns.setdefault(name, np.empty(y.size))[index] = values
        _add(counts, extremes, *unusual(batch.kind, part))
    for loss in scored:
        _check_range(columns[loss.name], loss, batch, prediction, levels)
    loss_column = columns.pop(scored[0].name)
    labels = _Written(y.size, lambda row: _label(y, row))
    predictions = _Written(y.size, lambda row: _prediction(batch, levels, row))
    everyone = np.arange(y.size)
    return replace(
        rows,
        loss=loss_column,
        companions=columns,
        label_text=_Text(labels, everyone),
        predicted=_Text(predictions, everyone),
        counts={**counts, "label_zero": int(np.count_nonzero(loss_column == np.inf))},
        extremes=extremes,
    )


def _of_one_length(prediction: Floats, lengths: Ints | None) -> Iterator[Part]:
    """The rows with as many samples as each other, together."""
    if lengths is None:
        yield slice(None), prediction
        return
    for length in np.unique(lengths).tolist():
        index = lengths == length
        yield index, np.ascontiguousarray(prediction[index, :length])


def _add(counts: Counts, extremes: Extremes, more: Counts, wider: Extremes) -> None:
    for name, count in more.items():
        counts[name] = counts.get(name, 0) + count
    for name, (low, high) in wider.items():
        least, most = extremes.get(name, (low, high))
        extremes[name] = (min(least, low), max(most, high))


def _no_infinite_density(batch: Batch, y: Floats, prediction: Floats) -> None:
    """A log loss of densities is −∞ where the standard deviation is 0 and the mean is the label."""
    exact = np.flatnonzero((prediction[:, 1] == 0.0) & (prediction[:, 0] == y))
    if exact.size:
        raise DataError(
            "infinite-density",
            "the standard deviation is 0 and the mean is the label: the density is infinite, its log loss −∞",
            file=batch.piece.file,
            row=batch.piece.row(int(exact[0])),
            value=float(y[exact[0]]),
            cure="write the standard deviation that the model means, or compare by --loss crps",
        )


def _check_range(
    values: Floats, loss: Loss, batch: Batch, prediction: Floats, levels: Sequence[float]
) -> None:
    """No finite loss is so large that it has no sum; one that is infinite means a standard deviation of 0."""
    possible = np.abs(values) <= MOST_LOSS
    if batch.kind == "mean_std":
        possible |= (values == np.inf) & (prediction[:, 1] == 0.0)
    wrong = np.flatnonzero(~possible)
    if wrong.size:
        row = int(wrong[0])
        raise DataError(
            "beyond-range",
            f"the {loss.title} of this row is beyond ±{MOST_LOSS:g}, where sums end",
            file=batch.piece.file,
            row=batch.piece.row(row),
            value=_prediction(batch, levels, row),
            cure="look at the label and the prediction of this row: one of them is not what is meant",
        )


@dataclass(frozen=True)
class _Text:
    """A column of texts that are written when they are asked for: only those of the worst rows are."""

    values: Sequence[str]
    codes: Ints


class _Written(Sequence[str]):
    """The text of each row, made by a function of its number."""

    def __init__(self, size: int, text: Callable[[int], str]) -> None:
        self._size, self._text = size, text

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, row: Any) -> Any:
        return self._text(row)


def _label(y: Floats, row: int) -> str:
    """Ten digits, more than anybody reads."""
    return f"{y[row]:.10g}"


def _prediction(batch: Batch, levels: Sequence[float], row: int) -> str:
    """A prediction in a few words."""
    values = np.asarray(batch.prediction[row], np.float64)
    if batch.kind == "point":
        return f"{values:.6g}"
    if batch.kind == "mean_std":
        return f"mean {values[0]:.6g}, std {values[1]:.6g}"
    if batch.kind == "quantiles":
        ends = sorted({0, len(levels) // 2, len(levels) - 1})
        return ", ".join(f"q_{levels[k]:g} {values[k]:.6g}" for k in ends)
    samples = values if batch.lengths is None else values[: batch.lengths[row]]
    low, middle, high = np.quantile(samples, (0.0, 0.5, 1.0))
    return f"{samples.size} samples from {low:.6g} to {high:.6g}, median {middle:.6g}"
