"""Exact sums in many cells, in limbs of 32 bits."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from crossent.exact.cells import Histogram
from crossent.exact.slices import Floats, Ints, Slices, core, cut_for_sums
from crossent.kernels import compiled_exact


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
        self._pending = 0  # additions since the limbs were canonical

    @classmethod
    def of(cls, cells: int, limbs: dict[int, Ints]) -> LimbSums:
        """The sums of limbs that need not be canonical; the arrays are taken over."""
        sums = cls(cells)
        sums.limbs = limbs
        sums._carry()
        return sums

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
        histogram = Histogram(codes)
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
        if self._pending:
            self._carry()

    def _carry(self) -> None:
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
        target = slice(other.cells) if codes is None else codes
        self._reach(slice(0, other.cells) if codes is None else codes)
        for j, limb in other.limbs.items():
            self._limb(j)[target] += limb
        self._count()

    def copy(self) -> LimbSums:
        """The same sums in arrays of their own."""
        self.canonical()
        copied = LimbSums(self.cells)
        copied.limbs = {j: a.copy() for j, a in self.limbs.items()}
        return copied

    def take(self, order: Ints) -> LimbSums:
        """The same sums with the cells in another order."""
        taken = LimbSums(order.size)
        taken.limbs = {j: a[order] for j, a in self.limbs.items()}
        taken._carry()  # limbs that are zero in all that was taken are dropped
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
