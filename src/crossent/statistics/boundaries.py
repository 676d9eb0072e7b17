"""Uniform boundaries: how far a sum may stray from its mean at any time, with probability 1 − α at all times.

A sum S_t with intrinsic time V_t stays below u(V_t) for every t at once with probability 1 − α. Which V_t and
which boundary depends on what is known of the terms.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Floats = NDArray[np.float64]

_HALVINGS = 60
"""Of the interval that holds the boundary: enough for every bit of a float64."""
_GRID = 2048
"""Times at which a boundary is found where there are more than twice as many: each takes that of the next
one, which makes intervals less than one in two hundred wider.
"""


def best_rho(time: float, alpha: float) -> float:
    """The mixture's parameter that makes a boundary tightest about the intrinsic time `time`.

    ρ = time / (2 log(1/α) + log(1 + 2 log(1/α))). Source: Howard, Ramdas, McAuliffe & Sekhon 2021, Annals of
    Statistics 49:1055-1080, doi:10.1214/20-AOS1991, section 3.5.
    """
    spread = 2.0 * math.log(1.0 / alpha)
    return time / (spread + math.log1p(spread))


def normal_mixture(time: ArrayLike, alpha: float, rho: float) -> Floats:
    """Two-sided boundary of sub-Gaussian sums: √((v + ρ) log((v + ρ) / (α² ρ))) at intrinsic time v.

    Source: Robbins 1970; Howard et al. 2021, equation (14).
    """
    v = np.asarray(time, np.float64)
    bound: Floats = np.sqrt((v + rho) * np.log((v + rho) / (alpha * alpha * rho)))
    return bound


def gamma_exponential(time: ArrayLike, alpha: float, rho: float, scale: float) -> Floats:
    """One-sided boundary of sub-exponential sums with that scale, at intrinsic time v.

    The s at which the mixture supermartingale m(s, v) reaches 1/α, found by halving. Terms that are bounded
    below their mean by `scale` are sub-exponential with it, V_t = Σ (X_i − X̂_i)² for any prediction X̂_i.

    Source: Howard et al. 2021, proposition 9 and theorem 4.
    """
    v = np.asarray(time, np.float64)
    if v.size > 2 * _GRID:
        grid = np.geomspace(max(float(v.min()), 1e-4 * rho), float(v.max()), _GRID)
        bounds = gamma_exponential(grid, alpha, rho, scale)
        found: Floats = bounds[np.minimum(np.searchsorted(grid, v), _GRID - 1)]
        return found
    low = np.zeros_like(v)
    high = normal_mixture(v, alpha, rho) + 2.0 * scale * math.log(1.0 / alpha) + 1e-12
    goal = math.log(1.0 / alpha)
    while (short := _log_mixture(high, v, rho, scale) < goal).any():
        high = np.where(short, 2.0 * high, high)
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        below = _log_mixture(middle, v, rho, scale) < goal
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return high


def _log_mixture(s: Floats, v: Floats, rho: float, scale: float) -> Floats:
    """log m(s, v) of the gamma-exponential mixture."""
    c2 = scale * scale
    r, a, x = rho / c2, (v + rho) / c2, (scale * s + v + rho) / c2
    first = r * math.log(r) - special.gammaln(r) - math.log(special.gammainc(r, r))
    value: Floats = first + special.gammaln(a) + np.log(special.gammainc(a, x)) - a * np.log(x)
    value += (scale * s + v) / c2
    return value
