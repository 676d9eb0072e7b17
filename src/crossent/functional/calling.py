"""Value, gradient and Hessian diagonal of any loss of the registry, on arrays of any library."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from crossent import kernels
from crossent._arrays import in_main_memory, same_kind
from crossent.errors import UsageError
from crossent.functional.checks import CODES
from crossent.functional.question import Question, ask, original_rows, times
from crossent.functional.visits import check_question, loss_and_slopes, row_losses, slopes_of
from crossent.information.arguments import Base, Floats, Reduction, reduced
from crossent.losses import Loss


@same_kind(bfloat16=True)
def loss(
    y: ArrayLike,
    prediction: Any,
    loss: str | Loss = "log_loss",
    *,
    kind: str | None = None,
    axis: int = -1,
    weights: ArrayLike | None = None,
    class_weights: ArrayLike | None = None,
    where: ArrayLike | None = None,
    ignore_index: int | None = None,
    base: Base = None,
    reduction: Reduction = "mean",
    **parameters: Any,
) -> Any:
    """Any loss of the registry: the weighted mean  Σ_i w_i ℓ(y_i, f_i) / Σ_i w_i  over rows i.

    Parameters
    ----------
    y : what happened, one a row: class indices 0..K−1, or what the loss declares as its `target` (numbers;
        distributions or indicators in the shape of the prediction).
    prediction : the rows' predictions f, with the classes along `axis`; of densities (N, P) parameters, or a
        tuple of P arrays that broadcast, such as (mean, std).
    loss : a name of the registry (`crossent.losses.all_losses()` lists them) or a `Loss`.
    kind : what the prediction is: probs, logits, log_probs, mean_std …; without it the first kind of the
        loss, which is `probs` for log loss. It is never guessed from the numbers.
    axis : where the classes are: 1 for images (N, K, H, W).
    weights, where : one non-negative number, one bool a row; rows of `where` False are not looked at.
    class_weights : (K,) weights by the row's class; they multiply `weights`, and so enter the denominator.
    ignore_index : rows with this label (padding, void) are not looked at and do not count.
    base : None or "nats", "bits" or a number, for losses in nats.
    reduction : "mean" (exactly summed), "sum", or "none": a value for each row (times its class weight), 0
        for rows that do not count.
    parameters : of the loss, such as `gamma=1.0` for focal.

    Returns a float or an array of the rows' shape, of the library of the arguments, in float64 (without
    float64 in the library: float32). Infinite losses are `inf`, never clipped.

    Raises `UsageError` (unknown-loss, unknown-kind, bad-option, mixed-arrays, traced-array,
    recorded-gradient) and `DataError` (shape-mismatch, label-type, label-out-of-range, label-not-finite,
    nan-prediction, not-a-probability, infinite-logit, impossible-row, positive-log-probability,
    undefined-loss, not-a-number, no-rows, bad-weight, no-weight).

    >>> z = [[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    >>> round(loss([0, 1], z, kind="logits"), 12)
    0.395494740077
    >>> round(loss([0, -100], z, kind="logits", ignore_index=-100, base="bits"), 12)
    0.345590046299
    >>> loss([0, 1], z, "zero_one", kind="logits", reduction="none")
    array([0., 0.])
    """
    question = ask(
        y,
        prediction,
        loss,
        kind=kind,
        axis=axis,
        weights=weights,
        class_weights=class_weights,
        where=where,
        ignore_index=ignore_index,
        base=base,
        reduction=reduction,
        **parameters,
    )
    return _reduced(question, row_losses(question))


@same_kind(bfloat16=True)
def gradient(y: ArrayLike, prediction: Any, loss: str | Loss = "log_loss", **options: Any) -> Any:
    """Derivative of `loss(y, prediction, loss, **options)` by each entry of the prediction.

    For log loss by logits of one row it is softmax(z) − onehot(y); the label's entry is formed without
    cancellation, so that a confident row keeps its gradient. With reduction="mean" the rows' derivatives are
    multiplied by w_i / Σ w, with "sum" by w_i; with "none" only by the class weight.

    Returns an array of the shape, library and precision of the prediction (a tuple, where that is one).

    Raises as `loss` does, and `UsageError` (no-derivative) for losses that have none.

    >>> gradient([0], [[0.0, 0.0]], kind="logits")
    array([[-0.5,  0.5]])
    >>> gradient([0, 1], [[0.5, 0.5], [0.25, 0.75]], "brier", reduction="none")
    array([[-1. ,  1. ],
           [ 0.5, -0.5]])
    """
    question = ask(y, prediction, loss, **options)
    together = loss_and_slopes(question)
    return question.layout.back(slopes_of(question, "gradient") if together is None else together[1])


def loss_and_gradient(
    y: ArrayLike, prediction: Any, loss: str | Loss = "log_loss", *, out: Any = None, **options: Any
) -> tuple[Any, Any]:
    """`loss(...)` and `gradient(...)` of the same arguments, read in one visit where they are logits.

    out : an array of the shape and type of the prediction that the gradient is written to, and that is
        returned; `out=prediction` overwrites the logits. Of NumPy, or a PyTorch tensor in main memory.

    Raises as `gradient` does, and `UsageError` (bad-option) for an `out` that cannot be written to.

    >>> loss_and_gradient([0], [[0.0, 0.0]], kind="logits")
    (0.6931471805599453, array([[-0.5,  0.5]]))
    """
    if out is not None and not in_main_memory(out):
        raise _bad_out("an array of another library or device")
    value, slopes = _loss_and_gradient(y, prediction, loss, out=out, **options)
    return value, slopes if out is None else out


@same_kind(bfloat16=True)
def _loss_and_gradient(
    y: ArrayLike, prediction: Any, loss: str | Loss, *, out: Any, **options: Any
) -> tuple[Any, Any]:
    question = ask(y, prediction, loss, **options)
    room = None if out is None else _room(question, out)
    together = loss_and_slopes(question, room)
    values, rows = (row_losses(question), slopes_of(question, "gradient")) if together is None else together
    slopes = question.layout.back(rows)
    if out is not None and room is not rows:
        out[...] = slopes
    return _reduced(question, values), slopes


def _room(question: Question, out: Any) -> Any:
    """The rows of `out` as the kernels write them; None where its layout is not theirs."""
    layout, rows = question.layout, question.every_row
    whole = np.moveaxis(out, layout.axis, -1) if layout.wide else out
    if whole.shape != (*layout.shape, *rows.shape[1:]) or out.dtype != layout.dtype:
        raise _bad_out(f"{out.dtype.name} {out.shape}")
    if not out.flags.writeable:
        raise _bad_out("read-only")
    if question.kind == "logits" and np.may_share_memory(out, rows):
        # nobody can look for a bad row in logits that are overwritten
        check_question(question)
        if question.loss.target in CODES:
            with original_rows(question.counted):
                kernels.check_labels(question.labels, rows.shape[-1])
    room = whole.reshape(rows.shape)
    return room if rows.dtype == out.dtype and np.may_share_memory(room, out) else None


def _bad_out(given: str) -> UsageError:
    return UsageError(
        "bad-option",
        f"out is {given}",
        cure="give a writable array of the shape and type of the prediction, in main memory",
    )


@same_kind(bfloat16=True)
def hessian_diagonal(y: ArrayLike, prediction: Any, loss: str | Loss = "log_loss", **options: Any) -> Any:
    """Second derivative of `loss(y, prediction, loss, **options)` by each entry of the prediction.

    For log loss by logits it is p(1 − p) with p = softmax(z). Scaling, shapes and errors are those of
    `gradient`; products with the whole Hessian are `hessian_vector_product`.

    >>> hessian_diagonal([0], [[0.0, 0.0]], kind="logits")
    array([[0.25, 0.25]])
    """
    question = ask(y, prediction, loss, **options)
    return question.layout.back(slopes_of(question, "hessian_diagonal"))


def _reduced(question: Question, values: Floats) -> Any:
    every, weight = question.spread(values), question.weights
    shape, base, reduction = question.layout.shape, question.base, question.reduction
    if reduction == "none":
        # a row of weight 0 does not count, though its loss be infinite
        weighted = every if weight is None else question.spread(times(values, weight))
        return reduced(weighted, shape, None, base, reduction)
    if question.counted is not None:
        weight = question.spread(np.ones(len(values)) if weight is None else weight)
    return reduced(every, shape, weight, base, reduction) if every.size else 0.0
