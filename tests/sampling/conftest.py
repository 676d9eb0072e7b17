"""A softmax whose classes follow Zipf's law, small enough to be computed whole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.special import logsumexp


@dataclass(frozen=True)
class Problem:
    """Vectors of an output layer, its logits, and labels drawn from their softmax."""

    hidden: np.ndarray
    weight: np.ndarray
    bias: np.ndarray
    z: np.ndarray
    labels: np.ndarray
    counts: np.ndarray

    @property
    def log_z(self) -> np.ndarray:
        return logsumexp(self.z, axis=1)

    @property
    def z_label(self) -> np.ndarray:
        return self.z[np.arange(len(self.z)), self.labels]

    @property
    def exact(self) -> np.ndarray:
        return self.log_z - self.z_label


def zipf_problem(rows: int, classes: int, width: int = 16, seed: int = 0) -> Problem:
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(rows, width))
    weight = rng.normal(scale=1.5 / np.sqrt(width), size=(classes, width))
    bias = -np.log(np.arange(1, classes + 1))
    z = hidden @ weight.T + bias
    p = np.exp(z - logsumexp(z, axis=1, keepdims=True))
    labels = np.array([rng.choice(classes, p=row) for row in p])
    counts = np.maximum(1, np.rint(1e6 / np.arange(1, classes + 1)))
    return Problem(hidden, weight, bias, z, labels, counts)


@pytest.fixture(scope="session")
def problem() -> Problem:
    return zipf_problem(rows=6, classes=3000)


@pytest.fixture(scope="session")
def small() -> Problem:
    return zipf_problem(rows=5, classes=4, width=3, seed=1)
