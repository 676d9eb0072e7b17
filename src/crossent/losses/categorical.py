"""Losses of predictions about classes or tokens: log loss, Brier score, zero-one loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from crossent import kernels
from crossent.losses.contract import Codes, Floats, Loss, check_arguments
from crossent.losses.registry import register


@dataclass(frozen=True)
class LogLoss(Loss):
    """Log loss, the cross-entropy of one row:  −log p_label, in nats; range [0, ∞).

    | kind            | loss                                        |
    |-----------------|---------------------------------------------|
    | `probs`         | −log p_label; +inf where p_label ≤ 0        |
    | `logits`        | log1p(Σ_{j≠label} exp(z_j − z_label))       |
    | `log_probs`     | −(log p)_label                              |
    | `label_logprob` | −log p_label, given as (N,)                 |

    Nothing is clipped: probability 0 is infinite loss, and a probability above 1 (within the tolerance of
    whoever checked it) gives a loss below 0. Only the label's entry of `probs` and `log_probs` is looked at;
    whether rows are distributions is checked where data enters.

    >>> import numpy as np
    >>> labels = np.array([0, 1])
    >>> LogLoss().value(labels, np.array([[0.5, 0.5], [1.0, 0.0]]), "probs")
    array([0.69314718,        inf])
    >>> LogLoss().value(labels, np.array([[60.0, 0.0], [0.0, 0.0]]), "logits")
    array([8.75651076e-27, 6.93147181e-01])

    Source: I. J. Good, Rational decisions, JRSS B 14 (1952) 107–114, doi:10.1111/j.2517-6161.1952.tb00104.x.
    """

    name: ClassVar[str] = "log_loss"
    title: ClassVar[str] = "log loss"
    unit: ClassVar[str] = "nats"
    kinds: ClassVar[tuple[str, ...]] = ("probs", "logits", "log_probs", "label_logprob")
    as_stored: ClassVar[tuple[str, ...]] = ("probs", "logits")
    strictly_proper: ClassVar[bool] = True
    elicits: ClassVar[str] = "distribution"
    bounds: ClassVar[tuple[float, float]] = (0.0, np.inf)
    calibration: ClassVar[str] = "Its minimum is the true probabilities: calibrated where the model can be."
    use: ClassVar[str] = "The default, for training and for judging whoever states probabilities."

    def value(self, labels: Codes, prediction: Floats, kind: str) -> Floats:
        check_arguments(self, labels, prediction, kind)
        if kind == "probs":
            return kernels.log_loss_from_probs(labels, prediction)
        if kind == "logits":
            return kernels.log_loss_from_logits(labels, prediction)
        log_p = prediction if kind == "label_logprob" else kernels.take_label(labels, prediction)
        return np.subtract(0.0, log_p, dtype=np.float64)

    def gradient(self, labels: Codes, prediction: Floats, kind: str) -> Floats:
        """By probability −1/p at the label, by logit softmax(z) − onehot, by log-probability −1."""
        check_arguments(self, labels, prediction, kind)
        if kind == "label_logprob":
            return np.full(prediction.shape, -1.0)
        if kind == "logits":
            return kernels.softmax_minus_label(labels, prediction)
        if kind == "log_probs":
            return at_label(labels, prediction, -1.0)
        p = np.maximum(kernels.take_label(labels, prediction), 0.0)
        with np.errstate(divide="ignore", over="ignore"):
            return at_label(labels, prediction, -1.0 / p)

    def hessian_diagonal(self, labels: Codes, prediction: Floats, kind: str) -> Floats:
        """By probability 1/p² at the label, by logit p(1 − p), by log-probability 0."""
        check_arguments(self, labels, prediction, kind)
        if kind == "logits":
            return softmax_variance(prediction)
        if kind != "probs":
            return np.zeros(prediction.shape)
        p = np.maximum(kernels.take_label(labels, prediction), 0.0)
        with np.errstate(divide="ignore", over="ignore"):
            return at_label(labels, prediction, 1.0 / p**2)


@dataclass(frozen=True)
class Brier(Loss):
    """Brier score, summed over all classes:  Σ_k (p_k − y_k)²; range [0, 2] for distributions.

    For two classes it is twice the single-probability form (p − y)². The kinds `logits` and `log_probs` keep
    the precision of confident rows by taking 1 − p_label without subtracting from 1.

    >>> import numpy as np
    >>> Brier().value(np.array([0]), np.array([[0.7, 0.2, 0.1]]), "probs").round(12)
    array([0.14])

    Source: G. W. Brier, Verification of forecasts expressed in terms of probability, Mon. Weather Rev. 78
    (1950) 1–3, doi:10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2.
    """

    name: ClassVar[str] = "brier"
    title: ClassVar[str] = "Brier score"
    unit: ClassVar[str] = "1"
    kinds: ClassVar[tuple[str, ...]] = ("probs", "logits", "log_probs")
    as_stored: ClassVar[tuple[str, ...]] = ("probs", "logits")
    strictly_proper: ClassVar[bool] = True
    elicits: ClassVar[str] = "distribution"
    bounds: ClassVar[tuple[float, float]] = (0.0, 2.0)
    calibration: ClassVar[str] = "Its minimum is the true probabilities; small ones hardly weigh."
    use: ClassVar[str] = "Where one confident mistake must not decide: no row counts more than 2."

    def value(self, labels: Codes, prediction: Floats, kind: str) -> Floats:
        check_arguments(self, labels, prediction, kind)
        if kind == "probs":
            return kernels.brier(labels, prediction)
        if kind == "logits":
            return kernels.brier_from_logits(labels, prediction)
        return kernels.brier_from_log_probs(labels, prediction)

    def gradient(self, labels: Codes, prediction: Floats, kind: str) -> Floats:
        """With e = p − y: by probability 2e, by log-probability 2e·p, by logit 2p·(e − Σ e·p)."""
        check_arguments(self, labels, prediction, kind)
        p, e = self._error(labels, prediction, kind)
        if kind != "logits":
            return 2.0 * e if kind == "probs" else 2.0 * e * p
        top, q = kernels.top(prediction)[0], e * p
        return np.asarray(2.0 * (q * sums_of_others(p, top) - p * sums_of_others(q, top)))

    def hessian_diagonal(self, labels: Codes, prediction: Floats, kind: str) -> Floats:
        """By probability 2, by log-probability 2p² + 2e·p, by logit 2n·(1 − p)² + 2p²·Σ_{others} n

        with n = p·(2p − y − Σ e·p).
        """
        check_arguments(self, labels, prediction, kind)
        if kind == "probs":
            return np.full(prediction.shape, 2.0)
        p, e = self._error(labels, prediction, kind)
        if kind == "log_probs":
            return np.asarray(2.0 * p * (p + e))
        top = kernels.top(prediction)[0]
        n = p * (p + e - kernels.row_sums(e * p)[:, None])
        return np.asarray(2.0 * (n * sums_of_others(p, top) ** 2 + p * p * sums_of_others(n, top)))

    def _error(self, labels: Codes, prediction: Floats, kind: str) -> tuple[Floats, Floats]:
        """p and p − y."""
        if kind == "logits":
            return kernels.softmax(prediction), kernels.softmax_minus_label(labels, prediction)
        given = kernels.take_label(labels, prediction)
        p = np.asarray(prediction, np.float64) if kind == "probs" else np.exp(prediction, dtype=np.float64)
        e = p.copy()
        e[np.arange(len(labels)), labels] = given - 1.0 if kind == "probs" else np.expm1(given)
        return p, e


@dataclass(frozen=True)
class ZeroOne(Loss):
    """Zero-one loss: 0 where the class with the largest entry is the label, else 1.

    Its mean is the error rate; range {0, 1}. Ties go to the first class. A row that is no prediction (holding
    nan, or logits without a finite largest one) gives nan. The loss is piecewise constant: it has no useful
    derivative, and asking for one raises `NotImplementedError`.

    >>> import numpy as np
    >>> ZeroOne().value(np.array([0, 1]), np.array([[0.5, 0.5], [0.5, 0.5]]), "probs")
    array([0., 1.])
    """

    name: ClassVar[str] = "zero_one"
    title: ClassVar[str] = "zero-one loss"
    unit: ClassVar[str] = "1"
    kinds: ClassVar[tuple[str, ...]] = ("probs", "logits", "log_probs")
    as_stored: ClassVar[tuple[str, ...]] = ("probs", "logits")
    strictly_proper: ClassVar[bool] = False
    elicits: ClassVar[str] = "mode"
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)
    proper: ClassVar[bool] = True
    calibration: ClassVar[str] = "Says nothing of it: only which class is largest matters."
    use: ClassVar[str] = "To report how often the first choice is wrong, beside a loss of probabilities."

    def value(self, labels: Codes, prediction: Floats, kind: str) -> Floats:
        check_arguments(self, labels, prediction, kind)
        kernels.check_labels(labels, prediction.shape[1])
        index, largest, _ = kernels.top(prediction)
        unusable = ~np.isfinite(largest) if kind == "logits" else np.isnan(largest)
        return np.where(unusable, np.nan, (index != labels).astype(np.float64))


def at_label(labels: Codes, prediction: Floats, value: Floats | float) -> Floats:
    """(N, K) zeros with `value` at each row's label."""
    kernels.check_labels(labels, prediction.shape[1])
    out = np.zeros(prediction.shape)
    out[np.arange(len(labels)), labels] = value
    return out


def sums_of_others(x: Floats, top: Codes) -> Floats:
    """(N, K) Σ_{j≠k} x_j, where each row's `top` dominates: for k = top added up, else the sum less x_k.

    Of probabilities it is 1 − p, and a largest p that rounds to 1 keeps what is left of it.
    """
    rows = np.arange(len(x))
    without = x.copy()
    without[rows, top] = 0.0
    others = kernels.row_sums(without)
    out = (others + x[rows, top])[:, None] - x
    out[rows, top] = others
    return np.asarray(out)


def softmax_variance(z: Floats) -> Floats:
    """(N, K) p(1 − p) of softmax(z)."""
    p = kernels.softmax(z)
    return np.asarray(p * sums_of_others(p, kernels.top(z)[0]))


for _loss in (LogLoss(), Brier(), ZeroOne()):
    register(_loss)
