"""Losses: the contract, the registry, and a module a family. `get("log_loss")` finds one by name."""

from __future__ import annotations

from crossent.losses.contract import KINDS, Loss
from crossent.losses.registry import all_losses, get, register

__all__ = ["KINDS", "Loss", "all_losses", "get", "register"]
