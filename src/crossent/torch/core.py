"""Cross-entropy of logits (M, C) in main memory by the compiled core, as operators of PyTorch.

`cross_entropy_sum` gives the loss with its gradient in one visit of the logits, for an upstream gradient that
is a number; `cross_entropy_rows` and `log_sum_exp` give a number a row, and visit the logits again in their
backward pass. Gradients of gradients go by the formulas of `reference`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from crossent import kernels
from crossent.torch.options import Options
from crossent.torch.reference import per_row, row_values, shaped_logits, total, wide
from crossent.torch.targets import RowFactors, Rows
from crossent.torch.visits import Visit, array, probabilities_times, room_like

Arguments = tuple[Tensor, Tensor | None, Tensor | None, Tensor | None, Tensor, float, float]
"""Of the operators, as `Visit` names them."""
Gradients = tuple[Tensor | None, ...]


def summed(
    z: Tensor,
    rows: Rows,
    weight: Tensor | None,
    factors: RowFactors,
    options: Options,
    *,
    inplace: bool = False,
) -> Tensor:
    """The loss: both parts of each row times their factors, added up.

    With `inplace` the logits may be overwritten with their gradient.
    """
    given = _arguments(z, rows, weight, factors.loss, options)
    squared = options.z_loss > 0.0
    together = squared and rows.labels is not None and options.label_smoothing == 0.0
    square = factors.square if together else None
    apart = squared and not together
    needed = given[0].requires_grad and torch.is_grad_enabled()
    if inplace and needed and not apart:
        loss: Tensor = _Overwriting.apply(*given, square)  # type: ignore[no-untyped-call]
    else:
        loss = cross_entropy_sum(*given, square, needed)[0]
    return loss + _squares(given[0], rows, factors).sum() if apart else loss


def each(z: Tensor, rows: Rows, weight: Tensor | None, factors: RowFactors, options: Options) -> Tensor:
    """(M,) the summands."""
    given = _arguments(z, rows, weight, factors.loss, options)
    losses: Tensor = cross_entropy_rows(*given)
    return losses + _squares(given[0], rows, factors) if options.z_loss else losses


def lse(z: Tensor, rows: Rows, options: Options) -> Tensor:
    """(M,) log Σ exp of the shaped logits, 0 where ignored."""
    shaped = z if options.softcap is None and options.temperature == 1.0 else shaped_logits(z, options)
    return torch.where(rows.valid, log_sum_exp(shaped), 0)


def _arguments(z: Tensor, rows: Rows, weight: Tensor | None, factor: Tensor, options: Options) -> Arguments:
    """Of the operators. The core divides by the temperature itself where that takes no copy of the logits."""
    divides = rows.labels is not None and options.label_smoothing == 0.0 and options.z_loss == 0.0
    if options.softcap is None and (options.temperature == 1.0 or divides):
        shaped, temperature = z, options.temperature
    else:
        shaped, temperature = shaped_logits(z, options), 1.0
    probs, smoothing = rows.probs, options.label_smoothing
    if probs is not None:
        if smoothing:
            probs, smoothing = torch.lerp(probs, torch.full_like(probs, 1 / probs.shape[1]), smoothing), 0.0
        if weight is not None:
            probs, weight = probs * weight.to(probs.dtype), None
    return shaped, rows.labels, probs, weight, factor, smoothing, temperature


def _squares(z: Tensor, rows: Rows, factors: RowFactors) -> Tensor:
    return (torch.where(rows.valid, log_sum_exp(z), 0).square() * factors.square).to(wide(z))


# --- the loss with its gradient ---------------------------------------------------------------------------


@torch.library.custom_op("crossent::cross_entropy_sum", mutates_args=(), device_types="cpu")
def cross_entropy_sum(
    z: Tensor,
    labels: Tensor | None,
    probs: Tensor | None,
    weight: Tensor | None,
    factor: Tensor,
    smoothing: float,
    temperature: float,
    square: Tensor | None,
    needed: bool,
) -> tuple[Tensor, Tensor]:
    """Σ factor·loss (+ Σ square·lse²), and its gradient by z if needed, else nothing."""
    visit = Visit(z, labels, probs, weight, factor, smoothing, temperature)
    gradient = room_like(z) if needed else z.new_empty(0)
    return _summed(visit, square, gradient if needed else None), gradient


def _summed(visit: Visit, square: Tensor | None, gradient: Tensor | None) -> Tensor:
    if square is not None:
        losses = visit.squared_too(square, room_like(visit.z) if gradient is None else gradient)
    else:
        losses = visit.losses() if gradient is None else visit.losses_and_gradient(gradient)
    return torch.tensor(losses.sum(), dtype=wide(visit.z))


@cross_entropy_sum.register_fake
def _(z: Tensor, *others: Any) -> tuple[Tensor, Tensor]:
    return z.new_empty((), dtype=wide(z)), z.new_empty(z.shape if others[-1] else 0)


def _keep_sum(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.set_materialize_grads(False)
    ctx.mark_non_differentiable(output[1])
    *tensors, ctx.smoothing, ctx.temperature, square, _ = inputs
    ctx.save_for_backward(*tensors, square)
    ctx.gradient = output[1]


def _sum_backward(ctx: Any, up: Tensor | None, _: object) -> Gradients:
    """The gradient that the forward pass left, which is given away; asked for again, it is computed again."""
    z, labels, probs, weight, factor, square = ctx.saved_tensors
    visit = Visit(z, labels, probs, weight, factor, ctx.smoothing, ctx.temperature)
    if up is None:
        return (None,) * 9
    if torch.is_grad_enabled():
        return _by_formulas(visit, square, up), *(None,) * 8
    gradient, ctx.gradient = ctx.gradient, None
    if gradient is None:
        gradient = room_like(visit.z)
        _summed(visit, square, gradient)
    return times(gradient, up, ours=True), *(None,) * 8


def times(gradient: Tensor, up: Tensor, ours: bool) -> Tensor:
    """A gradient times the number from above: itself where that is 1, in place where nobody else has it."""
    if up.is_cuda and torch.cuda.is_current_stream_capturing():
        return gradient * up
    if type(up) is not Tensor or torch.compiler.is_compiling():
        return gradient * up
    factor = float(up)
    if factor == 1.0:
        return gradient
    return gradient.mul_(factor) if ours else gradient * factor


def _by_formulas(visit: Visit, square: Tensor | None, up: Tensor) -> Tensor:
    """Gradient by z of a number, or of a number a row, with a graph of its own."""
    with torch.enable_grad():
        values = row_values(shaped_logits(visit.z, visit.options), visit.rows, visit.weight, visit.options)
        factors = RowFactors(visit.factor, torch.zeros_like(visit.factor) if square is None else square)
        loss = (total if up.ndim == 0 else per_row)(values, factors)
        return torch.autograd.grad(loss, visit.z, up.to(loss.dtype), create_graph=True)[0]


cross_entropy_sum.register_autograd(_sum_backward, setup_context=_keep_sum)


class _Overwriting(torch.autograd.Function):
    """`cross_entropy_sum` whose gradient takes the place of the logits."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, *others: Any) -> Tensor:
        *given, square = others
        loss = _summed(Visit(z, *given), square, z.detach())
        # whoever needs the logits for a gradient of their own is told so by autograd
        torch.autograd.graph.increment_version(z)
        ctx.save_for_backward(z)
        return loss

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, up: Tensor) -> Gradients:
        return times(ctx.saved_tensors[0].detach(), up, ours=False), *(None,) * 7


