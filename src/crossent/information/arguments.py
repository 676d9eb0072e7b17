"""What the functions of this package have in common: arguments checked once, rows reduced once."""

from __future__ import annotations

import inspect
import math
import warnings
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossent import kernels
from crossent.errors import DataError, UsageError
from crossent.exact import exact_mean, exact_sum, to_float
from crossent.kernels.narrow import widened

Floats = NDArray[np.float64]
Numbers = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]
Base = float | str | None
Reduction = Literal["mean", "sum", "none"]

TOLERANCE = 1e-3
"""How far outside [0, 1] an entry may lie before it is refused; within it is used as it is."""


def numbers(values: ArrayLike, name: str) -> Numbers:
    """The values as float32 where they are that or half precision, else as float64.

    Masked and complex entries, whose value or imaginary part NumPy would drop, are no numbers either.
    """
    try:
        array = widened(np.asarray(values))
        if np.iscomplexobj(array) or np.ma.is_masked(values):
            raise TypeError
        if array.dtype.kind not in "biuf":
            array = array.astype(np.float64)
    except (TypeError, ValueError):
        raise DataError(
            "not-a-number",
            f"{name} holds something that is not a number",
            cure="give an array of numbers, in rows of one length",
        ) from None
    narrow = array.dtype in (np.float16, np.float32)
    return array.astype(np.float32 if narrow else np.float64, copy=False)


def check_axis(values: Numbers, axis: int, name: str) -> None:
    """Raise `UsageError` (bad-option) unless the array has this axis."""
    if not -values.ndim <= axis < values.ndim:
        raise UsageError(
            "bad-option", f"axis is {axis}, {name} has {values.ndim} dimensions", cure="use an axis it has"
        )


def mask_of(where: ArrayLike | None, shape: tuple[int, ...]) -> Mask | None:
    """Which rows count, as (N,) bools; None for all."""
    if where is None:
        return None
    mask = np.asarray(where)
    if mask.dtype != np.bool_:
        raise UsageError("bad-option", f"where holds {mask.dtype}", cure="give True for each row that counts")
    if mask.shape != shape:
        raise DataError(
            "shape-mismatch",
            f"where {mask.shape} does not belong to rows {shape}",
            cure="give one bool a row",
        )
    if not mask.any():
        raise DataError("no-rows", "where leaves no row", cure="let at least one row count")
    return mask.reshape(-1)


def masked(rows: Numbers, mask: Mask | None) -> Numbers:
    """The rows, with (1, 0, …, 0) in place of those that do not count: every measure of it is 0."""
    if mask is None:
        return rows
    stand_in = np.zeros((1, *rows.shape[1:]), rows.dtype)
    stand_in[..., :1] = 1.0
    return np.where(mask.reshape(-1, *[1] * (rows.ndim - 1)), rows, stand_in)


def counted(per_row: NDArray[Any], mask: Mask | None) -> NDArray[Any]:
    """The values a row, 0 for rows that do not count."""
    return per_row if mask is None else np.where(mask, per_row, 0)


def distributions(
    values: ArrayLike, axis: int, name: str, where: ArrayLike | None
) -> tuple[Numbers, tuple[int, ...]]:
    """Checked rows, and the shape of the values without the axis of the classes."""
    rows, shape = _rows(values, axis, name, where)
    check_range(rows, name)
    check_sums(rows, name)
    return rows, shape


def masses(
    values: ArrayLike, axis: int, name: str, where: ArrayLike | None
) -> tuple[Numbers, tuple[int, ...]]:
    """Rows of finite numbers ≥ 0, whatever their sum, and the shape of the values without `axis`."""
    rows, shape = _rows(values, axis, name, where)
    good = (rows >= 0.0) & (rows < math.inf)
    if not good.all():
        raise DataError(
            "not-a-mass",
            f"an entry of {name} is negative, infinite or not a number",
            row=int(np.flatnonzero(~good.all(axis=1))[0]),
            value=float(rows[~good][0]),
            cure="give finite numbers that are 0 or more",
        )
    return rows, shape


def _rows(
    values: ArrayLike, axis: int, name: str, where: ArrayLike | None
) -> tuple[Numbers, tuple[int, ...]]:
    """The rows along `axis`, stand-ins for those that do not count, and the shape without `axis`."""
    array = numbers(values, name)
    check_axis(array, axis, name)
    last = np.moveaxis(array, axis, -1)
    if last.size == 0:
        raise DataError("no-rows", f"{name} of shape {array.shape} is empty", cure="give at least one row")
    rows, shape = np.ascontiguousarray(last).reshape(-1, last.shape[-1]), last.shape[:-1]
    return masked(rows, mask_of(where, shape)), shape


def same_shape(left: str, shape: tuple[int, ...], right: str, other: tuple[int, ...]) -> None:
    """Raise unless two arrays have one shape."""
    if shape != other:
        raise DataError(
            "shape-mismatch",
            f"{left} {shape} and {right} {other} do not belong together",
            cure="give both the same shape (class indices are integers, one a row)",
        )


