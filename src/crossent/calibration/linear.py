"""Vector and structured matrix scaling: an affine map of logits, held near temperature scaling by ridges.

With x the temperature-scaled logits (centred, so that a row sums to zero) the new logits are

    x + A x + b,       mean log loss + (ridge / 2 Σw) (s² ‖diag A‖² + s² (K−1) ‖off-diag A‖² + ‖b‖²)

where s² is the mean square of x: before the data speak, each of the three parts changes a logit by about a
nat. The penalty is worth `ridge` rows of evidence whatever N: it fades, and a weight of 2 is two rows. By
default these are √K: of 1, √K, K, 3K and K² the one that did best or nearly so, cross-fitted, on calibrated
and on mixed-up simulated models (N/K² from 1 to 120), three models of examples/digits and two of CIFAR-10.
As A = b = 0 is temperature scaling, no map is worse than that on its own rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from crossent.calibration.contract import CalibrationMap
from crossent.calibration.estimator import Calibrator
from crossent.calibration.given import Floats, Logits, Rows, normalised
from crossent.calibration.newton import Local, minimum
from crossent.calibration.registry import register
from crossent.calibration.temperature import Temperature
from crossent.errors import UsageError


@dataclass(frozen=True)
class Affine(CalibrationMap):
    """softmax(x + A x + b) of centred temperature-scaled logits x."""

    parametric: ClassVar[bool] = True
    diagonal: ClassVar[bool]

    temperature: float
    matrix: tuple[Any, ...]
    """A: (K,) its diagonal, or (K, K)."""
    intercept: tuple[float, ...]
    """b (K,)."""

    @classmethod
    def of(cls, rows: Rows, *, ridge: float | None = None, **options: Any) -> Self:
        """Penalised maximum likelihood; `ridge` is the strength of the penalty in rows, √K by default."""
        if ridge is None:
            ridge = math.sqrt(rows.classes)
        if not ridge > 0.0:
            raise UsageError("bad-option", f"ridge is {ridge}", cure="give a number above 0")
        first = Temperature.of(rows).temperature
        k = rows.classes
        x = _centred(rows.logits, first)
        a, b = _solved(x, rows, ridge, cls.diagonal)
        frozen = a.tolist() if a.ndim == 1 else [tuple(row) for row in a.reshape(k, k).tolist()]
        return cls(first, tuple(frozen), tuple(b.tolist()))

    def mapped(self, z: Logits) -> Floats:
        x = _centred(z, self.temperature)
        a = np.asarray(self.matrix)
        y = x + (x * a if a.ndim == 1 else x @ a.T) + np.asarray(self.intercept)
        return normalised(np.where(np.isneginf(z), -np.inf, y))

    def sentence(self, second: str = "the second class") -> str:
        b = np.abs(self.intercept)
        return f"temperature {self.temperature:.3g}, then intercepts of up to {b.max():.2g} nats"


@register
@dataclass(frozen=True)
class Vector(Affine):
    """Each class has its own scale and intercept, held near one temperature by a ridge.

    Source: C. Guo et al., On calibration of modern neural networks, ICML 2017, arXiv:1706.04599.
    """

    name: ClassVar[str] = "vector"
    title: ClassVar[str] = "vector scaling"
    complexity: ClassVar[int] = 2
    diagonal: ClassVar[bool] = True


@register
@dataclass(frozen=True)
class Matrix(Affine):
    """Each new logit is a mixture of all, off-diagonal and intercept held near zero by ridges of their own.

    Source: M. Kull et al., Beyond temperature scaling (off-diagonal and intercept regularisation), NeurIPS
    2019, arXiv:1910.12656; E. Berta et al., Structured matrix scaling for multi-class calibration, 2025,
    arXiv:2511.03685. The strengths of the ridges are ours.
    """

    name: ClassVar[str] = "matrix"
    title: ClassVar[str] = "structured matrix scaling"
    complexity: ClassVar[int] = 4
    fewest_classes: ClassVar[int] = 3
    most_classes: ClassVar[int] = 20
    diagonal: ClassVar[bool] = False


class VectorScaling(Calibrator):
    """`Vector` as an estimator."""

    _map = "vector"

    def __init__(self, *, kind: str = "probs", floor: float = 0.0, ridge: float | None = None) -> None:
        self.kind, self.floor, self.ridge = kind, floor, ridge


class MatrixScaling(VectorScaling):
    """`Matrix` as an estimator."""

    _map = "matrix"


def _centred(z: Logits, temperature: float) -> Floats:
    """Temperature-scaled logits that sum to zero in each row; 0 stands where a class is impossible."""
    x = normalised(z) / temperature
    possible = np.isfinite(x)
    x[~possible] = 0.0
    x -= x.sum(axis=1, keepdims=True) / possible.sum(axis=1, keepdims=True)
    x[~possible] = 0.0
    return x


def _solved(x: Floats, rows: Rows, ridge: float, diagonal: bool) -> tuple[Floats, Floats]:
    """The minimum, by Newton's method with conjugate gradients in parameters that the penalty makes alike."""
    k = x.shape[1]
    weight = rows.weights / rows.total
    strength = ridge / rows.total
    spread = math.sqrt(max(float(weight @ (x * x).mean(axis=1)), 1e-12))
    scale = np.full(k if diagonal else (k, k), 1.0 / (spread * math.sqrt(max(k - 1, 1))))
    if diagonal:
        scale[:] = 1.0 / spread
    else:
        np.fill_diagonal(scale, 1.0 / spread)
    impossible = np.isneginf(rows.logits)
    barred = impossible if impossible.any() else None
    problem = _Penalised(x, rows.labels, weight, strength, scale, barred)
    best = minimum(problem.at, np.zeros(scale.size + k))
    a, b = problem.split(best)
    return a, b


@dataclass
class _Penalised:
    """Penalised mean log loss of θ = (A / scale, b), its gradient and products with its Hessian."""

    x: Floats
    labels: NDArray[np.int64]
    weight: Floats
    strength: float
    scale: Floats
    barred: NDArray[np.bool_] | None
    """Where a class is impossible, and stays so."""

    def split(self, theta: Floats) -> tuple[Floats, Floats]:
        a = theta[: self.scale.size].reshape(self.scale.shape) * self.scale
        return a, theta[self.scale.size :]

    def image(self, theta: Floats) -> Floats:
        """A x + b."""
        a, b = self.split(theta)
        changed: Floats = (self.x * a if a.ndim == 1 else self.x @ a.T) + b
        return changed

    def back(self, g: Floats) -> Floats:
        """The adjoint of `image`."""
        a = np.einsum("nk,nk->k", g, self.x) if self.scale.ndim == 1 else g.T @ self.x
        return np.concatenate([(a * self.scale).ravel(), g.sum(axis=0)])

    def at(self, theta: Floats) -> Local:
        """Value, gradient, and the Hessian as a function of directions."""
        z = self.x + self.image(theta)
        if self.barred is not None:
            z[self.barred] = -np.inf
        logs = normalised(z)
        p = np.exp(logs)
        here = np.arange(len(logs))
        value = -float(self.weight @ logs[here, self.labels]) + 0.5 * self.strength * float(theta @ theta)
        g = p * self.weight[:, None]
        g[here, self.labels] -= self.weight
        gradient = self.back(g) + self.strength * theta

        def hessian(direction: Floats) -> Floats:
            d = self.image(direction)
            d -= np.einsum("nk,nk->n", p, d)[:, None]
            d *= p
            d *= self.weight[:, None]
            return self.back(d) + self.strength * direction

        return value, gradient, hessian
