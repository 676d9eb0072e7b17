"""Special functions in the forms that log losses need, where the usual ones lose digits to cancellation."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SMALL = 0.1
"""Below it the series of log1p(t) is exact after 18 terms; above, its differences lose one or two digits."""
LARGE = 16.0
"""From it on the asymptotic series of the logarithm of the gamma function is exact after eight terms."""
BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)
"""B₂, B₄ … B₁₆."""


def log1p_quotients(t: Floats, log: Floats | None = None) -> tuple[Floats, Floats]:
    """a = (log(1 + t) − t)/t² and (a + ½)/t, which are −½ and ⅓ at t = 0, and 0 at ∞; t ≥ −1.

    Where |t| > ½ the logarithm is taken from `log`, for callers that know it better than t can say.
    """
    second = np.zeros_like(t)
    for k in range(18, 2, -1):
        second = t * second + (1.0 / k if k % 2 else -1.0 / k)
    small = np.abs(t) < SMALL
    with np.errstate(divide="ignore", invalid="ignore"):
        direct = np.log1p(t)
        if log is not None:
            direct = np.where(np.abs(t) > 0.5, log, direct)
        first = np.where(small, t * second - 0.5, (direct - t) / t / t)
        first[np.isposinf(t)] = 0.0
        return first, np.where(small, second, (first + 0.5) / t)


def stirling_remainder(x: Floats) -> tuple[Floats, Floats, Floats]:
    """δ(x) = ln Γ(x) − (x − ½) ln x + x − ½ ln 2π for x > 0, and its first two derivatives.

    From x = 16 on by δ(x) = Σ_k B₂ₖ / (2k(2k − 1) x^(2k − 1)), so that differences of log-gammas of large
    numbers keep their digits: lnΓ(10¹⁰ + ½) − lnΓ(10¹⁰) by subtraction is off by 10⁻⁵.
    """
    from scipy.special import gammaln, psi, zeta

    large = x >= LARGE
    far, near = np.where(large, x, LARGE), np.where(large, 1.0, x)
    log = np.log(near)
    near_square = np.maximum(near * near, np.finfo(float).tiny)
    value = gammaln(near) - (near - 0.5) * log + near - 0.5 * math.log(2.0 * math.pi)
    slope = psi(near) - log + 0.5 / near
    curvature = zeta(2.0, near) - 1.0 / near - 0.5 / near_square
    series = [np.zeros_like(x) for _ in range(3)]
    inverse = 1.0 / far
    for k in range(len(BERNOULLI), 0, -1):
        b = BERNOULLI[k - 1] / (2 * k)
        for total, coefficient in zip(series, (b / (2 * k - 1), -b, b * 2 * k), strict=True):
            total *= inverse * inverse
            total += coefficient
    return (
        np.where(large, series[0] * inverse, value),
        np.where(large, series[1] * inverse * inverse, slope),
        np.where(large, series[2] * inverse * inverse * inverse, curvature),
    )