def check_range(rows: Numbers, name: str) -> None:
    """Raise for nan and for entries outside [0, 1] by more than the tolerance; warn of negative ones."""
    low, high = float(rows.min()), float(rows.max())
    if not (low >= -TOLERANCE and high <= 1.0 + TOLERANCE):
        bad = ~((rows >= -TOLERANCE) & (rows <= 1.0 + TOLERANCE))
        row = int(np.flatnonzero(bad.reshape(len(rows), -1).any(axis=1))[0])
        value = float(rows[bad][0])
        if math.isnan(value):
            raise DataError(
                "nan-prediction", f"{name} is not a number", row=row, value=value, cure="nothing is filled in"
            )
        raise DataError(
            "not-a-probability",
            f"an entry of {name} does not lie between 0 and 1",
            row=row,
            value=value,
            cure="logits go through softmax first, counts are divided by their sum",
        )
    if low < 0.0:
        count = int(np.count_nonzero(rows < 0.0))
        _warn(f"{count} entries of {name} are negative (the lowest is {low:.3g}) and count as probability 0")


def check_sums(rows: Numbers, name: str) -> None:
    """Warn where rows do not sum to one within the square root of the precision they came in."""
    total, _, _ = kernels.row_sum_and_extremes(rows)
    distance = np.abs(total - 1.0)
    far = distance > math.sqrt(np.finfo(rows.dtype).eps)
    if far.any():
        worst = int(distance.argmax())
        _warn(
            f"{np.count_nonzero(far)} of {len(rows)} rows of {name} do not sum to one "
            f"(row {worst} sums to {total[worst]:.10g}); they are used as they are"
        )


def _warn(text: str) -> None:
    """Warn where the public function was called, however many functions of ours lie between."""
    level, frame = 1, inspect.currentframe()
    while frame is not None and frame.f_globals["__name__"].startswith("crossent."):
        level, frame = level + 1, frame.f_back
    warnings.warn(text, UserWarning, stacklevel=level)


def floored(rows: Numbers, floor: float | None) -> Numbers:
    """The entries clipped to [floor, 1 − floor] in float64; untouched without a floor."""
    if floor is None:
        return rows
    if not 0.0 < floor < 0.5:
        raise UsageError("bad-option", f"floor is {floor}", cure="use a number between 0 and 0.5")
    return np.clip(rows.astype(np.float64), floor, 1.0 - floor)


def nats_per_unit(base: Base) -> float:
    """ln(base): 1 for nats, ln 2 for bits."""
    if base is None or base == "nats":
        return 1.0
    value = 2.0 if base == "bits" else base
    if isinstance(value, str) or not 0.0 < value < math.inf or value == 1.0:
        raise UsageError(
            "bad-option", f"base is {base!r}", cure='use "nats", "bits" or a positive number other than 1'
        )
    return math.log(value)


def checked_weights(
    weights: ArrayLike | None, shape: tuple[int, ...], reduction: Reduction, where: ArrayLike | None = None
) -> Floats | None:
    """The weights as (N,) float64: finite, not negative, not all zero; 0 for rows that do not count."""
    if reduction not in ("mean", "sum", "none"):
        raise UsageError("bad-option", f"reduction is {reduction!r}", cure='use "mean", "sum" or "none"')
    mask = mask_of(where, shape)
    if weights is None:
        return None if mask is None or reduction == "none" else mask.astype(np.float64)
    if reduction == "none":
        raise UsageError(
            "bad-option",
            "weights are given and nothing is reduced",
            cure='multiply the rows yourself, or use reduction="mean" or "sum"',
        )
    w = numbers(weights, "weights").astype(np.float64)
    if w.shape != shape:
        raise DataError(
            "shape-mismatch", f"weights {w.shape} do not belong to rows {shape}", cure="give one weight a row"
        )
    w = w.reshape(-1) if mask is None else np.where(mask, w.reshape(-1), 0.0)
    bad = np.flatnonzero(~(np.isfinite(w) & (w >= 0.0)))
    if bad.size:
        raise DataError(
            "bad-weight",
            "a weight must be a finite number that is not negative",
            row=int(bad[0]),
            value=float(w[bad[0]]),
            cure="give the row the weight 0 to leave it out",
        )
    if not w.any():
        raise DataError("no-weight", "all weights are 0", cure="give at least one row a positive weight")
    return w


def reduced(
    per_row: Floats, shape: tuple[int, ...], weights: Floats | None, base: Base, reduction: Reduction
) -> Any:
    """Exact mean or sum as a float (also of a single distribution), or the rows in their own shape."""
    unit = nats_per_unit(base)
    if reduction == "none":
        return per_row.reshape(shape) / unit if shape else float(per_row[0]) / unit
    if reduction == "mean":
        return exact_mean(per_row, weights) / unit
    if weights is not None:
        per_row = np.multiply(per_row, weights, out=np.zeros_like(per_row), where=weights > 0.0)
    if not np.isfinite(per_row).all():
        return float(per_row.sum()) / unit
    return to_float(exact_sum(per_row)) / unit
