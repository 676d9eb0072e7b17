"""Rows sorted by the probability of an event, in cells of (nearly) the same probability; their redraws.

What calibration means is tested by drawing the events again, as if every prediction were right: y ~ p. With
a cell for each different probability nothing is lost; where there are very many, neighbours share a cell.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossent.statistics.summary import Floats

CELLS = 1024
"""Cells at most. Bins and smooth curves do not see a thousandth of the weight."""
BLOCK = 1 << 21
"""Numbers drawn at a time: 16 MB."""


@dataclass(frozen=True)
class ForecastCells:
    """C cells in order of the probability."""

    p: Floats
    """(C,) weighted mean probability."""
    weight: Floats
    """(C,) Σ w."""
    squares: Floats
    """(C,) Σ w²."""
    events: Floats
    """(C,) Σ w over rows where the event happened."""
    rows: tuple[Floats, Floats, NDArray[np.int64]] | None
    """(p, w, first row of each cell) of the sorted rows where weights differ; None where all are equal."""
    unit: float
    """The weight of every row, where all are equal."""

    @property
    def total(self) -> float:
        """Σ w."""
        return float(self.weight.sum())

    def redraws(self, draws: int, seed: int) -> Iterator[Floats]:
        """Blocks (b, C) of Σ w over events that were drawn with the probabilities predicted."""
        generator = np.random.Generator(np.random.PCG64(seed))
        size = self.p.size if self.rows is None else self.rows[0].size
        block = max(1, BLOCK // size)
        for start in range(0, draws, block):
            yield self._block(generator, min(block, draws - start))

    def _block(self, generator: np.random.Generator, b: int) -> Floats:
        if self.rows is None:
            if self.p.size == np.rint(self.total / self.unit):
                happened = generator.random((b, self.p.size)) < self.p
                return np.asarray(happened * self.unit, np.float64)
            count = np.rint(self.weight / self.unit).astype(np.int64)
            return np.asarray(generator.binomial(count, self.p, (b, count.size)) * self.unit, np.float64)
        p, w, first = self.rows
        happened = generator.random((b, p.size)) < p
        return np.asarray(np.add.reduceat(happened * w, first, axis=1))


def cells_of_forecasts(
    p: Floats, happened: NDArray[np.bool_], weight: Floats, most: int = CELLS
) -> ForecastCells:
    """Cells of rows with probability p (N,), whether the event happened (N,), and weights above 0 (N,)."""
    order = np.argsort(p, kind="stable")
    p, hit, w = np.clip(p[order], 0.0, 1.0), happened[order].astype(np.float64), weight[order]
    first = np.flatnonzero(np.append(True, p[1:] > p[:-1]))
    if first.size > most:
        before = (np.cumsum(w) - w)[first] / w.sum()
        place = np.minimum((before * most).astype(np.int64), most - 1)
        first = first[np.append(True, place[1:] > place[:-1])]
    total = np.add.reduceat(w, first)
    mean = np.clip(np.add.reduceat(w * p, first) / total, p[first], p[np.append(first[1:], p.size) - 1])
    same = bool((w == w[0]).all())
    rows = None if same else (p, w, first)
    squares, events = np.add.reduceat(w * w, first), np.add.reduceat(w * hit, first)
    return ForecastCells(mean, total, squares, events, rows, float(w[0]))
