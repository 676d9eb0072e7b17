"""A mean loss in three parts: miscalibration − discrimination + uncertainty.

With S the mean loss, C the mean loss after the best recalibration within a family of maps, and R that
of predicting for each the mean of all:

    miscalibration  S − C    what recalibration would mend
    discrimination  R − C    what telling the rows apart is worth
    uncertainty     R        what there is to know

Taken from the rows that the map is fitted to, C is too low, and so both parts are too large: 0.004 nats for a
perfectly calibrated model and 1,000 rows. Taken from rows that the map has not seen (cross-fitted), C is too
high, by about as much. The truth lies between.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import special

from crossent.statistics.estimates import Estimate
from crossent.statistics.forecast_cells import ForecastCells
from crossent.statistics.isotonic import increasing, pooled
from crossent.statistics.summary import Floats


@dataclass(frozen=True)
class Parts:
    """loss = miscalibration − discrimination + uncertainty."""

    loss: float
    miscalibration: float
    """inf where the loss is."""
    discrimination: float
    uncertainty: float


@dataclass(frozen=True)
class NullValue:
    """A measure beside what it is for a perfectly calibrated model of that n."""

    value: float
    expected: float
    """Its mean if the model were calibrated."""
    high: float
    """Its 95 % quantile if the model were calibrated."""
    p: float
    """Share of calibrated models with a value as large (this one counted among them)."""
    draws: int


@dataclass(frozen=True)
class Decomposition:
    """The parts of one model's mean loss, in the rows that were looked at."""

    model: str
    of: str
    """What the predictions are of: a class (the event), "all classes" or "the mean"."""
    loss: str
    """"log_loss", "brier" or "squared_error"."""
    map: str
    """How predictions were recalibrated: "isotonic"; of more than two classes "temperature", "vector" …"""
    in_sample: Parts
    """The map was fitted to the same rows: miscalibration and discrimination are too large."""
    cross_fitted: Parts | None
    """The map was fitted to other rows: both are too small. None where there are too few rows."""
    miscalibration: Estimate
    """The cross-fitted one (in-sample where there is none) with its error, over rows or clusters."""
    discrimination: Estimate
    """Likewise."""
    test: NullValue
    """Of calibration: miscalibration in sample beside that of outcomes drawn from predictions; of more than
    two classes what a temperature and intercepts would gain, of numbers residuals with random signs."""


def parts(losses: Floats, recalibrated: Floats, base: Floats, weight: Floats) -> Parts:
    """The three parts from losses (N,) as they are, after recalibration, and of the mean of all rows."""
    score, best, reference = (float(weight @ x / weight.sum()) for x in (losses, recalibrated, base))
    return Parts(score, score - best, reference - best, reference)


def miscalibration_of_numbers(x: Floats, y: Floats, weight: Floats) -> float:
    """In sample, of squared errors, by isotonic regression."""
    fitted = increasing(x, y, weight).at(x)
    gain: float = weight @ ((y - x) ** 2 - (y - fitted) ** 2) / weight.sum()
    return max(gain, 0.0)


def event_losses(p: Floats, y: Floats, loss: str) -> Floats:
    """Row losses (N,) of probabilities p of an event, y in {0, 1}; of real y the squared error."""
    if loss == "log_loss":
        with np.errstate(divide="ignore"):
            return np.asarray(-np.log(np.where(y > 0.0, p, 1.0 - p)))
    return np.asarray((y - p) ** 2)


def miscalibration_in_cells(cells: ForecastCells, events: Floats, loss: str) -> Floats:
    """(B,) in-sample miscalibration by isotonic regression, for Σ w over events in each cell (B, C)."""
    w, p = cells.weight, cells.p
    if loss == "log_loss":
        # probability 0 or 1: what is drawn agrees with it, at no loss
        yes, no = (np.log(np.where(q > 0.0, q, 1.0)) for q in (p, 1.0 - p))
        score = -(events @ yes + (w - events) @ no)
    else:
        score = (w * p * p - 2.0 * events * p + events).sum(axis=1)
    best = np.fromiter(_recalibrated(w, events, loss), np.float64, len(events))
    return np.asarray(np.maximum(score - best, 0.0) / cells.total)


def _recalibrated(w: Floats, events: Floats, loss: str) -> Iterator[float]:
    for drawn in events:
        _, weight, sums = pooled(w, drawn)
        if loss == "log_loss":
            rest = np.maximum(weight - sums, 0.0)
            yield float(-(special.xlogy(sums, sums / weight) + special.xlogy(rest, rest / weight)).sum())
        else:
            yield float((sums - sums * sums / weight).sum())


def beside_null(value: float, drawn: Floats) -> NullValue:
    """A value beside draws (B,) under the hypothesis; p = (1 + draws as large) / (1 + B).

    Source: J. Bröcker, L. Smith, Increasing the reliability of reliability diagrams, Weather Forecast. 22
    (2007) 651–661, doi:10.1175/WAF993.1.
    """
    as_large = int((drawn >= value - 1e-12 * abs(value)).sum())
    p = (1 + as_large) / (1 + drawn.size)
    return NullValue(float(value), float(drawn.mean()), float(np.quantile(drawn, 0.95)), p, drawn.size)
