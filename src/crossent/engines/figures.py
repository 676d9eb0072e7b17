"""What shows how well a prediction about a number is calibrated: a number for each row, of which the mean is
shown, and counts of what is unusual.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from crossent.accumulators.pit import PIT

Floats = NDArray[np.float64]
Counts = dict[str, int]
Extremes = dict[str, tuple[float, float]]

ERROR = "error"
"""Prediction minus label."""
CENTRAL = (50, 90)
"""Central intervals, in per cent, whose coverage is shown."""


def coverage(percent: int) -> str:
    """Whether the label lies in that central interval, ends included."""
    return f"coverage_{percent}"


def pinball_at(level: float) -> str:
    """The pinball loss at one level."""
    return f"pinball_{level!r}"


def below(level: float) -> str:
    """Whether the label is at most the quantile of that level."""
    return f"below_{level!r}"


def figure_names(kind: str, levels: Sequence[float]) -> tuple[str, ...]:
    """The figures of that kind of prediction."""
    if kind == "mean_std":
        return (*map(coverage, CENTRAL), PIT)
    if kind == "quantiles":
        return (*map(pinball_at, levels), *map(below, levels))
    return tuple(map(coverage, CENTRAL)) if kind == "samples" else (ERROR,)


def figures_of(kind: str, y: Floats, prediction: Floats, levels: Sequence[float]) -> dict[str, Floats]:
    """Each figure by name, (N,)."""
    compute: dict[str, Callable[[], dict[str, Floats]]] = {
        "mean_std": lambda: _of_gaussian(y, prediction[:, 0], prediction[:, 1]),
        "quantiles": lambda: _of_quantiles(y, prediction, levels),
        "samples": lambda: _of_samples(y, prediction),
        "point": lambda: {ERROR: prediction - y},
    }
    return compute[kind]()


def _of_gaussian(y: Floats, mean: Floats, std: Floats) -> dict[str, Floats]:
    from scipy.special import ndtr, ndtri

    distance = np.abs(y - mean)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        # of std 0 the whole probability is at the mean
        z = np.where(std > 0.0, (y - mean) / std, np.where(y < mean, -np.inf, np.inf))
    inside = {
        coverage(percent): (distance <= ndtri(0.5 + percent / 200.0) * std).astype(np.float64)
        for percent in CENTRAL
    }
    return {**inside, PIT: ndtr(z)}


def _of_quantiles(y: Floats, quantiles: Floats, levels: Sequence[float]) -> dict[str, Floats]:
    found = {}
    for k, level in enumerate(levels):
        error = y - quantiles[:, k]
        found[pinball_at(level)] = np.maximum(level * error, (level - 1.0) * error)
        found[below(level)] = (error <= 0.0).astype(np.float64)
    return found


def _of_samples(y: Floats, samples: Floats) -> dict[str, Floats]:
    found = {}
    for percent in CENTRAL:
        outside = 0.5 - percent / 200.0
        low, high = np.quantile(samples, [outside, 1.0 - outside], axis=1)
        found[coverage(percent)] = ((low <= y) & (y <= high)).astype(np.float64)
    return found


def unusual(kind: str, prediction: Floats) -> tuple[Counts, Extremes]:
    """Counts of what is unusual in predictions, and the least and greatest of what describes them."""
    if kind == "mean_std":
        std = prediction[:, 1]
        return {"std_zero": int(np.count_nonzero(std == 0.0))}, {"std": (float(std.min()), float(std.max()))}
    if kind == "quantiles":
        steps = np.diff(prediction, axis=1)
        crossing = int(np.count_nonzero((steps < 0.0).any(axis=1)))
        return {"rows_crossing": crossing, "tied_quantiles": int(np.count_nonzero(steps == 0.0))}, {}
    if kind == "samples":
        count = float(prediction.shape[1])
        equal = int(np.count_nonzero((prediction == prediction[:, :1]).all(axis=1)))
        return {"rows_of_equal_samples": equal}, {"samples": (count, count)}
    return {}, {}
