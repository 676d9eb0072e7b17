"""Counts of what is unusual in the predictions: zeros, ones, rows that do not sum to one."""

from __future__ import annotations

from typing import Any, Self

from crossent.accumulators.contract import Accumulator, Rows, Spec
from crossent.accumulators.registry import accumulator


@accumulator
class Quality(Accumulator):
    """Whole-number counts by name and the least and greatest of named quantities."""

    name = "quality"

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.counts: dict[str, int] = {}
        self.extremes: dict[str, tuple[float, float]] = {}

    def update(self, rows: Rows) -> None:
        self._add({"rows": len(rows), **rows.counts}, rows.extremes)

    def _add(self, counts: Any, extremes: Any) -> None:
        for name, count in counts.items():
            self.counts[name] = self.counts.get(name, 0) + int(count)
        for name, (low, high) in extremes.items():
            least, most = self.extremes.get(name, (low, high))
            self.extremes[name] = (min(least, low), max(most, high))

    def merge(self, other: Self) -> None:
        self._add(other.counts, other.extremes)

    def state(self) -> dict[str, Any]:
        return {
            "counts": dict(sorted(self.counts.items())),
            "extremes": {k: [a.hex(), b.hex()] for k, (a, b) in sorted(self.extremes.items())},
        }

    def load(self, state: dict[str, Any]) -> None:
        self.counts = dict(state["counts"])
        self.extremes = {k: (float.fromhex(a), float.fromhex(b)) for k, (a, b) in state["extremes"].items()}
