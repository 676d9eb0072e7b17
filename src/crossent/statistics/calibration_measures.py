"""Calibration errors of one event: bins, smooth, cumulative; for many redraws of the events at once.

Each is a function of points (C,) in order of the probability and of Σ w over events at each point (B, C), so
that the same code measures the rows (B = 1, a point for each different probability) and the redraws that say
what a perfectly calibrated model of that n would show.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from crossent.statistics.calibration_error import Reliability
from crossent.statistics.decomposition import NullValue, beside_null
from crossent.statistics.estimates import Estimate
from crossent.statistics.forecast_cells import ForecastCells, cells_of_forecasts
from crossent.statistics.smooth_error import smooth_errors
from crossent.statistics.summary import Floats

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class CalibrationErrors:
    """Calibration errors of one event, each beside its value for a perfectly calibrated model of that n."""

    model: str
    event: str
    """"top label" (the predicted class is right) or a class."""
    rows: int
    frequency: float
    """Weighted share of the rows in which the event happened."""
    predicted: float
    """Weighted mean probability it was given."""
    ece: NullValue
    """Σ weight |frequency − confidence|, bins of equal width."""
    ece_equal_mass: NullValue
    """The same, bins of equally many rows."""
    largest: NullValue
    """Of those bins of equal mass, the largest difference (MCE)."""
    root_mean_square: NullValue
    """Root of the weighted mean squared difference, bins of equal mass."""
    debiased: NullValue
    """The same less what chance adds; 0 where that is more than all."""
    smooth: NullValue
    """smECE."""
    kolmogorov_smirnov: NullValue
    """Largest cumulative difference, from the lowest probability on."""
    kuiper: NullValue
    """Largest difference over any range of probabilities."""
    spiegelhalter_z: float
    """Standard normal if calibrated; above 0 where losses are larger than the model expects."""
    spiegelhalter_p: float
    """Two-sided."""
    slope: Estimate | None
    """Of log-odds (Cox): 1 if calibrated, below 1 where the model is too sure. None without an optimum."""
    intercept: Estimate | None
    """Of log-odds: 0 if calibrated, below 0 where the event is predicted too often."""
    diagram: Reliability | None = None
    """Bins with their consistency bands, of classes; the top label has its own without a second look."""


MEASURES: tuple[tuple[str, str], ...] = (
    ("ece", "ECE, equal width"),
    ("ece_equal_mass", "ECE, equal mass"),
    ("debiased", "debiased L2"),
    ("root_mean_square", "root mean square"),
    ("largest", "largest bin (MCE)"),
    ("smooth", "smooth (smECE)"),
    ("kolmogorov_smirnov", "Kolmogorov–Smirnov"),
    ("kuiper", "Kuiper"),
)
"""Fields of `CalibrationErrors` that stand beside a null value, and what to call them."""


def measure(
    p: Floats,
    happened: NDArray[np.bool_],
    weight: Floats,
    *,
    model: str = "model",
    event: str = "event",
    bins: int = 15,
    draws: int = 999,
    seed: int = 0,
) -> CalibrationErrors:
    """Every measure of an event with probability p (N,), for weights above 0 (N,)."""
    exact = cells_of_forecasts(p, happened, weight, most=p.size)
    cells = cells_of_forecasts(p, happened, weight)
    drawn = [_all(cells, events, bins) for events in cells.redraws(draws, seed)]
    null = {name: np.concatenate([block[name] for block in drawn]) for name, _ in MEASURES}
    seen = {name: float(value[0]) for name, value in _all(exact, exact.events[None], bins).items()}
    z = spiegelhalter(p, happened, weight)
    slope, intercept = cox(p, happened, weight)
    return CalibrationErrors(
        model=model,
        event=event,
        rows=p.size,
        frequency=float(weight @ happened / weight.sum()),
        predicted=float(weight @ p / weight.sum()),
        **{name: beside_null(seen[name], null[name]) for name, _ in MEASURES},
        spiegelhalter_z=z,
        spiegelhalter_p=float(special.erfc(abs(z) / np.sqrt(2.0))),
        slope=slope,
        intercept=intercept,
        diagram=None,
    )


def _all(cells: ForecastCells, events: Floats, bins: int) -> dict[str, Floats]:
    width = _starts(np.minimum(np.ceil(cells.p * bins).astype(np.int64) - 1, bins - 1).clip(0))
    before = (np.cumsum(cells.weight) - cells.weight) / cells.total
    mass = _starts(np.minimum((before * bins).astype(np.int64), bins - 1))
    residuals = (events - cells.weight * cells.p) / cells.total
    sums = np.concatenate([np.zeros((len(events), 1)), np.cumsum(residuals, axis=1)], axis=1)
    share, gap = _binned(cells, residuals, mass)
    return {
        "ece": np.abs(np.add.reduceat(residuals, width, axis=1)).sum(axis=1),
        "ece_equal_mass": (share * np.abs(gap)).sum(axis=1),
        "largest": np.abs(gap).max(axis=1),
        "root_mean_square": np.sqrt((share * gap**2).sum(axis=1)),
        "debiased": _debiased(cells, events, mass, share, gap),
        "smooth": smooth_errors(cells.p, residuals),
        "kolmogorov_smirnov": np.abs(sums).max(axis=1),
        "kuiper": sums.max(axis=1) - sums.min(axis=1),
    }


def _starts(bin_of: Ints) -> Ints:
    return np.flatnonzero(np.append(True, bin_of[1:] > bin_of[:-1]))


def _binned(cells: ForecastCells, residuals: Floats, starts: Ints) -> tuple[Floats, Floats]:
    """(M,) share of the weight and (B, M) frequency − confidence of each bin."""
    share = np.add.reduceat(cells.weight, starts) / cells.total
    return share, np.add.reduceat(residuals, starts, axis=1) / share


def _debiased(cells: ForecastCells, events: Floats, starts: Ints, share: Floats, gap: Floats) -> Floats:
    """√max(0, Σ share (gap² − f(1−f)/(m − 1))), m rows of equal weight in a bin (Σw)²/Σw² otherwise.

    Source: A. Kumar, P. Liang, T. Ma, Verified uncertainty calibration, NeurIPS 2019, arXiv:1909.10155.
    """
    w = np.add.reduceat(cells.weight, starts)
    frequency = np.clip(np.add.reduceat(events, starts, axis=1) / w, 0.0, 1.0)
    size = w**2 / np.add.reduceat(cells.squares, starts)
    many = size > 1.5
    chance = np.where(many, frequency * (1 - frequency) / np.where(many, size - 1.0, 1.0), 0.0)
    square = (share * np.where(many, gap**2 - chance, 0.0)).sum(axis=1)
    return np.asarray(np.sqrt(np.maximum(square, 0.0)))


def _deviance(z: Floats, y: Floats, weight: Floats) -> float:
    return float(weight @ (np.logaddexp(0.0, z) - y * z))


def spiegelhalter(p: Floats, happened: NDArray[np.bool_], weight: Floats) -> float:
    """Z = Σ w (y − p)(1 − 2p) / √Σ w² (1 − 2p)² p (1 − p), standard normal if calibrated.

    Source: D. Spiegelhalter, Probabilistic prediction in patient management and clinical trials, Stat. Med. 5
    (1986) 421–433, doi:10.1002/sim.4780050506.
    """
    tilt = weight * (1.0 - 2.0 * p)
    variance = float((tilt**2 * p * (1.0 - p)).sum())
    return float(tilt @ (happened - p) / np.sqrt(variance)) if variance > 0.0 else float("nan")


def cox(p: Floats, happened: NDArray[np.bool_], weight: Floats) -> tuple[Estimate | None, Estimate | None]:
    """(slope, intercept) of the logistic regression of the event on the log-odds of p; robust errors.

    None where a probability is 0 or 1, or where the event is separated. Source: D. R. Cox, Two further
    applications of a model for binary regression, Biometrika 45 (1958), doi:10.1093/biomet/45.3-4.562.
    """
    if not ((p > 0.0) & (p < 1.0)).all() or np.ptp(p) == 0.0:
        return None, None
    x = np.column_stack([special.logit(p), np.ones(p.size)])
    y, theta = happened.astype(np.float64), np.array([1.0, 0.0])
    for _ in range(50):
        q = special.expit(x @ theta)
        information = (x * (weight * q * (1.0 - q))[:, None]).T @ x
        if np.linalg.cond(information) > 1e12:
            return None, None
        step = np.linalg.solve(information, x.T @ (weight * (y - q)))
        if np.abs(step).max() < 1e-9:
            break
        before = _deviance(x @ theta, y, weight)
        while _deviance(x @ (theta + step), y, weight) > before + 1e-9 * abs(before):
            step = step / 2.0
        theta = theta + step
    else:
        return None, None
    scores = x * (weight * (y - special.expit(x @ theta)))[:, None]
    inverse = np.linalg.inv(information)
    errors = np.sqrt(np.diag(inverse @ (scores.T @ scores) @ inverse))
    slope, intercept = (Estimate(float(t), float(e), p.size) for t, e in zip(theta, errors, strict=True))
    return slope, intercept
