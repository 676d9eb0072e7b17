"""Cross-entropy of hidden states under a linear map to many classes: the last layer and the loss as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from crossent.errors import DataError, UsageError
from crossent.torch import linear_ops as ops
from crossent.torch import reference
from crossent.torch.choice import choose
from crossent.torch.options import IGNORED, NOT_DIFFERENTIABLE, CrossEntropyOutput, Options, check_outputs
from crossent.torch.projection import Gradients
from crossent.torch.targets import RowFactors, Rows, Target, read_targets, row_factors


def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Target,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    z_loss: float = 0.0,
    token_weight: Tensor | None = None,
    softcap: float | None = None,
    temperature: float = 1.0,
    outputs: Sequence[str] = (),
    accumulate_grad_into: Tensor | None = None,
    memory_budget: int | None = None,
    implementation: str | None = None,
) -> Tensor | CrossEntropyOutput:
    """cross_entropy(input · linear_weightᵀ + linear_bias, target) without holding the logits of all rows.

    What a language model computes last. The logits of N tokens and V classes are the largest tensor of a
    training step; here a part of them stands at a time, in float32, and is turned into gradients at once.
    Signature and meaning are those of torch.nn.functional.linear_cross_entropy; what stands after
    label_smoothing is ours.

    Parameters
    ----------
    input : (…, D) hidden states; float32, bfloat16, float16 or float64.
    linear_weight : (V, D), of the same type. linear_bias : (V,).
    target : (…) class indices, (…, V) probabilities, or `TopK` of a teacher.
    weight : (V,) a weight for each class. token_weight : (…) one for each row, known before the loss.
    reduction : "mean" divides by the weights of the rows that count, "sum", or "none": (…) one loss a row,
        whose gradient takes a fourth product more, as `outputs` with gradients do.
    ignore_index : label of rows that are left out, −100 unless said; they cost nothing.
    z_loss : λ of a further λ·lse² a row, which keeps logits from drifting.
    softcap, temperature : z = softcap·tanh(z / softcap) / temperature.
    outputs : more to return, of "losses", "lse", "logprob", "entropy", "argmax", "correct"; then the
        result is a `CrossEntropyOutput`. All but the last two are differentiable.
    accumulate_grad_into : a tensor like linear_weight, such as its .grad or main_grad: the gradient of
        linear_weight is added to it while the loss is computed, and none is returned by `backward`, which
        must then start from this loss with gradient 1. Saves a tensor of its size.
    memory_budget : bytes for logits at a time; fewer make more, slower products. Losses do not depend on it.
    implementation : "triton", "chunked", "torch" (holds all logits; the formulas), or None for the best that
        can; `explain(linear=True)` says why each other does not.

    Returns the loss in nats, float32 (float64 for float64). A batch whose rows are all ignored has loss 0 and
    gradient 0. Two runs give the same bits. Gradients of gradients go by the formulas and hold all logits.

    Raises `DataError` (shape-mismatch, label-out-of-range, label-type) and `UsageError` (bad-option).

    >>> import torch
    >>> x, w = torch.eye(2, requires_grad=True), torch.tensor([[2.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    >>> loss = linear_cross_entropy(x, w, torch.tensor([0, 1]))
    >>> loss.backward()
    >>> round(loss.item(), 4), [round(g, 4) for g in x.grad[0].tolist()]
    (0.3955, [-0.213, 0.0533])

    Sources: gradients in the forward pass, by parts: Hsu et al., Liger Kernel, arXiv:2410.10989; Wijmans
    et al., Cut Your Losses in Large-Vocabulary Language Models, ICLR 2025, arXiv:2411.09009; z-loss:
    Chowdhery et al., PaLM, JMLR 24 (2023) 1–113; soft capping: Gemma Team, Gemma 2, arXiv:2408.00118.
    """
    options = Options(
        reduction,
        IGNORED if ignore_index is None else ignore_index,
        label_smoothing,
        z_loss,
        softcap,
        temperature,
    )
    wanted = check_outputs(outputs)
    _check(input, linear_weight, linear_bias, weight)
    tensors = in_one_type(input, linear_weight, linear_bias)
    with torch.autocast(input.device.type, enabled=False):
        shape = input.shape[:-1]
        rows = read_targets(target, shape, linear_weight.shape[0], options)
        factors = row_factors(rows, weight, token_weight, options, reference.wide(input))
        call = _Call(tensors, rows, weight, options, memory_budget or 0)
        late = options.reduction == "none" or any(name not in NOT_DIFFERENTIABLE for name in wanted)
        late = late or bool(wanted) or _needs_gradient(*factors)
        unable = _unable(rows, weight, late)
        taken = choose(implementation, call.x.device, call.x.dtype, unable, linear=True)
        call.triton = taken == "triton"
        if accumulate_grad_into is not None:
            return call.accumulating(factors, accumulate_grad_into, late)
        if taken == "torch":
            values = call.by_formulas()
        elif late:
            values = call.rows_of(wanted)
        else:
            return call.loss(factors)
        return result(values, factors, rows, options, wanted)


class _Call:
    """One call, its rows flattened."""

    def __init__(
        self,
        tensors: tuple[Tensor, Tensor, Tensor | None],
        rows: Rows,
        class_weight: Tensor | None,
        options: Options,
        budget: int,
    ) -> None:
        x, self.weight, self.bias = tensors
        self.x = x.reshape(-1, x.shape[-1])
        self.rows, self.class_weight, self.options, self.budget = rows, class_weight, options, budget
        self.triton = False

    def by_formulas(self) -> reference.RowValues:
        z = reference.linear_logits(self.x, self.weight, self.bias, self.options)
        return reference.row_values(z, self.rows, self.class_weight, self.options)

    def loss(self, factors: RowFactors) -> Tensor:
        found: tuple[Tensor, ...] = ops.linear_loss(
            *self._arguments(), *factors, self._gradients(), self.triton
        )
        return found[0]

    def rows_of(self, wanted: Sequence[str]) -> reference.RowValues:
        bits = ops.ENTROPY * ("entropy" in wanted) | ops.ARGMAX * bool({"argmax", "correct"} & set(wanted))
        found = ops.linear_rows(*self._arguments(), bits, self._gradients())
        loss, lse, nll, entropy, argmax, top = found
        logprob = top if self.rows.ids is not None else None if self.rows.labels is None else -nll
        return reference.RowValues(loss, lse, logprob, entropy, argmax)

    def accumulating(self, factors: RowFactors, into: Tensor, more: bool) -> Tensor:
        if more or into.shape != self.weight.shape:
            raise UsageError(
                "bad-option",
                "accumulate_grad_into with an option that it does not go with",
                cure='use reduction="mean" or "sum", no outputs, and a tensor like linear_weight',
            )
        found: Tensor = _Accumulating.apply(  # type: ignore[no-untyped-call]
            self.x, self.weight, self.bias, self, factors, into
        )
        return found

    def _arguments(self) -> tuple[Any, ...]:
        r, o = self.rows, self.options
        numbers = (o.label_smoothing, o.softcap or 0.0, o.temperature, self.budget)
        return self.x, self.weight, self.bias, r.labels, r.probs, r.ids, self.class_weight, *numbers

    def _gradients(self) -> int:
        """Which gradients will be needed."""
        if not torch.is_grad_enabled():
            return 0
        bits = ((self.x, ops.INPUT), (self.weight, ops.WEIGHT), (self.bias, ops.BIAS))
        return sum(bit for t, bit in bits if t is not None and t.requires_grad)

    def loss_into(self, factors: RowFactors, grads: int, into: Tensor) -> tuple[Tensor, Gradients]:
        call = ops.Call(*self._arguments())
        return ops.loss_and_gradients(call, *factors, grads | ops.WEIGHT, into, self.triton)


class _Accumulating(torch.autograd.Function):
    """The loss, with the gradient of the weight added to a tensor of the caller's."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        call: _Call,
        factors: RowFactors,
        into: Tensor,
    ) -> Tensor:
        grads = sum(
            bit for need, bit in zip(ctx.needs_input_grad, (ops.INPUT, 0, ops.BIAS), strict=False) if need
        )
        loss, found = call.loss_into(factors, grads, into)
        ctx.save_for_backward(found.input, found.bias)
        return loss

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, up: Tensor) -> tuple[Tensor | None, ...]:
        if up.device.type == "cpu" and bool(up != 1):
            raise UsageError(
                "bad-option",
                f"backward with gradient {up.item():g} of a loss whose gradient was accumulated already",
                cure="put the factor into token_weight or z_loss, and call loss.backward()",
            )
        x, bias = ctx.saved_tensors
        return x, None, bias, None, None, None


def result(
    values: reference.RowValues, factors: RowFactors, rows: Rows, options: Options, wanted: Sequence[str]
) -> Tensor | CrossEntropyOutput:
    """What the caller gets, from what is known of each row."""
    dtype = factors.loss.dtype
    each = reference.per_row(values, factors).to(dtype).reshape(rows.shape)
    loss = each if options.reduction == "none" else reference.total(values, factors).to(dtype)
    if not wanted:
        return loss
    found: dict[str, Tensor | None] = {"losses": each}
    for name in ("lse", "entropy", "logprob"):
        value = getattr(values, name)
        found[name] = None if value is None else value.to(dtype).reshape(*rows.shape, *value.shape[1:])
    found["argmax"] = values.argmax.reshape(rows.shape) if {"argmax", "correct"} & set(wanted) else None
    if "correct" in wanted and found["argmax"] is not None and rows.labels is not None:
        found["correct"] = found["argmax"] == rows.labels.reshape(rows.shape)
    return CrossEntropyOutput(loss, **{name: found.get(name) for name in wanted})


def in_one_type(x: Tensor, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
    """As autocast would have it where it is on; else as they are."""
    device = x.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype
    if x.dtype == torch.float64:
        dtype = x.dtype
    return x.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype)


def _unable(rows: Rows, weight: Tensor | None, late: bool) -> dict[str, str]:
    """Why an implementation cannot do what this call asks for."""
    found = {}
    if rows.labels is None or late:
        found["triton"] = "takes class indices, and gives one loss whose factors are no variables"
    if _needs_gradient(rows.probs, weight):
        found |= dict.fromkeys(("triton", "chunked"), "gives no gradient by target or class weights")
    return found


def _needs_gradient(*tensors: Tensor | None) -> bool:
    return torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors)


def _check(x: Tensor, w: Tensor, bias: Tensor | None, weight: Tensor | None) -> None:
    if w.ndim != 2 or x.ndim < 1 or x.shape[-1] != w.shape[-1]:
        raise _shapes(
            f"input {tuple(x.shape)} and linear_weight {tuple(w.shape)}",
            "input (…, D) and linear_weight (V, D)",
        )
    for name, t in (("linear_bias", bias), ("weight", weight)):
        if t is not None and tuple(t.shape) != (w.shape[0],):
            raise _shapes(f"{name} {tuple(t.shape)} for {w.shape[0]} classes", f"{name} (V,)")


def _shapes(found: str, wanted: str) -> DataError:
    return DataError("shape-mismatch", f"{found} do not fit", cure=f"give {wanted}")
