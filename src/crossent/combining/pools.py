"""The predictions of a mixture from those of its models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from crossent._arrays import same_kind
from crossent.errors import DataError, UsageError
from crossent.information.arguments import numbers
from crossent.statistics.summary import Floats

TOLERANCE = 1e-9
"""How far weights may miss the sum 1."""


@same_kind
def linear_pool(predictions: Sequence[ArrayLike], weights: ArrayLike) -> Any:
    """The mixture's probabilities  p = Σ_k w_k p_k.

    The only pool whose log score never falls below the weighted mean of the models' (Jensen), and whose
    probability of anything is the weighted mean of theirs. Where the models are calibrated and differ, it is
    less sure than it should be: see how it is calibrated.

    Parameters
    ----------
    predictions : K arrays of one shape, probabilities, in the order of the weights; classes in one order.
    weights : (K,) ≥ 0 with the sum 1, as `stacking_weights(...).weights`.

    Raises `DataError` (shape-mismatch, not-a-number) and `UsageError` (bad-mixture-weights).

    >>> linear_pool([[[0.9, 0.1]], [[0.5, 0.5]]], [0.75, 0.25])
    array([[0.8, 0.2]])

    Source: M. Stone, The opinion pool, Ann. Math. Stat. 32 (1961) 1339–1342, doi:10.1214/aoms/1177704873;
    R. Ranjan, T. Gneiting, Combining probability forecasts, JRSS B 72 (2010) 71–91,
    doi:10.1111/j.1467-9868.2009.00726.x.
    """
    w = mixture_weights(numbers(weights, "weights").astype(np.float64))
    arrays = [numbers(p, f"prediction {k}").astype(np.float64) for k, p in enumerate(predictions)]
    if len(arrays) != w.size or any(a.shape != arrays[0].shape for a in arrays):
        raise DataError(
            "shape-mismatch",
            f"{w.size} weights and predictions of {[a.shape for a in arrays]} do not belong together",
            cure="give one array a weight, all of one shape",
        )
    return pooled(arrays, w)


def pooled(arrays: Sequence[Floats], weights: Floats) -> Floats:
    """Σ_k w_k p_k; a model of weight 0 is not looked at."""
    used = [(p, w) for p, w in zip(arrays, weights.tolist(), strict=True) if w > 0.0]
    mixture: Floats = sum((w * p for p, w in used[1:]), start=used[0][1] * used[0][0])
    return mixture


def mixture_weights(weights: Floats) -> Floats:
    """The weights, divided by their sum; UsageError where they are none of a mixture."""
    if weights.ndim != 1 or not (weights >= 0.0).all() or not abs(weights.sum() - 1.0) <= TOLERANCE:
        raise UsageError(
            "bad-mixture-weights",
            f"{weights.tolist()} are no weights of a mixture",
            cure="give one number a model, none negative, with the sum 1",
        )
    shares: Floats = weights / weights.sum()
    return shares
