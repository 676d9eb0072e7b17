"""Losses that weigh or shift classes by how often they occur."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from crossent import kernels
from crossent.losses.categorical import LogLoss, at_label, softmax_variance
from crossent.losses.class_tables import Table, classes_of, frozen_table, table_for, times_label
from crossent.losses.contract import Codes, Floats, Loss, check_arguments, require_option
from crossent.losses.registry import register

LOG_LOSS = LogLoss()


@dataclass(frozen=True)
class ClassWeighted(Loss):
    """Log loss times a weight of the row's class, which a subclass says."""

    unit: ClassVar[str] = "nats"
    kinds: ClassVar[tuple[str, ...]] = LogLoss.kinds
    as_stored: ClassVar[tuple[str, ...]] = LogLoss.as_stored
    strictly_proper: ClassVar[bool] = False
    elicits: ClassVar[str] = "distribution times class weights"
    bounds: ClassVar[tuple[float, float]] = (0.0, np.inf)

    @abstractmethod
    def class_weights(self, classes: int | None = None) -> Floats:
        """(K,) weights; `classes` is K where the prediction says it."""

    def value(self, labels: Codes, prediction: Floats, kind: str) -> Floats:
        check_arguments(self, labels, prediction, kind)
        table = self.class_weights(classes_of(prediction, kind))
        return times_label(LOG_LOSS.value(labels, prediction, kind), table, labels)

    def gradient(self, labels: Codes, prediction: Floats, kind: str) -> Floats:
        check_arguments(self, labels, prediction, kind)
        table = self.class_weights(classes_of(prediction, kind))
        return times_label(LOG_LOSS.gradient(labels, prediction, kind), table, labels)

    def hessian_diagonal(self, labels: Codes, prediction: Floats, kind: str) -> Floats:
        check_arguments(self, labels, prediction, kind)
        table = self.class_weights(classes_of(prediction, kind))
        return times_label(LOG_LOSS.hessian_diagonal(labels, prediction, kind), table, labels)


@dataclass(frozen=True)
class WeightedLogLoss(ClassWeighted):
    """Log loss weighed by class:  −w_label log p_label; range [0, ∞).

    `factors` (K,) are the w_k in the order of the prediction's columns. Its expectation under the truth p is
    least at q_k = w_k p_k / Σ_j w_j p_j: probabilities of a world where class k occurs w_k times as often.
    Divide by the weights and renormalise to come back. A class of weight 0 counts 0, also where its loss is
    infinite.
    A library's weighted mean divides the sum of these by that of the labels' weights, and so does log loss
    with `class_weights` in `crossent.loss`.

    Kinds: probs, logits, log_probs, label_logprob. Errors: `UsageError` (loss-needs-parameters, bad-option),
    `DataError` (shape-mismatch).

    >>> import numpy as np
    >>> p = np.array([[0.5, 0.5], [0.5, 0.5]])
    >>> WeightedLogLoss((1.0, 9.0)).value(np.array([0, 1]), p, "probs")
    array([0.69314718, 6.23832463])

    Source: C. Elkan, The foundations of cost-sensitive learning, IJCAI 2001, 973–978.
    """

    name: ClassVar[str] = "weighted_log_loss"
    title: ClassVar[str] = "weighted log loss"
    calibration: ClassVar[str] = (
        "Its minimum is the truth times the weights, renormalised: classes of large weight are overstated."
    )
    use: ClassVar[str] = (
        "Where mistakes cost by class, or training rows were drawn by class; divide predictions by the "
        "weights before reading them as probabilities."
    )

    factors: Table | None = None

    def __post_init__(self) -> None:
        frozen_table(self, "factors", above_zero=False)

    def example(self, classes: int) -> Self:
        return replace(self, factors=tuple(1.0 + k for k in range(classes)))

    def class_weights(self, classes: int | None = None) -> Floats:
        return table_for(self, "factors", classes)


