"""The array libraries that the tests compare: each makes an array of a NumPy array, and reads one back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import array_api_strict
import jax
import numpy as np
import torch


@dataclass(frozen=True)
class Library:
    name: str
    make: Callable[[np.ndarray], Any]
    type: type
    read: Callable[[Any], np.ndarray] = np.asarray
    widest: type = np.float64

    def __str__(self) -> str:
        return self.name


def read_only(array: np.ndarray) -> np.ndarray:
    copy = np.array(array)
    copy.flags.writeable = False
    return copy


def reversed_twice(array: np.ndarray) -> np.ndarray:
    """The same numbers with negative strides."""
    return np.array(array)[::-1].copy()[::-1]


LIBRARIES = (
    Library("read-only NumPy", read_only, np.ndarray),
    Library("strided NumPy", reversed_twice, np.ndarray),
    Library("array-api-strict", array_api_strict.asarray, type(array_api_strict.zeros(1))),
    Library("torch", lambda a: torch.from_numpy(np.array(a)), torch.Tensor),
    # without jax_enable_x64 its widest type is float32
    Library("jax", jax.numpy.asarray, jax.Array, widest=np.float32),
)
