"""Temperature scaling: one number, by a safeguarded Newton method with exact derivatives.

With β = 1/T the mean loss  f(β) = mean(log Σ_k exp(β z_k) − β z_y)  is convex; its derivatives are those of
the cumulants of z under the softmax: f' = mean(E z − z_y), f'' = mean Var z, f''' the third central moment,
so that Halley's step costs the same pass as Newton's and converges cubically.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from crossent import kernels
from crossent.calibration.contract import CalibrationMap
from crossent.calibration.estimator import Calibrator
from crossent.calibration.given import Floats, Logits, Rows, normalised
from crossent.calibration.registry import register
from crossent.statistics.recalibration import verdict_of

LOG_BOUND = 10.0
"""1/T is sought from e⁻¹⁰ to e¹⁰, as scikit-learn does."""
LOW, HIGH = math.exp(-LOG_BOUND), math.exp(LOG_BOUND)
START_ROWS = 4096
"""So many rows, evenly spaced, find the start."""
BLOCK = 1 << 16
"""Entries of a block: 512 KiB of float64 stays in the cache of a core."""
KEPT = 1 << 24
"""Up to so many entries the differences are kept between passes (128 MiB)."""
NARROW = 64
"""Up to so many classes a block is turned."""
FAR = -1e290
"""Stands for −∞, so that 0 · (−∞) does not arise."""


@register
@dataclass(frozen=True)
class Temperature(CalibrationMap):
    """Logits divided by T:  p_k ∝ exp(z_k / T).

    Above 1 the model was too sure of itself, below 1 not sure enough. The order of the classes of a row does
    not change. Source: C. Guo et al., On calibration of modern neural networks, ICML 2017, arXiv:1706.04599.
    """

    name: ClassVar[str] = "temperature"
    title: ClassVar[str] = "temperature scaling"
    parametric: ClassVar[bool] = True
    monotone: ClassVar[bool] = True
    complexity: ClassVar[int] = 1

    temperature: float
    bound: str = ""
    """"lower" or "upper" where there is no optimum within e^±10: every label is the likeliest class of its
    row (the sharper the better), or the predictions are worse than none (the flatter the better)."""

    @classmethod
    def of(cls, rows: Rows, **options: Any) -> Self:
        """Maximum likelihood, to about ten digits of 1/T."""
        return cls.at(inverse_temperature(rows))

    @classmethod
    def at(cls, beta: float) -> Self:
        """The map of an inverse temperature, which may lie at a bound."""
        return cls(1.0 / beta, "lower" if beta == HIGH else "upper" if beta == LOW else "")

    def mapped(self, z: Logits) -> Floats:
        return normalised(np.asarray(z, np.float64) / self.temperature)

    def sentence(self, second: str = "the second class") -> str:
        if self.bound == "lower":
            return "temperature at its lower bound: every label is the likeliest class of its row"
        if self.bound == "upper":
            return "temperature at its upper bound: the predictions are worse than equal probabilities"
        return f"temperature {self.temperature:.3g}, {verdict_of(self.temperature)}"


class TemperatureScaling(Calibrator):
    """`Temperature` as an estimator.

    >>> X, y = np.array([[0.99, 0.01], [0.99, 0.01], [0.01, 0.99], [0.99, 0.01]]), ["a", "b", "b", "a"]
    >>> TemperatureScaling().fit(X, y).predict_proba(X[:1]).round(3)
    array([[0.75, 0.25]])
    """

    _map = "temperature"

    def __init__(self, *, kind: str = "probs", floor: float = 0.0) -> None:
        self.kind, self.floor = kind, floor


def inverse_temperature(rows: Rows) -> float:
    """β = 1/T that minimises the mean log loss of softmax(β z), within e^±10; 1 where nothing tells."""
    passes = Passes(rows)
    if passes.separable:
        return HIGH
    every = len(rows) // START_ROWS
    start = 1.0
    if every > 1:
        part = Passes(rows.keep(slice(None, None, every)))
        start = 1.0 if part.separable else newton(part, 1.0, enough=1e-2)
    return newton(passes, start)


Derivatives = tuple[float, float, float]
"""f', f'', f''' at a β."""


def newton(derivatives: Callable[[float], Derivatives], start: float, enough: float = 1e-4) -> float:
    """The root of the increasing function f' by Halley's steps, kept between the points that are known to lie
    on both sides of it, and to a factor of 8 a step. After a relative step `enough` the error is its cube."""
    low, high = LOW / 2.0, HIGH * 2.0
    beta = start
    for _ in range(200):
        first, second, third = derivatives(beta)
        if first == 0.0 or (first < 0.0 and beta == HIGH) or (first > 0.0 and beta == LOW):
            return beta
        low, high = (beta, high) if first < 0.0 else (low, beta)
        before = beta
        beta = min(max(beta + _step(first, second, third), before / 8.0, LOW), before * 8.0, HIGH)
        if not low < beta < high:
            beta = math.sqrt(low * high)
        if abs(beta - before) <= enough * beta:
            return beta
    return beta


def _step(first: float, second: float, third: float) -> float:
    if second <= 0.0:
        return math.copysign(math.inf, -first)
    step = -first / second
    bend = 1.0 + 0.5 * step * third / second
    return step / bend if 0.5 < bend < 2.0 else step


class Passes:
    """f', f'' and f''' of the mean log loss at any β: one pass over the logits, in blocks, by threads.

    Blocks are added in order, so that the number of threads changes no bit.
    """

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.highest = rows.logits.max(axis=1)
        own = rows.logits[np.arange(len(rows)), rows.labels]
        self.own: Floats = np.subtract(own, self.highest, dtype=np.float64)
        self.upright = rows.classes > NARROW
        size = max(1, BLOCK // rows.classes)
        self.parts = [slice(i, i + size) for i in range(0, len(rows), size)]
        small = rows.logits.size <= KEPT
        self.kept = [self._block(part) for part in self.parts] if small else None

    @property
    def separable(self) -> bool:
        """Whether every label is the likeliest class of its row, so that no β is too large."""
        below = self.own < 0.0
        if self.rows.weight is not None:
            below &= self.rows.weight > 0.0
        return not below.any() and bool((self.rows.logits.min(axis=1) < self.highest).any())

    def __call__(self, beta: float) -> Derivatives:
        with _pool() as each:
            found = list(each(lambda i: self._of_part(i, beta), range(len(self.parts))))
        total = self.rows.total
        first, second, third = (math.fsum(column) / total for column in zip(*found, strict=True))
        return first, second, third

    def _block(self, part: slice) -> Floats:
        """z − max z, a row a row, or for few classes a row a column: sums over classes are then vectors'."""
        z, highest = self.rows.logits[part], self.highest[part]
        d: Floats
        if self.upright:
            d = np.subtract(z, highest[:, None], dtype=np.float64)
        else:
            d = np.subtract(z.T, highest, dtype=np.float64, order="C")
        np.maximum(d, FAR, out=d)
        return d

    def _of_part(self, i: int, beta: float) -> Derivatives:
        part = self.parts[i]
        d = self._block(part) if self.kept is None else self.kept[i]
        axis = 1 if self.upright else 0
        e = np.exp(beta * d)
        sums = [e.sum(axis=axis)]
        for _ in range(3):
            e *= d
            sums.append(e.sum(axis=axis))
        one, two, three = (s / sums[0] for s in sums[1:])
        weight = self.rows.weights[part] if self.rows.weight is not None else np.ones(one.size)
        first = weight @ (one - self.own[part])
        second = weight @ (two - one * one)
        return float(first), float(second), float(weight @ (three - 3.0 * one * two + 2.0 * one**3))


@contextmanager
def _pool() -> Iterator[Callable[..., Iterable[Derivatives]]]:
    """A map over blocks: by as many threads as calls may use."""
    count = kernels.threads()
    if count == 1:
        yield map
        return
    with ThreadPoolExecutor(count) as pool:
        yield pool.map
