"""Which losses of the registry train, under which names; nothing here imports PyTorch."""

from __future__ import annotations

from functools import cache

from crossent.losses import Loss, all_losses


@cache
def trainable() -> dict[str, Loss]:
    """Losses that have a derivative, by the names of their modules: `FocalLoss`, `BrierLoss`."""
    return {module_name(loss): loss for loss in all_losses() if type(loss).gradient is not Loss.gradient}


def module_name(loss: Loss) -> str:
    """Of the loss's class, with "Loss" at its end."""
    name = type(loss).__name__
    return name if name.endswith("Loss") else f"{name}Loss"
