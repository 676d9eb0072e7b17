"""Statistics and gradients of blocks of logits in NumPy: what the compiled core computes, in float64."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Logits = NDArray[np.float32]
Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

UNIT = 1024
"""Columns that are summed together, counted from class 0: results do not depend on how blocks are cut."""
ROWS = 256
"""Rows at a time: 2 MiB of float64."""


def block_statistics(
    z: Logits,
    labels: Codes,
    top: Floats,
    others: Floats,
    own: Floats,
    first: int,
    weights: Floats | None,
    sum_z: Floats | None,
    sum_ez: Floats | None,
    best: Floats | None,
    best_at: Codes | None,
) -> None:
    """See `blocks.block_statistics`; arguments have been checked."""
    for rows, start, x in _units(z):
        at = labels[rows] - (first + start)
        here = np.flatnonzero((at >= 0) & (at < x.shape[1]))
        rest = x.copy()
        rest[here, at[here]] = -np.inf
        own[rows][here] = x[here, at[here]]
        _add(rest, top[rows], others[rows], None if sum_ez is None else sum_ez[rows])
        bad = np.isnan(own[rows][here]) | (own[rows][here] == np.inf)
        for sums in (others, sum_ez):
            if sums is not None:
                sums[rows][here[bad]] = np.nan
        if sum_z is not None:
            v = None if weights is None else weights[first + start : first + start + x.shape[1]]
            sum_z[rows] += np.where(np.isnan(others[rows]), np.nan, _weighted_sum(x, v))
        if best is not None and best_at is not None:
            _take_best(x, first + start, best[rows], best_at[rows])


def block_gradient(
    z: Logits,
    labels: Codes,
    lse: Floats,
    scale: Floats,
    entry: Floats,
    out: NDArray[Any],
    first: int,
    slope: Floats | None,
    shift: Floats | None,
    weights: NDArray[np.float32] | None,
    cap: float,
) -> None:
    """See `blocks.block_gradient`; arguments have been checked, and weights are those of the block."""
    zeros = np.zeros(len(z))
    slope, shift = zeros if slope is None else slope, zeros if shift is None else shift
    nothing = (scale == 0.0) & (entry == 0.0) & (slope == 0.0) & (shift == 0.0)
    usable = np.where(np.isfinite(lse), lse, np.nan)
    for rows, start, x in _units(z):
        v = 1.0 if weights is None else weights[start : start + x.shape[1]]
        with np.errstate(all="ignore"):
            away = x - usable[rows, None]
            term = np.where(away < -86.0, 0.0, np.exp(away))
            by_z = slope[rows, None] * np.where(term == 0.0, 0.0, away)
            g = term * (scale[rows, None] + by_z) - shift[rows, None] * v
            at = labels[rows] - (first + start)
            here = np.flatnonzero((at >= 0) & (at < x.shape[1]))
            g[here, at[here]] = entry[rows][here]
            if cap > 0.0:
                share = np.maximum(x, -cap) / cap
                g *= (1.0 - share) * (1.0 + share)
            g[nothing[rows]] = 0.0
            rounded = g.astype(np.float32)
            part = out[rows, start : start + x.shape[1]]
            part[:] = _bfloat16(rounded) if out.dtype == np.uint16 else rounded.astype(out.dtype)


def _units(z: Logits) -> Iterator[tuple[slice, int, Floats]]:
    """Rows, first column and a copy in float64 of the parts of a block."""
    for start in range(0, z.shape[1], UNIT):
        for row in range(0, len(z), ROWS):
            rows = slice(row, row + ROWS)
            yield rows, start, z[rows, start : start + UNIT].astype(np.float64)


def _add(x: Floats, top: Floats, others: Floats, sum_ez: Floats | None) -> None:
    """Merge a unit, the label's logit being −inf, into the sums so far."""
    most = np.fmax.reduce(x, axis=1)
    raised = np.fmax(top, most)
    reference = np.where(raised == -np.inf, 0.0, raised)
    with np.errstate(all="ignore"):
        away = x - reference[:, None]
        term = np.exp(away)
        rise = np.where(top == -np.inf, 0.0, top - reference)
        before = np.exp(rise)
        if sum_ez is not None:
            product = np.where(term == 0.0, 0.0, term * away).sum(axis=1)
            sum_ez[:] = before * (sum_ez + others * rise) + product
        others[:] = before * others + term.sum(axis=1)
    top[:] = raised


def _weighted_sum(x: Floats, weights: Floats | None) -> Floats:
    if weights is None:
        return np.asarray(x.sum(axis=1))
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(weights == 0.0, 0.0, weights * x).sum(axis=1))


def _take_best(x: Floats, first: int, best: Floats, best_at: Codes) -> None:
    usable = np.where(np.isnan(x), -np.inf, x)
    at = usable.argmax(axis=1)
    most = usable[np.arange(len(x)), at]
    better = most > best
    best[better] = most[better]
    best_at[better] = at[better] + first


def _bfloat16(x: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Rounded to nearest even; nan stays nan."""
    whole = x.view(np.uint32)
    rounded = whole + np.uint32(0x7FFF) + ((whole >> np.uint32(16)) & np.uint32(1))
    kept = np.where(np.isnan(x), whole | np.uint32(0x400000), rounded)
    return np.asarray((kept >> np.uint32(16)).astype(np.uint16))
