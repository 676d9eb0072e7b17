"""Histogram binning: the frequency of the event in bins of equal weight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from crossent.calibration.contract import CalibrationMap
from crossent.calibration.estimator import Calibrator
from crossent.calibration.given import Floats, Logits, Rows, normalised
from crossent.calibration.isotonic import examples, one_against_rest
from crossent.calibration.registry import register
from crossent.errors import UsageError

BINS = 15


@register
@dataclass(frozen=True)
class Histogram(CalibrationMap):
    """Every prediction of a bin becomes (events + ½) / (rows + 1) of that bin.

    The bins hold equal weights of rows; equal predictions are never parted. The half event keeps the log loss
    finite (Krichevsky & Trofimov). More than two classes: one histogram a class against the others, and rows
    made to sum to one. Source: B. Zadrozny, C. Elkan, ICML 2001, 609–616.
    """

    name: ClassVar[str] = "histogram"
    title: ClassVar[str] = "histogram binning"
    complexity: ClassVar[int] = 6
    takes_zero: ClassVar[bool] = True

    edges: tuple[tuple[float, ...], ...]
    """(bins − 1) between the bins: one tuple a class; of two classes only the second's."""
    values: tuple[tuple[float, ...], ...]

    @classmethod
    def of(cls, rows: Rows, *, bins: int = BINS, **options: Any) -> Self:
        """Counts of `bins` bins, fewer where predictions are equal."""
        if bins < 1:
            raise UsageError("bad-option", f"bins are {bins}", cure="give 1 or more")
        p = np.exp(rows.log_probabilities)
        classes = [1] if rows.classes == 2 else range(rows.classes)
        found = [_histogram(p[:, k], rows.labels == k, rows.weights, bins) for k in classes]
        return cls(tuple(tuple(e.tolist()) for e, _ in found), tuple(tuple(v.tolist()) for _, v in found))

    def sentence(self, second: str = "the second class") -> str:
        return examples(self, second)

    def mapped(self, z: Logits) -> Floats:
        p = np.exp(normalised(z))
        columns = [1] if len(self.edges) == 1 else range(p.shape[1])
        q = [
            np.asarray(values)[np.searchsorted(edges, p[:, k], side="right")]
            for k, edges, values in zip(columns, self.edges, self.values, strict=True)
        ]
        return one_against_rest(np.column_stack(q), p)


class HistogramBinning(Calibrator):
    """`Histogram` as an estimator."""

    _map = "histogram"

    def __init__(self, *, kind: str = "probs", floor: float = 0.0, bins: int = BINS) -> None:
        self.kind, self.floor, self.bins = kind, floor, bins


def _histogram(p: Floats, event: NDArray[np.bool_], weight: Floats, bins: int) -> tuple[Floats, Floats]:
    counted = weight > 0.0
    places, at = np.unique(p[counted], return_inverse=True)
    w = np.bincount(at, weight[counted], places.size)
    events = np.bincount(at, weight[counted] * event[counted], places.size)
    middle = np.cumsum(w) - 0.5 * w
    number = np.minimum((bins * middle / w.sum()).astype(np.int64), bins - 1)
    first = np.flatnonzero(np.diff(number, prepend=-1))
    values = (np.add.reduceat(events, first) + 0.5) / (np.add.reduceat(w, first) + 1.0)
    return 0.5 * (places[first[1:]] + places[first[1:] - 1]), values
