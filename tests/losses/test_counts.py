"""Log losses of counts: 60 digits, SciPy, scoringrules, PyTorch, sums to one, the Poisson limit."""

from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import gammaln

from crossent.errors import DataError
from crossent.kernels.special import log1p_quotients, stirling_remainder
from crossent.losses import get

POISSON, NEGATIVE_BINOMIAL = get("poisson_nll"), get("negative_binomial_nll")
COUNTS = [0, 1, 2, 15, 17, 100, 10**4, 10**6, 10**9]
RATES = [1e-300, 1e-5, 0.3, 1.0, 16.5, 100.0, 1.001e4, 0.999e6, 1e9, 1e15]


def poisson(y, rate):
    return POISSON.value(np.array([y]), np.array([rate]), "rate")[0]


def negative_binomial(y, mean, dispersion):
    return NEGATIVE_BINOMIAL.value(np.array([y]), np.array([[mean, dispersion]]), "mean_dispersion")[0]


def exact_poisson(y, rate):
    return mp.mpf(rate) - y * mp.log(rate) + mp.loggamma(mp.mpf(y) + 1)


def exact_negative_binomial(y, mean, dispersion):
    y, mean, a = mp.mpf(y), mp.mpf(mean), mp.mpf(dispersion)
    tail = (y + 1 / a) * mp.log1p(a * mean) - y * mp.log(a * mean)
    return tail + mp.loggamma(y + 1) + mp.loggamma(1 / a) - mp.loggamma(y + 1 / a)


@pytest.mark.parametrize("y", COUNTS)
def test_poisson_to_the_last_digits(y):
    """At a million, rate and count a thousand apart, λ − y ln λ + ln y! itself leaves 9 digits."""
    with mp.workdps(60):
        for rate in RATES:
            assert poisson(y, rate) == pytest.approx(float(exact_poisson(y, rate)), rel=2e-14)
            by_logarithm = POISSON.value(np.array([y]), np.array([math.log(rate)]), "log_rate")[0]
            want = float(exact_poisson(y, mp.exp(math.log(rate))))
            assert by_logarithm == pytest.approx(want, rel=1e-13)


@pytest.mark.parametrize("dispersion", [1e-20, 1e-8, 1e-3, 0.05, 0.07, 0.5, 3.0, 100.0, 1e10])
def test_negative_binomial_to_the_last_digits(dispersion):
    with mp.workdps(80):
        for y in COUNTS:
            for mean in RATES[1:]:
                want = float(exact_negative_binomial(y, mean, dispersion))
                assert negative_binomial(y, mean, dispersion) == pytest.approx(want, rel=1e-12)


@pytest.mark.parametrize("dispersion", [1e-6, 1e-3, 0.05, 0.07, 0.5, 3.0, 100.0])
def test_derivatives_of_the_negative_binomial(exact, dispersion):
    y = np.array([0, 1, 5, 17, 400])
    rows = [[0.3, dispersion], [2.0, dispersion], [4.0, dispersion], [30.0, dispersion], [390.0, dispersion]]

    def definition(row, count):
        return exact_negative_binomial(int(count), *row)

    exact(NEGATIVE_BINOMIAL, definition, y, rows, "mean_dispersion", rtol=1e-9, atol=1e-11)


def test_scipy_and_scoringrules():
    sr = pytest.importorskip("scoringrules")
    rng = np.random.default_rng(0)
    y, rate, dispersion = rng.poisson(8, 300), np.exp(rng.normal(2, 1, 300)), np.exp(rng.normal(size=300))
    ours = POISSON.value(y, rate, "rate")
    np.testing.assert_allclose(ours, -stats.poisson.logpmf(y, rate), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(ours, sr.logs_poisson(y, rate), rtol=1e-12, atol=1e-13)
    ours = NEGATIVE_BINOMIAL.value(y, np.column_stack([rate, dispersion]), "mean_dispersion")
    theirs = -stats.nbinom.logpmf(y, 1 / dispersion, 1 / (1 + dispersion * rate))
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-13)


