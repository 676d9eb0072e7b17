"""Arrays of float64 cut into slices of whole numbers, whose sums in float64 have no error."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossent.kernels.choice import choice

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SUM_UNIT = 1074
"""Sums are integers in units of 2**-SUM_UNIT."""
PRODUCT_UNIT = 2 * SUM_UNIT
"""Sums of products are integers in units of 2**-PRODUCT_UNIT."""

_EXACT_BITS = 53

Slices = list[tuple[int, Floats]]
"""An array as Σ h·2^g: pairs (g, h) of an exponent and an array of whole numbers."""


def core() -> Any:
    """The compiled core, None where NumPy computes."""
    return choice().native


def cut(x: Floats, bits: int, grid: int | None = None) -> Slices:
    """Slices (g, h) with x = Σ h·2^g exactly, h integers with |h| ≤ 2**bits, each g a multiple of `grid`.

    The multiples are counted from 0, not from the array's maximum, so that slices of different arrays add up
    in the same limbs; `grid` is `bits` (at most 51) unless given. Raises ValueError on inf and nan.
    """
    grid = grid or bits
    # every float64 is a multiple of 2**-1074: the slice at this exponent leaves nothing
    lowest = -SUM_UNIT // grid * grid
    slices: Slices = []
    rest = x
    while True:
        top = _magnitude(rest)
        if top == 0.0:
            return slices
        if not math.isfinite(top):
            raise not_finite()
        g = max(lowest, -((bits - math.frexp(top)[1]) // grid) * grid)
        if g + 53 > 1023:
            rest = _cut_huge(rest, bits, grid, slices)
            continue
        if g == lowest:
            slices.append((g, np.ldexp(rest, -g)))
            return slices
        magic = math.ldexp(1.5, g + 52)
        h = rest + magic
        h -= magic
        rest = np.subtract(rest, h, out=None if rest is x else rest)
        slices.append((g, np.multiply(h, math.ldexp(1.0, -g), out=h) if g > -1000 else np.ldexp(h, -g)))


def cut_for_sums(x: Floats) -> Slices:
    """Slices of as many bits as the sum of the whole array, or of any part of it, has room for.

    A loss column of 2**15 rows gives 2 or 3 slices, where the grid of 32 bits gives 3 or 4.
    """
    return cut(x, _EXACT_BITS - max(x.size - 1, 3).bit_length(), 1)


def not_finite() -> ValueError:
    return ValueError("only finite numbers have an exact sum")


def cut_for_tables(x: Floats) -> Floats | Slices:
    """Values that several tables take: cut once, or as they are where the core cuts faster than it reads."""
    return cut_for_sums(x) if core() is None else x


def _magnitude(x: Floats) -> float:
    if x.size == 0:
        return 0.0
    return max(float(np.maximum.reduce(x)), -float(np.minimum.reduce(x)))


def _cut_huge(x: Floats, bits: int, grid: int, slices: Slices) -> Floats:
    """Slices of the entries too large for the rounding constant, scaled down; returns the others."""
    shift = grid * (400 // grid)
    huge = np.abs(x) >= 2.0**700
    scaled = np.where(huge, np.ldexp(x, -shift), 0.0)
    slices.extend((g + shift, h) for g, h in cut(scaled, bits, grid))
    return np.where(huge, 0.0, x)
