"""Log loss of predictions whose outcome is a label of any type."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossent import kernels
from crossent._arrays import same_kind
from crossent.errors import DataError, UsageError
from crossent.information.arguments import (
    TOLERANCE,
    Base,
    Mask,
    Numbers,
    Reduction,
    check_range,
    check_sums,
    checked_weights,
    counted,
    floored,
    mask_of,
    masked,
    nats_per_unit,
    numbers,
    reduced,
)

Codes = NDArray[np.int64]
T = TypeVar("T")
Labels = Sequence[Hashable] | ArrayLike


@same_kind
def log_loss(
    y: Labels,
    p: ArrayLike,
    *,
    classes: Labels | None = None,
    weights: ArrayLike | None = None,
    where: ArrayLike | None = None,
    floor: float | None = None,
    base: Base = None,
    reduction: Reduction = "mean",
) -> Any:
    """Log loss of labelled predictions: the mean of −log p(what happened), in nats; from 0 to ∞.

    Parameters
    ----------
    y : (N,) labels: any hashable values named in `classes`; without it integers 0..K−1, or bools.
    p : (N, K) probabilities, or (N,): the probability of the second class (`classes[1]`, 1 or True).
    classes : K names, of the columns of `p` in their order. Labels are matched to columns by name, never by
        sorting them.
    weights : one non-negative weight a row; a row of weight 0 does not count, whatever its loss.
    where : one bool a row; rows with False (padding …) are not looked at and do not count.
    floor : clips `p` to [floor, 1 − floor] in float64 first; nothing is clipped without it.
    base : None or "nats" for natural logarithms, "bits" or 2 for bits, or any other base.
    reduction : "mean" over the rows (summed to the last digits, in whatever order), "sum", or
        "none": (N,) losses, 0 for rows that do not count.

    Returns a float, or with reduction="none" an array (N,). A label of probability 0 makes it `inf`.

    Raises `UsageError` (classes-needed, bad-option) and `DataError` (unknown-label, label-out-of-range,
    shape-mismatch, nan-prediction, not-a-probability, not-a-number, no-rows, bad-weight, no-weight). Entries
    may leave [0, 1] by up to 1e-3; negative ones count as 0 and rows that do not sum to one are used as they
    are, both with a `UserWarning` that says how far.

    >>> p = [[0.1, 0.9], [0.8, 0.2]]
    >>> round(log_loss(["ham", "spam"], p, classes=["spam", "ham"]), 12)
    0.164252033486
    >>> round(log_loss([True, False], [0.9, 0.2]), 12)
    0.164252033486
    >>> log_loss([1, 0], [0.0, 0.2])
    inf

    Source: I. J. Good, Rational decisions, JRSS B 14 (1952) 107–114,
    doi:10.1111/j.2517-6161.1952.tb00104.x.
    """
    array = numbers(p, "p")
    if array.ndim not in (1, 2):
        raise DataError("shape-mismatch", f"p has {array.ndim} dimensions", cure="give p as (N, K) or (N,)")
    if array.size == 0:
        raise DataError("no-rows", f"p of shape {array.shape} is empty", cure="give at least one row")
    w = checked_weights(weights, array.shape[:1], reduction, where)
    mask = mask_of(where, array.shape[:1])
    columns = 2 if array.ndim == 1 else array.shape[1]
    codes = _integers(y) if classes is None else _codes(y, _names(classes, columns), mask)
    if codes.shape != array.shape[:1]:
        raise DataError(
            "shape-mismatch", f"{codes.shape} labels and p {array.shape}", cure="give one label a row of p"
        )
    if weights is None and floor is None and reduction != "none":
        total, rows = _sum(codes, array, mask)
        return total / (rows if reduction == "mean" else 1) / nats_per_unit(base)
    losses = _losses(counted(codes, mask), masked(array, mask), floor)
    return reduced(counted(losses, mask), codes.shape, w, base, reduction)


def _sum(codes: Codes, p: Numbers, mask: Mask | None) -> tuple[float, int]:
    """Σ loss, and the number of rows that count; the others become labels of probability 1."""
    if mask is None:
        return _checked(kernels.checked_log_loss_sum, codes, p), len(codes)
    certain = 1 if p.ndim == 1 else 0
    codes = np.where(mask, codes, certain)
    return _checked(kernels.checked_log_loss_sum, codes, masked(p, mask)), int(np.count_nonzero(mask))


def _losses(codes: Codes, p: Numbers, floor: float | None) -> NDArray[np.float64]:
    if p.ndim == 2 and floor is None:
        return _checked(kernels.checked_log_losses, codes, p)
    _check(p)
    if p.ndim == 1:
        kernels.check_labels(codes, 2)
        return kernels.binary_log_loss(codes == 1, floored(p, floor))
    return kernels.log_loss_from_probs(codes, floored(p, floor))


def _checked(compute: Callable[[Codes, Any], tuple[T, kernels.Quality]], codes: Codes, p: Numbers) -> T:
    """What a kernel computes while it checks; what it finds amiss is looked for again and said in words."""
    try:
        value, found = compute(codes, p)
    except DataError:
        _check(p)
        raise
    if not found.within(TOLERANCE, math.sqrt(np.finfo(p.dtype).eps)):
        _check(p)
    return value


def _check(p: Numbers) -> None:
    check_range(p, "p")
    if p.ndim == 2:
        check_sums(p, "p")


def _integers(y: Labels) -> Codes:
    labels = np.asarray(y)
    if labels.dtype.kind not in "biu":
        raise UsageError(
            "classes-needed",
            f"labels of type {labels.dtype} do not say which column of p is theirs",
            cure="name the columns: classes=[...] in the order of p (or give integers 0..K−1)",
        )
    return labels.astype(np.int64, copy=False)


def _values(labels: Labels, name: str) -> list[Hashable]:
    """Plain Python values: a NumPy string equals a str, but a list must not be made one type."""
    if isinstance(labels, list | tuple):
        return [v.item() if isinstance(v, np.generic) else v for v in labels]
    array = np.asarray(labels)
    # a set, which has no order, arrives here as a single value
    if array.ndim != 1:
        raise _not_single_values(name)
    return cast(list[Hashable], array.tolist())


def _not_single_values(name: str) -> DataError:
    return DataError(
        "shape-mismatch",
        f"{name} is not a sequence of single values",
        cure="give a list or an array of one dimension",
    )


def _names(classes: Labels, columns: int) -> dict[Hashable, int]:
    values = _values(classes, "classes")
    try:
        names = {value: k for k, value in enumerate(values)}
    except TypeError:
        raise _not_single_values("classes") from None
    if len(names) != len(values) or len(values) != columns:
        raise UsageError(
            "bad-option",
            f"{len(values)} classes ({len(names)} different) are named for {columns} columns",
            cure="name each column of p once, in order",
        )
    return names


def _codes(y: Labels, names: dict[Hashable, int], mask: Mask | None) -> Codes:
    values = _values(y, "y")
    every = [True] * len(values)
    looked_at = every if mask is None or mask.size != len(values) else mask.tolist()
    try:
        codes = [names.get(v, -1) if look else 0 for v, look in zip(values, looked_at, strict=True)]
    except TypeError:
        raise _not_single_values("y") from None
    if -1 in codes:
        row = codes.index(-1)
        shown = ", ".join(repr(name) for name in list(names)[:10]) + (", …" if len(names) > 10 else "")
        raise DataError(
            "unknown-label",
            f"no class has the name of this label; the classes are {shown}",
            row=row,
            value=repr(values[row]),
            cure="name the class in classes, with the type the labels have",
        )
    return np.array(codes, dtype=np.int64)
