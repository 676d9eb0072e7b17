"""Choosing an estimator by cross-validation, from the losses of rows instead of means of folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.model_selection import check_cv
from sklearn.utils.multiclass import type_of_target

from crossent import functional, losses
from crossent.api import Report, select
from crossent.errors import DataError, UsageError
from crossent.sklearn.crossing import Data, Fold, cross_predict, fit
from crossent.sklearn.predicting import NUMBER_KINDS
from crossent.statistics.folds import FoldComparison, corrected_t

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Selected:
    """What `select_estimator` found."""

    name: str
    """Of the estimator that the rule chose."""
    estimator: Any
    """It, fitted to all rows; None with `refit=False`."""
    report: Report
    """Everything that `crossent.select` says of the predictions of the test rows: page, tables,
    statements."""
    fold_losses: Mapping[str, Floats]
    """(J,) mean loss of each fold's test rows, for reading beside other tools; nothing is decided by it."""
    row_losses: Mapping[str, Floats]
    """(N,) loss of each row, its mean over repeats; nan for rows that no fold tested."""
    comparisons: Mapping[str, FoldComparison]
    """Every other estimator's fold losses minus those of the chosen one, by Nadeau and Bengio's test."""
    left_out: int
    """Rows that no fold tested."""
    notes: tuple[str, ...] = ()
    """What the reader should know, such as a class that a training part lacked."""

    def __str__(self) -> str:
        lines = [*self.report.statements]
        lines += [
            f"By folds (Nadeau and Bengio): {name} minus {self.name} {c.difference:+.4g} ± {c.se:.2g}, "
            f"p = {c.p:.3f}."
            for name, c in self.comparisons.items()
        ]
        return "\n".join([*lines, *self.notes])

    def _repr_markdown_(self) -> str:
        return self.report.to_markdown()


