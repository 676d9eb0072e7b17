"""Chance that anybody can repeat: 64 bits that stand for a key, mixed with a seed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

ALL = 1 << 64


def mixed(keys: Hashes, seed: int) -> Hashes:
    """SplitMix64 (Steele, Lea & Flood 2014): one to one, and every bit depends on every bit."""
    x = keys + np.uint64((seed * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) % ALL)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    hashes: Hashes = x ^ (x >> np.uint64(31))
    return hashes
