"""The operators that linear cross-entropy is made of, as PyTorch's compiler and autograd know them.

`linear_loss` gives the loss with its gradients in one go, for a gradient from above that is a number;
`linear_rows` gives what is known of each row, and makes the logits again in its backward pass. Gradients
of the gradients go by the formulas of `reference`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from crossent.errors import DataError
from crossent.torch import reference
from crossent.torch.options import Options
from crossent.torch.projection import Asked, Gradients, Projection, tiles_for
from crossent.torch.rows import RowLosses, Upstream
from crossent.torch.targets import RowFactors, Rows

INPUT, WEIGHT, BIAS = 1, 2, 4
ENTROPY, ARGMAX = 1, 2


@dataclass(frozen=True)
class Call:
    """Arguments that every operator takes, as they are passed: tensors, then numbers."""

    x: Tensor
    weight: Tensor
    bias: Tensor | None
    labels: Tensor | None
    probs: Tensor | None
    ids: Tensor | None
    class_weight: Tensor | None
    smoothing: float
    softcap: float
    temperature: float
    budget: int

    @property
    def options(self) -> Options:
        cap = self.softcap or None
        return Options(label_smoothing=self.smoothing, softcap=cap, temperature=self.temperature)

    @property
    def rows(self) -> Rows:
        return Rows((len(self.x),), self.labels, self.probs, self.ids)

    def projection(self, keep: Tensor | None) -> Projection:
        """Of the rows that count; `keep` are their numbers, None for all."""
        self.check_labels()
        x, rows = self.x, self.rows
        if keep is not None:
            x = x[keep]
            rows = Rows(
                (len(x),), *(None if t is None else t[keep] for t in (rows.labels, rows.probs, rows.ids))
            )
        tiles = tiles_for(len(x), len(self.weight), x.dtype, x.device, self.budget or None)
        return Projection(x, self.weight, self.bias, rows, self.class_weight, self.options, tiles)

    def check_labels(self) -> None:
        if self.labels is None or not len(self.labels) or self.labels.device.type != "cpu":
            return
        bad = (self.labels >= len(self.weight)) | (self.labels < -1)
        if bool(bad.any()):
            row = int(bad.nonzero()[0, 0])
            raise DataError(
                "label-out-of-range",
                f"there are classes 0 to {len(self.weight) - 1}",
                row=row,
                value=int(self.labels[row]),
                cure="number classes from 0; a label that is to be left out is ignore_index",
            )

    def reference(self) -> reference.RowValues:
        z = reference.linear_logits(self.x, self.weight, self.bias, self.options)
        return reference.row_values(z, self.rows, self.class_weight, self.options)


def kept(counts: Tensor) -> Tensor | None:
    """Numbers of the rows that count, None where all do."""
    return None if bool(counts.all()) else counts.nonzero()[:, 0]


def loss_and_gradients(
    call: Call,
    factor: Tensor,
    square: Tensor,
    grads: int,
    into: Tensor | None = None,
    triton: bool = False,
) -> tuple[Tensor, Gradients]:
    """The loss, Σ factor·loss + square·lse², and its gradients."""
    keep = kept(call.rows.valid & ((factor != 0) | (square != 0)))
    if triton:
        return _by_triton(call, factor, square, grads, into, keep)
    p = call.projection(keep)
    f, q = (factor, square) if keep is None else (factor[keep], square[keep])
    asked = Asked(input=bool(grads & INPUT), weight=bool(grads & WEIGHT), bias=bool(grads & BIAS))
    values, found = p.losses_and_gradients(Upstream(f.double(), q.double()), asked, into)
    total = (values.loss * f.double()).sum() + (values.lse.square() * q.double()).sum()
    return total.to(reference.wide(call.x)), _spread(found, keep, len(call.x))


def _by_triton(
    call: Call, factor: Tensor, square: Tensor, grads: int, into: Tensor | None, keep: Tensor | None
) -> tuple[Tensor, Gradients]:
    from crossent.torch.triton.linear import linear_cross_entropy_tlo

    assert call.labels is not None
    given = (call.x, call.labels, factor, square)
    x, labels, f, q = given if keep is None else (t[keep] for t in given)
    found = linear_cross_entropy_tlo(
        x,
        call.weight,
        call.bias,
        labels,
        f,
        options=call.options,
        class_weight=call.class_weight,
        square=q,
        gradients=(bool(grads & INPUT), bool(grads & WEIGHT), bool(grads & BIAS)),
        into=into,
        rows_at_once=max(1, call.budget // (4 * len(call.weight))) if call.budget else None,
    )
    total = (found.losses.double() * f.double()).sum() + (found.lse.double().square() * q.double()).sum()
    gradients = Gradients(found.input, found.weight, found.bias)
    return total.to(reference.wide(call.x)), _spread(gradients, keep, len(call.x))


def _spread(found: Gradients, keep: Tensor | None, count: int) -> Gradients:
    if found.input is None or keep is None:
        return found
    every = found.input.new_zeros(count, found.input.shape[1])
    return Gradients(every.index_copy_(0, keep, found.input), found.weight, found.bias)


def _or_nothing(found: Gradients, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    def give(x: Tensor | None) -> Tensor:
        return like.new_empty(0) if x is None else x

    return give(found.input), give(found.weight), give(found.bias)


# --- the loss with its gradients
# -------------------------------------------------------------------------------


@torch.library.custom_op("crossent::linear_loss", mutates_args=())
def linear_loss(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    labels: Tensor | None,
    probs: Tensor | None,
    ids: Tensor | None,
    class_weight: Tensor | None,
    smoothing: float,
    softcap: float,
    temperature: float,
    budget: int,
    factor: Tensor,
    square: Tensor,
    grads: int,
    triton: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(loss, gradients by x, weight and bias; empty where not asked for)."""
    call = Call(x, weight, bias, labels, probs, ids, class_weight, smoothing, softcap, temperature, budget)
    loss, found = loss_and_gradients(call, factor, square, grads, triton=triton)
    return loss, *_or_nothing(found, x)


