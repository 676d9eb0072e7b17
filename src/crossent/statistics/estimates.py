"""An estimate with its standard error and t interval."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy import special

from crossent.statistics.summary import Floats, LossSummary

Ints = NDArray[np.int64]


def t_quantile(probability: float, df: float) -> float:
    """Quantile of Student's t distribution."""
    return float(special.stdtrit(df, probability))


@dataclass(frozen=True)
class Estimate:
    """A value with what is known of its sampling error.

    `se` is None where it is undefined (fewer than two units, an infinite value). `units` is the number of
    independent units behind it (rows or clusters); the interval uses t with `degrees` degrees of freedom.
    """

    value: float
    se: float | None
    units: int
    df: float | None = field(default=None, repr=False)
    """Degrees of freedom where units differ in size; None: units − 1."""

    @property
    def degrees(self) -> float:
        """The degrees of freedom behind the standard error."""
        return self.units - 1 if self.df is None else self.df

    def interval(self, level: float = 0.95) -> tuple[float, float] | None:
        """The two-sided t interval, or None where there is no standard error.

        >>> low, high = Estimate(0.5, 0.1, 11).interval()
        >>> round(low, 4), round(high, 4)
        (0.2772, 0.7228)
        """
        if self.se is None or self.units < 2:
            return None
        half = t_quantile(0.5 + level / 2, self.degrees) * self.se
        return self.value - half, self.value + half

    def scaled(self, factor: float) -> Estimate:
        """The same estimate in another unit, such as bits for nats."""
        return replace(self, value=self.value * factor, se=None if self.se is None else self.se * abs(factor))


def estimate(value: float, variance: float, units: int, df: float | None = None) -> Estimate:
    """An Estimate from a variance that may be nan (undefined)."""
    usable = math.isfinite(value) and math.isfinite(variance) and units > 1
    return Estimate(value, math.sqrt(variance) if usable else None, units, df)


def mean_estimates(summary: LossSummary) -> tuple[Estimate, ...]:
    """The K mean losses with their standard errors."""
    variance = summary.covariance().diagonal()
    return tuple(
        estimate(float(m), float(v), summary.units, summary.df)
        for m, v in zip(summary.mean, variance, strict=True)
    )


def mean_of_rows(values: Floats, weight: Floats, units: Ints | None = None) -> Estimate:
    """The weighted mean of values (N,) with its standard error; rows of one unit (N,) are not independent."""
    total, mean = float(weight.sum()), float((weight * values).sum() / weight.sum())
    if not math.isfinite(mean):
        return Estimate(mean, None, values.size)
    residual = weight * (values - mean)
    if units is not None:
        there = np.bincount(units, weight) > 0.0
        residual = np.bincount(units, residual).astype(np.float64)[there]
    else:
        residual = residual[weight > 0.0]
    n = residual.size
    return estimate(mean, float(residual @ residual) * n / (n - 1) / total**2 if n > 1 else math.nan, n)
