"""Log losses of predicted counts: Poisson, and negative binomial where counts spread more."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from crossent.kernels.special import BERNOULLI, LARGE, log1p_quotients, stirling_remainder
from crossent.losses.contract import Floats, Loss, Target
from crossent.losses.numbers import check_scale, checked, columns, limits
from crossent.losses.registry import register

NO_DISPERSION = 1e-100
"""A smaller dispersion leaves every digit of the loss and its derivatives what it is at 0."""


@dataclass(frozen=True)
class PoissonNLL(Loss):
    """Log loss of a Poisson distribution  λ − y ln λ + ln y!, in nats; range [0, ∞).

    | kind       | prediction |
    |------------|------------|
    | `rate`     | λ ≥ 0      |
    | `log_rate` | ln λ ≥ −∞  |

    The term ln y! is there, so the loss is that of a distribution and compares with the other losses of
    counts. A rate 0 has the loss 0 for y = 0, and +inf for every other count. It is computed as a deviance
    and the loss at λ = y, each of which keeps its digits for large counts.

    Errors: `UsageError` (unknown-kind), `DataError` (shape-mismatch, label-not-finite, not-a-count,
    prediction-not-finite, not-a-scale), which name the row.

    >>> import numpy as np
    >>> PoissonNLL().value(np.array([1, 0]), np.array([3.0, 0.0]), "rate").round(12)
    array([1.90138771, 0.        ])

    Source: C. Czado, T. Gneiting & L. Held, Predictive model assessment for count data, Biometrics 65 (2009)
    1254–1261, doi:10.1111/j.1541-0420.2009.01191.x.
    """

    name: ClassVar[str] = "poisson_nll"
    title: ClassVar[str] = "log loss (Poisson)"
    unit: ClassVar[str] = "nats"
    kinds: ClassVar[tuple[str, ...]] = ("rate", "log_rate")
    target: ClassVar[str] = "count"
    strictly_proper: ClassVar[bool] = True
    elicits: ClassVar[str] = "distribution"
    bounds: ClassVar[tuple[float, float]] = (0.0, np.inf)
    calibration: ClassVar[str] = "Its minimum is the true mean, whatever the true spread."
    use: ClassVar[str] = "Counts whose variance is about their mean, as events in a fixed time."

    @limits
    def value(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        y, x = checked(self, labels, prediction, kind)
        known = np.maximum(y, 1.0)
        if kind == "rate":
            check_scale(x, "rate")
            rate, log_ratio, change = x, np.log(x) - np.log(known), (x - known) / known
        else:
            log_ratio = x - np.log(known)
            rate, change = np.exp(x), np.expm1(log_ratio)
        return np.where(y == 0.0, rate, deviance(known, change, log_ratio) + at_its_mean(known))

    @limits
    def gradient(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        """By λ 1 − y/λ, by ln λ λ − y."""
        y, x = checked(self, labels, prediction, kind)
        if kind == "log_rate":
            return np.exp(x) - y
        check_scale(x, "rate")
        return np.where(y == 0.0, 1.0, (x - y) / x)

    @limits
    def hessian_diagonal(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        """By λ y/λ², by ln λ λ."""
        y, x = checked(self, labels, prediction, kind)
        if kind == "log_rate":
            return np.exp(x)
        check_scale(x, "rate")
        return np.where(y == 0.0, 0.0, y / x / x)


@dataclass(frozen=True)
class NegativeBinomialNLL(Loss):
    """Log loss of a negative binomial of mean μ and variance μ + αμ², in nats; range [0, ∞).

        −ln P(y) = (y + 1/α) ln(1 + αμ) − y ln(αμ) + ln y! + ln Γ(1/α) − ln Γ(y + 1/α)

    The columns of `mean_dispersion` are μ ≥ 0 and α ≥ 0: the parametrisation called NB2, with size r = 1/α
    and success probability 1/(1 + αμ) in the terms of SciPy and R. At α = 0 it is the Poisson distribution,
    and towards it no digit is lost.

    Errors: as for `PoissonNLL`.

    >>> import numpy as np
    >>> NegativeBinomialNLL().value(np.array([1, 1]), np.array([[3.0, 0.0], [3.0, 1.0]]), "mean_dispersion")
    array([1.90138771, 1.67397643])

    Source: J. F. Lawless, Negative binomial and mixed Poisson regression, Can. J. Stat. 15 (1987) 209–225,
    doi:10.2307/3314912.
    """

    name: ClassVar[str] = "negative_binomial_nll"
    title: ClassVar[str] = "log loss (negative binomial)"
    unit: ClassVar[str] = "nats"
    kinds: ClassVar[tuple[str, ...]] = ("mean_dispersion",)
    target: ClassVar[str] = "count"
    strictly_proper: ClassVar[bool] = True
    elicits: ClassVar[str] = "distribution"
    bounds: ClassVar[tuple[float, float]] = (0.0, np.inf)
    calibration: ClassVar[str] = "Its minimum is the true mean and dispersion in its family."
    use: ClassVar[str] = "Counts that spread more than their mean, as most counts of people and purchases do."

    @limits
    def value(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        y, mean, alpha = self._parts(labels, prediction, kind)
        known, size = np.maximum(y, 1.0), 1.0 / alpha
        log_mean, log_count = log1p_product(alpha, mean), log1p_product(alpha, known)
        distance = self._distance(known, mean, alpha, log_mean - log_count)
        rest = stirling_remainder(size)[0] - stirling_remainder(known + size)[0]
        return np.where(y == 0.0, size * log_mean, distance + 0.5 * log_count + at_its_mean(known) + rest)

    @limits
    def gradient(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        """By μ (1 − y/μ)/(1 + αμ); by α r²(ψ(y + r) − ψ(r) − ln(1 + αμ)) + r(μ − y)/(1 + αμ), r = 1/α."""
        y, mean, alpha = self._parts(labels, prediction, kind)
        by_mean = np.where(y == 0.0, 1.0, (mean - y) / mean) / (1.0 + alpha * mean)
        u, first, _ = self._change(y, mean, alpha)
        by_dispersion = u * u * first + 0.5 * y / (1.0 + alpha * y) + digamma_part(y, alpha)[0]
        return np.column_stack([by_mean, by_dispersion])

    @limits
    def hessian_diagonal(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        """By μ (y(1 + 2αμ)/μ² − α)/(1 + αμ)²; by α the derivative of the gradient."""
        y, mean, alpha = self._parts(labels, prediction, kind)
        scale = 1.0 + alpha * mean
        curvature = np.where(y == 0.0, 0.0, y / mean / mean) * (2.0 - 1.0 / scale)
        by_mean = (curvature - alpha / scale) / scale
        u, _, second = self._change(y, mean, alpha)
        rest = y / (1.0 + alpha * y)
        by_dispersion = u * (u * rest) - 2.0 * u**3 * second - 0.5 * rest**2 + digamma_part(y, alpha)[1]
        return np.column_stack([by_mean, by_dispersion])

    def _parts(self, labels: Target, prediction: Floats, kind: str) -> tuple[Floats, Floats, Floats]:
        y, x = checked(self, labels, prediction, kind)
        mean, alpha = columns(x)
        check_scale(mean, "mean")
        check_scale(alpha, "dispersion")
        return y, mean, np.maximum(alpha, NO_DISPERSION)

    def _distance(self, y: Floats, mean: Floats, alpha: Floats, log: Floats) -> Floats:
        """(y + r) ln((1 + αμ)/(1 + αy)) − y ln(μ/y) for y > 0, the loss above that of μ = y.

        In whichever of three forms cancels least: from the logarithms; near μ = y by the quotients of log1p,
        as for Poisson; and where r is far below y and μ, without the terms in y that cancel then.
        """
        size, log_ratio = 1.0 / alpha, np.log(mean) - np.log(y)
        change = alpha * (mean - y) / (1.0 + alpha * y)
        near = np.abs(change) <= 0.5
        w = np.where(near, change, 0.0)
        close = deviance(y, (mean - y) / y, log_ratio) + (y + size) * w * w * log1p_quotients(w)[0]
        wide = np.minimum(alpha * mean, alpha * y) > np.where(near, 1000.0, 1.0)
        far = size * log_ratio + (y + size) * (np.log1p(size / mean) - np.log1p(size / y))
        direct = (y + size) * log - y * log_ratio
        return np.where(wide, far, np.where(near, close, direct))

    def _change(self, y: Floats, mean: Floats, alpha: Floats) -> tuple[Floats, Floats, Floats]:
        """u = (y − μ)/(1 + αμ), and the quotients of log1p at αu."""
        u = (y - mean) / (1.0 + alpha * mean)
        return u, *log1p_quotients(alpha * u, log1p_product(alpha, y) - log1p_product(alpha, mean))


def deviance(y: Floats, change: Floats, log_ratio: Floats) -> Floats:
    """λ − y − y ln(λ/y) for y > 0, given λ/y − 1 and ln(λ/y)."""
    first, _ = log1p_quotients(change, log_ratio)
    near = np.abs(change) <= 0.5
    t = np.where(near, change, 0.0)
    return y * np.where(near, -t * t * first, change - log_ratio)


def at_its_mean(y: Floats) -> Floats:
    """ln y! + y − y ln y for y > 0: the Poisson log loss at λ = y."""
    return 0.5 * np.log(2.0 * math.pi * y) + stirling_remainder(y)[0]


def log1p_product(a: Floats, b: Floats) -> Floats:
    """log(1 + ab), where ab may overflow."""
    product = a * b
    return np.where(np.isinf(product), np.log(a) + np.log(b), np.log1p(product))


def digamma_part(y: Floats, alpha: Floats) -> tuple[Floats, Floats]:
    """r²(δ′(y + r) − δ′(r)) with r = 1/α, where δ is `stirling_remainder`, and its derivative by α.

    For r ≥ 16 by the series −Σ_k B₂ₖ/2k · α^(2k − 2) ((1 + αy)^(−2k) − 1), whose terms do not cancel.
    """
    near = alpha * LARGE > 1.0
    r = np.where(near, np.maximum(1.0 / alpha, NO_DISPERSION), 1.0)
    (_, slope, bend), (_, slope_r, bend_r) = stirling_remainder(y + r), stirling_remainder(r)
    value = r * r * (slope - slope_r)
    derivative = -r * (2.0 * value + r**3 * (bend - bend_r))
    a = np.where(near, 1.0 / LARGE, alpha)
    log_scale = np.log1p(a * y)
    series, by_alpha = np.zeros_like(y), np.zeros_like(y)
    for k, number in enumerate(BERNOULLI, start=1):
        power = -number / (2 * k) * a ** (2 * k - 2)
        change = np.expm1(-2 * k * log_scale)
        series += power * change
        by_alpha += power * ((2 * k - 2) / a * change - 2 * k * y * np.exp(-(2 * k + 1) * log_scale))
    return np.where(near, value, series), np.where(near, derivative, by_alpha)


for _loss in (PoissonNLL(), NegativeBinomialNLL()):
    register(_loss)
