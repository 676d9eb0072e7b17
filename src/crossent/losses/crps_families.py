"""The CRPS in closed form of a location and a scale: Laplace and logistic."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from crossent.losses.contract import Floats, Loss, Target
from crossent.losses.crps import scale_curvature, standardised
from crossent.losses.numbers import checked, limits
from crossent.losses.registry import register

SATURATED = 1e3
"""exp(−1000) is 0: nothing changes further out."""


@dataclass(frozen=True)
class LocationScaleCrps(Loss):
    """CRPS of a family σ g((y − m)/σ): a subclass says g by its derivatives.

    A scale of 0 gives the absolute error. The columns of `location_scale` are m and σ ≥ 0.
    """

    unit: ClassVar[str] = "the label's unit"
    kinds: ClassVar[tuple[str, ...]] = ("location_scale",)
    target: ClassVar[str] = "real"
    strictly_proper: ClassVar[bool] = True
    elicits: ClassVar[str] = "distribution"
    bounds: ClassVar[tuple[float, float]] = (0.0, np.inf)
    calibration: ClassVar[str] = "Its minimum is the true location and scale in its family."

    @abstractmethod
    def parts(self, z: Floats) -> tuple[Floats, Floats, Floats]:
        """g′, which is odd, g − zg′ and g″ at |z| ≥ 0."""

    @limits
    def value(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        error, scale, z = self._standardised(labels, prediction, kind)
        slope, rest, _ = self.parts(np.abs(z))
        return np.abs(error) * slope + scale * rest

    @limits
    def gradient(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        """By m −g′(z), by σ g(z) − zg′(z)."""
        _, _, z = self._standardised(labels, prediction, kind)
        slope, rest, _ = self.parts(np.abs(z))
        return np.column_stack([-np.sign(z) * slope, rest])

    @limits
    def hessian_diagonal(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        """By m g″(z)/σ, by σ z²g″(z)/σ."""
        _, scale, z = self._standardised(labels, prediction, kind)
        return scale_curvature(z, self.parts(np.abs(z))[2], scale)

    def _standardised(self, labels: Target, prediction: Floats, kind: str) -> tuple[Floats, Floats, Floats]:
        """y − m, σ and z, which is cut where nothing changes further out."""
        y, x = checked(self, labels, prediction, kind)
        error, scale, z = standardised(y, x, "scale")
        return error, scale, np.clip(z, -SATURATED, SATURATED)


@dataclass(frozen=True)
class CrpsLaplace(LocationScaleCrps):
    """CRPS of a Laplace distribution  b(|z| + exp(−|z|) − ¾), z = (y − m)/b; range [0, ∞).

    In the label's unit.

    Errors: `UsageError` (unknown-kind), `DataError` (shape-mismatch, label-not-finite,
    prediction-not-finite, not-a-scale), which name the row.

    >>> import numpy as np
    >>> CrpsLaplace().value(np.array([-3.0]), np.array([[0.0, 1.0]]), "location_scale")
    array([2.29978707])

    Source: A. Jordan, F. Krüger & S. Lerch, Evaluating probabilistic forecasts with scoringRules, J. Stat.
    Softw. 90(12) (2019), doi:10.18637/jss.v090.i12.
    """

    name: ClassVar[str] = "crps_laplace"
    title: ClassVar[str] = "CRPS (Laplace)"
    use: ClassVar[str] = (
        "The score of a Laplace forecast in the label's unit, kinder to outliers than its log loss."
    )

    def parts(self, z: Floats) -> tuple[Floats, Floats, Floats]:
        e = np.exp(-z)
        return -np.expm1(-z), e * (1.0 + z) - 0.75, e


@dataclass(frozen=True)
class CrpsLogistic(LocationScaleCrps):
    """CRPS of a logistic distribution  s(z − 2 ln Λ(z) − 1), z = (y − m)/s; range [0, ∞).

    In the label's unit; Λ(z) = 1/(1 + exp(−z)). Errors: as for `CrpsLaplace`.

    >>> import numpy as np
    >>> CrpsLogistic().value(np.array([17.1]), np.array([[13.8, 3.3]]), "location_scale")
    array([2.06752714])

    Source: A. Jordan, F. Krüger & S. Lerch, Evaluating probabilistic forecasts with scoringRules, J. Stat.
    Softw. 90(12) (2019), doi:10.18637/jss.v090.i12.
    """

    name: ClassVar[str] = "crps_logistic"
    title: ClassVar[str] = "CRPS (logistic)"
    use: ClassVar[str] = (
        "The score of a logistic forecast in the label's unit; tails between Gaussian and Laplace."
    )

    def parts(self, z: Floats) -> tuple[Floats, Floats, Floats]:
        e = np.exp(-z)
        tail = e / (1.0 + e)
        return np.tanh(0.5 * z), 2.0 * np.log1p(e) - 1.0 + 2.0 * z * tail, 2.0 * tail / (1.0 + e)


for _loss in (CrpsLaplace(), CrpsLogistic()):
    register(_loss)