# --- a number a row ---------------------------------------------------------------------------------------


@torch.library.custom_op("crossent::cross_entropy_rows", mutates_args=(), device_types="cpu")
def cross_entropy_rows(
    z: Tensor,
    labels: Tensor | None,
    probs: Tensor | None,
    weight: Tensor | None,
    factor: Tensor,
    smoothing: float,
    temperature: float,
) -> Tensor:
    """(M,) losses times their factors."""
    losses = Visit(z, labels, probs, weight, factor, smoothing, temperature).losses()
    return torch.from_numpy(losses).to(wide(z))


@torch.library.custom_op("crossent::cross_entropy_gradient", mutates_args=(), device_types="cpu")
def cross_entropy_gradient(
    z: Tensor,
    labels: Tensor | None,
    probs: Tensor | None,
    weight: Tensor | None,
    factor: Tensor,
    smoothing: float,
    temperature: float,
) -> Tensor:
    """(M, C) their gradients."""
    gradient = room_like(z)
    Visit(z, labels, probs, weight, factor, smoothing, temperature).losses_and_gradient(gradient)
    return gradient


@cross_entropy_rows.register_fake
def _(z: Tensor, *others: Any) -> Tensor:
    return z.new_empty(z.shape[0], dtype=wide(z))


@cross_entropy_gradient.register_fake
def _(z: Tensor, *others: Any) -> Tensor:
    return z.new_empty(z.shape)


def _keep_rows(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    *tensors, ctx.smoothing, ctx.temperature = inputs
    ctx.save_for_backward(*tensors)


def _rows_backward(ctx: Any, up: Tensor) -> Gradients:
    z, labels, probs, weight, factor = ctx.saved_tensors
    numbers = ctx.smoothing, ctx.temperature
    if torch.is_grad_enabled():
        return _by_formulas(Visit(z, labels, probs, weight, factor, *numbers), None, up), *(None,) * 6
    scale = torch.where(factor == 0, 0, factor * up)
    return cross_entropy_gradient(z, labels, probs, weight, scale, *numbers), *(None,) * 6


cross_entropy_rows.register_autograd(_rows_backward, setup_context=_keep_rows)


@torch.library.custom_op("crossent::log_sum_exp", mutates_args=(), device_types="cpu")
def log_sum_exp(z: Tensor) -> Tensor:
    """(M,) log Σ_j exp(z_j)."""
    return torch.from_numpy(kernels.log_sum_exp(array(z))).to(wide(z))


@torch.library.custom_op("crossent::softmax_times", mutates_args=(), device_types="cpu")
def softmax_times(z: Tensor, factor: Tensor) -> Tensor:
    """(M, C) softmax(z), each row times its factor."""
    out = room_like(z)
    probabilities_times(z, factor, out)
    return out


@log_sum_exp.register_fake
def _(z: Tensor) -> Tensor:
    return z.new_empty(z.shape[0], dtype=wide(z))


@softmax_times.register_fake
def _(z: Tensor, factor: Tensor) -> Tensor:
    return z.new_empty(z.shape)


def _keep_logits(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _log_sum_exp_backward(ctx: Any, up: Tensor) -> Tensor:
    (z,) = ctx.saved_tensors
    if torch.is_grad_enabled():
        return (up[:, None] * torch.softmax(z.to(wide(z)), 1)).to(z.dtype)
    gradient: Tensor = softmax_times(z, up)
    return gradient


log_sum_exp.register_autograd(_log_sum_exp_backward, setup_context=_keep_logits)
