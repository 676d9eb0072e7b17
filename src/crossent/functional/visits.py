"""What a question asks for, in as few visits of the prediction as its loss allows.

Arrays go to the kernels as they are stored wherever a loss reads them so, and no check comes first: logits
that are no prediction have the loss nan, and only then is the row looked for that explains it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossent import kernels
from crossent.errors import DataError, UsageError
from crossent.functional.checks import check_prediction, check_values, keeps_to_the_rules
from crossent.functional.question import Question, original_rows, times
from crossent.information.arguments import Floats
from crossent.kernels.narrow import widened
from crossent.losses.categorical import LogLoss
from crossent.losses.multilabel import SigmoidLogLoss
from crossent.losses.soft import LabelSmoothing, SoftCrossEntropy

Gradient = NDArray[np.floating[Any]]


def row_losses(question: Question) -> Floats:
    """The losses of the rows that count."""
    loss, kind = question.loss, question.kind
    if kind == "probs" and type(loss) is LogLoss and question.prediction.size:
        values = _log_losses(question)
    elif kind == "logits" and kind in loss.as_stored:
        values = question.read(loss.value)
        _explain(question, values)
    else:
        check_question(question)
        values = question.read(loss.value) if kind in loss.as_stored else question.computed(loss.value)
    with original_rows(question.counted):
        check_values(loss, values)
    return values


def loss_and_slopes(question: Question, out: Gradient | None = None) -> tuple[Floats, Gradient] | None:
    """Losses of the rows that count, and gradients of all rows as the reduction scales them, in one visit of
    logits; None where no kernel has both. Gradients are of the prediction's type, of halves float32."""
    kernel = _one_visit(question)
    if kernel is None:
        return None
    counted, rows, labels = question.counted, widened(question.every_row), question.every_label
    if rows.dtype == np.float16:
        rows = rows.astype(np.float32)
    if counted is not None:
        # class 0 stands in for labels that are not looked at; the factor of the row is 0
        labels = np.where(counted, labels, 0)
    values, slopes = kernel(labels, rows, scale=question.factors(), scale_losses=False, out=out)
    if counted is not None:
        values = values[counted]
    _explain(question, values)
    with original_rows(counted):
        check_values(question.loss, values)
    return values, slopes


def slopes_of(question: Question, method: str) -> Floats:
    """A derivative by the prediction of all rows, as the reduction scales it."""
    check_question(question)
    try:
        rows = question.computed(getattr(question.loss, method))
    except NotImplementedError as error:
        raise UsageError("no-derivative", str(error), cure="take a loss or a kind that has one") from None
    return question.spread(times(rows, question.factor()))


def check_question(question: Question) -> None:
    """Raise unless the rows can be predictions of their kind; warn where they do not sum to one."""
    with original_rows(question.counted):
        check_prediction(widened(question.prediction), question.kind, question.loss.target)


def _log_losses(question: Question) -> Floats:
    try:
        with original_rows(question.counted):
            values, found = kernels.checked_log_losses(question.labels, question.prediction)
    except DataError:
        check_question(question)
        raise
    if not keeps_to_the_rules(found, question.prediction):
        check_question(question)
    return values


def _explain(question: Question, values: Floats) -> None:
    if values.size and np.isnan(values.max()):
        check_question(question)


def _one_visit(question: Question) -> Callable[..., tuple[Floats, Gradient]] | None:
    loss, whole = question.loss, question.counted is None
    if question.kind != "logits":
        return None
    if type(loss) is LogLoss:
        return kernels.loss_and_gradient_from_logits
    if type(loss) is LabelSmoothing:
        return partial(kernels.loss_and_gradient_from_logits, smoothing=loss.epsilon)
    # targets of rows that do not count may be anything, and no class stands in for them
    if type(loss) is SoftCrossEntropy and whole:
        return kernels.soft_loss_and_gradient_from_logits
    if type(loss) is SigmoidLogLoss and whole:
        return kernels.sigmoid_loss_and_gradient_from_logits
    return None