def select_estimator(
    estimators: Mapping[str, Any],
    X: Any,
    y: Any,
    *,
    cv: Any = None,
    loss: str | None = None,
    kind: str | None = None,
    sample_weight: Any = None,
    groups: Any = None,
    fit_params: Mapping[str, Any] | None = None,
    rule: str = "best",
    complexity: Sequence[str] = (),
    level: float = 0.95,
    refit: bool = True,
    n_jobs: int | None = None,
    **options: Any,
) -> Selected:
    """Choose an estimator by the losses of the rows that each fold left out, and fit it to all rows.

    Parameters
    ----------
    estimators : name → estimator. Classifiers with predict_proba; regressors; for quantiles a mapping
        level → regressor.
    X, y : as scikit-learn takes them (arrays, data frames, sparse matrices; labels of any type).
    cv : number of folds, a splitter or a list of splits [default: 5, stratified for classifiers]. Rows that
        no fold tests are left out and counted. Repeated rows are one cluster.
    loss : a name of the registry [default: log loss; of numbers what is usual for their kind].
    kind : what regressors predict: "point" (`predict`), "mean_std" (`predict(X, return_std=True)`), "samples"
        (`predict` gives (N, S)); mappings of levels give "quantiles".
    sample_weight : (N,) given to `fit` and weighing the losses.
    groups : (N,) for the splitter, and clusters: rows of a group are not independent.
    rule, complexity, level : see `crossent.select`; "one-se" is paired.
    options : further ones of `crossent.select`, such as `baseline` or `deep`.

    The report's intervals are those of rows (Bayle et al. 2020: the central limit theorem holds for
    cross-validated losses of rows); `comparisons` has the corrected test over folds beside them.

    Errors: UsageError for estimators that give no probabilities or take no weights; DataError where a fit
    fails, with the estimator's name and the fold, and where nothing is left to compare.

    >>> from sklearn.datasets import load_iris
    >>> from sklearn.dummy import DummyClassifier
    >>> from sklearn.naive_bayes import GaussianNB
    >>> X, y = load_iris(return_X_y=True)
    >>> found = select_estimator({"bayes": GaussianNB(), "prior": DummyClassifier()}, X, y)
    >>> found.name, found.comparisons["prior"].p < 0.001
    ('bayes', True)

    Sources: Nadeau & Bengio 2003, doi:10.1023/A:1024068626366; Bayle, Bayle, Janson & Mackey 2020,
    arXiv:2007.12671; Breiman et al. 1984 for the one-standard-error rule.
    """
    data = _understood(estimators, X, y, kind, sample_weight, fit_params)
    folds = _folds(cv, X, y, groups, classes=data.classes is not None)
    predicted = cross_predict(estimators, data, folds, n_jobs)
    rows = np.concatenate([fold.test for fold in folds])
    tables = {
        name: _table(np.concatenate(parts), rows, data, groups, _levels(estimators[name]))
        for name, parts in predicted.items()
    }
    repeated = np.unique(rows).size < rows.size
    column = "group" if groups is not None else "row" if repeated else None
    report = select(
        tables,
        rule=rule,
        complexity=complexity,
        level=level,
        loss=loss,
        cluster=column,
        weight=None if data.weight is None else "weight",
        kind=None if data.classes is not None else data.kind,
        **options,
    )
    chosen = report.chosen
    if chosen is None:
        raise DataError(
            "no-finite-loss",
            f"every estimator has an infinite {report.results.loss_title}{_why(data, folds)}",
            cure="use StratifiedKFold or fewer folds, or judge by another loss, such as brier",
        )
    row_losses = {
        n: _row_losses(np.concatenate(p), rows, data, report.results.loss, _levels(estimators[n]))
        for n, p in predicted.items()
    }
    by_fold = {n: _by_fold(v, rows, folds, data) for n, v in row_losses.items()}
    return Selected(
        name=chosen,
        estimator=fit(chosen, estimators[chosen], data) if refit else None,
        report=report,
        fold_losses=by_fold,
        row_losses={n: _by_row(v, rows, len(data.y)) for n, v in row_losses.items()},
        comparisons=_comparisons(by_fold, chosen, folds, level),
        left_out=len(data.y) - int(np.unique(rows).size),
        notes=tuple(_notes(data, folds)),
    )


def _understood(
    estimators: Mapping[str, Any], X: Any, y: Any, kind: str | None, weight: Any, fit_params: Any
) -> Data:
    if not estimators:
        raise UsageError("no-models", "no estimators were given", cure="name at least one")
    labels = np.asarray(y)
    if labels.ndim != 1:
        raise UsageError(
            "several-labels", f"labels of shape {labels.shape}", cure="choose for each label column apart"
        )
    weights = None if weight is None else np.asarray(weight, np.float64)
    first = next(iter(estimators.values()))
    levels = {isinstance(e, Mapping) for e in estimators.values()}
    if not isinstance(first, Mapping) and is_classifier(first):
        if kind not in (None, "probs"):
            raise UsageError("bad-option", f"classifiers give no {kind}", cure="leave kind out")
        classes = tuple(np.unique(labels).tolist())
        return Data(X, labels, weights, classes, "probs", fit_params or {})
    if kind not in (None, *NUMBER_KINDS) or len(levels) > 1:
        raise UsageError(
            "bad-option",
            f"regressors of kind {kind}",
            cure=f"choose one of {', '.join(NUMBER_KINDS)} for all",
        )
    return Data(
        X,
        labels.astype(np.float64),
        weights,
        None,
        "quantiles" if levels == {True} else kind or "point",
        fit_params or {},
    )


def _folds(cv: Any, X: Any, y: Any, groups: Any, *, classes: bool) -> list[Fold]:
    splitter = check_cv(cv, y, classifier=classes and type_of_target(y) in ("binary", "multiclass"))
    folds = [Fold(np.asarray(a), np.asarray(b)) for a, b in splitter.split(X, y, groups)]
    return [fold for fold in folds if fold.test.size]


