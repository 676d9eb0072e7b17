"""Measures between distributions, and the log loss of labelled predictions, of arrays in memory."""

from __future__ import annotations

from crossent.information.divergences import generalised_kl_divergence, js_divergence, kl_divergence
from crossent.information.joint import conditional_entropy, mutual_information
from crossent.information.labelled import log_loss
from crossent.information.measures import cross_entropy, entropy, perplexity
from crossent.information.samples import (
    cross_entropy_from_samples,
    density_in_unit,
    entropy_from_samples,
    kl_divergence_from_samples,
)

__all__ = [
    "conditional_entropy",
    "cross_entropy",
    "cross_entropy_from_samples",
    "density_in_unit",
    "entropy",
    "entropy_from_samples",
    "generalised_kl_divergence",
    "js_divergence",
    "kl_divergence",
    "kl_divergence_from_samples",
    "log_loss",
    "mutual_information",
    "perplexity",
]
