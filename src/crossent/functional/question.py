"""The arguments of the functions of this package, checked and laid out as rows; and results laid out back."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossent import losses
from crossent.errors import DataError, UsageError
from crossent.exact import exact_sum, to_float
from crossent.functional.checks import CODES, class_codes, real_labels
from crossent.information.arguments import (
    Base,
    Floats,
    Mask,
    Numbers,
    Reduction,
    check_axis,
    checked_weights,
    mask_of,
    nats_per_unit,
    numbers,
)
from crossent.kernels.narrow import BFLOAT16, widened
from crossent.losses.contract import TARGETS, Target, check_kind, dimensions

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Layout:
    """How rows were taken from the user's array, and how rows are put back."""

    shape: Shape
    """Of the rows: the prediction's without the axis of the classes."""
    axis: int
    wide: bool
    dtype: np.dtype[Any]
    columns: int | None
    """Number of arrays that the prediction was given as; None for one array."""

    def back(self, rows: NDArray[Any]) -> Any:
        """(N, P) rows in the shape, type and number of arrays of the prediction."""
        if not self.wide:
            return rows.reshape(self.shape).astype(self.dtype, copy=False)
        whole = rows.reshape(*self.shape, rows.shape[-1]).astype(self.dtype, copy=False)
        if self.columns is not None:
            width = rows.shape[-1] // self.columns
            parts = (whole[..., i * width : (i + 1) * width] for i in range(self.columns))
            return tuple(part[..., 0] if width == 1 else part for part in parts)
        return np.moveaxis(whole, -1, self.axis)


@dataclass(frozen=True)
class Question:
    """A loss, and rows for it, of which some may not count."""

    loss: losses.Loss
    kind: str
    every_label: Target
    every_row: Numbers
    layout: Layout
    counted: Mask | None
    """(N,) which rows count; None for all."""
    weights: Floats | None
    """One a row that counts; None for ones."""
    base: Base
    reduction: Reduction

    @cached_property
    def labels(self) -> Target:
        """Of the rows that count."""
        return self.every_label if self.counted is None else self.every_label[self.counted]

    @cached_property
    def prediction(self) -> Numbers:
        """The rows that count."""
        return self.every_row if self.counted is None else self.every_row[self.counted]

    def computed(self, method: Callable[[Target, Floats, str], Floats]) -> Floats:
        """What a method of the loss gives for the rows that count, in float64."""
        with original_rows(self.counted):
            rows = widened(self.prediction).astype(np.float64, copy=False)
            return method(self.labels, np.ascontiguousarray(rows), self.kind)

    def read(self, method: Callable[[Target, Any, str], Floats]) -> Floats:
        """What a method gives for the rows that count, of arrays as they are stored."""
        counted = self.counted
        if counted is None:
            return method(self.every_label, self.every_row, self.kind)
        if self._worth_copying(counted):
            with original_rows(counted):
                return method(self.labels, self.prediction, self.kind)
        # class 0 stands in for labels that are not looked at
        every = method(np.where(counted, self.every_label, 0), self.every_row, self.kind)
        return every[counted]

    def _worth_copying(self, counted: Mask) -> bool:
        """Whether so few rows count that a copy of them costs less than the losses of the others."""
        few = 4 * int(np.count_nonzero(counted)) < counted.size
        return few or self.loss.target not in CODES or not self.every_row.size

    def spread(self, per_row: NDArray[Any]) -> NDArray[Any]:
        """Values of the rows that count among zeros for those that do not."""
        if self.counted is None:
            return per_row
        every = np.zeros((self.counted.size, *per_row.shape[1:]), per_row.dtype)
        every[self.counted] = per_row
        return every

    @property
    def rows(self) -> int:
        """How many count."""
        return len(self.every_row) if self.counted is None else int(np.count_nonzero(self.counted))

    def factor(self) -> Floats:
        """By which derivatives of rows that count enter the reduced one: w / Σ w for a mean, per unit."""
        mean, weights = self.reduction == "mean", self.weights
        if weights is None:
            scale = np.asarray(1.0 / self.rows if mean else 1.0)
        else:
            scale = weights / to_float(exact_sum(weights)) if mean else weights
        return np.asarray(scale / nats_per_unit(self.base))

    def factors(self) -> Floats | None:
        """The same for all rows, 0 for those that do not count; None for ones."""
        factor = self.factor()
        if self.counted is None:
            return None if factor.ndim == 0 and factor == 1.0 else factor
        every = np.zeros(self.counted.size)
        every[self.counted] = factor
        return every


def times(rows: Floats, weight: Floats) -> Floats:
    """Rows times their weights; 0 where the weight is 0, whatever the row."""
    per_row = weight.reshape(weight.shape + (1,) * (rows.ndim - 1)) if weight.ndim else weight
    return np.multiply(rows, per_row, out=np.zeros_like(rows), where=per_row > 0.0)


def ask(
    y: ArrayLike,
    prediction: Any,
    loss: str | losses.Loss,
    *,
    kind: str | None = None,
    axis: int = -1,
    weights: ArrayLike | None = None,
    class_weights: ArrayLike | None = None,
    where: ArrayLike | None = None,
    ignore_index: int | None = None,
    base: Base = None,
    reduction: Reduction = "mean",
    **parameters: Any,
) -> Question:
    """Check the arguments, which are those of `loss`, and lay them out as rows."""
    asked = _with_parameters(losses.get(loss) if isinstance(loss, str) else loss, parameters)
    kind = asked.kinds[0] if kind is None else kind
    check_kind(asked, kind)
    _check_base(asked, base)
    rows, layout = _rows(prediction, asked, kind, axis)
    labels = _labels(y, asked, layout)
    weight = checked_weights(weights, layout.shape, reduction, where)
    counted = _counted(labels, asked, layout, where, ignore_index)
    if counted is not None and weight is not None:
        weight = weight[counted]
    question = Question(asked, kind, labels, rows, layout, counted, weight, base, reduction)
    if reduction == "mean" and not question.rows:
        raise DataError("no-rows", "there are no rows to take the mean of", cure="give at least one row")
    if class_weights is None:
        return question
    with original_rows(counted):
        of_class = _class_weights(class_weights, asked, question.labels, rows)
    return replace(question, weights=of_class if weight is None else weight * of_class)


