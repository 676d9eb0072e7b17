"""Entropy and cross-entropy of each row, in nats, with the blocks and sums of `reference`.

A probability ≤ 0 counts as 0, and 0·log 0 as 0; nan gives nan wherever it has weight. float32 is widened
first; results are float64.
"""

from __future__ import annotations

import numpy as np

from crossent.kernels.reference import Floats, Reals, blocks


def entropy(p: Reals) -> Floats:
    """(N,) −Σ p log p."""
    out = np.empty(len(p))
    for block in blocks(p):
        out[block.rows] = 0.0 - block.total(times_log(block.x, block.x))
    return out


def cross_entropy(p: Reals, q: Reals) -> Floats:
    """(N,) −Σ p log q; +inf where some p > 0 meets q ≤ 0."""
    out = np.empty(len(p))
    for a, b in zip(blocks(p), blocks(q), strict=True):
        out[a.rows] = 0.0 - a.total(times_log(a.x, b.x))
    return out


def times_log(p: Floats, q: Floats) -> Floats:
    """p log q, and 0 where p ≤ 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(p <= 0.0, 0.0, p * np.log(np.maximum(q, 0.0)))