@dataclass(frozen=True)
class ClassBalanced(ClassWeighted):
    """Class-balanced log loss:  −w_label log p_label,  w_k ∝ (1 − β) / (1 − β^n_k)  with Σ_k w_k = K.

    n_k are the training rows of class k, `counts`. (1 − β^n) / (1 − β) is the effective number of n rows that
    overlap more and more in what they say. β = 0 gives every class the weight 1, β → 1 one proportional to
    1 / n_k. Range [0, ∞).

    Kinds: probs, logits, log_probs, label_logprob. Errors: `UsageError` (loss-needs-parameters, bad-option,
    zero-count), `DataError` (shape-mismatch).

    >>> import numpy as np
    >>> loss = ClassBalanced((1000, 10), beta=0.99)
    >>> loss.class_weights()
    array([0.17455299, 1.82544701])
    >>> loss.value(np.array([1]), np.array([[0.5, 0.5]]), "probs")
    array([1.26530345])

    Source: Y. Cui et al., Class-balanced loss based on effective number of samples, CVPR 2019, 9260–9269,
    doi:10.1109/CVPR.2019.00949.
    """

    name: ClassVar[str] = "class_balanced"
    title: ClassVar[str] = "class-balanced log loss"
    calibration: ClassVar[str] = (
        "As weighted log loss: its minimum is the truth times the weights, so rare classes are overstated."
    )
    use: ClassVar[str] = (
        "To train on a long tail of classes where recall of the rare ones matters; undo the weights before "
        "reading probabilities."
    )

    counts: Table | None = None
    beta: float = 0.999

    def __post_init__(self) -> None:
        frozen_table(self, "counts", above_zero=True)
        require_option(0.0 <= self.beta < 1.0, "beta", self.beta, "a number from 0 up to, not including, 1")

    def example(self, classes: int) -> Self:
        return replace(self, counts=tuple(100.0 * (1 + k) for k in range(classes)))

    def class_weights(self, classes: int | None = None) -> Floats:
        counts = table_for(self, "counts", classes)
        if self.beta == 0.0:
            return np.ones(len(counts))
        with np.errstate(under="ignore"):
            weights = -1.0 / np.expm1(counts * np.log(self.beta))
        return np.asarray(weights * (len(counts) / weights.sum()))


@dataclass(frozen=True)
class LogitAdjusted(Loss):
    """Logit-adjusted log loss:  −log softmax(z + τ log n)_label; range [0, ∞).

    n_k are the training rows of class k (or its prior probability: only ratios matter), `counts`. The shift
    is made in training only. The minimum is at softmax(z) ∝ p / n^τ: with τ = 1 what the classes'
    probabilities would be if all were equally frequent, so that the largest z has the least balanced error.
    Add τ log n to come back to the probabilities of the training data.

    From `probs` it is the loss of p n^τ, renormalised; `log_probs` are taken as logits.

    Kinds: logits, log_probs, probs. Errors: `UsageError` (loss-needs-parameters, bad-option, zero-count),
    `DataError` (shape-mismatch).

    >>> import numpy as np
    >>> LogitAdjusted((90, 10)).value(np.array([1]), np.array([[0.0, 0.0]]), "logits")
    array([2.30258509])

    Source: A. K. Menon et al., Long-tail learning via logit adjustment, ICLR 2021,
    doi:10.48550/arXiv.2007.07314.
    """

    name: ClassVar[str] = "logit_adjusted"
    title: ClassVar[str] = "logit-adjusted log loss"
    unit: ClassVar[str] = "nats"
    kinds: ClassVar[tuple[str, ...]] = ("logits", "log_probs", "probs")
    strictly_proper: ClassVar[bool] = False
    elicits: ClassVar[str] = "distribution divided by class frequencies"
    bounds: ClassVar[tuple[float, float]] = (0.0, np.inf)
    calibration: ClassVar[str] = (
        "Calibrated for a world where all classes are equally frequent (τ = 1), and exactly so: the way back "
        "is known."
    )
    use: ClassVar[str] = (
        "To train where rare classes matter as much as frequent ones; judge by log loss after adding the "
        "shift."
    )

    counts: Table | None = None
    tau: float = 1.0

    def __post_init__(self) -> None:
        frozen_table(self, "counts", above_zero=True)
        require_option(abs(self.tau) <= 1000.0, "tau", self.tau, "a number from -1000 to 1000")

    def example(self, classes: int) -> Self:
        return replace(self, counts=tuple(1.0 + k for k in range(classes)))

    def value(self, labels: Codes, prediction: Floats, kind: str) -> Floats:
        return kernels.log_loss_from_logits(labels, self._adjusted(labels, prediction, kind))

    def gradient(self, labels: Codes, prediction: Floats, kind: str) -> Floats:
        """With q = softmax(z + τ log n): by logit q − y, by probability (q − y) / p."""
        z = self._adjusted(labels, prediction, kind)
        slope = kernels.softmax_minus_label(labels, z)
        if kind != "probs":
            return slope
        p_label = np.maximum(kernels.take_label(labels, prediction), 0.0)
        ratio = self._over_probability(z)
        with np.errstate(divide="ignore", over="ignore"):
            ratio[np.arange(len(z)), labels] = kernels.take_label(labels, slope) / p_label
        return ratio

    def hessian_diagonal(self, labels: Codes, prediction: Floats, kind: str) -> Floats:
        """By logit q(1 − q), by probability −(q / p)², and at the label (1 − q²) / p²."""
        z = self._adjusted(labels, prediction, kind)
        if kind != "probs":
            return softmax_variance(z)
        p_label = np.maximum(kernels.take_label(labels, prediction), 0.0)
        rest = -kernels.take_label(labels, kernels.softmax_minus_label(labels, z))
        with np.errstate(divide="ignore", over="ignore"):
            bend = -(self._over_probability(z) ** 2)
            # twice, because p² underflows long before p does
            bend[np.arange(len(z)), labels] = rest / p_label * ((2.0 - rest) / p_label)
        return bend

    def _shift(self, classes: int) -> Floats:
        return self.tau * np.log(table_for(self, "counts", classes))

    def _adjusted(self, labels: Codes, prediction: Floats, kind: str) -> Floats:
        """(N, K) z + τ log n."""
        check_arguments(self, labels, prediction, kind)
        shift = self._shift(prediction.shape[1])
        z = np.asarray(prediction, np.float64)
        if kind == "probs":
            with np.errstate(divide="ignore"):
                return np.log(np.maximum(z, 0.0)) + shift
        # the largest is taken off first: added to logits of 1e4, the shift would lose four digits
        top = kernels.top(z)[1]
        return z - np.where(np.isfinite(top), top, 0.0)[:, None] + shift

    def _over_probability(self, z: Floats) -> Floats:
        """(N, K) q / p = n^τ / Σ_j p_j n_j^τ of adjusted logits; finite where p is 0."""
        first = kernels.top(z)[0]
        log_total = kernels.take_label(first, z) + kernels.log_loss_from_logits(first, z)
        with np.errstate(over="ignore", under="ignore"):
            return np.exp(self._shift(z.shape[1]) - log_total[:, None])


