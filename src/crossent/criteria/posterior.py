"""WAIC and leave-one-out by importance sampling, from draws of a posterior."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from crossent._arrays import same_kind
from crossent.errors import DataError, UsageError
from crossent.information.arguments import numbers
from crossent.statistics.estimates import Estimate, estimate
from crossent.statistics.psis import most_k, smoothed_log_weights
from crossent.statistics.summary import Floats

MOST_VARIANCE = 0.4
"""Of a row's log-likelihood over the draws: WAIC is unreliable above (Vehtari, Gelman & Gabry 2017)."""


@dataclass(frozen=True)
class PosteriorPredictive:
    """What new rows will lose by the predictions of a posterior, estimated from the rows it was made from."""

    method: str
    """"PSIS-LOO" or "WAIC"."""
    per_row: Estimate
    """Log loss on new rows, in nats a row: −elpd / n. On the scale of a test loss."""
    elpd: Estimate
    """Expected log pointwise predictive density: Σ of `pointwise`, with √n times their deviation."""
    parameters: float
    """Effective number: by how much the rows' own log predictive density is too high."""
    training: float
    """Log loss on the rows of the posterior, in nats a row."""
    pointwise: Floats
    """(n,) log predictive density of each row."""
    k: Floats | None
    """(n,) Pareto k of PSIS-LOO."""
    doubtful: tuple[int, ...]
    """Rows whose figure is not to be trusted."""


@same_kind
def waic(log_likelihood: ArrayLike) -> PosteriorPredictive:
    """The widely applicable criterion:  lppd − Σ_i Var_s log p(y_i | θ_s),  from posterior draws.

    Asymptotically the same as leaving one out, and less robust: rows whose log-likelihood varies by more than
    0.4 over the draws are listed as doubtful, with a warning. Take `psis_loo` instead.

    Parameters
    ----------
    log_likelihood : (S, n) log-likelihood of each row by each draw, in nats, or (chains, draws, n).

    Raises `DataError` (not-a-log-score, shape-mismatch, too-few-draws).

    >>> draws = np.random.default_rng(0).normal(0.0, 0.1, (4000, 1))
    >>> found = waic(-0.5 * (np.array([-1.0, 0.3, 0.9]) - draws) ** 2 - 0.5 * np.log(2 * np.pi))
    >>> round(found.per_row.value, 2), round(found.parameters, 2)
    (1.24, 0.02)

    Source: S. Watanabe, Asymptotic equivalence of Bayes cross validation and widely applicable information
    criterion in singular learning theory, J. Mach. Learn. Res. 11 (2010) 3571–3594.
    """
    draws = _draws(log_likelihood)
    predictive, variance = _log_mean(draws), draws.var(axis=0, ddof=1)
    doubtful = np.flatnonzero(variance > MOST_VARIANCE)
    if doubtful.size:
        _warn(f"WAIC of {doubtful.size} of {variance.size} rows is unreliable: take psis_loo")
    return _found("WAIC", predictive - variance, predictive, None, doubtful)


@same_kind
def psis_loo(log_likelihood: ArrayLike, *, efficiency: float = 1.0) -> PosteriorPredictive:
    """Leave-one-out log loss from posterior draws of the whole data, by Pareto-smoothed importance sampling.

    Row i's figure is that of the posterior without it, got by weighting the draws by 1/p(y_i | θ_s) with the
    largest weights smoothed. Its Pareto `k` says whether that was possible: rows above
    min(1 − 1/log₁₀ S, 0.7)  are doubtful, with a warning; fit the model again without them, or draw more.

    Parameters
    ----------
    log_likelihood : (S, n) log-likelihood of each row by each draw, in nats, or (chains, draws, n).
    efficiency : effective sample size over S, of draws that depend on each other; it sets how many weights
        are smoothed, and hardly changes the result.

    Raises `DataError` (not-a-log-score, shape-mismatch, too-few-draws) and `UsageError` (bad-option).

    >>> draws = np.random.default_rng(0).normal(0.0, 0.1, (4000, 1))
    >>> found = psis_loo(-0.5 * (np.array([-1.0, 0.3, 0.9]) - draws) ** 2 - 0.5 * np.log(2 * np.pi))
    >>> round(found.per_row.value, 2), found.doubtful
    (1.24, ())

    Source: A. Vehtari, D. Simpson, A. Gelman, Y. Yao, J. Gabry, Pareto smoothed importance sampling, J. Mach.
    Learn. Res. 25 (2024) 72; A. Vehtari, A. Gelman, J. Gabry, Practical Bayesian model evaluation using
    leave-one-out cross-validation and WAIC, Stat. Comput. 27 (2017) 1413–1432, doi:10.1007/s11222-016-9696-4.
    """
    if not 0.0 < efficiency < math.inf:
        raise UsageError("bad-option", f"efficiency is {efficiency}", cure="use a number above 0, such as 1")
    draws = _draws(log_likelihood)
    pointwise, k = np.empty(draws.shape[1]), np.empty(draws.shape[1])
    for i in range(draws.shape[1]):
        row = np.ascontiguousarray(draws[:, i])
        log_w, k[i] = smoothed_log_weights(row, efficiency)
        pointwise[i] = special.logsumexp(log_w + row)
    doubtful = np.flatnonzero(k > most_k(len(draws)))
    if doubtful.size:
        _warn(
            f"{doubtful.size} of {k.size} rows decide too much for leaving them out by weights "
            f"(Pareto k above {most_k(len(draws)):.2f}): fit without them, or draw more"
        )
    return _found("PSIS-LOO", pointwise, _log_mean(draws), k, doubtful)


def _draws(log_likelihood: ArrayLike) -> Floats:
    """(S, n)"""
    draws = numbers(log_likelihood, "log_likelihood").astype(np.float64)
    if draws.ndim == 3:
        draws = draws.reshape(-1, draws.shape[2])
    if draws.ndim != 2 or not draws.shape[1]:
        raise DataError(
            "shape-mismatch",
            f"log_likelihood has the shape {draws.shape}",
            cure="give (draws, n), or (chains, draws, n)",
        )
    if len(draws) < 2:
        raise DataError("too-few-draws", f"there are {len(draws)} draws", cure="give hundreds at least")
    if not np.isfinite(draws).all():
        row = int(np.flatnonzero(~np.isfinite(draws).all(axis=0))[0])
        raise DataError(
            "not-a-log-score",
            "a draw's log-likelihood of this row is not finite",
            row=row,
            cure="a draw that makes a row impossible is none of its posterior: find out why",
        )
    return draws


def _log_mean(draws: Floats) -> Floats:
    mean: Floats = special.logsumexp(draws, axis=0) - math.log(len(draws))
    return mean


def _found(
    method: str, pointwise: Floats, predictive: Floats, k: Floats | None, doubtful: Any
) -> PosteriorPredictive:
    rows = pointwise.size
    variance = float(pointwise.var(ddof=1)) / rows if rows > 1 else math.nan
    per_row = estimate(-float(pointwise.mean()), variance, rows)
    elpd = per_row.scaled(-float(rows))
    parameters = float(predictive.sum() - pointwise.sum())
    training = -float(predictive.mean())
    return PosteriorPredictive(
        method, per_row, elpd, parameters, training, pointwise, k, tuple(doubtful.tolist())
    )


def _warn(text: str) -> None:
    warnings.warn(text, RuntimeWarning, stacklevel=4)
