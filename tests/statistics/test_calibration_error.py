"""Reliability from the fine grid: against the rows themselves, and its expectation against simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossent.errors import UsageError
from crossent.statistics.calibration_error import Reliability, reliability_from_cells

EDGES = np.arange(301) / 300


def _cell(c):
    return np.searchsorted(EDGES, c, "left") + np.searchsorted(EDGES, c, "right") - 1


def _reliability(c, hit, w=None, bins=15) -> Reliability:
    w = np.ones(len(c)) if w is None else w
    sums = [np.bincount(_cell(c), x, 601) for x in (w, w * c, w * hit, w * w * c * (1 - c))]
    return reliability_from_cells("top label", *sums, bins=bins)


def _direct(c, hit, w, bins, *, right):
    """The expected calibration error by a loop over bins of rows."""
    error = 0.0
    for b in range(bins):
        low, high = b / bins, (b + 1) / bins
        inside = (low < c) & (c <= high) if right else (low <= c) & (c < high)
        inside |= (c == 0.0) & (b == 0) | (c == 1.0) & (b == bins - 1)
        error += abs((w * (hit - c))[inside].sum())
    return error / w.sum()


CONFIDENCE = st.one_of(
    st.floats(0, 1), st.integers(0, 15).map(lambda j: j / 15), st.sampled_from([0.0, 0.5, 1.0])
)
ROW = st.tuples(CONFIDENCE, st.booleans(), st.floats(0.01, 10))


@given(st.lists(ROW, min_size=1, max_size=40), st.sampled_from([1, 5, 10, 15, 100, 300]))
@settings(max_examples=60, deadline=None)
def test_error_is_that_of_the_rows_with_either_closure(rows, bins):
    c, hit, w = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    found = _reliability(c, hit, w, bins)
    assert found.error == pytest.approx(_direct(c, hit, w, bins, right=True), abs=1e-12)
    assert found.error_left_closed == pytest.approx(_direct(c, hit, w, bins, right=False), abs=1e-12)
    assert math.fsum(b.weight for b in found.bins) == pytest.approx(w.sum())
    for b in found.bins:
        assert b.low - 1e-12 <= b.confidence <= b.high + 1e-12
        assert 0 <= b.band[0] <= b.band[1] <= 1
        assert b.band[0] - 1e-9 <= b.confidence <= b.band[1] + 1e-9


def test_closures_differ_on_the_edges_only():
    c, hit = np.array([0.2, 0.2, 0.3, 0.3]), np.array([0.0, 0.0, 1.0, 1.0])
    found = _reliability(c, hit, bins=5)
    assert found.error == pytest.approx((0.4 + 1.4) / 4)
    assert found.error_left_closed == pytest.approx((1.4 - 0.4) / 4)
    assert [(b.low, b.high, b.weight) for b in found.bins] == [(0.0, 0.2, 2.0), (0.2, 0.4, 2.0)]


def _simulated_error(c, w, rng, runs):
    """Mean error of calibrated predictions over fresh outcomes, and its standard error."""
    bin_of = np.maximum(np.ceil(_cell(c) / 40).astype(int) - 1, 0)
    order = np.argsort(bin_of, kind="stable")
    c, w, bin_of = c[order], w[order], bin_of[order]
    starts = np.flatnonzero(np.r_[True, np.diff(bin_of) > 0])
    errors = [
        np.abs(np.add.reduceat(w * ((rng.random(len(c)) < c) - c), starts)).sum() / w.sum()
        for _ in range(runs)
    ]
    return np.mean(errors), np.std(errors) / math.sqrt(runs)


@pytest.mark.parametrize(("n", "runs"), [(50, 6000), (500, 3000), (50_000, 150)])
@pytest.mark.parametrize("shape", [(1, 1), (8, 1), (0.3, 6), (0.02, 2)], ids=str)
@pytest.mark.parametrize("weighted", [False, True])
def test_error_if_calibrated_is_its_mean_over_outcomes(n, runs, shape, weighted):
    """Uniform, confident, rare and very rare events; equal weights and gamma weights."""
    rng = np.random.default_rng(n)
    c = rng.beta(*shape, n)
    w = rng.gamma(2.0, 1.0, n) if weighted else np.ones(n)
    tolerance = (0.1 if n == 50 else 0.05) if weighted else 0.02
    truth, error = _simulated_error(c, w, rng, runs)
    found = _reliability(c, np.zeros(n), w).error_if_calibrated
    assert found == pytest.approx(truth, rel=tolerance, abs=4 * error)


@given(st.floats(0, 1), st.floats(0.1, 10))
@settings(max_examples=50, deadline=None)
def test_a_single_row_is_exact(c, w):
    found = _reliability(np.array([c]), np.array([1.0]), np.array([w]))
    assert found.error == pytest.approx(1 - c, abs=1e-12)
    assert found.error_if_calibrated == pytest.approx(2 * c * (1 - c), rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("n", [20, 1000])
@pytest.mark.parametrize("p", [0.5, 0.93, 0.004])
@pytest.mark.parametrize("weighted", [False, True])
def test_band_holds_the_frequency_of_calibrated_predictions(n, p, weighted):
    rng = np.random.default_rng(21)
    c = rng.uniform(0.9 * p, min(1.06 * p, 1.0), n)
    w = rng.uniform(0.5, 1.5, n) if weighted else np.ones(n)
    low, high = _reliability(c, np.zeros(n), w, bins=1).bins[0].band
    frequency = ((rng.random((3000, n)) < c) @ w) / w.sum()
    inside = ((low - 1e-12 <= frequency) & (frequency <= high + 1e-12)).mean()
    assert inside >= 0.94
    assert inside <= 0.985 or n * p * (1 - p) < 10
    assert high - low <= 2 * 2.3 * math.sqrt(p * (1 - p) / n) + 2 / n


def test_certain_predictions_have_no_spread():
    found = _reliability(np.array([0.0, 1.0, 1.0]), np.array([0.0, 1.0, 0.0]))
    assert [b.band for b in found.bins] == [(0.0, 0.0), (1.0, 1.0)]
    assert found.error == pytest.approx(1 / 3)
    assert found.error_if_calibrated == 0.0


def test_no_weight_has_no_error():
    found = reliability_from_cells("a", *np.zeros((4, 601)))
    assert found.bins == ()
    assert all(math.isnan(e) for e in (found.error, found.error_left_closed, found.error_if_calibrated))


@pytest.mark.parametrize("bins", [0, -5, 7, 301])
def test_bins_divide_the_grid(bins):
    with pytest.raises(UsageError) as raised:
        reliability_from_cells("a", *np.ones((4, 601)), bins=bins)
    assert raised.value.slug == "bins-do-not-divide"
