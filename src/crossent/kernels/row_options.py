"""What a row loss may be told besides labels and logits: checked, and put into factors and targets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossent.errors import UsageError
from crossent.kernels.narrow import BFLOAT16

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True)
class RowOptions:
    """Each row's label, its factor, and the target that smoothing and class weights make of the label.

    The target of a smoothed row is `share` for each class, one number or (K,), and `extra` more for the
    label, (1,) for all rows or (N,); without smoothing both are None and class weights are part of the
    factor.
    """

    labels: Codes
    factor: Floats | None
    """(N,) of the row's loss and gradient; a row with 0 has loss and gradient 0, whatever its logits."""
    share: Floats | None = None
    extra: Floats | None = None

    @classmethod
    def of(
        cls,
        labels: Codes,
        classes: int,
        smoothing: float,
        class_weights: ArrayLike | None,
        ignore_index: int | None,
        scale: ArrayLike | None,
    ) -> RowOptions:
        """Errors: `UsageError` (bad-option); labels out of range are left to the kernels."""
        require(0.0 <= smoothing <= 1.0, "smoothing", smoothing, "a number from 0 to 1")
        codes = whole(labels)
        factor = None if scale is None else row_factors(scale, len(codes))
        if ignore_index is not None:
            ignored = codes == ignore_index
            codes = np.where(ignored, 0, codes)
            factor = np.where(ignored, 0.0, 1.0 if factor is None else factor)
        weights = None if class_weights is None else weights_of(class_weights, classes)
        if weights is None:
            if smoothing == 0.0:
                return cls(codes, factor)
            share = np.array(smoothing / max(classes, 1))
            return cls(codes, factor, share, np.array([1.0 - smoothing]))
        # a label out of range has any weight here: the kernels refuse it
        own = weights.take(codes, mode="clip") if classes else np.ones(len(codes))
        if smoothing == 0.0:
            return cls(codes, own if factor is None else factor * own)
        return cls(codes, factor, weights * (smoothing / classes), own * (1.0 - smoothing))


def require(holds: bool, name: str, value: object, what: str) -> None:
    if not holds:
        raise UsageError("bad-option", f"{name} is {value!r}", cure=f"give {what}")


def whole(labels: Codes) -> Codes:
    """The labels as contiguous int64. Raises TypeError for labels that are no integers."""
    return np.ascontiguousarray(np.asarray(labels).astype(np.int64, casting="same_kind", copy=False))


def row_factors(scale: ArrayLike, rows: int) -> Floats:
    """(N,) float64 from a number or one a row."""
    factor = np.asarray(scale, np.float64)
    require(
        factor.shape in ((), (rows,)), "scale", factor.shape, f"a number, or an array of the shape ({rows},)"
    )
    return np.ascontiguousarray(np.broadcast_to(factor, (rows,)))


def weights_of(class_weights: ArrayLike, classes: int) -> Floats:
    weights = np.asarray(class_weights, np.float64)
    require(
        weights.shape == (classes,),
        "class_weights",
        weights.shape,
        f"one weight for each of the {classes} classes",
    )
    require(
        bool(((weights >= 0.0) & (weights < np.inf)).all()),
        "class_weights",
        weights,
        "finite weights of 0 or more",
    )
    return weights


def check_temperature(temperature: float) -> None:
    require(0.0 < temperature < np.inf, "temperature", temperature, "a finite number above 0")


def room_for(z: NDArray[np.floating], out: NDArray[np.floating] | None) -> NDArray[np.floating]:
    """Where the gradient goes: `out`, which may be z itself, or a new array."""
    floating = z.dtype.kind == "f" or z.dtype == BFLOAT16
    require(floating, "logits", (z.shape, z.dtype.name), "floating-point numbers, as the gradient is")
    if out is None:
        return np.empty(z.shape, z.dtype.newbyteorder("="))
    same = out.shape == z.shape and out.dtype == z.dtype
    require(
        same,
        "out",
        (out.shape, out.dtype.name),
        f"an array of the shape {z.shape} and the type {z.dtype.name}",
    )
    require(out.flags.writeable, "out", "read-only", "an array that may be written to")
    return out


def scaled(
    loss: Floats, gradient: NDArray[np.floating], factor: Floats | None, scale_losses: bool = True
) -> Floats:
    """Losses times their factors; rows that count nothing are 0, also where a loss is infinite or nan."""
    if factor is None:
        return loss
    nothing = factor == 0.0
    if nothing.any():
        gradient[nothing] = 0.0
    if not scale_losses:
        return loss
    with np.errstate(invalid="ignore"):
        loss *= factor
    loss[nothing] = 0.0
    return loss
