"""What a difference between two models hangs on: the rows and clusters without which it would be another.

The mean difference is Σ w d / Σ w with d the loss of the other model minus that of the better one. Its sign
is that of Σ w d, whatever the positive weights that are left, so that leaving out the rows with the largest
w d first is the quickest way to turn it: no other set of as many rows takes more from the sum. The same holds
for clusters and their sums. Rows where the other model's loss is infinite go first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from crossent.statistics.generalised_pareto import TailIndex, tail_index
from crossent.statistics.summary import Floats

Ints = NDArray[np.int64]

SHOWN = 10
"""Rows and clusters that are named."""


@dataclass(frozen=True)
class InfluentialRow:
    """A row that speaks for the better model."""

    row: str
    """Its id, or file and row number."""
    model_loss: float
    """Loss of the other model."""
    reference_loss: float
    """Loss of the better model."""
    share: float | None
    """w d over Σ w d: of the difference that is there in the end; None where that is infinite or 0."""


@dataclass(frozen=True)
class InfluentialCluster:
    """A cluster that speaks for the better model."""

    cluster: str
    """Its name."""
    rows: int
    """Its rows."""
    share: float | None
    """Its part of the sum of the differences."""
    without: float
    """The mean difference without it (jackknife)."""


@dataclass(frozen=True)
class Influence:
    """What the difference of two models hangs on."""

    model: str
    """The other model."""
    reference: str
    """The one with the lower loss."""
    difference: float
    """Mean loss of the model minus that of the reference on the rows looked at."""
    rows: int
    """Rows looked at, those of weight 0 left out."""
    rows_to_reverse: int | None
    """The fewest rows without which the other model would be the better one; None where no rows do it."""
    top_rows: tuple[InfluentialRow, ...]
    """The first of them, those that matter most first."""
    top_share: float | None
    """The part of the difference that these rows make; above 1 where the others take some of it back."""
    clusters: int | None
    """None where rows are independent."""
    clusters_to_reverse: int | None
    """The fewest clusters without which the other model would be the better one."""
    top_clusters: tuple[InfluentialCluster, ...]
    """The clusters that speak most for the reference."""
    units_to_undecide: int | None
    """Clusters (rows, where these are independent) without which the two cannot be told apart any more, left
    out from the most influential on; None where they cannot be told apart anyway (one test by itself)."""
    tail: TailIndex | None
    """Of the differences on the side of the heavier tail."""


def influence(
    losses: tuple[Floats, Floats],
    names: tuple[str, str],
    row_names: Sequence[str],
    weight: Floats | None = None,
    cluster: tuple[Sequence[str], Ints] | None = None,
    level: float = 0.95,
) -> Influence | None:
    """What the difference between a model and the better reference hangs on.

    `losses` : (N,) of the model, and of the reference. `cluster` : names, and the code of each row. None
    where a loss of the reference is infinite, or where it is not the better one on these rows.

    >>> a, b = np.array([1.0, 1.0, 9.0]), np.array([2.0, 2.0, 1.0])
    >>> found = influence((a, b), ("a", "b"), ["first", "second", "third"])
    >>> found.rows_to_reverse, found.top_rows[0].row
    (1, 'third')
    """
    kept = np.ones(len(losses[0]), np.bool_) if weight is None else weight > 0
    index = np.flatnonzero(kept)
    w = np.ones(index.size) if weight is None else weight[index]
    model, reference = (x[index] for x in losses)
    if not index.size or not np.isfinite(reference).all():
        return None
    part = w * (model - reference)
    mean = float(part.sum() / w.sum())
    if not mean > 0:
        return None
    top = _largest(part, SHOWN)
    finite = np.isfinite(part)
    gap = (model - reference)[finite]
    totals, exposure = part, w
    clusters: tuple[InfluentialCluster, ...] = ()
    by_cluster = None
    if cluster is not None:
        codes, present = np.unique(cluster[1][index], return_inverse=True)
        totals, exposure = (np.bincount(present, x).astype(np.float64) for x in (part, w))
        by_cluster = len(codes)
        named = [cluster[0][code] for code in codes.tolist()]
        clusters = _clusters(named, np.bincount(present), totals, exposure)
    return Influence(
        model=names[0],
        reference=names[1],
        difference=mean,
        rows=int(index.size),
        rows_to_reverse=_to_reverse(part),
        top_rows=tuple(
            InfluentialRow(
                row_names[int(index[i])], float(model[i]), float(reference[i]), _share(part[i : i + 1], part)
            )
            for i in top.tolist()
        ),
        top_share=_share(part[top], part),
        clusters=by_cluster,
        clusters_to_reverse=None if cluster is None else _to_reverse(totals),
        top_clusters=clusters,
        units_to_undecide=_to_undecide(totals, exposure, level),
        tail=_heavier(tail_index(gap), tail_index(-gap)) if gap.size else None,
    )


def _largest(values: Floats, count: int) -> Ints:
    """Places of the largest positive values, descending; of equal ones the first."""
    order: Ints = np.argsort(-values, kind="stable")[:count]
    return order[values[order] > 0]


def _share(values: Floats, all_of: Floats) -> float | None:
    total = float(all_of.sum())
    return float(values.sum()) / total if math.isfinite(total) and total != 0 else None


def _to_reverse(part: Floats) -> int | None:
    """The fewest values whose removal makes the sum of the others negative."""
    infinite = int(np.count_nonzero(part == np.inf))
    finite = np.sort(part[part != np.inf])[::-1]
    left = finite.sum() - np.concatenate([[0.0], np.cumsum(finite)])
    # the sum of what is left, rounded: a zero is no reversal
    negative = left[:-1] < -1e-12 * np.abs(finite).sum() if finite.size else np.zeros(0, np.bool_)
    return infinite + int(negative.argmax()) if negative.any() else None


def _to_undecide(total: Floats, exposure: Floats, level: float) -> int | None:
    """How many units, the largest totals first, leave a difference that is not significant."""
    order = np.argsort(-total, kind="stable")
    if np.isinf(total).any():
        return None
    s, e = total[order], exposure[order]

    def left(values: Floats) -> Floats:
        """Sums over all but the first 0, 1, … units, at least two being left."""
        found: Floats = np.cumsum(values[::-1])[::-1][:-1]
        return found

    units = np.arange(len(s), 1, -1)
    if not units.size:
        return None
    mean = left(s) / left(e)
    scatter = np.maximum(left(s * s) - 2 * mean * left(s * e) + mean**2 * left(e * e), 0.0)
    error = np.sqrt(scatter * units / (units - 1)) / left(e)
    told_apart = mean > special.stdtrit(units - 1.0, 0.5 + level / 2) * error
    if not told_apart[0]:
        return None
    return int((~told_apart).argmax()) if not told_apart.all() else None


def _clusters(
    names: Sequence[str], rows: Ints, total: Floats, exposure: Floats
) -> tuple[InfluentialCluster, ...]:
    found = []
    for i in _largest(total, SHOWN).tolist():
        others = np.delete(total, i).sum(), np.delete(exposure, i).sum()
        without = float(others[0] / others[1]) if others[1] > 0 else math.nan
        found.append(InfluentialCluster(names[i], int(rows[i]), _share(total[i : i + 1], total), without))
    return tuple(found)


def _heavier(one: TailIndex | None, other: TailIndex | None) -> TailIndex | None:
    known = [tail for tail in (one, other) if tail is not None]
    return max(known, key=lambda tail: tail.k) if known else None
