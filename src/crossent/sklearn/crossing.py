"""Cross-validation that keeps what was predicted of every row in every fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn import get_config
from sklearn.base import clone
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import has_fit_parameter

from crossent.errors import CrossentError, DataError, UsageError
from crossent.sklearn.predicting import class_probabilities, number_predictions

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Data:
    """What is learned from, and how predictions are to be understood."""

    X: Any
    y: Any
    weight: Floats | None
    classes: tuple[Any, ...] | None
    """None where the label is a number."""
    kind: str
    fit_params: Mapping[str, Any]


@dataclass(frozen=True)
class Fold:
    """One split: rows that were learned from, and rows that were predicted."""

    train: Ints
    test: Ints


def cross_predict(
    estimators: Mapping[str, Any], data: Data, folds: Sequence[Fold], n_jobs: int | None
) -> dict[str, list[Floats]]:
    """For each estimator the predictions of every fold's test rows, in the order of the folds."""
    tasks = [(name, number) for name in estimators for number in range(len(folds))]
    found = Parallel(n_jobs=n_jobs)(
        delayed(_predicted)(name, estimators[name], data, folds[number], number) for name, number in tasks
    )
    predicted: dict[str, list[Floats]] = {name: [] for name in estimators}
    for (name, _), values in zip(tasks, found, strict=True):
        predicted[name].append(values)
    return predicted


def _predicted(name: str, estimator: Any, data: Data, fold: Fold, number: int) -> Floats:
    fitted = fit(name, estimator, data, fold.train, f" in fold {number}")
    X = _safe_indexing(data.X, fold.test)
    if data.classes is not None:
        return class_probabilities(fitted, X, data.classes, name)
    return number_predictions(fitted, X, data.kind, name)


def fit(name: str, estimator: Any, data: Data, rows: Ints | None = None, where: str = "") -> Any:
    """A clone fitted to some rows, or to all; of a mapping of quantiles each one."""
    if isinstance(estimator, Mapping):
        return {level: fit(name, one, data, rows, where) for level, one in estimator.items()}
    params: dict[str, Any] = {key: _some(value, rows, data) for key, value in data.fit_params.items()}
    if data.weight is not None:
        params |= {"sample_weight": _weights(name, estimator, data, rows)}
    try:
        return clone(estimator).fit(_some(data.X, rows, data), _some(data.y, rows, data), **params)
    except CrossentError:
        raise
    except Exception as error:
        raise DataError(
            "fit-failed",
            f"{name} could not be fitted{where}: {type(error).__name__}: {error}",
            cure="fit it by itself to find out why, or leave it out",
        ) from error


def _weights(name: str, estimator: Any, data: Data, rows: Ints | None) -> Any:
    # a pipeline says what its steps take only where metadata are routed
    if not (has_fit_parameter(estimator, "sample_weight") or get_config()["enable_metadata_routing"]):
        raise UsageError(
            "weights-not-taken",
            f"{name} does not take sample_weight",
            cure="leave it out, choose an estimator that can be weighted, or of a pipeline switch metadata "
            "routing on (sklearn.set_config(enable_metadata_routing=True)) and request it of the step",
        )
    return _some(data.weight, rows, data)


def _some(values: Any, rows: Ints | None, data: Data) -> Any:
    if rows is None or (not hasattr(values, "__len__") and not hasattr(values, "shape")):
        return values
    length = values.shape[0] if hasattr(values, "shape") else len(values)
    return _safe_indexing(values, rows) if length == _rows(data) else values


def _rows(data: Data) -> int:
    return int(data.X.shape[0]) if hasattr(data.X, "shape") else len(data.X)
