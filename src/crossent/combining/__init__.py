"""Mixtures of models: the weights that score best, and what mixing gains on rows nobody has looked at."""

from __future__ import annotations

from crossent.combining.arrays import (
    greedy_selection,
    mixture_gain,
    pseudo_bma_weights,
    stacking_weights,
)
from crossent.combining.pools import linear_pool
from crossent.statistics.combination import Combination, Gain
from crossent.statistics.greedy_selection import GreedySelection
from crossent.statistics.stacking import Stacking

__all__ = [
    "Combination",
    "Gain",
    "GreedySelection",
    "Stacking",
    "greedy_selection",
    "linear_pool",
    "mixture_gain",
    "pseudo_bma_weights",
    "stacking_weights",
]
