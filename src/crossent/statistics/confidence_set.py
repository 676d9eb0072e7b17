"""The model confidence set (Hansen, Lunde & Nason 2011) from means and covariances alone."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ConfidenceSet:
    """The models that cannot be ruled out as best, at confidence 1 − alpha."""

    alpha: float
    statistic: str
    """"range" (T_R) or "max" (T_max)."""
    p_values: tuple[tuple[str, float], ...]
    """(model, p-value), from the first eliminated to the last that stays (p = 1)."""
    members: tuple[str, ...]
    draws: int
    seed: int
