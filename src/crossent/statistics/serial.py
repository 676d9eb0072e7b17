"""Losses in an order, such as days: neighbours that are alike, and standard errors that allow for it.

With x_t the residuals of a difference of two models at the times t = 1 … T, the long-run variance

    Σ_{|l| ≤ L} (1 − |l|/(L+1)) Σ_t x_t x_{t−l}  =  1/(L+1) · Σ_t (x_t + x_{t−1} + … + x_{t−L})²

takes in the L nearest neighbours (Newey & West 1987, doi:10.2307/1913610). The right-hand side, sums over a
moving window, makes it a scatter like any other: the same exact sums of squares, never negative, for all
models together. Where several rows share a time their sums are taken first (Driscoll & Kraay 1998,
doi:10.1162/003465398557825).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import special

from crossent.statistics.summary import Floats

Ints = NDArray[np.int64]

TESTED = 10
"""Neighbours that the test of likeness looks at."""
FEWEST_PAIRS = 200
"""Pairs of rows at a distance, below which a sample tells nothing of their correlation."""
FEWEST = 20
"""Times below which nothing can be said of their neighbours."""


@dataclass(frozen=True)
class SerialDependence:
    """Whether the difference of two models is alike at neighbouring times, and what that does to its
    error."""

    model: str
    reference: str
    units: int
    """How many times (or rows, in their order)."""
    lags: int
    """Neighbours on either side that `se_serial` takes in."""
    autocorrelation: float
    """Correlation of a time with the next one."""
    p: float
    """Test that no time is correlated with any of the next ten (Ljung & Box 1978,
    doi:10.1093/biomet/65.2.297)."""
    se_independent: float
    """Standard error of the difference if times were independent."""
    se_serial: float
    """The same with the neighbours, corrected for few times."""
    se_blocks: float | None
    """The same from the means of blocks of lags + 1 times that do not overlap; None for a sample of rows."""

    @property
    def factor(self) -> float:
        """How many times too small the standard error of independent times is."""
        return self.se_serial / self.se_independent if self.se_independent else math.nan

    def scaled(self, by: float) -> SerialDependence:
        """The same in another unit."""
        return replace(
            self,
            se_independent=self.se_independent * by,
            se_serial=self.se_serial * by,
            se_blocks=None if self.se_blocks is None else self.se_blocks * by,
        )

    @property
    def alike(self) -> bool:
        """Whether neighbours are alike beyond doubt and to an extent that matters."""
        return self.p < 0.01 and self.factor > 1.1


def neighbours(units: int) -> int:
    """How many neighbours on either side are taken in: 1.3·√T, of few times at most a third.

    A rule without tuning, the same for all models, so that one covariance serves every comparison. It keeps
    the size of a test better than automatic choices: for T = 92 and neighbours correlated by 0.6 a test at 5
    % rejects in 7.7 %, with the choice of Newey and West (1994) in 11.4 %, without any neighbours in 33 %.

    >>> [neighbours(units) for units in (3, 30, 92, 1000)]
    [1, 7, 12, 41]

    Source: Lazarus, Lewis, Stock & Watson 2018, Journal of Business & Economic Statistics 36:541-559,
    doi:10.1080/07350015.2018.1506926.
    """
    return min(int(1.3 * math.sqrt(units)), units // 3)


def window_sums(residuals: Floats, lags: int) -> Floats:
    """(T + lags) sums of lags + 1 neighbours: their sum of squares / (lags + 1) is Newey and West's variance.

    >>> window_sums(np.array([1.0, 2.0, 3.0]), 1).tolist()
    [1.0, 3.0, 5.0, 3.0]
    """
    return np.convolve(residuals, np.ones(lags + 1)) if lags else residuals


def few_times_factor(units: int, lags: int) -> float:
    """What a variance is multiplied by for few times, in place of U/(U−1), which it is without lags.

    Source: Harvey, Leybourne & Newbold 1997, International Journal of Forecasting 13:281-291,
    doi:10.1016/S0169-2070(96)00719-4, with the forecast's horizon h = lags + 1.

    >>> few_times_factor(10, 0) == 10 / 9
    True
    """
    h = lags + 1
    return units / (units + 1 - 2 * h + h * (h - 1) / units)


def autocorrelations(x: Floats, lags: int) -> Floats:
    """(lags,) correlations of x_t with x_{t−1}, …, x_{t−lags}; x has mean 0."""
    square = float(x @ x)
    return np.array([float(x[k:] @ x[:-k]) / square for k in range(1, lags + 1)])


def portmanteau(correlations: Floats, units: int) -> float:
    """P-value of Ljung and Box's test that all these autocorrelations are 0."""
    k = np.arange(1, correlations.size + 1)
    statistic = units * (units + 2) * float((correlations**2 / (units - k)).sum())
    return float(special.chdtrc(correlations.size, statistic))


