"""Scorers: what scikit-learn computes, where it computes it rightly, and the right number elsewhere."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.linear_model import BayesianRidge, LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss, mean_squared_error
from sklearn.model_selection import GridSearchCV, cross_validate

from crossent import UsageError, losses
from crossent.sklearn import scorer


@pytest.fixture(scope="module")
def fitted():
    X, y = load_iris(return_X_y=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    return LogisticRegression(max_iter=2000).fit(X, names), X, names


def test_scores_of_classifiers(fitted) -> None:
    model, X, y = fitted
    p = model.predict_proba(X)
    weight = np.arange(1.0, 151.0)
    assert scorer()(model, X, y) == pytest.approx(-log_loss(y, p), rel=1e-12)
    assert scorer("brier")(model, X, y) == pytest.approx(
        -brier_score_loss(y, p, scale_by_half=False), rel=1e-12
    )
    weighted = scorer()(model, X, y, sample_weight=weight)
    assert weighted == pytest.approx(-log_loss(y, p, sample_weight=weight), rel=1e-12)


def test_classes_are_matched_by_name_and_one_never_seen_has_probability_0(fitted) -> None:
    model, X, y = fitted
    two = y != "setosa"
    p = model.predict_proba(X[two])
    right = -log_loss(y[two], p, labels=model.classes_)
    assert scorer()(model, X[two], y[two]) == pytest.approx(right, rel=1e-12)
    small = LogisticRegression(max_iter=2000).fit(X[two], y[two])
    assert scorer()(small, X, y) == -math.inf


def test_losses_take_their_parameters(fitted) -> None:
    model, X, y = fitted
    p = model.predict_proba(X)[np.arange(150), np.searchsorted(model.classes_, y)]
    score = ((1.0 - p) ** 3.0 * np.log(p)).mean()
    assert scorer("focal", gamma=3.0)(model, X, y) == pytest.approx(score, rel=1e-9)


def test_scores_of_regressors() -> None:
    X, y = load_diabetes(return_X_y=True)
    model = BayesianRidge().fit(X, y)
    assert scorer("squared_error")(model, X, y) == pytest.approx(-mean_squared_error(y, model.predict(X)))
    mean, std = model.predict(X, return_std=True)
    nll = 0.5 * np.log(2 * np.pi * std**2) + (y - mean) ** 2 / (2 * std**2)
    assert scorer("gaussian_nll")(model, X, y) == pytest.approx(-nll.mean(), rel=1e-12)


def test_they_serve_where_scikit_learn_takes_scorers(fitted) -> None:
    _, X, y = fitted
    search = GridSearchCV(LogisticRegression(max_iter=2000), {"C": [0.1, 1.0]}, scoring=scorer(), cv=3).fit(
        X, y
    )
    theirs = GridSearchCV(
        LogisticRegression(max_iter=2000), {"C": [0.1, 1.0]}, scoring="neg_log_loss", cv=3
    ).fit(X, y)
    assert search.best_score_ == pytest.approx(theirs.best_score_, rel=1e-9)
    made = cross_validate(
        LogisticRegression(max_iter=2000), X, y, scoring={"a": scorer(), "b": scorer("brier")}, cv=3
    )
    assert {"test_a", "test_b"} <= made.keys()
    again = pickle.loads(pickle.dumps(scorer()))
    assert repr(clone(again, safe=False)) == "scorer('log_loss')"


def test_weights_are_routed(fitted) -> None:
    _, X, y = fitted
    with sklearn.config_context(enable_metadata_routing=True):
        scoring = scorer().set_score_request(sample_weight=True)
        model = LogisticRegression(max_iter=2000).set_fit_request(sample_weight=True)
        weight = np.where(y == "virginica", 5.0, 1.0)
        made = cross_validate(model, X, y, scoring=scoring, cv=3, params={"sample_weight": weight})
        plain = cross_validate(model, X, y, scoring=scorer().set_score_request(sample_weight=False), cv=3)
    assert not np.allclose(made["test_score"], plain["test_score"])


OF_CLASSES = [
    found.name
    for found in losses.all_losses()
    if "probs" in found.kinds and found.target in ("class", "ordinal")
]


@pytest.mark.parametrize("loss", OF_CLASSES)
def test_every_loss_of_classes_gives_a_score_or_says_what_it_needs(fitted, loss) -> None:
    try:
        score = scorer(loss)(*fitted)
    except UsageError as error:
        assert "loss-needs-parameters" in str(error)
    else:
        assert math.isfinite(score)
