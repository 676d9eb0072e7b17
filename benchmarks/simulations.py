"""Simulated data whose truth is known, and how often what is said of them is right.

Used by `benchmarks/coverage.py` at full length and by the tests at a fraction of it. Every simulation draws
blocks of runs at once; the figures themselves come from the functions that the reports use.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import integrate

from crossent.statistics.confidence_set import model_confidence_set
from crossent.statistics.estimates import Estimate, mean_estimates
from crossent.statistics.paired import compare, pairwise
from crossent.statistics.summary import LossSummary, degrees_of_freedom

Floats = NDArray[np.float64]
Random = np.random.Generator
Units = tuple[Floats, Floats]
"""(runs, U, K) losses summed over units, and (runs, U) their exposures."""
NUMBERS = 1 << 21
"""In a block of runs."""


def summaries(total: Floats, exposure: Floats) -> list[LossSummary]:
    """A LossSummary for each run from (runs, U, K) unit losses and (runs, U) exposures."""
    runs, units, models = total.shape
    mean = total.sum(axis=1) / exposure.sum(axis=1)[:, None]
    residual = total - mean[:, None] * exposure[:, :, None]
    scatter = np.einsum("rua,rub->rab", residual, residual)
    differences = np.zeros_like(scatter)
    for a in range(models):
        for b in range(a):
            gap = residual[:, :, a] - residual[:, :, b]
            differences[:, a, b] = differences[:, b, a] = np.einsum("ru,ru->r", gap, gap)
    names = tuple(f"m{k}" for k in range(models))
    return [
        LossSummary(
            names,
            units,
            float(exposure[r].sum()),
            mean[r],
            scatter[r],
            differences[r],
            df=degrees_of_freedom(exposure[r]),
        )
        for r in range(runs)
    ]


def coverage(estimates: list[Estimate], truth: float) -> float:
    """The share of 95 % intervals that hold the truth."""
    intervals = np.array([e.interval() for e in estimates])
    return float(((intervals[:, 0] <= truth) & (truth <= intervals[:, 1])).mean())


def blocks(runs: int, numbers: int) -> Iterator[int]:
    """Runs a block, of so many numbers each."""
    most = max(1, min(runs, NUMBERS // numbers))
    for start in range(0, runs, most):
        yield min(most, runs - start)


# --- intervals --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Intervals:
    """Data on which intervals of a mean loss, and of a paired difference, should hold the truth."""

    name: str
    units: int
    draw: Callable[[Random, int, int], Units]
    """(random, runs, units) → losses of two models and exposures."""
    mean: float
    """True mean of the first model."""
    gap: float
    """True difference, second minus first."""
    holds: tuple[bool, bool] = (True, True)
    """Whether the conditions of the interval hold: of the mean, of the difference."""

    def covered(self, runs: int, seed: int = 0) -> tuple[float, float]:
        """How often 95 % intervals hold the true mean, and the true difference."""
        rng = np.random.default_rng([seed, self.units])
        means: list[Estimate] = []
        gaps: list[Estimate] = []
        for size in blocks(runs, self.units):
            for summary in summaries(*self.draw(rng, size, self.units)):
                means.append(mean_estimates(summary)[0])
                gaps.append(compare(summary, "m1", "m0").difference)
        return coverage(means, self.mean), coverage(gaps, self.gap)


def alone(first: Floats, second: Floats) -> Units:
    """Rows by themselves, each of weight one."""
    return np.stack([first, second], axis=-1), np.ones_like(first)


def gamma_rows(rng: Random, runs: int, units: int) -> Units:
    """Losses of moderate skewness; the second model is worse by 0.2."""
    first = rng.gamma(2.0, 0.5, (runs, units))
    return alone(first, first + rng.normal(0.2, 0.5, first.shape))


def log_losses(rng: Random, runs: int, units: int) -> Units:
    """Log losses of the true probability, uniform in (0, 1), and of one shrunk towards a half."""
    p = rng.random((runs, units))
    q = 0.5 + SHRUNK * (p - 0.5)
    happened = rng.random(p.shape) < p
    return alone(-np.log(np.where(happened, p, 1 - p)), -np.log(np.where(happened, q, 1 - q)))


SHRUNK = 0.7


def _shrunk_gap() -> float:
    def cross(p: float) -> float:
        q = 0.5 + SHRUNK * (p - 0.5)
        return -p * math.log(q) - (1 - p) * math.log(1 - q)

    return float(integrate.quad(cross, 0, 1)[0]) - 0.5


def skewed_rows(rng: Random, runs: int, units: int) -> Units:
    """Log-normal losses, σ = 1.5: skewness 33; the second model as good."""
    return alone(*rng.lognormal(0.0, 1.5, (2, runs, units)))


def heavy_rows(rng: Random, runs: int, units: int) -> Units:
    """Pareto losses of tail index 0.6: a mean, but no variance."""
    return alone(*(rng.pareto(1 / 0.6, (2, runs, units))))


def weighted_rows(rng: Random, runs: int, units: int) -> Units:
    """Weights of 0.2 to 3, and losses that grow with them; the second model is worse by 0.2."""
    weight = rng.uniform(0.2, 3.0, (runs, units))
    first = weight * rng.gamma(2.0, 0.5, weight.shape)
    return np.stack([weight * first, weight * (first + rng.normal(0.2, 0.5, weight.shape))], -1), weight


def unequal_weights(rng: Random, runs: int, units: int) -> Units:
    """Log-normal weights, σ = 1.5: a few rows carry the mean."""
    weight = rng.lognormal(0.0, 1.5, (runs, units))
    first = rng.gamma(2.0, 0.5, weight.shape)
    return np.stack([weight * first, weight * (first + rng.normal(0.2, 0.5, weight.shape))], -1), weight


def _clusters(rng: Random, size: Floats) -> Units:
    """Sums over clusters of given sizes, with a part that all rows of a cluster share."""

    def losses(mean: float, shared: float, own: float) -> Floats:
        together = rng.gamma(4.0, shared / 2.0, size.shape) - 2.0 * shared
        sums: Floats = size * (mean + together) + np.sqrt(size) * rng.normal(0.0, own, size.shape)
        return sums

    first = losses(1.0, 0.4, 0.7)
    return np.stack([first, first + losses(0.2, 0.3, 0.5)], axis=-1), size


def clusters(rng: Random, runs: int, units: int) -> Units:
    """Clusters of 1 to 12 rows."""
    return _clusters(rng, rng.integers(1, 13, (runs, units)).astype(np.float64))


def unequal_clusters(rng: Random, runs: int, units: int) -> Units:
    """Clusters whose sizes are log-normal, σ = 1.5: the largest of 100 holds a sixth of the rows."""
    return _clusters(rng, np.ceil(rng.lognormal(1.0, 1.5, (runs, units))))


def one_large_cluster(rng: Random, runs: int, units: int) -> Units:
    """Half of all rows in one cluster."""
    size = rng.integers(1, 13, (runs, units)).astype(np.float64)
    size[:, 0] = size[:, 1:].sum(axis=1)
    return _clusters(rng, size)


RATE, SLOPE, SIGMA = 0.9, 0.15, 0.5


def documents(rng: Random, runs: int, units: int) -> Units:
    """Nats and bytes of documents; long ones are harder, and the second model worse by 0.03 a byte."""
    z = rng.normal(size=(runs, units))
    size = np.exp(5.0 + SIGMA * z)
    first = size * (RATE + SLOPE * z + rng.normal(0.0, 0.1, z.shape))
    return np.stack([first, first + size * rng.normal(0.03, 0.1, z.shape)], axis=-1), size


def long_documents(rng: Random, runs: int, units: int) -> Units:
    """The same with sizes that differ more, σ = 1.5: a few documents hold most of the text."""
    z = rng.normal(size=(runs, units))
    size = np.exp(5.0 + 1.5 * z)
    first = size * (RATE + SLOPE * z + rng.normal(0.0, 0.1, z.shape))
    return np.stack([first, first + size * rng.normal(0.03, 0.1, z.shape)], axis=-1), size


# long documents are harder, and a byte-weighted log-normal is one shifted by its σ²
TRUE_RATE = RATE + SLOPE * SIGMA
# E[w · w g] / E[w] with g of mean 1 and w uniform on (a, b)
WEIGHTED = ((3.0**3 - 0.2**3) / 3) / ((3.0**2 - 0.2**2) / 2)

INTERVALS = (
    *(Intervals("rows, moderately skewed losses", n, gamma_rows, 1.0, 0.2) for n in (100, 1000)),
    *(Intervals("rows, log losses", n, log_losses, 0.5, _shrunk_gap(), (True, n > 500)) for n in (100, 1000)),
    *(
        Intervals(
            "rows, log-normal losses (skewness 33)", n, skewed_rows, math.exp(1.125), 0.0, (False, True)
        )
        for n in (100, 1000, 10_000)
    ),
    Intervals("rows, tail index 0.6: no variance", 1000, heavy_rows, 1.5, 0.0, (False, False)),
    *(Intervals("weighted rows", n, weighted_rows, WEIGHTED, 0.2, (n > 500, True)) for n in (100, 1000)),
    *(
        Intervals("rows, log-normal weights", n, unequal_weights, 1.0, 0.2, (n > 500, n > 500))
        for n in (100, 1000)
    ),
    *(Intervals("clusters of 1 to 12 rows", n, clusters, 1.0, 0.2) for n in (30, 100, 300, 1000)),
    *(Intervals("few clusters of 1 to 12 rows", n, clusters, 1.0, 0.2) for n in (5, 10, 20)),
    *(
        Intervals("clusters of very unequal size", n, unequal_clusters, 1.0, 0.2, (False, False))
        for n in (30, 100, 1000)
    ),
    Intervals("half of the rows in one cluster", 100, one_large_cluster, 1.0, 0.2, (False, False)),
    *(
        Intervals("nats per byte over documents", n, documents, TRUE_RATE, 0.03, (n > 200, True))
        for n in (30, 100, 300, 1000)
    ),
    *(
        Intervals(
            "documents of very unequal size", n, long_documents, RATE + SLOPE * 1.5, 0.03, (False, False)
        )
        for n in (100, 1000)
    ),
)


# --- tests ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Errors:
    """Models that are equally good: how often a test at 5 % says that any two are not."""

    name: str
    adjust: str
    draw: Callable[[Random, int], Units]
    """(random, runs) → losses of equal models and exposures."""

    def rate(self, runs: int, seed: int = 0) -> float:
        """The share of runs with a false statement."""
        rng = np.random.default_rng([seed, 5])
        tables = (pairwise(s, adjust=self.adjust) for s in summaries(*self.draw(rng, runs)))
        return float(np.mean([any(d.verdict in ("worse", "better") for d in table) for table in tables]))


def two_equal(units: int) -> Callable[[Random, int], Units]:
    """Two models on rows by themselves."""

    def draw(rng: Random, runs: int) -> Units:
        return alone(*rng.gamma(2.0, 0.5, (2, runs, units)))

    return draw


def two_tied(rng: Random, runs: int) -> Units:
    """Two models that say the same of four rows in five."""
    first = rng.gamma(2.0, 0.5, (runs, 300))
    return alone(first, np.where(rng.random(first.shape) < 0.8, first, rng.gamma(2.0, 0.5, first.shape)))


def two_on_clusters(units: int) -> Callable[[Random, int], Units]:
    """Two models on clusters of 1 to 12 rows."""

    def draw(rng: Random, runs: int) -> Units:
        total, size = clusters(rng, runs, units)
        total[..., 1] -= 0.2 * size
        return total, size

    return draw


def five_equal(rng: Random, runs: int) -> Units:
    """Five models on 100 clusters."""
    total = rng.gamma(4.0, 1.0, (runs, 100, 1)) + rng.normal(0.0, 1.0, (runs, 100, 5))
    return total, rng.integers(1, 9, (runs, 100)).astype(np.float64)


def with_copies(rng: Random, runs: int) -> Units:
    """Four models on 200 rows, two of which stand there twice; most rows are tied."""
    base = rng.gamma(2.0, 0.5, (runs, 200, 1))
    own = rng.gamma(2.0, 0.5, (runs, 200, 4))
    total = np.where(rng.random(own.shape) < 0.6, base, own)
    return np.concatenate([total, total[..., :2]], axis=-1), np.ones((runs, 200))


SIZES = (
    *(Errors(f"paired test, {n} rows", "none", two_equal(n)) for n in (30, 300)),
    Errors("paired test, 300 rows, four in five tied", "none", two_tied),
    *(Errors(f"paired test, {n} clusters", "none", two_on_clusters(n)) for n in (30, 300)),
    *(Errors(f"{name}, five models, 100 clusters", name, five_equal) for name in ("holm", "max-t")),
    *(Errors(f"{name}, four models and two copies", name, with_copies) for name in ("holm", "max-t")),
)


def best_kept(statistic: str, runs: int, *, copies: bool = False, draws: int = 1000, seed: int = 0) -> float:
    """How often the 95 % confidence set holds the best of five models, three of which are nearly as good."""
    rng = np.random.default_rng([seed, 7])
    total, size = five_equal(rng, runs)
    total = total + np.array([0.0, 0.02, 0.02, 0.1, 0.6]) * size[..., None]
    if copies:
        total = np.concatenate([total, total[..., :2]], axis=-1)
    size = np.full_like(size, size.mean())
    held = 0
    for summary in summaries(total, size):
        found = model_confidence_set(summary, alpha=0.05, statistic=statistic, draws=draws)
        held += found is not None and "m0" in found.members
    return held / runs
