"""Mixtures of the predictions in files: weights, what they gain, and the mixture's own predictions."""

from __future__ import annotations

from crossent.mixing.files import Mixed, combine

__all__ = ["Mixed", "combine"]
