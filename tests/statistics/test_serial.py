"""Neighbours that are alike: against statsmodels and arch, and the size of tests on series."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import signal, stats

from crossent.series import first_without_time, order_of_time
from crossent.statistics.serial import (
    autocorrelations,
    few_times_factor,
    neighbours,
    portmanteau,
    serial_dependence,
    serial_dependence_of_sample,
    window_sums,
)


def series(times, correlation, runs=1, seed=0):
    """(runs, times) a process in which each value keeps a share of the one before."""
    noise = np.random.default_rng(seed).normal(size=(runs, times + 200))
    return signal.lfilter([1.0], [1.0, -correlation], noise, axis=1)[:, 200:]


@pytest.mark.parametrize("times", [25, 92, 400])
def test_agrees_with_statsmodels_and_arch(times):
    api = pytest.importorskip("statsmodels.api")
    kernel = pytest.importorskip("arch.covariance.kernel")
    x = series(times, 0.5)[0] + 0.3
    lags = neighbours(times)
    found = serial_dependence("a", "b", x - x.mean(), float(times))
    factor = few_times_factor(times, lags)
    theirs = api.OLS(x, np.ones(times)).fit(cov_type="HAC", cov_kwds={"maxlags": lags})
    assert found.se_serial == pytest.approx(theirs.bse[0] * math.sqrt(factor), rel=1e-12)
    long_run = kernel.Bartlett(x, bandwidth=lags, df_adjust=0, force_int=True).cov.long_run.item()
    assert found.se_serial == pytest.approx(math.sqrt(long_run / times * factor), rel=1e-12)
    assert found.se_independent == pytest.approx(stats.sem(x), rel=1e-12)
    box = pytest.importorskip("statsmodels.stats.diagnostic").acorr_ljungbox(x, lags=[10])
    assert found.p == pytest.approx(box["lb_pvalue"].item(), rel=1e-9)


def test_without_lags_it_is_the_ordinary_variance():
    x = series(50, 0.0)[0]
    np.testing.assert_array_equal(window_sums(x, 0), x)
    assert few_times_factor(50, 0) == 50 / 49


def test_block_means_agree_with_neighbours_on_a_long_series():
    x = series(20_000, 0.6)[0]
    found = serial_dependence("a", "b", x - x.mean(), 20_000.0)
    assert found.factor == pytest.approx(math.sqrt((1 + 0.6) / (1 - 0.6)), rel=0.08)
    assert found.se_blocks == pytest.approx(found.se_serial, rel=0.15)
    assert found.autocorrelation == pytest.approx(0.6, abs=0.02)
    assert found.alike
    assert not serial_dependence("a", "b", *_centred(series(20_000, 0.0, seed=1)[0])).alike


def _centred(x):
    return x - x.mean(), float(x.size)


@pytest.mark.parametrize("share", [1.0, 0.3])
def test_a_sample_keeps_the_correlation_of_neighbours(share):
    x = series(60_000, 0.5)[0]
    x -= x.mean()
    position = np.flatnonzero(np.random.default_rng(2).random(x.size) < share)
    kept = x[position]
    found = serial_dependence_of_sample("a", "b", kept, position, x.size, float(kept.size))
    assert found.autocorrelation == pytest.approx(0.5, abs=0.03)
    # ten neighbours of this process, Bartlett's weights
    k = np.arange(1, 11)
    assert found.factor == pytest.approx(math.sqrt(1 + 2 * ((1 - k / 11) * 0.5**k).sum()), abs=0.03)
    assert found.se_independent == pytest.approx(x.std() / math.sqrt(x.size), rel=0.02)
    assert found.alike
    few = position[::40]
    assert serial_dependence_of_sample("a", "b", x[few], few, x.size, float(few.size)) is None


def test_too_few_times_or_none_that_vary():
    assert serial_dependence("a", "b", np.ones(19), 19.0) is None
    assert serial_dependence("a", "b", np.zeros(50), 50.0) is None


def test_size_of_the_test_of_likeness():
    runs = 2000
    found = np.array([portmanteau(autocorrelations(x - x.mean(), 10), 80) for x in series(80, 0.0, runs)])
    assert (found < 0.05).mean() <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / runs)
    power = np.array([portmanteau(autocorrelations(x - x.mean(), 10), 80) for x in series(80, 0.5, 200)])
    assert (power < 0.05).mean() > 0.75


@pytest.mark.parametrize(
    ("times", "correlation", "most"), [(92, 0.0, 0.07), (92, 0.3, 0.08), (1000, 0.6, 0.07)]
)
def test_size_of_the_test_of_diebold_and_mariano(times, correlation, most):
    """Two equally good models whose difference is alike at neighbouring times; without neighbours the test at
    5 % rejects in 15 and 33 %.
    """
    x = series(times, correlation, runs=1500, seed=3)
    lags = neighbours(times)
    centred = x - x.mean(axis=1, keepdims=True)
    windows = np.stack([window_sums(row, lags) for row in centred])
    variance = (windows**2).sum(axis=1) / (lags + 1) * few_times_factor(times, lags) / times**2
    p = 2 * stats.t.sf(np.abs(x.mean(axis=1)) / np.sqrt(variance), times - 1)
    naive = 2 * stats.t.sf(np.abs(x.mean(axis=1)) / stats.sem(x, axis=1), times - 1)
    assert (p < 0.05).mean() <= most
    if correlation:
        assert (naive < 0.05).mean() > 0.12


@pytest.mark.parametrize(
    ("keys", "order"),
    [
        (["3", "-1", "1e2", "2.5"], [1, 3, 0, 2]),
        (["2024-01-10", "2023-12-31", "2024-01-09 23:59:59"], [1, 2, 0]),
        (["2024-01-01T00:00:00+02:00", "2023-12-31 23:00:00"], [0, 1]),
        (["2024", "2023-05-01"], None),
        (["a", "1"], None),
        (["nan", "1"], None),
        (["(missing)", "1"], None),
    ],
)
def test_order_of_time(keys, order):
    found = order_of_time(keys)
    assert (found if found is None else found.tolist()) == order


def test_the_key_without_a_place_is_named():
    assert first_without_time(["1", "Tuesday", "3"]) == "Tuesday"
