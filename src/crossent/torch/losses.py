"""The losses of the registry as modules: one for each that has a derivative, made from its declaration.

Values and derivatives are those of `crossent.loss_and_gradient`, analytic, in float64 and in main memory;
tensors of other devices go there and back. Log loss of many classes is `crossent.torch.cross_entropy`, which
has kernels of its own.
"""

from __future__ import annotations

import inspect
import json
from dataclasses import fields, replace
from functools import lru_cache
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from crossent.errors import UsageError
from crossent.functional import loss as value_of
from crossent.functional import loss_and_gradient
from crossent.losses import Loss, get
from crossent.losses.contract import FLAT_KINDS
from crossent.torch.options import IGNORED, Options
from crossent.torch.registered import trainable

DESCRIPTION = """{title} as a module, of predictions of one kind.

{use}

Constructor: {parameters}`kind` of the prediction ({kinds}; "{first}" unless said), `reduction` ("mean", which
divides by the weights; "sum"; "none") and `ignore_index`, the label of rows that are left out. A call takes
`input`, `target` ({target}) and, if wanted, `weight`, one a row. Classes are the last axis, or the second of
more than two. A batch without rows that count has loss 0 and gradient 0.

The loss itself: `crossent.losses.get("{name}")`. Raises as `crossent.loss` does.
"""
TARGETS = {
    "class": "class indices",
    "ordinal": "class indices, whose order means something",
    "distribution": "probabilities of the classes",
    "indicators": "0 or 1 for each label",
    "real": "numbers",
    "positive": "numbers above 0",
    "count": "whole numbers from 0",
}


