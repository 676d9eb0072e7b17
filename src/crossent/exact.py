"""Exact sums and sums of products of float64 numbers, independent of order, batches, threads and machines.

Every float64 is an integer multiple of 2⁻¹⁰⁷⁴, so a sum of them is an integer in that unit, and a sum of
products one in units of 2⁻²¹⁴⁸. `cut` writes an array as  x = Σ_j h_j · 2^g_j  with few-bit integers h_j: few
enough that a block's sum, histogram or dot product of slices is exact in float64 whatever the order of its
additions (the error-free splitting of Ozaki, Ogita, Oishi & Rump 2012, doi:10.1007/s11075-011-9478-1). The
block results are added as integers. Merging is integer addition: associative, commutative, without error.
The compiled core cuts the same way, in registers; its integers are the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossent.kernels import compiled_exact
from crossent.kernels.choice import choice

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SUM_UNIT = 1074
"""Sums are integers in units of 2**-SUM_UNIT."""
PRODUCT_UNIT = 2 * SUM_UNIT
"""Sums of products are integers in units of 2**-PRODUCT_UNIT."""

_EXACT_BITS = 53
# 2**36 times 2**17 rows fills the 53 bits of a float64.
_SUM_BLOCK = 1 << 17
# 2**20 squared times 2**13 rows fills them too; ddot stays on one thread up to 10,000 entries (OpenBLAS).
_GRAM_BITS, _GRAM_BLOCK = 20, 1 << 13
# Columns are cut for as many rows at once as make 16 MiB of slices, some 4 a column: fewer calls, which
# threads wait for each other in.
_GRAM_NUMBERS = 1 << 19

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
            raise _not_finite()
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


def _not_finite() -> ValueError:
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


def exact_sum(x: Floats) -> int:
    """Σ x as an integer in units of 2**-1074.

    >>> to_float(exact_sum(np.array([1e16, 1.0, -1e16])))
    1.0
    """
    if core() is not None:
        found = compiled_exact.exact_sum(core(), x)
        if found is None:
            raise _not_finite()
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
            raise _not_finite()
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
    divisor = Fraction(values.size) if w is None else to_fraction(exact_sum(w))
    if divisor == 0:
        raise ValueError("the mean of no weight at all is undefined")
    finite = np.isfinite(values)
    if not finite.all():
        return float((values if w is None else values * np.sign(w))[~finite].sum())
    return float((to_fraction(exact_sum(values)) if w is None else _exact_dot(values, w)) / divisor)


def _exact_dot(x: Floats, y: Floats) -> Fraction:
    # products rounded to float64 would be inf or 0 for weights such as 1e308 or 1e-320
    return to_fraction(exact_gram([x, y], [(0, 1)])[0], PRODUCT_UNIT)


def counts_of(codes: Ints, cells: int | None = None) -> Ints:
    """How often each code 0 … max, or 0 … cells − 1 where that is known, occurs."""
    top = int(codes.max(initial=0)) if cells is None else cells - 1
    if core() is not None:
        return compiled_exact.cell_counts(core(), codes, top + 1)
    if top > 1:
        return np.bincount(codes, minlength=top + 1)
    ones = int(np.count_nonzero(codes))
    return np.array([codes.size - ones, ones][: top + 1], np.int64)


class _Histogram:
    """Σ of whole numbers by code 0 … top, for one array of codes.

    A histogram whose cell is that of the row before waits for that addition: 2.3 ns a row. Two cells take a
    product (0.5 ns), codes in long runs, such as sorted clusters, a sum for each run (0.2 ns).
    """

    _RUN = 64

    def __init__(self, codes: Ints) -> None:
        self.codes = codes
        self.top = int(codes.max(initial=0))
        self._starts = self._long_runs() if 1 < self.top < codes.size // self._RUN else None

    def _long_runs(self) -> Ints | None:
        changes = self.codes[1:] != self.codes[:-1]
        if np.count_nonzero(changes) > self.codes.size // self._RUN:
            return None
        return np.append(0, np.flatnonzero(changes) + 1)

    def sums(self, h: Floats) -> Floats:
        """The sum of `h` for each code."""
        if self._starts is not None:
            return _weighted_counts(self.codes[self._starts], np.add.reduceat(h, self._starts))
        if self.top > 1:
            return _weighted_counts(self.codes, h)
        ones = float((h * self.codes).sum()) if self.top else 0.0
        return np.array([float(h.sum()) - ones, ones][: self.top + 1])


def _weighted_counts(codes: Ints, h: Floats) -> Floats:
    return np.asarray(np.bincount(codes, weights=h), np.float64)


class LimbSums:
    """Exact sums in cells 0 … n−1: a histogram whose weights are float64 and whose sums have no error.

    Each sum is kept as limbs of 32 bits on the fixed grid 2^(32·j), in int64 arrays keyed by j. Cells grow as
    they are named. `canonical` carries between limbs so that equal sums have equal limbs.
    """

    BITS = 32
    # A slice adds less than 2**53 to a limb; 2**9 of them leave room in 63 bits.
    _ADDITIONS_BEFORE_CARRY = 1 << 9

    def __init__(self, cells: int = 0) -> None:
        self.cells = cells
        self.limbs: dict[int, Ints] = {}
        self._pending = 0

    def resize(self, cells: int) -> None:
        """Make room for more cells."""
        if cells > self.cells:
            extra = cells - self.cells
            self.limbs = {j: np.concatenate([a, np.zeros(extra, np.int64)]) for j, a in self.limbs.items()}
            self.cells = cells

    def add(
        self, codes: Ints, values: Floats | Slices, offset: int = 0, sign: int = 1, index: Ints | None = None
    ) -> None:
        """Add values[i] to cell offset + codes[i], or to cell index[codes[i]] (index without repetition).

        Values that several tables take are given as `cut_for_tables` has them.
        """
        if (
            core() is not None
            and not isinstance(values, list)
            and self._added(codes, values, offset, sign, index)
        ):
            return
        histogram = _Histogram(codes)
        size = histogram.top + 1
        cells = slice(offset, offset + size) if index is None else index[:size]
        for g, h in values if isinstance(values, list) else cut_for_sums(values):
            self._add_units(g, histogram.sums(h).astype(np.int64) * sign, cells)

    def _added(self, codes: Ints, values: Floats, offset: int, sign: int, index: Ints | None) -> bool:
        """Add by the compiled core, once there are cells enough; False where it cannot."""
        for make_room in (False, True):
            if make_room:
                size = int(codes.max(initial=0)) + 1
                self._reach(slice(offset, offset + size) if index is None else index[:size])
            if compiled_exact.add_to_cells(
                core(), codes, values, self.limbs, self.cells, offset, index, sign
            ):
                self._count()
                return True
        return False

    def _reach(self, cells: slice | Ints) -> None:
        self.resize(cells.stop if isinstance(cells, slice) else int(cells.max(initial=-1)) + 1)

    def add_counts(self, counts: Ints, offset: int = 0, index: Ints | None = None) -> None:
        """Add whole numbers to the cells from `offset` on, or to the first cells of `index`."""
        cells = slice(offset, offset + counts.size) if index is None else index[: counts.size]
        self._add_units(0, counts, cells)

    def add_units(self, g: int, sums: Ints) -> None:
        """Add whole numbers up to 2**62 in units of 2^g to the first cells."""
        low = sums & ((1 << 32) - 1)
        self._add_units(g, low, slice(0, sums.size))
        self._add_units(g + 32, (sums - low) >> 32, slice(0, sums.size))

    def _add_units(self, g: int, sums: Ints, cells: slice | Ints) -> None:
        """Add whole numbers below 2**53 in units of 2^g, g ≥ −1074."""
        self._reach(cells)
        j, shift = divmod(g, self.BITS)
        if shift == 0:
            self._limb(j)[cells] += sums
        else:
            self._limb(j)[cells] += (sums & ((1 << (self.BITS - shift)) - 1)) << shift
            self._limb(j + 1)[cells] += sums >> (self.BITS - shift)
        self._count()

    def _limb(self, j: int) -> Ints:
        if j not in self.limbs:
            self.limbs[j] = np.zeros(self.cells, np.int64)
        return self.limbs[j]

    def _count(self) -> None:
        self._pending += 1
        if self._pending >= self._ADDITIONS_BEFORE_CARRY:
            self.canonical()

    def canonical(self) -> None:
        """Carry until every limb lies in [−2³¹, 2³¹); drop limbs that are zero everywhere."""
        pending = sorted(self.limbs)
        while pending:
            j = pending.pop(0)
            limb = self.limbs[j]
            carry = (limb + (1 << 31)) >> 32
            if carry.any():
                limb -= carry << 32
                if j + 1 not in self.limbs:
                    self.limbs[j + 1] = np.zeros(self.cells, np.int64)
                    pending.insert(0, j + 1)
                self.limbs[j + 1] += carry
        self.limbs = {j: a for j, a in sorted(self.limbs.items()) if a.any()}
        self._pending = 0

    def merge(self, other: LimbSums, codes: Ints | None = None) -> None:
        """Add another table; `codes` says which cell each of its cells goes to (distinct)."""
        other.canonical()
        target = np.arange(other.cells) if codes is None else codes
        self.resize(int(target.max()) + 1 if target.size else 0)
        for j, limb in other.limbs.items():
            self._limb(j)[target] += limb
        self._count()

    def take(self, order: Ints) -> LimbSums:
        """The same sums with the cells in another order."""
        taken = LimbSums(order.size)
        taken.limbs = {j: a[order] for j, a in self.limbs.items()}
        taken.canonical()
        return taken

    def floats(self) -> Floats:
        """The sums as float64, within 2 ulp; what lies 2**1074 below the largest sum counts as 0."""
        self.canonical()
        total = np.zeros(self.cells)
        top = max(self.limbs, default=0)
        for j, limb in self.limbs.items():
            total += np.ldexp(limb.astype(np.float64), self.BITS * (j - top))
        return np.ldexp(total, self.BITS * top)

    def integer(self, cell: int) -> int:
        """One sum as an integer in units of 2**-1074."""
        return _limb_total((j, int(a[cell])) for j, a in self.limbs.items())

    def total(self) -> int:
        """The sum over all cells as an integer in units of 2**-1074."""
        self.canonical()
        return _limb_total((j, sum(a.tolist())) for j, a in self.limbs.items())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LimbSums):
            return NotImplemented
        self.canonical()
        other.canonical()
        return (
            self.cells == other.cells
            and self.limbs.keys() == other.limbs.keys()
            and all(np.array_equal(a, other.limbs[j]) for j, a in self.limbs.items())
        )

    __hash__ = None  # type: ignore[assignment]


def _limb_total(limbs: Iterator[tuple[int, int]]) -> int:
    """Σ value · 2^(32 j) in units of 2**-1074: limbs below the unit hold whole multiples of it together."""
    return sum(value << (LimbSums.BITS * j + 1088) for j, value in limbs) >> 14
