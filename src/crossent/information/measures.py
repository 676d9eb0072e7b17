"""Entropy, cross-entropy and perplexity of discrete distributions given as arrays."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from crossent import kernels
from crossent._arrays import same_kind
from crossent.errors import UsageError
from crossent.information.arguments import (
    Base,
    Reduction,
    checked_weights,
    counted,
    distributions,
    floored,
    mask_of,
    reduced,
    same_shape,
)


@same_kind
def entropy(
    p: ArrayLike,
    *,
    axis: int = -1,
    base: Base = None,
    weights: ArrayLike | None = None,
    where: ArrayLike | None = None,
    reduction: Reduction = "mean",
) -> Any:
    """Shannon entropy  H(p) = −Σ_k p_k log p_k, with 0·log 0 = 0; from 0 to log K.

    Parameters
    ----------
    p : one distribution (K,), or many, with the classes along `axis`.
    axis : where the classes are.
    base : None or "nats" for natural logarithms, "bits" or 2 for bits, or any other base.
    weights : one non-negative weight a distribution, for the mean and the sum.
    where : one bool a distribution; those with False are not looked at and do not count.
    reduction : "mean" over the distributions (exactly summed), "sum", or "none": a value for each, 0 for
        those that do not count.

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
    rows, shape = distributions(p, axis, "p", where)
    w = checked_weights(weights, shape, reduction, where)
    return reduced(kernels.entropy(rows), shape, w, base, reduction)


@same_kind
def cross_entropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    axis: int = -1,
    base: Base = None,
    weights: ArrayLike | None = None,
    where: ArrayLike | None = None,
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
    where : one bool a row; rows with False (padding …) are not looked at and do not count.
    floor : clips `y_pred` to [floor, 1 − floor] in float64 first; nothing is clipped without it.
    reduction : "mean" over the rows (exactly summed, so it does not depend on their order), "sum", or
        "none": a value for each row, 0 for those that do not count.

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
    q, shape = distributions(y_pred, axis, "y_pred", where)
    w = checked_weights(weights, shape, reduction, where)
    truth, mask = np.asarray(y_true), mask_of(where, shape)
    if truth.shape == shape and truth.dtype.kind in "iu" and shape:
        labels = counted(truth.reshape(-1).astype(np.int64), mask)
        rows = kernels.log_loss_from_probs(labels, floored(q, floor))
    else:
        same_shape("y_true", truth.shape, "y_pred", np.shape(y_pred))
        p, _ = distributions(truth, axis, "y_true", where)
        rows = kernels.cross_entropy(p, floored(q, floor))
    return reduced(counted(rows, mask), shape, w, base, reduction)


@same_kind
def perplexity(
    y_true: ArrayLike,
    y_pred: ArrayLike | None = None,
    *,
    axis: int = -1,
    weights: ArrayLike | None = None,
    where: ArrayLike | None = None,
    floor: float | None = None,
    reduction: Literal["mean", "none"] = "mean",
) -> Any:
    """Perplexity  exp H(p, q) of predictions, or  exp H(p) of distributions alone; from 1 to ∞, no unit.

    The number of equally likely classes that would be as hard to predict. It is the exponential of the mean
    cross-entropy (the geometric mean over the rows), not the mean of exponentials. Of a cross-entropy already
    known it is `exp(nats)` or `2**bits`; it does not depend on the base of the logarithm.

    Parameters
    ----------
    y_true : distributions or class indices, as for `cross_entropy`; without `y_pred`, the distributions p.
    y_pred : predicted distributions q, with the classes along `axis`.
    axis, weights, where, floor : as for `cross_entropy`; `floor` needs `y_pred`.
    reduction : "mean", one perplexity of all rows, or "none": one for each, 1 for rows that do not count.

    Returns a float, or with reduction="none" an array of the shape of the predictions without `axis`. A
    predicted probability 0 of what happened makes it `inf`.

    Raises `DataError` and `UsageError`, and warns, as `cross_entropy` does.

    >>> round(perplexity([0.25, 0.25, 0.25, 0.25]), 12)
    4.0
    >>> round(perplexity([0, 1], [[0.5, 0.5], [0.875, 0.125]]), 12)  # 1/√(1/2 · 1/8)
    4.0
    >>> perplexity([1], [[1.0, 0.0]])
    inf

    Source: F. Jelinek, R. L. Mercer, L. R. Bahl & J. K. Baker, Perplexity: a measure of the difficulty of
    speech recognition tasks, J. Acoust. Soc. Am. 62 (1977) S63, doi:10.1121/1.2016299.
    """
    if reduction not in ("mean", "none"):
        raise UsageError("bad-option", f"reduction is {reduction!r}", cure='use "mean" or "none"')
    if y_pred is not None:
        nats = cross_entropy(
            y_true, y_pred, axis=axis, weights=weights, where=where, floor=floor, reduction=reduction
        )
    elif floor is None:
        nats = entropy(y_true, axis=axis, weights=weights, where=where, reduction=reduction)
    else:
        raise UsageError(
            "bad-option", "floor is given and there is no y_pred", cure="leave it out, or give predictions"
        )
    with np.errstate(over="ignore"):
        return np.exp(nats) if isinstance(nats, np.ndarray) else float(np.exp(nats))
