"""What the functions of this package have in common: arguments checked once, rows reduced once."""

from __future__ import annotations

import math
import warnings
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossent import kernels
from crossent.errors import DataError, UsageError
from crossent.exact import exact_mean, exact_sum, to_float

Floats = NDArray[np.float64]
Numbers = NDArray[np.floating[Any]]
Base = float | str | None
Reduction = Literal["mean", "sum", "none"]

TOLERANCE = 1e-3
"""How far outside [0, 1] an entry may lie before it is refused; within it is used as it is."""


def numbers(values: ArrayLike, name: str) -> Numbers:
    """The values as float32 where they are that or half precision, else as float64.

    Masked and complex entries, whose value or imaginary part NumPy would drop, are no numbers either.
    """
    try:
        array = np.asarray(values)
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


def rows_of(values: Numbers, axis: int, name: str) -> Numbers:
    """The distributions along `axis` as the rows of a matrix."""
    if not -values.ndim <= axis < values.ndim:
        raise UsageError(
            "bad-option", f"axis is {axis}, {name} has {values.ndim} dimensions", cure="use an axis it has"
        )
    last = np.moveaxis(values, axis, -1)
    if last.size == 0:
        raise DataError("no-rows", f"{name} of shape {values.shape} is empty", cure="give at least one row")
    return np.ascontiguousarray(last).reshape(-1, last.shape[-1])


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
    # 5: past the check, the helper of the public function and that function, to whoever called it
    warnings.warn(text, UserWarning, stacklevel=5)


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


def checked_weights(weights: ArrayLike | None, shape: tuple[int, ...], reduction: Reduction) -> Floats | None:
    """The weights as (N,) float64: finite, not negative, not all zero."""
    if reduction not in ("mean", "sum", "none"):
        raise UsageError("bad-option", f"reduction is {reduction!r}", cure='use "mean", "sum" or "none"')
    if weights is None:
        return None
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
    w = w.reshape(-1)
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
