"""The tempered logarithm and softmax: a power's tail in the place of the exponential's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crossent.kernels.reference import Block, Floats, Reals, blocks

CONVERGED = 1e-10
"""A Newton step this small beside its result leaves an error far below rounding: errors are squared."""


def deformed(a: float, x: Floats) -> Floats:
    """(exp(a·x) − 1)/a, which is x for a = 0."""
    return x if a == 0.0 else np.asarray(np.expm1(a * x) / a)


def tempered_log(log_x: Floats, t: float) -> Floats:
    """log_t x = (x^(1−t) − 1)/(1 − t) of x given by its logarithm."""
    return deformed(1.0 - t, log_x)


def tempered_log_softmax(z: Reals, t: float) -> Floats:
    """(N, K) log p of p_k = exp_t(z_k − λ), with λ such that Σ_k p_k = 1, for t ≥ 1.

    With m = max z and s = t − 1:  log p_k = −log(1 + s·(λ' + m − z_k))/s. λ' and with it log p of the largest
    keep their relative precision however small they are. A logit −inf is probability 0; rows that hold nan or
    +inf, or nothing but −inf, are nan.
    """
    out = np.empty(z.shape)
    with np.errstate(invalid="ignore", under="ignore"):
        for block in blocks(z):
            gap = block.spread(block.largest()) - block.x
            shift = block.spread(normaliser(block, gap, t - 1.0))
            out[block.rows] = block.row_major(log_probability(gap + shift, t - 1.0))
    return out


def log_probability(x: Floats, s: float) -> Floats:
    """−log(1 + s·x)/s, which is −x for s = 0."""
    return -x if s == 0.0 else np.asarray(np.log1p(s * x) / -s)


def normaliser(block: Block, gap: Floats, s: float) -> Floats:
    """(n,) the shift λ' at which f = Σ_k (1 + s·(λ' + gap_k))^(−1/s) is 1, each row to its own convergence.

    Newton's method on f^(−s), which is concave and increasing in λ' and linear where all gaps are alike:
    from 0 it climbs to the solution, never past it. Its step is f·(f^s − 1)/(s Σ p^t), with f − 1 taken as
    Σ_{k≠top} p_k − (1 − p_top).
    """
    top = block.at(gap.argmin(axis=block.axis))
    shift = np.zeros(len(top))
    moving: NDArray[np.bool_] = np.ones(len(top), bool)
    while moving.any():
        log_p = log_probability(gap + block.spread(shift), s)
        escorts = block.total(np.exp((1.0 + s) * log_p))
        p = np.exp(log_p)
        p.put(top, np.expm1(log_p.take(top)))
        excess = block.total(p)
        step = (1.0 + excess) * deformed(s, np.log1p(excess)) / escorts
        shift = np.where(moving, shift + step, shift)
        moving &= step > CONVERGED * shift
    return shift
