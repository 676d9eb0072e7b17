"""Losses of a predicted number: squared error, which asks for the mean, absolute error, for the median."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from crossent.kernels.reference import blocks
from crossent.losses.contract import Floats, Loss, Target
from crossent.losses.numbers import check_samples, checked
from crossent.losses.registry import register


@dataclass(frozen=True)
class SquaredError(Loss):
    """Squared error  (y − μ)², in the square of the label's unit; range [0, ∞).

    | kind       | μ                       |
    |------------|-------------------------|
    | `point`    | the prediction          |
    | `mean_std` | the mean                |
    | `samples`  | the mean of the samples |

    The root of its mean is the RMSE. It is a cross-entropy in disguise: with one standard deviation σ for all
    rows the Gaussian log loss is ½ ln(2πσ²) + mean((y − μ)²) / 2σ², lowest at σ² = mean((y − μ)²).

    Errors: `UsageError` (unknown-kind), `DataError` (shape-mismatch, label-not-finite,
    prediction-not-finite, too-few-samples).

    >>> import numpy as np
    >>> SquaredError().value(np.array([1.0, 2.0]), np.array([1.5, 2.0]), "point")
    array([0.25, 0.  ])

    Source: C. F. Gauss, Theoria combinationis observationum (1823); the mean is what it elicits:
    T. Gneiting, Making and evaluating point forecasts, JASA 106 (2011) 746–762, doi:10.1198/jasa.2011.r10138.
    """

    name: ClassVar[str] = "squared_error"
    title: ClassVar[str] = "squared error"
    unit: ClassVar[str] = "square of the label's unit"
    kinds: ClassVar[tuple[str, ...]] = ("point", "mean_std", "samples")
    target: ClassVar[str] = "real"
    proper: ClassVar[bool] = True
    strictly_proper: ClassVar[bool] = False
    elicits: ClassVar[str] = "mean"
    bounds: ClassVar[tuple[float, float]] = (0.0, np.inf)
    calibration: ClassVar[str] = "Its minimum is the true mean; it says nothing about the spread around it."
    use: ClassVar[str] = "Where one number is predicted, the mean is wanted and large errors cost most."

    def value(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        with np.errstate(over="ignore"):
            return np.square(self._error(labels, prediction, kind))

    def gradient(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        """2(μ − y) by the prediction or the mean, 0 by the standard deviation, a share 1/M by each sample."""
        with np.errstate(over="ignore"):
            return spread(2.0 * self._error(labels, prediction, kind), prediction, kind)

    def hessian_diagonal(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        """2 by the prediction or the mean, 0 by the standard deviation, 2/M² by each sample."""
        _, x = checked(self, labels, prediction, kind)
        twice = spread(np.full(len(x), 2.0), x, kind)
        return twice / x.shape[1] if kind == "samples" else twice

    def _error(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        """μ − y; of samples the mean of their errors, so that samples far from 0 keep their digits."""
        y, x = checked(self, labels, prediction, kind)
        if kind != "samples":
            return np.subtract(x if kind == "point" else x[:, 0], y)
        check_samples(x, 1)
        error = np.empty(len(y))
        for block in blocks(x):
            distance = block.x - block.spread(y[block.rows])
            error[block.rows] = block.total(distance / x.shape[1])
        return error


@dataclass(frozen=True)
class AbsoluteError(Loss):
    """Absolute error  |y − m|, in the label's unit; range [0, ∞).

    | kind       | m                                                                           |
    |------------|-----------------------------------------------------------------------------|
    | `point`    | the prediction                                                              |
    | `mean_std` | the mean, which is the median of a symmetric distribution                   |
    | `samples`  | the median of the samples, halfway between the middle two of an even number |

    At m = y, where it has a kink, the gradient is given as 0. There is no second derivative worth having: it
    is 0 wherever it exists.

    Errors: as for `SquaredError`.

    >>> import numpy as np
    >>> AbsoluteError().value(np.array([1.0]), np.array([[0.0, 3.0, 4.0]]), "samples")
    array([2.])

    Source: P. S. Laplace, Mémoire sur la probabilité des causes (1774); the median is what it elicits:
    T. Gneiting, Making and evaluating point forecasts, JASA 106 (2011) 746–762, doi:10.1198/jasa.2011.r10138.
    """

    name: ClassVar[str] = "absolute_error"
    title: ClassVar[str] = "absolute error"
    unit: ClassVar[str] = "the label's unit"
    kinds: ClassVar[tuple[str, ...]] = ("point", "mean_std", "samples")
    target: ClassVar[str] = "real"
    proper: ClassVar[bool] = True
    strictly_proper: ClassVar[bool] = False
    elicits: ClassVar[str] = "median"
    bounds: ClassVar[tuple[float, float]] = (0.0, np.inf)
    calibration: ClassVar[str] = "Its minimum is the true median; it says nothing about the spread around it."
    use: ClassVar[str] = "Where one number is predicted and a few wild labels must not decide."

    def value(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        y, x = checked(self, labels, prediction, kind)
        with np.errstate(over="ignore"):
            if kind != "samples":
                return np.abs((x if kind == "point" else x[:, 0]) - y)
            check_samples(x, 1)
            ranked = np.sort(x, axis=1)
            low, high = (ranked[:, i] for i in middle(x.shape[1]))
            return np.abs((low - y) / 2 + (high - y) / 2)

    def gradient(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        """sign(m − y), of samples shared by the middle one or two; 0 by the standard deviation."""
        y, x = checked(self, labels, prediction, kind)
        if kind != "samples":
            return spread(np.sign((x if kind == "point" else x[:, 0]) - y), x, kind)
        check_samples(x, 1)
        order = np.argsort(x, axis=1, kind="stable")
        rows = np.arange(len(y))
        low, high = (order[:, i] for i in middle(x.shape[1]))
        half = 0.5 * np.sign((x[rows, low] - y) / 2 + (x[rows, high] - y) / 2)
        out = np.zeros(x.shape)
        out[rows, low] += half
        out[rows, high] += half
        return out


def middle(count: int) -> tuple[int, int]:
    """Ranks of the samples whose mean is the median; the same one twice for an odd number."""
    return (count - 1) // 2, count // 2


def spread(by_mean: Floats, prediction: Floats, kind: str) -> Floats:
    """A derivative by the mean, as the derivative by the prediction whose mean it is."""
    if kind == "point":
        return by_mean
    out = np.zeros(prediction.shape)
    if kind == "samples":
        out += (by_mean / prediction.shape[1])[:, None]
    else:
        out[:, 0] = by_mean
    return out


for _loss in (SquaredError(), AbsoluteError()):
    register(_loss)
