"""The kernels of the compiled core behind the signatures of `reference`: arrays are laid out, labels checked."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossent.kernels.choice import choice, threads
from crossent.kernels.reference import Codes, Floats, Reals, check_labels

FEW_NUMBERS = 1 << 16
"""Up to here one thread is done before another has started (some 20 µs)."""


def rows_of(x: NDArray[Any]) -> NDArray[Any]:
    """The matrix with the entries of a row next to each other, copied where they are not."""
    itemsize = x.dtype.itemsize
    neighbours = x.shape[1] <= 1 or x.strides[1] == itemsize
    return x if neighbours and x.strides[0] % itemsize == 0 else np.ascontiguousarray(x)


def threads_for(x: NDArray[Any]) -> int:
    """Threads worth starting for these numbers."""
    return 1 if x.size <= FEW_NUMBERS else threads()


def log_loss_from_logits(labels: Codes, z: Reals) -> Floats:
    """(N,) −log softmax(z)[label]; within 4 ulp of the exact value, from float32 within a float32 ulp."""
    return _from_logits(labels, z, None)


def softmax_minus_label(labels: Codes, z: Reals) -> Floats:
    """(N, K) softmax(z) − onehot(label); the label's entry is −Σ_{j≠label} p_j, never p − 1."""
    z = z.astype(np.float64, copy=False)
    gradient = np.empty(z.shape)
    _from_logits(labels, z, gradient)
    return gradient


def _from_logits(labels: Codes, z: Reals, gradient: Floats | None) -> Floats:
    z, y = rows_of(z), np.ascontiguousarray(labels, np.int64)
    loss = np.empty(len(z))
    if choice().native.losses_from_logits(z, y, loss, gradient, None, threads_for(z)) >= 0:
        check_labels(y, z.shape[1])
    return loss
