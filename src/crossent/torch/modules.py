"""The loss functions as modules: what a function is told once is an argument of the constructor."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from torch import Tensor, nn

from crossent.torch.linear import linear_cross_entropy
from crossent.torch.plain import cross_entropy


class FunctionModule(nn.Module):
    """A function with its options; tensors among these are buffers, which follow the module to its device."""

    function: ClassVar[Callable[..., Any]]
    __signature__: ClassVar[inspect.Signature]
    """Of the constructor."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__()
        bound = self.__signature__.bind(*args, **options)
        bound.apply_defaults()
        self.names = tuple(bound.arguments)
        for name, value in bound.arguments.items():
            if name == "weight" or isinstance(value, Tensor):
                self.register_buffer(name, value)
            else:
                setattr(self, name, value)

    def forward(self, *args: Any, **given: Any) -> Any:
        return type(self).function(*args, **given, **{name: getattr(self, name) for name in self.names})

    def extra_repr(self) -> str:
        defaults = self.__signature__.parameters
        told = {name: getattr(self, name) for name in self.names}
        return ", ".join(f"{k}={v!r}" for k, v in told.items() if v is not defaults[k].default)


M = TypeVar("M", bound=type[FunctionModule])


def options_of(function: Callable[..., Any], *, per_call: tuple[str, ...]) -> Callable[[M], M]:
    """Makes the arguments of a function, without those that every call gives, those of the constructor."""

    def decorate(module: M) -> M:
        signature = inspect.signature(function)
        kept = [p for name, p in signature.parameters.items() if name not in per_call]
        module.function = function
        module.__signature__ = signature.replace(parameters=kept, return_annotation=inspect.Signature.empty)
        return module

    return decorate


@options_of(cross_entropy, per_call=("input", "target", "token_weight"))
class CrossEntropyLoss(FunctionModule):
    """`crossent.torch.cross_entropy` as a module: a drop-in for torch.nn.CrossEntropyLoss.

    The constructor takes the options of the function, first `weight`; a call takes `input`, `target` and, if
    wanted, `token_weight=`.

    >>> import torch
    >>> loss = CrossEntropyLoss(label_smoothing=0.1, z_loss=1e-4)
    >>> loss
    CrossEntropyLoss(label_smoothing=0.1, z_loss=0.0001)
    >>> round(loss(torch.tensor([[2.0, 0.0, 0.0]]), torch.tensor([0])).item(), 4)
    0.3734
    """


@options_of(
    linear_cross_entropy,
    per_call=(
        "input",
        "linear_weight",
        "target",
        "linear_bias",
        "token_weight",
        "accumulate_grad_into",
    ),
)
class LinearCrossEntropyLoss(FunctionModule):
    """`crossent.torch.linear_cross_entropy` as a module. It owns no linear map: the model's own is passed.

    The constructor takes the options of the function; a call takes `input`, `linear_weight`, `target` and, if
    wanted, `linear_bias=`, `token_weight=` and `accumulate_grad_into=`.

    >>> import torch
    >>> head = torch.nn.Linear(2, 3, bias=False)
    >>> loss = LinearCrossEntropyLoss(softcap=30.0)
    >>> loss(torch.ones(4, 2), head.weight, torch.tensor([0, 1, 2, -100])).backward()
    >>> head.weight.grad.shape
    torch.Size([3, 2])
    """
