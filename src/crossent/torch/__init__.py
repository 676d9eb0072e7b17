"""What trains in PyTorch, which is imported when something here is first called."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crossent.torch.choice import explain as explain
    from crossent.torch.linear import linear_cross_entropy as linear_cross_entropy
    from crossent.torch.modules import CrossEntropyLoss as CrossEntropyLoss
    from crossent.torch.modules import LinearCrossEntropyLoss as LinearCrossEntropyLoss
    from crossent.torch.options import CrossEntropyOutput as CrossEntropyOutput
    from crossent.torch.parallel import vocab_parallel_cross_entropy as vocab_parallel_cross_entropy
    from crossent.torch.parallel import (
        vocab_parallel_linear_cross_entropy as vocab_parallel_linear_cross_entropy,
    )
    from crossent.torch.penalty import gradient_penalty as gradient_penalty
    from crossent.torch.plain import cross_entropy as cross_entropy
    from crossent.torch.targets import TopK as TopK

_HOMES = {
    "crossent.torch.choice": ("explain",),
    "crossent.torch.linear": ("linear_cross_entropy",),
    "crossent.torch.modules": ("CrossEntropyLoss", "LinearCrossEntropyLoss"),
    "crossent.torch.options": ("CrossEntropyOutput",),
    "crossent.torch.parallel": ("vocab_parallel_cross_entropy", "vocab_parallel_linear_cross_entropy"),
    "crossent.torch.penalty": ("gradient_penalty",),
    "crossent.torch.plain": ("cross_entropy",),
    "crossent.torch.targets": ("TopK",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "__all__":
        return __dir__()
    home = _HOME.get(name) or (_losses().get(name) if name[:1].isupper() else None)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(home), name)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        from crossent.errors import MissingExtra

        raise MissingExtra("torch", f"crossent.torch.{name}") from None


def __dir__() -> list[str]:
    return sorted({**_HOME, **_losses()})


def _losses() -> dict[str, str]:
    """Where the modules of the registry's losses are: `FocalLoss`, `BrierLoss` and the others."""
    from crossent.torch.registered import trainable

    return dict.fromkeys(trainable(), "crossent.torch.losses")
