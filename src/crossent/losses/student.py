"""Log loss and CRPS of Student's t distribution with degrees of freedom, location and scale."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from crossent.kernels.special import log1p_quotients, stirling_remainder
from crossent.losses.contract import Floats, Loss, Target
from crossent.losses.numbers import check_density, check_scale, checked, columns, limits
from crossent.losses.registry import register

HALF_LOG_TWO_PI = 0.5 * math.log(2.0 * math.pi)
LARGEST_TAIL = 400.0
"""ln(1 + z²/ν) is cut here in the CRPS, which is then the absolute error in all its digits."""
NEAR_ONE = 0.25
"""Degrees of freedom so near 1 take their term by quadrature, exact with eight nodes."""
NODES, WEIGHTS = np.polynomial.legendre.leggauss(8)


@dataclass(frozen=True)
class StudentNLL(Loss):
    """Log loss of Student's t  ln σ + ln(√(νπ) Γ(ν/2)/Γ((ν + 1)/2)) + ½(ν + 1) ln(1 + z²/ν), in nats.

    The columns of `df_location_scale` are ν > 0, m and σ ≥ 0; z = (y − m)/σ; range (−∞, ∞). σ is the scale,
    not the standard deviation, which is σ√(ν/(ν − 2)) and infinite for ν ≤ 2. For large ν it is the Gaussian
    log loss, and towards it no digit is lost. Where σ = 0 the loss is +inf unless y = m, where the density is
    infinite. A label far outside costs (ν + 1) times the logarithm of its distance, not its square.

    Errors: `UsageError` (unknown-kind), `DataError` (shape-mismatch, label-not-finite,
    prediction-not-finite, not-a-scale, infinite-density), which name the row.

    >>> import numpy as np
    >>> StudentNLL().value(np.array([11.1]), np.array([[5.2, 13.8, 2.3]]), "df_location_scale")
    array([2.52839759])

    Source: K. L. Lange, R. J. A. Little & J. M. G. Taylor, Robust statistical modeling using the t
    distribution, JASA 84 (1989) 881–896, doi:10.1080/01621459.1989.10478852.
    """

    name: ClassVar[str] = "student_nll"
    title: ClassVar[str] = "log loss (Student density)"
    unit: ClassVar[str] = "nats"
    kinds: ClassVar[tuple[str, ...]] = ("df_location_scale",)
    target: ClassVar[str] = "real"
    strictly_proper: ClassVar[bool] = True
    elicits: ClassVar[str] = "distribution"
    bounds: ClassVar[tuple[float, float]] = (-np.inf, np.inf)
    calibration: ClassVar[str] = (
        "Its minimum is the true location, scale and weight of the tails in its family."
    )
    use: ClassVar[str] = "Where a few labels lie many standard deviations away and must not decide alone."

    @limits
    def value(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        df, error, scale = self._parts(labels, prediction, kind)
        constant = HALF_LOG_TWO_PI - gamma_ratio(0.5 * df)[0] + np.log(scale)
        return np.where(scale == 0.0, np.inf, constant + 0.5 * (df + 1.0) * log_tail(df, error, scale))

    @limits
    def gradient(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        """With a = z²/(ν + z²): by m −(ν + 1)a/(y − m), by σ (1 − (ν + 1)a)/σ, by ν, with digamma ψ,

        ½(1/ν + ψ(ν/2) − ψ((ν + 1)/2) + ln(1 + z²/ν) − (1 + 1/ν)a).
        """
        df, error, scale = self._parts(labels, prediction, kind)
        inside, outside, _ = shares(df, error, scale)
        by_df = log_tail(df, error, scale) - gamma_ratio(0.5 * df)[1] - outside - outside / df
        by_df = np.where(scale == 0.0, np.inf, by_df)
        by_location = -(df + 1.0) * outside / np.where(error == 0.0, 1.0, error)
        return np.column_stack([0.5 * by_df, by_location, (inside - df * outside) / scale])

    @limits
    def hessian_diagonal(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        """With a as above: by m (ν + 1)(1 − 2a)/(νσ² + (y − m)²), by σ ((ν + 1)a(3 − 2a) − 1)/σ², by ν

        ½(a/ν)((2 − a)/ν − a) − ¼(ψ′((ν + 1)/2) − ψ′(ν/2) + 2/ν²).
        """
        df, error, scale = self._parts(labels, prediction, kind)
        inside, outside, length = shares(df, error, scale)
        by_df = 0.5 * np.where(outside == 0.0, 0.0, outside / df * ((1.0 + inside) / df - outside))
        by_df -= 0.25 * gamma_ratio(0.5 * df)[2]
        by_location = (df + 1.0) * (inside - outside) / length / length
        by_scale = (inside * (outside - inside) + df * outside * (1.0 + 2.0 * inside)) / scale / scale
        return np.column_stack([by_df, by_location, by_scale])

    def _parts(self, labels: Target, prediction: Floats, kind: str) -> tuple[Floats, Floats, Floats]:
        """ν, y − m and σ."""
        y, x = checked(self, labels, prediction, kind)
        df, location, scale = columns(x)
        check_scale(df, "degrees of freedom", zero=False)
        check_scale(scale, "scale")
        error = y - location
        check_density((scale == 0.0) & (error == 0.0), scale, "scale")
        return df, error, scale


@dataclass(frozen=True)
class CrpsStudent(Loss):
    """CRPS of Student's t with ν degrees of freedom, location m and scale σ; range [0, ∞).

    In the label's unit:

        |y − m|(2F(|z|) − 1) + σ(2f(z)(ν + z²) − 2√ν B(½, ν − ½)/B(½, ν/2)²)/(ν − 1),   z = (y − m)/σ,

    where f and F are density and distribution function at scale 1, and B is the beta function; at ν = 1, the
    Cauchy distribution, the limit. For ν ≤ ½ the tails are so heavy that it is +inf, whatever happened; a
    scale of 0 gives the absolute error. It has no derivatives here: that by ν has no closed form.

    Errors: as for `StudentNLL`, but for infinite-density.

    >>> import numpy as np
    >>> CrpsStudent().value(np.array([11.1]), np.array([[5.2, 13.8, 2.3]]), "df_location_scale")
    array([1.65822552])

    Source: A. Jordan, F. Krüger & S. Lerch, Evaluating probabilistic forecasts with scoringRules, J. Stat.
    Softw. 90(12) (2019), doi:10.18637/jss.v090.i12.
    """

    name: ClassVar[str] = "crps_student"
    title: ClassVar[str] = "CRPS (Student)"
    unit: ClassVar[str] = "the label's unit"
    kinds: ClassVar[tuple[str, ...]] = ("df_location_scale",)
    target: ClassVar[str] = "real"
    strictly_proper: ClassVar[bool] = True
    elicits: ClassVar[str] = "distribution"
    bounds: ClassVar[tuple[float, float]] = (0.0, np.inf)
    calibration: ClassVar[str] = (
        "Its minimum is the true location, scale and weight of the tails in its family."
    )
    use: ClassVar[str] = "The score of a Student forecast in the label's unit."

    @limits
    def value(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        from scipy.special import betainc

        y, x = checked(self, labels, prediction, kind)
        df, location, scale = columns(x)
        check_scale(df, "degrees of freedom", zero=False)
        check_scale(scale, "scale")
        error = y - location
        known = np.where(df > 0.5, df, 1.0)
        between = betainc(0.5, 0.5 * known, shares(known, error, scale)[1])
        tail = np.minimum(log_tail(known, error, scale), LARGEST_TAIL)
        score = np.abs(error) * between + scale * tail_term(known, tail)
        return np.where(scale == 0.0, np.abs(error), np.where(df > 0.5, score, np.inf))


def tail_term(df: Floats, tail: Floats) -> Floats:
    """(2f(z)(ν + z²) − C)/(ν − 1), C = 2√ν B(½, ν − ½)/B(½, ν/2)², for ν > ½ and tail = ln(1 + z²/ν).

    As C · expm1((ν − 1)(S − tail/2))/(ν − 1), which keeps its digits through ν = 1, where S is 0/0.
    """
    from scipy.special import psi

    excess, near = df - 1.0, np.abs(df - 1.0) < NEAR_ONE
    half, rest = gamma_ratio(0.5 * df)[0], gamma_ratio(df - 0.5)[0]
    constant = df * np.sqrt(df / (math.pi * (df - 0.5))) * np.exp(2.0 * half - rest)
    e = np.where(near, excess, 0.0)
    slope = np.zeros_like(df)
    for node, weight in zip(NODES, WEIGHTS, strict=True):
        step = e * (0.75 + 0.25 * node)
        slope += 0.25 * weight * (psi(1.0 + step) - psi(0.5 + step))
    slope = np.where(near, slope, (0.5 * np.log(2.0 - 1.0 / df) - half + rest) / excess)
    change = slope - 0.5 * tail
    return constant * np.where(excess == 0.0, change, np.expm1(excess * change) / excess)


def gamma_ratio(x: Floats) -> tuple[Floats, Floats, Floats]:
    """c(x) = ln Γ(x + ½) − ln Γ(x) − ½ ln x, and its first two derivatives; −1/8x for large x."""
    x = np.maximum(x, np.finfo(float).tiny)
    h = 0.5 / x
    low, high = stirling_remainder(x), stirling_remainder(x + 0.5)
    first, share = log1p_quotients(h)[0], h / (1.0 + h)
    return (
        0.5 * h * first + high[0] - low[0],
        np.where(h < 1.0, h * h * (first + share / h), np.log1p(h) - share) + high[1] - low[1],
        -2.0 * h * share**2 + high[2] - low[2],
    )


def log_tail(df: Floats, error: Floats, scale: Floats) -> Floats:
    """ln(1 + z²/ν), where z² may overflow."""
    ratio = np.abs(error) / (np.sqrt(df) * scale)
    far = 2.0 * (np.log(np.abs(error)) - np.log(scale)) - np.log(df)
    tail = np.where(ratio < 1e150, np.log1p(ratio * ratio), far)
    return np.where(error == 0.0, 0.0, tail)


def shares(df: Floats, error: Floats, scale: Floats) -> tuple[Floats, Floats, Floats]:
    """ν/(ν + z²), z²/(ν + z²) and √(νσ² + (y − m)²), without a square that overflows."""
    root = np.sqrt(df)
    ratio = np.where(error == 0.0, 0.0, error / scale / root)
    return 1.0 / (1.0 + ratio * ratio), 1.0 / (1.0 + 1.0 / ratio / ratio), np.hypot(root * scale, error)


for _loss in (StudentNLL(), CrpsStudent()):
    register(_loss)
