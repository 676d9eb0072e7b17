"""Temperature scaling: one number, by a safeguarded Newton method with exact derivatives.

With β = 1/T the mean loss  f(β) = mean(log Σ_k exp(β z_k) − β z_y)  is convex; its derivatives are those of
the cumulants of z under the softmax: f' = mean(E z − z_y), f'' = mean Var z, f''' the third central moment,
so that Halley's step costs the same pass as Newton's and converges cubically.
"""

from __future__ import annotations

import math
import threading
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
BLOCK = 1 << 15
"""Entries of a block: 256 KiB of float64 stay in the cache of a core."""
FEW = 8
"""Blocks that are worth a thread."""
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

    Blocks are added in order, so that the number of threads changes no bit. Nothing of the size of a block is
    allocated in a pass: fresh pages cost several times what the arithmetic does.
    """

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.highest = rows.logits.max(axis=1)
        own = rows.logits[np.arange(len(rows)), rows.labels]
        self.own: Floats = np.subtract(own, self.highest, dtype=np.float64)
        self.upright = rows.classes > NARROW
        self.infinite = bool(np.isneginf(rows.logits.min()))
        self.size = max(1, BLOCK // rows.classes)
        self.parts = [slice(i, i + self.size) for i in range(0, len(rows), self.size)]
        self.work = threading.local()

    @property
    def separable(self) -> bool:
        """Whether every label is the likeliest class of its row, so that no β is too large."""
        below = self.own < 0.0
        if self.rows.weight is not None:
            below &= self.rows.weight > 0.0
        return not below.any() and bool((self.rows.logits.min(axis=1) < self.highest).any())

    def __call__(self, beta: float) -> Derivatives:
        with _pool(len(self.parts)) as each:
            found = list(each(lambda i: self._of_part(i, beta), range(len(self.parts))))
        total = self.rows.total
        first, second, third = (math.fsum(column) / total for column in zip(*found, strict=True))
        return first, second, third

    def _rooms(self, part: slice) -> tuple[Floats, Floats]:
        """This thread's memory for two blocks: a row a row, or for few classes a row a column, so that sums
        over classes are sums of vectors."""
        name = "last" if part.stop > len(self.rows) else "rooms"
        rooms: tuple[Floats, Floats] | None = getattr(self.work, name, None)
        if rooms is None:
            n, k = len(range(len(self.rows))[part]), self.rows.classes
            shape = (n, k) if self.upright else (k, n)
            rooms = np.empty(shape), np.empty(shape)
            setattr(self.work, name, rooms)
        return rooms

    def _block(self, part: slice, out: Floats) -> None:
        """z − max z, finite."""
        z, highest = self.rows.logits[part], self.highest[part]
        if self.upright:
            np.subtract(z, highest[:, None], out=out, dtype=np.float64)
        else:
            np.subtract(z.T, highest, out=out, dtype=np.float64)
        if self.infinite:
            np.maximum(out, FAR, out=out)

    def _of_part(self, i: int, beta: float) -> Derivatives:
        part = self.parts[i]
        d, e = self._rooms(part)
        self._block(part, d)
        axis = 1 if self.upright else 0
        np.multiply(d, beta, out=e)
        np.exp(e, out=e)
        zero = e.sum(axis=axis)
        e *= d
        one = e.sum(axis=axis) / zero
        e *= d
        two = e.sum(axis=axis) / zero
        three = np.einsum("nk,nk->n" if self.upright else "kn,kn->n", e, d) / zero
        weight = None if self.rows.weight is None else self.rows.weight[part]
        central = (one - self.own[part], two - one * one, three - one * (3.0 * two - 2.0 * one * one))
        first, second, third = (float(c.sum() if weight is None else weight @ c) for c in central)
        return first, second, third


@contextmanager
def _pool(blocks: int) -> Iterator[Callable[..., Iterable[Derivatives]]]:
    """A map over blocks: by as many threads as calls may use and are worth starting."""
    count = min(kernels.threads(), blocks // FEW)
    if count <= 1:
        yield map
        return
    with ThreadPoolExecutor(count) as pool:
        yield pool.map