class RegisteredLoss(nn.Module):
    """What the modules of all losses share."""

    default: ClassVar[Loss]
    __signature__: ClassVar[inspect.Signature]

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__()
        bound = self.__signature__.bind(*args, **options)
        bound.apply_defaults()
        given = bound.arguments
        self.kind = given.pop("kind") or first_kind(self.default)
        checked = Options(given.pop("reduction"), given.pop("ignore_index"))
        self.reduction, self.ignore_index = checked.reduction, checked.ignore_index
        self.loss = replace(self.default, **{k: _numbers(v) for k, v in given.items()})
        self.written = _written(self.loss)

    def forward(self, input: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        labelled = self.loss.target in ("class", "ordinal")
        axis = 1 if input.ndim > 2 and self.kind not in FLAT_KINDS else -1
        ignored = self.ignore_index if labelled else None
        needed = input.requires_grad and torch.is_grad_enabled()
        losses: Tensor = registered_losses(input, target, self.written, self.kind, axis, ignored, needed)[0]
        w = torch.ones_like(losses) if weight is None else weight.to(losses.dtype).expand_as(losses)
        if labelled:
            w = torch.where(target == self.ignore_index, 0, w)
        # a row of weight 0 does not count, though its loss be infinite
        each = torch.where(w == 0, 0, losses) * w
        if self.reduction == "none":
            return each
        if self.reduction == "sum":
            return each.sum()
        count = w.sum()
        return each.sum() / torch.where(count == 0, 1, count)

    def extra_repr(self) -> str:
        return f"{self.loss!r}, kind={self.kind!r}, reduction={self.reduction!r}"


@torch.library.custom_op("crossent::registered_losses", mutates_args=())
def registered_losses(
    input: Tensor,
    target: Tensor,
    loss: str,
    kind: str,
    axis: int,
    ignore_index: int | None,
    needed: bool,
) -> tuple[Tensor, Tensor]:
    """A loss a row and, if it will be asked for, its derivative."""
    y, prediction = _in_main_memory(target).numpy(), _in_main_memory(input).numpy()
    options: dict[str, Any] = {"kind": kind, "axis": axis, "ignore_index": ignore_index, "reduction": "none"}
    slopes: Any = ()
    if needed:
        values, slopes = loss_and_gradient(y, prediction, _read(loss), **options)
    else:
        values = value_of(y, prediction, _read(loss), **options)
    dtype = torch.promote_types(input.dtype, torch.float32)
    return torch.as_tensor(values).to(input.device, dtype), torch.as_tensor(slopes).to(input)


@registered_losses.register_fake
def _(
    input: Tensor, target: Tensor, loss: str, kind: str, axis: int, ignore_index: int | None, needed: bool
) -> tuple[Tensor, Tensor]:
    rows = list(input.shape)
    if kind not in FLAT_KINDS:
        del rows[axis]
    dtype = torch.promote_types(input.dtype, torch.float32)
    return input.new_empty(rows, dtype=dtype), input.new_empty(input.shape if needed else 0)


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    ctx.mark_non_differentiable(output[1])
    ctx.save_for_backward(output[1], inputs[0])
    ctx.axis = None if inputs[3] in FLAT_KINDS else inputs[4]


def _backward(ctx: Any, up: Tensor, _: object) -> tuple[Tensor | None, ...]:
    slopes, input = ctx.saved_tensors
    if torch.is_grad_enabled():
        slopes = _Last.apply(slopes, input)  # type: ignore[no-untyped-call]
    up = up if ctx.axis is None else up.unsqueeze(ctx.axis)
    # where a row counts nothing its slope may be infinite
    return torch.where(up == 0, 0, slopes * up).to(slopes.dtype), *(None,) * 6


class _Last(torch.autograd.Function):
    """A derivative that knows what it depends on, so that its own is refused rather than taken for 0."""

    @staticmethod
    def forward(ctx: Any, slopes: Tensor, input: Tensor) -> Tensor:
        return slopes.view_as(slopes)

    @staticmethod
    def backward(ctx: Any, *up: Tensor) -> None:
        raise UsageError(
            "no-derivative",
            "a loss of the registry gives PyTorch its first derivative only",
            cure="take crossent.torch.cross_entropy, or crossent.hessian_vector_product",
        )


registered_losses.register_autograd(_backward, setup_context=_keep)


def _written(loss: Loss) -> str:
    """A loss as an operator takes it."""
    return json.dumps([loss.name, {f.name: getattr(loss, f.name) for f in fields(loss)}])


@lru_cache(maxsize=64)
def _read(written: str) -> Loss:
    name, parameters = json.loads(written)
    return replace(get(name), **{k: tuple(v) if isinstance(v, list) else v for k, v in parameters.items()})


def first_kind(loss: Loss) -> str:
    """Logits where the loss takes them, as models give these; else the kind it declares first."""
    return "logits" if "logits" in loss.kinds else loss.kinds[0]


def module_for(name: str, loss: Loss) -> type[RegisteredLoss]:
    """The module of a loss, with its parameters as arguments of the constructor."""
    ours = {"kind": None, "reduction": "mean", "ignore_index": IGNORED}
    own = [
        inspect.Parameter(f.name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=f.default)
        for f in fields(loss)
    ]
    more = [inspect.Parameter(k, inspect.Parameter.KEYWORD_ONLY, default=v) for k, v in ours.items()]
    description = DESCRIPTION.format(
        title=loss.title[0].upper() + loss.title[1:],
        use=loss.use,
        parameters="".join(f"`{f.name}`, " for f in fields(loss)),
        kinds=", ".join(loss.kinds),
        first=first_kind(loss),
        target=TARGETS[loss.target],
        name=loss.name,
    )
    contents = {
        "__doc__": description,
        "__module__": __name__,
        "__signature__": inspect.Signature([*own, *more]),
        "default": loss,
    }
    return type(name, (RegisteredLoss,), contents)


def _numbers(value: Any) -> Any:
    """Parameters of a loss are numbers, or tuples of them."""
    return tuple(value.tolist()) if isinstance(value, Tensor) else value


def _in_main_memory(t: Tensor) -> Tensor:
    t = t.detach().cpu()
    return t.float() if t.dtype == torch.bfloat16 else t


globals().update({name: module_for(name, loss) for name, loss in trainable().items()})
