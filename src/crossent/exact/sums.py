"""Sums, sums of products and means of whole arrays, without error."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np

from crossent.exact.slices import PRODUCT_UNIT, SUM_UNIT, Floats, Slices, core, cut, cut_for_sums, not_finite
from crossent.kernels import compiled_exact

# 2**36 times 2**17 rows fills the 53 bits of a float64.
_SUM_BLOCK = 1 << 17
# 2**20 squared times 2**13 rows fills them too; ddot stays on one thread up to 10,000 entries (OpenBLAS).
_GRAM_BITS, _GRAM_BLOCK = 20, 1 << 13
# Columns are cut for as many rows at once as make 16 MiB of slices, some 4 a column: fewer calls, which
# threads wait for each other in.
_GRAM_NUMBERS = 1 << 19


def exact_sum(x: Floats) -> int:
    """Σ x as an integer in units of 2**-1074.

    >>> to_float(exact_sum(np.array([1e16, 1.0, -1e16])))
    1.0
    """
    if core() is not None:
        found = compiled_exact.exact_sum(core(), x)
        if found is None:
            raise not_finite()
        return found >> (compiled_exact.UNIT - SUM_UNIT)
    total = 0
    for start in range(0, x.size, _SUM_BLOCK):
        for g, h in cut_for_sums(x[start : start + _SUM_BLOCK]):
            total += int(h.sum()) << (g + SUM_UNIT)
    return total


def exact_gram(columns: Sequence[Floats | None], pairs: Sequence[tuple[int, int]]) -> list[int]:
    """Σ_i columns[a]_i · columns[b]_i for each pair (a, b), as integers in units of 2**-2148.

    None stands for a column of ones.

    >>> columns = [None, np.array([3.0, 4.0])]
    >>> [to_float(k, PRODUCT_UNIT) for k in exact_gram(columns, [(0, 0), (0, 1), (1, 1)])]
    [2.0, 7.0, 25.0]
    """
    if core() is not None:
        found = compiled_exact.exact_gram(core(), columns, pairs)
        if found is None:
            raise not_finite()
        return [total >> (compiled_exact.UNIT - PRODUCT_UNIT) for total in found]
    sums: dict[tuple[int, int], int] = {}
    size = next((c.size for c in columns if c is not None), 0)
    step = _GRAM_BLOCK * max(1, _GRAM_NUMBERS // max(1, len(columns)) // _GRAM_BLOCK)
    for start in range(0, size, step):
        rows = min(step, size - start)
        sliced = [None if c is None else cut(c[start : start + rows], _GRAM_BITS, 1) for c in columns]
        for index, (a, b) in enumerate(pairs):
            for shift, value in _products(sliced[a], sliced[b], rows):
                key = (index, shift)
                sums[key] = sums.get(key, 0) + value
    totals = [0] * len(pairs)
    for (index, shift), value in sums.items():
        places = shift + PRODUCT_UNIT
        totals[index] += value << places if places >= 0 else value >> -places
    return totals


def _products(left: Slices | None, right: Slices | None, rows: int) -> Iterator[tuple[int, int]]:
    """Dot products of all slices of two columns with the exponent of their unit; None is a column of ones."""
    if left is None or right is None:
        only = right if left is None else left
        yield from [(0, rows)] if only is None else ((g, int(np.add.reduce(h))) for g, h in only)
        return
    for i, (g, h) in enumerate(left):
        if left is right:
            yield 2 * g, _dot(h, h)
            yield from ((g + k, 2 * _dot(h, m)) for k, m in left[i + 1 :])
        else:
            yield from ((g + k, _dot(h, m)) for k, m in right)


def _dot(h: Floats, m: Floats) -> int:
    """Σ h·m of slices: exact in each block of rows, and in whole numbers over the blocks."""
    whole = h.size // _GRAM_BLOCK * _GRAM_BLOCK
    total = int(h[whole:].dot(m[whole:]))
    if whole:
        blocks = np.vecdot(h[:whole].reshape(-1, _GRAM_BLOCK), m[:whole].reshape(-1, _GRAM_BLOCK))
        total += int(blocks.astype(np.int64).sum())
    return total


def to_fraction(total: int, unit: int = SUM_UNIT) -> Fraction:
    """An exact total as a rational number."""
    return Fraction(total, 1 << unit)


def to_float(total: int, unit: int = SUM_UNIT) -> float:
    """An exact total as the nearest float64; ±inf beyond its range."""
    try:
        return total / (1 << unit)
    except OverflowError:
        return math.inf if total > 0 else -math.inf


def exact_mean(x: Floats, weights: Floats | None = None) -> float:
    """Σ w·x / Σ w, correctly rounded; inf and nan as ordinary arithmetic has them.

    A weight of 0 removes its entry, whatever the entry is. Raises ValueError where the weights sum to 0.

    >>> exact_mean(np.array([0.1] * 10))
    0.1
    """
    values = np.asarray(x, np.float64)
    w = None if weights is None else np.asarray(weights, np.float64)
    if w is not None:
        values, w = values[w != 0.0], w[w != 0.0]
    divisor = values.size if w is None else exact_sum(w)
    if divisor == 0:
        raise ValueError("the mean of no weight at all is undefined")
    if not _all_finite(values):
        return float((values if w is None else values * np.sign(w))[~np.isfinite(values)].sum())
    # products rounded to float64 would be inf or 0 for weights such as 1e308 or 1e-320; whole numbers divide
    # correctly rounded, and both totals leave 2**-SUM_UNIT in the quotient
    total = exact_sum(values) if w is None else exact_gram([values, w], [(0, 1)])[0]
    return total / (divisor << SUM_UNIT)


def _all_finite(x: Floats) -> bool:
    with np.errstate(over="ignore", invalid="ignore"):
        return math.isfinite(np.add.reduce(x, axis=None)) or bool(np.isfinite(x).all())
