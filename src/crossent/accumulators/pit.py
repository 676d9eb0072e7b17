"""How often labels fall into each twentieth of what was predicted."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from crossent.accumulators.contract import Accumulator, Rows, Spec
from crossent.accumulators.registry import accumulator
from crossent.accumulators.tables import pack_limbs, unpack_limbs
from crossent.exact import LimbSums

BINS = 20
PIT = "pit"
"""The figure that holds the probability integral transform."""


@accumulator
class PitHistogram(Accumulator):
    """Σw by the value of the probability integral transform, in twenty bins [low, high) of equal width."""

    name = "pit"

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.weight = LimbSums(BINS)

    @classmethod
    def wanted(cls, spec: Spec) -> bool:
        return PIT in spec.figures

    def update(self, rows: Rows) -> None:
        bins = np.minimum((rows.companions[PIT] * BINS).astype(np.int64), BINS - 1)
        if rows.weight is None:
            self.weight.add_counts(np.bincount(bins, minlength=BINS))
        else:
            self.weight.add(bins, rows.weight)

    def merge(self, other: Self) -> None:
        self.weight.merge(other.weight)

    def state(self) -> dict[str, Any]:
        return {"weight": pack_limbs(self.weight)}

    def load(self, state: dict[str, Any]) -> None:
        self.weight = unpack_limbs(state["weight"])
