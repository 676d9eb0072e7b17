"""Adjusted p-values: against statsmodels, closed forms, and simulated sizes with ties and duplicates."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from crossent.errors import UsageError
from crossent.statistics.multiplicity import ADJUSTMENTS, CHOICES, adjusted, holm, max_t
from crossent.statistics.paired import against, pairwise

P_VALUES = st.lists(st.none() | st.floats(0, 1), max_size=12)


@pytest.mark.parametrize(
    ("name", "theirs"), [("holm", "holm"), ("bonferroni", "bonferroni"), ("bh", "fdr_bh"), ("by", "fdr_by")]
)
@given(p=P_VALUES)
@settings(max_examples=25, deadline=None)
def test_agrees_with_statsmodels(name, theirs, p):
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    found = ADJUSTMENTS[name](p)
    tested = [value for value in p if value is not None]
    truth = multitest.multipletests(tested, method=theirs)[1] if tested else []
    assert [f for f in found if f is not None] == pytest.approx(list(truth), rel=1e-12, abs=1e-300)
    assert [f is None for f in found] == [value is None for value in p]


def _gaps(units, models, rng):
    losses = rng.gamma(1.0, 1.0, (units, 1)) + rng.normal(0.0, 1.0, (units, models))
    return losses


def test_max_t_of_one_comparison_is_that_comparison(summarise):
    (only,) = pairwise(summarise(_gaps(9, 2, np.random.default_rng(1))), adjust="max-t")
    assert only.p_adjusted == only.p_holm == only.p


def test_max_t_of_independent_comparisons_is_that_of_sidak():
    """Models with independent differences to a reference that does not vary: 1 − (1 − p)^m."""
    variance = np.array([[0.0, 1, 1, 1], [1, 0, 2, 2], [1, 2, 0, 2], [1, 2, 2, 0]])
    p = [0.02, 0.3, 0.6]
    found = max_t(p, [(1, 0), (2, 0), (3, 0)], variance, draws=40_000)
    truth = [1 - (1 - 0.02) ** 3, 1 - (1 - 0.3) ** 2, 0.6]
    assert found == pytest.approx(truth, abs=4 * math.sqrt(0.25 / 40_000))


def test_max_t_counts_copies_once(summarise):
    """Three copies of a model are one comparison to max-T and three to Holm."""
    losses = _gaps(200, 2, np.random.default_rng(4))
    losses[:, 1] += 0.25
    summary = summarise(losses[:, [0, 1, 1, 1]])
    found = against(summary, "m0", adjust="max-t")
    assert [d.p_adjusted for d in found] == pytest.approx([found[0].p] * 3, abs=0.005)
    assert found[0].p_holm == pytest.approx(3 * found[0].p)


@given(seed=st.integers(0, 1000), units=st.integers(2, 40))
@settings(max_examples=20, deadline=None)
def test_max_t_lies_between_the_p_value_and_holms(summarise, seed, units):
    losses = np.round(_gaps(units, 4, np.random.default_rng(seed)), 1)
    losses = np.column_stack([losses, losses[:, 0], losses[:, 1] + 0.5, np.full(units, np.inf)])
    found = pairwise(summarise(losses), adjust="max-t", infinite=lambda a, b: (units, None))
    for d in found:
        if d.p is None:
            assert d.p_adjusted is None
        else:
            assert d.p <= d.p_adjusted <= d.p_holm
    tested = sorted((d.p, d.p_adjusted) for d in found if d.p is not None)
    assert [a for _, a in tested] == sorted(a for _, a in tested), "the order of the p-values is kept"


@pytest.mark.parametrize("name", CHOICES)
def test_verdicts_rest_on_the_adjusted_p_values(summarise, name):
    losses = _gaps(150, 5, np.random.default_rng(0)) + np.array([0, 0.2, 0.3, 0.4, 0.6])
    found = pairwise(summarise(losses), adjust=name)
    assert [d.p_adjusted for d in found] == adjusted(
        name,
        [d.p for d in found],
        list(itertools.combinations(range(5), 2)),
        summarise(losses).difference_variance(),
    )
    assert [d.verdict != "not told apart" for d in found] == [d.p_adjusted < 0.05 for d in found]
    assert [d.p_holm for d in found] == holm([d.p for d in found])


def test_wrong_use(summarise):
    with pytest.raises(UsageError, match="unknown-adjustment"):
        pairwise(summarise([[1.0, 2.0], [2.0, 3.0]]), adjust="tukey")
    with pytest.raises(UsageError, match="draws-not-positive"):
        max_t([0.5], [(0, 1)], np.ones((2, 2)), draws=0)


def simulated_errors(adjust, units, runs, seed):
    """Share of runs with any false statement among all pairs of six equally good models, two of them copies,
    two of them nearly, and the power for a seventh that is worse.
    """
    rng = np.random.default_rng(seed)
    base = rng.exponential(1.0, (runs, units, 1)) + rng.normal(0.0, 1.0, (runs, units, 4))
    close = base[..., :1] + 1e-6 * rng.normal(0.0, 1.0, (runs, units, 1))
    worse = base[..., 1:2] + rng.normal(2.4 / math.sqrt(units), 1.0, (runs, units, 1))
    losses = np.concatenate([base, base[..., :1], close, worse], axis=-1)
    mean = losses.mean(axis=1)
    gap = losses[..., :, None] - losses[..., None, :]
    variance = gap.var(axis=1, ddof=1) / units
    pairs = list(itertools.combinations(range(7), 2))
    first, second = np.array(pairs).T
    with np.errstate(invalid="ignore"):
        t = (mean[:, first] - mean[:, second]) / np.sqrt(variance[:, first, second])
    p = np.where(np.isnan(t), 1.0, 2 * stats.t.sf(np.abs(t), units - 1))
    false = found = 0
    for run in range(runs):
        if adjust == "max-t":
            q = np.array(max_t(p[run].tolist(), pairs, variance[run], draws=400, seed=run))
        else:
            q = np.array(ADJUSTMENTS[adjust](p[run].tolist()))
        false += bool((q[second < 6] < 0.05).any())
        found += int((q[second == 6] < 0.05).sum())
    return false / runs, found / runs / 6


@pytest.mark.parametrize("units", [30, 200])
def test_size_with_copies_and_power(units):
    runs = 500
    size, power = zip(*(simulated_errors(name, units, runs, 7) for name in ("holm", "max-t")), strict=True)
    assert max(size) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)
    assert size[0] <= size[1], "Holm's method cannot use that models are alike"
    assert power[1] > power[0]
