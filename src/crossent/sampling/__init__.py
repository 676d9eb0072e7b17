"""Softmax losses that do not look at every class: samplers, estimators, contrasts, and two exact levels.

Which of these estimates log loss, with which bias, and what it costs is measured in
docs/large-vocabularies.md.
"""

from __future__ import annotations

from crossent.sampling.contrasts import (
    negative_sampling,
    negative_sampling_gradient,
    noise_contrastive_estimation,
    noise_contrastive_estimation_gradient,
)
from crossent.sampling.estimators import (
    LogNormaliser,
    accidental_hits,
    importance_log_normaliser,
    sampled_softmax,
    sampled_softmax_gradient,
)
from crossent.sampling.layer import logits_of, sampled_log_loss
from crossent.sampling.samplers import ClassSampler, log_uniform, uniform, unigram
from crossent.sampling.two_level import TwoLevelSoftmax

__all__ = [
    "ClassSampler",
    "LogNormaliser",
    "TwoLevelSoftmax",
    "accidental_hits",
    "importance_log_normaliser",
    "log_uniform",
    "logits_of",
    "negative_sampling",
    "negative_sampling_gradient",
    "noise_contrastive_estimation",
    "noise_contrastive_estimation_gradient",
    "sampled_log_loss",
    "sampled_softmax",
    "sampled_softmax_gradient",
    "uniform",
    "unigram",
]
