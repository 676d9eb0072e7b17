"""What recalibration would gain: log loss before and after, paired, with its standard error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossent.statistics.estimates import Estimate, estimate

Floats = NDArray[np.float64]

IDENTITY = "identity"
"""The map that changes nothing."""
NEAR_ONE = 0.995, 1.005
"""Temperatures that are 1.00 when shown."""


@dataclass(frozen=True)
class MapScore:
    """One map on rows that it was not fitted to."""

    name: str
    title: str
    loss: float
    """Mean cross-fitted log loss, in nats."""
    gain: Estimate
    """Log loss before minus after, on the same rows."""


@dataclass(frozen=True)
class Recalibration:
    """What maps would do for one model."""

    model: str
    before: float
    """Mean log loss, in nats, after the floor; inf where a label was given probability 0."""
    scores: tuple[MapScore, ...]
    """Of every map that was tried, the lowest loss first."""
    chosen: str
    """The simplest map whose loss is within one standard error (of the difference) of the lowest; "identity"
    where that is the predictions as they are."""
    sentence: str
    """What the chosen map, fitted to all rows, does, in words."""
    temperature: float | None
    """Of temperature scaling fitted to all rows: above 1 the model is over-confident. None if not tried."""
    rows: int
    folds: int
    unit: str
    """What is independent: "row", or the name of the cluster column."""
    floor: float
    """Smaller probabilities were raised to it first; 0 where none were."""
    impossible: int
    """Rows whose label was given probability 0 all the same, so that maps of logits could not be tried."""

    @property
    def best(self) -> MapScore:
        """The map with the lowest loss."""
        return self.scores[0]

    @property
    def choice(self) -> MapScore | None:
        """The figures of the chosen map; None for the identity."""
        return next((score for score in self.scores if score.name == self.chosen), None)


def verdict_of(temperature: float) -> str:
    """What a fitted temperature says of the predictions."""
    if temperature > NEAR_ONE[1]:
        return "over-confident"
    return "under-confident" if temperature < NEAR_ONE[0] else "rightly confident"


def mean_difference(
    first: Floats, second: Floats, weight: Floats | None = None, cluster: NDArray[np.int64] | None = None
) -> Estimate:
    """Weighted mean of first − second (N,) with its standard error, over clusters where these are given.

    SE² = U/(U−1) Σ_u (Σ_{i∈u} w_i (d_i − d̄))² / (Σ w)². Source: Liang & Zeger, Biometrika 73 (1986) 13–22.

    >>> round(mean_difference(np.array([1.0, 2.0, 3.0]), np.zeros(3)).se, 12)
    0.57735026919
    """
    d = first - second
    w = np.ones(d.size) if weight is None else weight
    total = float(w.sum())
    mean = float(w @ d) / total
    if not np.isfinite(mean):
        return estimate(mean, np.nan, d.size)
    residuals: Floats = w * (d - mean)
    if cluster is not None:
        residuals = np.bincount(cluster, residuals).astype(np.float64)
        units = int(np.unique(cluster).size)
    else:
        units = int(np.count_nonzero(w))
    variance = float(residuals @ residuals) / total**2 * units / (units - 1) if units > 1 else np.nan
    return estimate(mean, variance, units)
