"""Calibration errors: definitions by hand and by brute force, and their values if calibrated."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossent import UsageError, reliability
from crossent.statistics.calibration_measures import MEASURES, cox, spiegelhalter
from crossent.statistics.smooth_error import smooth_error_at, smooth_errors


def errors(y, p, **options):
    return reliability.calibration_errors(y, p, **{"draws": 19, **options})


def forecasts(n: int, seed: int = 0, power: float = 1.0):
    rng = np.random.default_rng(seed)
    p = rng.random(n)
    return (rng.random(n) < p**power).astype(int), p


def test_by_hand() -> None:
    """Two bins: 0.1 and 0.3 with one event of two, 0.7 and 0.9 with two of two."""
    found = errors([0, 1, 1, 1], [0.1, 0.3, 0.7, 0.9], bins=2)
    assert found.ece.value == pytest.approx((0.3 + 0.2) / 2)
    assert found.ece_equal_mass.value == pytest.approx((0.3 + 0.2) / 2)
    assert found.largest.value == pytest.approx(0.3)
    assert found.root_mean_square.value == pytest.approx(np.sqrt((0.09 + 0.04) / 2))
    assert found.debiased.value == 0.0, "0.09 − 0.25 and 0.04 − 0"
    # cumulative: −0.1, +0.6, +0.9, +1.0 of four
    assert found.kolmogorov_smirnov.value == pytest.approx(0.25)
    assert found.kuiper.value == pytest.approx(0.275)


def brute(p, residual, bandwidth) -> float:
    """∫ |Σ r K(t, p)| dt with images of every row behind both mirrors, on 20,000 midpoints."""
    t = (np.arange(20_000)[:, None] + 0.5) / 20_000
    images = [2 * k + sign * p for k in range(-3, 4) for sign in (1, -1)]
    kernels = sum(np.exp(-0.5 * ((t - image) / bandwidth) ** 2) for image in images)
    return float(np.abs(kernels @ residual).mean() / (bandwidth * np.sqrt(2 * np.pi)))


@pytest.mark.parametrize("bandwidth", [0.02, 0.1, 0.7])
def test_smooth_error_is_that_of_its_definition(bandwidth) -> None:
    y, p = forecasts(60, power=2.0)
    residual = (y - p) / 60
    found = smooth_error_at(p, residual[None], bandwidth)[0]
    assert found == pytest.approx(brute(p, residual, bandwidth), rel=2e-3)
    own = smooth_errors(p, residual[None])[0]
    assert own == pytest.approx(brute(p, residual, own), abs=3e-4)


@pytest.mark.parametrize("n, printed", [(100, 0.059), (500, 0.022), (10_000, 0.011)])
def test_smooth_error_of_calibrated_models_is_of_the_size_that_others_find(n, printed) -> None:
    """Single draws by relplot 1.0.3, which are near the middle of the values if calibrated."""
    found = errors(*forecasts(n), draws=60).smooth
    assert 0.5 * found.expected < printed < 1.6 * found.expected


@pytest.mark.parametrize("name", [name for name, _ in MEASURES])
def test_calibrated_models_are_within_the_null_and_others_beyond(name) -> None:
    p_values = [getattr(errors(*forecasts(150, seed), draws=39), name).p for seed in range(25)]
    assert sum(p <= 0.05 for p in p_values) <= 5
    found = getattr(errors(*forecasts(1500, 1, power=2.0), draws=39), name)
    assert found.value > found.high > found.expected and found.p == 1 / 40


def test_spiegelhalter_and_cox_against_their_formulas() -> None:
    sm = pytest.importorskip("statsmodels.api")
    y, p = forecasts(400, power=1.5)
    found = errors(y, p)
    x = sm.add_constant(np.log(p / (1 - p)), prepend=False)
    fit = sm.GLM(y, x, family=sm.families.Binomial()).fit(cov_type="HC0")
    assert found.slope is not None and found.intercept is not None
    assert (found.slope.value, found.intercept.value) == pytest.approx(tuple(fit.params), rel=1e-6)
    assert (found.slope.se, found.intercept.se) == pytest.approx(tuple(fit.bse), rel=1e-6)
    brier = (p - y) ** 2
    expected, variance = (p * (1 - p)).sum(), ((1 - 2 * p) ** 2 * p * (1 - p)).sum()
    assert found.spiegelhalter_z == pytest.approx((brier.sum() - expected) / np.sqrt(variance))


def test_without_an_optimum_there_is_no_slope() -> None:
    w = np.ones(4)
    y = np.array([False, False, True, True])
    assert cox(np.array([0.2, 0.3, 0.6, 0.9]), y, w) == (None, None), "separated"
    assert cox(np.array([0.0, 0.3, 0.6, 0.9]), y, w) == (None, None)
    assert cox(np.full(4, 0.5), y, w) == (None, None)
    assert np.isnan(spiegelhalter(np.full(4, 0.5), y, w))


@given(
    rows=st.lists(st.tuples(st.integers(0, 20), st.booleans(), st.integers(1, 3)), min_size=1, max_size=25),
    seed=st.integers(0, 9),
)
def test_order_does_not_matter_and_weights_repeat(rows, seed) -> None:
    p, y, w = (np.array(column) for column in zip(*rows, strict=True))
    p, y = p / 20, y.astype(int)
    order = np.random.default_rng(seed).permutation(p.size)
    found, other = errors(y, p, weight=w), errors(y[order], p[order], weight=w[order])
    repeated = errors(np.repeat(y, w), np.repeat(p, w))
    for name, _ in MEASURES:
        assert getattr(found, name).value == pytest.approx(getattr(other, name).value, abs=1e-9)
        if name != "debiased":  # a row of weight 2 is not two independent rows
            assert getattr(found, name).value == pytest.approx(getattr(repeated, name).value, abs=1e-9)


def test_events_of_many_classes() -> None:
    p = np.array([[0.7, 0.2, 0.1], [0.3, 0.3, 0.4]])
    assert errors([0, 2], p).event == "top label"
    assert errors([0, 2], p).ece.value == pytest.approx((0.3 + 0.6) / 2)
    assert errors([0, 2], p, event=1).kuiper.value == pytest.approx(0.25)
    with pytest.raises(UsageError) as caught:
        errors([0, 2], p, event="cat")
    assert caught.value.slug == "bad-option"


def test_the_band_of_the_curve_holds_a_calibrated_model() -> None:
    y, p = forecasts(2000)
    curve = reliability.reliability_curve(y, p, draws=99)
    assert (np.diff(curve.frequency) >= 0).all() and curve.weight.sum() == 2000
    inside = (curve.low <= curve.frequency) & (curve.frequency <= curve.high)
    assert inside.mean() > 0.85
    off = reliability.reliability_curve(y, p**2, draws=99)
    assert ((off.low <= off.frequency) & (off.frequency <= off.high)).mean() < 0.3
