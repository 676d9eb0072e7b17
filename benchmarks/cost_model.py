"""The cost model of docs/scaling.md: how long a run takes, and what it costs, from four measured figures."""

from __future__ import annotations

from dataclasses import dataclass

PRICE = 0.05
"""Dollars a core and hour: an assumption; costs are proportional to it."""


@dataclass(frozen=True)
class Run:
    """A run on `workers` cores. `attempt` seconds a fragment takes its worker on average, `longest` the
    longest of as many attempts as there are workers, `driver` seconds a fragment takes the driver; `lost` is
    the share of attempts that are lost, on average half way.
    """

    fragments: int
    workers: int
    attempt: float
    longest: float
    driver: float
    lost: float = 0.0

    @property
    def core_seconds(self) -> float:
        """Of all workers, lost attempts included."""
        return self.fragments * self.attempt * (1 + self.lost / (2 * (1 - self.lost)))

    @property
    def seconds(self) -> float:
        """By the clock: whichever is busier, the workers or the driver, and the last fragments."""
        busy = max(self.core_seconds / self.workers, self.fragments * self.driver)
        return busy + self.longest - self.attempt / 2

    @property
    def dollars(self) -> float:
        """Of all workers, as long as it takes."""
        return PRICE * self.workers * self.seconds / 3600
