"""How far predicted probabilities of an event are off, by measures that need bins and by such that do not.

Every one of them is above 0 for a perfectly calibrated model of finitely many rows: each is to be read beside
what it would be if outcomes were drawn from the predictions. All take outcomes in the last axis, so that
many drawn sets of outcomes are measured at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BINS = 15
_CELLS = 2048
"""Of the grid on which residuals are smoothed: a two-thousandth of the probability scale."""
_HALVINGS = 22


@dataclass(frozen=True)
class Event:
    """Predicted probabilities (N,) of an event, ascending, with weights that sum to one."""

    p: Floats
    weight: Floats
    order: Ints
    """Place in the data of each of them."""

    @classmethod
    def of(cls, p: Floats, weights: Floats) -> Event:
        """The rows of positive weight."""
        order = np.argsort(p, kind="stable")
        order = order[weights[order] > 0.0]
        w = weights[order]
        return cls(np.clip(p[order], 0.0, 1.0), w / w.sum(), order)

    def outcomes(self, happened: NDArray[np.bool_]) -> Floats:
        """Outcomes in the order of `p`."""
        return happened[..., self.order].astype(np.float64)

    def drawn(self, draws: int, rng: np.random.Generator) -> Floats:
        """(draws, N) outcomes as they would be if the predictions were right."""
        return (rng.random((draws, self.p.size)) < self.p).astype(np.float64)


Measure = Callable[[Event, Floats], Floats]
"""(event, outcomes (…, N)) → values (…)."""


def _by_bin(event: Event, outcomes: Floats, cut: Callable[[Event], Ints]) -> tuple[Floats, Floats]:
    """Weight (B,) of every bin that holds rows, and Σ w (y − p) in it, (…, B)."""
    starts = np.flatnonzero(np.diff(cut(event), prepend=-1))
    off = event.weight * (outcomes - event.p)
    return np.add.reduceat(event.weight, starts), np.add.reduceat(off, starts, axis=-1)


def equal_width(event: Event) -> Ints:
    """The bin of each row: (0, 1/15], (1/15, 2/15] … of the probability."""
    bins: Ints = np.clip(np.ceil(event.p * BINS - 1e-12), 1, BINS).astype(np.int64)
    return bins


def equal_mass(event: Event) -> Ints:
    """The bin of each row: fifteen of about the same weight, rows of the same prediction together."""
    middle = np.cumsum(event.weight) - 0.5 * event.weight
    bins = np.minimum((middle * BINS).astype(np.int64), BINS - 1)
    _, first = np.unique(event.p, return_index=True)
    return np.repeat(bins[first], np.diff(np.append(first, event.p.size)))


def expected_error(event: Event, outcomes: Floats) -> Floats:
    """ECE: Σ_b |Σ_{i∈b} w (y − p)| over fifteen bins of equal width."""
    return _magnitude(_by_bin(event, outcomes, equal_width)[1])


def expected_error_equal_mass(event: Event, outcomes: Floats) -> Floats:
    """The same over fifteen bins of equal weight."""
    return _magnitude(_by_bin(event, outcomes, equal_mass)[1])


def _magnitude(off: Floats) -> Floats:
    total: Floats = np.abs(off).sum(axis=-1)
    return total


def maximum_error(event: Event, outcomes: Floats) -> Floats:
    """MCE: the greatest |mean outcome − mean prediction| of a bin of equal weight."""
    weight, off = _by_bin(event, outcomes, equal_mass)
    error: Floats = np.abs(off / weight).max(axis=-1)
    return error


def root_mean_square_error(event: Event, outcomes: Floats) -> Floats:
    """RMSCE: √(Σ_b weight · off²) over fifteen bins of equal weight."""
    weight, off = _by_bin(event, outcomes, equal_mass)
    error: Floats = np.sqrt((off**2 / weight).sum(axis=-1))
    return error


def debiased_square_error(event: Event, outcomes: Floats) -> Floats:
    """Mean squared calibration error less what chance adds to it: about 0 if calibrated, and may be negative.

    Σ_b weight · (off_b² − v_b), v_b the estimated variance of off_b, over fifteen bins of equal weight.
    Source: Bröcker 2012, Climate Dynamics 39:655-667, doi:10.1007/s00382-011-1191-1; Kumar, Liang & Ma 2019.
    """
    starts = np.flatnonzero(np.diff(equal_mass(event), prepend=-1))
    weight = np.add.reduceat(event.weight, starts)
    residual = outcomes - event.p
    off = np.add.reduceat(event.weight * residual, starts, axis=-1)
    rows = np.diff(np.append(starts, event.p.size))
    about = residual - np.repeat(off / weight, rows, axis=-1)
    scatter = np.add.reduceat((event.weight * about) ** 2, starts, axis=-1)
    variance = scatter * rows / np.maximum(rows - 1, 1)
    debiased: Floats = ((off**2 - variance) / weight).sum(axis=-1)
    return debiased


def kolmogorov_smirnov(event: Event, outcomes: Floats) -> Floats:
    """max_t |Σ_{p_i ≤ t} w (y − p)|: no bins. Source: Gupta et al. 2021; Arrieta-Ibarra et al. 2022."""
    error: Floats = np.abs(_walk(event, outcomes)).max(axis=-1)
    return error


def kuiper(event: Event, outcomes: Floats) -> Floats:
    """The same as highest minus lowest point of the walk: the interval of p that is off most."""
    walk = _walk(event, outcomes)
    error: Floats = np.maximum(walk.max(axis=-1), 0.0) - np.minimum(walk.min(axis=-1), 0.0)
    return error


def _walk(event: Event, outcomes: Floats) -> Floats:
    walk = np.cumsum(event.weight * (outcomes - event.p), axis=-1)
    last = np.append(np.diff(event.p) > 0.0, True)  # rows of one prediction are one step
    return walk[..., last]


def smooth_error(event: Event, outcomes: Floats) -> Floats:
    """smECE: the mean |residual| after smoothing over p, with the bandwidth that equals it.

    ∫ |Σ_i w_i (y_i − p_i) K_σ(t, p_i)| dt with the Gaussian kernel reflected at 0 and 1, at the σ where it is
    σ. Residuals are put on a grid of 2048 cells, where the kernel is a factor exp(−(πkσ)²/2) of the cosine
    coefficients. Source: Błasiok & Nakkiran 2024, ICLR, arXiv:2309.12236.
    """
    cell = np.minimum((event.p * _CELLS).astype(np.int64), _CELLS - 1)
    starts = np.flatnonzero(np.diff(cell, prepend=-1))
    residual = np.zeros((*outcomes.shape[:-1], _CELLS))
    residual[..., cell[starts]] = np.add.reduceat(event.weight * (outcomes - event.p), starts, axis=-1)
    waves = fft.dct(residual, axis=-1, norm="ortho")
    low, high = np.zeros(residual.shape[:-1]), np.ones(residual.shape[:-1])
    frequency = (np.pi * np.arange(_CELLS)) ** 2 / 2.0
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        smoothed = fft.idct(waves * np.exp(-frequency * middle[..., None] ** 2), axis=-1, norm="ortho")
        above = np.abs(smoothed).sum(axis=-1) > middle
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    found: Floats = 0.5 * (low + high)
    return found


def spiegelhalter(event: Event, outcomes: Floats) -> Floats:
    """Z = Σ w (y − p)(1 − 2p) / √(Σ w² (1 − 2p)² p (1 − p)): about normal if calibrated; in absolute value.

    Source: Spiegelhalter 1986, Statistics in Medicine 5:421-433, doi:10.1002/sim.4780050506.
    """
    tilt = 1.0 - 2.0 * event.p
    scale = np.sqrt(((event.weight * tilt) ** 2 * event.p * (1.0 - event.p)).sum())
    over = (event.weight * tilt * (outcomes - event.p)).sum(axis=-1)
    return np.abs(over) / scale if scale > 0.0 else np.zeros_like(over)


MEASURES: dict[str, tuple[str, Measure]] = {
    "ece": ("ECE, 15 bins of equal width", expected_error),
    "ece_mass": ("ECE, 15 bins of equal weight", expected_error_equal_mass),
    "rmsce": ("root mean square, equal weight", root_mean_square_error),
    "mce": ("greatest of a bin, equal weight", maximum_error),
    "debiased": ("mean square, debiased", debiased_square_error),
    "smooth": ("smooth ECE", smooth_error),
    "ks": ("Kolmogorov–Smirnov", kolmogorov_smirnov),
    "kuiper": ("Kuiper", kuiper),
    "spiegelhalter": ("Spiegelhalter's |Z|", spiegelhalter),
}
"""Name → title and function: each is larger the worse."""


@dataclass(frozen=True)
class Measured:
    """A measure of calibration beside what it would be if the predictions were right."""

    name: str
    """Of the measure: "ece", "smooth", "ks" …"""
    title: str
    value: float
    if_calibrated: float
    """Its mean over outcomes drawn from the predictions."""
    quantile: float
    """Exceeded by one in twenty of those."""
    p: float
    """Share of those that are at least the value, the data counted as one: a test of calibration."""


@dataclass(frozen=True)
class EventCalibration:
    """How well calibrated one model is about one event."""

    model: str
    event: str
    """A class, or "top label": that the most likely class is the right one."""
    rows: int
    frequency: float
    """Weighted share of the rows in which the event happened."""
    predicted: float
    """Weighted mean probability it was given."""
    measures: tuple[Measured, ...]
    intercept: float | None
    """Of Cox's regression, 0 if calibrated; None where it does not exist."""
    slope: float | None
    """1 if calibrated, below 1 where predictions are too extreme."""


