"""Exact first and second moments of several loss columns over the same rows.

From these follow the means, their covariance and that of every paired difference, without a second pass and
without cancellation: the sums are integers, the arithmetic on them is rational.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from crossent.accumulators.contract import Floats
from crossent.accumulators.tables import pack_integer, unpack_integer
from crossent.exact import PRODUCT_UNIT, exact_gram, exact_sum, to_fraction

ONE, WEIGHT, EXPOSURE = "1", "weight", "exposure"


class Moments:
    """Exact sums of products of the columns 1, weight, exposure and the weighted losses w·ℓ of K models.

    An infinite loss enters as 0; `infinite` counts the rows where two models are infinite, `lost_weight` sums
    their weights and `lost` the loss of one model over the rows where another is infinite.

    Not registered with the accumulators of one model: it is what needs the models side by side.
    """

    def __init__(self, names: Sequence[str], *, weighted: bool = False, exposed: bool = False) -> None:
        self.names = tuple(names)
        self.weighted = weighted
        self.exposed = exposed
        self.rows = 0
        self.columns = [ONE, *[WEIGHT] * weighted, *[EXPOSURE] * exposed, *self.names]
        count = len(self.columns)
        self._pairs = [(i, j) for i in range(count) for j in range(i, count)]
        self.gram = dict.fromkeys(self._pairs, 0)
        k = len(self.names)
        self.infinite = np.zeros((k, k), np.int64)
        self.lost: dict[tuple[int, int], int] = {}
        self.lost_weight: dict[tuple[int, int], int] = {}

    def update(self, losses: Sequence[Floats], weight: Floats | None, exposure: Floats | None) -> None:
        """Add rows: K loss columns, their common weights and, for a ratio, what the loss is divided by."""
        size = losses[0].size
        counted = None if weight is None or (weight > 0.0).all() else weight > 0.0
        if counted is not None and weight is not None:
            losses = [loss[counted] for loss in losses]
            exposure = None if exposure is None else exposure[counted]
            weight = weight[counted]
            size = int(weight.size)
        self.rows += size
        masks = [loss == np.inf for loss in losses]
        columns = [np.where(m, 0.0, loss) if m.any() else loss for loss, m in zip(losses, masks, strict=True)]
        if weight is not None:
            columns = [weight * c for c in columns]
            exposure = None if exposure is None else weight * exposure
        parts = [p for p in (weight, exposure) if p is not None]
        for pair, value in zip(self._pairs, exact_gram([None, *parts, *columns], self._pairs), strict=True):
            self.gram[pair] += value
        if any(m.any() for m in masks):
            self._count_infinite(masks, columns, np.ones(size) if weight is None else weight)

    def _count_infinite(self, masks: Sequence[Any], columns: Sequence[Floats], weight: Floats) -> None:
        for a, mask in enumerate(masks):
            if not mask.any():
                continue
            for b, column in enumerate(columns):
                both = mask & masks[b]
                self.infinite[a, b] += np.count_nonzero(both)
                self.lost[a, b] = self.lost.get((a, b), 0) + exact_sum(column[mask])
                self.lost_weight[a, b] = self.lost_weight.get((a, b), 0) + exact_sum(weight[both])

    def merge(self, other: Moments) -> None:
        """Add other rows of the same models."""
        self.rows += other.rows
        for pair, value in other.gram.items():
            self.gram[pair] += value
        self.infinite += other.infinite
        for mine, theirs in ((self.lost, other.lost), (self.lost_weight, other.lost_weight)):
            for key, value in theirs.items():
                mine[key] = mine.get(key, 0) + value

    def product(self, a: str, b: str) -> Fraction:
        """Σ a·b of two columns by name; the weight of an unweighted evaluation is 1."""
        i, j = sorted((self._index(a), self._index(b)))
        return to_fraction(self.gram[i, j], PRODUCT_UNIT)

    def _index(self, name: str) -> int:
        return self.columns.index(ONE if name == WEIGHT and not self.weighted else name)

    def total(self, name: str) -> Fraction:
        """Σ of a column."""
        return self.product(ONE, name)

    def finite_difference(self, a: int, b: int) -> tuple[int, float | None]:
        """Rows where model a or b is infinite, and the mean difference over all other rows (None: no row)."""
        rows = int(self.infinite[a, a] + self.infinite[b, b] - self.infinite[a, b])

        def lost(i: int, j: int) -> Fraction:
            return to_fraction(self.lost.get((i, j), 0))

        def weight(i: int, j: int) -> Fraction:
            return to_fraction(self.lost_weight.get((i, j), 0))

        left = self.total(WEIGHT) - weight(a, a) - weight(b, b) + weight(a, b)
        if left == 0:
            return rows, None
        first = self.total(self.names[a]) - lost(b, a)
        second = self.total(self.names[b]) - lost(a, b)
        return rows, float((first - second) / left)

    def finite_mean(self, a: int) -> float | None:
        """Mean loss over the rows where it is finite; None where there is none."""
        left = self.total(WEIGHT) - to_fraction(self.lost_weight.get((a, a), 0))
        return None if left == 0 else float(self.total(self.names[a]) / left)

    def state(self) -> dict[str, Any]:
        """Plain data, the same for equal sums."""
        return {
            "names": list(self.names),
            "weighted": self.weighted,
            "exposed": self.exposed,
            "rows": self.rows,
            "gram": [pack_integer(self.gram[p]) for p in self._pairs],
            "infinite": self.infinite.tolist(),
            "lost": _pack(self.lost),
            "lost_weight": _pack(self.lost_weight),
        }

    @classmethod
    def load(cls, state: dict[str, Any]) -> Moments:
        """The moments saved by `state`."""
        moments = cls(state["names"], weighted=state["weighted"], exposed=state["exposed"])
        moments.rows = state["rows"]
        moments.gram = {p: unpack_integer(v) for p, v in zip(moments._pairs, state["gram"], strict=True)}
        moments.infinite = np.array(state["infinite"], np.int64).reshape(len(moments.names), -1)
        moments.lost = _unpack(state["lost"])
        moments.lost_weight = _unpack(state["lost_weight"])
        return moments


def _pack(sums: dict[tuple[int, int], int]) -> list[list[Any]]:
    return [[a, b, pack_integer(value)] for (a, b), value in sorted(sums.items())]


def _unpack(saved: list[list[Any]]) -> dict[tuple[int, int], int]:
    return {(a, b): unpack_integer(value) for a, b, value in saved}
