"""A plain NumPy road from a loss matrix to what the statistics take."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossent.statistics.slices import SliceSums
from crossent.statistics.summary import LossSummary

# the simulations of benchmarks/coverage.py are run here at a fraction of their length
sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))


def _summarise(losses: Any, weights: Any = None, clusters: Any = None, names: Any = None) -> LossSummary:
    losses = np.asarray(losses, dtype=float)
    n, k = losses.shape
    w = np.ones(n) if weights is None else np.asarray(weights, dtype=float)
    unit = np.arange(n) if clusters is None else np.unique(clusters, return_inverse=True)[1]
    units = int(unit.max()) + 1
    exposure = np.bincount(unit, w)
    total = np.stack([np.bincount(unit, w * column, units) for column in losses.T], axis=1)
    mean = total.sum(0) / w.sum()
    with np.errstate(invalid="ignore"):
        residual = np.where(np.isfinite(mean), total - exposure[:, None] * mean, np.nan)
    gaps = residual[:, :, None] - residual[:, None, :]
    return LossSummary(
        names=tuple(names or [f"m{i}" for i in range(k)]),
        units=units,
        exposure=float(w.sum()),
        mean=mean,
        scatter=residual.T @ residual,
        difference_scatter=(gaps**2).sum(axis=0),
    )


def _slice_sums(losses: Any, weights: Any = None) -> SliceSums:
    losses = np.asarray(losses, dtype=float)
    w = np.ones(len(losses)) if weights is None else np.asarray(weights, dtype=float)
    finite = np.isfinite(losses)
    ell = np.where(finite, losses, 0.0)
    return SliceSums(
        rows=len(losses),
        weight=float(w.sum()),
        weighted_loss=float((w * ell).sum()),
        weight2=float((w**2).sum()),
        weight2_loss=float((w**2 * ell).sum()),
        weight2_loss2=float((w**2 * ell**2).sum()),
        n_infinite=int((~finite & (w > 0)).sum()),
    )


@pytest.fixture(scope="session")
def summarise() -> Callable[..., LossSummary]:
    """summarise(losses (N, K), weights=None, clusters=None, names=None) -> LossSummary."""
    return _summarise


@pytest.fixture(scope="session")
def slice_sums() -> Callable[..., SliceSums]:
    """slice_sums(losses (N,), weights=None) -> SliceSums."""
    return _slice_sums
