"""Deciding between models from a part of the rows: intervals for differences that hold at every look.

The rows of the data are cut into windows of consecutive rows, and the windows into strata of neighbours. A
round draws one window of every stratum by chance, none twice. Rows may be sorted in any way: it is the draw
that is random, not the data. After t of M windows the difference of two models' mean losses over *all* rows
lies, for every pair and after every round at once, with probability 1 − α within

    Δ̂ ± s · u(v)/(v ē) ,   v = t/(1 − t/M) ,   at the level 1 − α/(number of pairs) ,

Δ̂ = Σ D_u / Σ E_u being the difference so far, s the standard deviation of the residuals D_u − Δ̂ E_u of the
windows, ē their mean weight and u the boundary of the asymptotic confidence sequence. For draws without
replacement (S_t − tμ)/(1 − t/M) is a martingale of variance σ²v, hence v; for one draw a stratum its variance
is smaller. No use is made of that: in sorted data the deviation within strata can hang on a single stratum,
and then says little. So intervals are too wide rather than too narrow where rows are sorted.

Sources: Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas 2024, doi:10.1214/24-AOS2408; Waudby-Smith & Ramdas
2020, arXiv:2006.04347 (without replacement); Cochran 1977, chapters 2, 5 and 6.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from crossent.statistics.confidence_sequences import asymptotic_radius
from crossent.statistics.summary import Floats

Ints = NDArray[np.int64]

STRATA = 80
"""Windows a round: as many places of the data are seen before anything is decided. After 40, a fifth of the
draws put models in the wrong order that differ in one place of 2 % of the rows only; after 80 hardly any.
"""
FEWEST_ROUNDS = 25
"""Into which the data are cut, where they have as many rows: there must be something to draw from."""
MOST_ROUNDS = 2500
FEWEST_ROWS, WINDOW_ROWS = 100, 4096
"""Of a window: so that 8,000 rows are read before anything is decided, and not far more than it takes."""
OPTIMAL_AT = 2 * STRATA
"""The number of windows at which the intervals are tightest."""


@dataclass(frozen=True)
class Separation:
    """What is known of two models once reading has stopped."""

    better: str
    """The one of the lower loss so far."""
    worse: str
    """The other."""
    difference: float
    """Loss of the worse minus that of the better on the rows read; inf where only the worse is infinite."""
    low: float
    """Lower end of the confidence sequence."""
    high: float
    """Upper end of the confidence sequence."""
    decided_after: int | None
    """Rows that had been read when the interval first lay apart from 0; None where it never did."""


@dataclass(frozen=True)
class Stopping:
    """How much was read until the best model was decided."""

    seed: int
    """Of the order in which windows were drawn."""
    level: float
    """Confidence of all intervals together, over all pairs and all looks."""
    rows: int
    """Rows in the windows that were read, before conditions left any out."""
    rows_of_all: int
    """Rows of the data."""
    rows_decoded: int
    """Rows of each model that the files' format made necessary to decode, to get at those that were read."""
    window_rows: int
    """Consecutive rows that were drawn together."""
    windows: int
    """Windows that were read."""
    windows_of_all: int
    """Windows that the data were cut into."""
    looks: int
    """How often the intervals were looked at."""
    leader: str | None
    """The model decided to be the best; None where all was read without deciding."""
    pairs: tuple[Separation, ...]
    """The leader, or the best so far, against every other model, and then every other two."""

    @property
    def decided(self) -> bool:
        """Whether reading stopped because the best model was known."""
        return self.leader is not None

    @property
    def against_leader(self) -> tuple[Separation, ...]:
        """The pairs of the best model."""
        return self.pairs[: len({p.worse for p in self.pairs} | {p.better for p in self.pairs}) - 1]


def edges_of_windows(rows: int) -> list[int]:
    """Where windows begin and end, alike to one row, STRATA times as many as rounds; [] for too few rows.

    >>> edges = edges_of_windows(100_000_000)
    >>> len(edges) - 1, edges[1], edges[-1]
    (24480, 4084, 100000000)
    """
    rounds = max(FEWEST_ROUNDS, -(-rows // (WINDOW_ROWS * STRATA)))
    rounds = min(rounds, MOST_ROUNDS, rows // (FEWEST_ROWS * STRATA))
    if rounds < 3:
        return []
    count = rounds * STRATA
    return [i * rows // count for i in range(count + 1)]


def drawing_order(windows: int, seed: int) -> Ints:
    """(rounds, STRATA): the windows of every round."""
    strata = np.arange(windows).reshape(STRATA, -1)
    drawn: Ints = np.random.default_rng(seed).permuted(strata, axis=1).T
    return drawn


def rounds_at_looks(rounds: int) -> list[int]:
    """After how many rounds of all one looks: twice as many each time, as files are entered again for each.

    >>> rounds_at_looks(25)
    [1, 2, 4, 8, 16]
    """
    return [1 << i for i in range((rounds - 1).bit_length())]


def separations(
    names: Sequence[str], sums: Floats, exposure: Floats, windows_of_all: int, level: float
) -> tuple[Separation, ...]:
    """Every two models as `against_leader` wants them, the lower loss first, by the windows read so far.

    sums : (K, t) weighted losses of the windows, inf where one is. exposure : (t,) their weights.
    """
    t, total = exposure.size, float(exposure.sum())
    alpha = (1.0 - level) / max(1, len(names) * (len(names) - 1) // 2)
    time = t / max(1.0 - t / windows_of_all, 1e-12)
    unit = float(asymptotic_radius(time, 1.0, level=1.0 - alpha, optimal_at=OPTIMAL_AT)) * t / total
    means = (sums.sum(axis=1) / total).tolist()
    order = sorted(range(len(names)), key=lambda k: (means[k], names[k]))
    found = []
    for a, b in combinations(order, 2):
        if math.isinf(means[b]):
            bound = math.nan if math.isinf(means[a]) else math.inf
            found.append(Separation(names[a], names[b], bound, bound, bound, None))
            continue
        residual = sums[b] - sums[a] - (means[b] - means[a]) * exposure
        radius = unit * math.sqrt(float((residual**2).sum()) / (t - 1))
        delta = means[b] - means[a]
        found.append(Separation(names[a], names[b], delta, delta - radius, delta + radius, None))
    return tuple(found)
