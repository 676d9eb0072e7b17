"""Sums by cluster: the independent units behind clustered standard errors."""

from __future__ import annotations

from typing import Any, Self

import pyarrow as pa

from crossent.accumulators.contract import Accumulator, Bools, Rows, Spec
from crossent.accumulators.registry import accumulator
from crossent.accumulators.tables import KeyedSums

LOSS = "loss"
"""Column of the headline loss; companions go by their names."""


def infinite_rows(name: str) -> str:
    """The column that counts the rows where a loss is infinite."""
    return f"{name} infinite"


@accumulator
class Clusters(Accumulator):
    """For each cluster: rows of positive weight, Σw, Σw·bytes, and of the loss and each companion Σwℓ over
    the rows where it is finite and the number of rows where it is not.
    """

    name = "clusters"

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        optional = ["weight"] * spec.weighted + ["bytes"] * spec.bytes
        losses = [column for name in (LOSS, *spec.columns) for column in (name, infinite_rows(name))]
        self.sums = KeyedSums(["rows", *optional, *losses])

    @classmethod
    def wanted(cls, spec: Spec) -> bool:
        return spec.clustered

    def update(self, rows: Rows) -> None:
        assert rows.cluster is not None
        cells = self.sums.cells(rows.cluster)
        self.sums.count("rows", cells if rows.weight is None else cells.where(rows.weight > 0.0))
        if rows.weight is not None:
            self.sums.add("weight", cells, rows.weight)
        if rows.bytes is not None:
            self.sums.add("bytes", cells, rows.weighted(rows.bytes))
        for name, loss in ((LOSS, rows.loss), *rows.companions.items()):
            self.sums.add(name, cells, rows.loss_slices if name == LOSS else rows.weighted(loss))
            infinite = rows.infinite(loss)
            if infinite.any():
                self.sums.count(infinite_rows(name), cells.where(infinite))

    def units(self) -> Bools:
        """Which clusters, keys sorted, have a row of positive weight."""
        counted: Bools = self.sums.floats("rows") > 0.0
        return counted

    def merge(self, other: Self) -> None:
        self.sums.merge(other.sums)

    def state(self) -> dict[str, Any]:
        return self.sums.state()

    def load(self, state: dict[str, Any]) -> None:
        self.sums.load(state)

    def table(self) -> pa.Table:
        return self.sums.table()

    def load_table(self, table: pa.Table) -> None:
        self.sums.load_table(table)
