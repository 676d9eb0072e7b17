"""CRPS and pinball: the definition integrated, peers, published values, fairness, the edges."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import quad
from sklearn.metrics import mean_pinball_loss

from crossent.errors import DataError, UsageError
from crossent.losses import get
from crossent.losses.crps import Crps, CrpsFair
from crossent.losses.quantile import Pinball

INF = math.inf
number = st.floats(-1e3, 1e3)


def value(loss, y, row, kind=None):
    (got,) = loss.value(np.array([y]), np.array([row], float), kind or loss.kinds[0])
    return got


# --- published values (R scoringRules, scoringrules) ----------------------------------------------------


@pytest.mark.parametrize(
    ("name", "y", "row", "published"),
    [
        ("crps_laplace", -3, [0.0, 1.0], 2.29978707),
        ("crps_student", 11.1, [5.2, 13.8, 2.3], 1.658226),
        ("crps_logistic", 17.1, [13.8, 3.3], 2.067527),
        ("crps_mixture", 0.3, [1 / 3, 1 / 3, 1 / 3, 0, -2.9, 0.9, 0.5, 1.4, 0.7], 0.4510451),
    ],
)
def test_published(name, y, row, published):
    assert value(get(name), y, row) == pytest.approx(published, rel=3e-7)


# --- the definition -------------------------------------------------------------------------------------


def integrated(distribution, y):
    """∫ (F(x) − 1{x ≥ y})² dx."""
    below = quad(lambda x: distribution.cdf(x) ** 2, -np.inf, y, epsabs=1e-12, epsrel=1e-12, limit=200)
    above = quad(lambda x: distribution.sf(x) ** 2, y, np.inf, epsabs=1e-12, epsrel=1e-12, limit=200)
    return below[0] + above[0]


@pytest.mark.parametrize("y", [-4.0, 0.2, 0.5, 3.0])
@pytest.mark.parametrize(
    ("name", "row", "distribution"),
    [
        ("crps", [0.5, 1.7], stats.norm(0.5, 1.7)),
        ("crps_laplace", [0.5, 1.7], stats.laplace(0.5, 1.7)),
        ("crps_logistic", [0.5, 1.7], stats.logistic(0.5, 1.7)),
        ("crps_student", [0.8, 0.5, 1.7], stats.t(0.8, 0.5, 1.7)),
        ("crps_student", [1.0, 0.5, 1.7], stats.cauchy(0.5, 1.7)),
        ("crps_student", [1.26, 0.5, 1.7], stats.t(1.26, 0.5, 1.7)),
        ("crps_student", [40.0, 0.5, 1.7], stats.t(40.0, 0.5, 1.7)),
    ],
)
def test_the_definition(name, row, distribution, y):
    assert value(get(name), y, row) == pytest.approx(integrated(distribution, y), rel=1e-7)


def test_student_goes_through_one_degree_of_freedom_and_to_the_gaussian():
    row = [[df, 0.3, 2.0] for df in (1 - 1e-13, 1.0, 1 + 1e-13)]
    got = get("crps_student").value(np.full(3, 1.4), np.array(row), "df_location_scale")
    assert np.ptp(got) < 1e-12
    for df in (1e8, 1e12, 1e16):
        far = value(get("crps_student"), 1.4, [df, 0.3, 2.0])
        assert far == pytest.approx(value(Crps(), 1.4, [0.3, 2.0]), rel=1 / df + 1e-14)


# --- peers ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(5)
    return rng.normal(scale=3, size=300), rng.normal(scale=3, size=300), np.exp(rng.normal(size=300))


def test_closed_forms_of_scoringrules(drawn):
    sr = pytest.importorskip("scoringrules")
    y, m, s = drawn
    both, df = np.column_stack([m, s]), s + 1.5
    mixture = np.column_stack([np.full(len(y), 0.3), np.full(len(y), 0.7), m, -m, s, 2 * s])
    weights = np.tile([0.3, 0.7], (len(y), 1))
    cases = {
        "crps": (both, sr.crps_normal(y, m, s)),
        "crps_laplace": (both, sr.crps_laplace(y, m, s)),
        "crps_logistic": (both, sr.crps_logistic(y, m, s)),
        "crps_student": (np.column_stack([df, m, s]), sr.crps_t(y, df, m, s)),
        "crps_mixture": (
            mixture,
            sr.crps_mixnorm(y, np.column_stack([m, -m]), np.column_stack([s, 2 * s]), weights),
        ),
    }
    for name, (prediction, theirs) in cases.items():
        got = get(name).value(y, prediction, get(name).kinds[0])
        np.testing.assert_allclose(got, theirs, rtol=1e-12, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("count", [2, 3, 16, 17, 100])
def test_ensembles_of_scoringrules(drawn, count):
    sr = pytest.importorskip("scoringrules")
    y = drawn[0]
    x = np.random.default_rng(count).normal(scale=2, size=(len(y), count))
    for loss, estimator in ((Crps(), "nrg"), (CrpsFair(), "fair")):
        theirs = sr.crps_ensemble(y, x, estimator=estimator)
        np.testing.assert_allclose(loss.value(y, x, "samples"), theirs, rtol=1e-12, atol=1e-13)
    quantiles = np.sort(x, axis=1)
    levels = (np.arange(count) + 0.5) / count
    theirs = sr.crps_quantile(y, quantiles, levels)
    np.testing.assert_allclose(Crps(levels=levels).value(y, quantiles, "quantiles"), theirs, rtol=1e-12)


def test_pinball_of_scikit_learn(drawn):
    y, m, s = drawn
    levels = (0.05, 0.1, 0.5, 0.9)
    quantiles = m[:, None] + s[:, None] * np.array([-2.0, -1.0, 0.1, 1.5])
    theirs = [mean_pinball_loss(y, q, alpha=level) for q, level in zip(quantiles.T, levels, strict=True)]
    assert Pinball(levels).value(y, quantiles, "quantiles").mean() == pytest.approx(
        np.mean(theirs), rel=1e-13
    )
    gaussian = stats.norm.ppf(np.array(levels)) * s[:, None] + m[:, None]
    got = Pinball(levels).value(y, np.column_stack([m, s]), "mean_std")
    np.testing.assert_allclose(got, Pinball(levels).value(y, gaussian, "quantiles"), rtol=1e-12)


# --- samples --------------------------------------------------------------------------------------------


@settings(max_examples=80, deadline=None)
@given(y=number, x=st.lists(number, min_size=2, max_size=30))
def test_samples_by_brute_force(y, x):
    x = np.array(x)
    error, spread = np.abs(x - y).mean(), np.abs(x[:, None] - x).sum() / 2
    for loss, pairs in ((Crps(), len(x) ** 2), (CrpsFair(), len(x) * (len(x) - 1))):
        got = value(loss, y, x, "samples")
        assert got == pytest.approx(error - spread / pairs, rel=1e-11, abs=1e-11)
        assert got >= 0.0


def test_nothing_cancels_for_samples_far_from_zero():
    """E|X − y| − ½E|X − X′| by subtraction is here a difference of 1e15s that is off by a tenth."""
    x = 1e15 + np.array([0.0, 1.0, 2.0, 4.0])
    assert value(Crps(), 1e15 + 1, x, "samples") == value(Crps(), 1.0, [0.0, 1.0, 2.0, 4.0], "samples")
    assert value(CrpsFair(), 1e15, np.full(50, 1e15 + 1), "samples") == pytest.approx(1.0, rel=1e-15)


def test_the_fair_score_does_not_depend_on_the_number_of_samples():
    """Of draws from a Gaussian its mean is that Gaussian's CRPS; the plain one's is too high by 1/M√π."""
    rng = np.random.default_rng(11)
    y = rng.normal(size=40_000)
    want = 1 / math.sqrt(math.pi)  # of the standard Gaussian under itself
    for count in (2, 5, 20):
        x = rng.normal(size=(len(y), count))
        fair, plain = (loss.value(y, x, "samples") for loss in (CrpsFair(), Crps()))
        error = fair.std() / math.sqrt(len(y))
        assert fair.mean() == pytest.approx(want, abs=4 * error)
        assert plain.mean() == pytest.approx(want * (1 + 1 / count), abs=4 * error)


@settings(max_examples=50, deadline=None)
@given(y=number, x=st.lists(st.integers(-5, 5), min_size=2, max_size=12), seed=st.integers(0, 99))
def test_the_order_of_samples_does_not_matter_and_equal_ones_share_their_gradient(y, x, seed):
    x = np.array([x], float)
    order = np.random.default_rng(seed).permutation(x.shape[1])
    for loss in (Crps(), CrpsFair()):
        assert value(loss, y, x[0][order], "samples") == value(loss, y, x[0], "samples")
        slope = loss.gradient(np.array([y]), x, "samples")
        moved = loss.gradient(np.array([y]), x[:, order], "samples")
        assert np.allclose(moved, slope[:, order], rtol=1e-14, atol=1e-16)
        for sample in set(x[0]):
            assert np.ptp(slope[x == sample]) < 1e-15


# --- the edges ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "row"), [("crps", [1.0, 0.0]), ("crps_laplace", [1.0, 0.0]), ("crps_logistic", [1.0, 0.0]),
                      ("crps_student", [3.0, 1.0, 0.0]), ("crps_mixture", [0.5, 0.5, 1.0, 1.0, 0.0, 0.0])]
)  # fmt: skip
def test_without_spread_it_is_the_absolute_error(name, row):
    for y in (1.0, -2.5, 1e300):
        assert value(get(name), y, row) == abs(y - 1.0)


@pytest.mark.parametrize("name", ["crps", "crps_laplace", "crps_logistic"])
def test_a_label_far_outside_costs_its_distance(name):
    assert value(get(name), 1e300, [0.0, 1.0]) == 1e300
    assert value(get(name), 1.0, [0.0, 1e-300]) == 1.0


def test_half_a_degree_of_freedom_is_too_little():
    assert value(get("crps_student"), 0.0, [0.5, 0.0, 1.0]) == INF
    assert 0.5 < value(get("crps_student"), 0.0, [0.51, 0.0, 1.0]) < INF


def test_kinks_have_the_slope_zero():
    one = np.array([1.0])
    for loss, row, kind in (
        (Crps(), [1.0], "point"),
        (Crps(), [[1.0, 1.0]], "samples"),
        (Pinball((0.3,)), [[1.0]], "quantiles"),
        (get("absolute_error"), [1.0], "point"),
        (get("absolute_error"), [[1.0, 5.0]], "mean_std"),
        (get("laplace_nll"), [[1.0, 5.0]], "location_scale"),
    ):
        assert np.ravel(loss.gradient(one, np.array(row), kind))[0] == 0.0
        if kind not in ("mean_std", "location_scale"):
            with pytest.raises(NotImplementedError, match=f"{loss.name} has no second derivative by {kind}"):
                loss.hessian_diagonal(one, np.array(row), kind)


# --- refusals -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("levels", [(0.0, 0.5), (0.5, 1.0), (0.5, 0.5), (), (math.nan,), (-0.1,)])
@pytest.mark.parametrize("make", [Pinball, Crps])
def test_levels(make, levels):
    with pytest.raises(UsageError, match="bad-levels"):
        make(levels=levels)


def test_levels_may_be_any_sequence_and_are_needed():
    assert Pinball(levels=[0.1, 0.9]) == Pinball(levels=np.array([0.1, 0.9])) == Pinball((0.1, 0.9))
    assert hash(Crps([0.5])) == hash(Crps((0.5,)))
    for loss, method in (
        (Pinball(), "value"),
        (Pinball(), "gradient"),
        (Crps(), "value"),
        (Crps(), "gradient"),
    ):
        with pytest.raises(UsageError, match=r"needs the levels.*\[loss-needs-parameters\]"):
            getattr(loss, method)(np.ones(1), np.ones((1, 2)), "quantiles")
        with pytest.raises(DataError, match=r"2 quantiles a row for the 1 levels.*\[shape-mismatch\]"):
            getattr(type(loss)((0.5,)), method)(np.ones(1), np.ones((1, 2)), "quantiles")


@pytest.mark.parametrize(
    ("loss", "count"), [(Crps(), 0), (CrpsFair(), 1), (get("squared_error"), 0), (get("absolute_error"), 0)]
)
def test_too_few_samples(loss, count):
    for method in (loss.value, loss.gradient):
        with pytest.raises(DataError, match="too-few-samples"):
            method(np.ones(2), np.ones((2, count)), "samples")


@pytest.mark.parametrize("name", ["crps", "crps_laplace", "crps_logistic"])
def test_a_negative_scale(name):
    with pytest.raises(DataError, match=r"row 1, value -1\.0.*\[not-a-scale\]"):
        get(name).value(np.ones(2), np.array([[0.0, 1.0], [0.0, -1.0]]), get(name).kinds[0])