def serial_dependence(model: str, reference: str, x: Floats, exposure: float) -> SerialDependence | None:
    """What neighbouring times do to a difference, from its residuals in their order: sums over each time of
    weighted loss differences, less their mean.

    `exposure` is the sum of weights that turns a sum of residuals into a mean. None for fewer than 20 times,
    or where the residuals do not vary.
    """
    units = x.size
    if units < FEWEST or not (x != 0.0).any():
        return None
    lags = neighbours(units)
    windows = window_sums(x, lags)
    long_run = float(windows @ windows) / (lags + 1) * few_times_factor(units, lags)
    blocks = x[: units - units % (lags + 1)].reshape(-1, lags + 1).sum(axis=1)
    between = float(((blocks - blocks.mean()) ** 2).sum()) * blocks.size / (blocks.size - 1)
    used = blocks.size * (lags + 1) / units
    return SerialDependence(
        model=model,
        reference=reference,
        units=units,
        lags=lags,
        autocorrelation=float(autocorrelations(x, 1)[0]),
        p=portmanteau(autocorrelations(x, TESTED), units),
        se_independent=math.sqrt(float(x @ x) * units / (units - 1)) / exposure,
        se_serial=math.sqrt(long_run) / exposure,
        se_blocks=math.sqrt(between) / (exposure * used),
    )


def serial_dependence_of_sample(
    model: str, reference: str, x: Floats, position: Ints, total: int, exposure: float
) -> SerialDependence | None:
    """The same from a sample of the rows: `x` and their ascending places among `total` rows.

    Correlations come from the pairs of rows that are both there, and `se_serial` takes in the next ten rows
    only: it is what neighbours do at least. None where fewer than 200 pairs of each distance are there.
    """
    square = float((x**2).mean())
    if square == 0.0:
        return None
    correlations, pairs = np.zeros(TESTED), np.zeros(TESTED)
    for k in range(1, TESTED + 1):
        after = np.searchsorted(position, position + k)
        there = np.flatnonzero(position[np.minimum(after, position.size - 1)] == position + k)
        pairs[k - 1] = there.size
        if there.size >= FEWEST_PAIRS:
            correlations[k - 1] = float((x[there] * x[after[there]]).mean()) / square
    if pairs.min() < FEWEST_PAIRS:
        return None
    share = 1.0 - np.arange(1, TESTED + 1) / (TESTED + 1)
    inflation = max(1.0 + 2.0 * float(share @ correlations), 0.0)
    # the error of all rows, of which these are a part
    independent = math.sqrt(square * total) / (exposure * total / x.size)
    return SerialDependence(
        model=model,
        reference=reference,
        units=total,
        lags=TESTED,
        autocorrelation=float(correlations[0]),
        p=float(special.chdtrc(TESTED, float((pairs * correlations**2).sum()))),
        se_independent=independent,
        se_serial=independent * math.sqrt(inflation),
        se_blocks=None,
    )
