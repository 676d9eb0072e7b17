"""Sums by class and by group: the loss on parts of the rows, each with a standard error."""

from __future__ import annotations

from typing import Any, Self

from crossent.accumulators.contract import Accumulator, KeyColumn, Rows, Spec
from crossent.accumulators.registry import accumulator
from crossent.accumulators.tables import KeyedSums

CLASSES = "class"


class _Slice:
    """For each key: rows, infinite rows, Σw, Σw², Σwℓ, Σw²ℓ, Σw²ℓ² (losses that are finite), Σw·bytes."""

    def __init__(self, spec: Spec) -> None:
        optional = ["w", "ww", "wwl"] * spec.weighted + ["bytes"] * spec.bytes
        self.sums = KeyedSums(["rows", "infinite", "l", "ll", *optional])

    def update(self, rows: Rows, key: KeyColumn) -> None:
        cells = self.sums.cells(key)
        self.sums.count("rows", cells if rows.weight is None else cells.where(rows.weight > 0.0))
        self.sums.add("l", cells, rows.loss_slices)
        self.sums.add("ll", cells, rows.square_slices)
        if rows.infinite_loss is not None:
            self.sums.count("infinite", cells.where(rows.infinite_loss))
        if rows.weight is not None:
            self.sums.add("w", cells, rows.weight)
            self.sums.add("ww", cells, rows.weight * rows.weight)
            self.sums.add("wwl", cells, rows.weight * rows.weighted_loss)
        if rows.bytes is not None:
            self.sums.add("bytes", cells, rows.bytes * rows.weights())


@accumulator
class Slices(Accumulator):
    """Sums by the class of the label and by each group column."""

    name = "slices"

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        names = ([CLASSES] if spec.classes else []) + [f"group {g}" for g in spec.groups]
        self.tables = {name: _Slice(spec) for name in names}

    @classmethod
    def wanted(cls, spec: Spec) -> bool:
        return spec.classes or bool(spec.groups)

    def update(self, rows: Rows) -> None:
        if rows.label is not None:
            self.tables[CLASSES].update(rows, rows.label)
        for name, key in zip(self.spec.groups, rows.groups, strict=True):
            self.tables[f"group {name}"].update(rows, key)

    def merge(self, other: Self) -> None:
        for name, table in self.tables.items():
            table.sums.merge(other.tables[name].sums)

    def state(self) -> dict[str, Any]:
        return {name: table.sums.state() for name, table in self.tables.items()}

    def load(self, state: dict[str, Any]) -> None:
        for name, table in self.tables.items():
            table.sums.load(state[name])
