"""The focal loss, and the term −(1 − q)^γ log q that it shares with losses of several labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from crossent.losses.class_tables import Table, classes_of, frozen_table, table_for, times_label
from crossent.losses.contract import Codes, Floats, require_option
from crossent.losses.label_probability import LabelProbability, LabelProbabilityLoss
from crossent.losses.registry import register

SMALLEST = float(np.finfo(np.float64).smallest_normal)


def check_focus(name: str, gamma: float) -> None:
    """Errors: `UsageError` (bad-option)."""
    require_option(0.0 <= gamma <= 1000.0, name, gamma, "from 0 to 1000")


@dataclass(frozen=True)
class Focusing:
    """g(q) = −w (1 − q)^γ log q  of the probability q of what is the case."""

    gamma: float
    weight: float = 1.0

    def of(self, q: LabelProbability) -> Floats:
        if self.gamma == 0.0:
            return self.weight * (0.0 - q.log_p)
        with np.errstate(under="ignore"):
            return self.weight * _rest(q) ** self.gamma * (0.0 - q.log_p)

    def by_log_probability(self, q: LabelProbability) -> tuple[Floats, Floats]:
        """With v = 1 − q and s = q log q / v:  w v^γ (γs − 1)  and  w γ v^(γ−1) (s + q(2 − γs)).

        At q = 1 is s = −1. There, where γ < 1, the second is infinite; it is given as that of the smallest
        normal v, so that it times v² is 0.
        """
        w, gamma, v = self.weight, self.gamma, _rest(q)
        if gamma == 0.0:
            return np.full(v.shape, -w), np.zeros(v.shape)
        with np.errstate(under="ignore"):
            s = np.divide(q.p_log_p, v, out=np.full(v.shape, -1.0), where=v > 0.0)
            slope = w * v**gamma * (gamma * s - 1.0)
            power = np.maximum(v, SMALLEST) ** (gamma - 1.0) if gamma < 1.0 else v ** (gamma - 1.0)
            return slope, w * gamma * power * (s + q.p * (2.0 - gamma * s))

    def by_probability(self, q: LabelProbability) -> tuple[Floats, Floats]:
        """From those by u = log q:  g_u / q  and  (g_uu − g_u) / q²."""
        slope, bend = self.by_log_probability(q)
        with np.errstate(divide="ignore", over="ignore"):
            inverse = 1.0 / q.p
            # twice, because q² underflows long before q does
            return slope * inverse, (bend - slope) * inverse * inverse


def _rest(q: LabelProbability) -> Floats:
    """1 − q, and 0 where q is above 1 by a rounding: a power of a negative number is none."""
    return np.maximum(q.rest, 0.0)


@dataclass(frozen=True)
class Focal(LabelProbabilityLoss):
    """Focal loss of one class among several:  −α_label (1 − p_label)^γ log p_label; range [0, ∞).

    Rows that are predicted well already count less: with γ = 2 one at p = 0.9 has 1 % of its log loss. With
    γ = 0 and no `alpha` it is log loss. `alpha` (K,) weighs rows by their class, as in `weighted_log_loss`.

    Kinds: probs, logits, log_probs, label_logprob. Errors: `UsageError` (bad-option) unless γ is from 0 to
    1000 and no α is negative, `DataError` (shape-mismatch) unless there is one α a class.

    >>> import numpy as np
    >>> p = np.array([[0.5, 0.5], [0.9, 0.1]])
    >>> Focal().value(np.array([0, 0]), p, "probs")
    array([0.1732868 , 0.00105361])

    Source: T.-Y. Lin et al., Focal loss for dense object detection, ICCV 2017, 2999–3007,
    doi:10.1109/ICCV.2017.324; not proper: N. Charoenphakdee et al., On focal loss for class-posterior
    probability estimation, CVPR 2021, 5202–5211, doi:10.1109/CVPR46437.2021.00516.
    """

    name: ClassVar[str] = "focal"
    title: ClassVar[str] = "focal loss"
    unit: ClassVar[str] = "nats"
    as_stored: ClassVar[tuple[str, ...]] = ("probs", "logits")
    strictly_proper: ClassVar[bool] = False
    elicits: ClassVar[str] = "none"
    bounds: ClassVar[tuple[float, float]] = (0.0, np.inf)
    calibration: ClassVar[str] = (
        "Its minimum is flatter than the truth: under-confident by design, though the most probable class "
        "stays the most probable while alpha is not given."
    )
    use: ClassVar[str] = (
        "To train where easy rows are so many that they drown the hard ones, as in dense detection; "
        "calibrate its probabilities afterwards and judge by log loss."
    )

    gamma: float = 2.0
    alpha: Table | None = None

    def __post_init__(self) -> None:
        check_focus("gamma", self.gamma)
        frozen_table(self, "alpha", above_zero=False)

    def of(self, label: LabelProbability) -> Floats:
        return Focusing(self.gamma).of(label)

    def by_log_probability(self, label: LabelProbability) -> tuple[Floats, Floats]:
        return Focusing(self.gamma).by_log_probability(label)

    def by_probability(self, label: LabelProbability) -> tuple[Floats, Floats]:
        return Focusing(self.gamma).by_probability(label)

    def value(self, labels: Codes, prediction: Floats, kind: str) -> Floats:
        return self._weighted(super().value(labels, prediction, kind), labels, prediction, kind)

    def gradient(self, labels: Codes, prediction: Floats, kind: str) -> Floats:
        return self._weighted(super().gradient(labels, prediction, kind), labels, prediction, kind)

    def hessian_diagonal(self, labels: Codes, prediction: Floats, kind: str) -> Floats:
        return self._weighted(super().hessian_diagonal(labels, prediction, kind), labels, prediction, kind)

    def _weighted(self, rows: Floats, labels: Codes, prediction: Floats, kind: str) -> Floats:
        if self.alpha is None:
            return rows
        return times_label(rows, table_for(self, "alpha", classes_of(prediction, kind)), labels)


register(Focal())
