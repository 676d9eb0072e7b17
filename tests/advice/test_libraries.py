"""Every spelling is code that the library itself accepts."""

from __future__ import annotations

import ast
import warnings
from typing import Any

import numpy as np
import pytest
import sklearn.ensemble
import sklearn.linear_model
import sklearn.metrics
import sklearn.multiclass

from crossent.advice.choices import RULES
from crossent.advice.libraries import LIBRARIES, SPELLINGS, Spelling, spell

from .cases import CASES

RNG = np.random.default_rng(1)
X = RNG.normal(size=(60, 3))
TARGETS: dict[str, Any] = {
    "binary": RNG.integers(0, 2, 60),
    "classes": np.arange(60) % 3,
    "ordered": np.arange(60) % 3,
    "multilabel": RNG.integers(0, 2, (60, 2)),
    "fraction": RNG.random(60),
    "counts": RNG.poisson(3, 60),
    "scattered counts": RNG.poisson(3, 60),
    "amounts with zeros": np.maximum(RNG.normal(size=60), 0.0),
    "positive": RNG.random(60) + 0.1,
    "heavy tails": RNG.normal(size=60),
    "quantiles": RNG.normal(size=60),
    "quantity": RNG.normal(size=60),
}
SKLEARN = {
    name: value
    for module in (sklearn.ensemble, sklearn.linear_model, sklearn.multiclass, sklearn.metrics)
    for name, value in vars(module).items()
}


def entries(library: str) -> list[Any]:
    place = LIBRARIES.index(library)
    return [pytest.param(key, s[place], id=key) for key, s in SPELLINGS.items()]


def parameters(text: str) -> dict[str, Any]:
    """`a="b", c=1` as a dictionary."""
    call = ast.parse(f"f({text})".format(classes=3), mode="eval").body
    assert isinstance(call, ast.Call) and not call.args
    return {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}


def test_every_choice_is_spelled_for_every_library() -> None:
    from crossent.advice import advise

    used = {advise(case.y, **case.options).libraries for case in CASES}
    assert {tuple(s.package for s in spellings) for spellings in used} == {LIBRARIES}
    assert len(used) >= len(SPELLINGS) and RULES.keys() == {case.task for case in CASES}
    silent = [(key, s.package) for key, ss in SPELLINGS.items() for s in ss if not (s.train or s.note)]
    assert not silent, "where a library has no such loss, say what to do"
    assert spell("classes", 7)[2].train == 'objective="multi:softprob", num_class=7'


@pytest.mark.parametrize(("key", "spelling"), entries("scikit-learn"))
def test_scikit_learn(key: str, spelling: Spelling) -> None:
    scoring = None
    if spelling.score:
        value = spelling.score.removeprefix("scoring=")
        scoring = eval(value, dict(SKLEARN))
        if isinstance(scoring, str):
            assert scoring in sklearn.metrics.get_scorer_names()
            scoring = sklearn.metrics.get_scorer(scoring)
    if not spelling.train:
        assert spelling.note
        return
    model = eval(spelling.train, dict(SKLEARN))
    y = TARGETS[key]
    model.fit(X, y)
    if scoring is not None:
        assert np.isfinite(scoring(model, X, y))


@pytest.mark.parametrize(("key", "spelling"), entries("PyTorch"))
def test_pytorch(key: str, spelling: Spelling) -> None:
    torch = pytest.importorskip("torch")
    function = eval(spelling.train, {"torch": torch})
    y = torch.tensor(np.asarray(TARGETS.get(key, np.zeros(60))), dtype=torch.float64)
    z = torch.ones(60, dtype=torch.float64, requires_grad=True)
    one = torch.ones(60, dtype=torch.float64)
    arguments = {
        "classes": lambda: (torch.ones(60, 3, requires_grad=True), y.long()),
        "many classes": lambda: (torch.ones(60, 3), torch.ones(5, 3, requires_grad=True), y.long()),
        "multilabel": lambda: (torch.ones(60, 2, dtype=torch.float64, requires_grad=True), y),
        "ordered": lambda: (torch.ones(60, 2, requires_grad=True), (y[:, None] > torch.arange(2)).float()),
        "distribution": lambda: (torch.ones(60, 3, requires_grad=True), torch.full((60, 3), 1 / 3)),
        "scattered counts": lambda: (one, z, y),
        "positive": lambda: (z, y.log(), one),
        "heavy tails": lambda: (4 * one, z, one, y),
        "quantity": lambda: (z, y, one),
    }.get(key, lambda: (z, y))()
    loss = function(*arguments)
    assert loss.ndim == 0 and torch.isfinite(loss)
    loss.backward()


@pytest.mark.parametrize(("key", "spelling"), entries("XGBoost"))
def test_xgboost(key: str, spelling: Spelling) -> None:
    xgboost = pytest.importorskip("xgboost")
    if not spelling.train:
        assert spelling.note
        return
    chosen = parameters(f"{spelling.train}, {spelling.score}")
    data = xgboost.DMatrix(X, label=TARGETS[key])
    seen: dict[str, Any] = {}
    xgboost.train(chosen, data, 1, evals=[(data, "train")], evals_result=seen, verbose_eval=False)
    assert list(seen["train"]) == [chosen["eval_metric"]] and np.isfinite(
        seen["train"][chosen["eval_metric"]]
    )


@pytest.mark.parametrize(("key", "spelling"), entries("LightGBM"))
def test_lightgbm(key: str, spelling: Spelling) -> None:
    lightgbm = pytest.importorskip("lightgbm")
    if not spelling.train:
        assert spelling.note
        return
    chosen = parameters(f"{spelling.train}, {spelling.score}")
    y = TARGETS[key][:, 0] if key == "multilabel" else TARGETS[key]
    data = lightgbm.Dataset(X, label=y)
    seen: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lightgbm.train(
            {**chosen, "verbosity": -1},
            data,
            1,
            valid_sets=[data],
            valid_names=["train"],
            callbacks=[lightgbm.record_evaluation(seen)],
        )
    assert list(seen["train"]) == [chosen["metric"]] and np.isfinite(seen["train"][chosen["metric"]])


@pytest.mark.parametrize(("key", "spelling"), entries("Keras"))
def test_keras_spellings_are_names_of_losses_and_metrics(key: str, spelling: Spelling) -> None:
    """Run where Keras is installed, and checked as code everywhere."""
    texts = [text for text in (spelling.train, spelling.score) if text]
    assert texts and all(ast.parse(text, mode="eval") for text in texts)
    try:
        import keras
    except ModuleNotFoundError:
        return
    assert all(callable(eval(text, {"keras": keras})) for text in texts)
