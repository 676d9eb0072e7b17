"""Losses of the registry as objectives and metrics of XGBoost and LightGBM.

Neither library is imported: they call what is made here with arrays, or with an array and their data set,
and get arrays back. The predictions of a booster are raw scores, any real numbers: the log-odds of the second
of two classes (N,), logits (N, K), a number or the logarithm of a rate (N,), quantiles (N, Q), or mean and
logarithm of the standard deviation (N, 2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from crossent import losses
from crossent.errors import DataError, UsageError
from crossent.exact import exact_mean
from crossent.losses.contract import Floats, Loss, Target, dimensions

Library = Literal["xgboost", "lightgbm"]

RAW_KINDS = ("logits", "point", "log_rate", "mean_log_std", "quantiles")
"""Kinds whose entries may be any real numbers, as the sums of trees are."""
HESSIAN_FLOOR = 1e-16
"""XGBoost's own. LightGBM has none; to a sum of second derivatives that leaves may have, it adds nothing."""


def objective(
    loss: str | Loss = "log_loss",
    *,
    library: Library,
    kind: str | None = None,
    hessian_floor: float | None = None,
    hessian_scale: float | None = None,
) -> Objective:
    """A loss as the custom objective of a booster: gradient and Hessian diagonal by its raw score.

    Works as `xgb.train(params, data, obj=…)`, `lgb.train({"objective": …}, data)` and `objective=…` of their
    scikit-learn classes. The rows' weights multiply both derivatives, as the built-in objectives do it.

    Parameters
    ----------
    loss : a name of the registry, or a `Loss` with its parameters. Losses of class labels take the raw score
        (N,) of two classes as the logits (0, z), or (N, K); losses of indicators (N, K); losses of numbers
        what `kind` says.
    library : whose conventions hold, see `hessian_scale`.
    kind : what the raw score is, of `RAW_KINDS`; without it the first that the loss has.
    hessian_floor : smaller second derivatives, negative ones too, count as this. Unless given it is 1e-16 for
        convex losses, and losses that are not convex (focal) are refused: a floor that is tiny against their
        usual curvature makes steps that are too long. 1 makes plain gradient steps, also for losses without
        second derivative.
    hessian_scale : of losses of three or more logits the second derivatives are multiplied by this before the
        floor: the diagonal alone understates the curvature of a softmax. Unless given it is what the
        library does, 2 in XGBoost and K / (K − 1) in LightGBM; 1 is the plain diagonal.

    With `log_loss` the trees are those of the built-in objectives (`binary:logistic`, `multi:softprob`;
    `binary`, `multiclass`) that start from the same score. They do not by themselves: a custom objective
    starts at 0 in both libraries. Give XGBoost the same `base_score`, LightGBM an `init_score` or
    `boost_from_average=False`.

    Raises `UsageError` (not-twice-differentiable, not-convex, unknown-loss, unknown-kind, bad-option), and
    when called what the loss raises and `DataError` (shape-mismatch, label-type).

    >>> import numpy as np
    >>> gradient, hessian = objective("log_loss", library="xgboost")(np.array([1, 0]), np.array([0.0, 0.0]))
    >>> gradient, hessian
    (array([-0.5,  0.5]), array([0.25, 0.25]))

    Source: T. Chen, C. Guestrin, XGBoost: a scalable tree boosting system, KDD 2016,
    doi:10.1145/2939672.2939785.
    """
    _check_library(library)
    known = losses.get(loss) if isinstance(loss, str) else loss
    kind = _raw_kind(known, kind)
    _check_derivatives(known, kind, floored=hessian_floor is not None)
    return Objective(known, library, kind, hessian_floor, hessian_scale)


