"""Positions in a text as ranges that double: what a model gains from the tokens before a token."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crossent.data.labels import Keyed

LAST_POSITION = 2.0**53
"""Up to here whole numbers are exact in float64."""


def position_ranges(positions: NDArray[np.float64]) -> Keyed:
    """The range of each position: 0, 1, 2–3, 4–7, 8–15, …, in the order of the numbers.

    A grid that doubles has as many places for the first tokens of a text, where context matters most, as for
    the thousands after them. Positions (N,) are whole numbers from 0 to 2**53.

    >>> keys = position_ranges(np.array([0.0, 5.0, 3.0, 4.0]))
    >>> keys.values, keys.codes.tolist()
    (('0', '2–3', '4–7'), [0, 2, 1, 2])
    """
    exponents = np.frexp(positions)[1]  # 2**(e-1) <= position < 2**e, and 0 for 0
    used, codes = np.unique(exponents, return_inverse=True)
    return Keyed(tuple(_range(int(e)) for e in used), codes.astype(np.int64))


def _range(exponent: int) -> str:
    first, last = (1 << exponent) >> 1, (1 << exponent) - 1
    return str(first) if first == last else f"{first}–{last}"
