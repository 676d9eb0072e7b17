"""Log loss with a penalty that keeps a network's logits, or its confidence, in bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from crossent import kernels
from crossent.losses.categorical import softmax_variance
from crossent.losses.contract import Codes, Floats, Loss, check_arguments
from crossent.losses.label_probability import require_option
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
        return np.asarray(log_loss + self.weight * log_normaliser(prediction) ** 2)

    def gradient(self, labels: Codes, prediction: Floats, kind: str) -> Floats:
        """p − y + 2c·lse·p."""
        check_arguments(self, labels, prediction, kind)
        pull = 2.0 * self.weight * log_normaliser(prediction)[:, None]
        return kernels.softmax_minus_label(labels, prediction) + pull * kernels.softmax(prediction)

    def hessian_diagonal(self, labels: Codes, prediction: Floats, kind: str) -> Floats:
        """(1 + 2c·lse)·p(1 − p) + 2c·p²."""
        check_arguments(self, labels, prediction, kind)
        kernels.check_labels(labels, prediction.shape[1])
        pull = 2.0 * self.weight * log_normaliser(prediction)[:, None]
        p = kernels.softmax(prediction)
        return np.asarray((1.0 + pull) * softmax_variance(prediction) + 2.0 * self.weight * p * p)


def log_normaliser(z: Floats) -> Floats:
    """(N,) log Σ_j exp z_j, the largest logit plus its log loss."""
    top, largest, _ = kernels.top(z)
    return largest + kernels.log_loss_from_logits(top, z)


register(ZLoss())
