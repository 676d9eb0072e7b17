"""Moments of what stands beside the headline: Brier score, zero-one loss, coverage of intervals."""

from __future__ import annotations

from typing import Any, Self

from crossent.accumulators.contract import Accumulator, Rows, Spec
from crossent.accumulators.moments import Moments
from crossent.accumulators.registry import accumulator


@accumulator
class Companions(Accumulator):
    """Exact moments of each companion loss and figure of one model."""

    name = "companions"

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.moments = {c: Moments([c], weighted=spec.weighted) for c in spec.columns}

    @classmethod
    def wanted(cls, spec: Spec) -> bool:
        return bool(spec.columns)

    def update(self, rows: Rows) -> None:
        for name, moments in self.moments.items():
            moments.update([rows.companions[name]], rows.weight, None)

    def merge(self, other: Self) -> None:
        for name, moments in self.moments.items():
            moments.merge(other.moments[name])

    def state(self) -> dict[str, Any]:
        return {name: moments.state() for name, moments in self.moments.items()}

    def load(self, state: dict[str, Any]) -> None:
        self.moments = {name: Moments.load(saved) for name, saved in state.items()}
