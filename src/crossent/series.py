"""The order of time that keys stand in: numbers, dates and times as text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray


def order_of_time(keys: Sequence[str]) -> NDArray[np.int64] | None:
    """Where the earliest key stands, then the next …; None where the keys are not all numbers, or all dates.

    >>> order_of_time(["10", "9.5", "-1"]).tolist()
    [2, 1, 0]
    >>> order_of_time(["2024-02-01", "2023-12-31 23:00"]).tolist()
    [1, 0]
    >>> order_of_time(["Monday", "Tuesday"]) is None
    True
    """
    for read in (float, _seconds):
        try:
            times = np.array([read(key) for key in keys], np.float64)
        except (ValueError, OverflowError):
            continue
        return np.argsort(times, kind="stable") if np.isfinite(times).all() else None
    return None


def first_without_time(keys: Sequence[str]) -> str:
    """A key that has no place in time, where there is one."""
    for key in keys:
        if order_of_time([key]) is None:
            return key
    return keys[0]


def _seconds(text: str) -> float:
    """Seconds from an ISO date or time; without a zone, as if in UTC."""
    moment = datetime.fromisoformat(text)
    naive = moment.replace(tzinfo=None) - (moment.utcoffset() or moment - moment)
    return (naive - datetime(1970, 1, 1)).total_seconds()