def metric(loss: str | Loss = "log_loss", *, library: Library, kind: str | None = None) -> Metric:
    """A loss as the custom metric of a booster: the weighted mean over the rows, in float64, exactly summed.

    Works as `xgb.train(…, custom_metric=…)`, `lgb.train(…, feval=…)` and `eval_metric=…` of the scikit-learn
    classes. Every loss will do, differentiable or not.

    `kind` is what the library hands over: raw scores (one of `RAW_KINDS`, the first that the loss has) where
    the objective is a custom one, but "probs" where it is built in, for then both transform them first.

    Raises `UsageError` (unknown-loss, unknown-kind, bad-option).

    >>> import numpy as np
    >>> metric("log_loss", library="xgboost")(np.array([1, 0]), np.array([0.0, 0.0]))
    0.6931471805599453
    >>> metric("brier", library="lightgbm", kind="probs")(np.array([1, 0]), np.array([0.5, 0.5]))
    ('brier', 0.5, False)
    """
    _check_library(library)
    known = losses.get(loss) if isinstance(loss, str) else loss
    return Metric(known, library, "probs" if kind == "probs" else _raw_kind(known, kind))


@dataclass(frozen=True)
class Objective:
    """Made by `objective`; called by a library, it returns gradient and Hessian in the raw score's shape."""

    loss: Loss
    booster: Library
    kind: str
    hessian_floor: float | None
    hessian_scale: float | None

    def __call__(self, first: Any, second: Any, sample_weight: Any = None) -> tuple[Floats, Floats]:
        labels, raw, weights = _given(first, second, sample_weight)
        rows = _rows(self.loss, labels, raw, self.kind)
        gradient = self.loss.gradient(rows.target, rows.prediction, self.kind)
        try:
            hessian = self.loss.hessian_diagonal(rows.target, rows.prediction, self.kind)
        except NotImplementedError:
            # `objective` let this pass because a floor was given
            hessian = np.zeros_like(gradient)
        floor = HESSIAN_FLOOR if self.hessian_floor is None else self.hessian_floor
        hessian = np.maximum(self._scale(raw) * hessian, floor)
        weight = np.ones(len(raw)) if weights is None else weights
        return rows.back(gradient, weight), rows.back(hessian, weight)

    def _scale(self, raw: NDArray[Any]) -> float:
        classes = raw.shape[1] if raw.ndim == 2 else 1
        if self.loss.target not in ("class", "ordinal", "distribution") or classes == 1:
            return 1.0
        if self.hessian_scale is not None:
            return self.hessian_scale
        return 2.0 if self.booster == "xgboost" else classes / (classes - 1)


@dataclass(frozen=True)
class Metric:
    """Made by `metric`; called by a library, it returns what that library expects of a metric."""

    loss: Loss
    booster: Library
    kind: str

    @property
    def __name__(self) -> str:
        """XGBoost's scikit-learn classes name a metric by this."""
        return self.loss.name

    def __call__(self, first: Any, second: Any, sample_weight: Any = None) -> Any:
        labels, raw, weights = _given(first, second, sample_weight)
        rows = _rows(self.loss, labels, raw, self.kind)
        mean = exact_mean(self.loss.value(rows.target, rows.prediction, self.kind), weights)
        if self.booster == "lightgbm":
            return self.loss.name, mean, self.loss.higher_is_better
        return (self.loss.name, mean) if _is_data_set(second) else mean


@dataclass(frozen=True)
class _Rows:
    """What a loss is given for the rows of a booster."""

    target: Target
    prediction: Floats
    shape: tuple[int, ...]
    second_of_two: bool
    """The raw score is the second of two logits, the first being 0."""

    def back(self, derivative: Floats, weights: Floats) -> Floats:
        """Times the rows' weights, in the shape of the raw score."""
        own = derivative[:, 1] if self.second_of_two else derivative
        return np.asarray(own * (weights if own.ndim == 1 else weights[:, None])).reshape(self.shape)


