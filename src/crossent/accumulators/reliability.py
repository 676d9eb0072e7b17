"""Reliability on a fine grid: how often events happen, by the probability they were given."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from crossent.accumulators.contract import Accumulator, Event, Floats, Ints, Rows, Spec
from crossent.accumulators.registry import accumulator
from crossent.accumulators.tables import pack_limbs, unpack_limbs
from crossent.exact import LimbSums, core
from crossent.kernels import compiled_exact

GRID = 300
"""Divisible by the usual numbers of bins: 10, 12, 15, 20, 25, 30, 50, 60, 100."""
CELLS = 2 * GRID + 1
_VARIANCE_BITS = 40
_VARIANCE_UNIT = 2.0**_VARIANCE_BITS
COLUMNS = ("weight", "confidence", "happened", "variance")


def cells_of(confidence: Floats) -> Ints:
    """Cell 2j for exactly j/300 and 2j+1 for the open interval up to the next edge, so that bins closed on
    either side can be formed; values outside [0, 1] (within tolerance) join the outermost cells.
    """
    c = np.minimum(np.maximum(confidence, 0.0), 1.0)
    nearest = np.rint(c * GRID)
    edge = nearest / GRID
    cells: Ints = (2.0 * nearest).astype(np.int64)
    cells += c > edge
    cells -= c < edge
    return cells


@accumulator
class ReliabilityGrid(Accumulator):
    """For each event and cell: Σw, Σw·confidence, Σw over rows where it happened, Σw²c(1−c)."""

    name = "reliability"

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.tables: dict[str, dict[str, LimbSums]] = {}

    @classmethod
    def wanted(cls, spec: Spec) -> bool:
        return spec.classes

    def update(self, rows: Rows) -> None:
        for event in rows.events:
            self._add(event, rows.weight)

    def _table(self, event: str) -> dict[str, LimbSums]:
        return self.tables.setdefault(event, {name: LimbSums(CELLS) for name in COLUMNS})

    def _add(self, event: Event, weight: Floats | None) -> None:
        table = self._table(event.name)
        if weight is None and core() is not None:
            cells, rows, happened, variance = compiled_exact.grid(
                core(), event.confidence, event.happened, GRID
            )
            table["weight"].add_counts(rows)
            table["happened"].add_counts(happened)
            table["variance"].add_units(-_VARIANCE_BITS, variance)
            table["confidence"].add(cells, event.confidence)
            return
        cells = cells_of(event.confidence)
        # a probability just outside [0, 1], within the tolerance, has no variance rather than a negative one
        spread = np.maximum(event.confidence * (1.0 - event.confidence), 0.0)
        if weight is None:
            # one histogram for both: selecting the rows where it happened costs 4 ns a row
            rows = np.bincount(2 * cells + event.happened, minlength=2 * CELLS).reshape(CELLS, 2)
            table["weight"].add_counts(rows.sum(axis=1))
            table["happened"].add_counts(rows[:, 1])
            table["confidence"].add(cells, event.confidence)
        else:
            table["weight"].add(cells, weight)
            table["happened"].add(cells, weight * event.happened)
            table["confidence"].add(cells, event.confidence * weight)
            spread = spread * weight * weight
        # only a scale for the expected error: few bits are enough, so long as each row rounds by itself
        table["variance"].add(cells, np.rint(spread * _VARIANCE_UNIT) / _VARIANCE_UNIT)

    def merge(self, other: Self) -> None:
        for event, table in other.tables.items():
            mine = self._table(event)
            for name, sums in table.items():
                mine[name].merge(sums)

    def state(self) -> dict[str, Any]:
        return {
            event: {name: pack_limbs(sums) for name, sums in table.items()}
            for event, table in sorted(self.tables.items())
        }

    def load(self, state: dict[str, Any]) -> None:
        self.tables = {
            event: {name: unpack_limbs(packed) for name, packed in table.items()}
            for event, table in state.items()
        }