@dataclass(frozen=True)
class LDAM(Loss):
    """Label-distribution-aware margin loss:  −log softmax(s (z − Δ_label y))_label; range [0, ∞).

    The label's logit must win by the margin Δ_k = C / n_k^¼, with n_k the training rows of class k, `counts`,
    and C such that the largest margin is `max_margin`. Then logits are multiplied by s, `scale`. It is made
    for logits that are cosines, in [−1, 1]: the defaults ½ and 30, the authors', mean little for others.
    Its paper trains with equal weights first and weights by effective number later.

    Kinds: logits. Errors: `UsageError` (loss-needs-parameters, bad-option, zero-count), `DataError`
    (shape-mismatch).

    >>> import numpy as np
    >>> loss = LDAM((1600, 100), scale=1.0)
    >>> loss.margins()
    array([0.25, 0.5 ])
    >>> loss.value(np.array([1]), np.array([[0.0, 0.5]]), "logits")
    array([0.69314718])

    Source: K. Cao et al., Learning imbalanced datasets with label-distribution-aware margin loss, NeurIPS
    2019, doi:10.48550/arXiv.1906.07413.
    """

    name: ClassVar[str] = "ldam"
    title: ClassVar[str] = "label-distribution-aware margin loss"
    unit: ClassVar[str] = "nats"
    kinds: ClassVar[tuple[str, ...]] = ("logits",)
    strictly_proper: ClassVar[bool] = False
    elicits: ClassVar[str] = "none"
    bounds: ClassVar[tuple[float, float]] = (0.0, np.inf)
    calibration: ClassVar[str] = "Its logits are margins: their softmax says nothing of probabilities."
    use: ClassVar[str] = (
        "To train classifiers of cosines on a long tail of classes; fit probabilities on held-out rows "
        "afterwards."
    )

    counts: Table | None = None
    max_margin: float = 0.5
    scale: float = 30.0

    def __post_init__(self) -> None:
        frozen_table(self, "counts", above_zero=True)
        require_option(0.0 <= self.max_margin <= 1e6, "max_margin", self.max_margin, "from 0 to 1e6")
        require_option(0.0 < self.scale <= 1e6, "scale", self.scale, "above 0, up to 1e6")

    def example(self, classes: int) -> Self:
        return replace(self, counts=tuple(10.0 * (1 + k) for k in range(classes)))

    def margins(self, classes: int | None = None) -> Floats:
        """(K,) Δ_k."""
        counts = table_for(self, "counts", classes)
        return np.asarray(self.max_margin * (counts.min() / counts) ** 0.25)

    def value(self, labels: Codes, prediction: Floats, kind: str) -> Floats:
        return kernels.log_loss_from_logits(labels, self._with_margin(labels, prediction, kind))

    def gradient(self, labels: Codes, prediction: Floats, kind: str) -> Floats:
        """s (softmax − y) of the logits with margin and scale."""
        return self.scale * kernels.softmax_minus_label(labels, self._with_margin(labels, prediction, kind))

    def hessian_diagonal(self, labels: Codes, prediction: Floats, kind: str) -> Floats:
        """s² p(1 − p) of the logits with margin and scale."""
        return self.scale**2 * softmax_variance(self._with_margin(labels, prediction, kind))

    def _with_margin(self, labels: Codes, prediction: Floats, kind: str) -> Floats:
        check_arguments(self, labels, prediction, kind)
        margins = self.margins(prediction.shape[1])
        kernels.check_labels(labels, len(margins))
        z = np.asarray(prediction, np.float64)
        # the largest is taken off first, for logits so large that s times them is infinite
        with np.errstate(over="ignore", invalid="ignore"):
            z = z - z.max(axis=1, keepdims=True)
            return np.asarray(self.scale * (z + at_label(labels, z, -margins[labels])))


for _loss in (WeightedLogLoss(), ClassBalanced(), LogitAdjusted(), LDAM()):
    register(_loss)
