"""What makes losses fast on the CPU: one interface, one implementation chosen once."""

from __future__ import annotations

from crossent.kernels.choice import choice, instruction_sets, threads
from crossent.kernels.distributions import cross_entropy, entropy
from crossent.kernels.divergences import generalised_kl_divergence, js_divergence
from crossent.kernels.reference import (
    binary_log_loss,
    brier,
    brier_from_log_probs,
    brier_from_logits,
    check_labels,
    label_probability_loss,
    log_loss_from_logits,
    log_loss_from_probs,
    row_sum_and_extremes,
    softmax,
    softmax_minus_label,
    take_label,
    top,
)

if choice().native is not None:
    from crossent.kernels.compiled import log_loss_from_logits, softmax_minus_label


def explain() -> str:
    """One sentence: which implementation computes the losses, and why not another."""
    return choice().reason


__all__ = [
    "binary_log_loss",
    "brier",
    "brier_from_log_probs",
    "brier_from_logits",
    "check_labels",
    "cross_entropy",
    "entropy",
    "explain",
    "generalised_kl_divergence",
    "instruction_sets",
    "js_divergence",
    "label_probability_loss",
    "log_loss_from_logits",
    "log_loss_from_probs",
    "row_sum_and_extremes",
    "softmax",
    "softmax_minus_label",
    "take_label",
    "threads",
    "top",
]
