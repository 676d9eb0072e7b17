"""What one visit of probabilities tells: losses, the top class, and how well the rows keep to the rules."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crossent.kernels import reference
from crossent.kernels.narrow import widened
from crossent.kernels.reference import Codes, Floats, Reals


@dataclass(frozen=True)
class Quality:
    """How far probabilities keep to their range and to the sum one; extremes are nan where any entry is."""

    least: float
    most: float
    least_sum: float
    most_sum: float
    below_zero: int
    """Entries."""
    above_one: int
    """Entries."""
    off_1e6: int
    """Rows whose sum is further from 1 than that."""
    off_1e3: int

    def within(self, tolerance: float, of_sums: float) -> bool:
        """Every entry in [0, 1 + tolerance], and every sum that near to 1."""
        far = max(self.most_sum - 1.0, 1.0 - self.least_sum)
        return self.least >= 0.0 and self.most <= 1.0 + tolerance and far <= of_sums


@dataclass(frozen=True)
class Scores:
    """The losses of rows of probabilities, and the class that each thinks likeliest."""

    log_loss: Floats
    brier: Floats
    zero_one: Floats
    """nan where a row holds nan."""
    top: Codes
    confidence: Floats
    hit: NDArray[np.bool_]
    """The top class is the label."""
    ties: int
    """Rows where another class is as likely as the top one."""
    quality: Quality


def quality(p: Reals) -> Quality:
    """Range and row sums of probabilities (needs a row)."""
    p = widened(p)
    total, least, most = reference.row_sum_and_extremes(p)
    off = np.abs(total - 1.0)
    return Quality(
        least,
        most,
        float(total.min()),
        float(total.max()),
        int(np.count_nonzero(p < 0.0)) if not least >= 0.0 else 0,
        int(np.count_nonzero(p > 1.0)) if not most <= 1.0 else 0,
        int(np.count_nonzero(off > 1e-6)),
        int(np.count_nonzero(off > 1e-3)),
    )


def score(labels: Codes, p: Reals) -> Scores:
    """Everything about (N, K) probabilities and their labels in 0..K−1 (needs a row)."""
    return _scores(labels, p, reference.log_loss_from_probs(labels, p))


def score_single(labels: Codes, p: Reals, positive: int) -> Scores:
    """The same of (N,) probabilities of class `positive` of two, as if the other's 1 − p stood beside it.

    The log loss of the other class keeps the digits of a tiny p.
    """
    reference.check_labels(labels, 2)
    both = np.empty((2, p.size))
    both[positive] = widened(p)
    np.subtract(1.0, both[positive], out=both[1 - positive])
    return _scores(labels, both.T, reference.binary_log_loss(labels == positive, p))


def _scores(labels: Codes, p: Reals, log_loss: Floats) -> Scores:
    top, confidence, ties = reference.top(p)
    hit = top == labels
    return Scores(
        log_loss,
        reference.brier(labels, p),
        np.where(np.isnan(confidence), np.nan, (~hit).astype(np.float64)),
        top,
        confidence,
        hit,
        int(np.count_nonzero(ties)),
        quality(p),
    )


def checked_log_losses(labels: Codes, p: Reals) -> tuple[Floats, Quality]:
    """(N,) −log p[label], and how well p keeps to the rules."""
    return reference.log_loss_from_probs(labels, p), quality(p)


def checked_log_loss_sum(labels: Codes, p: Reals) -> tuple[float, Quality]:
    """Σ −log p[label] to the last digits, and how well p keeps to the rules.

    Of (N,) probabilities p is that of class 1, and class 0 has 1 − p. The order of the rows changes the last
    bit of the sum at most.
    """
    if p.ndim == 1:
        found = score_single(labels, p, 1)
        return _precise_sum(found.log_loss), found.quality
    losses, quality = checked_log_losses(labels, p)
    return _precise_sum(losses), quality


def _precise_sum(x: Floats) -> float:
    """Σ x to some 100 bits: halves are added to each other with what the additions round away (Knuth)."""
    if not np.isfinite(x).all():
        return float(x.sum())
    low = np.zeros(x.size)
    while x.size > 1:
        half = x.size // 2
        a, b, odd = x[:half], x[half : 2 * half], x[2 * half :]
        total = a + b
        part = total - a
        error = (a - (total - part)) + (b - part)
        low = np.concatenate([low[:half] + low[half : 2 * half] + error, low[2 * half :]])
        x = np.concatenate([total, odd])
    return float(x.sum() + low.sum())
