"""What a loss is: frozen, stateless and pointwise.

A loss maps a label and one prediction to a number per row. It declares what it may be given and what it
promises; weights, reductions and the memory of earlier calls live elsewhere. Predictions reach a loss in
one declared *kind*; a loss may have a native formula for several kinds (log loss from logits never forms
probabilities).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from crossent.errors import DataError, UsageError

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

KINDS = ("probs", "logits", "log_probs", "label_logprob")
"""Kinds of prediction about classes or tokens; each is declared by option or schema, never guessed."""


@dataclass(frozen=True)
class Loss(ABC):
    """A pointwise loss of predictions about classes.

    `labels` are class codes (N,) in 0..K−1. `prediction` is (N, K) float64 for the kinds `probs`, `logits`
    and `log_probs`, and (N,) for `label_logprob`. Results are float64 in the unit named by `unit`.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    unit: ClassVar[str]
    kinds: ClassVar[tuple[str, ...]]
    strictly_proper: ClassVar[bool]
    elicits: ClassVar[str]
    bounds: ClassVar[tuple[float, float]]
    higher_is_better: ClassVar[bool] = False

    @abstractmethod
    def value(self, labels: Codes, prediction: Floats, kind: str) -> Floats:
        """(N,) loss of each row."""

    def gradient(self, labels: Codes, prediction: Floats, kind: str) -> Floats:
        """Derivative of `value` by the prediction, in the prediction's shape."""
        raise NotImplementedError(f"{self.name} has no derivative by {kind}")

    def hessian_diagonal(self, labels: Codes, prediction: Floats, kind: str) -> Floats:
        """Second derivative of `value` by each entry of the prediction, in the prediction's shape."""
        raise NotImplementedError(f"{self.name} has no second derivative by {kind}")


def check_arguments(loss: Loss, labels: Codes, prediction: Floats, kind: str) -> None:
    """Raise unless the loss takes this kind and the shapes are those of the kind.

    The range of the labels is left to the kernels (they read them anyway) for matrices, and has no meaning
    for `label_logprob`.
    """
    if kind not in loss.kinds:
        raise UsageError(
            "unknown-kind",
            f"{loss.title} cannot be computed from {kind!r}",
            cure=f"declare the prediction as one of: {', '.join(loss.kinds)}",
        )
    dimensions = 1 if kind == "label_logprob" else 2
    if prediction.ndim != dimensions or labels.shape != prediction.shape[:1]:
        raise DataError(
            "shape-mismatch",
            f"labels {labels.shape} and {kind} {prediction.shape} do not belong together",
            cure=f"give labels (N,) and {kind} {'(N,)' if dimensions == 1 else '(N, K)'}",
        )
