"""The bi-tempered logistic loss: a bounded logarithm, and a softmax with heavy tails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from crossent import kernels
from crossent.losses.categorical import sums_of_others
from crossent.losses.contract import Codes, Floats, Loss, check_arguments, require_option
from crossent.losses.registry import register
from crossent.losses.tempered import deformed, tempered_log, tempered_log_softmax


@dataclass(frozen=True)
class BiTempered(Loss):
    """Bi-tempered logistic loss:  −log_t1 p_label − (1 − Σ_k p_k^(2−t1))/(2 − t1); range [0, 1/(1 − t1)].

    log_t x = (x^(1−t) − 1)/(1 − t) is bounded below for t < 1, so that an outlier cannot outvote the other
    rows. Logits become probabilities by the inverse of log_t2, p_k = exp_t2(z_k − λ), whose tails are a
    power's, so that a wrong label near the boundary loses its pull. t1 = t2 = 1 is log loss of the softmax.

    Kinds: `logits` through that tempered softmax, which `probabilities` gives; `probs` and `log_probs` as
    they are: t2 plays no part then, and all entries count (t1 = 0 is half the Brier score). Errors:
    `UsageError` (bad-option) unless 0 ≤ t1 ≤ 1 and 1 ≤ t2 ≤ 10.

    >>> import numpy as np
    >>> z = np.array([[3.0, 0.0], [1e6, 0.0]])
    >>> BiTempered(t1=0.5, t2=2.0).value(np.array([0, 1]), z, "logits")
    array([0.10411762, 1.997999  ])

    Source: E. Amid et al., Robust bi-tempered logistic loss based on Bregman divergences, NeurIPS 2019,
    doi:10.48550/arXiv.1906.03361.
    """

    name: ClassVar[str] = "bi_tempered"
    title: ClassVar[str] = "bi-tempered logistic loss"
    unit: ClassVar[str] = "1"
    kinds: ClassVar[tuple[str, ...]] = ("logits", "probs", "log_probs")
    strictly_proper: ClassVar[bool] = True
    elicits: ClassVar[str] = "distribution"
    bounds: ClassVar[tuple[float, float]] = (0.0, np.inf)
    calibration: ClassVar[str] = (
        "Its minimum is the true probabilities where logits are read by its tempered softmax; read by the "
        "plain softmax they are not calibrated."
    )
    use: ClassVar[str] = "To train where labels are wrong, far from the boundary or near it."

    t1: float = 0.8
    t2: float = 1.2

    def __post_init__(self) -> None:
        require_option(0.0 <= self.t1 <= 1.0, "t1", self.t1, "a number from 0 to 1")
        require_option(1.0 <= self.t2 <= 10.0, "t2", self.t2, "a number from 1 to 10")

    def probabilities(self, z: Floats) -> Floats:
        """(N, K) tempered softmax, the probabilities that logits say to this loss."""
        return np.exp(tempered_log_softmax(z, self.t2))

    def logits_of(self, log_p: Floats) -> Floats:
        return tempered_log(log_p, self.t2)

    def value(self, labels: Codes, prediction: Floats, kind: str) -> Floats:
        """Σ_{k≠label} p_k^(2−t1)/(2 − t1) and, of the label's, a divergence of p from 1: all terms ≥ 0."""
        check_arguments(self, labels, prediction, kind)
        log_p = self._log_p(prediction, kind)
        others = power(log_p, 2.0 - self.t1)
        label = divergence_from_one(kernels.take_label(labels, log_p), self.t1)
        others[np.arange(len(labels)), labels] = 0.0
        return np.asarray(kernels.row_sums(others) / (2.0 - self.t1) + label)

    def gradient(self, labels: Codes, prediction: Floats, kind: str) -> Floats:
        """By probability p^−t1·(p − y), by log-probability p^(1−t1)·(p − y), by logit q − E·Σq

        with q = p^(t2−t1)·(p − y) and E = p^t2 / Σ p^t2.
        """
        check_arguments(self, labels, prediction, kind)
        log_p = self._log_p(prediction, kind)
        slope = self._slope(labels, log_p, self._exponent(kind) - self.t1)
        if kind != "logits":
            return slope
        top = kernels.top(log_p)[0]
        escort, rest = self._escort(log_p, top)
        return np.asarray(slope * rest - escort * sums_of_others(slope, top))

    def hessian_diagonal(self, labels: Codes, prediction: Floats, kind: str) -> Floats:
        """By probability and by log-probability the derivative of the gradient, by logit

        n·(1 − E)² + E²·Σ_{others} n  with  n_k = p_k^t2·dq_k/dp_k − (Σq / Σp^t2)·t2·p_k^(2·t2−1).
        """
        check_arguments(self, labels, prediction, kind)
        log_p = self._log_p(prediction, kind)
        exponent = self._exponent(kind)
        bend = self._bend(labels, log_p, exponent - self.t1, exponent)
        if kind != "logits":
            return bend
        top = kernels.top(log_p)[0]
        escort, rest = self._escort(log_p, top)
        slopes = kernels.row_sums(self._slope(labels, log_p, exponent - self.t1))
        ratio = slopes / kernels.row_sums(power(log_p, exponent))
        n = bend - ratio[:, None] * exponent * power(log_p, 2.0 * exponent - 1.0)
        return np.asarray(n * rest**2 + escort**2 * sums_of_others(n, top))

    def _log_p(self, prediction: Floats, kind: str) -> Floats:
        if kind == "logits":
            return tempered_log_softmax(prediction, self.t2)
        if kind == "log_probs":
            return np.asarray(prediction, np.float64)
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(np.maximum(prediction, 0.0, dtype=np.float64)))

    def _exponent(self, kind: str) -> float:
        """The power of p that dp/dz_k is, but for the normaliser."""
        return {"probs": 0.0, "log_probs": 1.0, "logits": self.t2}[kind]

    def _slope(self, labels: Codes, log_p: Floats, e: float) -> Floats:
        """(N, K) p^e·(p − y)."""
        u = kernels.take_label(labels, log_p)
        slope = power(log_p, e + 1.0)
        slope[np.arange(len(u)), labels] = np.expm1(u) * power(u, e)
        return slope

    def _bend(self, labels: Codes, log_p: Floats, e: float, f: float) -> Floats:
        """(N, K) derivative by p of p^e·(p − y), times p^f."""
        u = kernels.take_label(labels, log_p)
        bend = (e + 1.0) * power(log_p, e + f) if e != -1.0 else np.zeros(log_p.shape)
        if e != 0.0:
            bend[np.arange(len(u)), labels] -= e * power(u, e + f - 1.0)
        return bend

    def _escort(self, log_p: Floats, top: Codes) -> tuple[Floats, Floats]:
        """(N, K) E = p^t2 / Σ p^t2 and 1 − E."""
        weight = power(log_p, self.t2)
        total = kernels.row_sums(weight)[:, None]
        return weight / total, sums_of_others(weight, top) / total


def power(log_p: Floats, e: float) -> Floats:
    """p^e, and 1 for e = 0 whatever p."""
    if e == 0.0:
        return np.ones(log_p.shape)
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray(np.exp(e * log_p))


def divergence_from_one(u: Floats, t1: float) -> Floats:
    """−log_t1 p − (1 − p^(2−t1))/(2 − t1) of p = exp(u), u²/2 + (3 − 2·t1)·u³/6 + … near p = 1."""
    c = 1.0 - t1
    small = np.where(np.abs(u) < 0.1, u, 0.0)
    series = np.zeros(u.shape)
    for n in range(14, 1, -1):
        series = (series + (1.0 + c) ** (n - 1) - c ** (n - 1)) * small / n
    return np.where(np.abs(u) < 0.1, series * small, deformed(1.0 + c, u) - deformed(c, u))


register(BiTempered())
