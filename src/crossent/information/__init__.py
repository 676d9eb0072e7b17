"""Measures between distributions, and the log loss of labelled predictions, of arrays in memory."""

from __future__ import annotations

from crossent.information.divergences import generalised_kl_divergence, js_divergence, kl_divergence
from crossent.information.joint import conditional_entropy, mutual_information
from crossent.information.labelled import log_loss
from crossent.information.measures import cross_entropy, entropy, perplexity

__all__ = [
    "conditional_entropy",
    "cross_entropy",
    "entropy",
    "generalised_kl_divergence",
    "js_divergence",
    "kl_divergence",
    "log_loss",
    "mutual_information",
    "perplexity",
]
