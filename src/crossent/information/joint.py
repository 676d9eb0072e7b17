"""Mutual information and conditional entropy of joint distributions given as tables."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from crossent import kernels
from crossent._arrays import same_kind
from crossent.errors import UsageError
from crossent.information.arguments import (
    Base,
    Floats,
    Reduction,
    checked_weights,
    distributions,
    numbers,
    reduced,
)

Axes = tuple[int, int]


@same_kind
def mutual_information(
    joint: ArrayLike,
    *,
    axis: Axes = (-2, -1),
    base: Base = None,
    weights: ArrayLike | None = None,
    where: ArrayLike | None = None,
    reduction: Reduction = "mean",
) -> Any:
    """Mutual information  I(X; Y) = Σ p(x, y) log(p(x, y) / (p(x) p(y))) = H(X) + H(Y) − H(X, Y).

    In nats unless `base` says otherwise; from 0 (X and Y are independent) to the smaller of H(X) and H(Y).
    It is the divergence of the joint distribution from the product of its marginals, summed from terms that
    are all ≥ 0, so that weak dependence keeps its digits and the result is never below 0.

    Parameters
    ----------
    joint : one table of probabilities p(x, y), which sum to one, or many. Counts are divided by their sum
        first; the result is then the plug-in estimate, which is too large by about (I − 1)(J − 1)/(2n) for
        an I × J table of n independent pairs.
    axis : where x and where y run.
    base, reduction : as for `entropy`.
    weights, where : one number, one bool a table.

    Returns a float, or with reduction="none" an array of the shape of `joint` without the two axes.

    Raises `DataError` and `UsageError`, and warns, as `entropy` does.

    >>> mutual_information([[0.5, 0.0], [0.0, 0.5]], base="bits")
    1.0
    >>> mutual_information([[0.25, 0.25], [0.25, 0.25]])
    0.0

    Source: C. E. Shannon, doi:10.1002/j.1538-7305.1948.tb01338.x; T. M. Cover & J. A. Thomas, Elements of
    Information Theory (2006), ch. 2, doi:10.1002/047174882X.
    """
    tables, shape = _tables(joint, axis, where)
    w = checked_weights(weights, shape, reduction, where)
    # Σ_x p(x) D(p(y | x) ‖ p(y)): the product p(x) p(y), which may underflow, is never formed.
    p_x, p_y_given_x = _conditionals(tables)
    p_y = np.broadcast_to(tables.sum(axis=1, keepdims=True), tables.shape)
    per_x = kernels.generalised_kl_divergence(p_y_given_x, p_y.reshape(p_y_given_x.shape))
    return reduced(_mean_over_x(p_x, per_x), shape, w, base, reduction)


@same_kind
def conditional_entropy(
    joint: ArrayLike,
    *,
    axis: Axes = (-2, -1),
    base: Base = None,
    weights: ArrayLike | None = None,
    where: ArrayLike | None = None,
    reduction: Reduction = "mean",
) -> Any:
    """Conditional entropy  H(Y | X) = −Σ p(x, y) log(p(x, y) / p(x)) = H(X, Y) − H(X).

    In nats unless `base` says otherwise; from 0 (X determines Y) to H(Y) (X says nothing of Y). It is the
    lowest cross-entropy that predictions of Y from X can reach.

    Parameters
    ----------
    joint : one table of probabilities p(x, y), which sum to one, or many.
    axis : where x, which is known, and where y, which is not, run: (-2, -1) for H(Y | X) of tables with a
        row for each x; (-1, -2) for H(X | Y).
    base, reduction : as for `entropy`.
    weights, where : one number, one bool a table.

    Returns a float, or with reduction="none" an array of the shape of `joint` without the two axes.

    Raises `DataError` and `UsageError`, and warns, as `entropy` does.

    >>> joint = [[0.5, 0.0], [0.25, 0.25]]
    >>> conditional_entropy(joint, base="bits")
    0.5
    >>> round(conditional_entropy(joint, axis=(-1, -2), base="bits"), 12)
    0.688721875541

    Source: C. E. Shannon, doi:10.1002/j.1538-7305.1948.tb01338.x.
    """
    tables, shape = _tables(joint, axis, where)
    w = checked_weights(weights, shape, reduction, where)
    p_x, p_y_given_x = _conditionals(tables)
    return reduced(_mean_over_x(p_x, kernels.entropy(p_y_given_x)), shape, w, base, reduction)


def _tables(joint: ArrayLike, axis: Axes, where: ArrayLike | None) -> tuple[Floats, tuple[int, ...]]:
    """Checked tables (N, X, Y), and the shape of `joint` without the two axes."""
    array = numbers(joint, "joint")
    dimensions = array.ndim
    known = all(-dimensions <= a < dimensions for a in axis)
    if not known or axis[0] % dimensions == axis[1] % dimensions:
        raise UsageError(
            "bad-option",
            f"axis is {axis}, joint has {dimensions} dimensions",
            cure="name two different axes it has, that of x and that of y",
        )
    last = np.moveaxis(array, axis, (-2, -1))
    x, y = last.shape[-2:]
    rows, shape = distributions(last.reshape(*last.shape[:-2], x * y), -1, "joint", where)
    return np.maximum(rows, 0.0, dtype=np.float64).reshape(-1, x, y), shape


def _conditionals(tables: Floats) -> tuple[Floats, Floats]:
    """p(x) as (N, X), and p(y | x) as (N·X, Y), rows of zeros where p(x) is 0."""
    p_x = tables.sum(axis=2)
    given = np.divide(tables, p_x[:, :, None], out=np.zeros_like(tables), where=p_x[:, :, None] > 0.0)
    return p_x, given.reshape(-1, tables.shape[2])


def _mean_over_x(p_x: Floats, per_x: Floats) -> Floats:
    return np.asarray((p_x * per_x.reshape(p_x.shape)).sum(axis=1))
