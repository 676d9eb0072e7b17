"""Estimators from samples: SciPy, scikit-learn and brute force, their bias on known Gaussians, laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import cdist
from scipy.special import digamma, gammaln
from sklearn.neighbors import KernelDensity

from crossent.errors import DataError, UsageError
from crossent.information.samples import (
    cross_entropy_from_samples,
    density_in_unit,
    entropy_from_samples,
    kl_divergence_from_samples,
)

METHODS = ("knn", "kde")


@pytest.fixture(scope="module")
def drawn():
    rng = np.random.default_rng(0)
    return rng.normal(size=(150, 3)), rng.normal(0.5, 2.0, size=(200, 3)) @ np.array(
        [[1.0, 0.3, 0.0], [0.0, 1.0, 0.0], [0.2, 0.0, 0.5]]
    )


# --- the formulas ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [1, 3, 10])
def test_neighbours_by_all_distances(drawn, k):
    x, y = drawn
    log_ball = 1.5 * math.log(math.pi) - gammaln(2.5)
    own = np.sort(cdist(x, x), axis=1)[:, k]  # the first is the row itself
    want = digamma(len(x)) - digamma(k) + log_ball + 3 * np.log(own)
    np.testing.assert_allclose(entropy_from_samples(x, k=k, reduction="none"), want, rtol=1e-12)
    other = np.sort(cdist(x, y), axis=1)[:, k - 1]
    want = math.log(len(y)) - digamma(k) + log_ball + 3 * np.log(other)
    np.testing.assert_allclose(cross_entropy_from_samples(x, y, k=k, reduction="none"), want, rtol=1e-12)


@pytest.mark.parametrize("rule", ["scott", "silverman"])
def test_kernels_of_scipy(drawn, rule):
    x, y = drawn
    theirs = -stats.gaussian_kde(y.T, bw_method=rule).logpdf(x.T)
    ours = cross_entropy_from_samples(x, y, method="kde", bandwidth=rule, reduction="none")
    np.testing.assert_allclose(ours, theirs, rtol=1e-11)


def test_kernels_leave_the_row_out():
    x = np.random.default_rng(1).normal(size=60)
    width = 0.4
    terms = [
        -KernelDensity(bandwidth=width * x.std(ddof=1)).fit(np.delete(x, i)[:, None]).score([[x[i]]])
        for i in range(len(x))
    ]
    ours = entropy_from_samples(x, method="kde", bandwidth=width, reduction="none")
    np.testing.assert_allclose(ours, terms, rtol=1e-10)


def test_many_rows_are_taken_in_blocks(monkeypatch):
    x = np.random.default_rng(2).normal(size=(90, 2))
    whole = entropy_from_samples(x, method="kde", reduction="none")
    monkeypatch.setattr("crossent.information.samples.PAIRS", 400)
    np.testing.assert_array_equal(entropy_from_samples(x, method="kde", reduction="none"), whole)


# --- known Gaussians ------------------------------------------------------------------------------------


def gaussians(d, n, seed):
    """Rows of a standard Gaussian, rows of one shifted by 1 and twice as wide, H(p), and H(p, q)."""
    rng = np.random.default_rng([d, n, seed])
    own = 0.5 * d * math.log(2 * math.pi * math.e)
    cross = 0.5 * d * math.log(8 * math.pi) + d * 2 / 8
    return rng.normal(size=(n, d)), rng.normal(1.0, 2.0, size=(n, d)), own, cross


def errors(d, n, method):
    """Mean error of the three estimates over 40 draws, and its standard error."""
    found = []
    for seed in range(40):
        x, y, own, cross = gaussians(d, n, seed)
        found.append(
            (
                entropy_from_samples(x, method=method) - own,
                cross_entropy_from_samples(x, y, method=method) - cross,
                kl_divergence_from_samples(x, y, method=method) - (cross - own),
            )
        )
    return np.mean(found, axis=0), np.std(found, axis=0) / math.sqrt(40)


@pytest.mark.parametrize(("d", "n", "largest"), [(1, 200, 0.03), (1, 1000, 0.02), (2, 1000, 0.05)])
def test_neighbours_are_nearly_unbiased_in_few_dimensions(d, n, largest):
    bias, error = errors(d, n, "knn")
    assert (np.abs(bias) < largest + 3 * error).all()


def test_kernels_are_biased_upwards_and_less_with_more_rows():
    few, error = errors(4, 100, "kde")
    many, _ = errors(4, 800, "kde")
    assert (few[:2] > 3 * error[:2]).all()
    assert (many[:2] < few[:2]).all()


def test_ten_dimensions_are_too_many():
    """A divergence of 4.4 nats comes out half a nat too high."""
    bias, error = errors(10, 300, "knn")
    assert bias[2] > 0.3 + 3 * error[2]


def test_standard_error_from_the_terms():
    """Of the kernel cross-entropy with q's rows given: what new rows of p would scatter."""
    y = gaussians(1, 500, 0)[1]
    estimates, claimed = [], []
    for seed in range(200):
        x = gaussians(1, 300, seed)[0]
        terms = cross_entropy_from_samples(x, y, method="kde", reduction="none")
        estimates.append(terms.mean())
        claimed.append(terms.std(ddof=1) / math.sqrt(len(terms)))
    assert np.mean(claimed) == pytest.approx(np.std(estimates), rel=0.2)


