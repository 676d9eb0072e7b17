"""Tests over folds against the figures of scikit-learn's gallery."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import stats
from sklearn.datasets import make_moons
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
from sklearn.svm import SVC

from crossent import UsageError
from crossent.statistics.folds import corrected_t, correlated_posterior


@pytest.fixture(scope="module")
def scores():
    """ROC AUC of four support vector machines in the 100 folds of plot_grid_search_stats."""
    X, y = make_moons(noise=0.352, random_state=1, n_samples=100)
    cv = RepeatedStratifiedKFold(n_splits=10, n_repeats=10, random_state=0)
    machines = {
        "rbf": SVC(kernel="rbf", random_state=0),
        "linear": SVC(kernel="linear", random_state=0),
        "poly3": SVC(kernel="poly", degree=3, random_state=0),
        "poly2": SVC(kernel="poly", degree=2, random_state=0),
    }
    return {name: cross_val_score(m, X, y, cv=cv, scoring="roc_auc") for name, m in machines.items()}


def test_corrected_and_uncorrected_test_of_the_gallery(scores) -> None:
    difference = scores["rbf"] - scores["linear"]
    corrected, plain = corrected_t(difference, 10 / 90), corrected_t(difference, 0.0)
    assert (corrected.t, corrected.p_greater) == pytest.approx((0.750, 0.227), abs=5e-4)
    assert (plain.t, plain.p_greater) == pytest.approx((2.611, 0.005), abs=5e-4)
    assert plain.p == pytest.approx(stats.ttest_1samp(difference, 0.0).pvalue, rel=1e-12)


def test_pairs_of_the_gallery_with_bonferronis_correction(scores) -> None:
    p = [
        min(1.0, 6.0 * corrected_t(scores[a] - scores[b], 10 / 90).p_greater)
        for a, b in combinations(["rbf", "linear", "poly3", "poly2"], 2)
    ]
    assert p == pytest.approx([1.000, 0.302, 0.000, 0.807, 0.000, 0.001], abs=5e-4)


def test_bayesian_test_of_the_gallery(scores) -> None:
    difference = scores["rbf"] - scores["linear"]
    assert correlated_posterior(difference, 10 / 90)[2] == pytest.approx(0.773, abs=5e-4)
    parts = correlated_posterior(difference, 10 / 90, rope=0.01)
    assert parts[1] == pytest.approx(0.432, abs=5e-4) and sum(parts) == pytest.approx(1.0)


def test_folds_that_do_not_differ() -> None:
    assert corrected_t([0.0, 0.0], 0.25).p == 1.0
    assert corrected_t([0.5, 0.5], 0.25).p == 0.0
    assert correlated_posterior([0.5, 0.5], 0.25, rope=0.1) == (0.0, 0.0, 1.0)
    assert correlated_posterior([0.0, 0.0], 0.25) == (0.0, 1.0, 0.0)


@pytest.mark.parametrize(("folds", "ratio"), [([0.1], 0.2), ([0.1, 0.2], -0.1)])
def test_what_makes_no_sense_is_refused(folds, ratio) -> None:
    with pytest.raises(UsageError, match="bad-folds"):
        corrected_t(folds, ratio)


def test_of_equal_models_the_corrected_test_rejects_seldom_and_the_plain_one_often() -> None:
    # differences of folds that share a part, as overlapping training sets make them: correlation 1/10
    rng, folds, runs = np.random.default_rng(4), 10, 2000
    shared = np.sqrt(0.1) * rng.standard_normal((runs, 1))
    x = shared + np.sqrt(0.9) * rng.standard_normal((runs, folds))
    rejected = {r: np.mean([corrected_t(row, r).p < 0.05 for row in x]) for r in (1 / 9, 0.0)}
    assert rejected[1 / 9] <= 0.065 < 0.12 < rejected[0.0]
