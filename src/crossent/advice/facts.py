"""What can be seen in a column of labels: plain frozen records, derived from counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crossent.advice.tables import Floats, Ints, NumberCounts

_WIDEST_GRID = 1000
_FEWEST_NEIGHBOURS = 6
"""With fewer values even a random order of them rises and falls smoothly: 32 of 120 orders of five."""
_SMALLEST_TAIL = 20


@dataclass(frozen=True)
class Classes:
    """Labels as names.

    `largest` and `smallest` are the most and least frequent (name, rows); `listed` all of them, in natural
    order, where they are no more than 100. `entropy` is that of the frequencies in nats: the log loss of a
    model that always predicts these.
    """

    count: int
    largest: tuple[str, int]
    smallest: tuple[str, int]
    entropy: float
    listed: tuple[tuple[str, int], ...]
    singles: int
    """Classes of one row."""


@dataclass(frozen=True)
class Numbers:
    """Labels as numbers: moments, quantiles and shares.

    `excess_kurtosis` is 0 for a normal distribution. `tail_index` is Hill's estimate from the twentieth of
    the rows farthest from the median: moments of that order and above do not exist if it is right. `smooth`
    is the rank von Neumann ratio of the frequencies of neighbouring whole numbers, standardised: far below 0
    where neighbours have similar frequencies, as counts have and codes of classes have not.
    """

    smallest: float
    largest: float
    mean: float
    variance: float
    skewness: float
    excess_kurtosis: float
    median: float
    zeros: float
    """Share of zeros."""
    negatives: float
    """Share of numbers below 0."""
    whole: bool
    gaps: bool
    """Whether whole numbers between the smallest and the largest do not occur."""
    smooth: float | None
    tail_index: float | None
    log_skewness: float | None
    """Skewness of the logarithms, where all numbers are above 0."""
    exact: bool
    """False where there were so many different numbers that they were rounded for these figures."""


@dataclass(frozen=True)
class Lists:
    """Labels that are several a row.

    `form` is "sets" (lists of names), "indicators" (0 or 1 for each of `labels`), "one-hot" (exactly one 1 a
    row), "distributions" (fractions that sum to 1) or "fractions".
    """

    form: str
    labels: int | None
    """None where there are more than are counted."""
    a_row: float
    """Mean number of labels of a row, fractions added up."""
    empty: float
    """Share of rows without any."""
    rarest: float
    """Share of rows that have the rarest label; of fractions the mean."""
    commonest: float


@dataclass(frozen=True)
class Weights:
    """Weights of rows. `effective` is (Σw)²/Σw², the number of equal rows with the same standard error."""

    smallest: float
    largest: float
    total: float
    effective: float
    zeros: int
    by_class: bool
    """Whether all rows of a class have one weight, and not all classes the same."""


@dataclass(frozen=True)
class Facts:
    """A column of labels. `distinct` is None where there are more different ones than are counted."""

    type: str
    rows: int
    missing: int
    distinct: int | None
    classes: Classes | None = None
    numbers: Numbers | None = None
    lists: Lists | None = None
    weights: Weights | None = None
    declared_order: tuple[str, ...] | None = None
    """The order that the type of the column states (an ordered dictionary or category)."""
    recognised_order: tuple[str, ...] | None = None
    """The order that the names seem to have."""

    @property
    def share_of_rarest(self) -> float:
        """Of the rows; 1 where there are no classes."""
        return self.classes.smallest[1] / self.rows if self.classes else 1.0


def describe_classes(counts: tuple[tuple[str, int], ...], limit: int = 100) -> Classes:
    """Names in the order given, each with a count above 0."""
    rows = np.array([count for _, count in counts], np.float64)
    # sorted, so that other names for the same classes give the same bits
    p = np.sort(rows) / rows.sum()
    return Classes(
        len(counts),
        max(counts, key=lambda item: item[1]),
        min(counts, key=lambda item: item[1]),
        float(-(p * np.log(p)).sum()) + 0.0,
        counts if len(counts) <= limit else (),
        int(np.count_nonzero(rows == 1)),
    )


def describe_numbers(counts: NumberCounts) -> Numbers:
    """Everything from the table of values, so that the order of the rows cannot matter."""
    values, rows = counts.table()
    share = rows / rows.sum()
    mean, variance, skewness, kurtosis = _moments(values, share)
    positive = counts.zeros == counts.negatives == 0
    grid = _grid(values, rows) if counts.whole and counts.exact else None
    return Numbers(
        counts.smallest,
        counts.largest,
        mean,
        variance,
        skewness,
        kurtosis,
        _quantile(values, rows, 0.5),
        counts.zeros / int(rows.sum()),
        counts.negatives / int(rows.sum()),
        counts.whole,
        counts.whole and (not counts.exact or values.size <= counts.largest - counts.smallest),
        None if grid is None else _smoothness(grid),
        _tail_index(values, rows),
        _moments(np.log(values), share)[2] if positive else None,
        counts.exact,
    )


def _moments(values: Floats, share: Floats) -> tuple[float, float, float, float]:
    """Mean, variance, skewness and excess kurtosis; computed in units that cannot overflow."""
    unit = float(np.abs(values).max()) or 1.0
    scaled = values / unit
    mean = float((share * scaled).sum())
    deviation = scaled - mean
    variance = float((share * deviation**2).sum())
    if variance == 0:
        return mean * unit, 0.0, 0.0, 0.0
    z = deviation / np.sqrt(variance)
    with np.errstate(over="ignore"):
        return (
            mean * unit,
            variance * unit * unit,
            float((share * z**3).sum()),
            float((share * z**4).sum()) - 3,
        )


def _quantile(values: Floats, rows: Ints, level: float) -> float:
    """The smallest value that so many rows do not exceed."""
    reached = np.cumsum(rows)
    return float(values[np.searchsorted(reached, level * reached[-1])])


def _tail_index(values: Floats, rows: Ints) -> float | None:
    """Hill's estimate from the twentieth of the rows farthest from the median; None for too few rows.

    Source: B. M. Hill, A simple general approach to inference about the tail of a distribution, Ann. Statist.
    3 (1975) 1163–1174, doi:10.1214/aos/1176343247.
    """
    k = int(rows.sum()) // 20
    distance = np.abs(values - _quantile(values, rows, 0.5))
    order = np.argsort(-distance, kind="stable")
    distance, farthest = distance[order], np.cumsum(rows[order])
    threshold = distance[min(int(np.searchsorted(farthest, k, side="right")), distance.size - 1)]
    if k < _SMALLEST_TAIL or threshold == 0:
        return None
    taken = np.clip(k - (farthest - rows[order]), 0, rows[order])
    excess = float((taken * np.log(np.maximum(distance, threshold) / threshold)).sum())
    return k / excess if excess > 0 else None


def _grid(values: Floats, rows: Ints) -> Ints | None:
    """Rows of each whole number from the smallest to the largest, zeros included."""
    if values[-1] - values[0] >= _WIDEST_GRID:
        return None
    grid = np.zeros(int(values[-1] - values[0]) + 1, np.int64)
    grid[(values - values[0]).astype(np.int64)] = rows
    return grid


def _smoothness(grid: Ints) -> float | None:
    """Standardised rank von Neumann ratio of neighbouring frequencies.

    Source: R. Bartels, The rank version of von Neumann's ratio test for randomness, JASA 77 (1982) 40–46,
    doi:10.1080/01621459.1982.10477764.
    """
    n = grid.size
    if n < _FEWEST_NEIGHBOURS:
        return None
    _, place, times = np.unique(grid, return_inverse=True, return_counts=True)
    rank = (np.cumsum(times) - (times - 1) / 2)[place]
    spread = float(((rank - rank.mean()) ** 2).sum())
    if spread == 0:
        return None
    ratio = float((np.diff(rank) ** 2).sum()) / spread
    variance = 4 * (n - 2) * (5 * n * n - 2 * n - 9) / (5 * n * (n + 1) * (n - 1) ** 2)
    return (ratio - 2) / float(np.sqrt(variance))
