"""Prior shift: class frequencies of rows without labels, from a confusion matrix.

Frequencies that are known are moved to by `crossent.imbalance.correct_priors` (and `correct_weights`,
`correct_resampling`), and estimated by likelihood by `crossent.imbalance.estimate_priors`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from crossent.calibration.given import Floats
from crossent.errors import DataError

CONDITION = 1e8


def black_box_shift(confusion: ArrayLike, predicted: ArrayLike) -> Floats:
    """(K,) class frequencies of rows without labels:  π* = π ∘ C⁻¹ μ  (BBSE).

    C is the joint frequency of likeliest class and label in labelled rows that the model did not learn from,
    π that of its labels, and μ the frequency of the likeliest class in the new rows. Right where the
    frequencies of the classes changed and nothing else did; the model need not be calibrated. Estimates below
    0 become 0.

    confusion : (K, K) counts or weights, likeliest class (rows) by label (columns).
    predicted : (K,) counts of the likeliest class in the new rows.

    Errors: `DataError` (priors-not-identified) where C cannot be inverted: two classes are predicted alike.

    >>> black_box_shift([[45, 10], [5, 40]], [26, 74]).round(3)
    array([0.086, 0.914])

    Source: Z. Lipton, Y.-X. Wang, A. Smola, Detecting and correcting for label shift with black box
    predictors, ICML 2018, arXiv:1802.03916.
    """
    c = np.asarray(confusion, np.float64)
    mu = np.asarray(predicted, np.float64)
    if c.ndim != 2 or c.shape != (mu.size, mu.size) or mu.sum() <= 0:
        raise DataError(
            "shape-mismatch", f"a confusion {c.shape} for {mu.size} classes", cure="give (K, K) and (K,)"
        )
    rates = c / np.maximum(c.sum(axis=0), np.finfo(float).tiny)
    if not c.sum(axis=0).all() or np.linalg.cond(rates) > CONDITION:
        raise DataError(
            "priors-not-identified",
            "the model predicts two classes alike, so that their frequencies cannot be told apart",
            cure="estimate them by likelihood (em), or give them",
        )
    found = np.maximum(np.linalg.solve(rates, mu / mu.sum()), 0.0)
    return np.asarray(found / found.sum())
