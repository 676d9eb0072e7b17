"""Divergences of each row, in nats, summed from terms that are all ≥ 0, so that nothing cancels.

With t = (p − q)/(p + q), close entries (|t| < 0.2) take a series in t², and their terms keep full relative
precision however close they are; elsewhere the logarithm of the ratio loses 5 bits at most. A value ≤ 0
counts as 0; nan gives nan. float32 is widened first; results are float64.
"""

from __future__ import annotations

import numpy as np

from crossent.kernels.distributions import times_log
from crossent.kernels.reference import Floats, Reals, blocks

CLOSE = 0.2
"""0.04¹¹ < 2e-16, so 11 terms of a series in t² are all that float64 holds."""
_KL_SERIES = [1.0 / (2 * n + 3) for n in range(11)]
_JS_SERIES = [1.0 / ((2 * n + 1) * (2 * n + 2)) for n in range(11)]


def generalised_kl_divergence(p: Reals, q: Reals) -> Floats:
    """(N,) Σ p log(p/q) − p + q; +inf where some p > 0 meets q ≤ 0.

    For rows of equal sums this is Σ p log(p/q). Sums that differ by a rounding error e change it by e² only,
    where Σ p log(p/q) itself would move by e and could be negative.
    """
    out = np.empty(len(p))
    with np.errstate(all="ignore"):
        for a, b in zip(blocks(p), blocks(q), strict=True):
            out[a.rows] = a.total(_kl_terms(np.maximum(a.x, 0.0), np.maximum(b.x, 0.0)))
    return out


def js_divergence(p: Reals, q: Reals) -> Floats:
    """(N,) ½ Σ p log(2p/(p + q)) + q log(2q/(p + q))."""
    out = np.empty(len(p))
    with np.errstate(all="ignore"):
        for a, b in zip(blocks(p), blocks(q), strict=True):
            out[a.rows] = a.total(_js_terms(np.maximum(a.x, 0.0), np.maximum(b.x, 0.0)))
    return out


def _kl_terms(p: Floats, q: Floats) -> Floats:
    # (p + q)·((1 + t)·artanh t − t) = (p − q)·t·(1 + t(1 + t)·(1/3 + t²/5 + t⁴/7 + …))
    t = _contrast(p, q)
    close = (p - q) * t * (1.0 + t * (1.0 + t) * _series(t * t, _KL_SERIES))
    apart = np.where(p == 0.0, q, p * (_log_ratio(p, q) - 1.0) + q)
    return np.where(np.abs(t) < CLOSE, close, apart)


def _js_terms(p: Floats, q: Floats) -> Floats:
    # ½(p + q)·(t·artanh t + ½ log(1 − t²)) = ½(p − q)·t·(1/2 + t²/12 + t⁴/30 + …)
    t = _contrast(p, q)
    close = 0.5 * (p - q) * t * _series(t * t, _JS_SERIES)
    total = p + q
    apart = 0.5 * (times_log(p, 2.0 * p / total) + times_log(q, 2.0 * q / total))
    return np.where(np.abs(t) < CLOSE, close, apart)


def _contrast(p: Floats, q: Floats) -> Floats:
    """(p − q)/(p + q) from the exact difference of close numbers, without overflow; nan where both are 0."""
    u = (p - q) / np.maximum(p, q)
    return np.asarray(u / (2.0 - np.abs(u)))


def _log_ratio(p: Floats, q: Floats) -> Floats:
    """log(p/q), from two logarithms where the ratio leaves the range of normal numbers."""
    ratio = p / q
    inside = (ratio >= np.finfo(np.float64).tiny) & (ratio <= np.finfo(np.float64).max)
    return np.where(inside, np.log(ratio), np.log(p) - np.log(q))


def _series(x: Floats, coefficients: list[float]) -> Floats:
    total = np.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        total *= x
        total += coefficient
    return total
