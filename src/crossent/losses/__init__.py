"""Losses: the contract, the registry, and a module a family. `get("log_loss")` finds one by name.

A variant is included when it was published, is used, and behaves differently: it has another minimum, weighs
rows otherwise, or takes what no other does. A name for a product of two others is not a variant, and neither
is a weight a row: weights, masks and means are arguments of `crossent.loss`.
"""

from __future__ import annotations

from crossent.losses.contract import KINDS, Loss
from crossent.losses.registry import all_losses, get, register

__all__ = ["KINDS", "Loss", "all_losses", "get", "register"]
