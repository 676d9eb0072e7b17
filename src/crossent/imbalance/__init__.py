"""Classes of unequal size: weights, losses under other frequencies, and predictions put right afterwards."""

from __future__ import annotations

from crossent.imbalance.corrections import correct_priors, correct_resampling, correct_weights
from crossent.imbalance.priors import PriorEstimate, estimate_priors
from crossent.imbalance.stratified import ClassLoss, PostStratified, post_stratified
from crossent.imbalance.weights import class_counts, class_weights, deferred_weights

__all__ = [
    "ClassLoss",
    "PostStratified",
    "PriorEstimate",
    "class_counts",
    "class_weights",
    "correct_priors",
    "correct_resampling",
    "correct_weights",
    "deferred_weights",
    "estimate_priors",
    "post_stratified",
]
