"""What every loss of a number keeps: the truth is best, units change it by a law, zero points do not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from crossent.information.samples import density_in_unit
from crossent.losses import all_losses, get
from crossent.losses.crps import Crps
from crossent.losses.quantile import Pinball
from crossent.testing.samples import prepared

NUMBERS = [loss for loss in all_losses() if loss.target in ("real", "positive", "count")]
LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)
GAMMA, NORMAL = stats.gamma(2.0), stats.norm(1.0, 2.0)
MIXED = (0.3, 0.7, -1.0, 2.0, 0.5, 1.0)
NODES = (np.arange(20_000) + 0.5) / 20_000


def mixture_quantiles():
    """Of the mixture `MIXED`: 20,000 equally likely points."""
    grid = np.linspace(-8, 10, 200_001)
    cdf = 0.3 * stats.norm.cdf(grid, -1, 0.5) + 0.7 * stats.norm.cdf(grid, 2, 1)
    return np.interp(NODES, cdf, grid)


TRUTHS = {
    # loss, kind: equally likely values of what happens, and the best prediction for them
    ("squared_error", "point"): (GAMMA.ppf(NODES), [2.0]),
    ("squared_error", "samples"): (GAMMA.ppf(NODES), None),
    ("absolute_error", "point"): (GAMMA.ppf(NODES), [GAMMA.median()]),
    ("absolute_error", "mean_std"): (NORMAL.ppf(NODES), None),
    ("pinball", "quantiles"): (GAMMA.ppf(NODES), GAMMA.ppf(LEVELS)),
    ("pinball", "mean_std"): (NORMAL.ppf(NODES), [1.0, 2.0]),
    ("crps", "mean_std"): (NORMAL.ppf(NODES), [1.0, 2.0]),
    ("crps", "samples"): (GAMMA.ppf(NODES), GAMMA.ppf((np.arange(7) + 0.5) / 7)),
    ("crps", "quantiles"): (GAMMA.ppf(NODES), GAMMA.ppf(LEVELS)),
    ("crps", "point"): (GAMMA.ppf(NODES), [GAMMA.median()]),
    ("crps_laplace", "location_scale"): (stats.laplace(1.0, 2.0).ppf(NODES), [1.0, 2.0]),
    ("crps_logistic", "location_scale"): (stats.logistic(1.0, 2.0).ppf(NODES), [1.0, 2.0]),
    ("crps_student", "df_location_scale"): (stats.t(3.0, 1.0, 2.0).ppf(NODES), [3.0, 1.0, 2.0]),
    ("crps_mixture", "mixture"): (mixture_quantiles(), MIXED),
    ("gaussian_nll", "mean_std"): (NORMAL.ppf(NODES), [1.0, 2.0]),
    ("gaussian_nll", "mean_log_std"): (NORMAL.ppf(NODES), [1.0, math.log(2.0)]),
    ("laplace_nll", "location_scale"): (stats.laplace(1.0, 2.0).ppf(NODES), [1.0, 2.0]),
    ("student_nll", "df_location_scale"): (stats.t(3.0, 1.0, 2.0).ppf(NODES), [3.0, 1.0, 2.0]),
    ("log_normal_nll", "log_mean_log_std"): (np.exp(NORMAL.ppf(NODES)), [1.0, 2.0]),
    ("gaussian_mixture_nll", "mixture"): (mixture_quantiles(), MIXED),
    ("poisson_nll", "rate"): (stats.poisson(3.7).ppf(NODES), [3.7]),
    ("poisson_nll", "log_rate"): (stats.poisson(3.7).ppf(NODES), [math.log(3.7)]),
    ("negative_binomial_nll", "mean_dispersion"): (stats.nbinom(2.0, 0.4).ppf(NODES), [3.0, 0.5]),
}


def with_levels(name):
    return {"pinball": Pinball(LEVELS), "crps": Crps(LEVELS)}.get(name) or get(name)


def test_no_loss_of_a_number_is_left_out():
    """Kinds that look at the mean of a prediction alone are as their `point`; the fair CRPS is not proper."""
    alike = {("squared_error", "mean_std"), ("absolute_error", "samples"), ("crps_fair", "samples")}
    assert {(loss.name, kind) for loss in NUMBERS for kind in loss.kinds} == {*TRUTHS, *alike}


@pytest.mark.parametrize(("name", "kind"), [key for key, (_, best) in TRUTHS.items() if best is not None])
def test_nothing_is_better_than_the_truth(name, kind):
    """Every entry moved a little and much, either way; weights keep their sum."""
    loss = with_levels(name)
    y, truth = TRUTHS[name, kind]
    truth = np.array(truth, float)

    def expected(row):
        rows = np.tile(row, (len(y), 1))
        return loss.value(y, rows[:, 0] if kind in ("point", "rate", "log_rate") else rows, kind).mean()

    best = expected(truth)
    for entry in range(len(truth)):
        for distance in (-0.2, -0.03, 0.03, 0.2):
            other = truth.copy()
            other[entry] += distance
            if kind == "mixture" and entry < 2:
                other[1 - entry] -= distance
            assert expected(other) > best


def test_the_fair_score_is_best_for_samples_that_are_too_wide():
    """So it is declared not proper for the samples as they are."""
    y = NORMAL.ppf(NODES)
    fair = get("crps_fair")
    right = NORMAL.ppf((np.arange(5) + 0.5) / 5)
    wide = 1.0 + 1.5 * (right - 1.0)
    means = [fair.value(y, np.tile(x, (len(y), 1)), "samples").mean() for x in (right, wide)]
    assert means[1] < means[0] and fair.properness == "not proper"


# --- units and zero points ------------------------------------------------------------------------------

POWER = {"squared_error": 2, "absolute_error": 1, "pinball": 1, "crps": 1, "crps_fair": 1,
         "crps_laplace": 1, "crps_logistic": 1, "crps_student": 1, "crps_mixture": 1}  # fmt: skip
"""With every length multiplied by c the loss is multiplied by c to this power; log losses rise by ln c."""
SHAPE = {"df_location_scale": [0], "mixture": [0, 1, 2]}
"""Columns that are no lengths."""
EQUIVARIANT = [(x, k) for x in NUMBERS for k in x.kinds if x.target == "real" and k != "mean_log_std"]


@pytest.mark.parametrize(("loss", "kind"), EQUIVARIANT, ids=lambda v: getattr(v, "name", v))
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), factor=st.floats(1e-6, 1e6), shift=st.floats(-1e3, 1e3))
def test_units_and_zero_points(loss, kind, seed, factor, shift):
    loss, y, x = prepared(loss, kind, rows=5, seed=seed)
    before = loss.value(y, x, kind)
    shape, places = SHAPE.get(kind, []), {"df_location_scale": [1], "mixture": [3, 4, 5]}.get(kind, [0])
    moved, scaled = x.copy(), factor * x
    if x.ndim == 1 or kind in ("samples", "quantiles"):
        moved += shift
    else:
        moved[:, places] += shift
        scaled[:, shape] = x[:, shape]
    assert np.allclose(loss.value(y + shift, moved, kind), before, rtol=1e-8, atol=1e-8)
    after = loss.value(factor * y, scaled, kind)
    power = POWER.get(loss.name)
    want = density_in_unit(before, factor) if power is None else factor**power * before
    assert np.allclose(after, want, rtol=1e-11, atol=1e-11 * factor ** (power or 0))


@pytest.mark.parametrize(("loss", "kind"), EQUIVARIANT, ids=lambda v: getattr(v, "name", v))
def test_both_directions_are_alike(loss, kind):
    """Label and prediction mirrored: quantiles change places, so levels here are symmetric."""
    loss, y, x = prepared(loss, kind, rows=20)
    mirrored = -x
    if kind == "quantiles":
        mirrored = -x[:, ::-1]
    elif kind in ("mean_std", "location_scale", "df_location_scale", "mixture"):
        keep = {"df_location_scale": [0, 2], "mixture": [0, 1, 2, 6, 7, 8]}.get(kind, [1])
        mirrored[:, keep] = x[:, keep]
    np.testing.assert_allclose(loss.value(-y, mirrored, kind), loss.value(y, x, kind), rtol=1e-12)


# --- one number of a prediction -------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(y=st.floats(-100, 100), x=st.lists(st.floats(-100, 100), min_size=1, max_size=40))
def test_samples_speak_by_their_mean_and_median(y, x):
    rows, one = np.array([x]), np.array([y])
    for name, statistic in (("squared_error", np.mean), ("absolute_error", np.median)):
        want = get(name).value(one, np.array([statistic(x)]), "point")
        np.testing.assert_allclose(get(name).value(one, rows, "samples"), want, rtol=1e-9, atol=1e-10)


def test_a_mean_with_a_standard_deviation_speaks_by_the_mean():
    y, x = np.array([1.0, -2.0]), np.array([[0.5, 3.0], [0.0, 0.0]])
    for name in ("squared_error", "absolute_error"):
        loss = get(name)
        np.testing.assert_array_equal(loss.value(y, x, "mean_std"), loss.value(y, x[:, 0], "point"))
        assert loss.gradient(y, x, "mean_std")[:, 1].tolist() == [0.0, 0.0]


def test_pytorch_losses_of_a_point():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(2)
    y, x = rng.normal(size=100), rng.normal(size=100)
    for name, function in (("squared_error", torch.nn.MSELoss), ("absolute_error", torch.nn.L1Loss)):
        theirs = function(reduction="none")(torch.tensor(x), torch.tensor(y)).numpy()
        np.testing.assert_allclose(get(name).value(y, x, "point"), theirs, rtol=1e-15)


def test_squared_error_is_gaussian_cross_entropy_with_one_standard_deviation():
    """NLL = ½ ln(2πσ²) + MSE/2σ², least at σ² = MSE, where it is ½ ln(2πe·MSE)."""
    rng = np.random.default_rng(4)
    y, mean = rng.normal(size=500), rng.normal(size=500)
    mse = get("squared_error").value(y, mean, "point").mean()

    def nll(variance):
        prediction = np.column_stack([mean, np.full(500, math.sqrt(variance))])
        return get("gaussian_nll").value(y, prediction, "mean_std").mean()

    for variance in (0.3, 1.0, 9.0):
        assert nll(variance) == pytest.approx(
            0.5 * math.log(2 * math.pi * variance) + mse / (2 * variance), rel=1e-13
        )
        assert nll(variance) > nll(mse)
    assert nll(mse) == pytest.approx(0.5 * math.log(2 * math.pi * math.e * mse), rel=1e-13)
