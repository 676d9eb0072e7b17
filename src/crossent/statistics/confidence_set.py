"""The model confidence set (Hansen, Lunde & Nason 2011) from means and covariances alone.

Models are eliminated one after another: as long as the test of "all that are left are equally good" rejects,
the worst goes. The order of elimination depends on the data only, so it is found first; then one set of
Gaussian draws with the covariance of the differences of means gives the law of every test's statistic.

    range  T_R   = max_ij t_ij,  t_ij = (L̄_i − L̄_j) / sd(L̄_i − L̄_j);  worst: arg max_i max_j t_ij
    max    T_max = max_i t_i,    t_i  = (L̄_i − L̄.) / sd(L̄_i − L̄.), L̄. the mean over those that are left

Everything is made of the variances D_ij of differences, never of a difference of covariances: two versions
of one model may differ in the ninth digit only, and that digit decides between them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossent.errors import UsageError
from crossent.statistics.multiplier import DRAWS, check_draws, gaussian_means
from crossent.statistics.power import check_probability
from crossent.statistics.summary import Floats, LossSummary

ROUNDING = 1e-12
"""A variance below this share of the largest one is rounding error of the sums it comes from."""


@dataclass(frozen=True)
class ConfidenceSet:
    """The models that cannot be ruled out as best, at confidence 1 − alpha."""

    alpha: float
    statistic: str
    """"range" (T_R) or "max" (T_max)."""
    p_values: tuple[tuple[str, float], ...]
    """(model, p-value), from the first eliminated to the last that stays (p = 1)."""
    members: tuple[str, ...]
    """Models with p ≥ alpha, the lowest loss first."""
    draws: int
    seed: int


def check_statistic(statistic: str) -> None:
    """Raise UsageError for anything but "range" and "max"."""
    if statistic not in ("range", "max"):
        raise UsageError(
            "unknown-statistic", f"there is no statistic {statistic!r}", cure="choose 'range' or 'max'"
        )


def model_confidence_set(
    summary: LossSummary,
    *,
    alpha: float = 0.05,
    statistic: str = "range",
    draws: int = DRAWS,
    seed: int = 0,
) -> ConfidenceSet | None:
    """The set of models that holds the best one with probability at least 1 − alpha, for many units.

    A model's p-value is the largest of the tests up to its elimination; members are those with p ≥ alpha. The
    Monte Carlo error of a p-value is sqrt(p(1−p)/draws). The result depends on the seed, not on the order of
    the models. Models with identical losses count as one and share its p-value. Models with infinite loss are
    eliminated first, with p = 0. None where fewer than two models have finite loss or there are fewer than
    two units: nothing can be tested then. Raises UsageError for alpha outside (0, 1), another statistic or no
    draws.

    Source: Hansen, Lunde & Nason 2011, Econometrica 79:453-497, doi:10.3982/ECTA5771, with a Gaussian
    multiplier in place of the bootstrap.
    """
    check_probability("alpha", alpha)
    check_statistic(statistic)
    check_draws(draws)
    by_name = sorted(range(len(summary.names)), key=summary.names.__getitem__)
    left = [i for i in by_name if summary.finite[i]]
    if len(left) < 2 or summary.units < 2:
        return None

    mean, variance = summary.mean, summary.difference_variance()
    copies = _identical(left, mean, variance)
    models = list(copies)
    p_values = [(i, 0.0) for i in by_name if not summary.finite[i]]
    for model, p in _sequential_tests(
        mean[models] - mean[models].min(), variance[np.ix_(models, models)], statistic, draws, seed
    ):
        p_values += [(i, p) for i in copies[models[model]]]
    members = sorted((i for i, p in p_values if p >= alpha), key=lambda i: (mean[i], summary.names[i]))
    return ConfidenceSet(
        alpha=alpha,
        statistic=statistic,
        p_values=tuple((summary.names[i], p) for i, p in p_values),
        members=tuple(summary.names[i] for i in members),
        draws=draws,
        seed=seed,
    )


def _identical(models: list[int], mean: Floats, variance: Floats) -> dict[int, list[int]]:
    """The models by the first of those that have exactly the same losses."""
    copies: dict[int, list[int]] = {}
    for i in models:
        same = (j for j in copies if variance[i, j] == 0 and mean[i] == mean[j])
        copies.setdefault(next(same, i), []).append(i)
    return copies


def _sequential_tests(
    mean: Floats, variance: Floats, statistic: str, draws: int, seed: int
) -> list[tuple[int, float]]:
    """(model, p-value) in the order of elimination."""
    order, observed = _eliminations(mean, variance, statistic)
    if not observed:
        return [(order[0], 1.0)]
    draw = _draw_ranges if statistic == "range" else _draw_maxima
    exceed = np.zeros(len(observed))
    for z in gaussian_means(variance, draws, seed):
        exceed += [(drawn >= t).sum() for drawn, t in zip(draw(z, variance, order), observed, strict=True)]
    p_values = [*np.maximum.accumulate(exceed / draws).tolist(), 1.0]
    return list(zip(order, p_values, strict=True))


def _eliminations(mean: Floats, variance: Floats, statistic: str) -> tuple[list[int], list[float]]:
    """The models from the first eliminated to the last that stays, and the statistic at each elimination."""
    left, order, observed = list(range(len(mean))), [], []
    while len(left) > 1:
        d, v = mean[left], variance[np.ix_(left, left)]
        if statistic == "range":
            t = _ratio(d[:, None] - d, v, v > 0).max(axis=1)
        else:
            centred, varies = _centred_variance(v)
            # a model exactly at the average is neither the worst nor random
            t = _ratio(np.where(varies | (v.max() == 0), d - d.mean(), 0.0), centred, varies)
        worst = int(t.argmax())
        observed.append(float(t[worst]))
        order.append(left.pop(worst))
    return order + left, observed


def _ratio(difference: Floats, variance: Floats, varies: NDArray[np.bool_]) -> Floats:
    """t statistics; without variance a difference of 0 is a tie (0) and any other one certain (±inf)."""
    t: Floats = np.where(difference == 0, 0.0, np.copysign(np.inf, difference))
    t[varies] = difference[varies] / np.sqrt(variance[varies])
    return t


def _centred_variance(variance: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Var(L̄_i − L̄.) from the D_ij: mean_j D_ij − mean_jk D_jk / 2, and where it is more than rounding."""
    centred = variance.mean(axis=1) - variance.mean() / 2
    return centred, centred > ROUNDING * variance.max()


