"""Maps as estimators in the manner of scikit-learn, which is not imported: X are predictions, y labels."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossent._arrays import as_numpy
from crossent.calibration.contract import CalibrationMap
from crossent.calibration.given import Floats, rows
from crossent.calibration.registry import fitted
from crossent.errors import DataError, UsageError


class Calibrator:
    """What the estimators have in common: `fit`, `transform`, `predict_proba`, `predict`, parameters.

    `X` are predictions (N, K) whose columns follow the sorted labels (as those of `predict_proba`), or of
    two classes (N,); `kind` says whether they are "probs", "logits" or "log_probs", and smaller probabilities
    than `floor` are raised to it. After `fit` there are `map_` (the frozen map, to be saved) and `classes_`.
    """

    _map: ClassVar[str]
    _estimator_type = "classifier"
    kind: str
    floor: float
    map_: CalibrationMap
    classes_: NDArray[Any]

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the map to predictions and labels: names, or whole numbers.

        Labels 0 … K−1 need not all occur; others must name as many classes as there are columns.
        Raises `DataError` and `UsageError` as `crossent.calibration.fit`.
        """
        columns = 2 if np.ndim(X) == 1 else int(np.shape(X)[1])
        labels = np.asarray(as_numpy(y))
        self.classes_ = _classes(labels, columns)
        codes = np.searchsorted(self.classes_, labels)
        given = rows(codes, X, kind=self.kind, weight=sample_weight, floor=self.floor)
        options = {name: value for name, value in self.get_params().items() if name not in ("kind", "floor")}
        self.map_ = fitted(self._map, given, **options)
        self.n_features_in_ = columns
        return self

    def transform(self, X: ArrayLike) -> Floats:
        """Calibrated probabilities in the shape of `X`."""
        return self._fitted().transform(X, kind=self.kind, floor=self.floor)

    def predict_proba(self, X: ArrayLike) -> Floats:
        """(N, K) calibrated probabilities."""
        return np.exp(self._fitted().log_probabilities(X, kind=self.kind, floor=self.floor))

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """(N,) the likeliest classes."""
        best: NDArray[Any] = self.classes_[self.predict_proba(X).argmax(axis=1)]
        return best

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The arguments it was made with."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self, **params: Any) -> Self:
        """Change arguments, and return the estimator."""
        known = self.get_params()
        for name, value in params.items():
            if name not in known:
                raise UsageError(
                    "unknown-option", f"no parameter is named {name}", cure=f"choose from {', '.join(known)}"
                )
            setattr(self, name, value)
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "map_")

    def __sklearn_tags__(self) -> Any:
        from importlib import import_module

        # only scikit-learn asks, so it is there
        tags = import_module("sklearn.utils")
        return tags.Tags(
            estimator_type="classifier",
            target_tags=tags.TargetTags(required=True),
            transformer_tags=tags.TransformerTags(),
            classifier_tags=tags.ClassifierTags(),
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.get_params().items())})"

    def _fitted(self) -> CalibrationMap:
        if not hasattr(self, "map_"):
            raise UsageError("not-fitted", f"{type(self).__name__} is not fitted", cure="call fit first")
        return self.map_


def _classes(labels: NDArray[Any], columns: int) -> NDArray[Any]:
    """The classes in the order of the columns."""
    present = np.unique(labels)
    if present.dtype.kind in "iub" and present.size and present[0] >= 0 and present[-1] < columns:
        return np.arange(columns).astype(present.dtype) if present.dtype.kind == "b" else np.arange(columns)
    if present.size != columns:
        raise DataError(
            "shape-mismatch",
            f"{present.size} different labels for {columns} columns",
            cure="give whole numbers 0 … K−1 where not every class occurs",
        )
    return present
