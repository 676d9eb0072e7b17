"""Losses of the label's probability: log loss with another first term, or gentler on wrong labels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from crossent.losses.contract import Floats, require_option
from crossent.losses.label_probability import LabelProbability, LabelProbabilityLoss
from crossent.losses.registry import register


@dataclass(frozen=True)
class Poly1(LabelProbabilityLoss):
    """Poly-1 loss, log loss with another weight of its first term:  −log p + ε(1 − p); range [0, ∞).

    Log loss is the series Σ_j (1 − p)^j / j; this one gives its first term the coefficient 1 + ε. With
    ε = 0 it is log loss; ε above 0 rewards confidence, ε below 0 (not below −1) damps it.

    Kinds: probs, logits, log_probs, label_logprob. Errors: `UsageError` (bad-option) unless ε ≥ −1.

    >>> import numpy as np
    >>> Poly1().value(np.array([0]), np.array([[0.5, 0.5]]), "probs")
    array([1.19314718])

    Source: Z. Leng et al., PolyLoss: a polynomial expansion perspective of classification loss functions,
    ICLR 2022, doi:10.48550/arXiv.2204.12511.
    """

    name: ClassVar[str] = "poly1"
    title: ClassVar[str] = "poly-1 loss"
    unit: ClassVar[str] = "nats"
    strictly_proper: ClassVar[bool] = False
    elicits: ClassVar[str] = "none"
    bounds: ClassVar[tuple[float, float]] = (0.0, np.inf)
    calibration: ClassVar[str] = "Over-confident by design where ε is above 0, under-confident below."
    use: ClassVar[str] = (
        "To tune log loss for accuracy by one number; calibrate its probabilities afterwards."
    )

    epsilon: float = 1.0

    def __post_init__(self) -> None:
        require_option(-1.0 <= self.epsilon < math.inf, "epsilon", self.epsilon, "-1 or more")

    def of(self, label: LabelProbability) -> Floats:
        return self.epsilon * label.rest - label.log_p

    def by_log_probability(self, label: LabelProbability) -> tuple[Floats, Floats]:
        """−1 − εp and −εp."""
        bend = -self.epsilon * label.p
        return bend - 1.0, bend

    def by_probability(self, label: LabelProbability) -> tuple[Floats, Floats]:
        """−1/p − ε and 1/p²."""
        with np.errstate(divide="ignore", over="ignore"):
            inverse = 1.0 / label.p
            return -inverse - self.epsilon, inverse * inverse


@dataclass(frozen=True)
class GeneralisedCrossEntropy(LabelProbabilityLoss):
    """Generalised cross-entropy:  (1 − p^q) / q; range [0, 1/q].

    Between log loss (the limit q → 0) and 1 − p (q = 1, half the absolute error Σ|p − y|): a row's gradient
    is that of log loss times p^q, so that labels the model finds impossible lose their pull.

    Kinds: probs, logits, log_probs, label_logprob. Errors: `UsageError` (bad-option) unless 0 < q ≤ 1.

    >>> import numpy as np
    >>> GeneralisedCrossEntropy(q=1.0).value(np.array([0]), np.array([[0.25, 0.75]]), "probs")
    array([0.75])

    Source: Z. Zhang and M. R. Sabuncu, Generalized cross entropy loss for training deep neural networks with
    noisy labels, NeurIPS 2018, doi:10.48550/arXiv.1805.07836.
    """

    name: ClassVar[str] = "generalised_cross_entropy"
    title: ClassVar[str] = "generalised cross-entropy"
    unit: ClassVar[str] = "1"
    strictly_proper: ClassVar[bool] = False
    elicits: ClassVar[str] = "distribution to the power 1/(1 − q), rescaled"
    bounds: ClassVar[tuple[float, float]] = (0.0, np.inf)
    calibration: ClassVar[str] = "Over-confident by design: its minimum is the truth to the power 1/(1 − q)."
    use: ClassVar[str] = "To train where some labels are wrong at random; judge by log loss on clean ones."

    q: float = 0.7

    def __post_init__(self) -> None:
        require_option(0.0 < self.q <= 1.0, "q", self.q, "a number above 0, at most 1")

    def of(self, label: LabelProbability) -> Floats:
        return np.asarray((0.0 - np.expm1(self.q * label.log_p)) / self.q)

    def by_log_probability(self, label: LabelProbability) -> tuple[Floats, Floats]:
        """−p^q and −q·p^q."""
        power = np.exp(self.q * label.log_p)
        return -power, -self.q * power

    def by_probability(self, label: LabelProbability) -> tuple[Floats, Floats]:
        """−p^(q−1) and (1 − q)·p^(q−2)."""
        if self.q == 1.0:
            return np.full(label.p.shape, -1.0), np.zeros(label.p.shape)
        with np.errstate(divide="ignore", over="ignore"):
            return -(label.p ** (self.q - 1.0)), (1.0 - self.q) * label.p ** (self.q - 2.0)


@dataclass(frozen=True)
class SymmetricCrossEntropy(LabelProbabilityLoss):
    """Symmetric cross-entropy, log loss plus its reverse:  −α log p − β·A·(1 − p); range [0, ∞).

    The reverse cross-entropy −Σ p_k log y_k of a label is infinite; with log 0 replaced by a number A < 0 it
    is −A(1 − p), which a wrong label cannot inflate. So the loss is α times `poly1` with ε = −βA/α. The
    defaults are the authors' for ten classes, A = log 1e-4.

    Kinds: probs, logits, log_probs, label_logprob. Errors: `UsageError` (bad-option) unless α > 0, β ≥ 0 and
    A < 0.

    >>> import numpy as np
    >>> loss = SymmetricCrossEntropy(alpha=1.0, beta=0.5, log_zero=-4.0)
    >>> loss.value(np.array([0]), np.array([[0.5, 0.5]]), "probs")
    array([1.69314718])

    Source: Y. Wang et al., Symmetric cross entropy for robust learning with noisy labels, ICCV 2019, 322–330,
    doi:10.1109/ICCV.2019.00041.
    """

    name: ClassVar[str] = "symmetric_cross_entropy"
    title: ClassVar[str] = "symmetric cross-entropy"
    unit: ClassVar[str] = "nats"
    strictly_proper: ClassVar[bool] = False
    elicits: ClassVar[str] = "none"
    bounds: ClassVar[tuple[float, float]] = (0.0, np.inf)
    calibration: ClassVar[str] = "Over-confident by design, the more so the larger −βA/α."
    use: ClassVar[str] = "To train where labels of some classes are often wrong; judge by log loss."

    alpha: float = 0.1
    beta: float = 1.0
    log_zero: float = math.log(1e-4)

    def __post_init__(self) -> None:
        require_option(0.0 < self.alpha < math.inf, "alpha", self.alpha, "a number above 0")
        require_option(0.0 <= self.beta < math.inf, "beta", self.beta, "0 or more")
        require_option(-math.inf < self.log_zero < 0.0, "log_zero", self.log_zero, "a number below 0")

    def of(self, label: LabelProbability) -> Floats:
        return self.slope * label.rest - self.alpha * label.log_p

    def by_log_probability(self, label: LabelProbability) -> tuple[Floats, Floats]:
        """−α + βAp and βAp."""
        bend = -self.slope * label.p
        return bend - self.alpha, bend

    def by_probability(self, label: LabelProbability) -> tuple[Floats, Floats]:
        """−α/p + βA and α/p²."""
        with np.errstate(divide="ignore", over="ignore"):
            return -self.alpha / label.p - self.slope, self.alpha / label.p**2

    @property
    def slope(self) -> float:
        """−βA, what the loss charges for each unit of 1 − p."""
        return -self.beta * self.log_zero


@dataclass(frozen=True)
class TaylorCrossEntropy(LabelProbabilityLoss):
    """Taylor cross-entropy, the first terms of the series of log loss:  Σ_{j=1..t} (1 − p)^j / j.

    Range [0, 1 + 1/2 + … + 1/t]. The order t = 1 is 1 − p, and more terms come ever nearer to log loss: t
    trades the tolerance of wrong labels for the speed of learning.

    Kinds: probs, logits, log_probs, label_logprob. Errors: `UsageError` (bad-option) unless t is a whole
    number from 1 to 1000.

    >>> import numpy as np
    >>> TaylorCrossEntropy(order=2).value(np.array([0]), np.array([[0.5, 0.5]]), "probs")
    array([0.625])

    Source: L. Feng et al., Can cross entropy loss be robust to label noise?, IJCAI 2020, 2206–2212,
    doi:10.24963/ijcai.2020/305.
    """

    name: ClassVar[str] = "taylor_cross_entropy"
    title: ClassVar[str] = "Taylor cross-entropy"
    unit: ClassVar[str] = "nats"
    strictly_proper: ClassVar[bool] = False
    elicits: ClassVar[str] = "none"
    bounds: ClassVar[tuple[float, float]] = (0.0, np.inf)
    calibration: ClassVar[str] = "Over-confident by design, the less so the more terms."
    use: ClassVar[str] = "To train where some labels are wrong at random; judge by log loss on clean ones."

    order: int = 2

    def __post_init__(self) -> None:
        require_option(self.order in range(1, 1001), "order", self.order, "a whole number from 1 to 1000")

    def of(self, label: LabelProbability) -> Floats:
        total = np.zeros(label.rest.shape)
        for j in range(int(self.order), 0, -1):
            total = (total + 1.0 / j) * label.rest
        return total

    def by_log_probability(self, label: LabelProbability) -> tuple[Floats, Floats]:
        """−(1 − (1 − p)^t), as −p Σ_{j<t} (1 − p)^j, and −t·p·(1 − p)^(t−1)."""
        return label.p * self.by_probability(label)[0], -self.order * label.p * label.rest ** (self.order - 1)

    def by_probability(self, label: LabelProbability) -> tuple[Floats, Floats]:
        """−Σ_{j<t} (1 − p)^j and Σ_{j<t} j(1 − p)^(j−1)."""
        slope, bend = np.zeros(label.rest.shape), np.zeros(label.rest.shape)
        for j in range(int(self.order) - 1, 0, -1):
            slope = (slope + 1.0) * label.rest
            bend = bend * label.rest + j
        return -1.0 - slope, bend


for _loss in (Poly1(), GeneralisedCrossEntropy(), SymmetricCrossEntropy(), TaylorCrossEntropy()):
    register(_loss)
