"""Pareto-smoothed importance sampling: what posterior draws say of a row that they have seen.

Draws θ_s of a posterior that includes row i, weighted by  1 / p(y_i | θ_s),  are draws of the posterior
without it. The largest weights decide and are noisy, so that they are replaced by the quantiles of a
generalised Pareto distribution that is fitted to them (Vehtari, Simpson, Gelman, Yao & Gabry 2024). Its shape
k says how far to trust the result: the number of draws that are needed grows as 10^(1/(1 − k)).
"""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from crossent.statistics.generalised_pareto import FEWEST, fit_generalised_pareto
from crossent.statistics.summary import Floats

PRIOR_ROWS, PRIOR_K = 10.0, 0.5
"""A weak prior on k, worth ten draws: short tails have noisy estimates."""


def most_k(draws: int) -> float:
    """The largest k that can be trusted with so many draws:  min(1 − 1/log₁₀ S, 0.7).

    >>> round(most_k(2000), 3), most_k(10**6)
    (0.697, 0.7)
    """
    return min(1.0 - 1.0 / math.log10(max(draws, 11)), 0.7)


def smoothed_log_weights(log_likelihood: Floats, efficiency: float) -> tuple[Floats, float]:
    """(S,) logarithms of importance weights that sum to 1, and k; `log_likelihood` (S,) of one row by draw.

    The tail is the largest  min(S/5, 3·√(S/efficiency))  weights. k is inf where it has fewer than five
    different ones, which leaves the weights as they are.
    """
    log_w = log_likelihood.min() - log_likelihood  # the largest is 0
    k = math.inf
    size = math.floor(min(log_w.size / 5.0, 3.0 * math.sqrt(log_w.size / efficiency)))
    if FEWEST <= size < log_w.size:
        order = np.argpartition(log_w, log_w.size - size - 1)
        cut = max(float(log_w[order[log_w.size - size - 1]]), math.log(np.finfo(np.float64).tiny))
        tail = np.flatnonzero(log_w > cut)
        if tail.size >= FEWEST:
            tail = tail[np.argsort(log_w[tail], kind="stable")]
            k, log_w[tail] = _smoothed_tail(log_w[tail], cut)
    normalised: Floats = log_w - special.logsumexp(log_w)
    return normalised, k


def _smoothed_tail(log_w: Floats, cut: float) -> tuple[float, Floats]:
    """k, and the tail of ascending log-weights as expected order statistics of the fit, at most 0."""
    base = math.exp(cut)
    k, scale = fit_generalised_pareto(np.exp(log_w) - base)
    if math.isnan(k):
        return math.inf, log_w
    k = (k * log_w.size + PRIOR_ROWS * PRIOR_K) / (log_w.size + PRIOR_ROWS)
    beyond = -np.log1p(-(np.arange(log_w.size) + 0.5) / log_w.size)
    excess = scale * (np.expm1(k * beyond) / k if k else beyond)
    return k, np.minimum(np.log(excess + base), 0.0)
