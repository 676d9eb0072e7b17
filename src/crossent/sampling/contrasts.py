"""Losses that tell the label from drawn noise: noise-contrastive estimation, negative sampling.

Neither estimates log loss. The first is least at the true distribution all the same; the second is not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from crossent._arrays import same_kind
from crossent.sampling.estimators import checked_label, checked_log_q, checked_logits, checked_samples

Floats = NDArray[np.float64]


@same_kind
def noise_contrastive_estimation(
    z_label: ArrayLike, z_sampled: ArrayLike, log_q_label: ArrayLike, log_q_sampled: ArrayLike
) -> Floats:
    """(N,) −log σ(z_label − log(m q_label)) − Σ_s log σ(log(m q_s) − z_s), in nats.

    The log loss of a classifier that is told the label and m draws from q, and says which is which. Its
    value is no estimate of log loss, and is summed over the m + 1 classifications. For any q that draws
    every class, its expectation is least where z = log p, log-probabilities that sum to one by themselves,
    so that after training log loss may be read off without a normaliser, as −z_label. Draws that hit the
    label stay in: taking them out would shift the minimum.

    Parameters
    ----------
    z_label, z_sampled : (N,) and (N, m) logits, read as log-probabilities.
    log_q_label, log_q_sampled : (N,) and (m,) or (N, m): logarithms of the noise probabilities.

    Range [0, ∞). Raises `DataError` (shape-mismatch, nan-prediction, infinite-logit,
    positive-log-probability, class-never-drawn) and `UsageError` (bad-option, without samples).

    >>> import numpy as np
    >>> log_q = np.log([0.5, 0.5])
    >>> noise_contrastive_estimation([0.0], [[-3.0, -3.0]], log_q[:1], log_q)
    array([0.79032188])

    Source: M. Gutmann, A. Hyvärinen, Noise-contrastive estimation, AISTATS 2010 (PMLR 9:297–304); for
    language models A. Mnih, Y. W. Teh, ICML 2012, arXiv:1206.6426.
    """
    return _told_apart(*_against_noise(z_label, z_sampled, log_q_label, log_q_sampled))


@same_kind
def noise_contrastive_estimation_gradient(
    z_label: ArrayLike, z_sampled: ArrayLike, log_q_label: ArrayLike, log_q_sampled: ArrayLike
) -> tuple[Floats, Floats]:
    """Derivatives of `noise_contrastive_estimation` by `z_label` (N,) and by `z_sampled` (N, m).

    In expectation (exp(z_c) − p_c) · m q_c/(exp(z_c) + m q_c) for class c: 0 at z = log p, and for
    normalised z the gradient of log loss as m grows.

    >>> noise_contrastive_estimation_gradient([0.0], [[0.0]], [0.0], [0.0])
    (array([-0.5]), array([[0.5]]))
    """
    return _slopes(*_against_noise(z_label, z_sampled, log_q_label, log_q_sampled))


@same_kind
def negative_sampling(z_label: ArrayLike, z_sampled: ArrayLike, *, hits: ArrayLike | None = None) -> Floats:
    """(N,) −log σ(z_label) − Σ_s log σ(−z_s), in nats: word2vec's simplification. No estimator of log loss.

    Noise-contrastive estimation without its correction by log(m q). The expectation is least at
    z = log(p / (m q)), so a softmax of such logits is proportional to p/q, not to p: it learns how much more
    often a class occurs *here* than among the noise. That makes vectors of words, and no probabilities; add
    log(m q) to the logits to get log p back.

    Parameters
    ----------
    z_label, z_sampled : (N,) and (N, m) logits.
    hits : (N, m) bools, from `accidental_hits`: draws that do not count. Word2vec leaves these out, which
        makes the minimum p / (m q (1 − p)).

    Range [0, ∞). Raises `DataError` (shape-mismatch, nan-prediction, infinite-logit) and `UsageError`
    (bad-option, without samples).

    >>> negative_sampling([3.0], [[-3.0, 0.0]])
    array([0.79032188])

    Source: T. Mikolov et al., Distributed representations of words and phrases, NeurIPS 2013,
    arXiv:1310.4546; the minimum: O. Levy, Y. Goldberg, NeurIPS 2014.
    """
    return _told_apart(*_uncorrected(z_label, z_sampled, hits))


@same_kind
def negative_sampling_gradient(
    z_label: ArrayLike, z_sampled: ArrayLike, *, hits: ArrayLike | None = None
) -> tuple[Floats, Floats]:
    """Derivatives of `negative_sampling` by `z_label` (N,) and by `z_sampled` (N, m).

    >>> negative_sampling_gradient([0.0], [[0.0]])
    (array([-0.5]), array([[0.5]]))
    """
    return _slopes(*_uncorrected(z_label, z_sampled, hits))


def _against_noise(
    z_label: ArrayLike, z_sampled: ArrayLike, log_q_label: ArrayLike, log_q_sampled: ArrayLike
) -> tuple[Floats, Floats]:
    """Log-odds of being the label rather than noise: of the labels (N,), of the draws (N, m)."""
    z, log_q, _ = checked_samples(z_sampled, log_q_sampled, None)
    n, m = z.shape
    label = checked_label(z_label, n) - checked_log_q(log_q_label, (n,))
    return label - np.log(m), z - log_q - np.log(m)


def _uncorrected(z_label: ArrayLike, z_sampled: ArrayLike, hits: ArrayLike | None) -> tuple[Floats, Floats]:
    z = checked_logits(z_sampled, "z_sampled", 2)
    z, _, hit = checked_samples(z, np.zeros(z.shape[1:]), hits)
    return checked_label(z_label, len(z)), np.where(hit, -np.inf, z)


def _told_apart(label: Floats, noise: Floats) -> Floats:
    return np.asarray(np.logaddexp(0.0, -label) + np.logaddexp(0.0, noise).sum(axis=1))


def _slopes(label: Floats, noise: Floats) -> tuple[Floats, Floats]:
    return -_sigmoid(-label), _sigmoid(noise)


def _sigmoid(x: Floats) -> Floats:
    with np.errstate(under="ignore"):
        return np.asarray(np.exp(-np.logaddexp(0.0, -x)))
