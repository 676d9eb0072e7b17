"""How the loss is spread: what share of the total a few bad rows hold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossent.statistics.summary import Floats

COUNTS = (1, 10, 100)
PERCENTAGES = (1, 5, 10)


@dataclass(frozen=True)
class LossHistogram:
    """Rows by the size of their loss: cells in ascending order, empty ones left out.

    low, high : (C,) edges; losses of 0 or below have a cell with low ≤ 0 of their own.
    rows : (C,) number of rows with positive weight and finite loss.
    weighted_loss : (C,) Σ w ℓ over them.
    """

    low: Floats
    high: Floats
    rows: NDArray[np.int64]
    weighted_loss: Floats


def tail_shares(
    top: Sequence[tuple[float, float]], histogram: LossHistogram, rows: int
) -> tuple[tuple[str, int, float], ...]:
    """Share of the total loss Σwℓ held by the worst 1, 10 and 100 rows and the worst 1 %, 5 % and 10 %.

    Parameters: `top` lists (ℓ, wℓ) of the worst rows, largest ℓ first; `histogram` covers all rows, those in
    `top` too. A percentage counts ⌈n·q⌉ rows. Up to len(top) rows the share is exact; beyond, the rows of the
    last cell touched count with their mean, so with 128 cells an octave their part is within 0.8 %. Returns
    (what, rows, share); "worst 10 rows" is left out where there are fewer, and everything where a loss is
    infinite or the total is not positive: no share is defined then.

    >>> cells = LossHistogram(*map(np.array, ([1.0, 8.0], [1.5, 9.0], [9, 1], [12.0, 8.0])))
    >>> tail_shares([(8.0, 8.0)], cells, 10)[:2]
    (('worst row', 1, 0.4), ('worst 10 rows', 10, 1.0))
    """
    total = math.fsum(histogram.weighted_loss)
    if not total > 0 or (top and math.isinf(top[0][0])):
        return ()
    wanted = [("worst row" if c == 1 else f"worst {c} rows", c) for c in COUNTS if c <= rows]
    wanted += [(f"worst {q} %", -(-rows * q // 100)) for q in PERCENTAGES]
    counts, held = _held_by_worst(top, histogram)
    return tuple((what, count, float(np.interp(count, counts, held)) / total) for what, count in wanted)


def _held_by_worst(
    top: Sequence[tuple[float, float]], histogram: LossHistogram
) -> tuple[NDArray[np.int64], Floats]:
    """Corners of the loss held by the worst rows as a function of their number, linear between them."""
    exact = np.cumsum([0.0, *(part for _, part in top)])
    rows = np.cumsum(histogram.rows[::-1])
    loss = np.cumsum(histogram.weighted_loss[::-1])
    beyond = rows > len(top)
    return (
        np.concatenate([np.arange(len(exact)), rows[beyond]]),
        np.concatenate([exact, loss[beyond]]),
    )


def coarse_histogram(histogram: LossHistogram, *, bars: int = 40) -> tuple[tuple[float, float, int], ...]:
    """(from, to, rows) in at most `bars` (2 or more) bars of equal width on a logarithmic axis, for a chart.

    A bar spans 2^k octaves with whole k ≥ −7, begins at a multiple of that, and holds the cells whose
    geometric middle lies in it. Cells with low ≤ 0, which such an axis lacks, come first as a bar of their
    own. Empty bars are left out.

    >>> cells = LossHistogram(*map(np.array, ([0.0, 1.0, 1.5], [0.0, 1.5, 2.0], [3, 4, 5], [0.0, 5.0, 8.0])))
    >>> coarse_histogram(cells, bars=2)
    ((0.0, 0.0, 3), (1.0, 1.4142135623730951, 4), (1.4142135623730951, 2.0, 5))
    """
    flat = histogram.low <= 0
    drawn = []
    if flat.any():
        drawn.append(
            (
                float(histogram.low[flat].min()),
                float(histogram.high[flat].max()),
                int(histogram.rows[flat].sum()),
            )
        )
    if flat.all():
        return tuple(drawn)
    high = np.minimum(histogram.high[~flat], np.finfo(np.float64).max)
    middle = (np.log2(histogram.low[~flat]) + np.log2(high)) / 2
    width = 1 / 128
    while np.ptp(np.floor(middle / width)) + 1 > max(bars, 2):
        width *= 2
    bar, cell_bar = np.unique(np.floor(middle / width), return_inverse=True)
    rows = np.bincount(cell_bar, weights=histogram.rows[~flat]).astype(np.int64)
    start = np.exp2(bar * width)
    end = np.exp2(np.minimum((bar + 1) * width, 1023.0))  # 2**1024 is beyond float64
    return tuple(drawn) + tuple(zip(start.tolist(), end.tolist(), rows.tolist(), strict=True))
