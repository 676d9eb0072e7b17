"""Confidence sequences: intervals for a mean that hold at all times at once, so that one may look and stop.

Every function takes terms (…, T), one sequence in the last axis, and returns (low, high) of the same shape:
the interval after each term. With probability at least 1 − α, no interval of the sequence misses
the mean of the conditional means so far, (1/t) Σ E[X_i | past], which is the mean where the terms are
exchangeable or identically distributed.

    hoeffding            terms in [a, b]; needs nothing else, wide
    empirical_bernstein  terms in [a, b]; narrow where their variance is small
    betting              terms in [a, b] with one conditional mean μ; narrowest
    asymptotic           no bounds: for many terms with a finite variance, like an ordinary interval
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossent.errors import UsageError
from crossent.statistics.boundaries import best_rho, gamma_exponential, normal_mixture
from crossent.statistics.power import check_probability

Floats = NDArray[np.float64]
Sequence = tuple[Floats, Floats]


def hoeffding(
    x: ArrayLike, low: float, high: float, *, level: float = 0.95, optimal_at: int = 500
) -> Sequence:
    """Intervals for terms in [low, high], by their range alone.

    Radius u(V_t)/t with V_t = t (high − low)²/4 and the two-sided normal mixture boundary, tightest about
    term `optimal_at`. Null: E[X_i | past] has the mean μ so far. Raises UsageError for terms outside the
    range.

    Source: Hoeffding 1963; Howard et al. 2021, doi:10.1214/20-AOS1991.
    """
    terms, count = _terms(x, low, high, level)
    variance = (high - low) ** 2 / 4.0
    alpha = 1.0 - level
    radius = normal_mixture(count * variance, alpha, best_rho(optimal_at * variance, alpha)) / count
    return _around(np.cumsum(terms, axis=-1) / count, radius)


def empirical_bernstein(
    x: ArrayLike, low: float, high: float, *, level: float = 0.95, optimal_time: float | None = None
) -> Sequence:
    """Intervals for terms in [low, high] that follow their variance.

    Radius u(V_t)/t with V_t = Σ (X_i − X̂_i)², X̂_i the mean of the terms before i, and the gamma-exponential
    mixture boundary of scale high − low at α/2 for each side; tightest about the intrinsic time
    `optimal_time` [default: that of 500 terms with a standard deviation of a tenth of the range]. Raises
    UsageError for terms outside the range.

    Source: Howard et al. 2021, theorem 4, doi:10.1214/20-AOS1991.
    """
    terms, count = _terms(x, low, high, level)
    total = np.cumsum(terms, axis=-1)
    before = (total - terms) / np.maximum(count - 1.0, 1.0)
    before[..., 0] = 0.5 * (low + high)
    time = np.cumsum((terms - before) ** 2, axis=-1)
    scale, alpha = high - low, 1.0 - level
    rho = best_rho(5.0 * scale**2 if optimal_time is None else optimal_time, alpha)
    return _around(total / count, gamma_exponential(time, alpha / 2.0, rho, scale) / count)


def betting(x: ArrayLike, low: float, high: float, *, level: float = 0.95, grid: int = 500) -> Sequence:
    """Intervals for terms in [low, high] whose conditional mean is always μ, by betting against every μ.

    For each μ of a grid two capitals start at 1/2, K± = ½ Π (1 ± λ_i (X_i − μ)), with bets λ_i made before
    X_i comes (hedged, predictable plug-in, at most half of what could ruin the better). The interval holds
    the μ against which less than 1/α was won, and never grows again. Raises UsageError for terms outside the
    range.

    Source: Waudby-Smith & Ramdas 2024, Journal of the Royal Statistical Society B 86:1-27,
    doi:10.1093/jrsssb/qkad009, section 4.
    """
    terms, count = _terms(x, low, high, level)
    unit = (terms - low) / (high - low)
    means = (0.5 + np.cumsum(unit, axis=-1)) / (count + 1.0)
    spread = (0.25 + np.cumsum((unit - means) ** 2, axis=-1)) / (count + 1.0)
    before = np.concatenate([np.full((*unit.shape[:-1], 1), 0.25), spread[..., :-1]], axis=-1)
    bets = np.sqrt(2.0 * math.log(2.0 / (1.0 - level)) / (before * count * np.log1p(count)))
    candidates = np.linspace(0.0, 1.0, grid + 1)
    lows, highs = np.empty_like(unit), np.empty_like(unit)
    for row in np.ndindex(unit.shape[:-1]):
        lows[row], highs[row] = _hedged(unit[row], bets[row], candidates, math.log(1.0 / (1.0 - level)))
    return low + (high - low) * lows, low + (high - low) * highs


def _hedged(x: Floats, bets: Floats, candidates: Floats, goal: float) -> Sequence:
    """The running interval of one sequence of terms in [0, 1]: a grid step wider than what is left."""
    step = 1.0 / (candidates.size - 1)
    inside = np.ones(candidates.size, bool)
    up, down = np.zeros(candidates.size), np.zeros(candidates.size)
    ends = (0.0, 1.0)
    most_up, most_down = 0.5 / np.maximum(candidates, 1e-300), 0.5 / np.maximum(1.0 - candidates, 1e-300)
    lows, highs = np.empty_like(x), np.empty_like(x)
    for i, (term, bet) in enumerate(zip(x.tolist(), bets.tolist(), strict=True)):
        up += np.log1p(np.minimum(bet, most_up) * (term - candidates))
        down += np.log1p(-np.minimum(bet, most_down) * (term - candidates))
        # the greater of the two halves alone is below their sum: never too narrow
        inside &= np.maximum(up, down) - math.log(2.0) < goal
        left = np.flatnonzero(inside)
        if left.size:
            ends = max(candidates[left[0]] - step, 0.0), min(candidates[left[-1]] + step, 1.0)
        lows[i], highs[i] = ends
    return lows, highs


def asymptotic(x: ArrayLike, *, level: float = 0.95, optimal_at: int = 500, start: int = 1) -> Sequence:
    """Intervals without bounds on the terms, for many of them: the sequential form of mean ± z · SE.

    Radius s_t √(2 (tρ² + 1)/(t²ρ²) · log(√(tρ² + 1)/α)), s_t² the variance so far, tightest about term
    `optimal_at`. Before term `start` the interval is the whole line: it takes the terms that an ordinary
    interval would ask for, too. Null: E[X_i | past] has the mean μ so far, variances are finite.

    Source: Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas 2024, Annals of Statistics 52:2613-2640,
    doi:10.1214/24-AOS2408 (arXiv:2103.06476).
    """
    terms, count = _terms(x, -math.inf, math.inf, level)
    shifted = terms - terms[..., :1]
    mean = np.cumsum(shifted, axis=-1) / count
    variance = np.maximum(np.cumsum(shifted**2, axis=-1) / count - mean**2, 0.0)
    radius = asymptotic_radius(count, np.sqrt(variance), level=level, optimal_at=optimal_at)
    radius = np.where(count < max(start, 2), np.inf, radius)
    return _around(mean + terms[..., :1], radius)


def asymptotic_radius(
    count: ArrayLike, deviation: ArrayLike, *, level: float = 0.95, optimal_at: int = 500
) -> Floats:
    """Half the width of `asymptotic` after `count` terms with that standard deviation."""
    alpha, t = 1.0 - level, np.asarray(count, np.float64)
    spread = -2.0 * math.log(alpha)
    rho2 = (spread + math.log1p(spread)) / optimal_at
    inside = t * rho2 + 1.0
    radius: Floats = np.asarray(deviation) * np.sqrt(
        2.0 * inside / (t * t * rho2) * np.log(np.sqrt(inside) / alpha)
    )
    return radius


def _terms(x: ArrayLike, low: float, high: float, level: float) -> tuple[Floats, Floats]:
    check_probability("level", level)
    terms = np.atleast_1d(np.asarray(x, np.float64))
    if not low < high:
        raise UsageError(
            "empty-range", f"the range [{low}, {high}] is empty", cure="name the lower end first"
        )
    if np.isnan(terms).any() or (terms < low).any() or (terms > high).any():
        raise UsageError(
            "outside-range",
            f"terms from {terms.min():g} to {terms.max():g} do not lie in [{low:g}, {high:g}]",
            cure="give the range that they cannot leave, whatever happens",
        )
    return terms, np.arange(1.0, terms.shape[-1] + 1.0)


def _around(mean: Floats, radius: Floats) -> Sequence:
    return mean - radius, mean + radius
