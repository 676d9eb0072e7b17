"""Entropy, cross-entropy and Kullback–Leibler divergence of discrete distributions given as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from crossent import kernels
from crossent.errors import DataError
from crossent.information.arguments import (
    Base,
    Numbers,
    Reduction,
    check_range,
    check_sums,
    checked_weights,
    floored,
    numbers,
    reduced,
    rows_of,
)


def entropy(
    p: ArrayLike,
    *,
    axis: int = -1,
    base: Base = None,
    weights: ArrayLike | None = None,
    reduction: Reduction = "mean",
) -> Any:
    """Shannon entropy  H(p) = −Σ_k p_k log p_k, with 0·log 0 = 0; from 0 to log K.

    Parameters
    ----------
    p : one distribution (K,), or many, with the classes along `axis`.
    axis : where the classes are.
    base : None or "nats" for natural logarithms, "bits" or 2 for bits, or any other base.
    weights : one non-negative weight a distribution, for the mean and the sum.
    reduction : "mean" over the distributions (exactly summed), "sum", or "none": a value for each.

    Returns a float, or with reduction="none" an array of the shape of `p` without `axis`.

    Raises `DataError` (nan-prediction, not-a-probability, not-a-number, no-rows, bad-weight, no-weight,
    shape-mismatch) and `UsageError` (bad-option). Entries may leave [0, 1] by up to 1e-3; negative ones count
    as 0 and rows that do not sum to one are used as they are, both with a `UserWarning` that says how far.

    >>> entropy([0.5, 0.25, 0.25], base="bits")
    1.5
    >>> entropy([[0.5, 0.5], [1.0, 0.0]], base=2, reduction="none")
    array([1., 0.])

    Source: C. E. Shannon, A mathematical theory of communication, Bell Syst. Tech. J. 27 (1948) 379–423,
    doi:10.1002/j.1538-7305.1948.tb01338.x.
    """
    rows, shape = _distributions(p, axis, "p")
    return reduced(kernels.entropy(rows), shape, checked_weights(weights, shape, reduction), base, reduction)


def cross_entropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    axis: int = -1,
    base: Base = None,
    weights: ArrayLike | None = None,
    floor: float | None = None,
    reduction: Reduction = "mean",
) -> Any:
    """Cross-entropy  H(p, q) = −Σ_k p_k log q_k of predictions q = `y_pred` under the truth p = `y_true`.

    In nats unless `base` says otherwise; from H(p) (where q = p) to ∞. The mean over one-hot rows is the log
    loss. 0·log 0 is 0; p_k > 0 where q_k = 0 is infinite, and is returned as `inf`, never clipped.

    Parameters
    ----------
    y_true : distributions (one-hot rows, label proportions …) in the shape of `y_pred`; or class indices
        0..K−1, integers in the shape of `y_pred` without `axis`. Two arrays of the same shape are always
        distributions, so two 1-D arrays are two distributions over the same K classes.
    y_pred : one predicted distribution (K,), or many, with the classes along `axis`.
    axis : where the classes are.
    base : None or "nats" for natural logarithms, "bits" or 2 for bits, or any other base.
    weights : one non-negative weight a row; a row of weight 0 does not count, whatever its loss.
    floor : clips `y_pred` to [floor, 1 − floor] in float64 first; nothing is clipped without it.
    reduction : "mean" over the rows (exactly summed, so it does not depend on their order), "sum", or
        "none": a value for each row.

    Returns a float, or with reduction="none" an array of the shape of `y_pred` without `axis`.

    Raises `DataError` (nan-prediction, not-a-probability, not-a-number, label-out-of-range, shape-mismatch,
    no-rows, bad-weight, no-weight) and `UsageError` (bad-option). Entries may leave [0, 1] by up to 1e-3;
    negative ones count as 0 and rows that do not sum to one are used as they are, both with a `UserWarning`
    that says how far.

    >>> y_true = [[1, 0, 0], [0, 1, 0]]
    >>> y_pred = [[0.7, 0.2, 0.1], [0.1, 0.6, 0.3]]
    >>> round(cross_entropy(y_true, y_pred), 12)
    0.433750283852
    >>> cross_entropy([0, 1], y_pred) == cross_entropy(y_true, y_pred)
    True
    >>> cross_entropy([0.5, 0.5], [1.0, 0.0])
    inf
    >>> round(cross_entropy([0.5, 0.5], [1.0, 0.0], floor=1e-15), 12)
    17.269388197455

    Source: C. E. Shannon, doi:10.1002/j.1538-7305.1948.tb01338.x; I. J. Good, Rational decisions, JRSS B 14
    (1952) 107–114, doi:10.1111/j.2517-6161.1952.tb00104.x.
    """
    q, shape = _distributions(y_pred, axis, "y_pred")
    w = checked_weights(weights, shape, reduction)
    truth = np.asarray(y_true)
    if truth.shape == shape and truth.dtype.kind in "iu" and shape:
        labels = truth.reshape(-1).astype(np.int64)
        return reduced(kernels.log_loss_from_probs(labels, floored(q, floor)), shape, w, base, reduction)
    _same_shape("y_true", truth.shape, "y_pred", np.shape(y_pred))
    p, _ = _distributions(truth, axis, "y_true")
    return reduced(kernels.cross_entropy(p, floored(q, floor)), shape, w, base, reduction)


def kl_divergence(
    p: ArrayLike,
    q: ArrayLike,
    *,
    axis: int = -1,
    base: Base = None,
    weights: ArrayLike | None = None,
    reduction: Reduction = "mean",
) -> Any:
    """Kullback–Leibler divergence  D(p ‖ q) = Σ_k p_k log(p_k / q_k) = H(p, q) − H(p).

    In nats unless `base` says otherwise; from 0 (p = q) to ∞ (some p_k > 0 where q_k = 0). It is not
    symmetric. Close distributions keep their digits: the ratio's logarithm is taken from p − q.

    Parameters
    ----------
    p, q : distributions of the same shape: one (K,), or many, with the classes along `axis`.
    axis, base, weights, reduction : as for `cross_entropy`.

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
    _same_shape("p", np.shape(p), "q", np.shape(q))
    a, shape = _distributions(p, axis, "p")
    b, _ = _distributions(q, axis, "q")
    w = checked_weights(weights, shape, reduction)
    return reduced(kernels.kl_divergence(a, b), shape, w, base, reduction)


def _distributions(values: ArrayLike, axis: int, name: str) -> tuple[Numbers, tuple[int, ...]]:
    """Checked rows, and the shape of the values without the axis of the classes."""
    array = numbers(values, name)
    rows = rows_of(array, axis, name)
    check_range(rows, name)
    check_sums(rows, name)
    return rows, np.moveaxis(array, axis, -1).shape[:-1]


def _same_shape(left: str, shape: tuple[int, ...], right: str, other: tuple[int, ...]) -> None:
    if shape != other:
        raise DataError(
            "shape-mismatch",
            f"{left} {shape} and {right} {other} do not belong together",
            cure="give both the same shape (class indices are integers, one a row)",
        )
