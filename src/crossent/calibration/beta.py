"""Beta calibration: three numbers that bend log p and log(1 − p) apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from crossent.calibration.contract import CalibrationMap
from crossent.calibration.estimator import Calibrator
from crossent.calibration.given import Floats, Logits, Rows, normalised
from crossent.calibration.newton import Local, minimum
from crossent.calibration.registry import register
from crossent.errors import UsageError

RIDGE = 1.0


@register
@dataclass(frozen=True)
class Beta(CalibrationMap):
    """log-odds = a log p − b log(1 − p) + c, with a, b ≥ 0; a = b = 1, c = 0 changes nothing.

    A ridge worth `ridge` rows holds it near that, so that it is finite whatever the labels are. Of two
    classes only: `matrix` is its like for more (Dirichlet calibration). A probability of 0 or 1 stays.

    Source: M. Kull, T. Silva Filho, P. Flach, Beyond sigmoids, Electron. J. Stat. 11 (2017) 5052–5080,
    doi:10.1214/17-EJS1338SI.
    """

    name: ClassVar[str] = "beta"
    title: ClassVar[str] = "beta calibration"
    parametric: ClassVar[bool] = True
    monotone: ClassVar[bool] = True
    binary_only: ClassVar[bool] = True
    complexity: ClassVar[int] = 3

    a: float
    b: float
    c: float

    @classmethod
    def of(cls, rows: Rows, *, ridge: float = RIDGE, **options: Any) -> Self:
        """Penalised maximum likelihood under a, b ≥ 0."""
        if not ridge > 0.0:
            raise UsageError("bad-option", f"ridge is {ridge}", cure="give a number above 0")
        if rows.classes != 2:
            raise UsageError(
                "binary-map",
                f"{cls.title} is for two classes, these are {rows.classes}",
                cure="choose matrix, its like for more classes",
            )
        found = [_fitted(rows, ridge, free) for free in ((0, 1, 2), (1, 2), (0, 2), (2,))]
        allowed = [(value, theta) for value, theta in found if theta[0] >= 0.0 and theta[1] >= 0.0]
        _, best = min(allowed, key=lambda pair: pair[0])
        return cls(*best.tolist())

    def mapped(self, z: Logits) -> Floats:
        logs = normalised(z)
        sure = np.isneginf(logs).any(axis=1)
        with np.errstate(invalid="ignore"):
            odds = self.a * logs[:, 1] - self.b * logs[:, 0] + self.c
        odds[sure] = np.where(np.isneginf(logs[sure, 0]), np.inf, -np.inf)
        return np.column_stack([-np.logaddexp(0.0, odds), -np.logaddexp(0.0, -odds)])

    def sentence(self, second: str = "the second class") -> str:
        return f"a = {self.a:.3g}, b = {self.b:.3g}, c = {self.c:.3g}".replace("-", "−")


class BetaCalibration(Calibrator):
    """`Beta` as an estimator."""

    _map = "beta"

    def __init__(self, *, kind: str = "probs", floor: float = 0.0, ridge: float = RIDGE) -> None:
        self.kind, self.floor, self.ridge = kind, floor, ridge


def _fitted(rows: Rows, ridge: float, free: tuple[int, ...]) -> tuple[float, Floats]:
    """Objective and (a, b, c) where those that are not free are 0."""
    logs = rows.log_probabilities
    finite = np.isfinite(logs).all(axis=1)
    x = np.column_stack([logs[finite, 1], -logs[finite, 0], np.ones(int(finite.sum()))])
    event = rows.labels[finite] == 1
    weight = rows.weights[finite] / rows.total
    scale = np.sqrt(np.maximum(weight @ (x * x), 1e-12))
    scale[2] = 1.0
    centre = np.array([1.0, 1.0, 0.0])
    chosen = list(free)

    def whole(theta: Floats) -> Floats:
        every = np.zeros(3)
        every[chosen] = theta
        return every

    def at(theta: Floats) -> Local:
        every = whole(theta)
        odds = x @ every
        p = np.exp(-np.logaddexp(0.0, -odds))
        off = scale * (every - centre)
        strength = ridge / rows.total
        loss = float(weight @ np.logaddexp(0.0, np.where(event, -odds, odds)))
        value = loss + 0.5 * strength * float(off @ off)
        gradient = x.T @ (weight * (p - event)) + strength * scale * off
        hessian = (x.T * (weight * p * (1.0 - p))) @ x + strength * np.diag(scale**2)
        inner = hessian[np.ix_(chosen, chosen)]
        return value, gradient[chosen], lambda direction: np.asarray(inner @ direction)

    best = minimum(at, centre[chosen])
    return at(best)[0], whole(best)
