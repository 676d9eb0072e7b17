"""Clusters, documents, classes and skill: intervals cover, tests keep their size, standard errors are right.

Every simulation draws all of its runs at once and has a counterpart that must fail the same criterion, or a
lower and an upper bound, so that none of them can pass by being wide.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from crossent.statistics.confidence_set import model_confidence_set
from crossent.statistics.estimates import mean_estimates
from crossent.statistics.paired import compare, pairwise
from crossent.statistics.power import required_units
from crossent.statistics.skill import skill
from crossent.statistics.slices import SliceSums, macro_mean, slice_estimate
from crossent.statistics.summary import LossSummary
from simulations import coverage, summaries

RUNS = 1200
# 95 % of 1200 runs have a standard error of 0.6 %; skewness costs up to 2 % more.
COVERED = (0.92, 0.97)


def spread_over_se(estimates) -> float:
    """Standard deviation of the values over the root mean square of their standard errors: 1 if right."""
    values, errors = np.array([(e.value, e.se) for e in estimates]).T
    return float(values.std() / math.sqrt((errors**2).mean()))


# --- clusters ---------------------------------------------------------------------------------------------


def clustered_rows(rng, units, runs=RUNS, largest=12):
    """(runs, U, rows, 2) losses of two models and which rows exist; truth: the second is worse by 0.2.

    The difference has a part that all rows of a cluster share, and is larger in large clusters.
    """
    size = rng.integers(1, largest + 1, (runs, units))
    exists = np.arange(largest) < size[:, :, None]
    base = rng.gamma(2.0, 0.5, (runs, units, largest))
    shared = rng.normal(0.0, 0.5, (runs, units, 1)) + 0.05 * (size[:, :, None] - largest)
    gap = shared + rng.normal(0.0, 0.5, (runs, units, largest))
    # E[size · (size − largest)] / E[size] over sizes 1 … largest
    sizes = np.arange(1, largest + 1)
    gap += 0.2 - 0.05 * (sizes * (sizes - largest)).sum() / sizes.sum()
    return np.stack([base, base + gap], axis=-1), exists


@pytest.mark.parametrize("units", [25, 80])
def test_clustered_paired_differences_cover(units):
    losses, exists = clustered_rows(np.random.default_rng(units), units)
    total = (losses * exists[..., None]).sum(axis=2)
    found = [compare(s, "m1", "m0").difference for s in summaries(total, exists.sum(axis=2).astype(float))]
    assert COVERED[0] <= coverage(found, 0.2) <= COVERED[1]
    assert spread_over_se(found) == pytest.approx(1.0, abs=0.06)
    assert {d.units for d in found} == {units}


def test_the_same_rows_without_their_clusters_do_not_cover():
    """The rows of a cluster as if they were independent: what the test above would fail on."""
    losses, exists = clustered_rows(np.random.default_rng(25), 25, runs=300)
    found = []
    for rows, kept in zip(losses, exists, strict=True):
        one = rows[kept][None]
        found.append(compare(summaries(one, np.ones(one.shape[:2]))[0], "m1", "m0").difference)
    assert coverage(found, 0.2) < 0.8
    assert spread_over_se(found) > 1.5


def test_clustered_test_of_equal_models_keeps_its_size():
    losses, exists = clustered_rows(np.random.default_rng(3), 40)
    losses[..., 1] -= 0.2
    total = (losses * exists[..., None]).sum(axis=2)
    p = np.array([compare(s, "m1", "m0").p for s in summaries(total, exists.sum(axis=2).astype(float))])
    assert 0.035 <= (p < 0.05).mean() <= 0.07
    assert 0.08 <= (p < 0.10).mean() <= 0.125


def test_holm_over_clustered_comparisons_keeps_the_familywise_error():
    rng = np.random.default_rng(6)
    total = rng.gamma(4.0, 1.0, (800, 40, 1)) + rng.normal(0, 1, (800, 40, 5))
    tables = [pairwise(s) for s in summaries(total, rng.integers(1, 9, (800, 40)).astype(float))]
    wrong = np.mean([any(d.verdict != "not told apart" for d in table) for table in tables])
    single = np.mean([any(d.p < 0.05 for d in table) for table in tables])
    assert wrong <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 800)
    assert single > 0.15, "without the adjustment ten comparisons are wrong far more often"


# --- bits per byte: the ratio of two sums over documents --------------------------------------------------

RATE, SLOPE, SIGMA = 0.9, 0.15, 0.5
# long documents are harder, and a byte-weighted log-normal is one shifted by its σ²
TRUE_RATE = RATE + SLOPE * SIGMA


def documents(rng, units, runs=RUNS):
    """(runs, U, 2) losses of two models and (runs, U) bytes; the second model is worse by 0.03 a byte."""
    z = rng.normal(size=(runs, units))
    size = np.exp(5.0 + SIGMA * z)
    first = size * (RATE + SLOPE * z + rng.normal(0.0, 0.1, z.shape))
    return np.stack([first, first + size * rng.normal(0.03, 0.1, z.shape)], axis=-1), size


@pytest.mark.parametrize("units", [100, 400])
def test_loss_per_byte_over_documents_covers(units):
    found = summaries(*documents(np.random.default_rng(units), units))
    rates = [mean_estimates(s)[0] for s in found]
    gaps = [compare(s, "m1", "m0").difference for s in found]
    assert COVERED[0] <= coverage(rates, TRUE_RATE) <= COVERED[1]
    assert COVERED[0] <= coverage(gaps, 0.03) <= COVERED[1]
    assert spread_over_se(rates) == pytest.approx(1.0, abs=0.08)
    bits = [e.scaled(1 / math.log(2)) for e in rates]
    assert coverage(bits, TRUE_RATE / math.log(2)) == coverage(rates, TRUE_RATE)


def test_the_mean_of_rates_of_documents_is_another_figure():
    total, size = documents(np.random.default_rng(4), 100, runs=300)
    rates = summaries(total / size[..., None], np.ones_like(size))
    assert coverage([mean_estimates(s)[0] for s in rates], TRUE_RATE) < 0.05
    assert coverage([mean_estimates(s)[0] for s in rates], RATE) > 0.92


# --- classes ----------------------------------------------------------------------------------------------

SHARE = np.array([0.6, 0.3, 0.1])
CLASS_LOSS = np.array([0.4, 0.8, 1.6])


def slices(y, losses, weights=None):
    """(runs, 3) SliceSums from (runs, N) classes, losses and weights."""
    w = np.ones_like(losses) if weights is None else weights
    columns = (np.ones_like(w), w, w * losses, w * w, w * w * losses, w * w * losses * losses)
    sums = np.stack([[(c * (y == k)).sum(axis=1) for c in columns] for k in range(3)])
    return [[SliceSums(int(n), *rest) for n, *rest in sums[:, :, run].tolist()] for run in range(len(losses))]


def labelled(rng, n, runs=RUNS):
    y = np.searchsorted(SHARE.cumsum(), rng.random((runs, n)))
    return y, rng.gamma(2.0, 0.5, y.shape) * CLASS_LOSS[y]


@pytest.mark.parametrize("weighted", [False, True])
def test_macro_mean_over_random_class_sizes_covers(weighted):
    rng = np.random.default_rng(31)
    y, losses = labelled(rng, 500)
    weights = rng.uniform(0.2, 3.0, y.shape) if weighted else None
    found = [macro_mean(map(slice_estimate, run)) for run in slices(y, losses, weights)]
    assert COVERED[0] <= coverage(found, CLASS_LOSS.mean()) <= COVERED[1]
    assert spread_over_se(found) == pytest.approx(1.0, abs=0.06)
    assert coverage(found, SHARE @ CLASS_LOSS) < 0.01, "the mean over rows is another figure"


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("prior", [None, (0.5, 0.3, 0.2)], ids=["base rate", "given"])
def test_standard_error_of_the_skill_is_its_spread(weighted, prior):
    rng = np.random.default_rng(32)
    y, losses = labelled(rng, 400)
    weights = rng.uniform(0.2, 3.0, y.shape) if weighted else None
    truth = 1 - SHARE @ CLASS_LOSS / (SHARE @ -np.log(SHARE if prior is None else prior))
    found = [skill(dict(zip("abc", run, strict=True)), prior).skill for run in slices(y, losses, weights)]
    assert COVERED[0] <= coverage(found, truth) <= COVERED[1]
    assert spread_over_se(found) == pytest.approx(1.0, abs=0.06)


def test_the_base_rate_of_the_same_rows_is_too_good_by_half_a_degree_of_freedom():
    """Its loss is too low by (K−1)/(2n): 0.025 of 0.898 nats for 3 classes and 40 rows."""
    y, losses = labelled(np.random.default_rng(33), 40)
    base = np.array([skill(dict(zip("abc", run, strict=True))).base for run in slices(y, losses)])
    entropy = -(SHARE @ np.log(SHARE))
    error = base.std() / math.sqrt(len(base))
    assert entropy - base.mean() == pytest.approx(2 / (2 * 40), abs=4 * error + 0.002)
    assert entropy - base.mean() > 4 * error


# --- what is planned and what is kept ---------------------------------------------------------------------


@pytest.mark.parametrize("effect", [0.25, 0.6, 1.2])
def test_the_planned_number_of_units_finds_the_difference_in_80_percent(effect):
    units = required_units(1.0, effect)
    gaps = np.random.default_rng(units).normal(effect, 1.0, (RUNS, units))
    total = np.stack([np.zeros_like(gaps), gaps], axis=-1)
    worse = [compare(s, "m1", "m0").verdict == "worse" for s in summaries(total, np.ones_like(gaps))]
    # of 8 units each one counts, so the smallest number that suffices may find 84 %
    assert 0.775 <= np.mean(worse) <= 0.86


@pytest.fixture(scope="module")
def races():
    """Five models on 60 clusters of 1 to 12 rows: three equally good, one slightly worse, one bad."""
    rng = np.random.default_rng(12)
    size = rng.integers(1, 13, (400, 60))
    shared = rng.gamma(2.0, 1.0, (400, 60, 1)) + rng.normal(0, 0.5, (400, 60, 5))
    return shared * size[..., None] + np.array([0, 0, 0, 0.08, 0.5]) * size[..., None], size.astype(float)


@pytest.mark.parametrize("statistic", ["range", "max"])
def test_confidence_set_over_clusters_keeps_the_best_and_drops_the_bad(races, statistic):
    found = [
        model_confidence_set(s, alpha=0.1, statistic=statistic, draws=300).members for s in summaries(*races)
    ]
    for best in ("m0", "m1", "m2"):
        assert np.mean([best in members for members in found]) >= 0.9 - 3 * math.sqrt(0.09 / 400)
    assert np.mean(["m3" in members for members in found]) > 0.3, "0.08 cannot be told apart on 60 clusters"
    assert np.mean(["m4" in members for members in found]) < 0.1


def test_confidence_set_of_rows_taken_as_independent_loses_the_best(races):
    """Each cluster's rows as units of their own: the scatter is too small, the best are ruled out."""
    total, size = races
    lost = 0
    for s, rows in zip(summaries(total, size), size, strict=True):
        n = int(rows.sum())
        share = ((s.scatter / (rows**2).sum()) * n, (s.difference_scatter / (rows**2).sum()) * n)
        flat = LossSummary(s.names, n, s.exposure, s.mean, *share)
        lost += "m0" not in model_confidence_set(flat, alpha=0.1, draws=200).members
    assert lost / 400 > 0.2
