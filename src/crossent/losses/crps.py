"""The continuous ranked probability score of a Gaussian, of samples, of quantiles and of a single number."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from crossent.losses.contract import Floats, Loss, Target
from crossent.losses.numbers import check_samples, check_scale, checked, columns, limits
from crossent.losses.quantile import (
    check_columns,
    checked_levels,
    even_levels,
    needed_levels,
    sided_error,
    sided_slope,
)
from crossent.losses.registry import register


@dataclass(frozen=True)
class Crps(Loss):
    """Continuous ranked probability score  ∫ (F(x) − 1{x ≥ y})² dx = E|X − y| − ½ E|X − X′|; range [0, ∞).

    In the label's unit, so that it compares forecasts of every kind; of a single number it is the absolute
    error.

    | kind        | of what                                                  |
    |-------------|----------------------------------------------------------|
    | `mean_std`  | the Gaussian: σ(z(2Φ(z) − 1) + 2φ(z) − 1/√π), z = (y − μ)/σ |
    | `samples`   | their empirical distribution                             |
    | `quantiles` | an approximation: twice the mean pinball loss over `levels` |
    | `point`     | the number alone: the absolute error                     |

    With σ = 0 it is the absolute error. Of M samples it is mean |xᵢ − y| − Σᵢⱼ |xᵢ − xⱼ| / 2M², computed from
    the sorted samples as a sum whose terms are all ≥ 0, so nothing cancels; M samples of a forecast score
    higher than the forecast itself, by 1/M of ½ E|X − X′|, which `crps_fair` takes off. Of quantiles it is
    the CRPS of Q equal points where the levels are (i − ½)/Q; where they lie unevenly it weighs parts of the
    distribution differently, and compares only with the same levels.

    Where a sample, quantile or number equals the label the gradient by it is given as 0, and equal samples
    share theirs; there is a second derivative by mean and standard deviation only.

    Errors: `UsageError` (bad-levels, loss-needs-parameters for quantiles without levels, unknown-kind),
    `DataError` (shape-mismatch, label-not-finite, prediction-not-finite, not-a-scale, too-few-samples).

    >>> import numpy as np
    >>> Crps().value(np.array([0.0]), np.array([[0.0, 1.0]]), "mean_std")
    array([0.23369498])
    >>> Crps().value(np.array([0.0]), np.array([[-1.0, 1.0]]), "samples")
    array([0.5])

    Source: T. Gneiting & A. E. Raftery, Strictly proper scoring rules, prediction, and estimation, JASA 102
    (2007) 359–378, doi:10.1198/016214506000001437; closed forms: A. Jordan, F. Krüger & S. Lerch, Evaluating
    probabilistic forecasts with scoringRules, J. Stat. Softw. 90(12) (2019), doi:10.18637/jss.v090.i12.
    """

    levels: tuple[float, ...] | None = None

    name: ClassVar[str] = "crps"
    title: ClassVar[str] = "CRPS"
    unit: ClassVar[str] = "the label's unit"
    kinds: ClassVar[tuple[str, ...]] = ("mean_std", "samples", "quantiles", "point")
    target: ClassVar[str] = "real"
    strictly_proper: ClassVar[bool] = True
    elicits: ClassVar[str] = "distribution"
    bounds: ClassVar[tuple[float, float]] = (0.0, np.inf)
    calibration: ClassVar[str] = (
        "Its minimum is the true distribution; a label far outside costs its distance."
    )
    use: ClassVar[str] = "To compare forecasts of different kinds, or where one wild label must not decide."

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", checked_levels(self.levels))

    def example(self, classes: int) -> Self:
        return type(self)(levels=even_levels(classes)) if self.levels is None else self

    @limits
    def value(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        y, x = checked(self, labels, prediction, kind)
        if kind == "point":
            return np.abs(x - y)
        if kind == "samples":
            check_samples(x, 1)
            return sided_error(y, np.sort(x, axis=1), *plain_costs(x.shape[1]))
        if kind == "quantiles":
            return sided_error(y, x, *self._quantile_costs(x))
        error, std, z = standardised(y, x, "standard deviation")
        slope, rest, _ = gaussian(z)
        return error * slope + std * rest

    @limits
    def gradient(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        """By μ 1 − 2Φ(z), by σ 2φ(z) − 1/√π; by a sample of rank i (2i − 1)/M² up from −1, by side."""
        y, x = checked(self, labels, prediction, kind)
        if kind == "point":
            return np.sign(x - y)
        if kind == "samples":
            check_samples(x, 1)
            return ranked_slope(y, x, *plain_costs(x.shape[1]))
        if kind == "quantiles":
            return sided_slope(y, x, *self._quantile_costs(x))
        _, _, z = standardised(y, x, "standard deviation")
        slope, rest, _ = gaussian(z)
        return np.column_stack([-slope, rest])

    @limits
    def hessian_diagonal(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        """By μ 2φ(z)/σ, by σ 2φ(z)z²/σ; the other kinds have kinks and no second derivative worth having."""
        y, x = checked(self, labels, prediction, kind)
        if kind != "mean_std":
            return super().hessian_diagonal(y, x, kind)
        _, std, z = standardised(y, x, "standard deviation")
        return scale_curvature(z, gaussian(z)[2], std)

    def _quantile_costs(self, quantiles: Floats) -> tuple[Floats, Floats]:
        levels = needed_levels(self, self.levels)
        check_columns(quantiles, levels)
        q = np.array(levels)
        return 2.0 * q / len(q), 2.0 * (1.0 - q) / len(q)


@dataclass(frozen=True)
class CrpsFair(Loss):
    """Fair CRPS of samples  mean |xᵢ − y| − Σᵢⱼ |xᵢ − xⱼ| / 2M(M − 1), in the label's unit; range [0, ∞).

    Its expectation over the draws is the CRPS of the distribution that the M samples come from, for every M:
    ensembles of different sizes compare fairly. It does not judge the samples as a distribution of their own
    (for that it is not proper: samples wider than the truth score best), and needs two of them. Every term is
    ≥ 0, as for `crps`.

    Errors: `UsageError` (unknown-kind), `DataError` (shape-mismatch, label-not-finite,
    prediction-not-finite, too-few-samples).

    >>> import numpy as np
    >>> CrpsFair().value(np.array([0.0]), np.array([[1.0, 3.0]]), "samples")
    array([1.])

    Source: C. A. T. Ferro, Fair scores for ensemble forecasts, Q. J. R. Meteorol. Soc. 140 (2014) 1917–1923,
    doi:10.1002/qj.2270.
    """

    name: ClassVar[str] = "crps_fair"
    title: ClassVar[str] = "fair CRPS"
    unit: ClassVar[str] = "the label's unit"
    kinds: ClassVar[tuple[str, ...]] = ("samples",)
    target: ClassVar[str] = "real"
    strictly_proper: ClassVar[bool] = False
    elicits: ClassVar[str] = "distribution"
    bounds: ClassVar[tuple[float, float]] = (0.0, np.inf)
    calibration: ClassVar[str] = (
        "Rewards samples drawn from the true distribution, not the best set of samples."
    )
    use: ClassVar[str] = "Where forecasts are random samples, and their number differs between models."

    @limits
    def value(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        y, x = checked(self, labels, prediction, kind)
        check_samples(x, 2)
        return sided_error(y, np.sort(x, axis=1), *fair_costs(x.shape[1]))

    def gradient(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        """By a sample of rank i: 2(M − i)/M(M − 1) above the label, −2(i − 1)/M(M − 1) below."""
        y, x = checked(self, labels, prediction, kind)
        check_samples(x, 2)
        return ranked_slope(y, x, *fair_costs(x.shape[1]))


def gaussian(z: Floats) -> tuple[Floats, Floats, Floats]:
    """Of g(z), the CRPS of a standard Gaussian at z: g′ = 2Φ(z) − 1, g − zg′ = 2φ(z) − 1/√π, g″ = 2φ(z)."""
    from scipy.special import erf

    twice = math.sqrt(2.0 / math.pi) * np.exp(-0.5 * z * z)
    return erf(z / math.sqrt(2.0)), twice - 1.0 / math.sqrt(math.pi), twice


def standardised(y: Floats, x: Floats, name: str) -> tuple[Floats, Floats, Floats]:
    """y − location, the scale, and their ratio, 0 where both are 0."""
    location, scale = columns(x)
    check_scale(scale, name)
    error = y - location
    return error, scale, np.where(error == 0.0, 0.0, error / scale)


def scale_curvature(z: Floats, curvature: Floats, scale: Floats) -> Floats:
    """(N, 2) second derivatives g″/σ and z²g″/σ of σ g(z); where g″ is 0 they are 0, even at z = ∞."""
    by_location = np.where(curvature == 0.0, 0.0, curvature / scale)
    return np.column_stack([by_location, np.where((z == 0.0) | (curvature == 0.0), 0.0, z * z * by_location)])


def plain_costs(count: int) -> tuple[Floats, Floats]:
    """Of the i-th smallest of M samples: (2i − 1)/M² where below the label, (2M − 2i + 1)/M² where above."""
    below = (2.0 * np.arange(count) + 1.0) / count / count
    return below, below[::-1].copy()


def fair_costs(count: int) -> tuple[Floats, Floats]:
    """Of the i-th smallest of M samples: 2(i − 1)/M(M − 1) below the label, 2(M − i)/M(M − 1) above."""
    below = 2.0 * np.arange(count) / count / (count - 1)
    return below, below[::-1].copy()


def ranked_slope(y: Floats, x: Floats, below: Floats, above: Floats) -> Floats:
    """Derivative by samples in any order; equal samples share theirs."""
    first = _slope_by_rank(y, x, below, above)
    return 0.5 * (first + _slope_by_rank(y, x[:, ::-1], below, above)[:, ::-1])


def _slope_by_rank(y: Floats, x: Floats, below: Floats, above: Floats) -> Floats:
    """The same, where of equal samples the first counts as the smallest."""
    order = np.argsort(x, axis=1, kind="stable")
    out = np.empty(x.shape)
    slope = sided_slope(y, np.take_along_axis(x, order, axis=1), below, above)
    np.put_along_axis(out, order, slope, axis=1)
    return out


for _loss in (Crps(), CrpsFair()):
    register(_loss)
