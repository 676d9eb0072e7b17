"""From the vectors of an output layer to the logits of chosen classes, and to a sampled log loss."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from crossent import kernels
from crossent._arrays import as_numpy, same_kind
from crossent.errors import DataError, UsageError
from crossent.sampling.estimators import accidental_hits, sampled_softmax
from crossent.sampling.samplers import ClassSampler

Floats = NDArray[np.float64]

GATHERED = 1 << 22
"""Entries of gathered weights at a time: 32 MiB of float64."""


@same_kind
def logits_of(
    hidden: ArrayLike, weight: ArrayLike, classes: ArrayLike, bias: ArrayLike | None = None
) -> Floats:
    """Logits hidden · weight[c] + bias[c] of chosen classes only, in float64.

    Parameters
    ----------
    hidden, weight, bias : (N, D), (V, D) and (V,).
    classes : (m,), the same for every row: one matrix product; or (N, m), each row its own: m·D numbers are
        gathered a row, 3 times as slow at D = 32 and 140 times at D = 512.

    Returns (N, m). Raises `DataError` (shape-mismatch, label-out-of-range).

    >>> logits_of([[1.0, 2.0]], [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], [2, 0], [0.0, 0.0, 0.5])
    array([[3.5, 1. ]])
    """
    x, w, codes = np.asarray(hidden, np.float64), np.asarray(weight), np.asarray(as_numpy(classes))
    b = None if bias is None else np.asarray(bias, np.float64)
    if x.ndim != 2 or w.ndim != 2 or x.shape[1] != w.shape[1] or (b is not None and b.shape != w.shape[:1]):
        raise DataError(
            "shape-mismatch",
            f"hidden {x.shape}, weight {w.shape} and bias {None if b is None else b.shape} do not fit",
            cure="give hidden (N, D), weight (V, D) and bias (V,)",
        )
    if codes.ndim not in (1, 2) or (codes.ndim == 2 and len(codes) != len(x)):
        raise DataError(
            "shape-mismatch", f"classes {codes.shape} for {len(x)} rows", cure="give classes (m,) or (N, m)"
        )
    kernels.check_labels(codes.reshape(-1), len(w))
    z = x @ w[codes].astype(np.float64).T if codes.ndim == 1 else _gathered(x, w, codes)
    return z if b is None else z + b[codes]


def _gathered(x: Floats, w: NDArray[np.floating], codes: NDArray[np.int64]) -> Floats:
    out = np.empty(codes.shape)
    step = max(1, GATHERED // max(1, codes.shape[1] * w.shape[1]))
    for start in range(0, len(x), step):
        part = slice(start, start + step)
        own = w[codes[part]].astype(np.float64)
        out[part] = np.matmul(own, x[part, :, None])[:, :, 0]
    return out


@same_kind
def sampled_log_loss(
    labels: ArrayLike,
    hidden: ArrayLike,
    weight: ArrayLike,
    *,
    sampler: ClassSampler,
    samples: int,
    rng: Generator,
    bias: ArrayLike | None = None,
    shared: bool = True,
) -> Floats:
    """(N,) estimated log loss from `samples` drawn classes, accidental hits removed; nats, range [0, ∞).

    `sampled_softmax` without `log_q_label`: too low in expectation by about Var/(2 m Z²). The draws are
    `shared` by all rows, one matrix product, unless said otherwise. Then the errors of the rows go together:
    the error of their mean falls with the number of samples, hardly with the number of rows.

    Parameters are those of `logits_of` and `sampled_softmax`. Raises `DataError` (shape-mismatch,
    label-out-of-range, nan-prediction, infinite-logit) and `UsageError` (bad-option).

    >>> import numpy as np
    >>> from crossent.sampling import uniform
    >>> rng = np.random.default_rng(0)
    >>> hidden, weight = rng.normal(size=(2, 4)), rng.normal(size=(1000, 4))
    >>> sampled_log_loss([1, 7], hidden, weight, sampler=uniform(1000), samples=500, rng=rng).shape
    (2,)
    """
    y = np.asarray(labels)
    n = len(np.asarray(hidden))
    if y.shape != (n,) or len(np.asarray(weight)) != sampler.probabilities.size:
        raise DataError(
            "shape-mismatch",
            f"labels {y.shape} and {sampler.probabilities.size} classes to draw for hidden "
            f"{np.shape(hidden)} and weight {np.shape(weight)}",
            cure="give one label a row of hidden, and a sampler over the rows of weight",
        )
    if samples < 1:
        raise UsageError("bad-option", f"samples is {samples}", cure="draw at least one class")
    drawn = sampler.draw(samples if shared else (n, samples), rng)
    return np.asarray(
        sampled_softmax(
            logits_of(hidden, weight, y[:, None], bias)[:, 0],
            logits_of(hidden, weight, drawn, bias),
            sampler.log_probability(drawn),
            hits=accidental_hits(y, drawn),
        )
    )