def _draw_ranges(z: Floats, variance: Floats, order: list[int]) -> list[Floats]:
    """T_R of the draws (n, k) at each elimination, from the last one back: a set only adds its own pairs."""
    scale = np.zeros_like(variance)
    np.divide(1.0, np.sqrt(variance), where=variance > 0, out=scale)
    largest = np.zeros(len(z))
    ranges = []
    for s in range(len(order) - 2, -1, -1):
        first, rest = order[s], order[s + 1 :]
        gaps = np.abs(z[:, rest] - z[:, [first]])
        gaps *= scale[first, rest]
        largest = np.maximum(largest, gaps.max(axis=1))
        ranges.append(largest)
    return ranges[::-1]


def _draw_maxima(z: Floats, variance: Floats, order: list[int]) -> list[Floats]:
    """T_max of the draws (n, k) at each elimination."""
    maxima = []
    for s in range(len(order) - 1):
        rest = order[s:]
        centred, varies = _centred_variance(variance[np.ix_(rest, rest)])
        scale = np.zeros_like(centred)
        np.divide(1.0, np.sqrt(np.where(varies, centred, 1.0)), where=varies, out=scale)
        values = z[:, rest]
        values -= values.mean(axis=1, keepdims=True)
        values *= scale
        maxima.append(values.max(axis=1))
    return maxima