@linear_loss.register_fake
def _(x: Tensor, weight: Tensor, bias: Tensor | None, *rest: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    grads = rest[-2]
    loss = x.new_empty((), dtype=reference.wide(x))
    return loss, *_fake_gradients(x, weight, bias, grads)


def _fake_gradients(
    x: Tensor, weight: Tensor, bias: Tensor | None, grads: int
) -> tuple[Tensor, Tensor, Tensor]:
    def room(like: Tensor | None, bit: int) -> Tensor:
        return torch.empty_like(like) if like is not None and grads & bit else x.new_empty(0)

    return room(x, INPUT), room(weight, WEIGHT), room(bias, BIAS)


TENSORS = 7  # the first arguments of every operator


def _keep_loss(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    *call, factor, square, grads, _ = inputs
    ctx.save_for_backward(*call[:TENSORS], factor, square, *output[1:])
    ctx.numbers, ctx.grads = call[TENSORS:], grads
    ctx.mark_non_differentiable(*output[1:])
    ctx.set_materialize_grads(False)


def _loss_backward(ctx: Any, up: Tensor | None, *_: Tensor | None) -> tuple[Tensor | None, ...]:
    saved = ctx.saved_tensors
    none: list[Tensor | None] = [None] * (TENSORS + len(ctx.numbers) + 4)
    if up is None:
        return tuple(none)
    if torch.is_grad_enabled():
        found = _again(Call(*saved[:TENSORS], *ctx.numbers), saved[TENSORS : TENSORS + 2], up, ctx.grads)
    else:
        one = up.device.type == "cpu" and not torch.compiler.is_compiling() and bool(up == 1)
        # never in place: the same graph may be gone through again
        found = [g if one or not g.numel() else g * up.to(g.dtype) for g in saved[TENSORS + 2 :]]
    for i, bit in enumerate((INPUT, WEIGHT, BIAS)):
        none[i] = found[i] if ctx.grads & bit else None
    return tuple(none)


def _again(call: Call, factors: tuple[Tensor, Tensor], up: Tensor, grads: int) -> list[Tensor | None]:
    """Gradients that have gradients themselves, by the formulas."""
    total = reference.total(call.reference(), RowFactors(*factors))
    return differentiated(call, [total], [up], grads)


def differentiated(call: Call, values: list[Tensor], ups: list[Tensor], grads: int) -> list[Tensor | None]:
    given = zip((call.x, call.weight, call.bias), (INPUT, WEIGHT, BIAS), strict=True)
    by = [t for t, bit in given if t is not None and grads & bit]
    found = iter(torch.autograd.grad(values, by, ups, create_graph=True, allow_unused=True))
    return [next(found) if grads & bit else None for bit in (INPUT, WEIGHT, BIAS)]


linear_loss.register_autograd(_loss_backward, setup_context=_keep_loss)


# --- what is known of each row
# ---------------------------------------------------------------------------------


@torch.library.custom_op("crossent::linear_rows", mutates_args=())
def linear_rows(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    labels: Tensor | None,
    probs: Tensor | None,
    ids: Tensor | None,
    class_weight: Tensor | None,
    smoothing: float,
    softcap: float,
    temperature: float,
    budget: int,
    outputs: int,
    grads: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """(loss, lse, −log p of the label, entropy, argmax, log p of a top k) of every row, in float64.

    0 where a row is ignored; empty where nothing is asked for.
    """
    call = Call(x, weight, bias, labels, probs, ids, class_weight, smoothing, softcap, temperature, budget)
    keep = kept(call.rows.valid)
    values = call.projection(keep).losses(
        Asked(entropy=bool(outputs & ENTROPY), argmax=bool(outputs & ARGMAX))
    )

    def every(part: Tensor | None, dtype: torch.dtype = torch.float64) -> Tensor:
        if part is None:
            return x.new_empty(0, dtype=dtype)
        if keep is None:
            return part
        return part.new_zeros(len(x), *part.shape[1:]).index_copy_(0, keep, part)

    return (
        # results of an operator share no memory, and without weights the loss is −log p itself
        every(values.loss.clone()),
        every(values.lse),
        every(values.nll),
        every(values.entropy),
        every(values.argmax, torch.int64),
        every(values.logprob),
    )


@linear_rows.register_fake
def _(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    labels: Tensor | None,
    probs: Tensor | None,
    ids: Tensor | None,
    *rest: Any,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    outputs = rest[-2]

    def room(there: bool, *shape: Any, dtype: torch.dtype = torch.float64) -> Tensor:
        return x.new_empty((len(x), *shape) if there else (0,), dtype=dtype)

    return (
        room(True),
        room(True),
        room(labels is not None),
        room(bool(outputs & ENTROPY)),
        room(bool(outputs & ARGMAX), dtype=torch.int64),
        room(False) if ids is None else room(True, ids.shape[1]),
    )


@torch.library.custom_op("crossent::linear_rows_backward", mutates_args=())
def linear_rows_backward(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    labels: Tensor | None,
    probs: Tensor | None,
    ids: Tensor | None,
    class_weight: Tensor | None,
    smoothing: float,
    softcap: float,
    temperature: float,
    budget: int,
    known: list[Tensor],
    ups: list[Tensor],
    grads: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients by x, weight and bias; `known` as `linear_rows` gave it, `ups` its slopes, empty for 0."""
    call = Call(x, weight, bias, labels, probs, ids, class_weight, smoothing, softcap, temperature, budget)
    keep = kept(call.rows.valid)
    p = call.projection(keep)

    def given(t: Tensor) -> Tensor | None:
        return None if not t.numel() else t if keep is None else t[keep]

    loss, lse, nll, entropy, _, logprob = (given(t) for t in known)
    up = [given(t) for t in ups]
    count = len(p.x)
    zero = x.new_zeros(count, dtype=torch.float64)
    assert loss is not None or not count
    values = RowLosses(
        zero if loss is None else loss, zero if lse is None else lse, nll, p.mass(), entropy, None, logprob
    )
    late = up[5] if up[2] is None else -up[2]
    asked = Asked(input=bool(grads & INPUT), weight=bool(grads & WEIGHT), bias=bool(grads & BIAS))
    found = p.gradients(Upstream(zero if up[0] is None else up[0], up[1], late, up[3]), values, asked)
    return _or_nothing(_spread(found, keep, len(x)), x)


@linear_rows_backward.register_fake
def _(x: Tensor, weight: Tensor, bias: Tensor | None, *rest: Any) -> tuple[Tensor, Tensor, Tensor]:
    return _fake_gradients(x, weight, bias, rest[-1])


def _keep_rows(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    *call, _, grads = inputs
    ctx.save_for_backward(*call[:TENSORS], *output)
    ctx.numbers, ctx.grads = call[TENSORS:], grads
    ctx.mark_non_differentiable(output[4])
    ctx.set_materialize_grads(False)


def _rows_backward(ctx: Any, *ups: Tensor | None) -> tuple[Tensor | None, ...]:
    saved = ctx.saved_tensors
    none: list[Tensor | None] = [None] * (TENSORS + len(ctx.numbers) + 2)
    call = Call(*saved[:TENSORS], *ctx.numbers)
    if all(up is None for up in ups):
        return tuple(none)
    if torch.is_grad_enabled():
        found = _rows_again(call, ups, ctx.grads)
    else:
        empty = call.x.new_empty(0, dtype=torch.float64)
        given = [empty if up is None else up for up in ups]
        found = list(
            linear_rows_backward(*saved[:TENSORS], *ctx.numbers, list(saved[TENSORS:]), given, ctx.grads)
        )
    for i, bit in enumerate((INPUT, WEIGHT, BIAS)):
        none[i] = found[i] if ctx.grads & bit else None
    return tuple(none)


def _rows_again(call: Call, ups: tuple[Tensor | None, ...], grads: int) -> list[Tensor | None]:
    v = call.reference()
    nll = None if v.logprob is None or call.ids is not None else -v.logprob
    top = v.logprob if call.ids is not None else None
    values = [
        (value, up.to(value.dtype))
        for value, up in zip((v.loss, v.lse, nll, v.entropy, None, top), ups, strict=True)
        if value is not None and up is not None and up.numel()
    ]
    return differentiated(call, [value for value, _ in values], [up for _, up in values], grads)


linear_rows.register_autograd(_rows_backward, setup_context=_keep_rows)