def test_pytorch_leaves_the_factorial_out():
    """Its full=True is Stirling's approximation; without it, it differs from the log loss by ln y!."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    y, log_rate = rng.poisson(8, 300), rng.normal(2, 1, 300)
    theirs = torch.nn.PoissonNLLLoss(log_input=True, reduction="none")(
        torch.tensor(log_rate), torch.tensor(y, dtype=torch.float64)
    )
    ours = POISSON.value(y, log_rate, "log_rate")
    np.testing.assert_allclose(ours, theirs.numpy() + gammaln(y + 1), rtol=1e-11, atol=1e-12)


def test_published():
    assert poisson(1, 3.0) == pytest.approx(1.901388, rel=3e-7)


# --- laws -----------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(mean=st.floats(0.01, 30), dispersion=st.floats(0, 2))
def test_probabilities_sum_to_one_with_the_stated_mean_and_variance(mean, dispersion):
    y = np.arange(3000)
    rows = np.tile([mean, dispersion], (len(y), 1))
    p = np.exp(-NEGATIVE_BINOMIAL.value(y, rows, "mean_dispersion"))
    assert p.sum() == pytest.approx(1, rel=1e-11)
    assert p @ y == pytest.approx(mean, rel=1e-9)
    assert p @ (y - mean) ** 2 == pytest.approx(mean + dispersion * mean**2, rel=1e-8)


@settings(max_examples=60, deadline=None)
@given(y=st.integers(0, 10**7), mean=st.floats(1e-3, 1e7))
def test_without_dispersion_it_is_poisson(y, mean):
    want = poisson(y, mean)
    assert negative_binomial(y, mean, 0.0) == pytest.approx(want, rel=1e-13)
    assert negative_binomial(y, mean, 1e-30) == pytest.approx(want, rel=1e-13)


def test_the_derivative_by_no_dispersion_is_the_limit():
    """−½((y − μ)² − y): positive where counts spread less than Poisson's do."""
    y, mean = np.array([0.0, 3.0, 40.0]), np.array([2.0, 3.0, 10.0])
    rows = np.column_stack([mean, np.zeros(3)])
    by_dispersion = NEGATIVE_BINOMIAL.gradient(y, rows, "mean_dispersion")[:, 1]
    np.testing.assert_allclose(by_dispersion, -0.5 * ((y - mean) ** 2 - y), rtol=1e-14)


# --- the edges ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("y", "want"), [(0, 0.0), (1, math.inf), (10**6, math.inf)])
def test_a_rate_of_zero(y, want):
    assert poisson(y, 0.0) == want
    assert POISSON.value(np.array([y]), np.array([-math.inf]), "log_rate") == want
    assert negative_binomial(y, 0.0, 0.5) == want
    assert POISSON.gradient(np.array([y]), np.array([0.0]), "rate") == (-math.inf if y else 1.0)


@pytest.mark.parametrize("y", [0.5, -1.0, 1e15 + 0.5])
def test_counts_are_whole(y):
    with pytest.raises(DataError, match=r"row 1.*no whole number from 0.*\[not-a-count\]") as caught:
        POISSON.value(np.array([2.0, y]), np.ones(2), "rate")
    assert caught.value.value == y
    with pytest.raises(DataError, match="not-a-count"):
        NEGATIVE_BINOMIAL.gradient(np.array([2.0, y]), np.ones((2, 2)), "mean_dispersion")


@pytest.mark.parametrize("row", [[-1.0, 0.5], [1.0, -0.5]])
def test_negative_parameters(row):
    with pytest.raises(DataError, match="not-a-scale"):
        NEGATIVE_BINOMIAL.value(np.ones(1), np.array([row]), "mean_dispersion")
    for method in (POISSON.value, POISSON.gradient, POISSON.hessian_diagonal):
        with pytest.raises(DataError, match="the rate must not be below 0"):
            method(np.ones(1), np.array([-0.5]), "rate")


# --- the special functions ------------------------------------------------------------------------------


def test_stirling_remainder_and_its_derivatives():
    x = np.array([1e-10, 0.01, 0.5, 1.0, 7.0, 15.99, 16.0, 20.0, 1e3, 1e10])
    with mp.workdps(60):
        want = [
            [
                mp.loggamma(t) - (t - 0.5) * mp.log(t) + t - mp.log(2 * mp.pi) / 2,
                mp.digamma(t) - mp.log(t) + 1 / (2 * t),
                mp.psi(1, t) - 1 / t - 1 / (2 * t * t),
            ]
            for t in map(mp.mpf, x)
        ]
    for got, exact in zip(stirling_remainder(x), np.array(want, float).T, strict=True):
        np.testing.assert_allclose(got, exact, rtol=2e-12)


@settings(max_examples=60)
@given(t=st.floats(-0.999, 1e6).filter(lambda t: t == 0 or abs(t) > 1e-150))
def test_log1p_quotients(t):
    first, second = (float(q[0]) for q in log1p_quotients(np.array([t])))
    with mp.workdps(400):
        exact = mp.mpf(t)
        one = (mp.log1p(exact) - exact) / exact**2 if t else mp.mpf(-0.5)
        two = (one + 0.5) / exact if t else mp.mpf(1) / 3
    assert first == pytest.approx(float(one), rel=1e-14)
    assert second == pytest.approx(float(two), rel=1e-12)
