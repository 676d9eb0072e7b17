"""The loss under other class frequencies: by hand, what its interval promises, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import array_api_strict as xp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossent.errors import DataError, UsageError
from crossent.imbalance import PostStratified, correct_priors, post_stratified


def test_mean_and_standard_error_by_hand() -> None:
    labels, losses = [0, 1, 0, 1, 1], np.array([0.1, 2.0, 0.3, 1.0, 0.6])
    found = post_stratified(labels, losses, [0.9, 0.1])
    assert found.mean.value == pytest.approx(0.9 * 0.2 + 0.1 * 1.2)
    # variances 0.02 and 0.52 of 2 and 3 rows
    assert found.mean.se == pytest.approx(math.sqrt(0.81 * 0.02 / 2 + 0.01 * 0.52 / 3))
    assert [(c.label, c.prior, c.rows) for c in found.classes] == [(0, 0.9, 2), (1, 0.1, 3)]
    assert found.classes[1].mean.se == pytest.approx(math.sqrt(0.52 / 3))


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1), st.integers(2, 5))
def test_laws(seed: int, classes: int) -> None:
    """Own frequencies give the plain mean; linear in the losses; no order of rows or classes matters."""
    rng = np.random.default_rng(seed)
    y = np.append(np.repeat(np.arange(classes), 2), rng.integers(0, classes, 30))
    losses = rng.exponential(size=len(y))
    share = np.bincount(y) / len(y)
    assert post_stratified(y, losses, share).mean.value == pytest.approx(losses.mean(), rel=1e-12)

    priors = rng.dirichlet(np.ones(classes))
    found = post_stratified(y, losses, priors)
    scaled = post_stratified(y, 3 - 2 * losses, priors)
    assert scaled.mean.value == pytest.approx(3 - 2 * found.mean.value, rel=1e-12)
    assert scaled.mean.se == pytest.approx(2 * (found.mean.se or 0.0), rel=1e-9)

    order = rng.permutation(len(y))
    assert post_stratified(y[order], losses[order], priors).mean.value == found.mean.value
    names = [f"class {k}" for k in range(classes)]
    named = post_stratified(
        [names[k] for k in y], losses, {names[k]: priors[k] for k in reversed(range(classes))}
    )
    assert named.mean.value == pytest.approx(found.mean.value, rel=1e-13)


@pytest.mark.parametrize(
    ("rare", "priors"),
    [(8, (0.5, 0.5)), (40, (0.97, 0.03)), (300, (0.2, 0.8))],
    ids=["few rows", "rare", "many"],
)
def test_the_interval_covers(rare: int, priors: tuple[float, float]) -> None:
    """95 ± 2 of 100 intervals hold the mean loss under the priors, though a class has 8 rows."""
    rng = np.random.default_rng(11)
    means, spreads, covered, trials = np.array([0.2, 1.0]), np.array([0.3, 0.7]), 0, 3000
    y = np.repeat([0, 1], [400, rare])
    truth = float(np.dot(priors, means))
    for _ in range(trials):
        interval = post_stratified(y, rng.normal(means[y], spreads[y]), priors).mean.interval(0.95)
        assert interval is not None
        covered += interval[0] <= truth <= interval[1]
    assert covered / trials == pytest.approx(0.95, abs=0.02)


def test_case_control_data_give_the_loss_of_the_population() -> None:
    """Half of the rows from each class, judged as where one row in 20 is positive."""
    rng = np.random.default_rng(5)
    rate, rows = 0.05, 40_000

    def drawn(y: Any) -> Any:
        x = rng.normal(size=len(y)) + 1.5 * y
        odds = np.exp(1.5 * x - 1.125) * rate / (1 - rate)
        return odds / (1 + odds)

    def loss(y: Any, p: Any) -> Any:
        return -np.log(np.where(y == 1, p, 1 - p))

    sampled = np.repeat([0, 1], rows // 2)
    found = post_stratified(sampled, loss(sampled, drawn(sampled)), [1 - rate, rate])
    population = (rng.random(400_000) < rate).astype(int)
    actual = loss(population, drawn(population))
    difference = found.mean.value - actual.mean()
    assert abs(difference) < 3 * math.hypot(found.mean.se or 0.0, actual.std() / math.sqrt(len(actual)))
    # moving the predictions to other frequencies than those of the priors costs, as log loss is proper
    moved = correct_priors(drawn(sampled), [1 - rate, rate], [0.5, 0.5])
    assert (
        post_stratified(sampled, loss(sampled, moved), [1 - rate, rate]).mean.value > found.mean.value + 0.1
    )


def without_se(found: PostStratified) -> str:
    assert found.mean.se is None and found.mean.interval() is None
    return found.why_no_se


def test_where_there_is_no_standard_error_it_says_why() -> None:
    single = post_stratified(["a", "a", "b"], [0.1, 0.2, 3.0], {"a": 0.9, "b": 0.1})
    assert single.mean.value == pytest.approx(0.435)
    assert "'b' has one row" in without_se(single)
    infinite = post_stratified([0, 0, 1, 1], [0.1, 0.2, np.inf, 1.0], [0.9, 0.1])
    assert infinite.mean.value == np.inf
    assert without_se(infinite) == "a loss is infinite"
    assert post_stratified([0, 0], [1.0, 2.0], [1.0]).why_no_se == ""


def test_a_class_of_prior_0_does_not_count() -> None:
    found = post_stratified([0, 0, 1, 1], [0.1, 0.2, np.inf, 1.0], [1.0, 0.0])
    assert found.mean.value == pytest.approx(0.15) and found.mean.se == pytest.approx(0.05)
    assert len(found.classes) == 1
    assert post_stratified([0, 0], [0.1, 0.2], [1.0, 0.0]).mean == found.mean


def test_losses_that_do_not_vary_have_the_standard_error_0() -> None:
    assert post_stratified([0, 0, 1, 1], [1.0, 1.0, 2.0, 2.0], [0.5, 0.5]).mean.se == 0.0


def test_arrays_of_other_libraries() -> None:
    found = post_stratified(xp.asarray([0, 1, 0, 1]), xp.asarray([0.1, 0.2, 0.3, 0.5]), [0.5, 0.5])
    assert found == post_stratified([0, 1, 0, 1], [0.1, 0.2, 0.3, 0.5], [0.5, 0.5])


REFUSED: list[tuple[Callable[[], Any], str]] = [
    (lambda: post_stratified([0, 0], [1.0, 2.0], [0.5, 0.5]), "empty-class"),
    (lambda: post_stratified([0, 1], [1.0, 2.0, 3.0], [0.5, 0.5]), "shape-mismatch"),
    (lambda: post_stratified([[0, 1]], [[1.0, 2.0]], [0.5, 0.5]), "shape-mismatch"),
    (lambda: post_stratified([0, 1], [1.0, np.nan], [0.5, 0.5]), "nan-loss"),
    (lambda: post_stratified([0, 2], [1.0, 2.0], [0.5, 0.5]), "label-out-of-range"),
    (lambda: post_stratified([0, -1], [1.0, 2.0], [0.5, 0.5]), "label-out-of-range"),
    (lambda: post_stratified(["a", "b"], [1.0, 2.0], [0.5, 0.5]), "label-type"),
    (lambda: post_stratified(["a", "c"], [1.0, 2.0], {"a": 0.5, "b": 0.5}), "unknown-label"),
    (lambda: post_stratified([0, 1], [1.0, 2.0], [0.5, 0.4]), "prior-not-a-distribution"),
]


@pytest.mark.parametrize(("call", "slug"), REFUSED)
def test_what_is_refused(call: Callable[[], Any], slug: str) -> None:
    with pytest.raises((DataError, UsageError)) as caught:
        call()
    assert caught.value.slug == slug
