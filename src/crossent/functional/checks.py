"""What a prediction and a label must be before a loss sees them; a fault is named with its row."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossent import kernels
from crossent.errors import DataError
from crossent.information.arguments import TOLERANCE, Numbers, check_range, check_sums, numbers
from crossent.losses import Loss
from crossent.losses.contract import Floats

CODES = ("class", "ordinal")


def check_prediction(prediction: Numbers, kind: str, target: str) -> None:
    """Raise unless the rows can be predictions of their kind; warn where they do not sum to one."""
    if prediction.size and kind in ("probs", "logits") and _plainly_fine(prediction, kind, target):
        return
    row = _first_row(np.isnan(prediction))
    if row is not None:
        raise DataError(
            "nan-prediction",
            "the prediction is not a number",
            row=row,
            value=float("nan"),
            cure="nothing is filled in: find out why the model returns nan",
        )
    if kind == "probs" and len(prediction):
        check_range(prediction, "the prediction")
        if target != "indicators":
            check_sums(prediction, "the prediction")
    elif kind == "logits" and target != "indicators":
        _check_logits(prediction)
    elif kind in ("log_probs", "label_logprob"):
        _refuse(
            prediction > TOLERANCE,
            prediction,
            "positive-log-probability",
            "the logarithm of a probability cannot be above 0",
            "give natural logarithms of probabilities, not their negatives",
        )


def keeps_to_the_rules(found: kernels.Quality, prediction: Numbers) -> bool:
    """Whether there is nothing to say about probabilities of which this was found."""
    return found.within(TOLERANCE, math.sqrt(np.finfo(prediction.dtype).eps))


def _plainly_fine(prediction: Numbers, kind: str, target: str) -> bool:
    """By one visit of the rows: that nothing is amiss. Logits with a −inf among them are looked at again."""
    found = kernels.quality(prediction)
    if kind == "logits":
        return math.isfinite(found.least_sum) and math.isfinite(found.most_sum)
    if target == "indicators":
        return found.least >= 0.0 and found.most <= 1.0
    return keeps_to_the_rules(found, prediction)


def _check_logits(logits: Numbers) -> None:
    _refuse(
        logits == np.inf,
        logits,
        "infinite-logit",
        "a logit of +inf is not a distribution",
        "give the largest finite number",
    )
    if logits.shape[1]:
        _refuse(
            np.asarray(np.isneginf(logits).all(axis=1, keepdims=True)),
            logits,
            "impossible-row",
            "every logit is −inf, so no class has a probability",
            "give finite logits, 0 for every class where nothing is known",
        )


def class_codes(y: ArrayLike) -> NDArray[np.int64]:
    """Integer class codes of any shape; bools count as 0 and 1."""
    labels = np.asarray(y)
    if labels.dtype.kind not in "biu":
        raise DataError(
            "label-type",
            f"class labels are whole numbers 0..K−1, these are {labels.dtype}",
            cure="give integers; labels with names go to crossent.log_loss(..., classes=[...]), "
            'probabilities of the classes to the loss "soft_cross_entropy"',
        )
    return labels.astype(np.int64, copy=False)


def real_labels(y: ArrayLike, target: str) -> Numbers:
    """Finite numbers in the domain of the target."""
    labels = numbers(y, "y")
    _refuse(
        ~np.isfinite(labels),
        labels,
        "label-not-finite",
        "what happened is not a finite number",
        "leave the row out with where, or give the number",
    )
    if target in ("distribution", "indicators"):
        _refuse(
            (labels < 0) | (labels > 1),
            labels,
            "not-a-probability",
            f"an entry of the {target} does not lie between 0 and 1",
            "give probabilities of the classes" if target == "distribution" else "give 0 or 1 for each label",
        )
    return labels


def check_values(loss: Loss, values: Floats) -> None:
    """Raise where a loss is nan, for nothing that went in was."""
    if values.size and np.isnan(values.max()):
        raise DataError(
            "undefined-loss",
            f"{loss.title} of this row is undefined (a difference of infinities, say)",
            row=_first_row(np.isnan(values)),
            cure="give finite predictions",
        )


def _refuse(bad: NDArray[np.bool_], values: Numbers, slug: str, problem: str, cure: str) -> None:
    row = _first_row(bad)
    if row is not None:
        whole = np.broadcast_to(bad, values.shape)[row]
        raise DataError(slug, problem, row=row, value=float(values[row][whole].flat[0]), cure=cure)


def _first_row(bad: NDArray[np.bool_]) -> int | None:
    rows = bad.any(axis=tuple(range(1, bad.ndim))) if bad.ndim else bad.reshape(1)
    return int(np.flatnonzero(rows)[0]) if rows.any() else None
