"""How the loss is spread: a histogram on a fine logarithmic grid, exact in every cell."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from crossent.accumulators.contract import Accumulator, Floats, Ints, Rows, Spec
from crossent.accumulators.registry import accumulator
from crossent.accumulators.tables import pack_limbs, unpack_limbs
from crossent.exact import LimbSums, counts_of

_MANTISSA_BITS = 7
_SHIFT = 52 - _MANTISSA_BITS


def cell_of(loss: Floats) -> Ints:
    """The upper bits of a loss: its octave and one of 128 steps in it. Losses of 0 and below are cell 0."""
    return np.maximum(loss, 0.0).view(np.int64) >> _SHIFT


def edge_of(cells: Ints) -> Floats:
    """The smallest loss of each cell."""
    return (cells << _SHIFT).view(np.float64)


@accumulator
class LossHistogram(Accumulator):
    """Rows and Σwℓ for each cell of the finite losses."""

    name = "histogram"

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.base = 0
        self.rows = LimbSums()
        self.loss = LimbSums()

    @classmethod
    def wanted(cls, spec: Spec) -> bool:
        return not spec.density

    def update(self, rows: Rows) -> None:
        cells = cell_of(rows.loss)
        held = cells if rows.finite is None else cells[rows.finite]
        if held.size == 0:
            return
        first = int(held.min())
        self._reach(first)
        held -= first
        self.rows.add_counts(counts_of(held), first - self.base)
        # the other rows add 0, wherever that is
        cells = held if rows.finite is None else np.where(rows.finite, cells - first, 0)
        self.loss.add(cells, rows.loss_slices, first - self.base)

    def _reach(self, first: int) -> None:
        """Make room below, so that cell `first` exists."""
        if self.rows.cells == 0:
            self.base = first
        elif first < self.base:
            down = self.base - first
            for name in ("rows", "loss"):
                sums: LimbSums = getattr(self, name)
                moved = LimbSums(sums.cells + down)
                moved.merge(sums, np.arange(sums.cells) + down)
                setattr(self, name, moved)
            self.base = first

    def merge(self, other: Self) -> None:
        if other.rows.cells == 0:
            return
        self._reach(other.base)
        places = np.arange(other.rows.cells) + (other.base - self.base)
        self.rows.merge(other.rows, places)
        other.loss.resize(other.rows.cells)
        self.loss.merge(other.loss, places)

    def cells(self) -> tuple[Floats, Floats, Ints, Floats]:
        """(lower edges, upper edges, rows, Σwℓ) of the cells that hold rows, ascending."""
        rows = self.rows.floats().astype(np.int64)
        self.loss.resize(rows.size)
        full = np.flatnonzero(rows)
        ids = full + self.base
        return edge_of(ids), edge_of(ids + 1), rows[full], self.loss.floats()[full]

    def state(self) -> dict[str, Any]:
        full = np.flatnonzero(self.rows.floats())
        self.loss.resize(self.rows.cells)
        ids = [int(i) + self.base for i in full]
        return {"cells": ids, "rows": pack_limbs(self.rows, full), "loss": pack_limbs(self.loss, full)}

    def load(self, state: dict[str, Any]) -> None:
        ids = np.array(state["cells"], np.int64)
        self.base = int(ids[0]) if ids.size else 0
        for name in ("rows", "loss"):
            sums = LimbSums(int(ids[-1]) - self.base + 1 if ids.size else 0)
            if ids.size:
                sums.merge(unpack_limbs(state[name]), ids - self.base)
            setattr(self, name, sums)
