"""How arrays lie in memory, and how the compiled core is given them: in place where it can read them so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossent.kernels.choice import precise, threads
from crossent.kernels.narrow import BFLOAT16, bits, widened

FEW_NUMBERS = 1 << 16
"""Up to here one thread is done before another has started (some 20 µs)."""
COPIED = 1 << 18
"""Numbers that are copied at a time where their layout is not the core's: 1 or 2 MiB."""


def threads_for(x: NDArray[Any]) -> int:
    """Threads worth starting for these numbers."""
    return 1 if x.size <= FEW_NUMBERS else threads()


def fits(x: NDArray[Any]) -> bool:
    """Whether the core can read the matrix where it lies: the entries of a row next to each other."""
    size = x.dtype.itemsize
    return bool(
        x.dtype.isnative
        and x.flags.aligned
        and x.strides[0] % size == 0
        and (x.shape[1] <= 1 or x.strides[1] == size)
    )


def to_widen(x: NDArray[Any]) -> bool:
    """Whether what is computed with is a float64 copy: see `using`."""
    return precise() and x.dtype.itemsize < 8


def parts(x: NDArray[Any], dtype: Any = None) -> Iterator[tuple[slice, NDArray[Any]]]:
    """All rows as the core reads them, or as many at a time as are worth copying."""
    as_it_is = fits(x) and dtype in (None, x.dtype)
    step = max(1, len(x) if as_it_is else COPIED // max(x.shape[1], 1))
    for start in range(0, len(x), step):
        rows = slice(start, start + step)
        yield rows, laid_out(x[rows], dtype)


def read(z: NDArray[Any]) -> Iterator[tuple[slice, NDArray[Any]]]:
    """The same, in float64 where that is asked for."""
    return parts(z, np.float64 if to_widen(z) else None)


def laid_out(x: NDArray[Any], dtype: Any = None) -> NDArray[Any]:
    """The matrix as the core reads it, copied where it is not that already."""
    if x.dtype == BFLOAT16:
        if dtype is None:
            return bits(x if fits(x) else np.ascontiguousarray(x))
        x = widened(x)
    if x.dtype.kind != "f":
        dtype = np.float64
    wanted = x.dtype.newbyteorder("=") if dtype is None else np.dtype(dtype)
    if x.dtype == wanted and fits(x):
        return x
    return np.array(x, dtype=wanted, order="C", copy=True)
