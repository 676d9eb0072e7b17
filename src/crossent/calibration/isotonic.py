"""Isotonic regression: the increasing map that fits best, centred so that it is strictly increasing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from scipy import optimize

from crossent.calibration.contract import CalibrationMap
from crossent.calibration.estimator import Calibrator
from crossent.calibration.given import Floats, Logits, Rows, normalised
from crossent.calibration.registry import register
from crossent.errors import UsageError

ENDS = 0.5


@register
@dataclass(frozen=True)
class Isotonic(CalibrationMap):
    """The best increasing map of a probability, by pooling adjacent violators; linear between its points.

    Plain isotonic regression is a staircase; centred (Oron & Flournoy) each step becomes one point at the
    mean of its rows, so that different predictions stay different. Plain regression says exactly 0 below the
    lowest event and exactly 1 above the highest non-event, and one new row there costs an infinite log loss:
    here `ends` of a row (half, as Krichevsky and Trofimov have it) of the other class is added at the
    smallest and at the largest prediction, so that every probability lies strictly between 0 and 1. Beyond
    the points the map is constant. More than two classes: one map a class against the others, and rows made
    to sum to one.

    Source: A. Oron, N. Flournoy, Centered isotonic regression, Stat. Biopharm. Res. 9 (2017) 258–267,
    doi:10.1080/19466315.2017.1286256; B. Zadrozny, C. Elkan, KDD 2002, doi:10.1145/775047.775151.
    """

    name: ClassVar[str] = "isotonic"
    title: ClassVar[str] = "centred isotonic regression"
    monotone: ClassVar[bool] = True
    complexity: ClassVar[int] = 5
    takes_zero: ClassVar[bool] = True

    points: tuple[tuple[float, ...], ...]
    """Predicted probabilities, increasing: one tuple a class; of two classes only the second's."""
    values: tuple[tuple[float, ...], ...]
    """What they become."""

    @classmethod
    def of(cls, rows: Rows, *, centred: bool = True, ends: float = ENDS, **options: Any) -> Self:
        """Weighted least squares under monotonicity, which is maximum likelihood, too."""
        if not ends >= 0.0:
            raise UsageError("bad-option", f"ends is {ends}", cure="give rows from 0")
        p = np.exp(rows.log_probabilities)
        classes = [1] if rows.classes == 2 else range(rows.classes)
        found = [curve(p[:, k], rows.labels == k, rows.weights, centred=centred, ends=ends) for k in classes]
        return cls(
            tuple(tuple(x.tolist()) for x, _ in found),
            tuple(tuple(y.tolist()) for _, y in found),
        )

    def sentence(self, second: str = "the second class") -> str:
        return examples(self, second)

    def mapped(self, z: Logits) -> Floats:
        p = np.exp(normalised(z))
        columns = [1] if len(self.points) == 1 else range(p.shape[1])
        q = np.column_stack(
            [np.interp(p[:, k], x, y) for k, x, y in zip(columns, self.points, self.values, strict=True)]
        )
        return one_against_rest(q, p)


class IsotonicCalibration(Calibrator):
    """`Isotonic` as an estimator."""

    _map = "isotonic"

    def __init__(
        self, *, kind: str = "probs", floor: float = 0.0, centred: bool = True, ends: float = ENDS
    ) -> None:
        self.kind, self.floor, self.centred, self.ends = kind, floor, centred, ends


def examples(curve: CalibrationMap, second: str) -> str:
    """What becomes of three probabilities of the second class; of more classes, that there are curves."""
    try:
        new = curve.transform(np.array([0.1, 0.5, 0.9]))
    except ValueError:
        return "a curve for each class"
    return f"for {second}, " + ", ".join(
        f"{old} becomes {100 * p:.3g} %" for old, p in zip(("10 %", "50 %", "90 %"), new, strict=True)
    )


def one_against_rest(q: Floats, p: Floats) -> Floats:
    """Logarithms of probabilities that sum to one: from (N, 1) of the second class, or from a column a class;
    a row of zeros keeps what it was."""
    with np.errstate(divide="ignore"):
        if q.shape[1] == 1:
            return np.column_stack([np.log1p(-q[:, 0]), np.log(q[:, 0])])
        total = q.sum(axis=1, keepdims=True)
        q = np.where(total > 0.0, q, p)
        return np.asarray(np.log(q / q.sum(axis=1, keepdims=True)))


def curve(
    x: Floats, event: Any, weight: Floats, *, centred: bool = True, ends: float = ENDS
) -> tuple[Floats, Floats]:
    """Points (M,) and values (M,) of the increasing map from x to the frequency of the event."""
    counted = weight > 0.0
    x, event, weight = x[counted], event[counted], weight[counted]
    places, at = np.unique(x, return_inverse=True)
    w = np.bincount(at, weight, places.size)
    events = np.bincount(at, weight * event, places.size)
    if ends:
        w[0] += ends
        events[0] += ends
        w[-1] += ends
    fitted = optimize.isotonic_regression(events / w, weights=w)
    first = np.asarray(fitted.blocks[:-1])
    last = np.asarray(fitted.blocks[1:]) - 1
    levels = np.clip(fitted.x[first], 0.0, 1.0)
    if not centred:
        edges = np.unique(np.concatenate([first, last]))
        return places[edges], np.clip(fitted.x[edges], 0.0, 1.0)
    middle = np.add.reduceat(w * places, first) / np.add.reduceat(w, first)
    return np.clip(middle, places[first], places[last]), levels
