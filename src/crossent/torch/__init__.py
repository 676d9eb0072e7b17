"""What trains in PyTorch, which is imported when something here is first called."""

from __future__ import annotations

from crossent.torch.penalty import gradient_penalty

__all__ = ["gradient_penalty"]
