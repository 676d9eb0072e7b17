"""AIC, AICc, BIC and TIC of a model fitted by maximum likelihood.

The log loss of a model on the rows it was fitted to is too low. How much too low, a row, is about the number
of its parameters over the number of rows: that is all that AIC says, on a scale of its own, 2n times that of
a test loss. Here both scales stand side by side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from crossent._arrays import same_kind
from crossent.errors import DataError, UsageError
from crossent.information.arguments import numbers
from crossent.statistics.estimates import Estimate, estimate
from crossent.statistics.summary import Floats


@dataclass(frozen=True)
class InformationCriterion:
    """A criterion on its usual scale, and a row in nats."""

    name: str
    value: float
    """−2 log L + penalty, as statistical programs print it."""
    per_row: Estimate
    """value / 2n: what the log loss on new rows will be about, in nats; BIC estimates something else. The
    standard error is that of the mean log loss, where log-likelihoods of rows were given."""
    training: float
    """−log L / n: the log loss on the rows of the fit, in nats."""
    rows: int
    penalty: float
    """Effective number of parameters: half of what is added to −2 log L."""


@same_kind
def aic(log_likelihood: ArrayLike, parameters: float, *, rows: int | None = None) -> InformationCriterion:
    """Akaike's criterion  −2 log L + 2k;  a row, −log L/n + k/n  estimates the log loss on new rows.

    Right on average for models that are near the truth and have many rows a parameter; asymptotically the
    same as leaving one row out (Stone 1977).

    Parameters
    ----------
    log_likelihood : (n,) log-likelihood of each row at the fitted parameters, in nats, or their sum.
    parameters : number k of parameters that were fitted, variances included where they were. Programs differ:
        `statsmodels` leaves the variance of least squares out.
    rows : n, where the sum was given.

    Raises `UsageError` (rows-missing, bad-option) and `DataError` (not-a-log-score, shape-mismatch).

    >>> found = aic(-12.889634, 4, rows=32)  # Spector and Mazzeo's logit, three inputs and a constant
    >>> round(found.value, 6), round(found.per_row.value, 6), round(found.training, 6)
    (33.779268, 0.527801, 0.402801)

    Source: H. Akaike, A new look at the statistical model identification, IEEE Trans. Autom. Control 19
    (1974) 716–723, doi:10.1109/TAC.1974.1100705; M. Stone, JRSS B 39 (1977) 44–47,
    doi:10.1111/j.2517-6161.1977.tb01603.x.
    """
    return _criterion("AIC", _Fit.of(log_likelihood, parameters, rows), float(parameters))


@same_kind
def aicc(log_likelihood: ArrayLike, parameters: float, *, rows: int | None = None) -> InformationCriterion:
    """AIC for few rows:  −2 log L + 2k·n/(n − k − 1);  exact for linear models with Gaussian errors.

    Arguments and errors are those of `aic`, and n must exceed k + 1.

    >>> round(aicc(-12.889634, 4, rows=32).value, 6)
    35.260749

    Source: C. M. Hurvich, C.-L. Tsai, Regression and time series model selection in small samples, Biometrika
    76 (1989) 297–307, doi:10.1093/biomet/76.2.297.
    """
    fit = _Fit.of(log_likelihood, parameters, rows)
    if fit.rows <= parameters + 1:
        raise UsageError(
            "bad-option",
            f"{fit.rows} rows for {parameters:g} parameters leave nothing to correct by",
            cure="give more rows than parameters and one",
        )
    return _criterion("AICc", fit, parameters * fit.rows / (fit.rows - parameters - 1.0))


@same_kind
def bic(log_likelihood: ArrayLike, parameters: float, *, rows: int | None = None) -> InformationCriterion:
    """Schwarz's criterion  −2 log L + k log n:  about −2 times the log of the probability of all the data.

    Not an estimate of the log loss on new rows: a row, it is about what the model would have lost predicting
    the rows one after another, learning as it went, from a prior worth one row. It finds a true model among
    candidates, with ever more rows; AIC predicts better where none is true.

    Arguments and errors are those of `aic`.

    >>> round(bic(-12.889634, 4, rows=32).value, 6)
    39.642212

    Source: G. Schwarz, Estimating the dimension of a model, Ann. Stat. 6 (1978) 461–464,
    doi:10.1214/aos/1176344136.
    """
    fit = _Fit.of(log_likelihood, parameters, rows)
    return _criterion("BIC", fit, parameters * math.log(fit.rows) / 2.0)


@same_kind
def tic(log_likelihood: ArrayLike, scores: ArrayLike, hessian: ArrayLike) -> InformationCriterion:
    """Takeuchi's criterion  −2 log L + 2 tr(J⁻¹I):  AIC for models that are not near the truth.

    I = Σ_i s_i s_iᵀ and J = −∂² log L agree for a true model, and the penalty is k then. Elsewhere it may be
    far from it; it is noisy where parameters are many.

    Parameters
    ----------
    log_likelihood : (n,) of each row at the maximum, or their sum.
    scores : (n, k) derivative of each row's log-likelihood by the parameters, at the maximum.
    hessian : (k, k) second derivative of the sum, or minus that: negative or positive definite.

    Raises what `aic` does, and `DataError` (singular-hessian).

    >>> x = np.array([0.2, 1.0, 1.8, 3.0])                       # an exponential distribution, rate 1/mean
    >>> rate = 1 / x.mean()
    >>> found = tic(np.log(rate) - rate * x, (1 / rate - x)[:, None], [[-len(x) / rate**2]])
    >>> round(found.penalty, 4)
    0.4756

    Source: K. Takeuchi, Distribution of informational statistics and a criterion of model fitting,
    Suri-Kagaku 153 (1976) 12–18 (in Japanese); S. Konishi, G. Kitagawa, Information criteria and statistical
    modeling, Springer 2008, doi:10.1007/978-0-387-71887-3.
    """
    s, h = _numbers(scores, "scores", 2), _numbers(hessian, "hessian", 2)
    if h.shape != (s.shape[1], s.shape[1]):
        raise DataError(
            "shape-mismatch",
            f"scores {s.shape} and hessian {h.shape} do not belong together",
            cure="give scores (n, k) and a hessian (k, k)",
        )
    fit = _Fit.of(log_likelihood, s.shape[1], len(s))
    try:
        penalty = abs(float(np.trace(np.linalg.solve(h, s.T @ s))))
    except np.linalg.LinAlgError:
        raise DataError(
            "singular-hessian",
            "the second derivative has no inverse, so that some parameter is not determined",
            cure="drop a parameter that the others can replace",
        ) from None
    return _criterion("TIC", fit, penalty)


@dataclass(frozen=True)
class _Fit:
    total: float
    rows: int
    se: float | None

    @classmethod
    def of(cls, log_likelihood: ArrayLike, parameters: float, rows: int | None) -> _Fit:
        """The arguments, checked."""
        values = _numbers(log_likelihood, "log_likelihood", None)
        if not parameters >= 0:
            raise UsageError("bad-option", f"parameters is {parameters}", cure="use 0 or more")
        if values.ndim == 1 and rows in (None, values.size) and values.size:
            se = (
                estimate(0.0, float(values.var(ddof=1)) / values.size, values.size).se
                if values.size > 1
                else None
            )
            return cls(math.fsum(values.tolist()), values.size, se)
        if values.ndim:
            raise DataError(
                "shape-mismatch",
                f"log_likelihood has the shape {values.shape}" + (f", and rows is {rows}" if rows else ""),
                cure="give (n,), a log-likelihood a row, or their sum and rows=n",
            )
        if rows is None or rows < 1:
            raise UsageError(
                "rows-missing", "of the sum alone the number of rows is not known", cure="say rows=n"
            )
        return cls(float(values), rows, None)


def _criterion(name: str, fit: _Fit, penalty: float) -> InformationCriterion:
    value = -2.0 * fit.total + 2.0 * penalty
    per_row = Estimate(value / (2.0 * fit.rows), fit.se, fit.rows)
    return InformationCriterion(name, value, per_row, -fit.total / fit.rows, fit.rows, penalty)


def _numbers(values: ArrayLike, name: str, dimensions: int | None) -> Floats:
    found = numbers(values, name).astype(np.float64)
    if dimensions is not None and found.ndim != dimensions:
        raise DataError(
            "shape-mismatch", f"{name} has the shape {found.shape}", cure=f"give {dimensions} dimensions"
        )
    if not np.isfinite(found).all():
        raise DataError("not-a-log-score", f"{name} holds something that is not finite", cure="find out why")
    return found
