"""What a fitted estimator predicts, in the kinds that losses know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossent.errors import DataError, UsageError

Floats = NDArray[np.float64]

NUMBER_KINDS = ("point", "mean_std", "quantiles", "samples")


def class_probabilities(
    estimator: Any, X: Any, classes: Sequence[Any], name: str = "the estimator"
) -> Floats:
    """(N, K) probabilities in the order of `classes`, matched by name to the estimator's own.

    A class that the estimator never saw has probability 0. Raises UsageError where the estimator gives no
    probabilities, and DataError where it knows a class that is not among `classes`.
    """
    if not hasattr(estimator, "predict_proba"):
        raise UsageError(
            "no-probabilities",
            f"{name} has no predict_proba: scores of a decision function are no probabilities",
            cure="wrap it in CalibratedClassifierCV, or switch its probabilities on (SVC(probability=True))",
        )
    found = estimator.predict_proba(X)
    if isinstance(found, list):
        raise UsageError(
            "several-labels",
            f"{name} predicts several labels at once",
            cure="choose an estimator for each label apart",
        )
    own = list(np.asarray(estimator.classes_).tolist())
    known = {label: k for k, label in enumerate(_plain(classes))}
    unknown = [label for label in own if label not in known]
    if unknown:
        raise DataError(
            "unknown-label",
            f"{name} predicts the class {unknown[0]!r}, which the labels do not have",
            cure="give all labels that the estimator was fitted to",
        )
    p = np.zeros((found.shape[0], len(known)))
    p[:, [known[label] for label in own]] = found
    return p


def number_predictions(estimator: Any, X: Any, kind: str, name: str = "the estimator") -> Floats:
    """(N,) points; (N, 2) means and standard deviations; (N, L) quantiles or samples."""
    if isinstance(estimator, Mapping):
        return np.column_stack([np.asarray(one.predict(X), np.float64) for one in estimator.values()])
    if kind == "mean_std":
        try:
            mean, std = estimator.predict(X, return_std=True)
        except TypeError:
            raise UsageError(
                "no-deviation",
                f"{name} has no predict(X, return_std=True)",
                cure='choose kind="point", or an estimator such as BayesianRidge or GaussianProcessRegressor',
            ) from None
        return np.column_stack([np.asarray(mean, np.float64), np.asarray(std, np.float64)])
    return np.asarray(estimator.predict(X), np.float64)


def _plain(classes: Sequence[Any]) -> list[Any]:
    return list(np.asarray(classes).tolist())
