"""Corrections of predictions: inverses of what training did, by probability and logit; estimated priors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import array_api_strict as xp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import optimize, special
from sklearn.linear_model import LogisticRegression

from crossent import imbalance
from crossent.errors import DataError, UsageError
from crossent.imbalance import correct_priors, correct_resampling, correct_weights, estimate_priors

Floats = NDArray[np.float64]


def softmax(z: Floats) -> Floats:
    return np.asarray(special.softmax(z, axis=1))


@st.composite
def distorted(draw: st.DrawFn) -> tuple[Floats, Floats, Floats]:
    """(N, K) the truth, (K,) factors, and the truth with its odds multiplied by them."""
    classes, seed = draw(st.integers(2, 6)), draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    truth = softmax(rng.normal(scale=draw(st.floats(0.1, 8.0)), size=(7, classes)))
    factors = np.exp(rng.normal(scale=3.0, size=classes))
    return truth, factors, truth * factors / (truth * factors).sum(axis=1, keepdims=True)


@settings(max_examples=50)
@given(distorted())
def test_corrections_invert_what_was_done(case: tuple[Floats, Floats, Floats]) -> None:
    truth, factors, q = case
    for correct in (correct_weights, correct_resampling):
        np.testing.assert_allclose(correct(q, factors), truth, rtol=1e-12)
        z = correct(np.log(q), factors, kind="logits")
        np.testing.assert_allclose(softmax(z), truth, rtol=1e-12)


@settings(max_examples=50)
@given(distorted())
def test_prior_shift_there_and_back_and_in_two_steps(case: tuple[Floats, Floats, Floats]) -> None:
    truth, factors, _ = case
    a, b = np.full(truth.shape[1], 1 / truth.shape[1]), factors / factors.sum()
    c = (b**0.5) / (b**0.5).sum()
    moved = correct_priors(truth, a, b)
    np.testing.assert_allclose(correct_priors(moved, b, a), truth, rtol=1e-11)
    np.testing.assert_allclose(correct_priors(moved, b, c), correct_priors(truth, a, c), rtol=1e-11)
    # the same as undoing weights in the ratio of the priors
    np.testing.assert_allclose(correct_weights(truth, a / b), moved, rtol=1e-12)


@settings(max_examples=50)
@given(distorted())
def test_one_column_says_what_two_say(case: tuple[Floats, Floats, Floats]) -> None:
    q = case[2][:, :2] / case[2][:, :2].sum(axis=1, keepdims=True)
    w = case[1][:2]
    np.testing.assert_allclose(correct_weights(q[:, 1], w), correct_weights(q, w)[:, 1], rtol=1e-9)
    log_odds = np.log(q[:, 1]) - np.log(q[:, 0])
    z = correct_weights(log_odds, w, kind="logits")
    np.testing.assert_allclose(special.expit(z), correct_weights(q, w)[:, 1], rtol=1e-11)


def test_weighted_training_is_undone() -> None:
    """A model flexible enough (a table) trained with weights says w·p, and the correction gives p back."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 5, 4000)
    y = (rng.random(4000) < np.array([0.01, 0.03, 0.05, 0.2, 0.4])[x]).astype(int)
    table = np.eye(5)[x]
    weights = {0: 1.0, 1: 25.0}
    model = LogisticRegression(C=np.inf, class_weight=weights, fit_intercept=False, tol=1e-10, max_iter=1000)
    q = model.fit(table, y).predict_proba(np.eye(5))
    frequency = np.array([y[x == k].mean() for k in range(5)])
    assert (q[:, 1] > 2 * frequency).all()
    np.testing.assert_allclose(correct_weights(q, [1.0, 25.0])[:, 1], frequency, rtol=1e-4)


def test_resampled_training_is_undone() -> None:
    """One in ten of the frequent class kept: the table of what is left, corrected, is that of all rows."""
    rng = np.random.default_rng(1)
    x = rng.integers(0, 3, 400_000)
    y = rng.random(400_000) < np.array([0.01, 0.05, 0.2])[x]
    kept = y | (rng.random(400_000) < 0.1)
    sampled = np.array([y[kept & (x == k)].mean() for k in range(3)])
    whole = np.array([y[x == k].mean() for k in range(3)])
    np.testing.assert_allclose(correct_resampling(sampled, [0.1, 1.0]), whole, rtol=0.05)


