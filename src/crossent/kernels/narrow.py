"""bfloat16, which NumPy lacks: how its bits are carried in NumPy arrays, and widened."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

BFLOAT16 = np.dtype([("bfloat16", np.uint16)])
"""Arrays of this can be cut, turned and masked, and no arithmetic takes them for numbers."""


def widened(x: NDArray[Any]) -> NDArray[Any]:
    """bfloat16 as the same numbers in float32; everything else as it is."""
    if x.dtype != BFLOAT16:
        return x
    return (bits(x).astype(np.uint32) << np.uint32(16)).view(np.float32)


def narrowed(x: NDArray[Any]) -> NDArray[Any]:
    """Numbers as the nearest in bfloat16, even bits first; what is no number has the bits of one nan."""
    wide = np.ascontiguousarray(x, np.float32)
    whole = wide.view(np.uint32)
    rounded = whole + np.uint32(0x7FFF) + (whole >> np.uint32(16) & np.uint32(1))
    kept = np.where(np.isnan(wide), np.uint32(0x7FC00000), rounded) >> np.uint32(16)
    return kept.astype(np.uint16).view(BFLOAT16)


def put(x: NDArray[Any], out: NDArray[Any]) -> None:
    """Write numbers where the type may be any; halves by way of float32, as the core rounds them."""
    if out.dtype.itemsize == 2 and x.dtype.kind == "f":
        x = x.astype(np.float32, copy=False)
        x = narrowed(x) if out.dtype == BFLOAT16 else x
    out[...] = x


def bits(x: NDArray[Any]) -> NDArray[np.uint16]:
    """bfloat16 as the core takes it: there, whole numbers of 16 bits mean nothing else."""
    return x.view(np.uint16)
