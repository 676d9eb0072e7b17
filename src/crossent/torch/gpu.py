"""Cross-entropy of logits (M, C) with class indices by the Triton kernels, as operators of PyTorch.

`triton_sum` gives the loss with its gradient in one visit of the logits; `triton_rows` what is known of each
row, and visits the logits again in its backward pass. Gradients of gradients go by the formulas.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from crossent.torch.core import Gradients, times
from crossent.torch.options import Options
from crossent.torch.reference import row_values, shaped_logits, total
from crossent.torch.targets import RowFactors, Rows


def summed(
    z: Tensor,
    rows: Rows,
    weight: Tensor | None,
    factors: RowFactors,
    options: Options,
    *,
    inplace: bool = False,
) -> Tensor:
    """The loss: both parts of each row times their factors, added up."""
    needed = z.requires_grad and torch.is_grad_enabled()
    given = z, rows.labels, weight, *factors, *_numbers(options)
    if inplace and needed:
        loss: Tensor = _Overwriting.apply(*given)  # type: ignore[no-untyped-call]
        return loss
    loss = triton_sum(*given, needed)[0]
    return loss


def each(z: Tensor, rows: Rows, weight: Tensor | None, factors: RowFactors, options: Options) -> Tensor:
    """(M,) the summands."""
    loss, lse, _ = triton_rows(z, rows.labels, weight, *_numbers(options))
    found: Tensor = torch.where(factors.loss == 0, 0, loss) * factors.loss + lse.square() * factors.square
    return found


def lse(z: Tensor, rows: Rows, options: Options) -> Tensor:
    """(M,) log Σ exp of the shaped logits, 0 where ignored."""
    found: Tensor = triton_rows(z, rows.labels, None, *_numbers(options))[1]
    return found


def _numbers(options: Options) -> tuple[float, float, float]:
    return options.label_smoothing, options.softcap or 0.0, options.temperature


def _options(smoothing: float, softcap: float, temperature: float) -> Options:
    return Options(label_smoothing=smoothing, softcap=softcap or None, temperature=temperature)


# --- the loss with its gradient ---------------------------------------------------------------------------


@torch.library.custom_op("crossent::triton_sum", mutates_args=())
def triton_sum(
    z: Tensor,
    labels: Tensor,
    weight: Tensor | None,
    factor: Tensor,
    square: Tensor,
    smoothing: float,
    softcap: float,
    temperature: float,
    needed: bool,
) -> tuple[Tensor, Tensor]:
    """Σ factor·loss + square·lse², and its gradient by z if needed, else nothing."""
    options = _options(smoothing, softcap, temperature)
    gradient = torch.empty_like(z, memory_format=torch.contiguous_format) if needed else None
    loss = _summed(z, labels, weight, factor, square, options, gradient)
    return loss, z.new_empty(0) if gradient is None else gradient


def _summed(
    z: Tensor,
    labels: Tensor,
    weight: Tensor | None,
    factor: Tensor,
    square: Tensor,
    options: Options,
    out: Tensor | None,
) -> Tensor:
    from crossent.torch.triton import rows as kernels

    factors = None if out is None else (factor, square)
    found = kernels.loss_rows(z, labels, options, weight=weight, factors=factors, out=out)
    return (torch.where(factor == 0, 0, found.loss) * factor + found.lse.square() * square).sum()


@triton_sum.register_fake
def _(z: Tensor, *others: Any) -> tuple[Tensor, Tensor]:
    return z.new_empty((), dtype=torch.float32), z.new_empty(z.shape if others[-1] else 0)


def _keep_sum(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.set_materialize_grads(False)
    ctx.mark_non_differentiable(output[1])
    *tensors, smoothing, softcap, temperature, _ = inputs
    ctx.save_for_backward(*tensors)
    ctx.options, ctx.gradient = _options(smoothing, softcap, temperature), output[1]


def _sum_backward(ctx: Any, up: Tensor | None, _: object) -> Gradients:
    """The gradient that the forward pass left, which is given away; asked for again, it is computed again."""
    z, labels, weight, factor, square = ctx.saved_tensors
    if up is None:
        return (None,) * 9
    if torch.is_grad_enabled():
        with torch.enable_grad():
            values = row_values(shaped_logits(z, ctx.options), Rows((len(z),), labels), weight, ctx.options)
            loss = total(values, RowFactors(factor, square))
            return torch.autograd.grad(loss, z, up, create_graph=True)[0], *(None,) * 8
    gradient, ctx.gradient = ctx.gradient, None
    if gradient is None:
        gradient = torch.empty_like(z, memory_format=torch.contiguous_format)
        _summed(z, labels, weight, factor, square, ctx.options, gradient)
    if type(up) is not Tensor or torch.compiler.is_compiling():
        return gradient * up, *(None,) * 8
    from crossent.torch.triton import rows as kernels

    return kernels.times(gradient, up), *(None,) * 8


triton_sum.register_autograd(_sum_backward, setup_context=_keep_sum)


class _Overwriting(torch.autograd.Function):
    """`triton_sum` whose gradient takes the place of the logits."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, *others: Any) -> Tensor:
        labels, weight, factor, square, *numbers = others
        loss = _summed(z.detach(), labels, weight, factor, square, _options(*numbers), z.detach())
        # whoever needs the logits for a gradient of their own is told so by autograd
        torch.autograd.graph.increment_version(z)
        ctx.save_for_backward(z)
        return loss

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, up: Tensor) -> Gradients:
        return times(ctx.saved_tensors[0].detach(), up, ours=False), *(None,) * 7


