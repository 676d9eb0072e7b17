"""What losses of predictions about numbers have in common: their arguments, checked once, as float64."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossent.errors import DataError
from crossent.losses.contract import PARAMETERS, Floats, Loss, Target, check_arguments

CURES = {
    "label-not-finite": "give the number, or leave the row out",
    "prediction-not-finite": "find out why the model returns it; nothing is filled in",
    "not-a-count": "counts are 0, 1, 2, …; take a loss of real numbers for anything else",
    "not-a-scale": "check the order of the columns, and whether they hold logarithms",
    "not-a-mixture": "give the weights of each row, none below 0, so that they sum to one",
    "infinite-density": "give the smallest spread that the measurement can tell apart",
}

limits = np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore")
"""Decorates functions whose formulas pass through infinity on the way to their limits."""


def checked(loss: Loss, labels: Target, prediction: Floats, kind: str) -> tuple[Floats, Floats]:
    """What happened (N,) and the prediction, both as finite float64; logarithms of 0 may be −inf.

    Errors: `UsageError` (unknown-kind), `DataError` (shape-mismatch, label-not-finite,
    prediction-not-finite, not-a-count), which name the row.
    """
    check_arguments(loss, labels, prediction, kind)
    y, x = np.asarray(labels, np.float64), np.asarray(prediction, np.float64)
    refuse(~np.isfinite(y), y, "label-not-finite", "what happened is not a finite number")
    bad = ~np.isfinite(x)
    if kind == "log_rate":
        bad &= ~np.isneginf(x)
    elif kind == "mean_log_std":
        bad[:, 1] &= ~np.isneginf(x[:, 1])
    refuse(bad, x, "prediction-not-finite", "a predicted number is not finite", kind)
    if loss.target == "count":
        refuse((y < 0.0) | (y != np.floor(y)), y, "not-a-count", "what happened is no whole number from 0")
    return y, x


def columns(x: Floats) -> tuple[Floats, ...]:
    """The columns of a prediction, each contiguous."""
    return tuple(np.ascontiguousarray(column) for column in x.T)


def check_scale(scale: Floats, name: str, *, zero: bool = True) -> None:
    """Raise unless every scale (standard deviation, rate, degrees of freedom …) is above 0, or 0 if it may.

    Errors: `DataError` (not-a-scale), which names the row.
    """
    bad = scale < 0.0 if zero else scale <= 0.0
    refuse(bad, scale, "not-a-scale", f"the {name} must {'not be below' if zero else 'be above'} 0")


def check_samples(samples: Floats, least: int) -> None:
    """Raise `DataError` (too-few-samples) unless each row has so many."""
    if samples.shape[1] < least:
        raise DataError(
            "too-few-samples",
            f"{samples.shape[1]} samples a row are fewer than {least}",
            cure="draw more samples from the model",
        )


def check_density(infinite: NDArray[np.bool_], scale: Floats, name: str) -> None:
    """Raise where all of the probability stands on the label: no density describes it.

    Errors: `DataError` (infinite-density), which names the row.
    """
    problem = f"the {name} is 0 and the prediction is exactly what happened: the density is infinite"
    refuse(infinite, scale, "infinite-density", problem)


def refuse(bad: NDArray[np.bool_], values: NDArray[Any], slug: str, problem: str, kind: str = "") -> None:
    """Raise a `DataError` with the first bad row, its value, and its column where columns have names."""
    if not bad.any():
        return
    place = tuple(int(i) for i in np.argwhere(bad)[0])
    names = PARAMETERS.get(kind)
    column = names[place[1]] if names else None
    raise DataError(slug, problem, row=place[0], column=column, value=float(values[place]), cure=CURES[slug])
