"""Sums by cluster: the independent units behind clustered standard errors."""

from __future__ import annotations

from typing import Any, Self

from crossent.accumulators.contract import Accumulator, Rows, Spec
from crossent.accumulators.registry import accumulator
from crossent.accumulators.tables import KeyedSums


@accumulator
class Clusters(Accumulator):
    """For each cluster: rows, Σw, Σw·bytes, Σwℓ over finite losses, infinite rows, Σw·companion."""

    name = "clusters"

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        optional = ["weight"] * spec.weighted + ["bytes"] * spec.bytes
        self.sums = KeyedSums(["rows", "loss", "infinite", *optional, *spec.companions])

    @classmethod
    def wanted(cls, spec: Spec) -> bool:
        return spec.clustered

    def update(self, rows: Rows) -> None:
        assert rows.cluster is not None
        cells = self.sums.cells(rows.cluster)
        self.sums.count("rows", cells)
        self.sums.add("loss", cells, rows.weighted(rows.loss))
        infinite = rows.infinite()
        if infinite.any():
            self.sums.count("infinite", cells[infinite])
        if rows.weight is not None:
            self.sums.add("weight", cells, rows.weight)
        if rows.bytes is not None:
            self.sums.add("bytes", cells, rows.bytes * rows.weights())
        for name in self.spec.companions:
            self.sums.add(name, cells, rows.companions[name] * rows.weights())

    def merge(self, other: Self) -> None:
        self.sums.merge(other.sums)

    def state(self) -> dict[str, Any]:
        return self.sums.state()

    def load(self, state: dict[str, Any]) -> None:
        self.sums.load(state)