def test_extreme_predictions() -> None:
    p = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 5e-324], [1e-300, 1.0]])
    found = correct_weights(p, [1.0, 1e-3])
    assert found[:2].tolist() == [[1.0, 0.0], [0.0, 1.0]]
    np.testing.assert_allclose(found[3], [1e-303, 1.0], rtol=1e-12)
    z = np.array([[1e4, -1e4], [-np.inf, 0.0]])
    np.testing.assert_allclose(correct_weights(z, [1.0, np.e], kind="logits"), [[1e4, -10001], [-np.inf, -1]])
    assert correct_priors([[0.3, 0.7]], [0.5, 0.5], [1.0, 0.0]).tolist() == [[1.0, 0.0]]
    assert correct_priors([[0.3, 0.7]], [0.5, 0.5], [1.0, 0.0], kind="logits")[0, 1] == -np.inf
    assert correct_weights(np.empty((0, 2)), [1.0, 2.0]).shape == (0, 2)


def test_arrays_of_other_libraries_and_untouched_inputs() -> None:
    p = np.array([[0.25, 0.75], [0.5, 0.5]], np.float32)
    p.flags.writeable = False
    expected = correct_priors(p, [0.5, 0.5], [0.9, 0.1])
    assert expected.dtype == np.float64
    found = correct_priors(xp.asarray(p.copy()), [0.5, 0.5], [0.9, 0.1])
    assert found.__array_namespace__() is xp
    np.testing.assert_array_equal(np.from_dlpack(found), expected)
    priors = estimate_priors(xp.asarray(p.copy()), [0.5, 0.5]).priors
    np.testing.assert_array_equal(np.from_dlpack(priors), estimate_priors(p, [0.5, 0.5]).priors)


# --- priors from rows without labels ----------------------------------------------------------------------


def shifted(rows: int, train: Floats, actual: Floats, seed: int) -> Floats:
    """(N, K) true posteriors under the training frequencies, for rows drawn with others.

    Class k has normal inputs around the k-th corner of a simplex.
    """
    rng = np.random.default_rng(seed)
    corners = 1.5 * np.eye(len(train))
    x = corners[rng.choice(len(train), rows, p=actual)] + rng.normal(size=(rows, len(train)))
    return softmax(np.log(train) + x @ corners.T - (corners**2).sum(axis=1) / 2)


def test_a_known_shift_is_found() -> None:
    train, actual = np.array([0.6, 0.3, 0.1]), np.array([0.1, 0.3, 0.6])
    errors = []
    for seed in range(20):
        found = estimate_priors(shifted(4000, train, actual, seed), train)
        assert found.p_value < 1e-6
        errors.append(found.priors - actual)
    # the mean of 20 estimates within three of its standard errors
    error = np.array(errors)
    assert (np.abs(error.mean(axis=0)) < 3 * error.std(axis=0, ddof=1) / np.sqrt(20)).all()
    assert error.std() < 0.015


def test_without_a_shift_the_test_rejects_as_often_as_it_says() -> None:
    train = np.array([0.5, 0.3, 0.2])
    p_values = [estimate_priors(shifted(500, train, train, seed), train).p_value for seed in range(400)]
    # 5 % of 400, ± 3 standard deviations
    assert 7 <= np.sum(np.array(p_values) < 0.05) <= 33


@pytest.mark.parametrize("seed", range(3))
def test_the_maximum_is_that_of_a_general_optimiser(seed: int) -> None:
    train = np.array([0.6, 0.3, 0.1])
    p = shifted(300, train, np.array([0.2, 0.2, 0.6]), seed)
    found = estimate_priors(p, train, tolerance=1e-12)

    def loss(free: Floats) -> float:
        pi = special.softmax(np.append(free, 0.0))
        return -float(np.log((p / train) @ pi).sum())

    best = optimize.minimize(loss, np.zeros(2), method="BFGS", options={"gtol": 1e-8})
    np.testing.assert_allclose(found.priors, special.softmax(np.append(best.x, 0.0)), atol=1e-5)
    assert found.log_likelihood_gain == pytest.approx(loss(np.log(train[:2] / train[2])) - best.fun, abs=1e-7)
    assert 0 <= found.gap <= 1e-12 and found.iterations > 1


