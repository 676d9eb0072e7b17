"""Products with the Hessian of the softmax log loss, without its K × K entries a row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from crossent import kernels
from crossent._arrays import same_kind
from crossent.errors import DataError, UsageError
from crossent.functional.question import ask, times
from crossent.functional.visits import check_question
from crossent.information.arguments import Floats, Reduction, numbers


@same_kind
def hessian_vector_product(
    logits: ArrayLike,
    vector: ArrayLike,
    *,
    axis: int = -1,
    weights: ArrayLike | None = None,
    where: ArrayLike | None = None,
    reduction: Reduction = "mean",
) -> Any:
    """(diag(p) − p pᵀ) v  a row, with p = softmax(logits): the log loss's Hessian by logits, times a vector.

    The label is not needed: the Hessian is the same for all of them, and the same for soft targets that sum
    to one. It is positive semidefinite, so that it is its own Gauss–Newton matrix.

    Parameters
    ----------
    logits : (K,), (N, K) or any shape with the classes along `axis`.
    vector : an array of the same shape.
    axis, weights, where, reduction : as for `loss`; a row's product is multiplied by w_i / Σ w for the mean.

    Returns an array of the shape, library and precision of `logits`, from p ∘ (v − p·v) with v taken relative
    to its entry at the largest logit, so that confident rows keep their digits.

    Raises as `loss` does.

    >>> hessian_vector_product([0.0, 0.0], [1.0, 0.0])
    array([ 0.25, -0.25])

    Source: B. A. Pearlmutter, Fast exact multiplication by the Hessian, Neural Comput. 6 (1994) 147–160,
    doi:10.1162/neco.1994.6.1.147.
    """
    return _product(logits, numbers(vector, "vector"), axis, weights, where, reduction)


@same_kind
def gauss_newton_product(
    logits: ArrayLike,
    vector: Any,
    *,
    inputs: ArrayLike | None = None,
    jvp: Callable[[Any], Any] | None = None,
    vjp: Callable[[Any], Any] | None = None,
    weights: ArrayLike | None = None,
    where: ArrayLike | None = None,
    reduction: Reduction = "mean",
) -> Any:
    """Jᵀ H J v  with H the log loss's Hessian by logits and J the Jacobian of the logits by the parameters.

    The generalised Gauss–Newton matrix of a model, which is the Fisher information of its softmax outputs;
    equal to the Hessian where the logits are linear in the parameters.

    Parameters
    ----------
    logits : (N, K).
    vector : a direction in the space of the parameters.
    inputs : (N, D) features of a linear model, logits = inputs @ W; `vector` is then (D, K).
    jvp, vjp : of any other model: the change of the logits (N, K) along `vector`, and the map from (N, K)
        back to the parameters, both as functions of NumPy arrays.
    weights, where, reduction : as for `loss`.

    Returns what `vjp` returns; with `inputs` an array (D, K).

    Raises `UsageError` (bad-option) unless either `inputs` or both functions are given, and as `loss` does.

    >>> gauss_newton_product([[0.0, 0.0]], [[1.0, 0.0]], inputs=[[2.0]])
    array([[ 1., -1.]])

    Source: N. N. Schraudolph, Fast curvature matrix-vector products for second-order gradient descent, Neural
    Comput. 14 (2002) 1723–1738, doi:10.1162/08997660260028683.
    """
    if inputs is not None and jvp is None and vjp is None:
        x = numbers(inputs, "inputs").astype(np.float64)
        direction = numbers(vector, "vector").astype(np.float64)
        if x.ndim != 2 or direction.ndim != 2 or x.shape[1] != len(direction):
            raise DataError(
                "shape-mismatch",
                f"inputs {x.shape} and vector {direction.shape} do not belong together",
                cure="give inputs (N, D) and vector (D, K)",
            )
        return x.T @ _product(logits, x @ direction, -1, weights, where, reduction)
    if inputs is not None or jvp is None or vjp is None:
        raise UsageError(
            "bad-option",
            "the Jacobian of the logits is not given",
            cure="give inputs for a linear model, else both jvp and vjp",
        )
    return vjp(_product(logits, numbers(jvp(vector), "jvp(vector)"), -1, weights, where, reduction))


def _product(
    logits: ArrayLike,
    vector: Any,
    axis: int,
    weights: ArrayLike | None,
    where: ArrayLike | None,
    reduction: Reduction,
) -> Any:
    z = numbers(logits, "logits")
    if z.shape != vector.shape:
        raise DataError(
            "shape-mismatch",
            f"logits {z.shape} and vector {vector.shape} do not belong together",
            cure="give both the same shape",
        )
    labels = np.zeros(np.moveaxis(z, axis, -1).shape[:-1], np.int64) if z.ndim else 0
    question = ask(
        labels, z, "log_loss", kind="logits", axis=axis, weights=weights, where=where, reduction=reduction
    )
    check_question(question)
    v = np.moveaxis(vector, axis, -1).reshape(-1, vector.shape[axis]).astype(np.float64)
    if question.counted is not None:
        v = v[question.counted]
    rows = _rows_product(question.prediction.astype(np.float64, copy=False), v)
    return question.layout.back(question.spread(times(rows, question.factor())))


def _rows_product(z: Floats, v: Floats) -> Floats:
    p = kernels.softmax(z)
    # adding a constant to v changes nothing, as H 1 = 0
    relative = v - kernels.take_label(kernels.top(z)[0], v)[:, None]
    mean = np.einsum("nk,nk->n", p, relative)
    return np.asarray(p * (relative - mean[:, None]))
