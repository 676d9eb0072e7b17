"""The two answers of a question of yes or no, each with a probability that is precise on its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crossent.losses.contract import Floats
from crossent.losses.label_probability import LabelProbability


@dataclass(frozen=True)
class Sides:
    """Of each entry the probability that its label is there, and that it is not."""

    there: LabelProbability
    absent: LabelProbability

    @classmethod
    def of(cls, prediction: Floats, kind: str) -> Sides:
        return cls.of_logits(prediction) if kind == "logits" else cls.of_probabilities(prediction)

    @classmethod
    def of_probabilities(cls, p: Floats) -> Sides:
        with np.errstate(divide="ignore"):
            log_rest = np.log1p(-np.minimum(p, 1.0))
        return cls(
            LabelProbability.of_probability(p), LabelProbability(log_rest, np.maximum(1.0 - p, 0.0), p)
        )

    @classmethod
    def of_logits(cls, z: Floats) -> Sides:
        """With e = exp(−|z|) the likelier side is 1 / (1 + e), the other e / (1 + e)."""
        with np.errstate(under="ignore"):
            far = np.abs(z)
            e = np.exp(-far)
            log_large = 0.0 - np.log1p(e)
            log_small = log_large - far
            large, small = 1.0 / (1.0 + e), e / (1.0 + e)
        above = z > 0.0
        p, rest = np.where(above, large, small), np.where(above, small, large)
        return cls(
            LabelProbability(np.where(above, log_large, log_small), p, rest),
            LabelProbability(np.where(above, log_small, log_large), rest, p),
        )
