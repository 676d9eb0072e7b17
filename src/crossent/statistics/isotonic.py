"""Isotonic regression: the increasing function that fits best, by pooling adjacent violators.

Of all increasing functions it has the least mean squared error, and for events, too, the least log loss: for
every loss that elicits the mean. Rows with the same score are one point.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from crossent.statistics.summary import Floats


@dataclass(frozen=True)
class Steps:
    """The staircase that fits best: what rows of a score from `first` to `last` have in common is a level."""

    first: Floats
    """(M,) lowest score of each step."""
    last: Floats
    """(M,) highest score."""
    weight: Floats
    """(M,) Σ w of its rows."""
    level: Floats
    """(M,) their weighted mean, increasing."""
    middle: Floats
    """(M,) weighted mean of their scores; nan where a score is infinite on both sides."""

    def at(self, score: Floats) -> Floats:
        """The staircase at these scores; between two steps the lower one."""
        places = np.searchsorted(self.first, score, side="right") - 1
        return np.asarray(self.level[np.clip(places, 0, None)])

    def between(self, score: Floats) -> Floats:
        """Lines through the middles of the steps, constant beyond the outermost: for scores not seen before.

        Source: A. Oron, N. Flournoy, Stat. Biopharm. Res. 9 (2017), doi:10.1080/19466315.2017.1286256.
        """
        return np.asarray(np.interp(score, self.middle, self.level))


def increasing(score: Floats, y: Floats, weight: Floats) -> Steps:
    """The weighted least-squares fit of y (N,) by an increasing function of the score (N,); weights above 0.

    >>> steps = increasing(np.array([1.0, 2.0, 3.0]), np.array([0.0, 4.0, 2.0]), np.ones(3))
    >>> steps.level, steps.weight
    (array([0., 3.]), array([1., 2.]))
    """
    places, at = np.unique(score, return_inverse=True)
    w: Floats = np.bincount(at, weight, places.size).astype(np.float64)
    sums: Floats = np.bincount(at, weight * y, places.size).astype(np.float64)
    starts, w_of, sums_of = pooled(w, sums)
    ends = np.append(starts[1:], places.size) - 1
    with np.errstate(invalid="ignore"):
        middle = np.add.reduceat(np.bincount(at, weight * score, places.size), starts) / w_of
    low, high = places[starts], places[ends]
    return Steps(low, high, w_of, sums_of / w_of, np.clip(middle, low, high))


def pooled(weight: Floats, sums: Floats) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Start, Σ w and Σ w y of each step, for points (M,) in order of the score."""
    fitted = optimize.isotonic_regression(sums / weight, weights=weight)
    starts = np.asarray(fitted.blocks[:-1], np.int64)
    return starts, np.add.reduceat(weight, starts), np.add.reduceat(sums, starts)
