"""Estimators chosen by the losses of rows, against scikit-learn's own cross-validation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import BayesianRidge, LinearRegression, LogisticRegression, QuantileRegressor, Ridge
from sklearn.metrics import log_loss
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    PredefinedSplit,
    RepeatedStratifiedKFold,
    cross_val_predict,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from crossent import DataError, UsageError
from crossent.sklearn import select_estimator


def models():
    return {
        "bayes": GaussianNB(),
        "logistic": make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)),
        "prior": DummyClassifier(),
    }


@pytest.fixture(scope="module")
def cancer():
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    return X, y.map({0: "malignant", 1: "benign"})


def test_losses_of_rows_are_those_of_cross_val_predict(cancer) -> None:
    X, y = cancer
    found = select_estimator(models(), X, y, cv=KFold(4))
    assert found.name == "logistic" and found.left_out == 0
    p = cross_val_predict(models()["logistic"], X, y, cv=KFold(4), method="predict_proba")
    assert found.report.results.model("logistic").loss.value == pytest.approx(log_loss(y, p), rel=1e-12)
    assert found.row_losses["logistic"].mean() == pytest.approx(log_loss(y, p), rel=1e-12)
    by_fold = [log_loss(y.iloc[b], p[b], labels=["benign", "malignant"]) for _, b in KFold(4).split(X)]
    assert found.fold_losses["logistic"] == pytest.approx(by_fold, rel=1e-12)
    assert set(found.estimator.predict(X[:20])) <= {"benign", "malignant"}
    assert "By folds (Nadeau and Bengio): prior minus logistic" in str(found)


def test_repeated_rows_are_one_cluster_and_their_losses_are_averaged(cancer) -> None:
    X, y = cancer
    cv = RepeatedStratifiedKFold(n_splits=3, n_repeats=4, random_state=0)
    found = select_estimator(models(), X, y, cv=cv, rule="one-se", complexity=("prior", "bayes", "logistic"))
    data = found.report.results.data
    assert (data.rows, data.clusters, data.cluster_column) == (4 * len(y), len(y), "row")
    assert found.comparisons["prior"].folds == 12 and np.isfinite(found.row_losses["bayes"]).all()
    mean = np.average(found.fold_losses["bayes"], weights=[len(b) for _, b in cv.split(X, y)])
    assert mean == pytest.approx(found.row_losses["bayes"].mean(), rel=1e-12)


@pytest.mark.parametrize("form", ["array", "sparse", "frame", "list"])
def test_data_of_any_form(form) -> None:
    X, y = load_iris(return_X_y=True)
    given = {"array": X, "sparse": sparse.csr_matrix(X), "frame": pd.DataFrame(X), "list": X.tolist()}[form]
    pair = {"logistic": LogisticRegression(max_iter=2000), "prior": DummyClassifier()}
    assert select_estimator(pair, given, y, cv=3, refit=False).estimator is None


def test_groups_are_clusters_and_rows_that_no_fold_tests_are_counted() -> None:
    X, y = load_iris(return_X_y=True)
    groups = np.arange(150) % 30
    found = select_estimator(models(), X, y, cv=GroupKFold(5), groups=groups)
    assert found.report.results.data.clusters == 30
    some = np.where(np.arange(150) % 3 == 0, -1, np.arange(150) % 2)
    found = select_estimator(models(), X, y, cv=PredefinedSplit(some))
    assert found.left_out == 50 and np.isnan(found.row_losses["bayes"]).sum() == 50


def test_weights_are_learned_from_and_weigh_the_losses() -> None:
    X, y = load_iris(return_X_y=True)
    weight = np.repeat([1.0, 2.0, 3.0], 50)
    pair = {"bayes": GaussianNB(), "prior": DummyClassifier()}
    found = select_estimator(pair, X, y, sample_weight=weight, cv=3)
    expected = np.average(found.row_losses["prior"], weights=weight)
    assert found.report.results.model("prior").loss.value == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("kind", "pair", "loss"),
    [
        (None, {"line": LinearRegression(), "ridge": Ridge(10.0)}, "squared_error"),
        ("mean_std", {"weak": BayesianRidge(), "fixed": BayesianRidge(max_iter=1)}, "gaussian_nll"),
        (
            None,
            {
                name: {q: QuantileRegressor(quantile=q, alpha=a) for q in (0.1, 0.5, 0.9)}
                for name, a in (("free", 0.0), ("flat", 1.0))
            },
            "pinball",
        ),
    ],
)
def test_regressors_of_every_kind(kind, pair, loss) -> None:
    X, y = load_diabetes(return_X_y=True)
    found = select_estimator(pair, X, y, kind=kind, cv=3)
    assert found.report.results.loss == loss
    for name, rows in found.row_losses.items():
        assert rows.mean() == pytest.approx(found.report.results.model(name).loss.value, rel=1e-12)


def test_a_class_that_a_fold_did_not_learn_is_said() -> None:
    X, y = load_iris(return_X_y=True)
    found = select_estimator(
        {"bayes": GaussianNB(), "prior": DummyClassifier()}, X, y, cv=KFold(3), loss="brier"
    )
    assert "fold 0 has no row of class 0" in found.notes[0]
    with pytest.raises(DataError, match=r"fold 0 learned from no row of class 0.*no-finite-loss"):
        select_estimator({"bayes": GaussianNB()}, X, y, cv=KFold(3))


class Broken(ClassifierMixin, BaseEstimator):
    """Cannot be fitted."""

    def fit(self, X, y):
        raise RuntimeError("no memory for this")


@pytest.mark.parametrize(
    ("estimator", "options", "error", "slug"),
    [
        (LinearSVC(), {}, UsageError, "no-probabilities"),
        (Broken(), {}, DataError, r"broken could not be fitted in fold 0.*fit-failed"),
        (Broken(), {"sample_weight": np.ones(150)}, UsageError, "weights-not-taken"),
        (GaussianNB(), {"kind": "point"}, UsageError, "bad-option"),
        (Ridge(), {"kind": "mean_std"}, UsageError, "no-deviation"),
    ],
)
def test_what_cannot_be_compared_is_refused(estimator, options, error, slug) -> None:
    X, y = load_iris(return_X_y=True)
    with pytest.raises(error, match=slug):
        select_estimator({"broken": estimator}, X, y, **options)


@pytest.mark.parametrize(("given", "slug"), [({}, "no-models")])
def test_nothing_to_choose_from(given, slug) -> None:
    with pytest.raises(UsageError, match=slug):
        select_estimator(given, [[0.0]], [0])