def _rows(loss: Loss, labels: NDArray[Any], raw: NDArray[Any], kind: str) -> _Rows:
    prediction = np.ascontiguousarray(raw, np.float64)
    single = prediction.ndim == 1 or prediction.shape[1] == 1
    if loss.target in ("class", "ordinal"):
        target: Target = _codes(labels)
        if single:
            z = prediction.reshape(-1)
            first = 1.0 - z if kind == "probs" else np.zeros(len(z))
            return _Rows(target, np.column_stack([first, z]), raw.shape, True)
        return _Rows(target, prediction, raw.shape, False)
    target = labels.astype(np.float64)
    if dimensions(kind) == 1:
        return _Rows(target, prediction.reshape(-1) if single else prediction, raw.shape, False)
    prediction = prediction.reshape(len(raw), -1)
    if loss.target in ("indicators", "distribution"):
        if labels.size != raw.size:
            raise DataError(
                "shape-mismatch",
                f"labels {labels.shape} and raw scores {raw.shape} do not belong together",
                cure=f"{loss.title} needs a label for every raw score",
            )
        target = target.reshape(prediction.shape)
    return _Rows(target, prediction, raw.shape, False)


def _given(first: Any, second: Any, sample_weight: Any) -> tuple[NDArray[Any], NDArray[Any], Floats | None]:
    """Labels, raw scores and weights, from either way of calling.

    (raw scores, data set) in `train`; (labels, raw scores[, weights]) in the scikit-learn classes.
    """
    if _is_data_set(second):
        labels, raw, weights = second.get_label(), first, second.get_weight()
    else:
        labels, raw, weights = first, second, sample_weight
    # XGBoost says with an empty array that there are no weights
    weighted = weights is not None and np.size(weights)
    return np.asarray(labels), np.asarray(raw), np.asarray(weights, np.float64) if weighted else None


def _is_data_set(value: Any) -> bool:
    return hasattr(value, "get_label")


def _codes(labels: NDArray[Any]) -> NDArray[np.int64]:
    """Libraries hand class labels over as floats."""
    with np.errstate(invalid="ignore"):
        codes = labels.astype(np.int64)
    bad = np.flatnonzero(codes != labels)
    if bad.size:
        raise DataError(
            "label-type",
            "a class label is not a whole number",
            row=int(bad[0]),
            value=labels[bad[0]],
            cure="number the classes 0 … K−1",
        )
    return codes


def _raw_kind(loss: Loss, kind: str | None) -> str:
    usable = [k for k in RAW_KINDS if k in loss.kinds]
    if kind is None and usable:
        return usable[0]
    if kind is None or kind not in usable:
        raise UsageError(
            "unknown-kind",
            f"{loss.title} cannot be computed from a raw score"
            + (f" that is {kind!r}" if kind else f": it takes {', '.join(loss.kinds)}"),
            cure=f"use one of: {', '.join(usable)}" if usable else "choose a loss of an unbounded prediction",
        )
    return kind


def _check_library(library: str) -> None:
    if library not in ("xgboost", "lightgbm"):
        raise UsageError("bad-option", f"library is {library!r}", cure='use "xgboost" or "lightgbm"')


def _check_derivatives(loss: Loss, kind: str, floored: bool) -> None:
    """Ask the loss, or a stand-in with parameters for two columns, for its derivatives at some raw scores."""
    raw = np.linspace(-30.0, 30.0, 121)
    if dimensions(kind) == 1:
        prediction: Floats = raw
    else:
        prediction = np.column_stack([np.zeros(raw.size), raw])
    shape = prediction.shape if loss.target in ("indicators", "distribution") else raw.size
    stand_in = loss.example(2)
    try:
        stand_in.gradient(np.ones(shape, np.int64), prediction, kind)
        if floored:
            return
        second = stand_in.hessian_diagonal(np.ones(shape, np.int64), prediction, kind)
    except NotImplementedError as error:
        raise UsageError(
            "not-twice-differentiable",
            str(error),
            cure="train with another loss and give this one as the metric; a loss with a gradient also takes "
            "hessian_floor=1 for plain gradient steps",
        ) from None
    if second.min() < 0.0:
        raise UsageError(
            "not-convex",
            f"the second derivative of {loss.title} is negative for some scores, down to {second.min():.2g}",
            cure="say what it counts as, such as hessian_floor=0.05; far smaller ones make steps too long",
        )
