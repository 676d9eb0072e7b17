"""Designing an evaluation: from how losses scatter in a pilot to how many rows a comparison needs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from crossent.statistics.estimates import Estimate
from crossent.statistics.paired import Difference
from crossent.statistics.power import minimum_detectable_difference, required_units
from crossent.statistics.summary import LossSummary

POWER = 0.8
"""Of every plan that does not say another: a true difference is missed one time in five."""


@dataclass(frozen=True)
class PairPlan:
    """What a comparison of two models could show, and what it would need."""

    model: str
    reference: str
    difference: float
    """As observed: model minus reference."""
    deviation: float
    """Standard deviation of the difference of one unit."""
    units: int
    """Rows, or clusters, that there are."""
    detectable: float
    """The smallest true difference that so many units show with the power of the plan."""
    needed: int | None
    """Units that show a true difference as large as the observed one; None where that is 0."""
    unpaired: float | None
    """How many times as many units it takes where each model is judged on units of its own; None where
    pairing leaves nothing to compare."""


def pair_plan(difference: Difference, model: Estimate, reference: Estimate, level: float) -> PairPlan | None:
    """The plan of a pair from what was found of it; None where there is no standard error."""
    gap = difference.difference
    if gap.se is None or gap.se == 0.0 or difference.detectable is None:
        return None
    deviation = gap.se * math.sqrt(gap.units)
    apart = None if model.se is None or reference.se is None else (model.se**2 + reference.se**2) / gap.se**2
    needed = _needed(deviation, gap.value, level, POWER) if gap.value else None
    names = difference.model, difference.reference
    return PairPlan(*names, gap.value, deviation, gap.units, difference.detectable, needed, apart)


def _needed(deviation: float, difference: float, level: float, power: float) -> int | None:
    if (deviation / difference) ** 2 > 1e15:
        return None  # more rows than there ever are
    return required_units(deviation**2, abs(difference), level=level, power=power)


@dataclass(frozen=True)
class Requirement:
    """What it takes to show one difference."""

    difference: float
    units: int
    """Rows, or clusters, with both models judged on the same ones."""
    unpaired: int | None
    """Of each model, where they are judged on others; None where that is not known."""


@dataclass(frozen=True)
class Design:
    """How large a test set has to be."""

    deviation: float
    """Standard deviation of the difference of two models' losses on one unit, in the unit of the loss."""
    unpaired_deviation: float | None
    """The same of units of their own: √ of the sum of both models' variances."""
    unit_name: str
    """"row", or the name of the cluster column."""
    rows_per_unit: float
    """1 for rows."""
    level: float
    """Confidence, after division of its complement by the number of comparisons."""
    power: float
    comparisons: int
    """That are made at once: Bonferroni's correction."""
    detectable: float | None
    """The smallest difference that as many units as the pilot's show; None without a pilot."""
    units: int | None
    """Of the pilot."""
    requirements: tuple[Requirement, ...]


def design(
    deviation: float,
    differences: Sequence[float],
    *,
    unpaired_deviation: float | None = None,
    level: float = 0.95,
    power: float = POWER,
    comparisons: int = 1,
    units: int | None = None,
    unit_name: str = "row",
    rows_per_unit: float = 1.0,
) -> Design:
    """Units that each difference takes, at the power and with Bonferroni's correction for all comparisons.

    Units n with (t_{1−α/2} + t_{power})² · deviation² / n ≤ difference²; see `required_units` for errors.

    >>> found = design(0.5, [0.05, 0.01])
    >>> [r.units for r in found.requirements]
    [787, 19625]

    Source: Miller 2024, "Adding error bars to evals", arXiv:2411.00640, section 5.
    """
    each = 1.0 - (1.0 - level) / comparisons
    needed = [
        Requirement(
            d,
            required_units(deviation**2, d, level=each, power=power),
            None
            if unpaired_deviation is None
            else required_units(unpaired_deviation**2, d, level=each, power=power),
        )
        for d in differences
    ]
    detectable = None
    if units is not None and units > 1:
        se = deviation / math.sqrt(units)
        detectable = minimum_detectable_difference(se, level=each, power=power, df=units - 1)
    return Design(
        deviation,
        unpaired_deviation,
        unit_name,
        rows_per_unit,
        each,
        power,
        comparisons,
        detectable,
        units,
        tuple(needed),
    )


def deviations(summary: LossSummary, model: str, reference: str) -> tuple[float, float]:
    """Standard deviation of one unit's difference, paired and not, from sums over a pilot's units."""
    a, b = summary.names.index(model), summary.names.index(reference)
    covariance, difference = summary.covariance(), summary.difference_variance()
    paired = math.sqrt(float(difference[a, b]) * summary.units)
    return paired, math.sqrt(float(covariance[a, a] + covariance[b, b]) * summary.units)