@contextmanager
def original_rows(counted: Mask | None) -> Iterator[None]:
    """Let errors about rows that count name them by their number among all rows."""
    try:
        yield
    except DataError as error:
        if error.row is not None and counted is not None:
            error.row = int(np.flatnonzero(counted)[error.row])
            error.args = (error.text(),)
        raise


def _with_parameters(loss: losses.Loss, parameters: dict[str, Any]) -> losses.Loss:
    known = [f.name for f in fields(loss)]
    for name in parameters:
        if name not in known:
            raise UsageError(
                "bad-option",
                f"{loss.title} has no parameter {name!r}",
                cure=f"its parameters are: {', '.join(known) or 'none'}",
            )
    hashable = {k: tuple(np.ravel(v).tolist()) if _is_array(v) else v for k, v in parameters.items()}
    return replace(loss, **hashable) if parameters else loss


def _is_array(value: object) -> bool:
    return isinstance(value, list | np.ndarray)


def _check_base(loss: losses.Loss, base: Base) -> None:
    if base is not None and loss.unit != "nats":
        raise UsageError(
            "bad-option",
            f"{loss.title} is no logarithm: base {base!r} has no meaning",
            cure="leave it out",
        )


def _rows(prediction: Any, loss: losses.Loss, kind: str, axis: int) -> tuple[Numbers, Layout]:
    columns = None
    if isinstance(prediction, tuple) and dimensions(kind) == 2:
        columns = len(prediction)
        parts = [numbers(part, "the prediction") for part in prediction]
        if kind == "mixture":
            array = np.concatenate(parts, axis=-1)
        else:
            array = np.stack(np.broadcast_arrays(*parts), axis=-1)
        axis = -1
    else:
        stored = _stored(prediction) if kind == "logits" and kind in loss.as_stored else None
        array = numbers(prediction, "the prediction") if stored is None else stored
    dtype = np.dtype(np.float32) if array.dtype.itemsize == 2 else array.dtype
    if dimensions(kind) == 1:
        return array.reshape(-1), Layout(array.shape, -1, False, dtype, None)
    check_axis(array, axis, "the prediction")
    last = array if array.ndim == 1 else np.moveaxis(array, axis, -1)
    rows = last.reshape(math.prod(last.shape[:-1]), last.shape[-1])
    return rows, Layout(last.shape[:-1], axis, True, dtype, columns)


def _stored(prediction: Any) -> Numbers | None:
    """An array of half precision as it is, which `numbers` would widen."""
    halves = type(prediction) is np.ndarray and prediction.dtype in (BFLOAT16, np.float16)
    return prediction if halves else None


def _labels(y: ArrayLike, loss: losses.Loss, layout: Layout) -> Target:
    labels = class_codes(y) if loss.target in CODES else real_labels(y, loss.target)
    if TARGETS[loss.target] == 2:
        if labels.ndim:
            labels = np.moveaxis(labels, layout.axis if layout.axis < labels.ndim else -1, -1)
        shape, width = labels.shape[:-1], labels.shape[-1:]
    else:
        shape, width = labels.shape, ()
    if shape != layout.shape:
        raise DataError(
            "shape-mismatch",
            f"labels {np.shape(y)} do not belong to {layout.shape} rows of predictions",
            cure=f"give {'one label a row' if not width else 'one number for each class of a row'}",
        )
    return labels.reshape(math.prod(shape), *width)


def _counted(
    labels: Target, loss: losses.Loss, layout: Layout, where: ArrayLike | None, ignore_index: int | None
) -> Mask | None:
    mask = mask_of(where, layout.shape)
    if ignore_index is None:
        return mask
    if loss.target not in CODES:
        raise UsageError(
            "bad-option", f"{loss.title} has no class to ignore", cure="leave rows out with where"
        )
    kept: Mask = labels != ignore_index
    return kept if mask is None else mask & kept


def _class_weights(class_weights: ArrayLike, loss: losses.Loss, labels: Target, rows: Numbers) -> Floats:
    if loss.target not in CODES:
        raise UsageError("bad-option", f"{loss.title} has no classes to weigh", cure="give weights a row")
    table = numbers(class_weights, "class_weights").astype(np.float64)
    if rows.ndim == 2 and table.shape != rows.shape[1:]:
        raise DataError(
            "shape-mismatch",
            f"{table.shape} class weights for {rows.shape[1]} classes",
            cure="give one weight a class, in the order of the columns",
        )
    if not (np.isfinite(table).all() and (table >= 0.0).all() and table.any()):
        raise DataError(
            "bad-weight",
            "a class weight must be a finite number that is not negative, and one must be above 0",
            cure="give a class that should not count the weight 0",
        )
    bad = (labels < 0) | (labels >= table.size)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise DataError(
            "label-out-of-range",
            f"the label is not one of the {table.size} classes 0..{table.size - 1}",
            row=row,
            value=int(labels[row]),
            cure="give class_weights for every class, and leave rows out with ignore_index or where",
        )
    return np.asarray(table[labels])
