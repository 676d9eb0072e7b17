"""Log losses of predicted densities of one family: Gaussian, Laplace, Student, log-normal."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from crossent.losses.contract import Floats, Loss, Target
from crossent.losses.numbers import check_density, check_scale, checked, columns, limits
from crossent.losses.registry import register

HALF_LOG_TWO_PI = 0.5 * math.log(2.0 * math.pi)
LARGEST_EXPONENT = 700.0
"""exp of it and of its negative are neither infinite nor subnormal."""


@dataclass(frozen=True)
class GaussianNLL(Loss):
    """Log loss of a Gaussian density  ½ ln(2π) + ln σ + ½((y − μ)/σ)², in nats; range (−∞, ∞).

    | kind           | columns      |
    |----------------|--------------|
    | `mean_std`     | μ, σ ≥ 0     |
    | `mean_log_std` | μ, ln σ ≥ −∞ |

    A density has the unit 1/(unit of the label): with label, mean and standard deviation multiplied by c,
    every row's loss rises by ln |c|. So differences between models stay, and one number alone means little.
    Where σ = 0 the loss is +inf unless y = μ: there the density is infinite, which no loss describes. A tiny
    σ is taken as it is, and gives a huge finite loss.

    Errors: `UsageError` (unknown-kind), `DataError` (shape-mismatch, label-not-finite,
    prediction-not-finite, not-a-scale, infinite-density), which name the row.

    >>> import numpy as np
    >>> prediction = np.array([[0.0, 1.0], [0.0, 0.0]])
    >>> GaussianNLL().value(np.array([0.0, 1.0]), prediction, "mean_std")
    array([0.91893853,        inf])

    Source: I. J. Good, Rational decisions, JRSS B 14 (1952) 107–114, doi:10.1111/j.2517-6161.1952.tb00104.x;
    for a predicted σ: D. A. Nix & A. S. Weigend, Estimating the mean and variance of the target probability
    distribution, ICNN (1994), doi:10.1109/ICNN.1994.374138.
    """

    name: ClassVar[str] = "gaussian_nll"
    title: ClassVar[str] = "log loss (Gaussian density)"
    unit: ClassVar[str] = "nats"
    kinds: ClassVar[tuple[str, ...]] = ("mean_std", "mean_log_std")
    target: ClassVar[str] = "real"
    strictly_proper: ClassVar[bool] = True
    elicits: ClassVar[str] = "distribution"
    bounds: ClassVar[tuple[float, float]] = (-np.inf, np.inf)
    calibration: ClassVar[str] = (
        "Its minimum is the true mean and standard deviation, whatever the true shape."
    )
    use: ClassVar[str] = (
        "The default for a predicted mean and standard deviation; a label far outside costs most."
    )

    @limits
    def value(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        z, log_std, _ = self._standardised(labels, prediction, kind)
        loss = HALF_LOG_TWO_PI + log_std + 0.5 * z * z
        return np.where(np.isinf(z), np.inf, loss)

    @limits
    def gradient(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        """With z = (y − μ)/σ: by μ −z/σ, by σ (1 − z²)/σ, by ln σ 1 − z²."""
        z, _, std = self._standardised(labels, prediction, kind)
        by_mean = np.where(z == 0.0, 0.0, -z / std)
        by_log_std = 1.0 - z * z
        return np.column_stack([by_mean, by_log_std / std if kind == "mean_std" else by_log_std])

    @limits
    def hessian_diagonal(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        """By μ 1/σ², by σ (3z² − 1)/σ², by ln σ 2z²."""
        z, _, std = self._standardised(labels, prediction, kind)
        by_spread = (3.0 * z * z - 1.0) / std / std if kind == "mean_std" else 2.0 * z * z
        return np.column_stack([1.0 / std / std, by_spread])

    def _standardised(self, labels: Target, prediction: Floats, kind: str) -> tuple[Floats, Floats, Floats]:
        """z = (y − μ)/σ, which is ±inf where σ = 0, ln σ, and σ."""
        y, x = checked(self, labels, prediction, kind)
        mean, spread = columns(x)
        error = y - mean
        if kind == "mean_std":
            check_scale(spread, "standard deviation")
            check_density((spread == 0.0) & (error == 0.0), spread, "standard deviation")
            return error / spread, np.log(spread), spread
        check_density(np.isneginf(spread) & (error == 0.0), spread, "standard deviation")
        # far out the product of the error and 1/σ would lose what their logarithms keep
        far = np.sign(error) * np.exp(np.log(np.abs(error)) - spread)
        z = np.where(np.abs(spread) < LARGEST_EXPONENT, error * np.exp(-spread), far)
        return np.where(error == 0.0, 0.0, z), spread, np.exp(spread)


register(GaussianNLL())
