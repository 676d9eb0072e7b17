"""Losses of several labels a row, each there or not: a sum over the labels, each predicted on its own."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from crossent import kernels
from crossent.errors import DataError
from crossent.kernels.reference import BLOCK
from crossent.losses.contract import Floats, Loss, Target, check_arguments, require_option
from crossent.losses.focal import Focusing, check_focus
from crossent.losses.label_probability import LabelProbability
from crossent.losses.registry import register
from crossent.losses.sides import Sides


@dataclass(frozen=True)
class IndicatorLoss(Loss):
    """A sum over labels of y g₁(p) + (1 − y) g₀(1 − p), where g₁ and g₀ are `Focusing` terms.

    A subclass says the two terms, and whether indicators between 0 and 1 have a meaning. Where `shift` m is
    above 0, max(p − m, 0) stands for p in the second.
    """

    target: ClassVar[str] = "indicators"
    unit: ClassVar[str] = "nats"
    kinds: ClassVar[tuple[str, ...]] = ("logits", "probs")
    bounds: ClassVar[tuple[float, float]] = (0.0, np.inf)
    soft: ClassVar[bool] = False
    """Whether an indicator may be a probability."""

    @abstractmethod
    def terms(self) -> tuple[Focusing, Focusing]:
        """Of a label that is there, and of one that is not."""

    @property
    def shift(self) -> float:
        """What is taken off the probability of a label that is not there."""
        return 0.0

    def value(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        out = np.empty(len(labels))
        there, absent = self.terms()
        for rows, y, sides in self._parts(labels, prediction, kind):
            out[rows] = kernels.row_sums(_either(y, there.of(sides.there), absent.of(self._shifted(sides))))
        return out

    def gradient(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        """By logit g' dq, with g' by u = log q, or by probability ±g' by q."""
        out = np.empty(prediction.shape)
        for rows, y, sides in self._parts(labels, prediction, kind):
            out[rows] = _either(y, *(first for first, _ in self._derivatives(sides, kind)))
        return out

    def hessian_diagonal(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        """By logit g″ (u')² + g' u″, or by probability g″ by q."""
        out = np.empty(prediction.shape)
        for rows, y, sides in self._parts(labels, prediction, kind):
            out[rows] = _either(y, *(second for _, second in self._derivatives(sides, kind)))
        return out

    def _parts(self, labels: Target, prediction: Floats, kind: str) -> Iterator[tuple[slice, Floats, Sides]]:
        """Blocks of rows, so that what is computed between stays in cache."""
        check_arguments(self, labels, prediction, kind)
        check_indicators(labels, soft=self.soft)
        step = max(1, BLOCK // max(prediction.shape[1], 1))
        for start in range(0, len(labels), step):
            rows = slice(start, start + step)
            x = np.ascontiguousarray(prediction[rows], np.float64)
            yield rows, np.ascontiguousarray(labels[rows], np.float64), Sides.of(x, kind)

    def _shifted(self, sides: Sides) -> LabelProbability:
        """1 − max(p − m, 0), the probability that stands for that of absence."""
        if not self.shift:
            return sides.absent
        rest = np.maximum(sides.there.p - self.shift, 0.0)
        q = np.where(rest > 0.0, np.minimum(sides.absent.p + self.shift, 1.0), 1.0)
        with np.errstate(divide="ignore"):
            return LabelProbability(np.where(rest < 0.5, np.log1p(-rest), np.log(q)), q, rest)

    def _derivatives(self, sides: Sides, kind: str) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
        """First and second of g₁ and of g₀."""
        there, absent = self.terms()
        shifted = self._shifted(sides)
        p, rest = sides.there.p, sides.there.rest
        if kind == "probs":
            slope, bend = absent.by_probability(shifted)
            if self.shift:
                flat = p <= self.shift
                slope, bend = np.where(flat, 0.0, slope), np.where(flat, 0.0, bend)
            return there.by_probability(sides.there), (-slope, bend)
        # q = 1 − p + m has dq / q = −p · share dz
        share: Floats = np.ones(p.shape)
        if self.shift:
            share = np.where(p > self.shift, rest / (rest + self.shift), 0.0)
        with np.errstate(under="ignore"):
            first = -p * share
            second = first * (rest - p * (1.0 - share))
            return (
                _chained(there.by_log_probability(sides.there), rest, -p * rest),
                _chained(absent.by_log_probability(shifted), first, second),
            )


@dataclass(frozen=True)
class SigmoidLogLoss(IndicatorLoss):
    """Log loss of labels taken as independent:  Σ_k −y_k log p_k − (1 − y_k) log(1 − p_k); range [0, ∞).

    From logits z it is Σ_k log1p(exp(∓z_k)), each term to full relative precision however confident, with
    the gradient σ(z) − y formed without a difference. It is the log-probability of the whole set of labels
    under independence; divide by K for the mean over labels that many libraries report. An indicator between
    0 and 1 is the probability that the label is there.

    Kinds: logits, probs. Errors: `DataError` (not-an-indicator), which names row and column.

    >>> import numpy as np
    >>> y = np.array([[1.0, 0.0, 1.0]])
    >>> SigmoidLogLoss().value(y, np.array([[0.0, 0.0, 60.0]]), "logits")
    array([1.38629436])
    >>> SigmoidLogLoss().value(y[:, 2:], np.array([[60.0]]), "logits")
    array([8.75651076e-27])

    Source: D. R. Cox, The regression analysis of binary sequences, JRSS B 20 (1958) 215–242,
    doi:10.1111/j.2517-6161.1958.tb00292.x.
    """

    name: ClassVar[str] = "sigmoid_log_loss"
    title: ClassVar[str] = "sigmoid log loss"
    as_stored: ClassVar[tuple[str, ...]] = ("logits",)
    strictly_proper: ClassVar[bool] = True
    elicits: ClassVar[str] = "probability of each label"
    calibration: ClassVar[str] = "Its minimum is each label's true probability: calibrated label by label."
    use: ClassVar[str] = "The default where any number of labels can be there at once."
    soft: ClassVar[bool] = True

    def value(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        if kind != "logits":
            return super().value(labels, prediction, kind)
        check_arguments(self, labels, prediction, kind)
        check_indicators(labels, soft=True)
        return kernels.sigmoid_log_loss_from_logits(labels, prediction)

    def gradient(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        """By logit σ(z) − y; by probability −y/p + (1 − y)/(1 − p)."""
        if kind != "logits":
            return super().gradient(labels, prediction, kind)
        check_arguments(self, labels, prediction, kind)
        check_indicators(labels, soft=True)
        z = np.asarray(prediction, np.float64)
        return np.asarray(kernels.sigmoid_loss_and_gradient_from_logits(labels, z)[1], np.float64)

    def terms(self) -> tuple[Focusing, Focusing]:
        return Focusing(0.0), Focusing(0.0)


@dataclass(frozen=True)
class SigmoidFocal(IndicatorLoss):
    """Focal loss of several labels:  Σ_k −α_k (1 − q_k)^γ log q_k; range [0, ∞).

    q_k is p_k where the label is there and 1 − p_k where it is not; α_k is `alpha` and 1 − `alpha`, or 1 for
    both if alpha is None. The defaults are the paper's.

    Kinds: logits, probs. Errors: `UsageError` (bad-option) unless γ is from 0 to 1000 and α from 0 to 1,
    `DataError` (not-an-indicator) for anything but 0 and 1.

    >>> import numpy as np
    >>> SigmoidFocal().value(np.array([[1, 0]]), np.array([[0.5, 0.5]]), "probs")
    array([0.1732868])

    Source: T.-Y. Lin et al., Focal loss for dense object detection, ICCV 2017, 2999–3007,
    doi:10.1109/ICCV.2017.324.
    """

    name: ClassVar[str] = "sigmoid_focal"
    title: ClassVar[str] = "sigmoid focal loss"
    strictly_proper: ClassVar[bool] = False
    elicits: ClassVar[str] = "none"
    calibration: ClassVar[str] = (
        "γ pulls probabilities towards ½, α below ½ pulls them down: neither probability nor threshold ½ "
        "can be taken at its word."
    )
    use: ClassVar[str] = (
        "To train a detector where almost no place holds an object; recalibrate before reading probabilities."
    )

    gamma: float = 2.0
    alpha: float | None = 0.25

    def __post_init__(self) -> None:
        check_focus("gamma", self.gamma)
        alpha = self.alpha
        require_option(alpha is None or 0.0 <= alpha <= 1.0, "alpha", alpha, "None, or a number from 0 to 1")

    def terms(self) -> tuple[Focusing, Focusing]:
        if self.alpha is None:
            return Focusing(self.gamma), Focusing(self.gamma)
        return Focusing(self.gamma, self.alpha), Focusing(self.gamma, 1.0 - self.alpha)


@dataclass(frozen=True)
class Asymmetric(IndicatorLoss):
    """Asymmetric loss of several labels:  Σ_k −y_k (1 − p_k)^γ₊ log p_k − (1 − y_k) r_k^γ₋ log(1 − r_k).

    r_k = max(p_k − clip, 0): a label that is absent and has a probability up to `clip` counts nothing, and
    above it the less, the more probable its absence. Range [0, ∞). The defaults γ₊ = 1, γ₋ = 4, clip = 0.05
    are those of the authors' program; with all three 0 it is `sigmoid_log_loss`. At p = clip the second
    derivative may jump; there it is that from below, 0.

    Kinds: logits, probs. Errors: `UsageError` (bad-option) unless both γ are from 0 to 1000 and clip is in
    [0, 1), `DataError` (not-an-indicator) for anything but 0 and 1.

    >>> import numpy as np
    >>> p = np.array([[0.5, 0.5, 0.05]])
    >>> Asymmetric().value(np.array([[1, 0, 0]]), p, "probs")
    array([0.37108864])

    Source: T. Ridnik et al., Asymmetric loss for multi-label classification, ICCV 2021, 82–91,
    doi:10.1109/ICCV48922.2021.00015.
    """

    name: ClassVar[str] = "asymmetric"
    title: ClassVar[str] = "asymmetric loss"
    strictly_proper: ClassVar[bool] = False
    elicits: ClassVar[str] = "none"
    calibration: ClassVar[str] = (
        "Probabilities come out too high, rare labels' most: absence is damped by design."
    )
    use: ClassVar[str] = (
        "To train where each row has few of very many labels and their order matters; choose thresholds "
        "afterwards."
    )

    gamma_pos: float = 1.0
    gamma_neg: float = 4.0
    clip: float = 0.05

    def __post_init__(self) -> None:
        check_focus("gamma_pos", self.gamma_pos)
        check_focus("gamma_neg", self.gamma_neg)
        require_option(0.0 <= self.clip < 1.0, "clip", self.clip, "a number from 0 up to, not including, 1")

    @property
    def shift(self) -> float:
        return self.clip

    def terms(self) -> tuple[Focusing, Focusing]:
        return Focusing(self.gamma_pos), Focusing(self.gamma_neg)


def check_indicators(labels: Target, *, soft: bool) -> None:
    """Raise `DataError` (not-an-indicator) unless all are 0 or 1, or where soft from 0 to 1."""
    if soft:
        fine: NDArray[np.bool_] = (labels >= 0) & (labels <= 1)
    else:
        fine = (labels == 0) | (labels == 1)
    if not fine.all():
        row, column = (int(i) for i in np.argwhere(~fine)[0])
        raise DataError(
            "not-an-indicator",
            "what is said of a label is neither 0 nor 1" + (", nor between them" if soft else ""),
            row=row,
            column=str(column),
            value=labels[row, column],
            cure="give 1 where the label is there and 0 where it is not",
        )


def _either(y: Floats, there: Floats, absent: Floats) -> Floats:
    """The one where y is 1, the other where it is 0, else their mean; so 0 · ∞ is never formed."""
    if ((y == 0.0) | (y == 1.0)).all():
        return np.where(y == 1.0, there, absent)
    with np.errstate(invalid="ignore"):
        mixed = y * there + (1.0 - y) * absent
    return np.where(y == 1.0, there, np.where(y == 0.0, absent, mixed))


def _chained(by_u: tuple[Floats, Floats], first: Any, second: Any) -> tuple[Floats, Floats]:
    """Derivatives by z from those by u(z), given u' and u″."""
    slope, bend = by_u
    return slope * first, bend * first * first + slope * second


for _loss in (SigmoidLogLoss(), SigmoidFocal(), Asymmetric()):
    register(_loss)
