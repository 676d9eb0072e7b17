"""Blocks of logits, for losses whose logits are never there as a whole: some columns of the V classes.

`block_statistics` is called with every block, in order; from what it has gathered the caller forms the losses
and log Σ exp z of the rows, with which `block_gradient` is called for every block again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossent.errors import UsageError
from crossent.kernels import reference_blocks
from crossent.kernels.choice import choice
from crossent.kernels.layout import fits, threads_for
from crossent.kernels.narrow import BFLOAT16, bits
from crossent.kernels.reference_blocks import UNIT, Codes, Floats, Logits


def block_statistics(
    z: Logits,
    labels: Codes,
    top: Floats,
    others: Floats,
    own: Floats,
    *,
    first: int,
    weights: Floats | None = None,
    sum_z: Floats | None = None,
    sum_ez: Floats | None = None,
    best: Floats | None = None,
    best_at: Codes | None = None,
    threads: int | None = None,
) -> None:
    """Add a block z (R, B) to the running statistics of its rows, which are written in place.

    labels : (R,) int64 classes, −1 for rows without one.
    top, others : m = max_{j≠label} z_j and Σ_{j≠label} exp(z_j − m), from −inf and 0; `others` is nan for
        rows that hold nan or +inf, and so are both sums below.
    own : z of the label, from nan.
    first : class of the first column, a multiple of 1024, as columns are summed in units of that many:
        results are the same to the bit however classes are cut into blocks.
    weights : (V,) of `sum_z` = Σ_j v_j z_j over all columns, from 0; ones by default, and 0·(−inf) = 0.
    sum_ez : Σ_{j≠label} exp(z_j − m)·(z_j − m), from 0.
    best, best_at : the largest z, the label's too, and its class, the lowest of equal ones; from −inf and −1.
    threads : at most so many; all that a call may use by default.

    Exponentials are within 1e-7 of themselves. Errors: `UsageError` (bad-option) for arrays that do not fit.

    >>> top, others, own = np.full(1, -np.inf), np.zeros(1), np.full(1, np.nan)
    >>> block_statistics(np.array([[3.0, 1.0, 2.0]], np.float32), np.array([2]), top, others, own, first=0)
    >>> print(top, others.round(4), own)
    [3.] [1.1353] [2.]
    """
    classes = _check_block(z, labels, first)
    numbers = {"top": top, "others": others, "own": own, "sum_z": sum_z, "sum_ez": sum_ez, "best": best}
    for name, array in numbers.items():
        _check_numbers(name, array, len(z))
    _check_numbers("weights", weights, classes, at_least=True)
    _check((best is None) == (best_at is None), "best_at", best_at, "best and best_at, or neither")
    if best_at is not None:
        _check(_lies(best_at, np.int64) and best_at.shape == (len(z),), "best_at", best_at, "one int64 a row")
    native = choice().native
    if native is None:
        reference_blocks.block_statistics(
            z, labels, top, others, own, first, weights, sum_z, sum_ez, best, best_at
        )
        return
    given = (*numbers.values(), weights)
    native.block_statistics(z, labels, given, best_at, first, threads or threads_for(z))


def block_gradient(
    z: Logits,
    labels: Codes,
    lse: Floats,
    scale: Floats,
    entry: Floats,
    out: NDArray[Any],
    *,
    first: int,
    slope: Floats | None = None,
    shift: Floats | None = None,
    weights: Floats | None = None,
    cap: float = 0.0,
    threads: int | None = None,
) -> None:
    """Write exp(z − lse)·(scale + slope·(z − lse)) − shift·v, and `entry` at the label, to `out` (R, B).

    lse : (R,) log Σ exp z, no z being above it; with nan or an infinity the row's gradient is nan.
    scale, entry, slope, shift : (R,) one number a row; a row of which all are 0 is 0, whatever its logits.
    out : float32, float16, or bfloat16 as uint16 or `narrow.BFLOAT16`; rounded once. It may be z itself, or
        the first half of each of its rows.
    weights : v (V,) of all classes, ones by default.
    cap : above 0 everything, the label's entry too, is multiplied by 1 − (z/cap)², the derivative of soft
        capping cap·tanh(x/cap), from the capped logit z.
    first, threads : as in `block_statistics`.

    Terms are within 2e-7 of themselves, with `cap` 4e-7; those below exp(−86) are 0.
    Errors: `UsageError` (bad-option) for arrays that do not fit.

    >>> z, row = np.zeros((1, 4), np.float32), np.ones(1)
    >>> block_gradient(z, np.array([0]), np.log(4 * row), row, -0.75 * row, z, first=0)
    >>> z
    array([[-0.75,  0.25,  0.25,  0.25]], dtype=float32)
    """
    classes = _check_block(z, labels, first)
    numbers = {"lse": lse, "scale": scale, "entry": entry, "slope": slope, "shift": shift}
    for name, array in numbers.items():
        _check_numbers(name, array, len(z))
    _check_numbers("weights", weights, classes, at_least=True)
    _check(0.0 <= cap < np.inf, "cap", cap, "a finite number of 0 or more")
    given = bits(out) if out.dtype == BFLOAT16 else out
    kinds = (np.float32, np.float16, np.uint16)
    _check(
        given.shape == z.shape and given.dtype in kinds and _fits(given), "out", out, "rows like those of z"
    )
    _check(given.flags.writeable, "out", "read-only", "an array that may be written to")
    v = None if weights is None else weights[first:classes].astype(np.float32)
    native = choice().native
    if native is None:
        reference_blocks.block_gradient(z, labels, lse, scale, entry, given, first, slope, shift, v, cap)
        return
    native.block_gradient(
        z,
        labels,
        tuple(numbers.values()),
        given,
        None if v is None else v[None],
        cap,
        first,
        threads or threads_for(z),
    )


def _check_block(z: Logits, labels: Codes, first: int) -> int:
    """The number of classes up to the end of the block."""
    _check(z.ndim == 2 and z.dtype == np.float32 and _fits(z), "z", z, "rows of float32 logits")
    _check(_lies(labels, np.int64) and labels.shape == (len(z),), "labels", labels, "one int64 a row")
    _check(first >= 0 and first % UNIT == 0, "first", first, f"a multiple of {UNIT}")
    return first + int(z.shape[1])


def _check_numbers(name: str, x: Floats | None, count: int, at_least: bool = False) -> None:
    if x is not None:
        enough = x.ndim == 1 and (len(x) == count or (at_least and len(x) > count))
        _check(_lies(x, np.float64) and enough, name, x, f"{count} float64 numbers next to each other")


def _fits(x: NDArray[Any]) -> bool:
    return x.size == 0 or fits(x)


def _lies(x: NDArray[Any], dtype: Any) -> bool:
    return x.dtype == dtype and x.flags.c_contiguous and x.flags.aligned


def _check(holds: bool, name: str, value: object, what: str) -> None:
    if not holds:
        shown = (value.shape, value.dtype.name) if isinstance(value, np.ndarray) else value
        raise UsageError("bad-option", f"{name} is {shown!r}", cure=f"give {what}")
