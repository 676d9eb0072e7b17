"""The log loss at floors: what clipping probabilities to [floor, 1 − floor] would make of it.

Only the rows that clipping changes are visited; what is kept is the exact change of each sum, to be added to
the unclipped sums (`moments`, `clusters`) at the end.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from crossent.accumulators.contract import Accumulator, Bools, Floats, Rows, Spec
from crossent.accumulators.registry import accumulator
from crossent.accumulators.tables import KeyedSums, pack_integer, unpack_integer
from crossent.exact import exact_gram, exact_sum

FLOORS = {
    "1e-15": 1e-15,
    "eps64": float(np.finfo(np.float64).eps),
    "1e-7": 1e-7,
    "eps32": float(np.finfo(np.float32).eps),
}
SUMS = ("l", "wl", "ll")


def clip_loss(loss: Floats, floor: float) -> Floats:
    """The log loss of probabilities clipped to [floor, 1 − floor], from the log loss of the others."""
    return np.clip(loss, *loss_range(floor))


def loss_range(floor: float) -> tuple[float, float]:
    """The least and greatest log loss that a floor allows."""
    return -float(np.log(1.0 - floor)), -float(np.log(floor))


class Change:
    """Exact changes of Σwℓ, Σw²ℓ and Σw²ℓ² where some losses are replaced, and of Σwℓ by cluster."""

    def __init__(self, clustered: bool) -> None:
        self.rows = 0
        self.sums = dict.fromkeys(SUMS, 0)
        self.clusters = KeyedSums(["loss"]) if clustered else None

    def replace(self, rows: Rows, changed: Bools, old: Floats, new: Floats) -> None:
        """Put `new` for `old` in the changed rows; an infinite loss counts as 0, as in all sums."""
        weight = rows.weights()[changed]
        self.rows += int(np.count_nonzero(weight))
        for sign, values in ((1, new), (-1, old)):
            loss = np.where(np.isfinite(values), values, 0.0) * weight
            self.sums["l"] += sign * exact_sum(loss)
            wl, ll = exact_gram([weight, loss], [(0, 1), (1, 1)])
            self.sums["wl"] += sign * wl
            self.sums["ll"] += sign * ll
            if self.clusters is not None and rows.cluster is not None:
                cells = self.clusters.cells(rows.cluster, changed)
                self.clusters.add("loss", cells, loss, sign)

    def merge(self, other: Change) -> None:
        """Add the changes of other rows."""
        self.rows += other.rows
        for key in SUMS:
            self.sums[key] += other.sums[key]
        if self.clusters is not None and other.clusters is not None:
            self.clusters.merge(other.clusters)

    def state(self) -> dict[str, Any]:
        """Plain data, the same for equal sums."""
        return {
            "rows": self.rows,
            "sums": {k: pack_integer(v) for k, v in self.sums.items()},
            "clusters": self.clusters.state() if self.clusters is not None else None,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Take over what `state` gave."""
        self.rows = state["rows"]
        self.sums = {k: unpack_integer(v) for k, v in state["sums"].items()}
        if self.clusters is not None:
            self.clusters.load(state["clusters"])


@accumulator
class Floors(Accumulator):
    """Changes of the log loss sums at each of the usual floors."""

    name = "floors"

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.changes = {name: Change(spec.clustered) for name in FLOORS}

    @classmethod
    def wanted(cls, spec: Spec) -> bool:
        return spec.loss == "log_loss"

    def update(self, rows: Rows) -> None:
        # the widest floor changes every row that any floor changes
        low, high = loss_range(max(FLOORS.values()))
        if low <= float(rows.loss.min()) and float(rows.loss.max()) <= high:
            return
        for name, floor in FLOORS.items():
            low, high = loss_range(floor)
            changed = (rows.loss < low) | (rows.loss > high)
            if changed.any():
                old = rows.loss[changed]
                self.changes[name].replace(rows, changed, old, clip_loss(old, floor))

    def merge(self, other: Self) -> None:
        for name, change in self.changes.items():
            change.merge(other.changes[name])

    def state(self) -> dict[str, Any]:
        return {name: change.state() for name, change in self.changes.items()}

    def load(self, state: dict[str, Any]) -> None:
        for name, saved in state.items():
            self.changes[name].load(saved)
