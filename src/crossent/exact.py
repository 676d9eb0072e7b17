"""Exact sums and sums of products of float64 numbers, independent of order, batches, threads and machines.

Every float64 is an integer multiple of 2⁻¹⁰⁷⁴, so a sum of them is an integer in that unit, and a sum of
products one in units of 2⁻²¹⁴⁸. `cut` writes an array as  x = Σ_j h_j · 2^g_j  with few-bit integers h_j: few
enough that a block's sum, histogram or dot product of slices is exact in float64 whatever the order of its
additions (the error-free splitting of Ozaki, Ogita, Oishi & Rump 2012, doi:10.1007/s11075-011-9478-1). The
block results are added as integers. Merging is integer addition: associative, commutative, without error.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SUM_UNIT = 1074
"""Sums are integers in units of 2**-SUM_UNIT."""
PRODUCT_UNIT = 2 * SUM_UNIT
"""Sums of products are integers in units of 2**-PRODUCT_UNIT."""

# 2**36 times 2**17 rows fills the 53 bits of a float64.
_SUM_BITS, _SUM_BLOCK = 36, 1 << 17
# 2**20 squared times 2**13 rows fills them too; ddot stays on one thread up to 10,000 entries (OpenBLAS).
_GRAM_BITS, _GRAM_BLOCK = 20, 1 << 13


def cut(x: Floats, bits: int) -> list[tuple[int, Floats]]:
    """Slices (g, h) with x = Σ h·2^g exactly, h integers with |h| ≤ 2**bits, each g a multiple of `bits`.

    The multiples are counted from 0, not from the array's maximum, so that slices of different arrays add up
    in the same limbs. Raises ValueError on inf and nan.
    """
    slices: list[tuple[int, Floats]] = []
    rest = x
    while True:
        top = _magnitude(rest)
        if top == 0.0:
            return slices
        if not math.isfinite(top):
            raise ValueError("only finite numbers have an exact sum")
        g = -(-(math.frexp(top)[1] - bits) // bits) * bits
        if g + 53 > 1023:
            rest = _cut_huge(rest, bits, slices)
            continue
        if g < -SUM_UNIT:
            slices.append((g, np.ldexp(rest, -g)))
            return slices
        magic = math.ldexp(1.5, g + 52)
        h = rest + magic
        h -= magic
        rest = rest - h
        slices.append((g, h * math.ldexp(1.0, -g) if g > -1000 else np.ldexp(h, -g)))


def _magnitude(x: Floats) -> float:
    if x.size == 0:
        return 0.0
    return max(float(x.max()), -float(x.min()))


def _cut_huge(x: Floats, bits: int, slices: list[tuple[int, Floats]]) -> Floats:
    """Slices of the entries too large for the rounding constant, scaled down; returns the others."""
    shift = bits * (400 // bits)
    huge = np.abs(x) >= 2.0**700
    scaled = np.where(huge, np.ldexp(x, -shift), 0.0)
    slices.extend((g + shift, h) for g, h in cut(scaled, bits))
    return np.where(huge, 0.0, x)


def exact_sum(x: Floats) -> int:
    """Σ x as an integer in units of 2**-1074.

    >>> to_float(exact_sum(np.array([1e16, 1.0, -1e16])))
    1.0
    """
    total = 0
    for start in range(0, x.size, _SUM_BLOCK):
        for g, h in cut(x[start : start + _SUM_BLOCK], _SUM_BITS):
            total += int(h.sum()) << (g + SUM_UNIT) if g >= -SUM_UNIT else int(h.sum()) >> (-g - SUM_UNIT)
    return total


def exact_gram(columns: Sequence[Floats], pairs: Sequence[tuple[int, int]]) -> list[int]:
    """Σ_i columns[a]_i · columns[b]_i for each pair (a, b), as integers in units of 2**-2148.

    >>> [to_float(k, PRODUCT_UNIT) for k in exact_gram([np.array([3.0, 4.0])], [(0, 0)])]
    [25.0]
    """
    sums: dict[tuple[int, int], int] = {}
    size = columns[0].size if columns else 0
    for start in range(0, size, _GRAM_BLOCK):
        sliced = [cut(c[start : start + _GRAM_BLOCK], _GRAM_BITS) for c in columns]
        for index, (a, b) in enumerate(pairs):
            for shift, value in _products(sliced[a], sliced[b], a == b):
                key = (index, shift)
                sums[key] = sums.get(key, 0) + value
    totals = [0] * len(pairs)
    for (index, shift), value in sums.items():
        places = shift + PRODUCT_UNIT
        totals[index] += value << places if places >= 0 else value >> -places
    return totals


def _products(
    left: list[tuple[int, Floats]], right: list[tuple[int, Floats]], same: bool
) -> Iterator[tuple[int, int]]:
    """Dot products of all slices of two columns, with the exponent of their unit."""
    for i, (g, h) in enumerate(left):
        for j, (k, m) in enumerate(right):
            if same and j < i:
                continue
            value = int(h.dot(m))
            yield g + k, 2 * value if same and j > i else value


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
    """Σ w·x / Σ w, correctly rounded from the products w·x; inf and nan as ordinary arithmetic has them.

    A weight of 0 removes its entry, whatever the entry is. Raises ValueError where the weights sum to 0.

    >>> exact_mean(np.array([0.1] * 10))
    0.1
    """
    values = np.asarray(x, np.float64)
    if weights is not None:
        weights = np.asarray(weights, np.float64)
        values = np.where(weights == 0.0, 0.0, values * np.where(weights == 0.0, 1.0, weights))
    divisor = Fraction(values.size) if weights is None else to_fraction(exact_sum(weights))
    if divisor == 0:
        raise ValueError("the mean of no weight at all is undefined")
    if not np.isfinite(values).all():
        return float(values.sum())
    return float(to_fraction(exact_sum(values)) / divisor)


class LimbSums:
    """Exact sums in cells 0 … n−1: a histogram whose weights are float64 and whose sums have no error.

    Each sum is kept as limbs of 32 bits on the fixed grid 2^(32·j), in int64 arrays keyed by j. Cells grow as
    they are named. `canonical` carries between limbs so that equal sums have equal limbs.
    """

    BITS = 32
    # A batch adds less than 2**53 to a limb; 2**9 of them leave room in 63 bits.
    _ADDITIONS_BEFORE_CARRY = 1 << 9
    _MAX_ROWS = 1 << 20

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

    def add(self, codes: Ints, values: Floats, offset: int = 0, sign: int = 1) -> None:
        """Add values[i] to cell offset + codes[i]."""
        for start in range(0, values.size, self._MAX_ROWS):
            part = slice(start, start + self._MAX_ROWS)
            for g, h in cut(values[part], self.BITS):
                sums = np.bincount(codes[part], weights=h).astype(np.int64)
                self._accumulate(g // self.BITS, sums * sign, offset)
            self._count()

    def add_counts(self, counts: Ints, offset: int = 0) -> None:
        """Add whole numbers to the cells from `offset` on."""
        self._accumulate(0, counts, offset)
        self._count()

    def _accumulate(self, j: int, sums: Ints, offset: int) -> None:
        self.resize(offset + sums.size)
        if j not in self.limbs:
            self.limbs[j] = np.zeros(self.cells, np.int64)
        self.limbs[j][offset : offset + sums.size] += sums

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
            if j not in self.limbs:
                self.limbs[j] = np.zeros(self.cells, np.int64)
            self.limbs[j][target] += limb
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
