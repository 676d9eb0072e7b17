"""The generalised Pareto distribution of what lies beyond a high threshold, and the tail index it tells.

    P(X − u > x | X > u) → (1 + k x / σ)^(−1/k)          (Pickands 1975; Balkema & de Haan 1974)

for any ordinary distribution of X. The shape k is the tail index: moments of order 1/k and above do not
exist. With k ≥ 1/2 there is no variance, so that no standard error means anything; with k ≥ 1 no mean.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossent.statistics.summary import Floats

PRIOR = 3.0
"""Of Zhang and Stephens: how far their grid of candidates reaches."""
FEWEST = 5
"""Exceedances that a fit needs (Vehtari et al. 2024)."""
NO_VARIANCE, NO_MEAN = 0.5, 1.0
"""Tail indices from which on the variance, and the mean, do not exist."""


@dataclass(frozen=True)
class TailIndex:
    """How heavy a tail is: the shape of the generalised Pareto distribution of its largest values."""

    k: float
    """0 for an exponential tail, below 0 for a bounded one; no variance from 0.5 on, no mean from 1."""
    se: float
    """Standard error of `k`, (1 + k) / √rows; of `k` below −0.5 too small."""
    threshold: float
    """What the tail lies beyond."""
    rows: int
    """Rows in the tail."""

    @property
    def has_variance(self) -> bool:
        """Whether the fit allows a finite variance."""
        return self.k < NO_VARIANCE

    @property
    def has_mean(self) -> bool:
        """Whether the fit allows a finite mean."""
        return self.k < NO_MEAN


def fit_generalised_pareto(excess: Floats, counts: Floats | None = None) -> tuple[float, float]:
    """(k, σ) of positive exceedances over a threshold; k > 0 is a heavy tail.

    `excess` : (M,) ascending. `counts` : (M,) how often each occurs, once where None: rows in the cells of a
    fine histogram need not be taken apart. A posterior mean over a grid of θ = −k/σ under a weak prior of the
    data's own scale: as precise as maximum likelihood for larger samples, more so for small ones, and it
    exists always. nan, nan for fewer than five exceedances or where all are alike.

    >>> x = np.expm1(-np.log1p(-(np.arange(1000) + 0.5) / 1000) * 0.5) / 0.5    # k = 0.5, σ = 1
    >>> [round(v, 2) for v in fit_generalised_pareto(x)]
    [0.5, 1.0]

    Source: Zhang & Stephens 2009, Technometrics 51:316-325, doi:10.1198/tech.2009.08017.
    """
    share = np.ones_like(excess) if counts is None else counts
    size = float(share.sum())
    if size < FEWEST or excess[0] == excess[-1]:
        return math.nan, math.nan
    quartile = excess[np.searchsorted(np.cumsum(share), math.floor(size / 4 + 0.5))]
    if quartile < excess[-1] * np.finfo(np.float64).tiny:
        return math.nan, math.nan  # all but a few lie at the threshold: there is no scale to fit by
    candidates = 30 + math.isqrt(int(size))
    step = np.arange(1, candidates + 1) - 0.5
    theta = 1 / excess[-1] + (1 - np.sqrt(candidates / step)) / (PRIOR * quartile)
    k = np.log1p(-theta[:, None] * excess) @ share / size
    with np.errstate(divide="ignore", invalid="ignore"):
        likelihood = size * (np.log(-theta / k) - k - 1)
    likelihood = np.where(np.isfinite(likelihood), likelihood, -np.inf)
    weight = np.exp(likelihood - likelihood.max())
    best = float(theta @ weight / weight.sum())
    shape = float(np.log1p(-best * excess) @ share / size)
    return shape, -shape / best


def tail_rows(n: int) -> int:
    """How many of n values make the tail: a fifth, at most 3·√n (Vehtari et al. 2024, JMLR 25:72)."""
    return min(n // 5, math.ceil(3 * math.sqrt(n)))


def tail_index(values: Floats) -> TailIndex | None:
    """The index of the upper tail of finite values; None where the tail has fewer than five of them.

    The threshold is the largest value outside the tail; values equal to it are not in the tail.

    >>> tail_index(-np.log1p(-(np.arange(10_000) + 0.5) / 10_000)).rows
    300
    """
    rows = tail_rows(len(values))
    if rows < FEWEST:
        return None
    top = np.sort(np.partition(values, len(values) - rows - 1)[len(values) - rows - 1 :])
    return _index(top[top > top[0]] - top[0], None, float(top[0]))


def tail_index_of_cells(low: Floats, high: Floats, rows: NDArray[np.int64]) -> TailIndex | None:
    """The same of (C,) cells of a fine histogram, ascending: all rows of a cell stand at its middle.

    The tail is as many of the highest cells as hold `tail_rows` rows, the threshold the edge below them.
    """
    wanted = tail_rows(int(rows.sum()))
    if wanted < FEWEST:
        return None
    first = len(rows) - 1 - int(np.searchsorted(np.cumsum(rows[::-1]), wanted))
    threshold = float(low[first])
    middle = (low[first:] + high[first:]) / 2
    return _index(middle - threshold, rows[first:].astype(np.float64), threshold)


def _index(excess: Floats, counts: Floats | None, threshold: float) -> TailIndex | None:
    rows = len(excess) if counts is None else int(counts.sum())
    if np.unique(excess).size < FEWEST:
        return None  # a loss of few values has no tail to speak of
    k, _ = fit_generalised_pareto(excess, counts)
    return None if math.isnan(k) else TailIndex(k, max(0.0, 1 + k) / math.sqrt(rows), threshold, rows)
