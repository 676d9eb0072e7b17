"""Log loss and CRPS of mixtures of Gaussians, as mixture density networks predict them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from crossent.errors import DataError
from crossent.losses.contract import Floats, Loss, Target
from crossent.losses.numbers import check_density, check_scale, checked, limits, refuse
from crossent.losses.registry import register

HALF_LOG_TWO_PI = 0.5 * math.log(2.0 * math.pi)
TOLERANCE = 0.01
"""How far from one the weights of a row may sum; they are used as they are."""


@dataclass(frozen=True)
class GaussianMixtureNLL(Loss):
    """Log loss of a mixture of C Gaussians  −ln Σ_c w_c φ((y − μ_c)/σ_c)/σ_c, in nats; range (−∞, ∞).

    The columns of `mixture` are C weights, C means and C standard deviations, in this order. The sum is taken
    in logarithms, so that a label far from every component has a finite loss. Weights are used as they are:
    within 0.01 of a sum of one, they need not be exact. A component with σ = 0 has no density but on its
    mean, where it is infinite. Where no component has any, the loss is +inf and its derivatives are 0.

    Errors: `UsageError` (unknown-kind), `DataError` (shape-mismatch, label-not-finite,
    prediction-not-finite, not-a-mixture, not-a-scale, infinite-density), which name the row.

    >>> import numpy as np
    >>> mixture = np.array([[1, 1, 1, 0, -8.7, 2.7, 1.5, 4.2, 2.1]]) / 3
    >>> GaussianMixtureNLL().value(np.array([0.3]), mixture, "mixture")
    array([1.01974202])

    Source: C. M. Bishop, Mixture density networks (1994), Aston University NCRG/94/004,
    https://publications.aston.ac.uk/id/eprint/373.
    """

    name: ClassVar[str] = "gaussian_mixture_nll"
    title: ClassVar[str] = "log loss (Gaussian mixture)"
    unit: ClassVar[str] = "nats"
    kinds: ClassVar[tuple[str, ...]] = ("mixture",)
    target: ClassVar[str] = "real"
    strictly_proper: ClassVar[bool] = True
    elicits: ClassVar[str] = "distribution"
    bounds: ClassVar[tuple[float, float]] = (-np.inf, np.inf)
    calibration: ClassVar[str] = "Its minimum is the true density where a mixture can be it."
    use: ClassVar[str] = "Where what may happen has several peaks, and one mean and spread would lie."

    @limits
    def value(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        y, weight, mean, std = components(self, labels, prediction, kind)
        return -log_density(y, weight, mean, std)[0]

    @limits
    def gradient(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        """With shares ρ_c of the density: by w_c −ρ_c/w_c, by μ_c −ρ_c z_c/σ_c, by σ_c ρ_c(1 − z_c²)/σ_c."""
        y, weight, mean, std = components(self, labels, prediction, kind)
        z, ratio, share = shares(y, weight, mean, std)
        parts = (-ratio, -times(share, z / std), -times(share, (z * z - 1.0) / std))
        return np.concatenate(parts).T.copy()

    @limits
    def hessian_diagonal(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        """By w_c (ρ_c/w_c)², by μ_c ρ_c(1 − (1 − ρ_c)z²)/σ_c², by σ_c

        ρ_c((5 − 2ρ_c)z² − (1 − ρ_c)z⁴ + ρ_c − 2)/σ_c².
        """
        y, weight, mean, std = components(self, labels, prediction, kind)
        z, ratio, share = shares(y, weight, mean, std)
        square, others = z * z, 1.0 - share
        by_mean = times(share, (1.0 - times(others, square)) / std / std)
        inner = (5.0 - 2.0 * share) * square - times(others, square * square) + share - 2.0
        by_std = times(share, inner / std / std)
        return np.concatenate([ratio**2, by_mean, by_std]).T.copy()


@dataclass(frozen=True)
class CrpsMixture(Loss):
    """CRPS of a mixture of C Gaussians, in the label's unit; range [0, ∞).

        Σ_i w_i A(y − μ_i, σ_i) − ½ Σ_ij w_i w_j A(μ_i − μ_j, √(σ_i² + σ_j²))

    A(m, s) = m(2Φ(m/s) − 1) + 2sφ(m/s) is the mean of |X| for a Gaussian of
    mean m and standard deviation s, and |m| at s = 0. The columns of `mixture` are as for
    `gaussian_mixture_nll`; the work grows with C².

    Errors: as for `GaussianMixtureNLL`, but for infinite-density.

    >>> import numpy as np
    >>> mixture = np.array([[1, 1, 1, 0, -8.7, 2.7, 1.5, 4.2, 2.1]]) / 3
    >>> CrpsMixture().value(np.array([0.3]), mixture, "mixture")
    array([0.45104514])

    Source: E. P. Grimit, T. Gneiting, V. J. Berrocal & N. A. Johnson, The continuous ranked probability score
    for circular variables and its application to mesoscale forecast ensemble verification, Q. J. R. Meteorol.
    Soc. 132 (2006) 2925–2942, doi:10.1256/qj.05.235.
    """

    name: ClassVar[str] = "crps_mixture"
    title: ClassVar[str] = "CRPS (Gaussian mixture)"
    unit: ClassVar[str] = "the label's unit"
    kinds: ClassVar[tuple[str, ...]] = ("mixture",)
    target: ClassVar[str] = "real"
    strictly_proper: ClassVar[bool] = True
    elicits: ClassVar[str] = "distribution"
    bounds: ClassVar[tuple[float, float]] = (0.0, np.inf)
    calibration: ClassVar[str] = "Its minimum is the true distribution where a mixture can be it."
    use: ClassVar[str] = "The score of a mixture in the label's unit, kinder to outliers than its log loss."

    @limits
    def value(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        y, weight, mean, std = components(self, labels, prediction, kind)
        total = np.zeros(len(y))
        for i in range(len(weight)):
            within = absolute_mean(mean[i] - mean, np.hypot(std[i], std))[0]
            total += weight[i] * absolute_mean(y - mean[i], std[i])[0]
            total -= 0.5 * weight[i] * added(weight * within)
        return total

    @limits
    def gradient(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        """Of A by m 2Φ(m/s) − 1, by s 2φ(m/s), in both sums."""
        y, weight, mean, std = components(self, labels, prediction, kind)
        by_weight, by_mean, by_std = (np.empty_like(weight) for _ in range(3))
        for i in range(len(weight)):
            s = np.hypot(std[i], std)
            size, sign, density = absolute_mean(mean[i] - mean, s)
            to_label = absolute_mean(y - mean[i], std[i])
            by_weight[i] = to_label[0] - added(weight * size)
            by_mean[i] = -weight[i] * (to_label[1] + added(weight * sign))
            by_std[i] = weight[i] * (to_label[2] - added(weight * density * share_of(std[i], s)))
        return np.concatenate([by_weight, by_mean, by_std]).T.copy()

    @limits
    def hessian_diagonal(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        """By w_i −A(0, σ_i√2); by μ_i and σ_i of the first sum as for a Gaussian, less that of the second."""
        y, weight, mean, std = components(self, labels, prediction, kind)
        by_mean, by_std = np.empty_like(weight), np.empty_like(weight)
        for i in range(len(weight)):
            s = np.hypot(std[i], std)
            z, near = quotient(mean[i] - mean, s), share_of(std[i], s)
            apart = times(absolute_mean(mean[i] - mean, s)[2], weight * near)
            bent = times(apart, (near * z) ** 2 + share_of(std, s) ** 2)
            apart[i] = bent[i] = 0.0
            own, z = absolute_mean(y - mean[i], std[i])[2], quotient(y - mean[i], std[i])
            by_mean[i] = times(weight[i], quotient(own - added(apart), std[i]))
            by_std[i] = times(weight[i], quotient(times(own, z * z) - added(bent), std[i]))
        by_weight = -2.0 * std / math.sqrt(math.pi)
        return np.concatenate([by_weight, by_mean, by_std]).T.copy()


def components(
    loss: Loss, labels: Target, prediction: Floats, kind: str
) -> tuple[Floats, Floats, Floats, Floats]:
    """What happened, and weights, means and standard deviations, each (C, N).

    Errors: `DataError` (shape-mismatch, not-a-mixture, not-a-scale).
    """
    y, x = checked(loss, labels, prediction, kind)
    count, rest = divmod(x.shape[1], 3)
    if rest or not count:
        raise DataError(
            "shape-mismatch",
            f"{kind} has the shape {x.shape}",
            cure="give (N, 3C): the weights, then the means, then the standard deviations of C components",
        )
    weight, mean, std = np.ascontiguousarray(x.T).reshape(3, count, len(y))
    refuse(weight.T < 0.0, weight.T, "not-a-mixture", "a weight of the mixture is negative")
    total = added(weight)
    refuse(np.abs(total - 1.0) > TOLERANCE, total, "not-a-mixture", "the weights do not sum to one")
    check_scale(std.T, "standard deviation")
    return y, weight, mean, std


def log_density(y: Floats, weight: Floats, mean: Floats, std: Floats) -> tuple[Floats, Floats, Floats]:
    """(N,) logarithm of the mixture's density, (C, N) those of its components, and (y − μ_c)/σ_c.

    Errors: `DataError` (infinite-density).
    """
    on_point = (std == 0.0) & (y == mean) & (weight > 0.0)
    check_density(on_point.T, std.T, "standard deviation")
    z = (y - mean) / std
    log_parts = np.where(std == 0.0, -np.inf, -0.5 * z * z - np.log(std) - HALF_LOG_TWO_PI)
    terms = np.log(weight) + log_parts
    largest = np.maximum.reduce(terms, axis=0)
    total = np.log(added(np.exp(terms - np.where(np.isinf(largest), 0.0, largest)))) + largest
    return total, log_parts, z


def shares(y: Floats, weight: Floats, mean: Floats, std: Floats) -> tuple[Floats, Floats, Floats]:
    """(C, N) (y − μ_c)/σ_c, each component's density over the mixture's, and that times its weight.

    They are 0 where the mixture has no density, so that the loss is +inf.
    """
    total, log_parts, z = log_density(y, weight, mean, std)
    known = np.where(np.isneginf(total), 0.0, total)
    return z, np.exp(log_parts - known), np.exp(np.log(weight) + log_parts - known)


def absolute_mean(m: Floats, s: Floats) -> tuple[Floats, Floats, Floats]:
    """A(m, s), the mean of |X| of a Gaussian, and its derivatives by m and by s."""
    from scipy.special import erf

    z = quotient(m, s)
    sign, density = erf(z / math.sqrt(2.0)), math.sqrt(2.0 / math.pi) * np.exp(-0.5 * z * z)
    return m * sign + s * density, sign, density


def added(x: Floats) -> Floats:
    """Sum over the components, one after another, whatever the number of rows."""
    total = np.zeros(x.shape[1])
    for part in x:
        total += part
    return total


def share_of(std: Floats, s: Floats) -> Floats:
    """σ/s for s = √(σ² + σ′²), and √½ where both are 0."""
    return np.where(s == 0.0, math.sqrt(0.5), std / s)


def quotient(a: Floats, b: Floats) -> Floats:
    """a/b, 0 where a is 0."""
    return np.where(a == 0.0, 0.0, a / b)


def times(a: Floats, b: Floats) -> Floats:
    """a·b, 0 where a is 0."""
    return np.where(a == 0.0, 0.0, a * b)


for _loss in (GaussianMixtureNLL(), CrpsMixture()):
    register(_loss)
