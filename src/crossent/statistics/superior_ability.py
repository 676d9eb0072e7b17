"""Is any candidate better than the baseline, when the best of several was picked? Hansen's test.

Of m candidates that are all as good as the baseline, the best looks better by luck. With the differences
d_k = L̄_baseline − L̄_k and their standard errors s_k the statistic is

    T = max(0, max_k d_k / s_k),

and its law is drawn with all means at 0. A candidate that is far worse than the baseline cannot be the best,
but would count as if it could; so Hansen takes the means of those below −√(2 log log n) standard errors as
they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from crossent.statistics.multiplier import DRAWS, check_draws, gaussian_means
from crossent.statistics.power import check_probability
from crossent.statistics.summary import Floats, LossSummary


@dataclass(frozen=True)
class SuperiorAbility:
    """Whether any candidate is better than the baseline, although the best of several was picked."""

    baseline: str
    """What the candidates are compared with."""
    candidates: tuple[str, ...]
    """Those of finite loss."""
    best: str
    """The candidate with the largest statistic: surest to be better, not always the one of lowest loss."""
    statistic: float
    """max(0, max_k d_k / s_k), d_k the loss of the baseline minus that of candidate k."""
    p: float
    """Chance of as large a statistic if no candidate were better (Hansen's consistent p-value)."""
    p_lower: float
    """The same if every worse candidate is as bad as it looks: too small where they are not."""
    p_upper: float
    """The same if all candidates are as good as the baseline (White's reality check, studentised): too large
    where some are bad."""
    p_values: tuple[tuple[str, float], ...]
    """(candidate, p-value adjusted for all candidates, one-sided, step-down), the surest first."""
    better: tuple[str, ...]
    """Candidates with p < 1 − level: that any of these is not better has at most the chance 1 − level."""
    level: float
    draws: int
    seed: int


def superior_ability(
    summary: LossSummary,
    baseline: str,
    *,
    level: float = 0.95,
    draws: int = DRAWS,
    seed: int = 0,
) -> SuperiorAbility | None:
    """Test whether any model is better than `baseline`, and find those that are.

    `p` is for "any"; `p_values` say which, by the step-down of Romano and Wolf with Hansen's centring. With
    few units each d_k / s_k is replaced by the z with the p-value that it has by Student's law. A copy of the
    baseline is no candidate for being better and never drawn; a difference that is constant is certain. None
    where the baseline's loss is infinite, no candidate's is finite, or there are fewer than three units.
    Raises UsageError for a level outside (0, 1) or no draws.

    Source: Hansen 2005, Journal of Business & Economic Statistics 23:365-380, doi:10.1198/073500105000000063;
    Romano & Wolf 2005, Econometrica 73:1237-1282; with a Gaussian multiplier in place of the stationary
    bootstrap.
    """
    check_probability("level", level)
    check_draws(draws)
    finite = summary.finite
    base = summary.names.index(baseline)
    # by name: the draws must not depend on the order in which models are given
    others = [i for i in np.flatnonzero(finite).tolist() if i != base]
    others.sort(key=summary.names.__getitem__)
    if not finite[base] or not others or summary.units < 3:
        return None
    models = [base, *others]
    variance = summary.difference_variance()[np.ix_(models, models)]
    z = _scores(summary.mean[base] - summary.mean[others], variance[0, 1:], summary.degrees)
    centres = _centres(z, summary.units)
    steps, exceeded = _simulated(z, centres, variance, draws, seed)
    names = [summary.names[i] for i in others]
    order = sorted(range(len(names)), key=lambda k: (-z[k], names[k]))
    p_values = tuple((names[k], float(steps[k])) for k in order)
    lower, consistent, upper = exceeded
    return SuperiorAbility(
        baseline=baseline,
        candidates=tuple(names[k] for k in order),
        best=names[order[0]],
        statistic=max(0.0, float(z[order[0]])),
        p=consistent,
        p_lower=lower,
        p_upper=upper,
        p_values=p_values,
        better=tuple(name for name, p in p_values if p < 1.0 - level),
        level=level,
        draws=draws,
        seed=seed,
    )


def _scores(difference: Floats, variance: Floats, degrees: float) -> Floats:
    """z with the one-sided p-value of each difference; ±inf where it is constant, 0 where it is none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(difference == 0.0, 0.0, difference / np.sqrt(variance))
    # through the lower tail, which keeps its digits
    scores: Floats = -np.sign(t) * special.ndtri(special.stdtr(degrees, -np.abs(t)))
    return scores


def _centres(z: Floats, units: int) -> tuple[Floats, Floats, Floats]:
    """Means of the draws in standard errors, for the lower, the consistent and the upper p-value."""
    threshold = -math.sqrt(2.0 * math.log(max(math.log(units), 1.0)))
    return np.minimum(z, 0.0), np.where(z < threshold, z, 0.0), np.zeros_like(z)


def _simulated(
    z: Floats, centres: Sequence[Floats], variance: Floats, draws: int, seed: int
) -> tuple[Floats, tuple[float, float, float]]:
    """Step-down p-values of the candidates, and the p-values of the largest with each of the centres."""
    varies = variance[0, 1:] > 0.0
    scale = np.zeros(len(z))
    np.divide(1.0, np.sqrt(variance[0, 1:]), where=varies, out=scale)
    descending = np.argsort(-z, kind="stable")
    counts, steps = np.zeros(len(centres)), np.zeros(len(z))
    for drawn in gaussian_means(variance, draws, seed):
        null = (drawn[:, :1] - drawn[:, 1:]) * scale
        for c, centre in enumerate(centres):
            largest = np.where(varies, null + np.where(varies, centre, 0.0), 0.0).max(axis=1)
            counts[c] += (np.maximum(largest, 0.0) >= max(0.0, z.max())).sum()
        centred = np.where(varies, null + np.where(varies, centres[1], 0.0), 0.0)[:, descending[::-1]]
        maxima = np.maximum(np.maximum.accumulate(centred, axis=1), 0.0)[:, ::-1]
        steps[descending] += (maxima >= np.maximum(z[descending], 0.0)).sum(axis=0)
    steps[descending] = np.maximum.accumulate((steps[descending] + 1) / (draws + 1))
    lower, consistent, upper = ((counts + 1) / (draws + 1)).tolist()
    return steps, (lower, consistent, upper)
