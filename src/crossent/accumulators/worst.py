"""The rows with the largest losses, the same ones however the rows are batched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from crossent.accumulators.contract import Accumulator, Ints, KeyColumn, Rows, Spec
from crossent.accumulators.registry import accumulator

KEPT = 100


@dataclass(frozen=True)
class Worst:
    """One row. `contribution` is its w·ℓ; `key` orders rows of equal loss."""

    loss: float
    key: int | str
    row: str
    label: str
    predicted: str | None
    contribution: float


@accumulator
class WorstRows(Accumulator):
    """The 100 rows of positive weight with the largest losses; of equal losses the smallest ids."""

    name = "worst"

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.rows: list[Worst] = []

    def update(self, rows: Rows) -> None:
        index = self._candidates(rows)
        if index.size == 0:
            return
        keys = rows.names.sort_keys(index)
        if index.size > KEPT:
            order = _order(rows.loss[index], keys)[:KEPT]
            index = index[order]
            keys = keys[order] if isinstance(keys, np.ndarray) else [keys[i] for i in order]
        names = rows.names.names(index)
        for i, key, name in zip(index.tolist(), keys, names, strict=True):
            loss = float(rows.loss[i])
            weight = 1.0 if rows.weight is None else float(rows.weight[i])
            key = key if isinstance(key, str) else int(key)
            label, predicted = _value(rows.label_text, i) or "", _value(rows.predicted, i)
            self.rows.append(Worst(loss, key, name, label, predicted, loss * weight))
        self._trim()

    def _candidates(self, rows: Rows) -> Ints:
        """Rows that may belong to the worst, found without sorting them all."""
        loss = rows.loss if rows.weight is None else np.where(rows.weight > 0.0, rows.loss, -np.inf)
        full = len(self.rows) == KEPT
        found: Ints = np.flatnonzero(loss >= self.rows[-1].loss if full else loss > -np.inf)
        if found.size > KEPT:
            least = np.partition(loss[found], found.size - KEPT)[found.size - KEPT]
            found = found[loss[found] >= least]
        return found

    def _trim(self) -> None:
        self.rows.sort(key=lambda r: (-r.loss, r.key))
        del self.rows[KEPT:]

    def merge(self, other: Self) -> None:
        full = len(self.rows) == KEPT
        new = [row for row in other.rows if not full or row.loss >= self.rows[-1].loss]
        if new:
            self.rows.extend(new)
            self._trim()

    def state(self) -> dict[str, Any]:
        return {
            "rows": [
                [r.loss.hex(), r.key, r.row, r.label, r.predicted, r.contribution.hex()] for r in self.rows
            ]
        }

    def load(self, state: dict[str, Any]) -> None:
        self.rows = [
            Worst(float.fromhex(loss), key, row, label, predicted, float.fromhex(contribution))
            for loss, key, row, label, predicted, contribution in state["rows"]
        ]


def _order(loss: np.ndarray[Any, Any], keys: Ints | list[str]) -> Ints:
    ranks = keys if isinstance(keys, np.ndarray) else np.array(keys, dtype=object)
    by_key = np.argsort(ranks, kind="stable")
    order: Ints = by_key[np.argsort(-loss[by_key], kind="stable")]
    return order


def _value(column: KeyColumn | None, index: int) -> str | None:
    return None if column is None else column.values[column.codes[index]]
