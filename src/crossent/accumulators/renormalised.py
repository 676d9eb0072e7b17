"""The log loss of rows divided by their sum, where the probabilities of some rows do not sum to one.

Only rows whose sum is off by more than 1e-6 are visited: their loss changes by the logarithm of the sum. What
is kept is the exact change of each sum, as it is for the floors (`floors`), at every floor too.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from crossent.accumulators.contract import Accumulator, Rows, Spec
from crossent.accumulators.floors import FLOORS, Change, clip_loss, loss_range
from crossent.accumulators.registry import accumulator


@accumulator
class Renormalised(Accumulator):
    """Changes of the log loss sums if rows were divided by their sums.

    `change` is that of the losses as they are. At a floor the sums are those as they are, plus `change`, plus
    the floor's change, plus what `floors` holds: rows in which clipping and dividing do not simply add up.
    """

    name = "renormalised"

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.off = 0
        """Rows that are off by more than 1e-6, whatever their weight."""
        self.change = Change(spec.clustered)
        self.floors = {name: Change(spec.clustered) for name in FLOORS}

    @classmethod
    def wanted(cls, spec: Spec) -> bool:
        return spec.loss == "log_loss" and spec.classes

    @property
    def silent(self) -> bool:
        return self.off == 0

    def update(self, rows: Rows) -> None:
        if rows.renormalised is None:
            return
        self.off += rows.counts["rows_off_1e6"]
        changed = rows.renormalised != rows.loss
        old, new = rows.loss[changed], rows.renormalised[changed]
        self.change.replace(rows, changed, old, new)
        for name, floor in FLOORS.items():
            low, high = loss_range(floor)
            both = np.array([old, new])
            clipped = ((both < low) | (both > high)).any(axis=0)
            if clipped.any():
                where = np.zeros_like(changed)
                where[changed] = clipped
                before, after = old[clipped], new[clipped]
                self.floors[name].replace(rows, where, clip_loss(before, floor), clip_loss(after, floor))
                self.floors[name].replace(rows, where, after, before)

    def merge(self, other: Self) -> None:
        self.off += other.off
        self.change.merge(other.change)
        for name, change in self.floors.items():
            change.merge(other.floors[name])

    def state(self) -> dict[str, Any]:
        floors = {name: change.state() for name, change in self.floors.items()}
        return {"off": self.off, "change": self.change.state(), "floors": floors}

    def load(self, state: dict[str, Any]) -> None:
        self.off = state["off"]
        self.change.load(state["change"])
        for name, saved in state["floors"].items():
            self.floors[name].load(saved)
