"""What trains in PyTorch, which is imported when something here is first called."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crossent.torch.choice import explain
    from crossent.torch.linear import linear_cross_entropy
    from crossent.torch.options import CrossEntropyOutput
    from crossent.torch.parallel import vocab_parallel_cross_entropy, vocab_parallel_linear_cross_entropy
    from crossent.torch.penalty import gradient_penalty
    from crossent.torch.plain import cross_entropy
    from crossent.torch.targets import TopK

_HOMES = {
    "crossent.torch.choice": ("explain",),
    "crossent.torch.linear": ("linear_cross_entropy",),
    "crossent.torch.options": ("CrossEntropyOutput",),
    "crossent.torch.parallel": ("vocab_parallel_cross_entropy", "vocab_parallel_linear_cross_entropy"),
    "crossent.torch.penalty": ("gradient_penalty",),
    "crossent.torch.plain": ("cross_entropy",),
    "crossent.torch.targets": ("TopK",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "CrossEntropyOutput",
    "TopK",
    "cross_entropy",
    "explain",
    "gradient_penalty",
    "linear_cross_entropy",
    "vocab_parallel_cross_entropy",
    "vocab_parallel_linear_cross_entropy",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(_HOME[name]), name)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        from crossent.errors import MissingExtra

        raise MissingExtra("torch", f"crossent.torch.{name}") from None


def __dir__() -> list[str]:
    return sorted(__all__)
