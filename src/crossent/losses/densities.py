"""Log losses of predicted densities: Gaussian, log-normal, Laplace."""

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
        return gaussian_loss(z, log_std)

    @limits
    def gradient(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        """With z = (y − μ)/σ: by μ −z/σ, by σ (1 − z²)/σ, by ln σ 1 − z²."""
        z, _, std = self._standardised(labels, prediction, kind)
        return gaussian_slope(z, std, by_logarithm=kind == "mean_log_std")

    @limits
    def hessian_diagonal(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        """By μ 1/σ², by σ (3z² − 1)/σ², by ln σ 2z²."""
        z, _, std = self._standardised(labels, prediction, kind)
        return gaussian_bend(z, std, by_logarithm=kind == "mean_log_std")

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


@dataclass(frozen=True)
class LogNormalNLL(Loss):
    """Log loss of a log-normal density  ln y + ½ ln(2π) + ln s + ½((ln y − m)/s)², in nats; range (−∞, ∞).

    The columns of `log_mean_log_std` are m and s ≥ 0, mean and standard deviation of ln y. It is the Gaussian
    log loss of ln y, plus ln y for the change of unit. A label y ≤ 0 is impossible under the model: the loss
    is +inf, and its derivatives are 0, since no prediction of this family would lower it.

    Errors: as for `GaussianNLL`.

    >>> import numpy as np
    >>> LogNormalNLL().value(np.array([3.0, 0.0]), np.array([[0.1, 0.9], [0.1, 0.9]]), "log_mean_log_std")
    array([2.52776222,        inf])

    Source: as for the Gaussian; E. L. Crow & K. Shimizu, Lognormal Distributions (1988), Marcel Dekker;
    A. Jordan, F. Krüger & S. Lerch, Evaluating probabilistic forecasts with scoringRules, J. Stat. Softw.
    90(12) (2019), doi:10.18637/jss.v090.i12.
    """

    name: ClassVar[str] = "log_normal_nll"
    title: ClassVar[str] = "log loss (log-normal density)"
    unit: ClassVar[str] = "nats"
    kinds: ClassVar[tuple[str, ...]] = ("log_mean_log_std",)
    target: ClassVar[str] = "positive"
    strictly_proper: ClassVar[bool] = True
    elicits: ClassVar[str] = "distribution"
    bounds: ClassVar[tuple[float, float]] = (-np.inf, np.inf)
    calibration: ClassVar[str] = "Its minimum is the true mean and standard deviation of the logarithm."
    use: ClassVar[str] = "Positive numbers whose errors are shares of them: prices, times, concentrations."

    @limits
    def value(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        log_y, z, std = self._standardised(labels, prediction, kind)
        return np.where(np.isneginf(log_y), np.inf, log_y + gaussian_loss(z, np.log(std)))

    @limits
    def gradient(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        """As of the Gaussian at ln y."""
        log_y, z, std = self._standardised(labels, prediction, kind)
        return np.where(np.isneginf(log_y)[:, None], 0.0, gaussian_slope(z, std))

    @limits
    def hessian_diagonal(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        """As of the Gaussian at ln y."""
        log_y, z, std = self._standardised(labels, prediction, kind)
        return np.where(np.isneginf(log_y)[:, None], 0.0, gaussian_bend(z, std))

    def _standardised(self, labels: Target, prediction: Floats, kind: str) -> tuple[Floats, Floats, Floats]:
        """ln y, −inf where y ≤ 0, (ln y − m)/s and s."""
        y, x = checked(self, labels, prediction, kind)
        mean, std = columns(x)
        log_y = np.log(np.maximum(y, 0.0))
        check_scale(std, "standard deviation of the logarithm")
        check_density((std == 0.0) & (log_y == mean), std, "standard deviation of the logarithm")
        return log_y, (log_y - mean) / std, std


@dataclass(frozen=True)
class LaplaceNLL(Loss):
    """Log loss of a Laplace density  ln(2b) + |y − m|/b, in nats; range (−∞, ∞).

    The columns of `location_scale` are m and b ≥ 0. With a constant b it is the absolute error, scaled and
    shifted. Where b = 0 the loss is +inf unless y = m, where the density is infinite. At y = m, where it has
    a kink, the gradient by m is given as 0; the second derivative by m is 0 wherever it exists, and none is
    given.

    Errors: as for `GaussianNLL`.

    >>> import numpy as np
    >>> LaplaceNLL().value(np.array([-3.0]), np.array([[0.1, 0.9]]), "location_scale")
    array([4.03223111])

    Source: P. S. Laplace, Mémoire sur la probabilité des causes (1774); S. Kotz, T. J. Kozubowski &
    K. Podgórski, The Laplace Distribution and Generalizations (2001), doi:10.1007/978-1-4612-0173-1.
    """

    name: ClassVar[str] = "laplace_nll"
    title: ClassVar[str] = "log loss (Laplace density)"
    unit: ClassVar[str] = "nats"
    kinds: ClassVar[tuple[str, ...]] = ("location_scale",)
    target: ClassVar[str] = "real"
    strictly_proper: ClassVar[bool] = True
    elicits: ClassVar[str] = "distribution"
    bounds: ClassVar[tuple[float, float]] = (-np.inf, np.inf)
    calibration: ClassVar[str] = "Its minimum is the true median and mean distance from it."
    use: ClassVar[str] = "Where errors are often small and now and then large: tails heavier than Gaussian."

    @limits
    def value(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        z, scale = self._standardised(labels, prediction, kind)
        return np.where(np.isinf(z), np.inf, np.abs(z) + np.log(scale) + math.log(2.0))

    @limits
    def gradient(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        """By m −sign(y − m)/b, by b (1 − |y − m|/b)/b."""
        z, scale = self._standardised(labels, prediction, kind)
        return np.column_stack([-np.sign(z) / scale, (1.0 - np.abs(z)) / scale])

    def _standardised(self, labels: Target, prediction: Floats, kind: str) -> tuple[Floats, Floats]:
        """(y − m)/b and b."""
        y, x = checked(self, labels, prediction, kind)
        location, scale = columns(x)
        error = y - location
        check_scale(scale, "scale")
        check_density((scale == 0.0) & (error == 0.0), scale, "scale")
        return error / scale, scale


def gaussian_loss(z: Floats, log_std: Floats) -> Floats:
    """½ ln(2π) + ln σ + ½z²; +inf where z is infinite, even if ln σ is −inf."""
    return np.where(np.isinf(z), np.inf, HALF_LOG_TWO_PI + log_std + 0.5 * z * z)


def gaussian_slope(z: Floats, std: Floats, *, by_logarithm: bool = False) -> Floats:
    """(N, 2) derivatives of `gaussian_loss` by μ, and by σ or ln σ."""
    by_mean, by_log_std = np.where(z == 0.0, 0.0, -z / std), 1.0 - z * z
    return np.column_stack([by_mean, by_log_std if by_logarithm else by_log_std / std])


def gaussian_bend(z: Floats, std: Floats, *, by_logarithm: bool = False) -> Floats:
    """(N, 2) second derivatives of `gaussian_loss` by μ, and by σ or ln σ."""
    by_spread = 2.0 * z * z if by_logarithm else (3.0 * z * z - 1.0) / std / std
    return np.column_stack([1.0 / std / std, by_spread])


for _loss in (GaussianNLL(), LogNormalNLL(), LaplaceNLL()):
    register(_loss)