def measure(
    p: Floats, happened: NDArray[np.bool_], weights: Floats, draws: int, rng: np.random.Generator
) -> tuple[Measured, ...]:
    """All measures of an event of which probabilities p (N,) were predicted."""
    event = Event.of(p, weights)
    outcomes = event.outcomes(happened)
    block = max(1, min(draws, (1 << 22) // max(event.p.size, 1)))
    null: dict[str, list[Floats]] = {name: [] for name in MEASURES}
    for begin in range(0, draws, block):
        drawn = event.drawn(min(block, draws - begin), rng)
        for name, (_, function) in MEASURES.items():
            null[name].append(function(event, drawn))
    found = []
    for name, (title, function) in MEASURES.items():
        value, chance = float(function(event, outcomes)), np.concatenate(null[name])
        # equal up to rounding is as extreme
        extreme = int((chance >= value - 1e-12 * abs(value)).sum())
        quantile = float(np.quantile(chance, 0.95))
        found.append(
            Measured(name, title, value, float(chance.mean()), quantile, (1 + extreme) / (1 + draws))
        )
    return tuple(found)


def cox(p: Floats, happened: NDArray[np.bool_], weights: Floats) -> tuple[float, float] | None:
    """Intercept and slope of the logistic regression of the event on log(p / (1 − p)): 0 and 1 if calibrated.

    A slope below 1 says that predictions are too extreme. None where the fit does not exist (predictions of 0
    or 1, all outcomes alike, or outcomes that the predictions separate). Source: Cox 1958, Biometrika
    45:562-565.
    """
    counted = weights > 0.0
    p, y, w = p[counted], happened[counted].astype(np.float64), weights[counted]
    if not ((p > 0.0) & (p < 1.0)).all() or y.min() == y.max() or p.min() == p.max():
        return None
    logit = np.log(p) - np.log1p(-p)
    design = np.column_stack([np.ones_like(logit), logit])
    theta = np.array([0.0, 1.0])
    for _ in range(50):
        fitted = 1.0 / (1.0 + np.exp(-np.clip(design @ theta, -700.0, 700.0)))
        slope = design.T @ (w * (y - fitted))
        curvature = (design * (w * fitted * (1.0 - fitted))[:, None]).T @ design
        if not np.isfinite(curvature).all() or np.linalg.cond(curvature) > 1e13:
            return None
        step = np.linalg.solve(curvature, slope)
        theta = theta + step * min(1.0, 4.0 / max(float(np.abs(step).max()), 1e-300))
        if np.abs(step).max() < 1e-10:
            return float(theta[0]), float(theta[1])
    return None