def _levels(estimator: Any) -> tuple[float, ...]:
    return tuple(estimator) if isinstance(estimator, Mapping) else ()


def _table(predicted: Floats, rows: Ints, data: Data, groups: Any, levels: Sequence[float]) -> pa.Table:
    """What `crossent.select` reads: one row a prediction."""
    label = [str(v) for v in data.y[rows].tolist()] if data.classes is not None else data.y[rows]
    columns: dict[str, Any] = {"label": label, "row": rows, "row_id": np.arange(rows.size)}
    if groups is not None:
        columns["group"] = [str(v) for v in np.asarray(groups)[rows].tolist()]
    if data.weight is not None:
        columns["weight"] = data.weight[rows]
    if data.classes is not None:
        columns |= {f"p_{name}": predicted[:, k] for k, name in enumerate(data.classes)}
    elif data.kind == "point":
        columns["mean"] = predicted
    elif data.kind == "mean_std":
        columns |= {"mean": predicted[:, 0], "std": predicted[:, 1]}
    elif data.kind == "quantiles":
        columns |= {f"q_{level}": predicted[:, i] for i, level in enumerate(levels)}
    else:
        columns["samples"] = list(predicted)
    return pa.table(columns)


def _row_losses(predicted: Floats, rows: Ints, data: Data, loss: str, levels: Sequence[float]) -> Floats:
    """The loss of every prediction by the report's headline."""
    found: Any = losses.get(loss)
    if levels:
        found = replace(found, levels=tuple(levels))
    if data.classes is None:
        return np.asarray(found.value(data.y[rows], predicted, data.kind), np.float64)
    codes = np.searchsorted(np.asarray(data.classes), data.y[rows])
    return np.asarray(functional.loss(codes, predicted, found, kind="probs", reduction="none"))


def _by_row(values: Floats, rows: Ints, count: int) -> Floats:
    """The mean over repeats of each row; nan for rows without."""
    times = np.bincount(rows, minlength=count)
    with np.errstate(invalid="ignore"):
        mean: Floats = np.bincount(rows, values, count) / times
    return mean


def _by_fold(values: Floats, rows: Ints, folds: Sequence[Fold], data: Data) -> Floats:
    edges = np.cumsum([fold.test.size for fold in folds])[:-1]
    weights = np.ones(rows.size) if data.weight is None else data.weight[rows]
    parts = zip(np.split(values, edges), np.split(weights, edges), strict=True)
    return np.array([np.average(v, weights=w) if w.any() else np.nan for v, w in parts])


def _comparisons(
    by_fold: Mapping[str, Floats], chosen: str, folds: Sequence[Fold], level: float
) -> dict[str, FoldComparison]:
    if len(folds) < 2:
        return {}
    ratio = float(np.mean([fold.test.size / fold.train.size for fold in folds]))
    with np.errstate(invalid="ignore"):
        differences = {n: v - by_fold[chosen] for n, v in by_fold.items() if n != chosen}
    return {n: corrected_t(d, ratio, level=level) for n, d in differences.items() if np.isfinite(d).all()}


def _lacking(data: Data, folds: Sequence[Fold]) -> list[tuple[int, Any]]:
    """(fold, class) where the training part lacks a class that its test rows have."""
    if data.classes is None:
        return []
    return [
        (number, label)
        for number, fold in enumerate(folds)
        for label in np.setdiff1d(data.y[fold.test], data.y[fold.train]).tolist()
    ]


def _notes(data: Data, folds: Sequence[Fold]) -> list[str]:
    return [
        f"The training part of fold {number} has no row of class {label}, so that its rows there were given "
        "probability 0: use StratifiedKFold, or fewer folds."
        for number, label in _lacking(data, folds)[:3]
    ]


def _why(data: Data, folds: Sequence[Fold]) -> str:
    lacking = _lacking(data, folds)
    return f": fold {lacking[0][0]} learned from no row of class {lacking[0][1]}" if lacking else ""
