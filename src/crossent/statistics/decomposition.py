"""What a mean loss is made of: miscalibration − discrimination + uncertainty.

With L the mean loss, L_c that of the same predictions recalibrated, and L_0 that of the base rate,

    MCB = L − L_c      what recalibration could mend
    DSC = L_0 − L_c    what the predictions know of the rows
    UNC = L_0          what there is to know:    L = MCB − DSC + UNC

Recalibration is isotonic regression of what happened on what was predicted, the increasing map that fits best
for log loss, Brier score and squared error alike (Dimitriadis, Gneiting & Jordan 2021). Rows with the same
prediction stay together, and pooling needs nothing but their weight and mean, so everything here works on
the distinct predictions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from crossent.statistics.estimates import Estimate

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Loss = Callable[[Floats, Floats], Floats]
"""(mean outcome, prediction) → expected loss of a row."""


def log_loss(outcome: Floats, p: Floats) -> Floats:
    """−ȳ log p − (1 − ȳ) log(1 − p), 0 · ∞ being 0."""
    loss: Floats = -special.xlogy(outcome, np.clip(p, 0.0, 1.0)) - special.xlog1py(
        1.0 - outcome, -np.clip(p, 0.0, 1.0)
    )
    return loss


def squared_error(outcome: Floats, prediction: Floats) -> Floats:
    """(ȳ − x)²; what outcomes vary about their mean ȳ is added apart."""
    loss: Floats = (outcome - prediction) ** 2
    return loss


LOSSES: dict[str, Loss] = {"log_loss": log_loss, "brier": squared_error, "squared_error": squared_error}


@dataclass(frozen=True)
class Parts:
    """A mean loss and what it is made of: score = miscalibration − discrimination + uncertainty."""

    score: float
    """Mean loss; +inf where a label was given probability 0."""
    miscalibration: float
    """What the best increasing map of the predictions would save; +inf with the score."""
    discrimination: float
    """What the mapped predictions save over the base rate."""
    uncertainty: float
    """Mean loss of the base rate."""


@dataclass(frozen=True)
class Decomposition:
    """What the mean loss of one model is made of, in the rows that were looked at."""

    model: str
    of: str
    """What the predictions are of: "late" (the event), "all classes" or "the mean"."""
    loss: str
    """"log_loss", "brier" or "squared_error"."""
    map: str
    """How predictions were recalibrated: "isotonic", or of more than two classes "vector" or
    "temperature"."""
    parts: Parts
    """In sample: the map was fitted to the rows it is judged by, so that miscalibration is too large."""
    interval: tuple[float, float] | None
    """Of the miscalibration, by bootstrap of rows or clusters, reflected; None with an infinite score or of
    more than two classes, where the cross-fitted figure has one."""
    if_calibrated: float
    """In-sample miscalibration that perfectly calibrated predictions would have on average."""
    p: float
    """Of the test that the predictions are calibrated: outcomes drawn from them (Bröcker & Smith 2007), or of
    more than two classes the likelihood ratio."""
    cross_fitted: Estimate | None
    """What the map saves on rows that it was not fitted to: may be negative. None where it does not exist."""


@dataclass(frozen=True)
class Pooled:
    """Distinct predictions x, ascending, and the row of each in them."""

    x: Floats
    at: Ints

    @classmethod
    def of(cls, predictions: Floats) -> Pooled:
        """The distinct values of predictions (N,)."""
        x, at = np.unique(predictions, return_inverse=True)
        return cls(x, at)

    def parts(self, outcomes: Floats, weights: Floats, loss: str) -> Parts:
        """The decomposition for outcomes (N,) (0 and 1, or numbers) and weights (N,) that are not all 0."""
        squares = None if loss == "log_loss" else self._sums(weights * outcomes**2)
        return _parts(self.x, self._sums(weights), self._sums(weights * outcomes), squares, LOSSES[loss])

    def _sums(self, values: Floats) -> Floats:
        return np.bincount(self.at, values, self.x.size).astype(np.float64, copy=False)


def _parts(x: Floats, weight: Floats, total: Floats, squares: Floats | None, loss: Loss) -> Parts:
    """From sums by distinct prediction. `squares` is Σ w y², which the squared error needs besides the
    means."""
    there = weight > 0.0
    x, weight, total = x[there], weight[there], total[there]
    mean = total / weight
    everything = weight.sum()
    base: Floats = np.full_like(mean, total.sum() / everything)
    fitted = np.asarray(optimize.isotonic_regression(mean, weights=weight).x)
    if squares is None:
        fitted = np.clip(fitted, 0.0, 1.0)  # a mean of ones may round to above 1
    spread = 0.0 if squares is None else float((squares[there] - weight * mean**2).sum()) / everything
    score, calibrated, uncertain = (
        float((weight * loss(mean, p)).sum()) / everything + spread for p in (x, fitted, base)
    )
    # rounding alone can make either negative
    saved, known = max(score - calibrated, 0.0), max(uncertain - calibrated, 0.0)
    return Parts(score, saved, known, uncertain)


def decompose(predictions: Floats, outcomes: Floats, weights: Floats, loss: str = "log_loss") -> Parts:
    """Parts of the mean loss of predictions (N,) of events (outcomes 0 and 1) or of numbers.

    `loss` is "log_loss", "brier" ((p − y)², of the one event) or "squared_error" of means of numbers.
    """
    return Pooled.of(predictions).parts(outcomes, weights, loss)


def resampled(
    predictions: Floats,
    outcomes: Floats,
    weights: Floats,
    units: Ints,
    loss: str,
    draws: int,
    rng: np.random.Generator,
) -> Floats:
    """(draws, 3) miscalibration, discrimination and uncertainty of bootstrap samples of units (rows,
    clusters).

    Units are drawn with replacement, all rows of one together. A sample's miscalibration is larger on average
    than that of the data, as that is than the truth's: read differences to the data's, not the values.
    """
    pooled, count = Pooled.of(predictions), int(units.max()) + 1
    found = np.empty((draws, 3))
    for i in range(draws):
        times = np.bincount(rng.integers(count, size=count), minlength=count)[units].astype(np.float64)
        parts = pooled.parts(outcomes, weights * times, loss)
        found[i] = parts.miscalibration, parts.discrimination, parts.uncertainty
    return found


def if_calibrated(
    predictions: Floats, weights: Floats, loss: str, draws: int, rng: np.random.Generator
) -> Floats:
    """(draws,) miscalibration of outcomes that are drawn from the predictions: what chance alone makes.

    Source: Bröcker & Smith 2007, Weather and Forecasting 22:651-661, doi:10.1175/WAF993.1 (consistency
    resampling).
    """
    pooled, p = Pooled.of(predictions), np.clip(predictions, 0.0, 1.0)
    drawn = ((rng.random(p.size) < p).astype(np.float64) for _ in range(draws))
    return np.array([pooled.parts(y, weights, loss).miscalibration for y in drawn])


def reversed_interval(value: float, samples: Floats, level: float) -> tuple[float, float]:
    """The basic bootstrap interval 2θ̂ − quantiles: what samples exceed θ̂ by, θ̂ may exceed the truth by.

    A part cannot be negative, nor can the interval.
    """
    low, high = np.quantile(samples, [0.5 - level / 2.0, 0.5 + level / 2.0])
    return max(2.0 * value - float(high), 0.0), max(2.0 * value - float(low), 0.0)