# --- what is known of each row ----------------------------------------------------------------------------


@torch.library.custom_op("crossent::triton_rows", mutates_args=())
def triton_rows(
    z: Tensor, labels: Tensor, weight: Tensor | None, smoothing: float, softcap: float, temperature: float
) -> tuple[Tensor, Tensor, Tensor]:
    """(M,) loss, log Σ exp z and −log p of the label; 0 where ignored."""
    from crossent.torch.triton import rows as kernels

    found = kernels.loss_rows(z, labels, _options(smoothing, softcap, temperature), weight=weight)
    return found.loss, found.lse, found.nll


@torch.library.custom_op("crossent::triton_late_gradient", mutates_args=())
def triton_late_gradient(
    z: Tensor,
    labels: Tensor,
    weight: Tensor | None,
    loss: Tensor,
    lse: Tensor,
    nll: Tensor,
    of_loss: Tensor,
    of_lse: Tensor,
    of_nll: Tensor,
    smoothing: float,
    softcap: float,
    temperature: float,
) -> Tensor:
    """(M, C) gradient by z, for derivatives by each of the three."""
    from crossent.torch.triton import rows as kernels

    found, up = kernels.RowsFound(loss, lse, nll), kernels.Derivatives(of_loss, of_lse, -of_nll)
    return kernels.late_gradient(
        z, labels, found, up, _options(smoothing, softcap, temperature), weight=weight
    )


@triton_rows.register_fake
def _(z: Tensor, *others: Any) -> tuple[Tensor, Tensor, Tensor]:
    one, two, three = (z.new_empty(z.shape[0], dtype=torch.float32) for _ in range(3))
    return one, two, three


@triton_late_gradient.register_fake
def _(z: Tensor, *others: Any) -> Tensor:
    return z.new_empty(z.shape)


def _keep_rows(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    ctx.save_for_backward(*inputs[:3], *output)
    ctx.numbers = inputs[3:]


def _rows_backward(ctx: Any, *up: Tensor) -> Gradients:
    z, labels, weight, *found = ctx.saved_tensors
    if not torch.is_grad_enabled():
        return triton_late_gradient(z, labels, weight, *found, *up, *ctx.numbers), *(None,) * 5
    with torch.enable_grad():
        options = _options(*ctx.numbers)
        values = row_values(shaped_logits(z, options), Rows((len(z),), labels), weight, options)
        assert values.logprob is not None
        known = (values.loss, values.lse, -values.logprob)
        return torch.autograd.grad(known, z, up, create_graph=True)[0], *(None,) * 5


triton_rows.register_autograd(_rows_backward, setup_context=_keep_rows)
