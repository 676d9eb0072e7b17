"""Measures between distributions, and the log loss of labelled predictions, of arrays in memory."""

from __future__ import annotations

from crossent.information.labelled import log_loss
from crossent.information.measures import cross_entropy, entropy, kl_divergence

__all__ = ["cross_entropy", "entropy", "kl_divergence", "log_loss"]
