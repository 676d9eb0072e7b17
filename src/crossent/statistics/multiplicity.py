"""Many comparisons at once: p-values adjusted so that what is said of all of them together holds.

holm        the chance of any false statement stays below the level, whatever the dependence
bonferroni  the same, more simply and with less power
max-t       the same for many units, with more power: from the joint law of all differences, simulated
bh          among the statements the share of false ones stays below the level, on average: where the tests
            are independent or positively dependent
by          the same whatever the dependence
none        nothing is adjusted: each p-value stands for its own comparison only
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy import special

from crossent.errors import UsageError
from crossent.statistics.multiplier import DRAWS, check_draws, gaussian_means
from crossent.statistics.summary import Floats

PValues = Sequence[float | None]
Pairs = Sequence[tuple[int, int]]
FAMILY_WISE = ("holm", "bonferroni", "max-t")
"""Adjustments that bound the chance of any false statement."""


def holm(p: PValues) -> list[float | None]:
    """P-values adjusted so that the chance of any false rejection stays below the level (step-down).

    The i-th smallest of m p-values is multiplied by m − i + 1, then made monotone and capped at 1. Valid
    whatever the dependence. None (no test) stays None and does not count.

    >>> holm([0.01, 0.04, None, 0.03])
    [0.03, 0.06, None, 0.06]

    Source: Holm 1979, Scandinavian Journal of Statistics 6:65-70.
    """
    return _of_tested(p, lambda ascending, factor: np.maximum.accumulate(ascending * factor[::-1]))


def bonferroni(p: PValues) -> list[float | None]:
    """P-values times their number, capped at 1.

    >>> bonferroni([0.25, None, 0.75])
    [0.5, None, 1.0]

    Source: Dunn 1961, Journal of the American Statistical Association 56:52-64, doi:10.2307/2282330.
    """
    return _of_tested(p, lambda ascending, factor: ascending * factor.size)


def benjamini_hochberg(p: PValues) -> list[float | None]:
    """P-values adjusted so that the expected share of false rejections among all stays below the level.

    The i-th smallest of m p-values is multiplied by m / i, then made monotone from above. Valid for
    independent and for positively dependent tests.

    >>> benjamini_hochberg([0.5, 0.25, None, 0.125, 1.0])
    [0.6666666666666666, 0.5, None, 0.5, 1.0]

    Source: Benjamini & Hochberg 1995, Journal of the Royal Statistical Society B 57:289-300,
    doi:10.1111/j.2517-6161.1995.tb02031.x.
    """
    return _of_tested(p, _step_up)


def benjamini_yekutieli(p: PValues) -> list[float | None]:
    """Benjamini and Hochberg's p-values times 1 + 1/2 + … + 1/m: valid whatever the dependence.

    >>> benjamini_yekutieli([0.25, None, 0.25])
    [0.375, None, 0.375]

    Source: Benjamini & Yekutieli 2001, Annals of Statistics 29:1165-1188, doi:10.1214/aos/1013699998.
    """
    return _of_tested(p, lambda ascending, rank: _step_up(ascending, rank) * (1.0 / rank).sum())


def max_t(
    p: PValues, pairs: Pairs, variance: Floats, *, draws: int = DRAWS, seed: int = 0
) -> list[float | None]:
    """P-values adjusted by the simulated law of the largest of all statistics (step-down).

    Each p-value is turned into the |z| that has it, so that with few units Student's tails are kept. The
    smallest p-value is compared with the largest |z| of all pairs in draws where all models are equal, the
    next with the largest of the pairs that are left, and so on. `pairs` are places in `variance` (K, K), the
    variances of the models' differences; a pair without variance (a duplicate, a constant difference) is
    never drawn.

    Differences that move together count less than Holm's method must assume. Never more than Holm's p-value
    is found, nor less than the unadjusted one: both hold without Monte Carlo error, and take some of that
    error, sqrt(p(1−p)/draws), away. Raises UsageError for no draws.

    Source: Westfall & Young 1993, Resampling-Based Multiple Testing, algorithm 2.8; Romano & Wolf 2005,
    Econometrica 73:1237-1282, doi:10.1111/j.1468-0262.2005.00615.x, with a Gaussian multiplier.
    """
    check_draws(draws)
    tested = [i for i, value in enumerate(p) if value is not None]
    order = sorted(tested, key=lambda i: (p[i], i))
    if not order:
        return list(p)
    raw = np.array([p[i] for i in order], np.float64)
    with np.errstate(divide="ignore"):
        observed = -special.ndtri(raw / 2)
    exceeded = _exceeded(observed, [pairs[i] for i in order], variance, draws, seed)
    simulated = np.maximum.accumulate((exceeded + 1) / (draws + 1))
    above: list[float | None] = holm(p)
    adjusted: list[float | None] = [None] * len(p)
    for i, value in zip(order, simulated.tolist(), strict=True):
        adjusted[i] = max(p[i] or 0.0, min(value, above[i] or 0.0))
    return adjusted


def _exceeded(observed: Floats, pairs: Pairs, variance: Floats, draws: int, seed: int) -> Floats:
    """How often the largest |z| of a pair and all that come after it is at least what was observed."""
    models = sorted({model for pair in pairs for model in pair})
    place = {model: i for i, model in enumerate(models)}
    first, second = np.array([(place[a], place[b]) for a, b in pairs]).T
    sub = variance[np.ix_(models, models)]
    scale = np.zeros(len(pairs))
    np.divide(1.0, np.sqrt(sub[first, second]), where=sub[first, second] > 0, out=scale)
    exceeded = np.zeros(len(pairs))
    for z in gaussian_means(sub, draws, seed):
        largest = np.zeros(len(z))
        for i in range(len(pairs) - 1, -1, -1):
            np.maximum(largest, np.abs(z[:, first[i]] - z[:, second[i]]) * scale[i], out=largest)
            exceeded[i] += (largest >= observed[i]).sum()
    return exceeded


def _of_tested(p: PValues, rule: Callable[[Floats, Floats], Floats]) -> list[float | None]:
    """A rule on the ascending p-values and their ranks 1, 2, …; None stays None and does not count."""
    tested = sorted((value, i) for i, value in enumerate(p) if value is not None)
    adjusted: list[float | None] = [None] * len(p)
    if tested:
        ascending = np.array([value for value, _ in tested])
        found = np.minimum(rule(ascending, np.arange(1.0, len(tested) + 1)), 1.0)
        for (_, i), value in zip(tested, found.tolist(), strict=True):
            adjusted[i] = value
    return adjusted


def _step_up(ascending: Floats, rank: Floats) -> Floats:
    found: Floats = np.minimum.accumulate((ascending * rank.size / rank)[::-1])[::-1]
    return found


ADJUSTMENTS: dict[str, Callable[[PValues], list[float | None]]] = {
    "holm": holm,
    "bonferroni": bonferroni,
    "bh": benjamini_hochberg,
    "by": benjamini_yekutieli,
    "none": list,
}
"""By name, those that need the p-values only."""
CHOICES = ("holm", "max-t", "bonferroni", "bh", "by", "none")


def check_adjustment(name: str) -> None:
    """Raise UsageError where no adjustment has that name."""
    if name not in CHOICES:
        raise UsageError(
            "unknown-adjustment",
            f"p-values cannot be adjusted by {name!r}",
            cure=f"choose {', '.join(CHOICES)}",
        )


def adjusted(name: str, p: PValues, pairs: Pairs, variance: Floats) -> list[float | None]:
    """P-values adjusted by the method of that name; see `max_t` for pairs and variance."""
    check_adjustment(name)
    return max_t(p, pairs, variance) if name == "max-t" else ADJUSTMENTS[name](p)
