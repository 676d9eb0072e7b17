"""Losses of soft targets: cross-entropy to a distribution, and to a label that was smoothed into one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from crossent import kernels
from crossent.kernels.reference import Reals
from crossent.kernels.row_losses import check_masses, shortfall
from crossent.losses.categorical import softmax_variance
from crossent.losses.contract import Codes, Floats, Loss, check_arguments, require_option
from crossent.losses.registry import register


@dataclass(frozen=True)
class SoftCrossEntropy(Loss):
    """Cross-entropy of a distribution over the classes:  −Σ_k y_k log q_k, in nats; range [0, ∞).

    The target is (N, K): what annotators said, what a teacher model says, a mixture of two examples. Its best
    prediction is the target itself, at which the loss is the target's entropy, not 0. 0·log 0 is 0, and some
    y_k > 0 with q_k = 0 gives +inf. A target that sums to s is taken as it is: the loss is s times that of
    its shares.

    | kind        | loss                                                            |
    |-------------|-----------------------------------------------------------------|
    | `probs`     | −Σ y_k log q_k                                                  |
    | `logits`    | Σ y_k (m − z_k) + (Σ y)·log1p(Σ_{j≠top} exp(z_j − m)), m = max z |
    | `log_probs` | −Σ y_k (log q)_k                                                |

    Errors: `DataError` (not-a-mass) where a target is negative, infinite or not a number.

    >>> import numpy as np
    >>> target = np.array([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    >>> SoftCrossEntropy().value(target, np.array([[0.0, 0.0, -np.inf], [0.0, 0.0, 60.0]]), "logits")
    array([6.93147181e-01, 1.75130215e-26])

    Source: G. Hinton, O. Vinyals and J. Dean, Distilling the knowledge in a neural network, 2015,
    doi:10.48550/arXiv.1503.02531.
    """

    name: ClassVar[str] = "soft_cross_entropy"
    title: ClassVar[str] = "cross-entropy of soft targets"
    unit: ClassVar[str] = "nats"
    kinds: ClassVar[tuple[str, ...]] = ("probs", "logits", "log_probs")
    as_stored: ClassVar[tuple[str, ...]] = ("logits",)
    target: ClassVar[str] = "distribution"
    strictly_proper: ClassVar[bool] = True
    elicits: ClassVar[str] = "distribution"
    bounds: ClassVar[tuple[float, float]] = (0.0, np.inf)
    calibration: ClassVar[str] = "Its minimum is the mean of the targets: calibrated where they are."
    use: ClassVar[str] = (
        "Where what happened is known as shares: several annotators, a teacher, mixed examples."
    )

    def value(self, target: Floats, prediction: Floats, kind: str) -> Floats:
        check_arguments(self, target, prediction, kind)
        if kind == "logits":
            return kernels.soft_cross_entropy_from_logits(target, prediction)
        y = masses(target)
        if kind == "probs":
            return kernels.cross_entropy(y, prediction)
        return shortfall(y, prediction, np.zeros(len(y)))

    def gradient(self, target: Floats, prediction: Floats, kind: str) -> Floats:
        """By probability −y/q, by log-probability −y, by logit (Σ y)·p − y."""
        check_arguments(self, target, prediction, kind)
        if kind == "logits":
            z = np.asarray(prediction, np.float64)
            return np.asarray(kernels.soft_loss_and_gradient_from_logits(target, z)[1], np.float64)
        y = masses(target)
        return over(-y, prediction) if kind == "probs" else -y

    def hessian_diagonal(self, target: Floats, prediction: Floats, kind: str) -> Floats:
        """By probability y/q², by log-probability 0, by logit (Σ y)·p(1 − p)."""
        check_arguments(self, target, prediction, kind)
        y = masses(target)
        if kind == "logits":
            return kernels.row_sums(y)[:, None] * softmax_variance(prediction)
        return over(over(y, prediction), prediction) if kind == "probs" else np.zeros(prediction.shape)


@dataclass(frozen=True)
class LabelSmoothing(Loss):
    """Log loss of a smoothed label:  (1 − ε)(−log p_label) + (ε/K) Σ_k −log p_k, in nats; range [0, ∞).

    The cross-entropy of the target (1 − ε)·onehot + ε/K, which is what PyTorch's `label_smoothing` means. Its
    best prediction is not the truth π but (1 − ε)π + ε/K, and no class may be given the probability 0.

    Kinds: probs, logits, log_probs. Errors: `UsageError` (bad-option) unless 0 ≤ ε ≤ 1.

    >>> import numpy as np
    >>> LabelSmoothing(epsilon=0.2).value(np.array([0]), np.array([[0.9, 0.1]]), "probs")
    array([0.32508297])

    Source: C. Szegedy et al., Rethinking the inception architecture for computer vision, CVPR 2016,
    2818–2826, doi:10.1109/CVPR.2016.308; R. Müller, S. Kornblith and G. Hinton, When does label smoothing
    help?, NeurIPS 2019, doi:10.48550/arXiv.1906.02629.
    """

    name: ClassVar[str] = "label_smoothing"
    title: ClassVar[str] = "log loss with label smoothing"
    unit: ClassVar[str] = "nats"
    kinds: ClassVar[tuple[str, ...]] = ("probs", "logits", "log_probs")
    as_stored: ClassVar[tuple[str, ...]] = ("logits",)
    strictly_proper: ClassVar[bool] = False
    elicits: ClassVar[str] = "distribution mixed with the uniform one"
    bounds: ClassVar[tuple[float, float]] = (0.0, np.inf)
    calibration: ClassVar[str] = "Under-confident by design: its minimum is (1 − ε)·truth + ε/K."
    use: ClassVar[str] = "To train networks that would grow over-confident; judge them by log loss."

    epsilon: float = 0.1

    def __post_init__(self) -> None:
        require_option(0.0 <= self.epsilon <= 1.0, "epsilon", self.epsilon, "a number from 0 to 1")

    def value(self, labels: Codes, prediction: Floats, kind: str) -> Floats:
        if kind == "logits":
            check_arguments(self, labels, prediction, kind)
            return kernels.smoothed_log_loss_from_logits(labels, prediction, self.epsilon)
        return SoftCrossEntropy().value(self.smoothed(labels, prediction, kind), prediction, kind)

    def gradient(self, labels: Codes, prediction: Floats, kind: str) -> Floats:
        return SoftCrossEntropy().gradient(self.smoothed(labels, prediction, kind), prediction, kind)

    def hessian_diagonal(self, labels: Codes, prediction: Floats, kind: str) -> Floats:
        return SoftCrossEntropy().hessian_diagonal(self.smoothed(labels, prediction, kind), prediction, kind)

    def smoothed(self, labels: Codes, prediction: Floats, kind: str) -> Floats:
        """(N, K) the target (1 − ε)·onehot + ε/K."""
        check_arguments(self, labels, prediction, kind)
        kernels.check_labels(labels, prediction.shape[1])
        share = self.epsilon / max(prediction.shape[1], 1)
        target = np.full(prediction.shape, share)
        target[np.arange(len(labels)), labels] = 1.0 - self.epsilon + share
        return target


def masses(target: Reals) -> Floats:
    """The target as float64. Raises unless all entries are finite and ≥ 0."""
    check_masses(target)
    return np.asarray(target, np.float64)


def over(y: Floats, q: Reals) -> Floats:
    """y/q where y is not 0, with a probability ≤ 0 taken as 0; else 0."""
    out = np.zeros(y.shape)
    with np.errstate(divide="ignore", over="ignore"):
        np.divide(y, np.maximum(q, 0.0), out=out, where=y != 0.0)
    return out


for _loss in (SoftCrossEntropy(), LabelSmoothing()):
    register(_loss)
