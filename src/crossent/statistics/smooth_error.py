"""The smooth calibration error: residuals smoothed by a Gaussian instead of sorted into bins.

With r(t) = Σ w (y − p) K(t, p) / Σ w the error at bandwidth σ is ∫₀¹ |r(t)| dt, where K is the Gaussian
kernel reflected at 0 and 1. It falls as σ grows, so there is one σ that equals its own error, and that is the
bandwidth. The reflected Gaussian is the heat kernel of an interval, which cosines
diagonalise: smoothing multiplies the k-th cosine coefficient by exp(−(σ π k)² / 2).
"""

from __future__ import annotations

import numpy as np
from scipy import fft, sparse

from crossent.statistics.summary import Floats

GRID = 512
"""Intervals of [0, 1]. A row is shared by the two nearest points, which widens a kernel of 0.005 by 1 %."""
STEPS = 12
"""Halvings of the bandwidth's range: to 1e-4."""


def smooth_errors(p: Floats, residuals: Floats) -> Floats:
    """(B,) smooth calibration errors for probabilities (C,) in [0, 1] and B times residuals Σ w (y − p) / Σ w
    of each (B, C).

    Source: J. Błasiok, P. Nakkiran, Smooth ECE: principled reliability diagrams via kernel smoothing,
    ICLR 2024, arXiv:2309.12236.
    """
    coefficients = fft.dct(_density(p, residuals), type=1, axis=1)
    low, high = np.zeros(len(residuals)), np.ones(len(residuals))
    for _ in range(STEPS):
        middle = (low + high) / 2
        larger = _error(coefficients, middle) > middle
        low, high = np.where(larger, middle, low), np.where(larger, high, middle)
    return np.asarray((low + high) / 2)


def smooth_error_at(p: Floats, residuals: Floats, bandwidth: float) -> Floats:
    """(B,) errors at one bandwidth."""
    coefficients = fft.dct(_density(p, residuals), type=1, axis=1)
    return _error(coefficients, np.full(len(residuals), bandwidth))


def _density(p: Floats, residuals: Floats) -> Floats:
    """(B, GRID + 1) residuals spread over the grid, as a density; points at the ends have half a cell."""
    below = np.minimum((p * GRID).astype(np.int64), GRID - 1)
    share = p * GRID - below
    here = np.arange(p.size)
    entries = (np.concatenate([1 - share, share]), (np.tile(here, 2), np.concatenate([below, below + 1])))
    spread = sparse.csr_array(entries, shape=(p.size, GRID + 1))
    density: Floats = np.asarray(residuals @ spread) * GRID
    density[:, [0, -1]] *= 2.0
    return density


def _error(coefficients: Floats, bandwidth: Floats) -> Floats:
    waves = np.pi * np.arange(GRID + 1)
    damped = coefficients * np.exp(-0.5 * (bandwidth[:, None] * waves) ** 2)
    r = np.abs(fft.idct(damped, type=1, axis=1))
    return np.asarray((r.sum(axis=1) - (r[:, 0] + r[:, -1]) / 2) / GRID)
