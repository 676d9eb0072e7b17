"""Scorers for GridSearchCV and cross_validate: any loss of the registry, the classes by their names."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics._scorer import _BaseScorer

from crossent import functional, losses
from crossent.losses.contract import CLASS_KINDS
from crossent.sklearn.predicting import class_probabilities, number_predictions


def scorer(loss: str = "log_loss", *, kind: str | None = None, **parameters: Any) -> Scorer:
    """A scorer, the higher the better: minus the mean of a loss, nothing clipped.

    Classes are matched by name through `estimator.classes_`: a fold that lacks a class, or another order of
    columns, gives the right number; a class that the training part lacked has probability 0, and its log loss
    is infinite. `kind` says what a regressor predicts: "point" (`predict`) or "mean_std"
    (`predict(X, return_std=True)`); the default is the one of the loss. `parameters` are those of the loss.
    With metadata routing, `scorer("log_loss").set_score_request(sample_weight=True)`.

    Errors: UsageError for a loss that does not exist or needs another kind of prediction.

    >>> from sklearn.dummy import DummyClassifier
    >>> model = DummyClassifier(strategy="prior").fit([[0], [1], [2], [3]], ["a", "b", "b", "b"])
    >>> round(scorer("log_loss")(model, [[4]], ["a"]), 4)
    -1.3863
    """
    found = losses.get(loss)
    of_classes = not set(found.kinds).isdisjoint(CLASS_KINDS) and found.target in ("class", "ordinal")
    chosen = kind or ("probs" if of_classes else next(k for k in ("point", "mean_std") if k in found.kinds))
    return Scorer(loss, chosen, of_classes, parameters)


def mean_loss(y_true: Any, y_pred: Any, *, sample_weight: Any = None, **settings: Any) -> float:
    """What the score is computed with: the weighted mean of a loss."""
    return float(functional.loss(y_true, y_pred, weights=sample_weight, **settings))


class Scorer(_BaseScorer):  # type: ignore[misc]
    """See `scorer`. Can be pickled and cloned; asks for sample weights as scikit-learn's own scorers do."""

    def __init__(self, loss: str, kind: str, of_classes: bool, parameters: dict[str, Any]) -> None:
        method = "predict_proba" if of_classes else "predict"
        super().__init__(mean_loss, -1, {"loss": loss, "kind": kind, **parameters}, method)
        self._of_classes, self._kind = of_classes, kind

    def __repr__(self) -> str:
        return f"scorer({self._kwargs['loss']!r})"

    def _score(self, method_caller: Any, estimator: Any, X: Any, y_true: Any, **kwargs: Any) -> float:
        if not self._of_classes:
            predicted = number_predictions(estimator, X, self._kind)
            return -mean_loss(np.asarray(y_true, np.float64), predicted, **{**self._kwargs, **kwargs})
        own = np.asarray(estimator.classes_)
        classes = np.union1d(own, np.asarray(y_true))
        codes = np.searchsorted(classes, np.asarray(y_true))
        p = class_probabilities(estimator, X, classes.tolist())
        return -mean_loss(codes, p, **{**self._kwargs, **kwargs})
