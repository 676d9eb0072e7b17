"""Products of bfloat16 matrices in float32, which PyTorch lacks on the CPU: its product rounds to bfloat16.

A logit of 20 rounded to bfloat16 is off by up to 0.06: more than all of the loss of a token that a model is
sure of.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crossent.kernels.choice import choice, threads

FEW_PRODUCTS = 1 << 23
"""Multiplications up to which one thread is done before another has started (some 20 µs)."""


def available() -> bool:
    """Whether the kernels that compute have `product`.

    They do with `avx512` on a processor that has AVX512-BF16 too (AMD from Zen 4 on, Intel Xeon from Sapphire
    Rapids on), where the compiler of the core knew it.
    """
    native = choice().native
    return native is not None and bool(native.has_product_of_bfloat16)


def product(
    x: NDArray[np.uint16],
    w: NDArray[np.uint16],
    out: NDArray[np.float32],
    bias: NDArray[np.float32] | None = None,
) -> None:
    """Write x wᵀ + bias into `out`: Σ_k x[n, k] w[v, k] + bias[v], accumulated and kept in float32.

    x : (N, D) bfloat16, given as its bits.
    w : (V, D) the same.
    out : (N, V), shares no memory with the others.
    bias : (V,), added last.

    The entries of a row lie next to each other, or those of a column of `w`; rows lie anywhere. An entry of
    the result depends on its row of `x`, its row of `w` and its bias alone, to the bit: not on N, V, layouts,
    or the number of threads. It is off by at most (D + 1)·2⁻²⁴·(Σ_k |x[n, k] w[v, k]| + |bias[v]|), and
    another D·2⁻¹²⁶: subnormal numbers count as zeros, as factors and in the sum. Beyond the result a thread
    takes up to 0.6 MB.

    Errors: `ValueError`, `TypeError` for shapes, layouts and types that are others; check `available` first.

    >>> if available():
    ...     one = np.full((1, 3), 0x3F80, np.uint16)  # 1 in bfloat16
    ...     product(one, one, out := np.empty((1, 1), np.float32))
    ...     assert out == 3
    """
    work = x.shape[0] * x.shape[1] * w.shape[0]
    row = None if bias is None else bias[None]
    turned = w.shape[1] > 1 and w.strides[1] != w.itemsize
    few = work <= FEW_PRODUCTS
    choice().native.product_of_bfloat16(x, w.T if turned else w, out, row, 1 if few else threads(), turned)
