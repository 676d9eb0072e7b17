"""What makes losses fast on the CPU: one interface, one implementation chosen once."""

from __future__ import annotations

from crossent.kernels.choice import choice, instruction_sets, threads, using
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
    row_sums,
    softmax,
    softmax_minus_label,
    take_label,
    top,
)
from crossent.kernels.row_losses import (
    log_sum_exp,
    loss_and_gradient_from_logits,
    sigmoid_log_loss_from_logits,
    sigmoid_loss_and_gradient_from_logits,
    smoothed_log_loss_from_logits,
    soft_cross_entropy_from_logits,
    soft_loss_and_gradient_from_logits,
)
from crossent.kernels.scores import (
    Quality,
    Scores,
    checked_log_loss_sum,
    checked_log_losses,
    quality,
    score,
    score_single,
)

if choice().native is not None:
    from crossent.kernels.compiled_logits import (
        log_loss_from_logits,
        log_sum_exp,
        loss_and_gradient_from_logits,
        sigmoid_log_loss_from_logits,
        sigmoid_loss_and_gradient_from_logits,
        smoothed_log_loss_from_logits,
        soft_cross_entropy_from_logits,
        soft_loss_and_gradient_from_logits,
        softmax_minus_label,
    )
    from crossent.kernels.compiled_probs import (
        binary_log_loss,
        brier,
        brier_from_log_probs,
        brier_from_logits,
        checked_log_loss_sum,
        checked_log_losses,
        label_probability_loss,
        log_loss_from_probs,
        quality,
        row_sum_and_extremes,
        score,
        score_single,
        softmax,
        take_label,
        top,
    )


def explain() -> str:
    """One sentence: which implementation computes the losses, and why not another."""
    return choice().reason


__all__ = [
    "Quality",
    "Scores",
    "binary_log_loss",
    "brier",
    "brier_from_log_probs",
    "brier_from_logits",
    "check_labels",
    "checked_log_loss_sum",
    "checked_log_losses",
    "cross_entropy",
    "entropy",
    "explain",
    "generalised_kl_divergence",
    "instruction_sets",
    "js_divergence",
    "label_probability_loss",
    "log_loss_from_logits",
    "log_loss_from_probs",
    "log_sum_exp",
    "loss_and_gradient_from_logits",
    "quality",
    "row_sum_and_extremes",
    "row_sums",
    "score",
    "score_single",
    "sigmoid_log_loss_from_logits",
    "sigmoid_loss_and_gradient_from_logits",
    "smoothed_log_loss_from_logits",
    "soft_cross_entropy_from_logits",
    "soft_loss_and_gradient_from_logits",
    "softmax",
    "softmax_minus_label",
    "take_label",
    "threads",
    "top",
    "using",
]
