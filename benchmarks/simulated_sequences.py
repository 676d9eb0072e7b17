"""Simulated streams: how often a sequence that may be looked at any time is ever wrong, and what that costs.

A sequence is looked at after each of 3,000 rows. It is wrong if any of these looks is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import special

from crossent.sequential import Race
from crossent.statistics import confidence_sequences as sequences
from crossent.statistics.e_processes import PredictableRange
from simulations import Floats, Random

STEPS = 3000
RANGE = 36.8
"""Of a log score whose probabilities are at least 1e-16."""
Stream = Callable[[Random, int, int], Floats]
"""(random, runs, steps) → terms of mean 0."""
Sequence = Callable[[Floats], tuple[Floats, Floats]]


def bounded(rng: Random, runs: int, steps: int) -> Floats:
    """Differences of Brier scores: in [−1, 1]."""
    return rng.beta(2.0, 2.0, (runs, steps)) - rng.beta(2.0, 2.0, (runs, steps))


def log_scores(rng: Random, runs: int, steps: int) -> Floats:
    """Differences of log losses of two models as good, moderately skewed."""
    return rng.gamma(1.0, 0.6, (runs, steps)) - rng.gamma(1.0, 0.6, (runs, steps)).clip(max=RANGE)


def disasters(rng: Random, runs: int, steps: int) -> Floats:
    """Small gains in nearly all rows, paid for by −36.8 in one of 500."""
    rare = rng.random((runs, steps)) < 1 / 500
    return np.where(rare, -RANGE, RANGE / 499)


@dataclass(frozen=True)
class Miscoverage:
    """A confidence sequence on a stream."""

    name: str
    stream: Stream
    sequence: Sequence
    holds: bool = True
    share: float = 1.0
    """Of the runs: some sequences are slow."""

    def rate(self, runs: int, seed: int = 0, steps: int = STEPS) -> float:
        """How often the mean is ever outside the interval."""
        rng = np.random.default_rng([seed, 11])
        missed = 0
        runs = max(1, int(runs * self.share))
        for start in range(0, runs, 200):
            low, high = self.sequence(self.stream(rng, min(200, runs - start), steps))
            missed += int(((low > 1e-12) | (high < -1e-12)).any(axis=1).sum())
        return missed / runs


def _hoeffding(x: Floats) -> tuple[Floats, Floats]:
    return sequences.hoeffding(x, -1.0, 1.0)


def _bernstein(x: Floats) -> tuple[Floats, Floats]:
    return sequences.empirical_bernstein(x, -1.0, 1.0)


def _betting(x: Floats) -> tuple[Floats, Floats]:
    return sequences.betting(x, -1.0, 1.0)


def _wide(kind: str) -> Sequence:
    def found(x: Floats) -> tuple[Floats, Floats]:
        made: tuple[Floats, Floats] = getattr(sequences, kind)(x, -RANGE, RANGE)
        return made

    return found


def _asymptotic(x: Floats) -> tuple[Floats, Floats]:
    return sequences.asymptotic(x, start=100)


MISSES = (
    Miscoverage("Hoeffding, range 2", bounded, _hoeffding),
    Miscoverage("empirical Bernstein, range 2", bounded, _bernstein),
    Miscoverage("betting, range 2", bounded, _betting, share=0.1),
    Miscoverage("asymptotic from row 100, range 2", bounded, _asymptotic),
    Miscoverage("Hoeffding, log score of range 36.8", disasters, _wide("hoeffding")),
    Miscoverage("empirical Bernstein, log score of range 36.8", disasters, _wide("empirical_bernstein")),
    Miscoverage("betting, log score of range 36.8", disasters, _wide("betting"), share=0.1),
    Miscoverage("asymptotic from row 100, ordinary log losses", log_scores, _asymptotic),
    Miscoverage("asymptotic from row 100, −36.8 once in 500", disasters, _asymptotic, holds=False),
)


def equal_forecasts(rng: Random, runs: int, steps: int) -> tuple[Floats, Floats]:
    """Gains of q over p by the log score and the most that each row can lose, both forecasts as good.

    Probabilities down to 1e-16. What happens has the probability at which the expected gain is exactly 0,
    which lies between the two forecasts.
    """
    p, q = special.expit(rng.normal(0.0, 6.0, (2, runs, steps))).clip(1e-16, 1 - 1e-16)
    up, down = np.log(q / p), np.log1p(-q) - np.log1p(-p)
    truth = down / (down - up)
    gains = np.where(rng.random(p.shape) < truth, up, down)
    return gains, -np.minimum(up, down)


def false_evidence(runs: int, seed: int = 0, steps: int = STEPS) -> float:
    """How often the e-process of two forecasts as good as each other ever exceeds 20."""
    rng = np.random.default_rng([seed, 13])
    exceeded = 0
    for start in range(0, runs, 100):
        evidence = PredictableRange().update(*equal_forecasts(rng, min(100, runs - start), steps))
        exceeded += int((evidence.max(axis=1) > math.log(20)).sum())
    return exceeded / runs


def race_errors(runs: int, seed: int = 0, steps: int = STEPS) -> float:
    """How often a race of four equally good models ever sends one home."""
    rng = np.random.default_rng([seed, 19])
    names = ("a", "b", "c", "d")
    wrong = 0
    for _ in range(runs):
        losses = dict(zip(names, rng.gamma(1.0, 0.6, (4, steps)), strict=True))
        wrong += len(Race(names).update_losses(losses).running) < len(names)
    return wrong / runs


@dataclass(frozen=True)
class Power:
    """What a sequence finds in twice the rows, beside a test at the end of a fixed number of rows."""

    name: str
    fixed: float
    sequential: float
    rows: int
    """Mean number of rows that the sequence took, at most twice those of the test."""


LOOKING: dict[str, tuple[Callable[[Floats, int], tuple[Floats, Floats]], float]] = {
    "asymptotic, tightest at these rows": (
        lambda x, rows: sequences.asymptotic(x, optimal_at=rows, start=100),
        1.0,
    ),
    "empirical Bernstein": (lambda x, rows: _bernstein(x), 1.0),
    "betting": (lambda x, rows: _betting(x), 0.2),
}
"""Sequences, and the share of the runs that they are given: some are slow."""


def powers(
    runs: int, rows: int = 1000, seed: int = 0, names: tuple[str, ...] = tuple(LOOKING)
) -> list[Power]:
    """A difference of Brier scores that a test of `rows` rows finds with power 0.8."""
    rng = np.random.default_rng([seed, 17])
    # two beta(2, 2) have a variance of 0.1 between them
    effect = 2.8 * math.sqrt(0.1 / rows)
    terms = np.clip(bounded(rng, runs, 2 * rows) + effect, -1.0, 1.0)
    first = terms[:, :rows]
    t = first.mean(axis=1) / (first.std(axis=1, ddof=1) / math.sqrt(rows))
    fixed = float((t > special.stdtrit(rows - 1, 0.975)).mean())
    found = []
    for name in names:
        sequence, share = LOOKING[name]
        low, _ = sequence(terms[: max(1, int(share * runs))], rows)
        decided = low > 0
        when = np.where(decided.any(axis=1), decided.argmax(axis=1) + 1, 2 * rows)
        found.append(Power(name, fixed, float(decided.any(axis=1).mean()), round(float(when.mean()))))
    return found
