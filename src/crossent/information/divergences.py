"""Divergences between two distributions, or two arrays of masses, given as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from crossent import kernels
from crossent._arrays import same_kind
from crossent.information.arguments import (
    Base,
    Reduction,
    checked_weights,
    distributions,
    masses,
    reduced,
    same_shape,
)


@same_kind
def kl_divergence(
    p: ArrayLike,
    q: ArrayLike,
    *,
    axis: int = -1,
    base: Base = None,
    weights: ArrayLike | None = None,
    where: ArrayLike | None = None,
    reduction: Reduction = "mean",
) -> Any:
    """Kullback–Leibler divergence  D(p ‖ q) = Σ_k p_k log(p_k / q_k) = H(p, q) − H(p).

    In nats unless `base` says otherwise; from 0 (p = q) to ∞ (some p_k > 0 where q_k = 0), never below 0. It
    is not symmetric. It is summed as Σ p_k log(p_k / q_k) − p_k + q_k, whose terms are all ≥ 0: close
    distributions keep their digits, and sums that differ from 1 by a rounding error do not matter.

    Parameters
    ----------
    p, q : distributions of the same shape: one (K,), or many, with the classes along `axis`.
    axis, base, weights, where, reduction : as for `cross_entropy`.

    Returns a float, or with reduction="none" an array of the shape of `p` without `axis`.

    Raises `DataError` and `UsageError`, and warns, as `cross_entropy` does.

    >>> kl_divergence([0.5, 0.5], [0.5, 0.5])
    0.0
    >>> round(kl_divergence([0.5, 0.5], [0.25, 0.75], base="bits"), 12)
    0.207518749639
    >>> kl_divergence([0.5, 0.5], [1.0, 0.0])
    inf

    Source: S. Kullback & R. A. Leibler, On information and sufficiency, Ann. Math. Stat. 22 (1951) 79–86,
    doi:10.1214/aoms/1177729694.
    """
    same_shape("p", np.shape(p), "q", np.shape(q))
    a, shape = distributions(p, axis, "p", where)
    b, _ = distributions(q, axis, "q", where)
    w = checked_weights(weights, shape, reduction, where)
    return reduced(kernels.generalised_kl_divergence(a, b), shape, w, base, reduction)


@same_kind
def generalised_kl_divergence(
    p: ArrayLike,
    q: ArrayLike,
    *,
    axis: int = -1,
    base: Base = None,
    weights: ArrayLike | None = None,
    where: ArrayLike | None = None,
    reduction: Reduction = "mean",
) -> Any:
    """Generalised Kullback–Leibler divergence (I-divergence)  Σ_k p_k log(p_k / q_k) − p_k + q_k  of masses.

    In nats unless `base` says otherwise (the whole sum is divided by its logarithm); from 0 (p = q) to ∞
    (some p_k > 0 where q_k = 0). For distributions it is the Kullback–Leibler divergence; for counts p and
    their expectations q it is half the deviance of the Poisson distribution. Its gradient with respect to q
    is 1 − p/q.

    Parameters
    ----------
    p, q : finite numbers ≥ 0 of the same shape, whatever their sums, with what is summed over along `axis`.
    axis, base, weights, where, reduction : as for `cross_entropy`.

    Returns a float, or with reduction="none" an array of the shape of `p` without `axis`.

    Raises `DataError` (not-a-mass, not-a-number, no-rows, shape-mismatch, bad-weight, no-weight) and
    `UsageError` (bad-option).

    >>> generalised_kl_divergence([0.0, 0.0], [2.0, 1.0])
    3.0
    >>> round(generalised_kl_divergence([3.0, 5.0], [4.0, 4.0]), 12)
    0.252671539216
    >>> generalised_kl_divergence([1.0], [0.0])
    inf

    Source: I. Csiszár, Why least squares and maximum entropy?, Ann. Stat. 19 (1991) 2032–2066,
    doi:10.1214/aos/1176348385.
    """
    same_shape("p", np.shape(p), "q", np.shape(q))
    a, shape = masses(p, axis, "p", where)
    b, _ = masses(q, axis, "q", where)
    w = checked_weights(weights, shape, reduction, where)
    return reduced(kernels.generalised_kl_divergence(a, b), shape, w, base, reduction)


@same_kind
def js_divergence(
    p: ArrayLike,
    q: ArrayLike,
    *,
    axis: int = -1,
    base: Base = None,
    weights: ArrayLike | None = None,
    where: ArrayLike | None = None,
    reduction: Reduction = "mean",
) -> Any:
    """Jensen–Shannon divergence  ½ D(p ‖ m) + ½ D(q ‖ m)  with the mixture  m = ½ (p + q).

    In nats unless `base` says otherwise; symmetric; from 0 (p = q) to ln 2, one bit, for distributions that
    have no class in common. Its square root is a metric. Close distributions keep their digits.

    Parameters
    ----------
    p, q : distributions of the same shape: one (K,), or many, with the classes along `axis`.
    axis, base, weights, where, reduction : as for `cross_entropy`.

    Returns a float, or with reduction="none" an array of the shape of `p` without `axis`.

    Raises `DataError` and `UsageError`, and warns, as `cross_entropy` does.

    >>> js_divergence([1.0, 0.0], [0.0, 1.0], base="bits")
    1.0
    >>> round(js_divergence([0.5, 0.5], [1.0, 0.0]), 12)
    0.215761554339

    Source: J. Lin, Divergence measures based on the Shannon entropy, IEEE Trans. Inf. Theory 37 (1991)
    145–151, doi:10.1109/18.61115.
    """
    same_shape("p", np.shape(p), "q", np.shape(q))
    a, shape = distributions(p, axis, "p", where)
    b, _ = distributions(q, axis, "q", where)
    w = checked_weights(weights, shape, reduction, where)
    return reduced(kernels.js_divergence(a, b), shape, w, base, reduction)
