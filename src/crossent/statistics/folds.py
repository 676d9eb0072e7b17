"""Comparing models by scores of the folds of a cross-validation, whose training parts overlap.

The scores of J folds (repeats included) are not independent: each two training parts share most of their
rows, so that the variance of a mean of differences is larger than s²/J. There is no unbiased estimate of it
(Bengio & Grandvalet 2004); the corrections here take the correlation to be ρ = n_test/(n_test + n_train).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from crossent.errors import UsageError
from crossent.statistics.estimates import t_quantile
from crossent.statistics.power import check_probability


@dataclass(frozen=True)
class FoldComparison:
    """A mean difference over folds with a standard error that knows of the overlap."""

    difference: float
    se: float
    """√((1/J + n_test/n_train) s²), s² the variance of the differences."""
    folds: int
    """J: folds times repeats."""
    t: float
    p: float
    """Two-sided, Student's t with J − 1 degrees of freedom."""
    interval: tuple[float, float]

    @property
    def p_greater(self) -> float:
        """One-sided: of the test that the difference is not above 0."""
        return float(special.stdtr(self.folds - 1, -self.t))


def corrected_t(differences: ArrayLike, test_over_train: float, *, level: float = 0.95) -> FoldComparison:
    """The corrected resampled t test of differences (J,) of two models' scores on the same folds.

    test_over_train : rows of a test part over rows of its training part, 1/(k − 1) for k folds; 0 gives the
        uncorrected test, which rejects a true null far too often.
    Raises UsageError with fewer than two folds, or a ratio below 0.

    >>> found = corrected_t([0.1, 0.3, 0.2, 0.2], 1 / 3)
    >>> round(found.t, 4), round(found.p, 4)
    (3.2071, 0.0491)

    Source: Nadeau & Bengio 2003, Machine Learning 52:239-281, doi:10.1023/A:1024068626366; with repeats
    Bouckaert & Frank 2004, doi:10.1007/978-3-540-24775-3_3.
    """
    check_probability("level", level)
    x = np.asarray(differences, np.float64)
    if x.size < 2 or test_over_train < 0.0:
        raise UsageError(
            "bad-folds",
            f"{x.size} folds with test parts {test_over_train:g} times the training parts",
            cure="give a difference for each of at least two folds, and a ratio of rows",
        )
    mean, variance = float(x.mean()), float(x.var(ddof=1))
    se = math.sqrt((1.0 / x.size + test_over_train) * variance)
    t = mean / se if se > 0.0 else math.copysign(math.inf, mean) if mean else 0.0
    p = float(2.0 * special.stdtr(x.size - 1, -abs(t)))
    half = t_quantile(0.5 + level / 2.0, x.size - 1) * se
    return FoldComparison(mean, se, x.size, t, p, (mean - half, mean + half))


def correlated_posterior(
    differences: ArrayLike, test_over_train: float, rope: float = 0.0
) -> tuple[float, float, float]:
    """(below, equal, above): posterior probability that the mean difference is < −rope, within, and > rope.

    The posterior under the usual vague prior is Student's t with J − 1 degrees of freedom about the mean, its
    scale that of `corrected_t`. `rope` is the difference that does not matter, from 0.

    >>> below, equal, above = correlated_posterior([0.1, 0.3, 0.2, 0.2], 1 / 3, rope=0.01)
    >>> round(above, 3)
    0.972

    Source: Corani & Benavoli 2015, Machine Learning 100:285-304, doi:10.1007/s10994-015-5486-z.
    """
    found = corrected_t(differences, test_over_train)
    if found.se == 0.0:
        below, above = found.difference < -rope, found.difference > rope
        return float(below), float(not below and not above), float(above)
    at = (np.array([-rope, rope]) - found.difference) / found.se
    low, high = special.stdtr(found.folds - 1, at)
    return float(low), float(high - low), float(1.0 - high)
