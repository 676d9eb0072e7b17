"""Weights of classes from how often they occur."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from crossent._arrays import as_numpy, same_kind
from crossent.errors import DataError, UsageError
from crossent.imbalance.arguments import ByClass, Floats, PerClass, distribution, positive

Method = Literal["balanced", "effective", "priors"]


def class_counts(labels: ArrayLike) -> dict[Hashable, int]:
    """How often each label occurs, in the order of their first rows.

    `labels` is (N,), of any type that can be hashed. Raises `DataError` (no-rows, null-label,
    label-not-finite, shape-mismatch).

    >>> class_counts(["no", "no", "yes", "no"])
    {'no': 3, 'yes': 1}
    """
    y = np.asarray(as_numpy(labels))
    if y.ndim != 1:
        raise DataError("shape-mismatch", f"labels have the shape {y.shape}", cure="give one label a row")
    if not y.size:
        raise DataError("no-rows", "there are no labels", cure="give at least one row")
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        row = int(np.flatnonzero(~np.isfinite(y))[0])
        raise DataError(
            "label-not-finite", "not a label", row=row, value=float(y[row]), cure="leave the row out"
        )
    counts = Counter(y.tolist())
    if None in counts:
        raise DataError(
            "null-label", "there is no label", row=y.tolist().index(None), cure="leave the row out"
        )
    return dict(counts)


@same_kind
def class_weights(
    counts: PerClass,
    method: Method = "balanced",
    *,
    beta: float = 0.999,
    priors: PerClass | None = None,
) -> Any:
    """A weight for each class from the numbers n_k of its rows, to multiply the loss of these rows by.

    | method      | weight                                                    | rare class weighs up to    |
    |-------------|-----------------------------------------------------------|----------------------------|
    | `balanced`  | n / (K n_k)                                               | n_max / n_k times as much  |
    | `effective` | (1 − β) / (1 − β^{n_k}), scaled so that the K add up to K  | 1 / (1 − β) times as much  |
    | `priors`    | π_k / (n_k / n): as if class k were drawn with probability π_k | whatever π asks for   |

    Weights change what a model is trained to say: the minimum of the weighted log loss is q_k ∝ w_k p_k, not
    the truth p. `correct_weights` undoes that, and is needed wherever the probabilities are used as such.

    Parameters
    ----------
    counts : rows of each class, by name or in the order of the columns; `class_counts(labels)` counts them.
    beta : of `effective`, in [0, 1): 0 gives equal weights, towards 1 the weights go as 1 / n_k.
    priors : of `priors`: the wanted share of each class, like `counts`.

    Returns a mapping if `counts` is one (as scikit-learn's `class_weight` takes it), else an array (K,).

    Raises `DataError` (not-positive) for a class without rows, `UsageError` (bad-option, prior-classes,
    prior-not-a-distribution).

    >>> class_weights({"no": 90, "yes": 10})
    {'no': 0.5555555555555556, 'yes': 5.0}
    >>> class_weights([90, 10], "effective", beta=0.99).round(4)
    array([0.2768, 1.7232])
    >>> class_weights([90, 10], "priors", priors=[0.8, 0.2]).round(4)
    array([0.8889, 2.    ])

    Sources: G. King, L. Zeng, Logistic regression in rare events data, Polit. Anal. 9 (2001) 137–163,
    doi:10.1093/oxfordjournals.pan.a004868 (`priors`; `balanced` is the case of equal ones); Y. Cui et al.,
    Class-balanced loss based on effective number of samples, CVPR 2019, doi:10.1109/CVPR.2019.00949.
    """
    by_class = ByClass.of(counts, "counts")
    n = positive(by_class, "the count")
    if (priors is None) == (method == "priors"):
        raise UsageError(
            "bad-option",
            f"method is {method!r} and priors are {'missing' if priors is None else 'given'}",
            cure='give priors with method="priors", and with no other',
        )
    if method == "balanced":
        weights = n.sum() / (n.size * n)
    elif method == "effective":
        weights = _effective(n, beta)
    elif priors is not None:
        wanted = distribution(by_class.like(priors, "priors"), "priors")
        weights = wanted / (n / n.sum())
    else:
        raise UsageError(
            "bad-option", f"method is {method!r}", cure='use "balanced", "effective" or "priors"'
        )
    return by_class.shaped(weights)


@same_kind
def deferred_weights(epoch: int, counts: PerClass, *, start: int, beta: float = 0.9999) -> Any:
    """Class weights of an epoch when re-weighting is deferred: 1 before `start`, then `effective` weights.

    Features are learnt from the data as they are, and only the last epochs, with their small learning rate,
    move the boundary towards the rare classes.

    Parameters
    ----------
    epoch, start : counted from the same number; in epoch `start` the weights are in use.
    counts, beta : as for `class_weights`; the paper has β = 0.9999 and `start` at 80 % of the epochs.

    Returns a mapping or an array (K,), like `counts`. Raises as `class_weights` does.

    >>> [deferred_weights(e, [900, 100], start=160).round(3).tolist() for e in (159, 160)]
    [[1.0, 1.0], [0.207, 1.793]]

    Source: K. Cao et al., Learning imbalanced datasets with label-distribution-aware margin loss, NeurIPS
    2019, arXiv:1906.07413.
    """
    by_class = ByClass.of(counts, "counts")
    n = positive(by_class, "the count")
    later = _effective(n, beta)
    return by_class.shaped(np.ones(n.size) if epoch < start else later)


def _effective(n: Floats, beta: float) -> Floats:
    """1 / effective number, scaled to mean 1."""
    if not 0.0 <= beta < 1.0:
        raise UsageError("bad-option", f"beta is {beta}", cure="use a number from 0 up to, not including, 1")
    if beta == 0.0:
        return np.ones(n.size)
    # 1 − βⁿ without cancellation for β near 1
    weights = (1.0 - beta) / -np.expm1(n * np.log(beta))
    return np.asarray(weights * (n.size / weights.sum()))
