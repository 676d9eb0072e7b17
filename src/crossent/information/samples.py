"""Entropy, cross-entropy and divergence of densities known by samples only; a density's change of unit."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossent._arrays import same_kind
from crossent.errors import DataError, UsageError
from crossent.exact import exact_mean
from crossent.information.arguments import Base, Floats, nats_per_unit, numbers

Method = Literal["knn", "kde"]
Bandwidth = float | str
TermsOrMean = Literal["mean", "none"]
PAIRS = 2**20
"""Pairs of points taken at once: 8 MiB of float64."""


@same_kind
def entropy_from_samples(
    x: ArrayLike,
    *,
    method: Method = "knn",
    k: int = 3,
    bandwidth: Bandwidth = "scott",
    base: Base = None,
    reduction: TermsOrMean = "mean",
) -> Any:
    """Differential entropy  H(p) = −E[log p(X)]  of the density that the rows of x come from.

    In nats per row unless `base` says otherwise; any real number, and it depends on the units of the columns
    (see `density_in_unit`). Two estimators:

    * "knn": ψ(n) − ψ(k) + log c_d + (d/n) Σ log ρ_k(xᵢ), with ρ_k the distance to the k-th nearest other row
      and c_d the volume of the unit ball. Nearly unbiased in few dimensions; in many it is tenths of a nat
      off, upwards for few rows, and columns should have like spreads.
    * "kde": −(1/n) Σ log p̂₋ᵢ(xᵢ), with p̂₋ᵢ a Gaussian kernel estimate from all other rows, whose
      covariance is that of the rows times `bandwidth`². Biased upwards: it smooths. Takes n² steps.

    Parameters
    ----------
    x : (n, d) finite numbers, or (n,) for d = 1; independent rows.
    k : neighbours; more means less variance and more bias.
    bandwidth : a factor on the standard deviations, or "scott": n^(−1/(d + 4)), or "silverman".
    reduction : "mean", or "none" for the (n,) terms whose mean it is. For "kde" their standard deviation over
        √n is about its standard error; neither says anything of the bias.

    Returns a float, or (n,).

    Raises `DataError` (not-a-number, shape-mismatch, too-few-points, equal-points where k rows coincide,
    no-spread where the rows lie in a plane) and `UsageError` (bad-option).

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=2000)
    >>> truth = 0.5 * np.log(2 * np.pi * np.e)
    >>> bool(abs(entropy_from_samples(x) - truth) < 0.05)
    True

    Source: L. F. Kozachenko & N. N. Leonenko, Probl. Inf. Transm. 23 (1987) 95–101; N. Leonenko, L. Pronzato
    & V. Savani, A class of Rényi information estimators for multidimensional densities, Ann. Stat. 36 (2008)
    2153–2182, doi:10.1214/07-AOS539; kernels: P. Hall & S. C. Morton, On the estimation of entropy, Ann.
    Inst. Stat. Math. 45 (1993) 69–88, doi:10.1007/BF00773669.
    """
    rows = _points(x, "x")
    if _known(method) == "knn":
        terms = _neighbour_terms(rows, rows, k, "x", own=True)
    else:
        terms = _kernel_terms(rows, rows, bandwidth, "x", own=True)
    return _reduced(terms, base, reduction)


@same_kind
def cross_entropy_from_samples(
    x: ArrayLike,
    y: ArrayLike,
    *,
    method: Method = "knn",
    k: int = 3,
    bandwidth: Bandwidth = "scott",
    base: Base = None,
    reduction: TermsOrMean = "mean",
) -> Any:
    """Cross-entropy  H(p, q) = −E_p[log q(X)]  from rows x of p and rows y of q.

    In nats per row unless `base` says otherwise. The log loss, on x, of a density estimated from y:

    * "knn": log m − ψ(k) + log c_d + (d/n) Σ log ν_k(xᵢ), with ν_k(xᵢ) the distance from xᵢ to the k-th
      nearest of the m rows of y. Where q has hardly any rows near those of p it is too low.
    * "kde": −(1/n) Σ log q̂(xᵢ), with q̂ the Gaussian kernel estimate from y. Far from every row of y its
      tails are those of the kernel, and the estimate far too high.

    Parameters
    ----------
    x, y : (n, d) and (m, d) finite numbers, or (n,) and (m,) for d = 1; independent rows.
    method, k, bandwidth, base, reduction : as for `entropy_from_samples`.

    Returns a float, or (n,), the terms of the rows of x. Raises what `entropy_from_samples` does.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.normal(size=2000), rng.normal(1.0, 2.0, size=3000)
    >>> truth = 0.5 * np.log(2 * np.pi * 4) + (1 + 1) / 8
    >>> bool(abs(cross_entropy_from_samples(x, y) - truth) < 0.05)
    True

    Source: Q. Wang, S. R. Kulkarni & S. Verdú, Divergence estimation for multidimensional densities via
    k-nearest-neighbor distances, IEEE Trans. Inf. Theory 55 (2009) 2392–2405, doi:10.1109/TIT.2009.2016060;
    Leonenko et al. (2008), as for `entropy_from_samples`.
    """
    rows, others = _points(x, "x"), _points(y, "y")
    if rows.shape[1] != others.shape[1]:
        raise DataError(
            "shape-mismatch",
            f"x has {rows.shape[1]} columns and y {others.shape[1]}",
            cure="give both the same columns",
        )
    if _known(method) == "knn":
        terms = _neighbour_terms(rows, others, k, "y", own=False)
    else:
        terms = _kernel_terms(rows, others, bandwidth, "y", own=False)
    return _reduced(terms, base, reduction)


@same_kind
def kl_divergence_from_samples(
    x: ArrayLike,
    y: ArrayLike,
    *,
    method: Method = "knn",
    k: int = 3,
    bandwidth: Bandwidth = "scott",
    base: Base = None,
    reduction: TermsOrMean = "mean",
) -> Any:
    """Kullback–Leibler divergence  D(p ‖ q) = H(p, q) − H(p)  from rows x of p and rows y of q.

    In nats unless `base` says otherwise, the difference of `cross_entropy_from_samples` and
    `entropy_from_samples`. Their biases partly cancel in few dimensions, and not in many. A common change of
    unit of all columns does not matter. An estimate may be below 0, which the divergence never is: it is then
    not told apart from 0.

    Parameters
    ----------
    x, y, method, k, bandwidth, base, reduction : as for `cross_entropy_from_samples`.

    Returns a float, or (n,), the terms of the rows of x. Raises what `entropy_from_samples` does.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.normal(size=2000), rng.normal(1.0, 2.0, size=3000)
    >>> truth = np.log(2) + 2 / 8 - 1 / 2
    >>> bool(abs(kl_divergence_from_samples(x, y) - truth) < 0.1)
    True

    Source: as for `cross_entropy_from_samples`.
    """
    options: dict[str, Any] = {"method": method, "k": k, "bandwidth": bandwidth, "reduction": "none"}
    terms = cross_entropy_from_samples(x, y, **options) - entropy_from_samples(x, **options)
    return _reduced(terms, base, reduction)


@same_kind
def density_in_unit(loss: ArrayLike, factor: float) -> Any:
    """Log loss of a density after every number (label, mean, standard deviation …) is multiplied by `factor`.

    It is loss + log |factor|, in nats, for each row and for the mean: densities are per unit. A model of
    prices in dollars has a log loss higher by log 100 when all is given in cents; the difference between two
    models stays. For d columns multiply by each, so add the logarithms.

    Parameters
    ----------
    loss : log losses in nats, of any shape.
    factor : how many new units an old one is; not 0.

    Returns a float or an array, as `loss`. Raises `DataError` (not-a-number), `UsageError` (bad-option).

    >>> round(density_in_unit(5.4, 1000), 6)
    12.307755
    """
    if not (math.isfinite(factor) and factor != 0.0):
        raise UsageError("bad-option", f"factor is {factor}", cure="use a finite number other than 0")
    values = numbers(loss, "loss").astype(np.float64) + math.log(abs(factor))
    return values if values.ndim else float(values)


def _neighbour_terms(rows: Floats, others: Floats, k: int, name: str, *, own: bool) -> Floats:
    """log m − ψ(k) + log c_d + d log ν_k of each row; ψ(n) for log m where rows are their own others."""
    from scipy.spatial import cKDTree
    from scipy.special import gammaln, psi

    count, d = others.shape
    if k < 1 or k != int(k):
        raise UsageError("bad-option", f"k is {k!r}", cure="use a whole number from 1")
    if count < k + own:
        raise DataError(
            "too-few-points", f"{name} has {count} rows, the estimate needs {k + own}", cure="lower k"
        )
    distance = cKDTree(others).query(rows, k=[k + own])[0][:, 0]
    equal = np.flatnonzero(distance == 0.0)
    if equal.size:
        raise DataError(
            "equal-points",
            f"{equal.size} of {len(rows)} rows equal at least {k} {'other ' if own else ''}rows of {name}",
            row=int(equal[0]),
            cure="add noise of the size of the rounding, keep distinct rows only, or raise k",
        )
    log_ball = 0.5 * d * math.log(math.pi) - float(gammaln(0.5 * d + 1.0))
    log_count = float(psi(count)) if own else math.log(count)
    return np.asarray(log_count - float(psi(k)) + log_ball + d * np.log(distance))


def _kernel_terms(rows: Floats, others: Floats, bandwidth: Bandwidth, name: str, *, own: bool) -> Floats:
    """−log of the Gaussian kernel density of `others` at each row, which leaves itself out if `own`."""
    count, d = others.shape
    if count < d + 2:
        raise DataError(
            "too-few-points",
            f"{name} has {count} rows, the estimate needs {d + 2}",
            cure="give more rows than columns",
        )
    root = _covariance_root(others, name) * _factor(bandwidth, count, d)
    a, b = np.linalg.solve(root, rows.T).T, np.linalg.solve(root, others.T).T
    constant = 0.5 * d * math.log(2.0 * math.pi) + float(np.log(np.diag(root)).sum()) + math.log(count - own)
    terms, step = np.empty(len(a)), max(1, PAIRS // count)
    for start in range(0, len(a), step):
        part = a[start : start + step]
        exponent = np.zeros((len(part), count))
        for column in range(d):
            exponent -= 0.5 * np.subtract.outer(part[:, column], b[:, column]) ** 2
        if own:
            at = np.arange(len(part))
            exponent[at, start + at] = -math.inf
        largest = exponent.max(axis=1)
        with np.errstate(under="ignore"):
            total = np.exp(exponent - largest[:, None]).sum(axis=1)
        terms[start : start + step] = constant - largest - np.log(total)
    return terms


def _covariance_root(points: Floats, name: str) -> Floats:
    """Lower triangular root of the covariance of the points."""
    covariance = np.atleast_2d(np.cov(points, rowvar=False))
    scale = np.sqrt(np.diag(covariance))
    try:
        if not scale.all():
            raise np.linalg.LinAlgError
        root = np.linalg.cholesky(covariance / np.outer(scale, scale))
        if np.diag(root).min() < 1e-7:
            raise np.linalg.LinAlgError
    except np.linalg.LinAlgError:
        raise DataError(
            "no-spread",
            f"the rows of {name} lie in a plane: a column is constant, or says what others say",
            cure="leave such columns out",
        ) from None
    return np.asarray(root * scale[:, None])


def _factor(bandwidth: Bandwidth, count: int, d: int) -> float:
    """What the standard deviations are multiplied by."""
    if bandwidth == "scott":
        return float(count ** (-1.0 / (d + 4)))
    if bandwidth == "silverman":
        return float((count * (d + 2) / 4.0) ** (-1.0 / (d + 4)))
    if isinstance(bandwidth, str) or not 0.0 < bandwidth < math.inf:
        raise UsageError(
            "bad-option", f"bandwidth is {bandwidth!r}", cure='use "scott", "silverman" or a number above 0'
        )
    return float(bandwidth)


def _points(values: ArrayLike, name: str) -> Floats:
    """(n, d) finite float64."""
    points: NDArray[Any] = numbers(values, name)
    if points.ndim not in (1, 2) or not points.size:
        raise DataError(
            "shape-mismatch", f"{name} has the shape {points.shape}", cure="give (n, d) numbers, or (n,)"
        )
    points = points.astype(np.float64).reshape(len(points), -1)
    bad = np.flatnonzero(~np.isfinite(points).all(axis=1))
    if bad.size:
        raise DataError(
            "not-a-number",
            f"{name} is not finite",
            row=int(bad[0]),
            cure="give finite numbers, or leave the row out",
        )
    return points


def _known(method: str) -> str:
    if method not in ("knn", "kde"):
        raise UsageError("bad-option", f"method is {method!r}", cure='use "knn" or "kde"')
    return method


def _reduced(terms: Floats, base: Base, reduction: str) -> Any:
    unit = nats_per_unit(base)
    if reduction not in ("mean", "none"):
        raise UsageError("bad-option", f"reduction is {reduction!r}", cure='use "mean" or "none"')
    return exact_mean(terms) / unit if reduction == "mean" else terms / unit
