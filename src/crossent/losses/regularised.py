"""Log loss with a penalty that keeps a network's logits, or its confidence, in bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from crossent import kernels
from crossent.kernels.row_losses import shortfall
from crossent.losses.categorical import at_label, softmax_variance
from crossent.losses.contract import Codes, Floats, Loss, check_arguments, require_option
from crossent.losses.registry import register


@dataclass(frozen=True)
class ZLoss(Loss):
    """Log loss with z-loss:  −log p_label + c·(log Σ_j exp z_j)², in nats; range [0, ∞).

    Softmax does not notice a constant added to all logits of a row. The penalty does: it draws the logarithm
    of the normaliser to 0, where logits are log-probabilities, so that they neither drift in training nor
    lose digits in short number formats. It is 0 for normalised logits, so the best prediction stays the
    truth.

    Kind: logits. Errors: `UsageError` (bad-option) unless c ≥ 0 and finite.

    >>> import numpy as np
    >>> ZLoss(weight=0.5).value(np.array([0]), np.array([[1.0, 1.0]]), "logits")
    array([2.12652087])

    Source: J. Devlin et al., Fast and robust neural network joint models for statistical machine translation,
    ACL 2014, 1370–1380, doi:10.3115/v1/P14-1129; A. Chowdhery et al., PaLM: scaling language modeling with
    pathways, JMLR 24 (2023) 240, doi:10.48550/arXiv.2204.02311. Not the loss of the same name by de Brébisson
    and Vincent (2016), which is a function of standardised logits.
    """

    name: ClassVar[str] = "z_loss"
    title: ClassVar[str] = "log loss with z-loss"
    unit: ClassVar[str] = "nats"
    kinds: ClassVar[tuple[str, ...]] = ("logits",)
    as_stored: ClassVar[tuple[str, ...]] = ("logits",)
    strictly_proper: ClassVar[bool] = True
    elicits: ClassVar[str] = "distribution"
    bounds: ClassVar[tuple[float, float]] = (0.0, np.inf)
    calibration: ClassVar[str] = (
        "Its minimum is the true probabilities, said by logits that are log-probabilities."
    )
    use: ClassVar[str] = "To train large softmax layers in short number formats; report log loss."

    weight: float = 1e-4

    def __post_init__(self) -> None:
        require_option(0.0 <= self.weight < math.inf, "weight", self.weight, "a finite number from 0 on")

    def value(self, labels: Codes, prediction: Floats, kind: str) -> Floats:
        check_arguments(self, labels, prediction, kind)
        log_loss = kernels.log_loss_from_logits(labels, prediction)
        return np.asarray(log_loss + self.weight * kernels.log_sum_exp(prediction) ** 2)

    def gradient(self, labels: Codes, prediction: Floats, kind: str) -> Floats:
        """p − y + 2c·lse·p."""
        check_arguments(self, labels, prediction, kind)
        pull = 2.0 * self.weight * kernels.log_sum_exp(prediction)[:, None]
        return kernels.softmax_minus_label(labels, prediction) + pull * kernels.softmax(prediction)

    def hessian_diagonal(self, labels: Codes, prediction: Floats, kind: str) -> Floats:
        """(1 + 2c·lse)·p(1 − p) + 2c·p²."""
        check_arguments(self, labels, prediction, kind)
        kernels.check_labels(labels, prediction.shape[1])
        pull = 2.0 * self.weight * kernels.log_sum_exp(prediction)[:, None]
        p = kernels.softmax(prediction)
        return np.asarray((1.0 + pull) * softmax_variance(prediction) + 2.0 * self.weight * p * p)


@dataclass(frozen=True)
class ConfidencePenalty(Loss):
    """Log loss with a reward for entropy:  −log p_label − β·H(p), H = −Σ_k p_k log p_k, in nats.

    Range [−β log K, ∞). Where label smoothing charges for every class that is given little, this charges for
    being sure, whatever of, and leaves classes at 0 alone.

    | kind        | gradient                                                  |
    |-------------|-----------------------------------------------------------|
    | `probs`     | −y/p + β(log p + 1)                                       |
    | `logits`    | p − y + β·p·a, with a = log p + H = z − Σ p z             |
    | `log_probs` | −y + β·p·(log p + 1)                                      |

    Errors: `UsageError` (bad-option) unless β > 0.

    >>> import numpy as np
    >>> ConfidencePenalty(beta=0.5).value(np.array([0]), np.array([[0.5, 0.5]]), "probs")
    array([0.34657359])

    Source: G. Pereyra et al., Regularizing neural networks by penalizing confident output distributions,
    2017, doi:10.48550/arXiv.1701.06548.
    """

    name: ClassVar[str] = "confidence_penalty"
    title: ClassVar[str] = "log loss with confidence penalty"
    unit: ClassVar[str] = "nats"
    kinds: ClassVar[tuple[str, ...]] = ("logits", "probs", "log_probs")
    strictly_proper: ClassVar[bool] = False
    elicits: ClassVar[str] = "none"
    bounds: ClassVar[tuple[float, float]] = (-np.inf, np.inf)
    calibration: ClassVar[str] = "Under-confident by design, the more so the larger β."
    use: ClassVar[str] = "To train networks that would grow over-confident; judge them by log loss."

    beta: float = 0.1

    def __post_init__(self) -> None:
        require_option(0.0 < self.beta < math.inf, "beta", self.beta, "a number above 0")

    def value(self, labels: Codes, prediction: Floats, kind: str) -> Floats:
        check_arguments(self, labels, prediction, kind)
        if kind == "probs":
            return kernels.log_loss_from_probs(labels, prediction) - self.beta * kernels.entropy(prediction)
        if kind == "logits":
            top, largest, _ = kernels.top(prediction)
            entropy = shortfall(kernels.softmax(prediction), prediction, largest)
            entropy += kernels.log_loss_from_logits(top, prediction)
            return kernels.log_loss_from_logits(labels, prediction) - self.beta * entropy
        entropy = shortfall(np.exp(prediction, dtype=np.float64), prediction, np.zeros(len(prediction)))
        return -kernels.take_label(labels, prediction) - self.beta * entropy

    def gradient(self, labels: Codes, prediction: Floats, kind: str) -> Floats:
        check_arguments(self, labels, prediction, kind)
        if kind == "logits":
            toward = kernels.softmax_minus_label(labels, prediction)
            p, excess = excess_log_probability(prediction)
            return np.asarray(toward + self.beta * times(p, excess))
        if kind == "log_probs":
            log_p = np.asarray(prediction, np.float64)
            return at_label(labels, log_p, -1.0) + self.beta * times(np.exp(log_p), log_p + 1.0)
        p = np.maximum(prediction, 0.0, dtype=np.float64)
        with np.errstate(divide="ignore", over="ignore"):
            label = at_label(labels, p, -1.0 / kernels.take_label(labels, p))
            return np.asarray(label + self.beta * (np.log(p) + 1.0))

    def hessian_diagonal(self, labels: Codes, prediction: Floats, kind: str) -> Floats:
        """By probability y/p² + β/p, by log-probability β·p·(log p + 2), by logit

        p(1 − p)·(1 + β(1 + a)) − β·p²·a.
        """
        check_arguments(self, labels, prediction, kind)
        kernels.check_labels(labels, prediction.shape[1])
        if kind == "logits":
            p, excess = excess_log_probability(prediction)
            variance = softmax_variance(prediction)
            penalty = variance + times(variance, excess) - p * times(p, excess)
            return np.asarray(variance + self.beta * penalty)
        if kind == "log_probs":
            log_p = np.asarray(prediction, np.float64)
            return self.beta * times(np.exp(log_p), log_p + 2.0)
        with np.errstate(divide="ignore", over="ignore"):
            inverse = 1.0 / np.maximum(prediction, 0.0, dtype=np.float64)
            return at_label(labels, inverse, kernels.take_label(labels, inverse) ** 2) + self.beta * inverse


def excess_log_probability(z: Floats) -> tuple[Floats, Floats]:
    """(N, K) p = softmax(z), and a = log p − Σ p log p = (z − max z) + Σ p (max z − z)."""
    p, largest = kernels.softmax(z), kernels.top(z)[1]
    with np.errstate(invalid="ignore"):
        return p, (z - largest[:, None]) + shortfall(p, z, largest)[:, None]


def times(weight: Floats, x: Floats) -> Floats:
    """weight·x, and 0 where the weight is 0, whatever x."""
    return np.multiply(weight, x, out=np.zeros_like(weight), where=weight != 0.0)


for _loss in (ZLoss(), ConfidencePenalty()):
    register(_loss)
