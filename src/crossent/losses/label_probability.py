"""The base of losses that look at one number of a prediction: the probability of what happened."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from crossent import kernels
from crossent.losses.categorical import at_label, softmax_variance
from crossent.losses.contract import Codes, Floats, Loss, check_arguments


@dataclass(frozen=True)
class LabelProbability:
    """(N,) the probability of each row's label, in three forms that keep their precision on their own.

    Where probabilities are given, one ≤ 0 counts as 0, and one above 1 (within the tolerance of whoever
    checked it) leaves a `rest` below 0.
    """

    log_p: Floats
    """log p; −inf where p is 0."""
    p: Floats
    rest: Floats
    """1 − p, precise also where p is so near 1 that it rounds to 1."""

    @classmethod
    def of_probability(cls, given: Floats) -> LabelProbability:
        p = np.maximum(given, 0.0)
        return cls(0.0 - kernels.label_probability_loss(p), p, 1.0 - p)

    @classmethod
    def of_logarithm(cls, log_p: Floats) -> LabelProbability:
        with np.errstate(under="ignore", over="ignore"):
            return cls(log_p, np.exp(log_p), 0.0 - np.expm1(log_p))

    @property
    def p_log_p(self) -> Floats:
        """p log p, and its limit 0 where p is 0."""
        with np.errstate(invalid="ignore"):
            return np.where(self.p == 0.0, 0.0, self.p * self.log_p)


@dataclass(frozen=True)
class LabelProbabilityLoss(Loss):
    """A loss g(p) of the probability p of the label alone.

    A subclass says g and its derivatives, once by log p and once by p, each with its limit at p = 0 and at
    p = 1; this class makes of them the derivatives by every kind:

    | kind                         | gradient                | Hessian diagonal                       |
    |------------------------------|-------------------------|----------------------------------------|
    | `probs`                      | g' by p, at the label   | g″ by p, at the label                  |
    | `logits`                     | g'·(δ_k − p_k)          | g″·(δ_k − p_k)² − g'·p_k(1 − p_k)      |
    | `log_probs`, `label_logprob` | g' by log p             | g″ by log p                            |

    where in the second line g' and g″ are by log p, and δ_k is 1 for the label. They must be finite by log p
    for every p (by p they may be infinite).
    """

    kinds: ClassVar[tuple[str, ...]] = ("probs", "logits", "log_probs", "label_logprob")

    @abstractmethod
    def of(self, label: LabelProbability) -> Floats:
        """(N,) g."""

    @abstractmethod
    def by_log_probability(self, label: LabelProbability) -> tuple[Floats, Floats]:
        """(N,) first and second derivative of g by log p."""

    @abstractmethod
    def by_probability(self, label: LabelProbability) -> tuple[Floats, Floats]:
        """(N,) first and second derivative of g by p."""

    def value(self, labels: Codes, prediction: Floats, kind: str) -> Floats:
        check_arguments(self, labels, prediction, kind)
        return self.of(label_probability(labels, prediction, kind))

    def gradient(self, labels: Codes, prediction: Floats, kind: str) -> Floats:
        check_arguments(self, labels, prediction, kind)
        label = label_probability(labels, prediction, kind)
        if kind == "probs":
            return at_label(labels, prediction, self.by_probability(label)[0])
        slope = self.by_log_probability(label)[0]
        if kind == "logits":
            return -slope[:, None] * kernels.softmax_minus_label(labels, prediction)
        return slope if kind == "label_logprob" else at_label(labels, prediction, slope)

    def hessian_diagonal(self, labels: Codes, prediction: Floats, kind: str) -> Floats:
        check_arguments(self, labels, prediction, kind)
        label = label_probability(labels, prediction, kind)
        if kind == "probs":
            return at_label(labels, prediction, self.by_probability(label)[1])
        slope, bend = self.by_log_probability(label)
        if kind == "logits":
            with np.errstate(under="ignore"):
                square = kernels.softmax_minus_label(labels, prediction) ** 2
                return bend[:, None] * square - slope[:, None] * softmax_variance(prediction)
        return bend if kind == "label_logprob" else at_label(labels, prediction, bend)


def label_probability(labels: Codes, prediction: Floats, kind: str) -> LabelProbability:
    """The label's probability in a prediction of one of the kinds of `LabelProbabilityLoss`."""
    if kind == "probs":
        return LabelProbability.of_probability(kernels.take_label(labels, prediction))
    if kind == "logits":
        return LabelProbability.of_logarithm(0.0 - kernels.log_loss_from_logits(labels, prediction))
    if kind == "log_probs":
        return LabelProbability.of_logarithm(kernels.take_label(labels, prediction))
    return LabelProbability.of_logarithm(np.ascontiguousarray(prediction, np.float64))
