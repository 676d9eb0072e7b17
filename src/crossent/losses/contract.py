"""What a loss is: frozen, stateless and pointwise.

A loss maps a target (what happened) and one prediction to a number per row. It declares what it may be given
and what it promises; weights, reductions and the memory of earlier calls live elsewhere. Predictions reach a
loss in one declared *kind*; a loss may have a native formula for several kinds (log loss from logits never
forms probabilities).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from crossent.errors import DataError, UsageError

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
Target = NDArray[Any]

CLASS_KINDS = ("probs", "logits", "log_probs", "label_logprob")
"""Kinds of prediction about classes or tokens."""
VALUE_KINDS = ("point", "mean_std", "quantiles", "samples")
"""Kinds of prediction about a number that files may hold."""

PARAMETERS: dict[str, tuple[str, ...]] = {
    "mean_std": ("mean", "std"),
    "mean_log_std": ("mean", "log std"),
    "location_scale": ("location", "scale"),
    "df_location_scale": ("degrees of freedom", "location", "scale"),
    "log_mean_log_std": ("mean of the logarithm", "standard deviation of the logarithm"),
    "mean_dispersion": ("mean", "dispersion"),
}
"""Kinds whose prediction is (N, P) with these columns."""
FLAT_KINDS = ("label_logprob", "point", "rate", "log_rate")
"""Kinds whose prediction is (N,)."""
KINDS = (*CLASS_KINDS, "cumulative_logits", *FLAT_KINDS[1:], *PARAMETERS, "mixture", "quantiles", "samples")
"""Every kind of prediction; each is declared by option or schema, never guessed.

`cumulative_logits` are (N, K−1), the logit of P(label > k); `mixture` is (N, 3C): weights, means and standard
deviations of C normal components; `quantiles` (N, Q) and `samples` (N, M); `rate` and `log_rate` of counts.
"""

TARGETS: dict[str, int] = {
    "class": 1,
    "ordinal": 1,
    "distribution": 2,
    "indicators": 2,
    "real": 1,
    "positive": 1,
    "count": 1,
}
"""What a loss may be told that happened, and its dimensions: class codes, class codes whose order means
something, (N, K) probabilities, (N, K) zeros and ones, numbers, numbers above 0, whole numbers from 0."""


@dataclass(frozen=True)
class Loss(ABC):
    """A pointwise loss.

    `labels` are what `target` says: class codes (N,) in 0..K−1 unless declared otherwise. `prediction` is
    (N, K) float64 for the kinds `probs`, `logits` and `log_probs`, and (N,) for `label_logprob`; the other
    kinds are described at `KINDS`. Results are float64 in the unit named by `unit`.

    A loss that cannot be computed without parameters (class counts, levels of quantiles) raises `UsageError`
    until it has them, and gives a stand-in that has them by `example`.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    unit: ClassVar[str]
    kinds: ClassVar[tuple[str, ...]]
    strictly_proper: ClassVar[bool]
    elicits: ClassVar[str]
    bounds: ClassVar[tuple[float, float]]
    higher_is_better: ClassVar[bool] = False
    target: ClassVar[str] = "class"
    """One of `TARGETS`."""
    as_stored: ClassVar[tuple[str, ...]] = ()
    """Kinds of which `value` takes (N, K) numbers of any floating type and layout, as they are stored.

    It gives nan then for logits that are no prediction (a nan, a +inf among classes, nothing but −inf), so
    that nobody has to look for these beforehand."""
    proper: ClassVar[bool] = False
    """Minimised in expectation by the truth, if perhaps not only by it; a strictly proper loss need not say
    so."""
    calibration: ClassVar[str] = ""
    """What minimising it does to predicted probabilities, in a sentence."""
    use: ClassVar[str] = ""
    """When to take it, in a sentence."""

    @abstractmethod
    def value(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        """(N,) loss of each row."""

    def gradient(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        """Derivative of `value` by the prediction, in the prediction's shape."""
        raise NotImplementedError(f"{self.name} has no derivative by {kind}")

    def hessian_diagonal(self, labels: Target, prediction: Floats, kind: str) -> Floats:
        """Second derivative of `value` by each entry of the prediction, in the prediction's shape."""
        raise NotImplementedError(f"{self.name} has no second derivative by {kind}")

    def example(self, classes: int) -> Self:
        """This loss, or where it lacks parameters one with made-up parameters for so many columns."""
        return self

    def logits_of(self, log_p: Floats) -> Floats:
        """(N, K) logits that say these log-probabilities to this loss, up to a constant a row.

        They are the log-probabilities themselves, unless the loss reads logits by another link than softmax.
        """
        return log_p

    @property
    def properness(self) -> str:
        """ "strictly proper", "proper" or "not proper"."""
        return "strictly proper" if self.strictly_proper else "proper" if self.proper else "not proper"


def dimensions(kind: str) -> int:
    """Of a prediction of that kind: 1 or 2."""
    return 1 if kind in FLAT_KINDS else 2


def require_option(holds: bool, name: str, value: object, domain: str) -> None:
    """Raise `UsageError` (bad-option) unless a parameter of a loss holds what its domain says."""
    if not holds:
        raise UsageError("bad-option", f"{name} is {value}", cure=f"use {domain}")


def check_kind(loss: Loss, kind: str) -> None:
    """Raise `UsageError` (unknown-kind) unless the loss takes predictions of this kind."""
    if kind not in loss.kinds:
        raise UsageError(
            "unknown-kind",
            f"{loss.title} cannot be computed from {kind!r}",
            cure=f"declare the prediction as one of: {', '.join(loss.kinds)}",
        )


def check_arguments(loss: Loss, labels: Target, prediction: Floats, kind: str) -> None:
    """Raise unless the loss takes this kind and the shapes are those of kind and target.

    The range of class codes is left to the kernels (they read them anyway), and has no meaning for
    `label_logprob`.
    """
    check_kind(loss, kind)
    wide, deep = dimensions(kind), TARGETS[loss.target]
    rows = prediction.shape[: deep if wide == 2 else 1]
    if prediction.ndim != wide or labels.ndim != deep or labels.shape != rows:
        raise DataError(
            "shape-mismatch",
            f"{'labels' if deep == 1 else loss.target} {labels.shape} and {kind} {prediction.shape} do not "
            "belong together",
            cure=f"give {'labels (N,)' if deep == 1 else loss.target + ' (N, K)'} and "
            f"{kind} {'(N,)' if wide == 1 else '(N, K)'}",
        )
    columns = PARAMETERS.get(kind)
    if columns is not None and prediction.shape[1] != len(columns):
        raise DataError(
            "shape-mismatch",
            f"{kind} has the shape {prediction.shape}",
            cure=f"give (N, {len(columns)}): {', '.join(columns)}",
        )
