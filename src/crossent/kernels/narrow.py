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


def bits(x: NDArray[Any]) -> NDArray[np.uint16]:
    """bfloat16 as the core takes it: there, whole numbers of 16 bits mean nothing else."""
    return x.view(np.uint16)