# --- laws -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=20, deadline=None)
@given(factor=st.floats(1e-3, 1e3), shift=st.floats(-10, 10), d=st.integers(1, 4))
def test_change_of_unit(method, factor, shift, d):
    """d columns in other units: log |factor| for each; the divergence stays."""
    x, y, _, _ = gaussians(d, 40, 7)
    before = entropy_from_samples(x, method=method)
    after = entropy_from_samples(factor * x + shift, method=method)
    assert after == pytest.approx(density_in_unit(before, factor**d), abs=1e-8)
    divergence = kl_divergence_from_samples(x, y, method=method)
    moved = kl_divergence_from_samples(factor * x + shift, factor * y + shift, method=method)
    assert moved == pytest.approx(divergence, abs=1e-8)


@pytest.mark.parametrize("method", METHODS)
def test_the_identity_holds_for_the_estimates(method, drawn):
    x, y = drawn
    options = {"method": method, "base": 2}
    cross, own = cross_entropy_from_samples(x, y, **options), entropy_from_samples(x, **options)
    assert kl_divergence_from_samples(x, y, **options) == pytest.approx(cross - own, rel=1e-12)
    assert cross == pytest.approx(cross_entropy_from_samples(x, y, method=method) / math.log(2), rel=1e-15)


@pytest.mark.parametrize("method", METHODS)
def test_one_column_may_be_flat_and_the_mean_is_of_the_terms(method):
    x = np.random.default_rng(3).normal(size=50)
    estimate = entropy_from_samples(x, method=method)
    assert estimate == entropy_from_samples(x[:, None], method=method)
    terms = entropy_from_samples(x, method=method, reduction="none")
    assert estimate == pytest.approx(math.fsum(terms) / 50, rel=1e-15)


def test_arrays_of_pytorch_come_back_as_such(drawn):
    torch = pytest.importorskip("torch")
    x, y = drawn
    got = kl_divergence_from_samples(torch.tensor(x), torch.tensor(y), reduction="none")
    assert isinstance(got, torch.Tensor)
    np.testing.assert_array_equal(got.numpy(), kl_divergence_from_samples(x, y, reduction="none"))


@given(loss=st.floats(-1e6, 1e6), factor=st.floats(1e-9, 1e9))
def test_there_and_back(loss, factor):
    assert density_in_unit(density_in_unit(loss, factor), -1 / factor) == pytest.approx(loss, abs=1e-9)


# --- refusals -------------------------------------------------------------------------------------------


def test_equal_points_are_counted_and_named():
    x = np.array([0.0, 1.0, 2.0, 2.0, 2.0, 3.5, 4.0])
    with pytest.raises(DataError, match=r"row 2: 3 of 7 rows equal at least 2 other rows of x.*equal-points"):
        entropy_from_samples(x, k=2)
    assert math.isfinite(entropy_from_samples(x, k=3))
    with pytest.raises(DataError, match=r"row 1: 1 of 2 rows equal at least 1 rows of y"):
        cross_entropy_from_samples([9.0, 2.0], x, k=1)


@pytest.mark.parametrize(
    ("call", "slug"),
    [
        (lambda: entropy_from_samples([1.0, 2.0, 3.0]), "too-few-points"),
        (lambda: cross_entropy_from_samples([1.0], [1.0, 2.0]), "too-few-points"),
        (lambda: entropy_from_samples([1.0, 2.0], method="kde"), "too-few-points"),
        (lambda: entropy_from_samples(np.ones((9, 2)), method="kde"), "no-spread"),
        (lambda: entropy_from_samples(np.outer(np.arange(9.0), [1, 2]), method="kde"), "no-spread"),
        (lambda: entropy_from_samples([1.0, math.nan, 2.0]), "not-a-number"),
        (lambda: entropy_from_samples([]), "shape-mismatch"),
        (lambda: entropy_from_samples(np.ones((2, 2, 2))), "shape-mismatch"),
        (lambda: cross_entropy_from_samples(np.ones((5, 2)), np.ones(5)), "shape-mismatch"),
    ],
)
def test_data_that_cannot_be_used(call, slug):
    with pytest.raises(DataError) as caught:
        call()
    assert caught.value.slug == slug


@pytest.mark.parametrize(
    "options",
    [
        {"k": 0},
        {"k": 1.5},
        {"method": "histogram"},
        {"method": "kde", "bandwidth": 0.0},
        {"method": "kde", "bandwidth": "wide"},
        {"base": -1},
        {"reduction": "sum"},
    ],
)
def test_options(options):
    with pytest.raises(UsageError, match="bad-option"):
        entropy_from_samples(np.arange(20.0) ** 1.5, **options)


@pytest.mark.parametrize("factor", [0.0, math.inf, math.nan])
def test_units_are_no_zero(factor):
    with pytest.raises(UsageError, match="bad-option"):
        density_in_unit(1.0, factor)
