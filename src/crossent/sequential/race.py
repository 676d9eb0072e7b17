"""A race of models: rows come in batches, and a model leaves once it is decided to be worse than another."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossent.errors import UsageError
from crossent.statistics.confidence_sequences import asymptotic_radius
from crossent.statistics.e_processes import BETS, PredictableRange, log_score_gains
from crossent.statistics.power import check_probability

Floats = NDArray[np.float64]
Predict = Callable[[Any], ArrayLike]

START = 500
"""Rows before anything is decided from losses alone: large losses that are rare must have had a chance."""


@dataclass(frozen=True)
class Decision:
    """Two models told apart."""

    worse: str
    """The model that left."""
    better: str
    """The model that it lost to."""
    rows: int
    """Rows after which that was decided."""


@dataclass
class _Sums:
    """Rows, sum and sum of squares of the differences of two models, shifted by the first one."""

    rows: int = 0
    shift: float = 0.0
    total: float = 0.0
    square: float = 0.0

    def paths(self, d: Floats) -> tuple[Floats, Floats, Floats]:
        """Count, mean and standard deviation after each of the next differences."""
        if self.rows == 0:
            self.shift = float(d[0])
        x = d - self.shift
        count = self.rows + np.arange(1.0, x.size + 1.0)
        total, square = self.total + np.cumsum(x), self.square + np.cumsum(x * x)
        self.rows, self.total, self.square = int(count[-1]), float(total[-1]), float(square[-1])
        mean = total / count
        return count, mean + self.shift, np.sqrt(np.maximum(square / count - mean * mean, 0.0))


class Race:
    """Models that predict the same rows, in batches, until one is left.

    What is fed decides what is concluded; one race is fed in one way only.

    `update(labels, log_probabilities)` takes the log-probability of every class by every model still in. Two
    e-processes a pair (`PredictableRange`, the log score, nothing clipped) test "a is no better than b" and
    the reverse, E[log p_a(y) − log p_b(y) | past] ≤ 0 in every row; a model leaves when the evidence that
    another is better reaches K(K−1)/α. Exact for any number of rows and any dependence between them.

    `update_losses(losses)` takes losses alone, of any kind. A model leaves when the asymptotic confidence
    sequence of a difference, at level 1 − 2α/(K(K−1)), lies apart from 0. For rows whose losses have the same
    conditional mean difference and finite variance; approximate, from `start` rows on: of large losses so
    rare that these hold none it knows nothing, where predictions would tell.

    Either way the chance that any pair of the K models is ever put in the wrong order is at most α = 1 −
    `level`, over all pairs (Bonferroni) and all rows: look as often as you like. Rows must come in an order
    that does not depend on the losses, such as that of time, or a random one. Rows are not weighted. A model
    that gives the label probability 0 leaves at once, where another has not done so: its mean loss is
    infinite whatever comes.

    models : names, or functions of a batch of inputs by name, for `run`.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> labels = (rng.random(4000) < 0.3).astype(int)
    >>> def constant(p):
    ...     return lambda labels: np.log(np.tile([1 - p, p], (len(labels), 1)))
    >>> race = Race({"right": constant(0.3), "high": constant(0.5), "low": constant(0.1)})
    >>> batches = ((labels[i : i + 100], labels[i : i + 100]) for i in range(0, 4000, 100))
    >>> race.run(batches).leader, race.evaluations_saved > 0
    ('right', True)

    Sources: Waudby-Smith et al. 2024, doi:10.1214/24-AOS2408; Choe & Ramdas 2023,
    doi:10.1287/opre.2021.0792; Henzi & Ziegel 2022, doi:10.1093/biomet/asab047.
    """

    def __init__(
        self,
        models: Sequence[str] | Mapping[str, Predict],
        *,
        level: float = 0.95,
        bets: Sequence[float] = BETS,
        start: int = START,
        optimal_at: int = 1000,
    ) -> None:
        check_probability("level", level)
        self.models = tuple(models)
        if len(self.models) < 2 or len(set(self.models)) < len(self.models):
            raise UsageError(
                "race-of-one", "a race needs two models or more, of different names", cure="name them"
            )
        self._predict = dict(models) if isinstance(models, Mapping) else {}
        self._running = list(self.models)
        self._alpha = (1.0 - level) / (len(self.models) * (len(self.models) - 1) / 2)
        self._bets, self._start, self._optimal_at = tuple(bets), start, optimal_at
        self._evidence: dict[tuple[str, str], PredictableRange] = {}
        self._sums: dict[tuple[str, str], _Sums] = {}
        self._totals: dict[str, float] = dict.fromkeys(self.models, 0.0)
        self._infinite: set[str] = set()
        self._found: list[Decision] = []
        self.rows = 0
        """Rows seen."""
        self.evaluations = 0
        """Predictions used: rows times the models that were still in."""
        self.decisions: tuple[Decision, ...] = ()
        """In the order in which models left."""

    @property
    def running(self) -> tuple[str, ...]:
        """The models still in."""
        return tuple(self._running)

    @property
    def decided(self) -> bool:
        """Whether one model is left."""
        return len(self._running) == 1

    @property
    def leader(self) -> str:
        """The model of the lowest mean loss among those still in; the winner, where one is left."""
        return min(self._running, key=lambda name: (self._totals[name], self.models.index(name)))

    @property
    def evaluations_saved(self) -> int:
        """Predictions that were not needed: what all models would have taken, less what was used."""
        return self.rows * len(self.models) - self.evaluations

    def update(self, labels: ArrayLike, log_probabilities: Mapping[str, ArrayLike]) -> Self:
        """The next rows: (N,) class codes, and of each model still in (N, K) log-probabilities, −∞ for 0.

        Raises UsageError where a model still in is missing, or shapes do not fit.
        """
        self._one_way(self._sums)
        y = np.asarray(labels)
        logs = {name: self._rows_of(log_probabilities, name) for name in self._running}
        if y.ndim != 1 or any(p.ndim != 2 or len(p) != y.size for p in logs.values()):
            raise self._shapes("labels (N,) and log-probabilities (N, K) of every model")
        if y.size:
            self._count({name: 0.0 - p[np.arange(y.size), y] for name, p in logs.items()}, y.size)
            for a, b in combinations(tuple(self._running), 2):
                gain, risk, reverse = log_score_gains(y, logs[a], logs[b])
                self._bet(a, b, gain, risk)
                self._bet(b, a, -gain, reverse)
            self._drop()
        return self

    def update_losses(self, losses: Mapping[str, ArrayLike]) -> Self:
        """The next rows: (N,) losses of each model still in.

        Raises UsageError where a model still in is missing, shapes do not fit, or a loss is nan.
        """
        self._one_way(self._evidence)
        found = {name: self._rows_of(losses, name) for name in self._running}
        sizes = {loss.size for loss in found.values()}
        if len(sizes) > 1 or any(loss.ndim != 1 for loss in found.values()):
            raise self._shapes("losses (N,) of every model")
        (size,) = sizes
        if size:
            self._count(found, size)
            for a, b in combinations(tuple(self._running), 2):
                if not {a, b} & self._infinite:
                    self._compare(a, b, found[b] - found[a])
            self._drop()
        return self

    def run(self, batches: Iterable[tuple[Any, ArrayLike]]) -> Self:
        """Feed batches of (inputs, labels) until one model is left, asking only models still in for their
        (N, K) log-probabilities.
        """
        if len(self._predict) < len(self.models):
            raise UsageError(
                "race-without-functions", "the models are names", cure="give functions that predict by name"
            )
        for inputs, labels in batches:
            if self.decided:
                break
            self.update(labels, {name: self._predict[name](inputs) for name in self._running})
        return self

    # --- one pair -------------------------------------------------------------------------------------------

    def _bet(self, worse: str, better: str, gain: Floats, risk: Floats) -> None:
        """Evidence that `better` is better, by what it gains."""
        test = self._evidence.setdefault((worse, better), PredictableRange(self._bets))
        before = test.rows
        path = test.update(gain, risk)
        # two directions a pair
        above = np.flatnonzero(path >= math.log(2.0 / self._alpha))
        if above.size:
            self._decide(worse, better, before + int(above[0]) + 1)

    def _compare(self, a: str, b: str, d: Floats) -> None:
        """The sequence of the mean of loss b minus loss a."""
        count, mean, deviation = self._sums.setdefault((a, b), _Sums()).paths(d)
        radius = asymptotic_radius(count, deviation, level=1.0 - self._alpha, optimal_at=self._optimal_at)
        apart = np.flatnonzero((np.abs(mean) > radius) & (count >= self._start))
        if apart.size:
            first = int(apart[0])
            worse, better = (b, a) if mean[first] > 0.0 else (a, b)
            self._decide(worse, better, int(count[first]))

    # --- all models -----------------------------------------------------------------------------------------

    def _count(self, losses: Mapping[str, Floats], size: int) -> None:
        for name, loss in losses.items():
            if np.isnan(loss).any() or np.isneginf(loss).any():
                raise UsageError("nan-prediction", f"{name} has a loss that is no number", cure="check it")
            self._totals[name] += float(loss.sum())
        self._infinite = {name for name in self._running if math.isinf(self._totals[name])}
        self.rows += size
        self.evaluations += size * len(self._running)

    def _decide(self, worse: str, better: str, rows: int) -> None:
        # a model of infinite mean loss is better than none
        if better not in self._infinite:
            self._found.append(Decision(worse, better, rows))

    def _drop(self) -> None:
        """Let models leave in the order of rows: one that has left beats none any more."""
        finite = [name for name in self._running if name not in self._infinite]
        if finite:
            best = min(finite, key=lambda name: self._totals[name])
            for name in sorted(self._infinite, key=self.models.index):
                self._decide(name, best, self.rows)
        for found in sorted(self._found, key=lambda d: d.rows):
            if {found.worse, found.better} <= {*self._running}:
                self._running.remove(found.worse)
                self.decisions = (*self.decisions, found)
        self._found.clear()

    # --- what cannot be taken -------------------------------------------------------------------------------

    def _one_way(self, other: Mapping[Any, Any]) -> None:
        if other:
            raise UsageError(
                "race-fed-two-ways",
                "this race was fed predictions and losses",
                cure="feed one race with predictions, or with losses, from the start",
            )

    def _rows_of(self, given: Mapping[str, ArrayLike], name: str) -> Floats:
        if name not in given:
            raise UsageError(
                "race-without-model", f"{name} is still in and has no predictions", cure="give it the rows"
            )
        return np.asarray(given[name], np.float64)

    def _shapes(self, wanted: str) -> UsageError:
        return UsageError("race-shapes", f"the arrays do not fit: {wanted}", cure="give all the same rows")