def test_a_coarse_answer_is_as_near_as_it_says() -> None:
    train = np.array([0.6, 0.3, 0.1])
    p = shifted(500, train, np.array([0.1, 0.1, 0.8]), 0)
    best = estimate_priors(p, train, tolerance=1e-13).log_likelihood_gain
    for tolerance in (1e-1, 1e-2, 1e-4):
        coarse = estimate_priors(p, train, tolerance=tolerance)
        assert 0 < best - coarse.log_likelihood_gain <= 500 * coarse.gap <= 500 * tolerance


def test_corrected_predictions_have_the_estimated_mean() -> None:
    """At the maximum the mean of the corrected predictions is the estimate itself, from logits as well."""
    train = np.array([0.9, 0.1])
    p = shifted(1000, train, np.array([0.5, 0.5]), 7)
    found = estimate_priors(p[:, 1], train)
    np.testing.assert_allclose(correct_priors(p, train, found.priors).mean(axis=0), found.priors, atol=1e-7)
    log_odds = np.log(p[:, 1] / p[:, 0])
    np.testing.assert_allclose(
        estimate_priors(log_odds, train, kind="logits").priors, found.priors, atol=1e-9
    )


def test_a_class_that_is_not_there_is_found_missing() -> None:
    train = np.full(3, 1 / 3)
    found = estimate_priors(shifted(2000, train, np.array([0.5, 0.5, 0.0]), 3), train, tolerance=1e-8)
    assert found.priors[2] < 0.02
    assert estimate_priors([[1.0, 0.0]], [0.5, 0.5]).priors.tolist() == [1.0, 0.0]
    assert estimate_priors([[1.0]], [1.0]).p_value == 1.0


# --- what is refused --------------------------------------------------------------------------------------

HALVES = [0.5, 0.5]
REFUSED: list[tuple[Callable[[], Any], str]] = [
    (lambda: correct_weights([[0.5, 0.5]], [1.0, 0.0]), "not-positive"),
    (lambda: correct_weights([[0.5, 0.5]], [1.0, np.nan]), "not-positive"),
    (lambda: correct_resampling([[0.5, 0.5]], [1.0, -1.0]), "not-positive"),
    (lambda: correct_weights([[0.5, 0.5]], [1.0, 1.0, 1.0]), "shape-mismatch"),
    (lambda: correct_weights([0.5, 0.5], [1.0, 1.0, 1.0]), "shape-mismatch"),
    (lambda: correct_weights([[[0.5, 0.5]]], [1.0, 1.0]), "shape-mismatch"),
    (lambda: correct_weights([[0.5, 0.5]], 2.0), "shape-mismatch"),
    (lambda: correct_weights([["a", "b"]], HALVES), "not-a-number"),
    (lambda: correct_weights([[0.5, np.nan]], HALVES), "nan-prediction"),
    (lambda: correct_weights([[1.5, -0.5]], HALVES), "not-a-probability"),
    (lambda: correct_weights([[0.5, 0.6]], HALVES), "not-a-probability"),
    (lambda: correct_weights([1.0001], HALVES), "not-a-probability"),
    (lambda: correct_weights([[0.5, np.inf]], HALVES, kind="logits"), "infinite-logit"),
    (lambda: correct_weights([[0.5, 0.5]], HALVES, kind="log_probs"), "bad-option"),  # type: ignore[arg-type]
    (lambda: correct_priors([[0.5, 0.5]], HALVES, [0.5, 0.6]), "prior-not-a-distribution"),
    (lambda: correct_priors([[0.5, 0.5]], [0.0, 1.0], HALVES), "not-positive"),
    (lambda: correct_priors([[0.5, 0.5]], HALVES, [0.2, 0.3, 0.5]), "prior-classes"),
    (lambda: correct_priors([[0.5, 0.5], [1.0, 0.0]], HALVES, [0.0, 1.0]), "impossible-row"),
    (lambda: estimate_priors(np.empty((0, 2)), HALVES), "no-rows"),
    (lambda: estimate_priors([[0.9, 0.1], [0.2, 0.8]], HALVES, max_iterations=1), "not-converged"),
]


@pytest.mark.parametrize(("call", "slug"), REFUSED)
def test_what_is_refused(call: Callable[[], Any], slug: str) -> None:
    with pytest.raises((DataError, UsageError)) as caught:
        call()
    assert caught.value.slug == slug


def test_every_public_name_exists() -> None:
    assert all(hasattr(imbalance, name) for name in imbalance.__all__)
