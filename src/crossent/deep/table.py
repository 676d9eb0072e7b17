"""Rows of all models side by side in memory: all of them, or a sample where there are very many."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossent import kernels
from crossent.data.labels import Keyed

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

UNKNOWN = -1
"""Code of a label that no class has the name of."""


@dataclass(frozen=True)
class Predictions:
    """What one model said of each row, as it was read.

    `values` is (N, C) about classes; (N,) for shape "single" (the probability of class `positive`), "scalar"
    (log-probability of the label) and a point; (N, 2) means and standard deviations, (N, levels) quantiles.
    Of samples, whose number may differ from row to row, nothing is kept: `values` is (N, 0).
    """

    kind: str
    shape: str
    values: NDArray[Any]
    positive: int = 1

    @property
    def distribution(self) -> bool:
        """Whether the probability of every class is known."""
        return self.shape in ("columns", "list", "single") and self.kind in ("probs", "logits", "log_probs")

    @cached_property
    def probabilities(self) -> Floats:
        """(N, C) float64; logits by softmax, everything else as it was read."""
        if self.kind == "logits":
            return np.asarray(kernels.softmax(self.values), np.float64)
        if self.kind == "log_probs":
            return np.exp(np.asarray(self.values, np.float64))
        if self.shape == "single":
            both = np.empty((self.values.size, 2))
            both[:, self.positive] = self.values
            both[:, 1 - self.positive] = 1.0 - both[:, self.positive]
            return both
        return np.asarray(self.values, np.float64)

    @cached_property
    def log_probabilities(self) -> Floats:
        """(N, C) logarithms; of logits to full precision, −∞ where a probability is 0 (or below)."""
        if self.kind == "log_probs":
            return np.asarray(self.values, np.float64)
        if self.kind == "logits":
            z = np.asarray(self.values, np.float64)
            z = z - z.max(axis=1, keepdims=True)
            shifted: Floats = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
            return shifted
        if self.shape == "single":
            p = np.asarray(self.values, np.float64)
            logs = np.empty((p.size, 2))
            with np.errstate(divide="ignore"):
                logs[:, self.positive] = np.log(np.maximum(p, 0.0))
                logs[:, 1 - self.positive] = np.log1p(-np.minimum(p, 1.0))
            return logs
        with np.errstate(divide="ignore"):
            return np.log(np.maximum(self.probabilities, 0.0))


@dataclass(frozen=True)
class RowTable:
    """Rows of K models side by side, in the order of the first model's data."""

    names: tuple[str, ...]
    """The models."""
    total: int
    """Rows of the data: more than are here where they are a sample."""
    losses: Floats
    """(N, K) headline losses; +inf where the label was given probability 0."""
    predictions: tuple[Predictions, ...]
    """One a model."""
    classes: tuple[str, ...] | None
    labels: Ints | None
    """(N,) codes into `classes`, or UNKNOWN; None where there are no classes."""
    y: Floats | None
    """(N,) where the label is a number."""
    weight: Floats | None
    cluster: Keyed | None
    groups: tuple[Keyed, ...]
    """The columns of `--group`, and of positions, in that order."""
    position: Ints
    """(N,) place of each row among all rows of the first model's data."""
    row_names: tuple[str, ...]
    """What to call each row: its id, or file and row."""

    def __len__(self) -> int:
        return int(self.losses.shape[0])

    @property
    def sampled(self) -> bool:
        """Whether rows were left out by chance."""
        return len(self) < self.total

    def index(self, name: str) -> int:
        """The place of a model among the columns."""
        return self.names.index(name)

    @property
    def weights(self) -> Floats:
        """(N,) the weights, 1 where no column names them."""
        return np.ones(len(self)) if self.weight is None else self.weight
